//! Events that differ from an earlier one in nothing but their text, which is most of a stream.
//!
//! What an event does to [`Seen`](super::seen::Seen) depends on its bytes alone. If it has one text, counts nothing and
//! lists no tokens, then all else that it says can be said again without effect, and another text in the same template can
//! do nothing but add its length: so there is no need to read it.

use memchr::memchr2;

/// Longer templates are not kept.
const MAX_TEMPLATE: usize = 512;

/// An event without its text.
#[derive(Debug)]
pub(super) struct Template {
    /// What stands before and after the text.
    bytes: Box<[u8]>,
    /// Where the text stands between them.
    split: usize,
}

impl Template {
    /// The template of an event whose text ends at `end` and is `length` bytes long when unescaped. `None` if it is too long,
    /// or the text has escapes.
    pub(super) fn new(event: &[u8], end: usize, length: u64) -> Option<Self> {
        let (rest, after) = event.split_at_checked(end)?;
        let split = end.checked_sub(usize::try_from(length).ok()?)?;
        let (before, text) = rest.split_at_checked(split)?;
        let plain = before.last() == Some(&b'"') && is_plain(text);
        let fits = before.len().saturating_add(after.len()) <= MAX_TEMPLATE;
        (plain && fits).then(|| Self {
            bytes: [before, after].concat().into(),
            split,
        })
    }

    /// The text, if this event has the same template and its text has no escapes.
    pub(super) fn text_of<'a>(&self, event: &'a [u8]) -> Option<&'a [u8]> {
        let length = event.len().checked_sub(self.bytes.len())?;
        let (before, after) = self.bytes.split_at_checked(self.split)?;
        let (start, rest) = event.split_at_checked(self.split)?;
        let (text, end) = rest.split_at_checked(length)?;
        let same = is_equal(start, before) && is_equal(end, after);
        (same && is_plain(text)).then_some(text)
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Whether this is the whole of a string that is worth counting.
fn is_plain(text: &[u8]) -> bool {
    !text.is_empty() && memchr2(b'"', b'\\', text).is_none()
}

/// Equality without early exit, which is compiled to vector instructions; `==` costs a VM twenty instructions for each byte.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let pairs = left.iter().zip(right);
    left.len() == right.len() && pairs.fold(0, |differ, (left, right)| differ | (left ^ right)) == 0
}

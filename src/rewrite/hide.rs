//! Takes out of an event stream the usage that only the filter has asked for, so that the client gets the bytes that it
//! would have got without the filter.
//!
//! No whole event waits: an event goes on with the chunk that ends it. What is kept back is the beginning of an event
//! whose end has not come yet, of which a client could make nothing, and no more than [`MAX_HELD`] bytes of it.

use std::rc::Rc;

use memchr::{memchr2, memmem};

use crate::json::{Found, Grammar, Paths, Scanner, Table, Wanted};
use crate::sse::{Decoder, Piece};
use crate::usage;

/// The longest event that is looked at; a longer one passes. Usage takes a few hundred bytes.
pub const MAX_HELD: usize = 4 * 1024;

/// What a member tells of its event.
#[derive(Clone, Copy, Debug)]
enum Member {
    /// The count of generated tokens.
    Generated,
    /// Another count.
    Count,
    /// Generated text, unless it is empty.
    Text,
    /// Something beside counts, unless it is null or has nothing in it.
    Other,
}

const fn row(member: Member, path: &'static [&'static str]) -> (Member, Wanted) {
    (member, Wanted { path, cap: 24 })
}

static MEMBERS: Table<Member, 7> = Table::new(&[
    row(Member::Generated, &["usage", "completion_tokens"]),
    row(Member::Count, &["usage", "prompt_tokens"]),
    row(Member::Count, &["usage", "total_tokens"]),
    row(Member::Other, &["choices", "[]", "finish_reason"]),
    row(Member::Other, &["choices", "[]", "delta"]),
    row(Member::Text, &["choices", "[]", "text"]),
    row(Member::Other, &["error"]),
]);

thread_local! {
    static PATHS: Rc<Paths> = Rc::new(Paths::new(&MEMBERS.wanted));
    static USAGE: memmem::Finder<'static> = memmem::Finder::new(b"usage\"");
}

/// Whose line, and maybe more, a CR has ended. An LF right after it belongs to that end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Line,
    /// `kept` says whether the event went on.
    Event {
        kept: bool,
    },
}

/// What an event says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Content {
    /// It has counts.
    usage: bool,
    /// One of them is of generated tokens.
    generated: bool,
    /// It has something beside them.
    other: bool,
}

/// One stream on its way through.
#[derive(Debug)]
pub struct Hide {
    /// The beginning of the current event, taken out of earlier chunks.
    held: Vec<u8>,
    line_is_empty: bool,
    after_carriage_return: Option<Ended>,
    /// The current event is too long to be looked at.
    too_long: bool,
    /// The server reports usage beside what it generates, so that it would also have reported it unasked.
    volunteers: bool,
}

impl Default for Hide {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            line_is_empty: true,
            after_carriage_return: None,
            too_long: false,
            volunteers: false,
        }
    }
}

impl Hide {
    /// What goes on in the place of the next chunk; `None` if that is the chunk itself. `has_usage` is false where it is
    /// known that no usage ends in this chunk. `last` says that nothing follows.
    pub fn pass(&mut self, chunk: &[u8], has_usage: bool, last: bool) -> Option<Vec<u8>> {
        // Nearly every chunk of a stream is a whole event, or several.
        let between_events = self.held.is_empty() && self.line_is_empty && !self.too_long;
        if between_events
            && !has_usage
            && self.after_carriage_return.is_none()
            && chunk.ends_with(b"\n\n")
        {
            return None;
        }
        let mut passed = Passed::new(chunk);
        let mut event = 0;
        let mut at = 0;
        if let Some(ended) = self.after_carriage_return.take_if(|_| !chunk.is_empty())
            && chunk.first() == Some(&b'\n')
        {
            at = 1;
            if let Ended::Event { kept } = ended {
                event = 1;
                if kept {
                    passed.keep(0, 1);
                }
            }
        }
        while let Some(length) = memchr2(b'\n', b'\r', chunk.get(at..).unwrap_or_default()) {
            self.line_is_empty &= length == 0;
            let end_of_line = at.saturating_add(length);
            let carriage_return = chunk.get(end_of_line) == Some(&b'\r');
            at = end_of_line.saturating_add(1);
            let line_feed = carriage_return && chunk.get(at) == Some(&b'\n');
            if line_feed {
                at = at.saturating_add(1);
            }
            let mut ended = Ended::Line;
            if std::mem::replace(&mut self.line_is_empty, true) {
                let kept = self.end_event(chunk.get(event..at).unwrap_or_default());
                if kept && self.held.is_empty() {
                    passed.keep(event, at);
                } else if kept {
                    passed.add(&self.held);
                }
                self.held.clear();
                event = at;
                ended = Ended::Event { kept };
            }
            self.after_carriage_return =
                (carriage_return && !line_feed && at == chunk.len()).then_some(ended);
        }
        self.line_is_empty &= at == chunk.len();
        let rest = chunk.get(event..).unwrap_or_default();
        if !self.too_long && self.held.len().saturating_add(rest.len()) > MAX_HELD {
            self.too_long = true;
            passed.add(&std::mem::take(&mut self.held));
        }
        if self.too_long {
            passed.keep(event, chunk.len());
        } else {
            self.held.extend_from_slice(rest);
        }
        if last && !self.held.is_empty() && self.end_event(b"") {
            passed.add(&std::mem::take(&mut self.held));
        }
        passed.in_place_of_the_chunk()
    }

    /// Whether bytes of an earlier chunk are being kept back.
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives up: what has been kept back, which must go on before the next chunk.
    #[must_use]
    pub fn release(self) -> Vec<u8> {
        self.held
    }

    /// Whether the event that ends with `end` goes on. If some of it is held, all of it is from now on.
    fn end_event(&mut self, end: &[u8]) -> bool {
        let event = if self.held.is_empty() {
            end
        } else {
            self.held.extend_from_slice(end);
            &self.held
        };
        // Where the chunks end must not matter.
        if std::mem::take(&mut self.too_long) || event.len() > MAX_HELD {
            return true;
        }
        if USAGE.with(|usage| usage.find(event).is_none()) {
            return true;
        }
        let content = Content::of(event);
        self.volunteers |= content.generated && content.other;
        content.other || !content.usage || self.volunteers
    }
}

impl Content {
    fn of(event: &[u8]) -> Self {
        Self::read(event, &MEMBERS, PATHS.with(Rc::clone))
    }

    /// `paths` are those of `members`.
    fn read<const ROWS: usize>(
        event: &[u8],
        members: &Table<Member, ROWS>,
        paths: Rc<Paths>,
    ) -> Self {
        let mut content = Self::default();
        let mut scanner = Scanner::with_paths(paths, Grammar::Lenient);
        let mut read = |bytes: &[u8]| {
            let read = scanner.push_each(bytes, |index, found, _| {
                if let Some(member) = members.tag(index) {
                    content.value(member, found);
                }
            });
            content.other |= read.is_err();
        };
        let mut decoder = Decoder::default();
        let mut read_piece = |piece: Piece<'_>| match piece {
            Piece::Data(data) => read(data),
            Piece::NewLine => read(b"\n"),
            Piece::End { .. } => {}
        };
        decoder.push(event, &mut read_piece);
        decoder.finish(read_piece);
        content.other |= !scanner.finish();
        content
    }

    fn value(&mut self, member: Member, found: &Found) {
        let nothing = match member {
            Member::Generated | Member::Count => {
                let count = found.value().and_then(usage::number);
                self.usage |= count.is_some();
                self.generated |= matches!(member, Member::Generated) && count > Some(0);
                return;
            }
            Member::Text => found.value() == Some(b"\"\""),
            Member::Other => found.empty,
        };
        self.other |= !nothing && found.value() != Some(b"null");
    }
}

/// What of a chunk goes on. Copied only once it differs from the chunk.
struct Passed<'c> {
    chunk: &'c [u8],
    /// So much of the chunk goes on as it is, as long as there is no copy.
    unchanged: usize,
    copy: Option<Vec<u8>>,
}

impl<'c> Passed<'c> {
    const fn new(chunk: &'c [u8]) -> Self {
        Self {
            chunk,
            unchanged: 0,
            copy: None,
        }
    }

    /// Bytes of an earlier chunk.
    fn add(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.copy().extend_from_slice(bytes);
        }
    }

    /// The bytes from `start` to `end` of this chunk.
    fn keep(&mut self, start: usize, end: usize) {
        if self.copy.is_none() && self.unchanged == start {
            self.unchanged = end;
        } else {
            let bytes = self.chunk.get(start..end).unwrap_or_default();
            self.copy().extend_from_slice(bytes);
        }
    }

    fn copy(&mut self) -> &mut Vec<u8> {
        let unchanged = self.chunk.get(..self.unchanged).unwrap_or_default();
        self.copy.get_or_insert_with(|| unchanged.to_vec())
    }

    fn in_place_of_the_chunk(mut self) -> Option<Vec<u8>> {
        if self.copy.is_none() && self.unchanged == self.chunk.len() {
            None
        } else {
            Some(std::mem::take(self.copy()))
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails, as it should"
)]
mod tests;

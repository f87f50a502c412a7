//! The JSON documents of one reply: one, or one in each event or line.

use std::rc::Rc;

use super::members::{MEMBERS, Member, OBJECTS, TEXTS, paths};
use super::repeat::Template;
use super::seen::{Seen, Signals};
use crate::json::{Grammar, Paths, Progress, Scanner, outside_ascii};

thread_local! {
    static PATHS: Rc<Paths> = Rc::new(paths());
}

/// Makes what all readers share.
pub(super) fn prepare() {
    PATHS.with(|_| {});
}

/// A part of a push, from its first byte to just past its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// 0 also where it began in an earlier push.
    pub start: usize,
    /// Never 0.
    pub end: usize,
}

/// Reads the documents, and steps over broken ones.
#[derive(Debug)]
pub(super) struct Reading {
    scanner: Scanner,
    /// The current document has bytes.
    begun: bool,
    /// The current document is broken.
    skip: bool,
    /// The last document that did nothing but add a text.
    template: Option<Template>,
    /// The current document has the same template, and has been counted.
    repeats: bool,
    /// The current document is an object.
    is_object: bool,
    /// The current document is closed, and more of its event may come.
    closed: bool,
    /// Where in the current push the document begins.
    start: usize,
    /// Of the current push, the documents that have nothing but the usage that is there for the asking.
    extras: Vec<Span>,
    /// A document was broken or cut.
    pub(super) faulted: bool,
    /// One of several documents has come.
    spoken: bool,
    pub(super) seen: Seen,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            scanner: Scanner::with_paths(PATHS.with(Rc::clone), Grammar::Lenient),
            begun: false,
            skip: false,
            template: None,
            repeats: false,
            is_object: false,
            closed: false,
            start: 0,
            extras: Vec::new(),
            faulted: false,
            spoken: false,
            seen: Seen::default(),
        }
    }
}

impl Reading {
    /// The next bytes of the body begin.
    pub(super) fn begin_push(&mut self) {
        self.start = 0;
        self.extras.clear();
    }

    /// The next bytes of the current document, which stand at `offset` in this push.
    pub(super) fn data(&mut self, bytes: &[u8], offset: usize) {
        if self.skip || self.repeats {
            return;
        }
        let first = !self.begun;
        if let Some(template) = self.template.as_ref().filter(|_| first)
            && let Some(text) = template.text_of(bytes)
        {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            self.seen.add_text(length, outside_ascii(text));
            self.repeats = true;
            return;
        }
        if first && let Some(byte) = bytes.trim_ascii_start().first() {
            self.begun = true;
            self.is_object = *byte == b'{';
            self.start = offset;
        }
        let seen = &mut self.seen;
        let mut signs = 0_usize;
        let mut text = None;
        let progress = self.scanner.push_each(bytes, |index, found, end| {
            let Some(member) = MEMBERS.tag(index) else {
                return;
            };
            seen.value(member, found);
            match member {
                Member::Text | Member::CompletionText | Member::MessageText if found.text > 0 => {
                    signs = signs.saturating_add(1);
                    text = Some((end, found.text));
                }
                // What lists tokens has no template, also if the one that it lists looks like a text.
                Member::Token(_) => signs = signs.saturating_add(1),
                _ => {}
            }
        });
        match (progress, text) {
            (Err(_), _) => {
                self.skip = true;
                self.faulted = true;
            }
            (Ok(Progress::Closed { .. }), Some((end, length)))
                if first && signs == 1 && seen.counts_nothing() =>
            {
                self.template = end
                    .checked_sub(1)
                    .and_then(|end| Template::new(bytes, end, length));
            }
            _ => {}
        }
        if let Ok(Progress::Closed { at }) = progress
            && !std::mem::replace(&mut self.closed, true)
            && self.seen.is_extra()
        {
            self.extras.push(Span {
                start: self.start,
                end: offset.saturating_add(at),
            });
        }
    }

    /// A line of the current event is over, and another one follows. Streams whose events end with a single line feed have
    /// a document on each line.
    pub(super) fn end_line(&mut self) {
        if self.repeats || self.skip || self.scanner.finish() {
            self.end_event();
        } else {
            self.data(b"\n", 0);
        }
    }

    /// Of the current push, the documents that have nothing but the usage that is there for the asking.
    pub(super) fn extras(&self) -> &[Span] {
        &self.extras
    }

    /// Where the document begins that is still open and can still come to be such a one.
    pub(super) fn open(&self) -> Option<usize> {
        let open = self.is_object && self.begun && !self.closed && !self.skip && !self.repeats;
        let says_more = || self.seen.says_more() || self.scanner.is_within(TEXTS, OBJECTS);
        (open && !says_more()).then_some(self.start)
    }

    /// The current document of several is over.
    pub(super) fn end_event(&mut self) {
        if std::mem::take(&mut self.repeats) {
            return;
        }
        let whole = self.scanner.finish();
        self.faulted |= self.begun && !whole;
        self.spoken |= self.begun;
        if whole && !self.skip {
            self.seen.add_event();
        }
        self.seen.drop_event();
        self.scanner.reset();
        self.begun = false;
        self.closed = false;
        self.skip = false;
    }

    /// The current document of several is not to be believed; `before` is the text that was seen before it.
    pub(super) fn drop_event(&mut self, before: Signals) {
        self.repeats = false;
        self.faulted = true;
        self.seen.take_back(before);
        self.seen.drop_event();
        self.scanner.reset();
        self.begun = false;
        self.closed = false;
        self.skip = false;
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.scanner
            .heap_bytes()
            .saturating_add(self.seen.heap_bytes())
            .saturating_add(self.template.as_ref().map_or(0, Template::heap_bytes))
            .saturating_add(self.extras.capacity().saturating_mul(size_of::<Span>()))
    }

    /// Whether a stream of documents has begun to answer, or is silent, and has not come to its end.
    pub(super) fn is_stream_cut(&self) -> bool {
        !self.seen.has_ended() && (self.seen.has_begun() || !self.spoken)
    }

    /// Whether the current document has begun, and has neither been closed nor lost its structure.
    pub(super) fn is_open(&self) -> bool {
        self.begun && !self.skip && !self.scanner.finish()
    }

    /// Whether the current document has lost its structure.
    pub(super) fn is_broken(&self) -> bool {
        self.skip
    }

    /// The only document is over. If it was cut after its usage, the numbers are as good as ever.
    pub(super) fn end_document(&mut self) {
        let whole = self.scanner.finish();
        self.faulted |= self.begun && !whole;
        if !self.skip {
            self.seen.add_document(whole);
        }
    }
}

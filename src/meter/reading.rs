//! The JSON documents of one reply: one, or one in each event or line.

use std::rc::Rc;

use super::members::MEMBERS;
use super::seen::Seen;
use crate::json::{Grammar, Paths, Scanner};

thread_local! {
    static PATHS: Rc<Paths> = Rc::new(Paths::new(MEMBERS));
}

/// Reads the documents, and steps over broken ones.
#[derive(Debug)]
pub(super) struct Reading {
    scanner: Scanner,
    /// The current document has bytes.
    begun: bool,
    /// The current document is broken.
    skip: bool,
    /// A document was broken or cut.
    pub(super) faulted: bool,
    pub(super) seen: Seen,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            scanner: Scanner::with_paths(PATHS.with(Rc::clone), Grammar::Lenient),
            begun: false,
            skip: false,
            faulted: false,
            seen: Seen::default(),
        }
    }
}

impl Reading {
    /// The next bytes of the current document.
    pub(super) fn data(&mut self, bytes: &[u8]) {
        if self.skip {
            return;
        }
        self.begun |= !bytes.trim_ascii().is_empty();
        let seen = &mut self.seen;
        let progress = self
            .scanner
            .push_each(bytes, |index, found| seen.value(index, found));
        if progress.is_err() {
            self.skip = true;
            self.faulted = true;
        }
    }

    /// The current document of several is over.
    pub(super) fn end_event(&mut self) {
        let whole = self.scanner.finish();
        self.faulted |= self.begun && !whole;
        if whole && !self.skip {
            self.seen.add_event();
        }
        self.seen.drop_event();
        self.scanner.reset();
        self.begun = false;
        self.skip = false;
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.scanner
            .heap_bytes()
            .saturating_add(self.seen.heap_bytes())
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

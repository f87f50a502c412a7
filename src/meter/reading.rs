//! The JSON documents of one reply: one, or one in each event or line.

use std::rc::Rc;

use super::members::{MEMBERS, Member};
use super::repeat::Template;
use super::seen::Seen;
use crate::json::{Grammar, Paths, Progress, Scanner};

thread_local! {
    static PATHS: Rc<Paths> = Rc::new(Paths::new(&MEMBERS.wanted));
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
            template: None,
            repeats: false,
            faulted: false,
            seen: Seen::default(),
        }
    }
}

impl Reading {
    /// The next bytes of the current document.
    pub(super) fn data(&mut self, bytes: &[u8]) {
        if self.skip || self.repeats {
            return;
        }
        let first = !self.begun;
        if let Some(template) = self.template.as_ref().filter(|_| first)
            && let Some(length) = template.text_of(bytes)
        {
            self.seen.add_text(length);
            self.repeats = true;
            return;
        }
        self.begun = self.begun || !bytes.trim_ascii().is_empty();
        let seen = &mut self.seen;
        let usages = seen.usages;
        let mut signs = 0_usize;
        let mut text = None;
        let progress = self.scanner.push_each(bytes, |index, found, end| {
            let Some(member) = MEMBERS.tag(index) else {
                return;
            };
            seen.value(member, found);
            match member {
                Member::Text | Member::CompletionText if found.text > 0 => {
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
                if first && signs == 1 && seen.counts_nothing() && seen.usages == usages =>
            {
                self.template = end
                    .checked_sub(1)
                    .and_then(|end| Template::new(bytes, end, length));
            }
            _ => {}
        }
    }

    /// The current document of several is over.
    pub(super) fn end_event(&mut self) {
        if std::mem::take(&mut self.repeats) {
            return;
        }
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
            .saturating_add(self.template.as_ref().map_or(0, Template::heap_bytes))
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

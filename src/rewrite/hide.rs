//! Removes from an event stream the usage that only the filter requested, so that the client gets the bytes that it would get
//! without the filter.
//!
//! The [meter](crate::meter) finds the documents that are nothing but that usage; this module removes their lines. A byte
//! waits only as long as it can be part of such an event: held are a line that the meter cannot judge yet, and the lines with
//! fields before it, at most [`MAX_HELD`] bytes. Comments pass at once.

use memchr::{memchr2, memrchr};

use crate::meter::{Extras, Span};

/// The longest event that is examined. A longer one passes; usage takes a few hundred bytes.
pub const MAX_HELD: usize = 4 * 1024;

/// The byte order mark that may begin a stream. The meter ignores it too.
const BEFORE: &[u8] = b" \t\n\x0C\r\xEF\xBB\xBF";

/// The fields that an event with usage may have.
const FIELDS: [&[u8]; 4] = [b"data", b"event", b"id", b"retry"];
const LONGEST_NAME: usize = 5;

/// Fields before a document are seldom longer.
const LOOK_BACK: usize = 128;

/// The fate of the bytes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    Hold,
    Drop,
}

/// The kind of a line, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Blank,
    Comment,
    /// A field without a document, or the beginning of a line that may become one.
    Field,
    /// A document, or anything else.
    Other,
}

/// One stream.
#[derive(Debug, Default)]
pub struct Hide {
    /// The held lines of earlier chunks.
    held: Vec<u8>,
    /// The start of the current line in `held`.
    line_start: usize,
    /// The fate of the current line's bytes; `None` if it has none yet.
    line: Option<Fate>,
    /// The fate of a CR that was the last byte. An LF right after it belongs to the same line end.
    after_carriage_return: Option<Fate>,
    /// A line has begun.
    has_begun: bool,
    /// The current line is a comment that passes.
    in_comment: bool,
    /// A line of the event that is not a comment has passed.
    shown: bool,
    /// A line of the event was removed.
    hidden: bool,
    /// A part of the open document has passed, because it is too long.
    released: bool,
}

impl Hide {
    /// The bytes that replace the next chunk; `None` if it passes unchanged. `extras` are the meter's findings in it. `last`
    /// means that nothing follows.
    pub fn pass(&mut self, chunk: &[u8], extras: &Extras<'_>, last: bool) -> Option<Vec<u8>> {
        // Nearly every chunk of a stream is a whole event, or several.
        let documents = extras.documents();
        let no_document = documents.is_empty() && self.after_carriage_return.is_none() && !last;
        let between_events = self.held.is_empty() && self.line.is_none() && !self.hidden;
        // Nearly every chunk of a stream is a whole event, or several, and behind its end no document is open.
        if no_document && between_events && chunk.ends_with(b"\n\n") {
            self.has_begun = true;
            self.shown = false;
            return None;
        }
        let has_line_end = || memchr2(b'\n', b'\r', chunk).is_some();
        // Part of a line that passes.
        if no_document && self.line == Some(Fate::Pass) && !has_line_end() {
            return None;
        }
        let open = extras.open();
        if no_document {
            let ends_line = matches!(chunk.last(), None | Some(b'\n' | b'\r'));
            match open {
                // The held document continues.
                Some(0)
                    if self.line == Some(Fate::Hold)
                        && !ends_line
                        && self.held.len().saturating_add(chunk.len()) <= MAX_HELD =>
                {
                    self.held.extend_from_slice(chunk);
                    return Some(Vec::new());
                }
                // The document contains something else.
                None if self.line == Some(Fate::Hold)
                    && !has_line_end()
                    && self.line(chunk, false) == Line::Other =>
                {
                    self.shown = true;
                    self.line = Some(Fate::Pass);
                    let passed = [self.held.as_slice(), chunk].concat();
                    self.held.clear();
                    return Some(passed);
                }
                _ => {}
            }
        }
        let mut passed = Passed::new(chunk);
        let mut at = 0;
        if let Some(fate) = self.after_carriage_return.take_if(|_| !chunk.is_empty())
            && chunk.first() == Some(&b'\n')
        {
            at = 1;
            match fate {
                Fate::Pass => passed.keep(0, at),
                Fate::Hold => self.held.push(b'\n'),
                Fate::Drop => {}
            }
        }
        if !self.has_begun {
            let before = chunk.iter().take_while(|byte| BEFORE.contains(byte));
            at = before.count();
            passed.keep(0, at);
            self.has_begun = at < chunk.len();
        }
        if self.held.is_empty() && self.line != Some(Fate::Drop) && !self.hidden {
            // Whole events pass without examining their lines, up to the first document that may have to be removed.
            let first = documents.first().map(|document| document.start);
            let until = first.or(open).unwrap_or(chunk.len());
            if let Some(end) = end_of_event(chunk, at, until) {
                passed.keep(at, end);
                at = end;
                self.end_line(Line::Blank);
                self.released = false;
            }
        }
        let mut documents = documents.iter().copied().peekable();
        // The document of this line, and whether it is short enough to be removed.
        let mut document: Option<(Span, bool)> = None;
        while at < chunk.len() {
            let start = at;
            let length = memchr2(b'\n', b'\r', chunk.get(at..).unwrap_or_default());
            let text_end = length.map_or(chunk.len(), |length| at.saturating_add(length));
            let ended = length.is_some();
            at = text_end.saturating_add(ended.into());
            let carriage_return = ended && chunk.get(text_end) == Some(&b'\r');
            let line_feed = carriage_return && chunk.get(at) == Some(&b'\n');
            at = at.saturating_add(line_feed.into());
            document = document.filter(|(span, _)| span.end > start);
            if document.is_none()
                && let Some(span) = documents.next_if(|span| span.start < at)
            {
                let length = self
                    .held
                    .len()
                    .saturating_add(span.end.saturating_sub(start));
                document = Some((span, length <= MAX_HELD));
            }
            let is_open = open.is_some_and(|open| open < at);
            let mut line = Line::Other;
            let fate = match (self.line, document) {
                (Some(begun @ (Fate::Drop | Fate::Pass)), _) => begun,
                _ if self.released && (is_open || document.is_some()) => Fate::Pass,
                (_, Some((_, true))) => Fate::Drop,
                (_, Some((_, false))) => Fate::Pass,
                (_, None) if is_open => Fate::Hold,
                (_, None) => {
                    line = self.line(chunk.get(start..text_end).unwrap_or_default(), ended);
                    self.fate(line)
                }
            };
            self.put(&mut passed, start, at, fate);
            self.hidden |= fate == Fate::Drop;
            self.shown |= fate == Fate::Pass && line == Line::Other && !self.in_comment;
            self.in_comment |= line == Line::Comment && fate == Fate::Pass;
            self.line = Some(fate);
            if ended {
                self.end_line(line);
                let goes_on = document.is_some_and(|(span, _)| span.end > at);
                self.released &= is_open || goes_on;
                let is_last = carriage_return && !line_feed && at == chunk.len();
                self.after_carriage_return = is_last.then_some(fate);
            }
        }
        if self.held.len() > MAX_HELD || last {
            if !self.held.is_empty() {
                self.released = open.is_some();
                self.shown = true;
                self.line = self.line.map(|_| Fate::Pass);
            }
            passed.add(&std::mem::take(&mut self.held));
        }
        passed.in_place_of_the_chunk()
    }

    /// Returns true if bytes of an earlier chunk are held.
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives up, and returns the held bytes, which must pass before the next chunk.
    #[must_use]
    pub fn release(self) -> Vec<u8> {
        self.held
    }

    /// The fate of a line that does not belong to a document that is usage or can become it.
    fn fate(&mut self, line: Line) -> Fate {
        match line {
            Line::Blank if self.hidden && !self.shown => Fate::Drop,
            Line::Comment if !self.held.is_empty() => Fate::Hold,
            Line::Blank | Line::Comment | Line::Other => Fate::Pass,
            Line::Field => Fate::Hold,
        }
    }

    /// Applies the fate of a line to a part of it, and to what was held before it.
    fn put(&mut self, passed: &mut Passed<'_>, start: usize, end: usize, fate: Fate) {
        match fate {
            Fate::Pass => {
                passed.add(&self.held);
                self.held.clear();
                passed.keep(start, end);
            }
            Fate::Hold => {
                if self.line.is_none() {
                    self.line_start = self.held.len();
                }
                let part = passed.chunk.get(start..end).unwrap_or_default();
                self.held.extend_from_slice(part);
            }
            Fate::Drop => self.held.clear(),
        }
    }

    fn end_line(&mut self, line: Line) {
        self.in_comment = false;
        self.line = None;
        if line == Line::Blank {
            self.shown = false;
            self.hidden = false;
        }
    }

    /// The kind of the current line. `part` is its text in this chunk, without the line end; `ended` means that the line ends
    /// here.
    fn line(&self, part: &[u8], ended: bool) -> Line {
        let begun = self.line.and_then(|_| self.held.get(self.line_start..));
        let mut bytes = begun.unwrap_or_default().iter().chain(part).copied();
        let mut name = [0; LONGEST_NAME];
        let mut length: usize = 0;
        let colon = loop {
            match bytes.next() {
                None => break false,
                Some(b':') => break true,
                Some(byte) => match name.get_mut(length) {
                    Some(place) => *place = byte,
                    None => return Line::Other,
                },
            }
            length = length.saturating_add(1);
        };
        let name = name.get(..length).unwrap_or_default();
        let is_whole = colon || ended;
        match name {
            b"" if colon => Line::Comment,
            b"" if ended => Line::Blank,
            b"data" if bytes.any(|byte| !byte.is_ascii_whitespace()) => Line::Other,
            _ if FIELDS.contains(&name) => Line::Field,
            _ if !is_whole && FIELDS.iter().any(|field| field.starts_with(name)) => Line::Field,
            _ => Line::Other,
        }
    }
}

/// The end of the last event between `from` and `until`, if it is close and ends with line feeds.
fn end_of_event(chunk: &[u8], from: usize, until: usize) -> Option<usize> {
    let nearest = from.max(until.saturating_sub(LOOK_BACK));
    let mut part = chunk.get(nearest..until)?;
    while let Some(last) = memrchr(b'\n', part) {
        part = part.get(..last)?;
        if part.ends_with(b"\n") {
            return Some(nearest.saturating_add(last).saturating_add(1));
        }
    }
    None
}

/// The output for a chunk. It is copied only if it differs from the chunk.
struct Passed<'c> {
    chunk: &'c [u8],
    /// The length that passes unchanged, as long as there is no copy.
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

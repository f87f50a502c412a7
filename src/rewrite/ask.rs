//! Requests the usage of a stream from the server, by an edit of the request body while it passes.
//!
//! Servers of OpenAI's chat and text completions report the usage of a stream only if the request says
//! `"stream_options":{"include_usage":true}`. This module adds that. Nothing is buffered: each frame continues as soon as it
//! has been read. Without `stream_options` from the client, the member is added before the brace that closes the document;
//! otherwise the client's own are completed in place, so that no name occurs twice.
//!
//! The length of the result is not known in the headers step. The announced `content-length` is therefore raised by
//! [`ADDED_LENGTH`], and spaces, which JSON allows, fill what the member does not need.

use crate::denial::Code;
use crate::json::{Found, Scanner};
use crate::members::Read;

/// The member that asks.
const MEMBER: &str = r#","stream_options":{"include_usage":true}"#;

/// Bytes by which the announced length of a body is raised. No edit is longer.
pub const ADDED_LENGTH: u64 = 40;
const ROOM: usize = MEMBER.len();
const _: () = assert!(
    ROOM as u64 == ADDED_LENGTH,
    "the member is the longest edit"
);

/// Request headers that describe the bytes of the client's body.
pub const DIGESTS: [&str; 4] = ["content-digest", "content-md5", "digest", "repr-digest"];

/// The edit of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Edit {
    /// Unchanged.
    Keep,
    /// Followed by this number of spaces.
    Pad(usize),
    /// Replaced by these bytes.
    Replace(Vec<u8>),
}

/// A replacement of bytes in a frame.
#[derive(Debug)]
struct Change {
    start: usize,
    end: usize,
    text: &'static str,
}

/// The request for the usage of one stream.
#[derive(Debug)]
pub struct Ask {
    /// Whether usage is requested, as far as that is known before the model.
    wanted: bool,
    /// The length that the client announced.
    length: Option<u64>,
    /// Bytes of the announced length that are left.
    room: usize,
    /// `stream`, once it has been read.
    stream: Option<bool>,
    /// `include_usage` of the client, once it has been read.
    included: Option<bool>,
    /// The body's stream members can be read differently.
    ambiguous: bool,
    /// An edit has requested the usage.
    edited: bool,
    /// The beginning of a literal that may have to be replaced, and whose end is in the next frame: at most 4 bytes.
    held: Vec<u8>,
    /// The changes of the current frame, as positions in `held` followed by the frame.
    changes: Vec<Change>,
}

impl Ask {
    /// For a body of `length` bytes, if that is announced. `wanted`: whether usage is requested, as far as that is known before
    /// the model.
    #[must_use]
    pub const fn new(length: Option<u64>, wanted: bool) -> Self {
        Self {
            wanted,
            length,
            room: if length.is_some() { ROOM } else { 0 },
            stream: None,
            included: None,
            ambiguous: false,
            edited: false,
            held: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Sets whether usage is requested, once the model is known.
    pub const fn settle(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// The `content-length` to announce: [`ADDED_LENGTH`] more than the client's.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.length
            .map(|length| length.saturating_add(ADDED_LENGTH))
    }

    /// Returns true if only Tollgate requested the usage, so that it is hidden from the client.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.edited && self.stream == Some(true)
    }

    /// Handles a member that has been read, up to `end` in `frame`.
    pub(crate) fn value(&mut self, read: Read, found: &Found, frame: &[u8], end: usize) {
        let literal = found.value();
        let last = end.checked_sub(1).and_then(|last| frame.get(last));
        let end = end.saturating_add(self.held.len());
        match read {
            Read::Stream => match literal {
                Some(b"true") => self.stream = Some(true),
                Some(b"false" | b"null") => self.stream = Some(false),
                _ => self.ambiguous = true,
            },
            Read::IncludeUsage => match literal {
                Some(b"true") => self.included = Some(true),
                Some(literal @ (b"false" | b"null")) => {
                    self.included = Some(false);
                    self.change(end.checked_sub(literal.len()), end, "true");
                }
                _ => self.ambiguous = true,
            },
            Read::StreamOptions => self.options(found, last, end),
            Read::Model
            | Read::Background
            | Read::MaxTokens
            | Read::MaxCompletionTokens
            | Read::MaxOutputTokens
            | Read::Answers => {}
        }
    }

    /// The edit of `frame`, which has been scanned. `closing` is the position of the document's last brace, if it is in this
    /// frame.
    ///
    /// # Errors
    /// [`Code::AmbiguousStream`] if a server could read the stream members differently.
    pub(crate) fn edit(
        &mut self,
        scanner: &Scanner,
        frame: &[u8],
        closing: Option<usize>,
    ) -> Result<Edit, Code> {
        if frame.is_empty() {
            return Ok(Edit::Keep);
        }
        let brace = closing.map(|brace| brace.saturating_add(self.held.len()));
        let changes = self.decide(scanner, brace)?;
        let before = std::mem::take(&mut self.held);
        let kept_back = if self.wanted && brace.is_none() {
            unfinished(scanner, before.len().saturating_add(frame.len()))
        } else {
            0
        };
        let padding = self.pad(&changes, brace.is_some());
        if before.is_empty() && changes.is_empty() && kept_back == 0 {
            return Ok(match padding {
                0 => Edit::Keep,
                _ => Edit::Pad(padding),
            });
        }
        let mut joined = [&before[..], frame].concat();
        self.held = joined.split_off(joined.len().saturating_sub(kept_back));
        Ok(Edit::Replace(changed(&joined, &changes, padding)))
    }

    /// The changes of the current frame, in terms of `held` and the frame joined, where `brace` closes the document.
    fn decide(&mut self, scanner: &Scanner, brace: Option<usize>) -> Result<Vec<Change>, Code> {
        let mut members = [Read::Stream, Read::StreamOptions, Read::IncludeUsage].into_iter();
        self.ambiguous |= members.any(|read| {
            let found = read.found(scanner);
            found.is_some_and(|found| found.exact > 1 || found.lookalikes > 0)
        });
        let mut changes = std::mem::take(&mut self.changes);
        if !self.wanted {
            return Ok(Vec::new());
        }
        if self.ambiguous {
            // Whether it matters depends on the model, which every document names before it closes.
            let is_named = Read::Model
                .found(scanner)
                .is_some_and(|found| found.complete);
            return if is_named {
                Err(Code::AmbiguousStream)
            } else {
                Ok(Vec::new())
            };
        }
        let may_be_added = changes.is_empty()
            && !self.edited
            && self.stream == Some(true)
            && self.included.is_none();
        if let Some(start) = brace.filter(|_| may_be_added && may_be_repeated(scanner)) {
            changes.push(Change {
                start,
                end: start,
                text: MEMBER,
            });
        }
        self.edited |= !changes.is_empty();
        Ok(changes)
    }

    /// Spends the room on these changes. Returns the spaces to put after a frame that closes the document.
    fn pad(&mut self, changes: &[Change], closes: bool) -> usize {
        if self.length.is_none() {
            return 0;
        }
        for change in changes {
            // `true` for `false` gives a byte back.
            let removed = change.end.saturating_sub(change.start);
            self.room = self
                .room
                .saturating_add(removed)
                .saturating_sub(change.text.len());
        }
        if closes {
            std::mem::take(&mut self.room)
        } else {
            0
        }
    }

    /// `stream_options`, whose last byte is this, has been read up to `end`. A server may refuse options where there is no
    /// stream, so none come from us before it is known that there is one.
    fn options(&mut self, found: &Found, last: Option<&u8>, end: usize) {
        let streams = self.stream == Some(true);
        match (found.value(), last) {
            (Some(b"null"), _) if streams => {
                self.change(end.checked_sub(4), end, r#"{"include_usage":true}"#);
            }
            (Some(b"null"), _) => {}
            (_, Some(b'}')) if self.included.is_some() || (found.empty && !streams) => {}
            (_, Some(b'}')) => {
                let brace = end.saturating_sub(1);
                let member = if found.empty {
                    r#""include_usage":true"#
                } else {
                    r#","include_usage":true"#
                };
                self.change(Some(brace), brace, member);
            }
            _ => self.ambiguous = true,
        }
    }

    /// A literal whose start has gone on, before the model said that its usage is to be asked for, stays as it is.
    fn change(&mut self, start: Option<usize>, end: usize, text: &'static str) {
        if let Some(start) = start.filter(|_| self.stream != Some(false)) {
            self.changes.push(Change { start, end, text });
        }
    }
}

/// The bytes with these changes, which are in their order, and so many spaces at the end.
fn changed(bytes: &[u8], changes: &[Change], padding: usize) -> Vec<u8> {
    let mut changed = Vec::with_capacity(bytes.len().saturating_add(ROOM));
    let mut done = 0;
    for change in changes {
        changed.extend_from_slice(bytes.get(done..change.start).unwrap_or_default());
        changed.extend_from_slice(change.text.as_bytes());
        done = change.end;
    }
    changed.extend_from_slice(bytes.get(done..).unwrap_or_default());
    changed.resize(changed.len().saturating_add(padding), b' ');
    changed
}

/// Whether the document has no options yet, or none that are lost where the later of two equal names counts. Others may
/// have gone on before the model said that its usage is to be asked for.
fn may_be_repeated(scanner: &Scanner) -> bool {
    let options = Read::StreamOptions
        .found(scanner)
        .filter(|found| found.exact > 0);
    options.is_none_or(|found| found.empty || found.value() == Some(b"null"))
}

/// The length of a `false` or `null` at the end of the frame that is to be replaced once it is whole. What is held back is
/// inside a document that is still open, so that no body ends without it.
fn unfinished(scanner: &Scanner, at_hand: usize) -> usize {
    let open = |read: Read| read.found(scanner).filter(|found| !found.complete);
    let begun = [Read::IncludeUsage, Read::StreamOptions]
        .into_iter()
        .filter_map(open);
    begun
        .map(|found| match found.raw.first() {
            Some(b'f' | b'n') => found.raw.len(),
            _ => 0,
        })
        .filter(|&length| length <= at_hand)
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails, as it should"
)]
mod tests;

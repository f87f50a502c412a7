//! Push reader of one `multipart/form-data` body ([RFC 7578], [RFC 2046 section 5.1]): takes bytes in any chunking,
//! gives the value of the field `model`.
//!
//! Servers' parsers disagree about preambles, line ends, quoting, letter case and part headers. So a form is only
//! accepted as every client library writes it: `\r\n` throughout, no preamble, part headers from a short list, names in
//! double quotes without escapes, the boundary only in delimiters. The reader keeps one part's headers until they are
//! complete, then a delimiter's length of content, and the model's name. This does not depend on the size of the files.
//!
//! [RFC 7578]: https://www.rfc-editor.org/rfc/rfc7578
//! [RFC 2046 section 5.1]: https://www.rfc-editor.org/rfc/rfc2046#section-5.1

pub(crate) mod part;

use std::rc::Rc;

use memchr::memmem;

use self::part::Part;
use crate::denial::Code;
use crate::headers::{HeaderMap, Occurrence};
use crate::members::Members;
use crate::model_name::ModelName;

/// Longest headers of one part, in bytes.
pub(crate) const MAX_HEADERS: usize = 4096;

/// Longest boundary, in bytes: the limit of RFC 2046.
pub(crate) const MAX_BOUNDARY: usize = 70;

/// The end of the headers of a part.
const END_OF_HEADERS: &[u8] = b"\r\n\r\n";

/// The buffer grows by this amount: doubling would take twice the headers of a part.
const GROWTH: usize = 512;

/// The boundary of a form: 1 to 70 letters, digits and `-_.'+`, the characters that client libraries use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(Box<str>);

impl Boundary {
    /// The boundary in the `content-type` header: exactly one header, `multipart/form-data`, and `boundary` as its only
    /// parameter, bare or in double quotes. `None` for everything else.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let Occurrence::Single(value) = headers.unique("content-type") else {
            return None;
        };
        let (media_type, parameter) = std::str::from_utf8(value).ok()?.split_once(';')?;
        let (name, value) = parameter.trim_matches(' ').split_once('=')?;
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .unwrap_or(value);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.'+".contains(&byte);
        let is_form = media_type
            .trim_matches(' ')
            .eq_ignore_ascii_case("multipart/form-data")
            && name.eq_ignore_ascii_case("boundary");
        let fits = (1..=MAX_BOUNDARY).contains(&value.len()) && value.bytes().all(plain);
        (is_form && fits).then(|| Self(value.into()))
    }

    /// The header value that every server reads alike.
    #[must_use]
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the first byte.
    Start,
    /// After a delimiter: a line end, or the two hyphens that close the form.
    Delimiter,
    Headers,
    Content,
    Closed,
}

/// The reader. One form per [`Form::new`].
#[derive(Debug)]
pub struct Form {
    delimiter: memmem::Finder<'static>,
    state: State,
    /// Bytes that are kept until more arrive: at most the headers of a part with their end, or a delimiter and the line
    /// end before it.
    unread: Vec<u8>,
    part: Part,
    named: bool,
    model: Option<ModelName>,
    members: Rc<Members>,
    /// The field that was refused because it steers servers.
    refused: Option<Box<str>>,
}

impl Form {
    /// A reader at the start of a form. `members` has the refused fields.
    #[must_use]
    pub fn new(boundary: &Boundary, members: &Rc<Members>) -> Self {
        let delimiter = format!("--{}", boundary.0);
        Self {
            delimiter: memmem::Finder::new(&delimiter).into_owned(),
            state: State::Start,
            unread: Vec::new(),
            part: Part::default(),
            named: false,
            model: None,
            members: Rc::clone(members),
            refused: None,
        }
    }

    /// Reads the next bytes; chunks may end anywhere.
    ///
    /// # Errors
    /// [`Code::MalformedBody`] for what readers may read differently, [`Code::AmbiguousModel`] for a second field that
    /// can be taken for `model`, [`Code::MissingModel`] for an empty value, [`Code::InvalidModelName`] for one that is no [`ModelName`],
    /// [`Code::MemberNotAllowed`] for a [refused field](Self::refused).
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Code> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Start => self.start(bytes)?,
                State::Delimiter => self.delimiter(bytes)?,
                State::Headers => self.headers(bytes)?,
                State::Content => self.content(bytes)?,
                State::Closed => self.closed(bytes)?,
            };
        }
        Ok(())
    }

    /// Returns true if the closing delimiter has been read.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// The model, once its part has ended.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }

    /// The name of the field that was refused because it steers servers, as in the list of members.
    #[must_use]
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The form begins with a delimiter.
    fn start<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Code> {
        let length = self.delimiter.needle().len();
        let rest = self.take(bytes, length);
        if !self.delimiter.needle().starts_with(&self.unread) {
            return Err(Code::MalformedBody);
        }
        if self.unread.len() == length {
            self.go_on(State::Delimiter);
        }
        Ok(rest)
    }

    fn delimiter<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Code> {
        let rest = self.take(bytes, 2);
        match &self.unread[..] {
            b"\r\n" => self.go_on(State::Headers),
            b"--" => self.go_on(State::Closed),
            b"\r" | b"-" => {}
            _ => return Err(Code::MalformedBody),
        }
        Ok(rest)
    }

    fn headers<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Code> {
        // Headers are nearly always complete in one frame, and then nothing is copied.
        let limit = MAX_HEADERS.saturating_add(END_OF_HEADERS.len());
        let window = bytes.get(..limit).unwrap_or(bytes);
        if self.unread.is_empty()
            && let Some(end) = memmem::find(window, END_OF_HEADERS)
        {
            self.begin_part(bytes.get(..end).unwrap_or_default())?;
            let after = end.saturating_add(END_OF_HEADERS.len());
            return Ok(bytes.get(after..).unwrap_or_default());
        }
        // The end may have begun in the kept bytes. No other bytes are searched twice.
        let searched = self.unread.len().saturating_sub(END_OF_HEADERS.len());
        let rest = self.take(bytes, limit);
        let unsearched = self.unread.get(searched..).unwrap_or_default();
        let Some(end) = memmem::find(unsearched, END_OF_HEADERS) else {
            return if self.unread.len() < limit {
                Ok(rest)
            } else {
                Err(Code::MalformedBody)
            };
        };
        let end = searched.saturating_add(end);
        let after = end.saturating_add(END_OF_HEADERS.len());
        let surplus = self.unread.len().saturating_sub(after);
        let mut headers = std::mem::take(&mut self.unread);
        headers.truncate(end);
        self.begin_part(&headers)?;
        let read = bytes.len().saturating_sub(rest.len());
        let read = read.saturating_sub(surplus);
        Ok(bytes.get(read..).unwrap_or_default())
    }

    fn begin_part(&mut self, headers: &[u8]) -> Result<(), Code> {
        if self.delimiter.find(headers).is_some() {
            return Err(Code::MalformedBody);
        }
        self.part = Part::parse(headers, &self.members, &mut self.refused)?;
        if self.part.is_model() && std::mem::replace(&mut self.named, true) {
            return Err(Code::AmbiguousModel);
        }
        self.go_on(State::Content);
        Ok(())
    }

    fn content<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Code> {
        let delimiter = self.delimiter.needle().len();
        // A possible beginning of a delimiter, and the line end before it.
        let kept = delimiter.saturating_add(1);
        let before = self.unread.len();
        if before > 0 {
            // Enough to complete a delimiter that begins in the kept bytes or right after them.
            let rest = self.take(bytes, before.saturating_add(kept).saturating_add(kept));
            if let Some(found) = self.delimiter.find(&self.unread) {
                let unread = std::mem::take(&mut self.unread);
                self.end_part(unread.get(..found).unwrap_or_default())?;
                let read = found.saturating_add(delimiter).saturating_sub(before);
                return Ok(bytes.get(read..).unwrap_or_default());
            }
            if rest.is_empty() {
                let content = self.unread.len().saturating_sub(kept);
                self.part
                    .push(self.unread.get(..content).unwrap_or_default())?;
                self.unread.drain(..content);
                return Ok(rest);
            }
            self.part
                .push(self.unread.get(..before).unwrap_or_default())?;
            self.unread.clear();
        }
        if let Some(found) = self.delimiter.find(bytes) {
            self.end_part(bytes.get(..found).unwrap_or_default())?;
            let read = found.saturating_add(delimiter);
            return Ok(bytes.get(read..).unwrap_or_default());
        }
        let (content, rest) = bytes
            .split_at_checked(bytes.len().saturating_sub(kept))
            .unwrap_or_default();
        self.part.push(content)?;
        Ok(self.take(rest, kept))
    }

    /// The last bytes of a part's content, before a delimiter.
    fn end_part(&mut self, content: &[u8]) -> Result<(), Code> {
        let content = content.strip_suffix(b"\r\n").ok_or(Code::MalformedBody)?;
        self.part.push(content)?;
        if let Some(model) = self.part.end()? {
            self.model = Some(model);
        }
        self.go_on(State::Delimiter);
        Ok(())
    }

    /// Only a line end may follow the form.
    fn closed<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Code> {
        let rest = self.take(bytes, 2);
        if rest.is_empty() && b"\r\n".starts_with(&self.unread) {
            Ok(rest)
        } else {
            Err(Code::MalformedBody)
        }
    }

    /// Keeps bytes until there are `length`, and returns the others.
    fn take<'b>(&mut self, bytes: &'b [u8], length: usize) -> &'b [u8] {
        let wanted = length.saturating_sub(self.unread.len());
        let (taken, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, b""));
        let needed = self.unread.len().saturating_add(taken.len());
        if needed > self.unread.capacity() {
            let room = needed.checked_next_multiple_of(GROWTH).unwrap_or(needed);
            self.unread
                .reserve_exact(room.saturating_sub(self.unread.len()));
        }
        self.unread.extend_from_slice(taken);
        rest
    }

    fn go_on(&mut self, state: State) {
        self.unread.clear();
        self.state = state;
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;

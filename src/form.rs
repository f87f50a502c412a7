//! Push reader of one `multipart/form-data` body ([RFC 7578], [RFC 2046 section 5.1]): bytes in any chunking, the value of
//! the field `model` out.
//!
//! Servers read forms with parsers that disagree about preambles, line ends, quoting, letter case and part headers. So
//! only the form that every client library writes is accepted: `\r\n` throughout, no preamble, part headers from a short
//! list, names in plain double quotes, the boundary nowhere but in delimiters. What it keeps is one part's headers or
//! name and a delimiter's length of content, whatever the size of the files.
//!
//! [RFC 7578]: https://www.rfc-editor.org/rfc/rfc7578
//! [RFC 2046 section 5.1]: https://www.rfc-editor.org/rfc/rfc2046#section-5.1

pub(crate) mod part;

use memchr::memmem;

use self::part::Part;
use crate::denial::Code;
use crate::headers::{HeaderMap, Occurrence};
use crate::model::ModelName;

/// Bytes that one part's headers may take.
pub(crate) const MAX_HEADERS: usize = 4096;

/// Longest boundary, in bytes: RFC 2046 has no longer one.
pub(crate) const MAX_BOUNDARY: usize = 70;

/// How much of a frame is looked at in one go, so that a large frame is not copied as a whole.
const STEP: usize = 16 * 1024;

/// What separates the parts of a form: 1 to 70 letters, digits and `-_.'+`, as every client library chooses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(Box<str>);

impl Boundary {
    /// The boundary that the `content-type` header names: exactly one header, `multipart/form-data`, and `boundary` as
    /// its only parameter, bare or in double quotes. `None` for everything else.
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
    /// Behind a delimiter: a line end, or the two hyphens that close the form.
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
    /// Bytes that wait for more: at most the headers of a part, or a delimiter and the line end before it.
    unread: Vec<u8>,
    part: Part,
    named: bool,
    model: Option<ModelName>,
}

impl Form {
    /// A reader at the start of a form.
    #[must_use]
    pub fn new(boundary: &Boundary) -> Self {
        let delimiter = format!("--{}", boundary.0);
        Self {
            delimiter: memmem::Finder::new(&delimiter).into_owned(),
            state: State::Start,
            unread: Vec::new(),
            part: Part::default(),
            named: false,
            model: None,
        }
    }

    /// Reads the next bytes; chunks may end anywhere.
    ///
    /// # Errors
    /// [`Code::MalformedBody`] for what readers may read differently, [`Code::AmbiguousModel`] for a second field that
    /// can be taken for `model`, [`Code::MissingModel`] for a value that is no [`ModelName`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Code> {
        for chunk in bytes.chunks(STEP) {
            self.unread.extend_from_slice(chunk);
            while self.step()? {}
        }
        Ok(())
    }

    /// Whether the closing delimiter has been read.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// The model, once its part has ended.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }

    /// Reads on in `unread`; false when more bytes are needed.
    fn step(&mut self) -> Result<bool, Code> {
        let delimiter = self.delimiter.needle().len();
        match self.state {
            State::Start => {
                let start = self.unread.get(..delimiter).unwrap_or(&self.unread);
                if !self.delimiter.needle().starts_with(start) {
                    return Err(Code::MalformedBody);
                }
                if start.len() < delimiter {
                    return Ok(false);
                }
                self.read(delimiter, State::Delimiter);
            }
            State::Delimiter => match self.unread.get(..2) {
                Some(b"\r\n") => self.read(2, State::Headers),
                Some(b"--") => self.read(2, State::Closed),
                Some(_) => return Err(Code::MalformedBody),
                None => return Ok(false),
            },
            State::Headers => {
                let Some(end) = memmem::find(&self.unread, b"\r\n\r\n") else {
                    return if self.unread.len() > MAX_HEADERS {
                        Err(Code::MalformedBody)
                    } else {
                        Ok(false)
                    };
                };
                let headers = self.unread.get(..end).unwrap_or_default();
                if headers.len() > MAX_HEADERS || self.delimiter.find(headers).is_some() {
                    return Err(Code::MalformedBody);
                }
                self.part = Part::parse(headers)?;
                if self.part.is_model() && std::mem::replace(&mut self.named, true) {
                    return Err(Code::AmbiguousModel);
                }
                self.read(end.saturating_add(4), State::Content);
            }
            State::Content => {
                let Some(found) = self.delimiter.find(&self.unread) else {
                    // What may be the beginning of a delimiter stays, and the line end before it.
                    let kept = delimiter.saturating_add(1);
                    let content = self.unread.len().saturating_sub(kept);
                    self.part
                        .push(self.unread.get(..content).unwrap_or_default())?;
                    self.read(content, State::Content);
                    return Ok(false);
                };
                let before = self.unread.get(..found).unwrap_or_default();
                let content = before.strip_suffix(b"\r\n").ok_or(Code::MalformedBody)?;
                self.part.push(content)?;
                if let Some(model) = self.part.end()? {
                    self.model = Some(model);
                }
                self.read(found.saturating_add(delimiter), State::Delimiter);
            }
            State::Closed => {
                return if b"\r\n".starts_with(&self.unread) {
                    Ok(false)
                } else {
                    Err(Code::MalformedBody)
                };
            }
        }
        Ok(true)
    }

    fn read(&mut self, count: usize, state: State) {
        self.unread.drain(..count.min(self.unread.len()));
        self.state = state;
    }
}

#[cfg(test)]
mod tests;

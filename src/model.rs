//! Which model a request asks for, told by its body and confirmed by the header where one is present.
//!
//! Inference servers read the model from the JSON body, with parsers that disagree about duplicate members, letter
//! case and trailing bytes. So a body is only accepted if every parser reads the same model from it: one document in
//! the strict grammar of RFC 8259, one member that can be taken for `model`, nothing after the document.
//!
//! Audio and images come as forms, whose readers disagree no less; [`form`](crate::form) says what of them is accepted.
//!
//! Nothing is buffered. Each frame is scanned before it passes, and the frame that closes the document only passes on
//! a good verdict: no server ever holds a complete document that was not judged. The same holds for a form and its closing delimiter.

use crate::denial::Code;
use crate::form::{Boundary, Form};
use crate::json::{Grammar, Progress, Scanner, Wanted};

/// A model's name: 1 to 256 letters, digits and `._:/@+-`, after unescaping. Nothing else can be a header value, a path
/// segment and a JSON string without some escaping on which readers may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName(Box<str>);

impl ModelName {
    /// Checks a name. `None` where a character or the length is out of bounds.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte);
        ((1..=256).contains(&text.len()) && text.bytes().all(safe)).then(|| Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Every escape of a 256-byte name fits: six bytes for each character, and the quotes.
const WANTED: &[Wanted] = &[Wanted {
    path: &["model"],
    cap: 256 * 6 + 2,
}];
const MODEL: usize = 0;

/// Judges one body.
#[derive(Debug)]
pub struct Judge {
    body: Body,
    /// The model that the header named; the body has to agree.
    expected: Option<ModelName>,
    content_length: Option<u64>,
    seen: u64,
    named: bool,
}

/// What the body is written in.
#[derive(Debug)]
enum Body {
    Json(Scanner),
    Form(Form),
}

impl Judge {
    /// A judge for a JSON body of `content_length` bytes (`None` where the length is not announced).
    #[must_use]
    pub fn new(expected: Option<ModelName>, content_length: Option<u64>) -> Self {
        let scanner = Scanner::new(WANTED, Grammar::Strict);
        Self::of(Body::Json(scanner), expected, content_length)
    }

    /// A judge for a form with this boundary, otherwise like [`Judge::new`].
    #[must_use]
    pub fn of_form(
        boundary: &Boundary,
        expected: Option<ModelName>,
        content_length: Option<u64>,
    ) -> Self {
        Self::of(Body::Form(Form::new(boundary)), expected, content_length)
    }

    const fn of(body: Body, expected: Option<ModelName>, content_length: Option<u64>) -> Self {
        Self {
            body,
            expected,
            content_length,
            seen: 0,
            named: false,
        }
    }

    /// Reads the next frame. Returns the model in the frame that completes its name; a later frame may still spoil it.
    /// `last` says that nothing follows.
    ///
    /// # Errors
    /// [`Code::MalformedBody`], [`Code::AmbiguousModel`], [`Code::MissingModel`]: the frame must not pass.
    pub fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<ModelName>, Code> {
        let closed = match &mut self.body {
            Body::Json(scanner) => {
                let progress = scanner.push(bytes).map_err(|_| Code::MalformedBody)?;
                matches!(progress, Progress::Closed { .. })
            }
            Body::Form(form) => {
                form.push(bytes)?;
                form.is_closed()
            }
        };
        self.seen = self
            .seen
            .saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
        let model = self.model()?;
        if closed && !self.named {
            return Err(Code::MissingModel);
        }
        // Behind an HTTP/1 upstream the frame that reaches the content-length is the end of the request, whatever
        // follows here. Afterwards it would be too late to refuse.
        let complete = last
            || self
                .content_length
                .is_some_and(|length| self.seen >= length);
        if complete && !closed {
            return Err(Code::MalformedBody);
        }
        Ok(model)
    }

    /// The model, the first time that it is known.
    fn model(&mut self) -> Result<Option<ModelName>, Code> {
        let model = match &self.body {
            Body::Json(scanner) => {
                let Some(found) = scanner.found(MODEL) else {
                    return Ok(None);
                };
                if found.exact > 1 || found.lookalikes > 0 {
                    return Err(Code::AmbiguousModel);
                }
                if self.named || !found.complete {
                    return Ok(None);
                }
                found
                    .string()
                    .and_then(|text| ModelName::new(&text))
                    .ok_or(Code::MissingModel)?
            }
            Body::Form(form) => match form.model() {
                Some(model) if !self.named => model.clone(),
                _ => return Ok(None),
            },
        };
        if self
            .expected
            .as_ref()
            .is_some_and(|expected| *expected != model)
        {
            return Err(Code::AmbiguousModel);
        }
        self.named = true;
        Ok(Some(model))
    }
}

#[cfg(test)]
mod tests;

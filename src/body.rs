//! The model that a request asks for: read from its body, and confirmed by headers that name it.
//!
//! Inference servers read the model from the JSON body, with parsers that disagree about duplicate members, letter
//! case and trailing bytes. A body is therefore accepted only if every parser reads the same model: one document in
//! the strict grammar of RFC 8259, a single member that can be taken for `model`, and nothing after the document.
//!
//! Audio and images come as forms, whose readers disagree too; [`form`](crate::form) defines which are accepted.
//!
//! Nothing is buffered. Each frame is scanned before it passes, and the frame that closes the document only passes on
//! a good verdict: no server ever holds a complete document that was not judged. The same holds for a form and its closing delimiter.

use std::rc::Rc;

use crate::denial::{Code, Denial};
use crate::form::{Boundary, Form};
use crate::json::{Found, Grammar, Progress, Scanner};
use crate::members::{self, Member, Members, Named, Read};
use crate::model_name::ModelName;
use crate::quota::Asked;
use crate::rewrite::ask::{Ask, Edit};

/// A second reason to read a JSON body, besides its model.
#[derive(Debug)]
pub enum Also {
    /// Nothing.
    Nothing,
    /// To request the usage of its stream, unless the client did.
    Usage(Ask),
    /// To refuse work in the background, because no reply to this request reports its usage.
    Background,
}

/// Judges one body.
#[derive(Debug)]
pub struct Judge {
    body: Body,
    /// The model that a header or the path names. The body must agree.
    expected: Option<ModelName>,
    content_length: Option<u64>,
    seen: u64,
    named: bool,
    /// The body need not name the model, because the path does.
    may_be_silent: bool,
    /// The models in members other than `model`.
    others: Named,
    members: Rc<Members>,
    /// The position of the document's last brace, if it is in the last frame.
    closing: Option<usize>,
    /// The facts that the cost depends on, until they are returned.
    asked: Option<Asked>,
}

/// The models that one frame names. Each must be judged before the frame passes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NewlyNamed {
    /// The model of the request.
    pub model: Option<ModelName>,
    /// Models that other members name: fallbacks, drafts, adapters.
    pub others: Vec<ModelName>,
    /// The facts that the cost depends on, with the frame that closes the body.
    pub asked: Option<Asked>,
}

/// The format of the body.
#[derive(Debug)]
enum Body {
    Json(Scanner, Also),
    Form(Form),
}

impl Judge {
    /// A judge for a JSON body of `content_length` bytes (`None` if the length is not announced).
    #[must_use]
    pub fn new(
        expected: Option<ModelName>,
        content_length: Option<u64>,
        also: Also,
        members: &Rc<Members>,
    ) -> Self {
        let mut scanner = Scanner::with_paths(members.paths(), Grammar::Strict);
        scanner.count_texts();
        Self::of(Body::Json(scanner, also), expected, content_length, members)
    }

    /// A judge for a form with this boundary, otherwise like [`Judge::new`].
    #[must_use]
    pub fn of_form(
        boundary: &Boundary,
        expected: Option<ModelName>,
        content_length: Option<u64>,
        members: &Rc<Members>,
    ) -> Self {
        Self::of(
            Body::Form(Form::new(boundary, members)),
            expected,
            content_length,
            members,
        )
    }

    fn of(
        body: Body,
        expected: Option<ModelName>,
        content_length: Option<u64>,
        members: &Rc<Members>,
    ) -> Self {
        Self {
            body,
            expected,
            content_length,
            seen: 0,
            named: false,
            may_be_silent: false,
            others: Named::default(),
            members: Rc::clone(members),
            closing: None,
            asked: Some(Asked::default()),
        }
    }

    /// The facts that the cost depends on, once, when the body is closed.
    fn asked(&mut self) -> Option<Asked> {
        let mut asked = self.asked.take()?;
        if let Body::Json(scanner, _) = &self.body
            && let Some(texts) = scanner.texts()
        {
            asked.text = texts.bytes;
            asked.data_urls = texts.files;
        }
        Some(asked)
    }

    /// A judge for a body that need not name the model, because the path does.
    #[must_use]
    pub const fn behind_path(mut self) -> Self {
        self.may_be_silent = true;
        self
    }

    /// The request for usage, if the body may be changed to make one.
    #[must_use]
    pub fn ask(&self) -> Option<&Ask> {
        match &self.body {
            Body::Json(_, Also::Usage(ask)) => Some(ask),
            _ => None,
        }
    }

    /// The request for usage, to tell it the model.
    pub fn ask_mut(&mut self) -> Option<&mut Ask> {
        match &mut self.body {
            Body::Json(_, Also::Usage(ask)) => Some(ask),
            _ => None,
        }
    }

    /// Reads the next frame, and returns the models whose names it completes. A later frame can still make the body invalid.
    /// `last` means that nothing follows.
    ///
    /// # Errors
    /// [`Code::MalformedBody`], [`Code::AmbiguousModel`], [`Code::MissingModel`], [`Code::InvalidModelName`],
    /// [`Code::MemberNotAllowed`], [`Code::BackgroundNotAllowed`]: the frame must not pass.
    pub fn frame(&mut self, bytes: &[u8], last: bool) -> Result<NewlyNamed, Denial> {
        let closed = match &mut self.body {
            Body::Json(scanner, also) => {
                let (others, members) = (&mut self.others, &*self.members);
                let asked = &mut self.asked;
                let progress = scanner.push_each(bytes, |index, found, end| {
                    let member = members::member(index);
                    if let (Some(Member::Read(read)), Also::Usage(ask)) = (member, &mut *also) {
                        ask.value(read, found, bytes, end);
                    }
                    if let (Some(Member::Read(read)), Some(asked)) = (member, &mut *asked) {
                        note_cost(asked, read, found);
                    }
                    others.value(member, found, members);
                });
                let progress = progress.map_err(|_| Code::MalformedBody)?;
                if matches!(also, Also::Background) && asks_for_background(scanner) {
                    return Err(Code::BackgroundNotAllowed.into());
                }
                if matches!(progress, Progress::Closed { at } if at > 0) {
                    others.lookalikes(scanner, members);
                }
                self.closing = match progress {
                    // After the frame with the last byte it is 0.
                    Progress::Closed { at } => at.checked_sub(1),
                    Progress::Open => None,
                };
                matches!(progress, Progress::Closed { .. })
            }
            Body::Form(form) => {
                form.push(bytes).map_err(|code| match form.refused() {
                    Some(field) => Denial::member_not_allowed(field),
                    None => code.into(),
                })?;
                form.is_closed()
            }
        };
        self.seen = self
            .seen
            .saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
        let model = self.model()?;
        if closed && !self.named && !self.may_be_silent {
            return Err(Code::MissingModel.into());
        }
        // Behind an HTTP/1 upstream the frame that reaches the content-length is the end of the request, whatever
        // follows here. Afterwards it would be too late to refuse.
        let complete = last
            || self
                .content_length
                .is_some_and(|length| self.seen >= length);
        if complete && !closed {
            return Err(Code::MalformedBody.into());
        }
        let others = self.others.take()?;
        let asked = if closed { self.asked() } else { None };
        Ok(NewlyNamed {
            model,
            others,
            asked,
        })
    }

    /// The edit of the frame that was read last.
    ///
    /// # Errors
    /// [`Code::AmbiguousStream`]: the frame must not pass.
    pub fn edit(&mut self, bytes: &[u8]) -> Result<Edit, Code> {
        match &mut self.body {
            Body::Json(scanner, Also::Usage(ask)) => ask.edit(scanner, bytes, self.closing),
            _ => Ok(Edit::Keep),
        }
    }

    /// The model, once, when it is known.
    fn model(&mut self) -> Result<Option<ModelName>, Code> {
        let model = match &self.body {
            Body::Json(scanner, _) => {
                let Some(found) = Read::Model.found(scanner) else {
                    return Ok(None);
                };
                if found.exact > 1 || found.lookalikes > 0 {
                    return Err(Code::AmbiguousModel);
                }
                if self.named || !found.complete {
                    return Ok(None);
                }
                match found.string() {
                    Some(text) if !text.is_empty() => {
                        ModelName::new(&text).ok_or(Code::InvalidModelName)?
                    }
                    // Too long, or half of a surrogate pair.
                    None if found.first == b'"' => return Err(Code::InvalidModelName),
                    _ => return Err(Code::MissingModel),
                }
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

/// Notes a number that the cost of a reply depends on. The largest counts.
fn note_cost(asked: &mut Asked, read: Read, found: &Found) {
    let number = || {
        let text = std::str::from_utf8(found.value()?).ok()?;
        text.parse::<u64>().ok()
    };
    match read {
        Read::MaxTokens | Read::MaxCompletionTokens | Read::MaxOutputTokens => {
            asked.max_output = asked.max_output.max(number());
        }
        Read::Answers => asked.answers = asked.answers.max(number().unwrap_or_default()),
        _ => {}
    }
}

/// Servers differ in which values they take for true, so everything except a plain `false` or `null` counts as true.
fn asks_for_background(scanner: &Scanner) -> bool {
    Read::Background.found(scanner).is_some_and(|found| {
        let refused = matches!(found.value(), Some(b"false" | b"null"));
        found.exact > 1 || found.lookalikes > 0 || (found.complete && !refused)
    })
}

#[cfg(test)]
pub(crate) mod tests;

//! Caller + operation + model ▶ [`Permit`], or a refusal.

mod mode;
mod model_headers;
mod rules;
mod spelling;

use std::rc::Rc;

use crate::body::{Also, Judge};
use crate::denial::{Code, Denial};
use crate::form::Boundary;
use crate::headers::HeaderMap;
use crate::identity::{Caller, Identity};
use crate::members::Members;
use crate::model_name::ModelName;
use crate::operation::{ModelIn, Operation, Target};
use crate::query;
use crate::quota::Asked;
use crate::rewrite::ask::{Ask, Edit};

pub use mode::{Mode, settle};
pub(crate) use model_headers::ROUTER_HEADERS;
use model_headers::Said;
pub(crate) use rules::ModelEntry;
pub use rules::{MatchingRule, ModelRules, Rule, StreamUsage};

/// The rules of access.
#[derive(Debug)]
pub struct Rules {
    /// The rules of models.
    pub models: ModelRules,
    /// The effect of refusals.
    pub mode: Mode,
    /// The header that repeats the model.
    pub model_header: ModelHeader,
    /// The members of a body that are judged besides the model.
    pub members: Rc<Members>,
    /// Whether the Responses API may work in the background, where tokens cannot be counted.
    pub allow_background: bool,
}

/// The header in which a gateway in front repeats the model.
#[derive(Debug)]
pub struct ModelHeader {
    /// Its name in lower case.
    pub name: Box<str>,
    /// Whether a request without it is refused.
    pub required: bool,
}

/// The body that may follow the headers of a request.
#[derive(Debug)]
enum Body {
    /// None. A server that does not read a body here would take it for the next request on its connection.
    Empty,
    /// A body that the configuration allows on this path. It is not read.
    Unread,
    /// The body of an operation that names its model there.
    Judged(Box<Judged>),
    /// That body, after it has passed.
    Passed { hides_usage: bool },
}

/// The verdict on a frame that may pass.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The edit of the frame.
    pub edit: Edit,
    /// The facts that the cost depends on, with the frame that closes the body.
    pub asked: Option<Asked>,
}

/// A body that is being judged.
#[derive(Debug)]
struct Judged {
    judge: Judge,
    said: Said,
    /// The model, if the path names it.
    in_path: Option<ModelName>,
}

/// The proof that a request may go on, as long as its body passes. Only [`admit`] makes one.
#[derive(Debug)]
pub struct Permit {
    caller: Caller,
    pub(crate) operation: Operation,
    body: Body,
    /// The model, once the body has named it and the caller may use it.
    model: Option<ModelName>,
    /// The refusal that the mode only recorded.
    noted: Option<Denial>,
}

impl Permit {
    /// The caller's identity, if there is one.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.caller.identity()
    }

    /// Returns true if [`Permit::judge`] needs the bytes of the body.
    #[must_use]
    pub const fn reads_body(&self) -> bool {
        matches!(self.body, Body::Judged(_))
    }

    /// Returns true if this header continues because it was judged together with the model.
    #[must_use]
    pub fn has_judged(&self, header: &[u8]) -> bool {
        let mut routers = ROUTER_HEADERS.iter();
        self.operation.names_model() && routers.any(|name| name.as_bytes() == header)
    }

    /// Returns true if no body may follow.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.body, Body::Empty)
    }

    /// Judges a frame of `size` bytes whose bytes [need not be read](Self::reads_body).
    ///
    /// # Errors
    /// [`Code::BodyNotAllowed`].
    pub const fn judge_size(&self, size: usize) -> Result<(), Code> {
        if size > 0 && matches!(self.body, Body::Empty | Body::Passed { .. }) {
            return Err(Code::BodyNotAllowed);
        }
        Ok(())
    }

    /// Returns true if the reply is a list of models, which is filtered to those that the caller [may use](Self::may_use).
    #[must_use]
    pub const fn filters_models(&self, rules: &Rules) -> bool {
        matches!(self.operation, Operation::ListModels) && matches!(rules.mode, Mode::Enforce)
    }

    /// Returns true if the caller may use this model.
    #[must_use]
    pub fn may_use(&self, model: &ModelName, rules: &Rules) -> bool {
        rules.models.check(&self.caller, model).is_ok()
    }

    /// The request for usage, if the body may be changed to make one.
    #[must_use]
    pub fn ask(&self) -> Option<&Ask> {
        match &self.body {
            Body::Judged(judged) => judged.judge.ask(),
            Body::Passed { .. } | Body::Empty | Body::Unread => None,
        }
    }

    /// Returns true if only Tollgate requested the usage, so that it is hidden from the client.
    #[must_use]
    pub fn hides_usage(&self) -> bool {
        match &self.body {
            Body::Judged(judged) => judged.judge.ask().is_some_and(Ask::is_hidden),
            Body::Passed { hides_usage } => *hides_usage,
            Body::Empty | Body::Unread => false,
        }
    }

    /// Judges the next frame of the body, which must not pass before, and returns its edit. `last` means that nothing follows.
    ///
    /// # Errors
    /// The refusal of the whole request.
    pub fn judge(&mut self, bytes: &[u8], last: bool, rules: &Rules) -> Result<Verdict, Denial> {
        let Body::Judged(judged) = &mut self.body else {
            self.judge_size(bytes.len())?;
            return Ok(Verdict {
                edit: Edit::Keep,
                asked: None,
            });
        };
        let Judged { judge, said, .. } = &mut **judged;
        let named = judge.frame(bytes, last)?;
        for other in named.others {
            let verdict = rules.models.check(&self.caller, &other);
            rules.mode.note(verdict, &mut self.noted)?;
        }
        if let Some(model) = named.model {
            said.check_base(&model, rules)?;
            let verdict = rules.models.check(&self.caller, &model);
            rules.mode.note(verdict, &mut self.noted)?;
            if let Some(ask) = judge.ask_mut() {
                ask.settle(rules.models.asks_for_usage(Some(&model)));
            }
            self.model = Some(model);
        }
        let edit = judge.edit(bytes)?;
        if last {
            // Replies may take long, and the judge's memory is not needed any more.
            self.body = Body::Passed {
                hides_usage: judge.ask().is_some_and(Ask::is_hidden),
            };
        }
        Ok(Verdict {
            edit,
            asked: named.asked,
        })
    }

    /// Applies the mode to a refusal by a limit.
    ///
    /// # Errors
    /// The refusal, if the mode enforces it.
    pub(crate) fn note(
        &mut self,
        verdict: Result<(), Denial>,
        rules: &Rules,
    ) -> Result<(), Denial> {
        rules.mode.note(verdict, &mut self.noted)
    }

    /// Records the refusal by a limit in audit mode.
    pub(crate) fn note_only(&mut self, noted: Option<Denial>) {
        self.noted = self.noted.take().or(noted);
    }

    /// Takes the model, once known and allowed, and the refusal that was only recorded.
    pub const fn take_findings(&mut self) -> (Option<ModelName>, Option<Denial>) {
        (self.model.take(), self.noted.take())
    }

    /// The model, once known and allowed.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }
}

/// Decides in the headers step whether the request may continue, and how its body is judged.
///
/// # Errors
/// The refusal of the request.
pub fn admit(
    caller: Caller,
    target: &Target<'_>,
    headers: &HeaderMap,
    has_body: bool,
    rules: &Rules,
) -> Result<Permit, Denial> {
    let operation = target.operation;
    // On configured paths no model is judged, wherever it is named.
    let judges_model = operation.needs_identity() && operation != Operation::Extra;
    if judges_model && query::names_model(headers) {
        return Err(Code::ModelInQuery.into());
    }
    let mut noted = None;
    let mut named = None;
    let body = match operation {
        Operation::Preflight => Body::Empty,
        Operation::Public => unread(target),
        Operation::ListModels => {
            let verdict = identity_of(&caller).map(|_| ()).map_err(Denial::from);
            rules.mode.note(verdict, &mut noted)?;
            Body::Empty
        }
        Operation::ShowModel => {
            model_in_path(target, &caller, rules, &mut noted)?;
            Body::Empty
        }
        Operation::Extra => {
            let identity = identity_of(&caller)?;
            if !target
                .groups
                .is_some_and(|groups| identity.is_in_any(groups))
            {
                return Err(Code::OperationNotAllowed.into());
            }
            unread(target)
        }
        _ => {
            let mut judged = judge_body(target, &caller, headers, has_body, rules, &mut noted)?;
            named = judged.in_path.take();
            Body::Judged(Box::new(judged))
        }
    };
    if matches!(body, Body::Empty) && announces_body(headers) {
        return Err(Code::BodyNotAllowed.into());
    }
    Ok(Permit {
        caller,
        operation,
        body,
        model: named,
        noted,
    })
}

/// The model in the path, if there is one and the caller may use it.
fn model_in_path(
    target: &Target<'_>,
    caller: &Caller,
    rules: &Rules,
    noted: &mut Option<Denial>,
) -> Result<Option<ModelName>, Denial> {
    let Some(name) = &target.model else {
        return Ok(None);
    };
    let model = ModelName::new(name).ok_or(Code::InvalidModelName)?;
    rules.mode.note(rules.models.check(caller, &model), noted)?;
    Ok(Some(model))
}

/// The body that a configured path allows.
const fn unread(target: &Target<'_>) -> Body {
    if target.takes_body {
        Body::Unread
    } else {
        Body::Empty
    }
}

/// Returns true if the headers announce a body. Without an announcement, a body may still follow.
fn announces_body(headers: &HeaderMap) -> bool {
    let nothing = |length: &[u8]| length.iter().all(|digit| *digit == b'0');
    !headers.values("content-length").all(nothing)
}

/// The judge of a body that names the model. Whatever the headers alone can refuse is refused here, before the upstream gets
/// any byte.
fn judge_body(
    target: &Target<'_>,
    caller: &Caller,
    headers: &HeaderMap,
    has_body: bool,
    rules: &Rules,
    noted: &mut Option<Denial>,
) -> Result<Judged, Denial> {
    if matches!(caller, Caller::Anonymous) && !rules.models.admit_anonymous {
        let missing = Err(Code::MissingCredential.into());
        rules.mode.note(missing, noted)?;
    }
    let in_path = model_in_path(target, caller, rules, noted)?;
    let mut said = Said::read(caller, headers, rules, noted)?;
    let known = match (&in_path, said.model.take()) {
        (Some(model), Some(other)) if *model != other => return Err(Code::AmbiguousModel.into()),
        (model, other) => model.clone().or(other),
    };
    if let Some(model) = &in_path {
        said.check_base(model, rules)?;
    }
    if headers
        .values("content-encoding")
        .any(|encoding| !encoding.eq_ignore_ascii_case(b"identity"))
    {
        return Err(Code::UnsupportedEncoding.into());
    }
    if !has_body {
        let code = match in_path {
            Some(_) => Code::MalformedBody,
            None => Code::MissingModel,
        };
        return Err(code.into());
    }
    let length = headers
        .first("content-length")
        .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    let operation = target.operation;
    let judge = if operation.model_in() == Some(ModelIn::Form) {
        let boundary = Boundary::of(headers).ok_or(Code::MalformedBody)?;
        Judge::of_form(&boundary, known, length, &rules.members)
    } else {
        let also = match operation {
            Operation::Chat | Operation::Completions
                if rules.models.may_ask_for_usage(known.as_ref()) =>
            {
                let wanted = rules.models.asks_for_usage(known.as_ref());
                Also::Usage(Ask::new(length, wanted))
            }
            Operation::Responses if !rules.allow_background => Also::Background,
            _ => Also::Nothing,
        };
        Judge::new(known, length, also, &rules.members)
    };
    let judge = if in_path.is_some() {
        judge.behind_path()
    } else {
        judge
    };
    Ok(Judged {
        judge,
        said,
        in_path,
    })
}

fn identity_of(caller: &Caller) -> Result<&Identity, Code> {
    caller.identity().ok_or(Code::MissingCredential)
}

#[cfg(test)]
mod tests;

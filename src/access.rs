//! Caller + operation + model ▶ [`Permit`], or a refusal.
//!
//! A model without a rule is nobody's: there is no silent "everybody may use everything". The exact name beats the
//! longest prefix, which beats `*`. A key's own list of models narrows what its groups allow, never widens it.

mod mode;

use std::fmt;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::denial::{Code, Denial};
use crate::form::Boundary;
use crate::headers::{HeaderMap, Occurrence};
use crate::identity::{Caller, Identity};
use crate::model::{Also, Judge, ModelName};
use crate::operation::{ModelIn, Operation, PathRule, Target};
use crate::policy::{GroupId, GroupSet, Policy};
use crate::rewrite::ask::{Ask, Edit};

pub use mode::{Mode, settle};

/// Who may use a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Everybody, with or without an identity.
    Anonymous,
    /// Every identity.
    Authenticated,
    /// Members of one of these groups.
    Groups(GroupSet),
}

/// A model name, or a prefix that ends in `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelPattern {
    /// This name alone.
    Exact(Box<str>),
    /// Every name that begins so; empty for `*`.
    Prefix(Box<str>),
}

/// What is done about the usage of a stream that the client has not asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum StreamUsage {
    /// The server is asked for it, and the client does not see it.
    #[default]
    Inject,
    /// The request passes as it came.
    Observe,
}

/// What is configured for a model.
#[derive(Debug)]
pub(crate) struct ModelEntry {
    /// Who may use it.
    pub(crate) rule: Rule,
    pub(crate) stream_usage: StreamUsage,
}

/// The rules of the `models` section.
#[derive(Debug, Default)]
pub struct ModelRules {
    exact: FxHashMap<Box<str>, ModelEntry>,
    /// Longest first.
    prefixes: Vec<(Box<str>, ModelEntry)>,
    /// For models that no entry names, as in an open gateway, and as long as the model is not known.
    stream_usage: StreamUsage,
    /// Whether the usage of any model's streams is asked for.
    asks_for_usage: bool,
    /// Whether any rule lets anonymous callers in, so that a request without a credential may be worth a look.
    admit_anonymous: bool,
    /// Whether a model that is not allowed is said not to exist.
    pub(crate) hide_denied: bool,
}

/// The rule that is the one for some model.
#[derive(Debug, Clone, Copy)]
pub struct MatchingRule<'a> {
    /// The name or prefix that it is written under, without `*`.
    pub name: &'a str,
    /// Whether it is for all models that begin with `name`.
    pub is_prefix: bool,
    entry: &'a ModelEntry,
}

/// The models that a key is narrowed to. Empty allows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLimit(pub Rc<[ModelPattern]>);

/// A path beyond the table of operations.
#[derive(Debug)]
pub struct ExtraPath {
    /// Exact method and path.
    pub rule: PathRule,
    /// Who may use it.
    pub groups: GroupSet,
}

/// The proof that a request may go on, as long as its body passes. Only [`admit`] makes one.
#[derive(Debug)]
pub struct Permit {
    pub(crate) caller: Caller,
    pub(crate) operation: Operation,
    /// Judges the body of an operation that names a model there.
    judge: Option<Judge>,
    /// The model, once the body has named it and the caller may use it.
    model: Option<ModelName>,
    /// What would have been refused, were the mode another.
    noted: Option<Denial>,
}

impl ModelPattern {
    /// Reads `name`, `prefix*` or `*`. `None` for what cannot be (the beginning of) a model name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('*') {
            Some("") => Some(Self::Prefix("".into())),
            Some(prefix) => ModelName::new(prefix).map(|_| Self::Prefix(prefix.into())),
            None => ModelName::new(text).map(|_| Self::Exact(text.into())),
        }
    }

    /// Whether the model is one of these.
    #[must_use]
    pub fn matches(&self, model: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *model,
            Self::Prefix(prefix) => model.starts_with(&**prefix),
        }
    }
}

/// As it is written in the configuration.
impl fmt::Display for ModelPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => formatter.write_str(name),
            Self::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

impl<'a> MatchingRule<'a> {
    /// Who may use the model.
    #[must_use]
    pub const fn rule(&self) -> &'a Rule {
        &self.entry.rule
    }
}

impl ModelRules {
    /// No rules; `stream_usage` is for models without one.
    pub(crate) fn new(stream_usage: StreamUsage) -> Self {
        Self {
            stream_usage,
            ..Self::default()
        }
    }

    /// Adds a rule. Names are unique in the configuration, so nothing is replaced.
    pub(crate) fn insert(&mut self, pattern: ModelPattern, entry: ModelEntry) {
        self.admit_anonymous |= entry.rule == Rule::Anonymous;
        self.asks_for_usage |= entry.stream_usage == StreamUsage::Inject;
        match pattern {
            ModelPattern::Exact(name) => {
                self.exact.insert(name, entry);
            }
            ModelPattern::Prefix(prefix) => {
                let shorter = |(other, _): &(Box<str>, ModelEntry)| other.len() < prefix.len();
                let at = self
                    .prefixes
                    .iter()
                    .position(shorter)
                    .unwrap_or(self.prefixes.len());
                self.prefixes.insert(at, (prefix, entry));
            }
        }
    }

    /// Whether the configuration spells this name out, so that it may be a metric label of its own.
    #[must_use]
    pub fn names(&self, model: &str) -> bool {
        self.exact.contains_key(model)
    }

    /// The rule for this model: the exact name beats the longest prefix.
    #[must_use]
    pub fn matching(&self, model: &str) -> Option<MatchingRule<'_>> {
        let found = |name, is_prefix, entry| MatchingRule {
            name,
            is_prefix,
            entry,
        };
        if let Some((name, entry)) = self.exact.get_key_value(model) {
            return Some(found(name, false, entry));
        }
        let mut prefixes = self.prefixes.iter();
        prefixes
            .find(|(prefix, _)| model.starts_with(&**prefix))
            .map(|(prefix, entry)| found(prefix, true, entry))
    }

    fn entry(&self, model: &str) -> Option<&ModelEntry> {
        self.matching(model).map(|found| found.entry)
    }

    /// Whether the usage of this model's streams is asked for; `None` is a model that is not known yet.
    fn asks_for_usage(&self, model: Option<&ModelName>) -> bool {
        let entry = model.and_then(|model| self.entry(model.as_str()));
        let stream_usage = entry.map_or(self.stream_usage, |entry| entry.stream_usage);
        stream_usage == StreamUsage::Inject
    }

    /// Whether that may come out as a yes once the model is known.
    pub(crate) fn may_ask_for_usage(&self, model: Option<&ModelName>) -> bool {
        self.asks_for_usage(model) || (model.is_none() && self.asks_for_usage)
    }

    /// Whether this caller may use this model.
    ///
    /// # Errors
    /// [`Code::MissingCredential`] where an identity would be needed to tell, else [`Code::ModelNotAllowed`].
    pub fn check(&self, caller: &Caller, model: &ModelName) -> Result<(), Denial> {
        let rule = self.entry(model.as_str()).map(|entry| &entry.rule);
        let allowed = match (caller, rule) {
            (_, Some(Rule::Anonymous)) => true,
            (Caller::Anonymous, _) => return Err(Code::MissingCredential.into()),
            (Caller::Known(_), None) => false,
            (Caller::Known(_), Some(Rule::Authenticated)) => true,
            (Caller::Known(identity), Some(Rule::Groups(groups))) => identity.is_in_any(groups),
        };
        let narrowed = caller
            .identity()
            .and_then(|identity| identity.models.as_ref());
        if allowed
            && narrowed.is_none_or(|limit| {
                limit
                    .0
                    .iter()
                    .any(|pattern| pattern.matches(model.as_str()))
            })
        {
            Ok(())
        } else {
            Err(Denial::model_not_allowed(model, self.hide_denied))
        }
    }
}

impl Identity {
    fn is_in_any(&self, groups: &[GroupId]) -> bool {
        groups
            .iter()
            .any(|group| self.groups.binary_search(group).is_ok())
    }
}

impl Permit {
    /// Whether the body has to pass [`Permit::judge`] frame by frame.
    #[must_use]
    pub const fn judges_body(&self) -> bool {
        self.judge.is_some()
    }

    /// Whether the reply is a list of models, of which the caller gets to see those that it [may use](Self::may_use).
    #[must_use]
    pub const fn filters_models(&self, policy: &Policy) -> bool {
        matches!(self.operation, Operation::ListModels) && matches!(policy.mode, Mode::Enforce)
    }

    /// Whether the caller may use this model.
    #[must_use]
    pub fn may_use(&self, model: &ModelName, policy: &Policy) -> bool {
        policy.models.check(&self.caller, model).is_ok()
    }

    /// The `content-length` to announce, if something may be added to the body.
    #[must_use]
    pub fn added_length(&self) -> Option<u64> {
        self.judge.as_ref().and_then(Judge::added_length)
    }

    /// Whether the body may be changed to ask for usage.
    #[must_use]
    pub fn may_ask_for_usage(&self) -> bool {
        self.judge.as_ref().is_some_and(Judge::may_ask_for_usage)
    }

    /// Whether the reply may report usage that the client has not asked for, and is not to see.
    #[must_use]
    pub fn hides_usage(&self) -> bool {
        self.judge.as_ref().is_some_and(Judge::hides_usage)
    }

    /// Judges the next frame of the body, which must not move on before, and says how it moves on. `last` says that
    /// nothing follows it.
    ///
    /// # Errors
    /// The refusal of the whole request.
    pub fn judge(&mut self, bytes: &[u8], last: bool, policy: &Policy) -> Result<Edit, Denial> {
        let Some(judge) = &mut self.judge else {
            return Ok(Edit::Keep);
        };
        if let Some(model) = judge.frame(bytes, last)? {
            let verdict = policy.models.check(&self.caller, &model);
            policy.mode.note(verdict, &mut self.noted)?;
            if judge.may_ask_for_usage() {
                judge.ask_for_usage(policy.models.asks_for_usage(Some(&model)));
            }
            self.model = Some(model);
        }
        Ok(judge.edit(bytes)?)
    }

    /// The refusal that the mode only noted.
    #[must_use]
    pub const fn noted(&self) -> Option<&Denial> {
        self.noted.as_ref()
    }

    /// The model, once known and allowed.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }
}

/// Decides in the headers step whether the request may go on, and what its body still has to pass.
///
/// # Errors
/// The refusal of the request.
pub fn admit(
    caller: Caller,
    target: &Target<'_>,
    headers: &HeaderMap,
    has_body: bool,
    policy: &Policy,
) -> Result<Permit, Denial> {
    let operation = target.operation;
    let mut noted = None;
    let judge = match operation {
        Operation::Public | Operation::Preflight => None,
        Operation::ListModels => {
            let verdict = identity_of(&caller).map(|_| ()).map_err(Denial::from);
            policy.mode.note(verdict, &mut noted)?;
            None
        }
        Operation::ShowModel => {
            let model = target
                .model
                .and_then(ModelName::new)
                .ok_or(Code::OperationNotAllowed)?;
            policy
                .mode
                .note(policy.models.check(&caller, &model), &mut noted)?;
            None
        }
        Operation::Extra => {
            let identity = identity_of(&caller)?;
            let extra = policy
                .extra_paths
                .iter()
                .find(|extra| extra.rule.matches(target.method, target.path));
            if !extra.is_some_and(|extra| identity.is_in_any(&extra.groups)) {
                return Err(Code::OperationNotAllowed.into());
            }
            None
        }
        _ => Some(judge(
            operation, &caller, headers, has_body, policy, &mut noted,
        )?),
    };
    Ok(Permit {
        caller,
        operation,
        judge,
        model: None,
        noted,
    })
}

/// The judge of a body that names the model. What the headers alone can refuse is refused here, before the
/// upstream has seen a byte.
fn judge(
    operation: Operation,
    caller: &Caller,
    headers: &HeaderMap,
    has_body: bool,
    policy: &Policy,
    noted: &mut Option<Denial>,
) -> Result<Judge, Denial> {
    if matches!(caller, Caller::Anonymous) && !policy.models.admit_anonymous {
        let missing = Err(Code::MissingCredential.into());
        policy.mode.note(missing, noted)?;
    }
    let repeated = match headers.unique(&policy.model_header.name) {
        Occurrence::Repeated => return Err(Code::AmbiguousModel.into()),
        Occurrence::Absent if policy.model_header.required => return Err(Code::MissingModel.into()),
        Occurrence::Absent => None,
        Occurrence::Single(value) => {
            let text = std::str::from_utf8(value).map_err(|_| Code::AmbiguousModel)?;
            let model = ModelName::new(text).ok_or(if text.is_empty() {
                Code::MissingModel
            } else {
                Code::AmbiguousModel
            })?;
            policy
                .mode
                .note(policy.models.check(caller, &model), noted)?;
            Some(model)
        }
    };
    if headers
        .values("content-encoding")
        .any(|encoding| !encoding.eq_ignore_ascii_case(b"identity"))
    {
        return Err(Code::UnsupportedEncoding.into());
    }
    if !has_body {
        return Err(Code::MissingModel.into());
    }
    let length = headers
        .first("content-length")
        .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    if operation.model_in() == Some(ModelIn::Form) {
        let boundary = Boundary::of(headers).ok_or(Code::MalformedBody)?;
        return Ok(Judge::of_form(&boundary, repeated, length));
    }
    let also = match operation {
        Operation::Chat | Operation::Completions
            if policy.models.may_ask_for_usage(repeated.as_ref()) =>
        {
            Also::Usage(Ask::new(
                length.is_some(),
                policy.models.asks_for_usage(repeated.as_ref()),
            ))
        }
        Operation::Responses if !policy.metering.allow_background => Also::Background,
        _ => Also::Nothing,
    };
    Ok(Judge::new(repeated, length, also))
}

fn identity_of(caller: &Caller) -> Result<&Identity, Code> {
    caller.identity().ok_or(Code::MissingCredential)
}

#[cfg(test)]
mod tests;

//! The rules of the `models` section: the rule for a model, and the callers that it admits.
//!
//! No caller may use a model without a rule. Access is never granted silently. The exact name beats the longest prefix,
//! which beats `*`. [Another spelling](super::spelling) of a name does not avoid its exact rule. A key's own list of
//! models narrows what its groups allow, never widens it.

use rustc_hash::FxHashMap;

use super::spelling::{self, Spellings};
use crate::denial::{Code, Denial};
use crate::identity::{Caller, Identity};
use crate::model_name::{ModelName, ModelPattern};
use crate::tenant::{GroupId, GroupSet};

/// The callers that may use a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// All callers, with or without an identity.
    Anonymous,
    /// All identified callers.
    Authenticated,
    /// Members of one of these groups.
    Groups(GroupSet),
}

/// The handling of streams whose client has not requested usage.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum StreamUsage {
    /// Usage is requested from the server, and hidden from the client.
    #[default]
    Inject,
    /// The request passes unchanged.
    Observe,
}

/// The settings of a model.
#[derive(Debug)]
pub(crate) struct ModelEntry {
    /// The callers that may use it.
    pub(crate) rule: Rule,
    pub(crate) stream_usage: StreamUsage,
    /// The model that it is an adapter of.
    pub(crate) base: Option<ModelName>,
}

/// The rules of the `models` section.
#[derive(Debug, Default)]
pub struct ModelRules {
    exact: FxHashMap<Box<str>, ModelEntry>,
    /// The names of `exact`, indexed for other spellings.
    spellings: Spellings,
    /// Longest first.
    prefixes: Vec<(Box<str>, ModelEntry)>,
    /// For models without an entry, as in an open gateway, and until the model is known.
    stream_usage: StreamUsage,
    /// True if usage is requested for any model.
    asks_for_usage: bool,
    /// Whether any rule says what it is an adapter of.
    has_bases: bool,
    /// Whether any rule lets anonymous callers in, so that a request without a credential may be worth a look.
    pub(super) admit_anonymous: bool,
    /// True if a refusal says that the model does not exist.
    pub(crate) hide_denied: bool,
}

/// The rule that applies to a model.
#[derive(Debug, Clone, Copy)]
pub struct MatchingRule<'a> {
    /// The name or prefix in the configuration, without `*`.
    pub name: &'a str,
    /// True if it is for all models that begin with `name`.
    pub is_prefix: bool,
    entry: &'a ModelEntry,
}

impl<'a> MatchingRule<'a> {
    /// The callers that may use the model.
    #[must_use]
    pub const fn rule(&self) -> &'a Rule {
        &self.entry.rule
    }
}

impl ModelRules {
    /// No rules. `stream_usage` applies to models without a rule.
    pub(crate) fn new(stream_usage: StreamUsage) -> Self {
        Self {
            stream_usage,
            ..Self::default()
        }
    }

    /// Adds a rule. Names are unique in the configuration, so no rule is replaced.
    pub(crate) fn insert(&mut self, pattern: ModelPattern, entry: ModelEntry) {
        self.admit_anonymous |= entry.rule == Rule::Anonymous;
        self.has_bases |= entry.base.is_some();
        self.asks_for_usage |= entry.stream_usage == StreamUsage::Inject;
        match pattern {
            ModelPattern::Exact(name) => {
                self.spellings.insert(&name);
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

    /// Returns true if the configuration has this exact name, so that it may be a metric label.
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

    /// The further rules that a model has to satisfy because its name may be another spelling of theirs, or a list; `None`
    /// for a name that is no model's. None for a name that an exact rule spells out.
    #[must_use]
    pub fn spelled_alike(&self, model: &str) -> Option<Vec<MatchingRule<'_>>> {
        let wider = match self.matching(model) {
            Some(wider) if wider.is_prefix => wider,
            _ => return Some(Vec::new()),
        };
        let mut rules = self.alike_under(wider, model)?;
        for part in self.parts(model) {
            let rule = self.matching(part)?;
            rules.push(rule);
            if rule.is_prefix {
                rules.extend(self.alike_under(rule, part)?);
            }
        }
        Some(rules)
    }

    /// The names in what may be a list of names; none where it is not, or an exact rule spells it out.
    fn parts<'m>(&self, model: &'m str) -> impl Iterator<Item = &'m str> {
        let is_list = spelling::is_list(model) && !self.names(model);
        let parts = is_list.then(|| spelling::parts(model));
        parts.into_iter().flatten()
    }

    /// The same for a model to which this `prefix*` or `*` applies.
    fn alike_under(&self, wider: MatchingRule<'_>, model: &str) -> Option<Vec<MatchingRule<'_>>> {
        let exact = self.spellings.of(model)?;
        // With `name:*` besides `name`, the operator has a rule for these spellings.
        let is_settled = |name: &str| wider.name.len() > name.len() && wider.name.starts_with(name);
        let exact = exact.filter(|name| !is_settled(name)).filter_map(|name| {
            let (name, entry) = self.exact.get_key_value(name)?;
            Some(MatchingRule {
                name,
                is_prefix: false,
                entry,
            })
        });
        let longer = self.prefixes.iter().map_while(|(prefix, entry)| {
            (prefix.len() > wider.name.len()).then_some(MatchingRule {
                name: prefix,
                is_prefix: true,
                entry,
            })
        });
        let longer = longer.filter(|rule| spelling::begins_anywhere(model, rule.name));
        Some(exact.chain(longer).collect())
    }

    fn entry(&self, model: &str) -> Option<&ModelEntry> {
        self.matching(model).map(|found| found.entry)
    }

    /// Whether any rule says what it is an adapter of, so that a model without one is its own base.
    pub(super) const fn has_bases(&self) -> bool {
        self.has_bases
    }

    /// Whether one model may be the base of another, as far as the configuration says.
    pub(super) fn is_base(&self, base: &ModelName, model: &ModelName) -> bool {
        let entry = self.entry(model.as_str());
        match entry.and_then(|entry| entry.base.as_ref()) {
            Some(configured) => configured == base,
            None => base == model || !self.has_bases,
        }
    }

    /// Whether the usage of this model's streams is asked for; `None` is a model that is not known yet.
    pub(super) fn asks_for_usage(&self, model: Option<&ModelName>) -> bool {
        let entry = model.and_then(|model| self.entry(model.as_str()));
        let stream_usage = entry.map_or(self.stream_usage, |entry| entry.stream_usage);
        stream_usage == StreamUsage::Inject
    }

    /// Returns true if usage may be requested once the model is known.
    pub(crate) fn may_ask_for_usage(&self, model: Option<&ModelName>) -> bool {
        self.asks_for_usage(model) || (model.is_none() && self.asks_for_usage)
    }

    /// Checks that this caller may use this model.
    ///
    /// # Errors
    /// [`Code::MissingCredential`] if only an identity could allow it, else [`Code::ModelNotAllowed`].
    pub fn check(&self, caller: &Caller, model: &ModelName) -> Result<(), Denial> {
        let admits = |rule: Option<&Rule>| match (caller, rule) {
            (_, Some(Rule::Anonymous)) => Ok(true),
            (Caller::Anonymous, _) => Err(Denial::from(Code::MissingCredential)),
            (Caller::Known(_), None) => Ok(false),
            (Caller::Known(_), Some(Rule::Authenticated)) => Ok(true),
            (Caller::Known(identity), Some(Rule::Groups(groups))) => Ok(identity.is_in_any(groups)),
        };
        let matching = self.matching(model.as_str());
        let mut allowed = admits(matching.map(|matching| matching.rule()))?;
        if allowed && matching.is_some_and(|matching| matching.is_prefix) {
            match self.spelled_alike(model.as_str()) {
                Some(alike) => {
                    for rule in alike {
                        allowed &= admits(Some(rule.rule()))?;
                    }
                }
                None => allowed = false,
            }
        }
        let limit = caller
            .identity()
            .and_then(|identity| identity.models.as_ref());
        let is_within = |name: &str| {
            limit.is_none_or(|limit| limit.0.iter().any(|pattern| pattern.matches(name)))
        };
        if allowed && is_within(model.as_str()) && self.parts(model.as_str()).all(is_within) {
            Ok(())
        } else {
            let denial = Denial::model_not_allowed(model, self.hide_denied);
            match caller.identity() {
                Some(identity) if identity.leaves_out_groups => Err(denial.for_lack_of_groups()),
                _ => Err(denial),
            }
        }
    }
}

impl Identity {
    pub(super) fn is_in_any(&self, groups: &[GroupId]) -> bool {
        groups
            .iter()
            .any(|group| self.groups.binary_search(group).is_ok())
    }
}

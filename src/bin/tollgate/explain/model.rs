//! The requested model, and its rule.

use serde::Serialize;
use tollgate::access::{MatchingRule, Rule};
use tollgate::identity::Caller;
use tollgate::model_name::ModelName;
use tollgate::model_name::ModelPattern;
use tollgate::policy::Policy;

use super::who::Who;

/// The model, and its rule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelAnswer {
    pub(super) name: String,
    pub(super) allowed: bool,
    /// The rule as written: a name, `prefix*` or `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
    /// Further rules that must admit the caller, because the name may be another spelling of their models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) spelled_alike: Vec<String>,
    /// `anonymous`, `authenticated` or `groups`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<String>,
    /// The groups of the rule that the caller has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) in_groups: Vec<String>,
}

impl ModelAnswer {
    pub(super) fn new(model: &ModelName, caller: &Caller, who: &Who, policy: &Policy) -> Self {
        let matching = policy.access.models.matching(model.as_str());
        let groups: Vec<String> = match matching.map(|matching| matching.rule()) {
            Some(Rule::Groups(groups)) => groups
                .iter()
                .filter_map(|group| policy.identities.groups.name(*group))
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        };
        let own = who.group_names();
        let written = |matching: MatchingRule<'_>| {
            let star = if matching.is_prefix { "*" } else { "" };
            format!("{}{star}", matching.name)
        };
        let alike = policy.access.models.spelled_alike(model.as_str());
        Self {
            name: model.as_str().to_owned(),
            allowed: policy.access.models.check(caller, model).is_ok(),
            rule: matching.map(written),
            spelled_alike: alike.into_iter().flatten().map(written).collect(),
            access: matching.map(|matching| match matching.rule() {
                Rule::Anonymous => "anonymous",
                Rule::Authenticated => "authenticated",
                Rule::Groups(_) => "groups",
            }),
            in_groups: groups
                .iter()
                .filter(|group| own.contains(&group.as_str()))
                .cloned()
                .collect(),
            groups,
        }
    }

    /// Returns true if the key's own list of models excludes the model.
    pub(super) fn is_narrowed(&self, who: &Who) -> bool {
        let limit = who.narrowed_to.iter().flatten();
        let mut patterns = limit.filter_map(|pattern| ModelPattern::parse(pattern));
        who.narrowed_to.is_some() && !patterns.any(|pattern| pattern.matches(&self.name))
    }

    /// The rule, and its result for the caller.
    pub(super) fn told(&self, who: &Who) -> String {
        let Some(rule) = &self.rule else {
            return "none in `models` matches this model".to_owned();
        };
        let kind = match rule.as_str() {
            "*" => "any model",
            prefix if prefix.ends_with('*') => "the longest prefix",
            _ => "the exact name",
        };
        let groups = self.groups.join(", ");
        let access = match (self.access, self.in_groups.is_empty()) {
            (Some("anonymous"), _) => "for every client".to_owned(),
            (Some("authenticated"), _) => "for every identified caller".to_owned(),
            (_, _) if groups.is_empty() => "for no group, so no caller is allowed".to_owned(),
            (_, true) if who.is_known() => {
                format!("for {groups}; the caller is in none of these")
            }
            (_, true) => format!("for {groups}"),
            (_, false) => {
                let own = self.in_groups.join(", ");
                format!("for {groups}; the caller is in {own}")
            }
        };
        let narrowed = match &who.narrowed_to {
            Some(limit) if self.is_narrowed(who) => {
                format!("; but the key is limited to {}", or_none(limit))
            }
            _ => String::new(),
        };
        let alike = if self.spelled_alike.is_empty() {
            String::new()
        } else {
            let alike = self.spelled_alike.join(", ");
            format!("; the name may be another spelling, so the rules for {alike} apply too")
        };
        format!("{rule} ({kind}), {access}{alike}{narrowed}")
    }
}

pub(super) fn or_none(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

//! The caller, as far as the filter knows it, and the source of that knowledge.

use std::fmt;

use serde::Serialize;
use tollgate::denial::{Code, Denial};
use tollgate::identity::{Caller, Identity, Issuer, verified};
use tollgate::policy::Policy;
use tollgate::tenant::{GroupId, KeyTerms};

use super::request::Request;
use crate::moment;

/// The caller.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Who {
    /// The proof of identity: `key`, `token` or `gateway`; `nobody` without one.
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    /// The times in the key's entry, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) terms: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    groups: Vec<Group>,
    /// Groups of the token that the configuration does not name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_groups: Vec<String>,
    /// The models to which the key is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) narrowed_to: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    from: String,
}

impl Who {
    pub(super) fn new(
        identified: &Result<Caller, Denial>,
        request: &Request,
        policy: &Policy,
    ) -> Self {
        match identified {
            Ok(Caller::Known(identity)) => Self::known(identity, request, policy),
            Err(denial) if denial.code() == Code::ExpiredCredential => Self::past(request, policy),
            Ok(Caller::Anonymous) | Err(_) => Self {
                by: "nobody",
                ..Self::default()
            },
        }
    }

    fn known(identity: &Identity, request: &Request, policy: &Policy) -> Self {
        let tenant = identity.tenant();
        let claims = |path: &[&str]| request.claim(path);
        let issuer = verified(&policy.identities.issuers, &claims).ok().flatten();
        let issuer = issuer.filter(|_| identity.key().is_none() && !identity.is_of_gateway());
        let name = |group: &GroupId| {
            policy
                .identities
                .groups
                .name(*group)
                .unwrap_or_default()
                .to_owned()
        };
        let from = |group: &GroupId| match (identity.key(), issuer) {
            (Some(_), _) if tenant.groups.contains(group) => "tenant".to_owned(),
            (Some(_), _) => "key".to_owned(),
            (None, Some(issuer)) => claims_of(issuer),
            (None, None) => "gateway in front".to_owned(),
        };
        let groups = identity.groups().iter().map(|group| Group {
            name: name(group),
            from: from(group),
        });
        let names = issuer.and_then(|issuer| issuer.group_names(&claims).ok());
        let unknown = names.into_iter().flatten();
        let user = issuer.and_then(|issuer| issuer.user(&claims).ok()?);
        Self {
            by: match (identity.key(), issuer) {
                (Some(_), _) => "key",
                (None, Some(_)) => "token",
                (None, None) => "gateway",
            },
            tenant: Some(tenant.name.to_string()),
            key: identity.key().map(ToString::to_string),
            terms: None,
            issuer: issuer.map(|issuer| issuer.issuer.clone()),
            user: user.or_else(|| identity.user().map(str::to_owned)),
            groups: groups.collect(),
            unknown_groups: unknown
                .filter(|name| policy.identities.groups.find(name).is_none())
                .collect(),
            narrowed_to: identity
                .models()
                .map(|limit| limit.0.iter().map(ToString::to_string).collect()),
        }
    }

    /// A known key that is not valid now.
    fn past(request: &Request, policy: &Policy) -> Self {
        let mut secrets = request.secrets().iter();
        let key = secrets.find_map(|secret| policy.identities.keys.find(secret.as_bytes()));
        Self {
            by: "nobody",
            tenant: key.map(|key| key.tenant.name.to_string()),
            key: key.map(|key| key.id.to_string()),
            terms: key.and_then(|key| key.terms.as_deref()).map(terms),
            ..Self::default()
        }
    }

    /// Returns true if the caller is identified.
    pub(super) fn is_known(&self) -> bool {
        self.by != "nobody"
    }

    /// The names of the caller's groups.
    pub(super) fn group_names(&self) -> Vec<&str> {
        self.groups
            .iter()
            .map(|group| group.name.as_str())
            .collect()
    }
}

fn claims_of(issuer: &Issuer) -> String {
    let claims = issuer.groups_claims.iter();
    let claims: Vec<String> = claims.map(|claim| claim.path.join(".")).collect();
    let word = if claims.len() > 1 { "claims" } else { "claim" };
    format!("{word} {}", claims.join(", "))
}

fn terms(terms: &KeyTerms) -> String {
    let date = |moment| moment::format(moment).unwrap_or_default();
    let parts = [
        terms.disabled.then(|| "disabled".to_owned()),
        terms
            .not_before
            .map(|from| format!("valid from {}", date(from))),
        terms
            .expires_at
            .map(|end| format!("expires at {}", date(end))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("tenant", &self.tenant),
            ("key", &self.key),
            ("token of", &self.issuer),
            ("user", &self.user),
        ];
        let parts = parts
            .iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        let mut said: Vec<String> = parts.collect();
        match (self.by, said.is_empty()) {
            ("nobody", true) => said.push("not identified".to_owned()),
            ("nobody", false) => said.push("not accepted".to_owned()),
            ("gateway", _) => said.push("identified by the gateway in front".to_owned()),
            _ => {}
        }
        said.extend(self.terms.clone());
        write!(formatter, "{}", said.join(", "))?;
        if self.is_known() {
            let groups = self.groups.iter();
            let groups: Vec<String> = groups
                .map(|group| format!("{} ({})", group.name, group.from))
                .collect();
            let groups = if groups.is_empty() {
                "none".to_owned()
            } else {
                groups.join(", ")
            };
            write!(formatter, "\ngroups     {groups}")?;
            if !self.unknown_groups.is_empty() {
                let unknown = self.unknown_groups.join(", ");
                write!(
                    formatter,
                    "; in the token, but not in the configuration: {unknown}"
                )?;
            }
        }
        Ok(())
    }
}

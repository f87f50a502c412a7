//! Tokens: the payload that Envoy's `jwt_authn` has verified and left in dynamic metadata.
//!
//! A payload is never parsed from a header: nothing that a client sends can appear in metadata. Lists are read element
//! by element, because Envoy's serialised list cannot be told from a string that a user controls.

use std::rc::Rc;

use super::{Identity, Proof};
use crate::denial::Code;
use crate::policy::{Fairness, GroupId, Policy, Tenant};

/// Groups read from one identity. One with more is refused rather than half read.
pub(crate) const MAX_GROUPS: usize = 64;

/// Where `jwt_authn` leaves payloads: the path of Envoy's attribute, before the metadata key.
pub const METADATA: [&str; 3] = [
    "metadata",
    "filter_metadata",
    "envoy.filters.http.jwt_authn",
];

/// One value of the payload, or of another attribute of Envoy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The payload has no such claim, or no such element.
    Absent,
    /// The bytes of a string; other kinds of value come as bytes that are no plain text.
    Value(Vec<u8>),
    /// A JSON null, or a value with one in it, which Envoy does not hand over.
    Null,
    /// Envoy refused to look.
    Unreadable,
}

/// One issuer whose tokens are accepted, and what is read from them.
#[derive(Debug)]
pub struct Issuer {
    /// Where `jwt_authn` leaves the payload.
    pub metadata_key: String,
    /// The exact `iss` claim.
    pub issuer: String,
    /// Path of the groups claim.
    pub groups_claim: Option<Vec<String>>,
    /// Path of the tenant claim.
    pub tenant_claim: Option<Vec<String>>,
    /// Path of the user claim.
    pub user_claim: Option<Vec<String>>,
    /// Groups that name a tenant, asked in order.
    pub tenant_from_group: Vec<(GroupId, Rc<Tenant>)>,
    /// The tenant of tokens that name none.
    pub default_tenant: Option<Rc<Tenant>>,
    /// Put before every group.
    pub group_prefix: String,
}

/// The issuer of the verified payload, if there is one. `claims` reads below [`METADATA`].
///
/// # Errors
/// [`Code::UnlistedIssuer`] for a verified token that no entry accepts, [`Code::AmbiguousCredential`] where two
/// providers each verified a token.
pub fn verified<'p>(
    issuers: &'p [Issuer],
    claims: &dyn Fn(&[&str]) -> Claim,
) -> Result<Option<&'p Issuer>, Code> {
    let mut found = None;
    let mut asked: Vec<&str> = Vec::new();
    for entry in issuers {
        let key = entry.metadata_key.as_str();
        if asked.contains(&key) {
            continue;
        }
        asked.push(key);
        let claimed = match claims(&[key, "iss"]) {
            Claim::Absent => continue,
            Claim::Null => return Err(Code::UnlistedIssuer),
            Claim::Unreadable => return Err(Code::Internal),
            Claim::Value(bytes) => bytes,
        };
        let issuer = issuers
            .iter()
            .find(|candidate| {
                candidate.metadata_key == key && candidate.issuer.as_bytes() == claimed
            })
            .ok_or(Code::UnlistedIssuer)?;
        if found.replace(issuer).is_some() {
            return Err(Code::AmbiguousCredential);
        }
    }
    Ok(found)
}

/// The identity that the payload states.
///
/// # Errors
/// [`Code::TooManyGroups`]; [`Code::UnknownTenant`] where the token leads to no configured tenant,
/// [`Code::AmbiguousTenant`] where it names several.
pub(super) fn identity(
    issuer: &Issuer,
    proof: Proof,
    policy: &Policy,
    claims: &dyn Fn(&[&str]) -> Claim,
) -> Result<Identity, Code> {
    let names = issuer.group_names(claims)?;
    let mut groups: Vec<GroupId> = names
        .iter()
        .filter_map(|name| policy.groups.find(name))
        .collect();
    groups.sort_unstable();
    let named = issuer.texts(issuer.tenant_claim.as_deref(), claims)?;
    let tenant = match named.texts.as_slice() {
        // Whoever has a tenant claim that says nothing does not belong to the default tenant.
        _ if named.with_null => None,
        [] => issuer
            .tenant_from_group
            .iter()
            .find_map(|(group, tenant)| groups.binary_search(group).is_ok().then_some(tenant))
            .or(issuer.default_tenant.as_ref()),
        [name] => policy.tenants.get(name.as_str()),
        _ => return Err(Code::AmbiguousTenant),
    };
    let tenant = tenant.ok_or(Code::UnknownTenant)?;
    let user = if policy.fairness == Fairness::User {
        issuer.user(claims)?
    } else {
        None
    };
    Ok(Identity {
        tenant: Rc::clone(tenant),
        groups: groups.into(),
        key: None,
        user: user.map(Into::into),
        attribute: None,
        models: None,
        objective: None,
        proof,
    })
}

/// The texts of one claim.
#[derive(Default)]
struct Texts {
    texts: Vec<String>,
    /// The claim, or an element of it, is null.
    with_null: bool,
}

impl Issuer {
    /// The names of the token's groups, each with the prefix, configured or not.
    ///
    /// # Errors
    /// [`Code::TooManyGroups`].
    pub fn group_names(&self, claims: &dyn Fn(&[&str]) -> Claim) -> Result<Vec<String>, Code> {
        let mut names = self.texts(self.groups_claim.as_deref(), claims)?.texts;
        if !self.group_prefix.is_empty() {
            for name in &mut names {
                name.insert_str(0, &self.group_prefix);
            }
        }
        Ok(names)
    }

    /// The token's user.
    ///
    /// # Errors
    /// [`Code::Internal`] where Envoy refuses to look.
    pub fn user(&self, claims: &dyn Fn(&[&str]) -> Claim) -> Result<Option<String>, Code> {
        match &self.user_claim {
            Some(path) => self.text(path, claims),
            None => Ok(None),
        }
    }

    /// A claim that is one text, whatever is in it: two users whose names begin alike are two users.
    fn text(
        &self,
        path: &[String],
        claims: &dyn Fn(&[&str]) -> Claim,
    ) -> Result<Option<String>, Code> {
        match claims(&self.full_path(path)) {
            Claim::Absent | Claim::Null => Ok(None),
            Claim::Unreadable => Err(Code::Internal),
            Claim::Value(bytes) => Ok(plain_text(bytes)),
        }
    }

    fn full_path<'a>(&'a self, path: &'a [String]) -> Vec<&'a str> {
        std::iter::once(self.metadata_key.as_str())
            .chain(path.iter().map(String::as_str))
            .collect()
    }

    /// The texts of a claim: the elements of a list, or the words of a string that holds several, separated by spaces
    /// or commas (RFC 8693, section 4.2, writes scopes so). None where no claim is configured.
    fn texts(
        &self,
        path: Option<&[String]>,
        claims: &dyn Fn(&[&str]) -> Claim,
    ) -> Result<Texts, Code> {
        let Some(path) = path else {
            return Ok(Texts::default());
        };
        let full_path = self.full_path(path);
        let mut found = Texts::default();
        for index in 0..=MAX_GROUPS {
            let index_text = index.to_string();
            match claims(&[full_path.as_slice(), &[&index_text]].concat()) {
                Claim::Absent if index == 0 => break,
                Claim::Absent => return Ok(found),
                _ if index == MAX_GROUPS => return Err(Code::TooManyGroups),
                Claim::Null => found.with_null = true,
                Claim::Unreadable => return Err(Code::Internal),
                Claim::Value(bytes) => found.texts.extend(plain_text(bytes)),
            }
        }
        match claims(&full_path) {
            Claim::Absent => {}
            Claim::Null => found.with_null = true,
            Claim::Unreadable => return Err(Code::Internal),
            Claim::Value(bytes) => {
                let text = plain_text(bytes).unwrap_or_default();
                let words = text.split([' ', ',']).filter(|word| !word.is_empty());
                found.texts.extend(words.map(str::to_owned));
            }
        }
        if found.texts.len() > MAX_GROUPS {
            return Err(Code::TooManyGroups);
        }
        Ok(found)
    }
}

/// A claim's bytes as text. Numbers, booleans, lists and objects are serialised with control bytes in them, which no
/// name has.
fn plain_text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then_some(text)
}

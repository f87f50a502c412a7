//! Tokens: the payload that Envoy's `jwt_authn` has verified and stored in dynamic metadata.
//!
//! A payload is never parsed from a header, and clients cannot write metadata. Envoy's form of a list cannot be
//! distinguished from a string that a user controls, nor an element of a list from a member `0` of an object. Both are
//! read in two ways, and the results must agree.

use std::rc::Rc;

use super::{Identities, Identity, Proof};
use crate::attribute::Attribute;
use crate::denial::{Code, Denial};
use crate::tenant::{GroupId, Tenant};

/// Groups read from one identity. One with more is refused rather than half read. Entra puts 200 into a token, Okta 100;
/// more than this many do not fit the headers that Envoy takes.
pub(crate) const MAX_GROUPS: usize = 1024;

/// The place of `jwt_authn`'s payloads: the path of Envoy's attribute, before the metadata key.
pub const METADATA: [&str; 3] = [
    "metadata",
    "filter_metadata",
    "envoy.filters.http.jwt_authn",
];

/// One issuer whose tokens are accepted, and the claims that are read.
#[derive(Debug)]
pub struct Issuer {
    /// The metadata key of the payload.
    pub metadata_key: String,
    /// The exact `iss` claim.
    pub issuer: String,
    /// Where groups are; those of all these claims count.
    pub groups_claims: Vec<GroupsClaim>,
    /// Whether the members of an object are groups by their names.
    pub groups_from_member_names: bool,
    /// Whether a token without an expiry is refused.
    pub require_expiration: bool,
    /// Path of the tenant claim.
    pub tenant_claim: Option<Vec<String>>,
    /// Path of the user claim.
    pub user_claim: Option<Vec<String>>,
    /// Groups that map to a tenant, in order.
    pub tenant_from_group: Vec<(GroupId, Rc<Tenant>)>,
    /// The tenant of tokens without one.
    pub default_tenant: Option<Rc<Tenant>>,
    /// The prefix of every group.
    pub group_prefix: String,
}

/// One claim that holds groups.
#[derive(Debug)]
pub struct GroupsClaim {
    /// Its path.
    pub path: Vec<String>,
    /// What stands between the groups where it is a string. `None`: the string is one group.
    pub separator: Option<String>,
}

/// The issuer of the verified payload, if there is one. `claims` reads below [`METADATA`].
///
/// # Errors
/// [`Code::UnlistedIssuer`] for a verified token that no entry accepts, [`Code::AmbiguousCredential`] if two providers
/// each verified a token.
pub fn verified<'p>(
    issuers: &'p [Issuer],
    claims: &dyn Fn(&[&str]) -> Attribute,
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
            Attribute::Absent => continue,
            Attribute::Null => return Err(Code::UnlistedIssuer),
            Attribute::Unreadable => return Err(Code::Internal),
            Attribute::Value(bytes) => bytes,
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

/// The identity in the payload.
///
/// # Errors
/// [`Code::MissingExpiration`]; [`Code::TooManyGroups`]; [`Code::UnknownTenant`] if the token does not lead to a
/// configured tenant, [`Code::AmbiguousTenant`] if it names several.
pub(super) fn identity(
    issuer: &Issuer,
    proof: Proof,
    identities: &Identities,
    claims: &dyn Fn(&[&str]) -> Attribute,
) -> Result<Identity, Denial> {
    issuer.check_expiration(claims)?;
    let named = issuer.groups(claims)?;
    let leaves_out_groups = named.left_out;
    let mut groups: Vec<GroupId> = named
        .names
        .iter()
        .filter_map(|name| identities.groups.find(name))
        .collect();
    groups.sort_unstable();
    let named = match &issuer.tenant_claim {
        Some(path) => issuer.texts(path, claims)?,
        None => Texts::default(),
    };
    let tenant = match named.texts.as_slice() {
        // A token with an empty tenant claim does not belong to the default tenant.
        _ if named.unusable => None,
        [] if named.present => None,
        [] => issuer
            .tenant_from_group
            .iter()
            .find_map(|(group, tenant)| groups.binary_search(group).is_ok().then_some(tenant))
            .or(issuer.default_tenant.as_ref()),
        [name] => identities.tenants.get(name.as_str()),
        _ => return Err(Code::AmbiguousTenant.into()),
    };
    let tenant = tenant.ok_or_else(|| {
        let denial = Denial::from(Code::UnknownTenant);
        if leaves_out_groups {
            denial.for_lack_of_groups()
        } else {
            denial
        }
    })?;
    let user = if identities.names_user {
        issuer.user(claims)?
    } else {
        None
    };
    Ok(Identity {
        tenant: Rc::clone(tenant),
        groups: groups.into(),
        leaves_out_groups,
        key: None,
        user: user.map(Into::into),
        attribute: None,
        models: None,
        objective: None,
        expires_at: None,
        proof,
    })
}

/// The groups of one token.
struct NamedGroups {
    names: Vec<String>,
    /// The token says that it leaves out some, because they are too many.
    left_out: bool,
}

/// The texts of one claim.
#[derive(Default)]
struct Texts {
    texts: Vec<String>,
    /// The claim is present, with any value.
    present: bool,
    /// The claim, or an element of it, is not a string.
    unusable: bool,
    /// The claim is a list.
    is_list: bool,
}

impl Texts {
    const fn is_string(&self) -> bool {
        !self.is_list && !self.unusable
    }

    fn add(&mut self, bytes: &[u8]) {
        match plain_text(bytes) {
            Some(text) => self.texts.push(text),
            None => self.unusable = true,
        }
    }
}

impl Issuer {
    /// The names of the token's groups with the prefix, including groups that are not configured.
    ///
    /// # Errors
    /// [`Code::TooManyGroups`].
    pub fn group_names(&self, claims: &dyn Fn(&[&str]) -> Attribute) -> Result<Vec<String>, Code> {
        self.groups(claims).map(|groups| groups.names)
    }

    fn groups(&self, claims: &dyn Fn(&[&str]) -> Attribute) -> Result<NamedGroups, Code> {
        let mut names = Vec::new();
        let mut left_out = false;
        for claim in &self.groups_claims {
            let mut found = self.texts(&claim.path, claims)?;
            if !found.present {
                left_out |= self.leaves_out(&claim.path, claims);
            }
            if found.unusable && !found.is_list && self.groups_from_member_names {
                found.texts = self.member_names(&claim.path, claims)?;
            }
            match (&claim.separator, found.texts.as_slice()) {
                (Some(separator), [text]) if found.is_string() => {
                    let words = text.split(separator.as_str()).map(str::trim);
                    names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
                }
                _ => names.append(&mut found.texts),
            }
            if names.len() > MAX_GROUPS {
                return Err(Code::TooManyGroups);
            }
        }
        if !self.group_prefix.is_empty() {
            for name in &mut names {
                name.insert_str(0, &self.group_prefix);
            }
        }
        Ok(NamedGroups { names, left_out })
    }

    /// Whether the token says that it leaves out a claim of groups, because they are too many: Entra then has the claim's
    /// name in `_claim_names` (OpenID Connect Core, section 5.6.2), or `hasgroups`.
    pub fn leaves_out_groups(&self, claims: &dyn Fn(&[&str]) -> Attribute) -> bool {
        self.groups(claims).is_ok_and(|groups| groups.left_out)
    }

    fn leaves_out(&self, path: &[String], claims: &dyn Fn(&[&str]) -> Attribute) -> bool {
        let key = self.metadata_key.as_str();
        let is_there = |path: &[&str]| claims(&[&[key], path].concat()) != Attribute::Absent;
        match path {
            [name] => {
                is_there(&["_claim_names", name]) || (name == "groups" && is_there(&["hasgroups"]))
            }
            _ => false,
        }
    }

    /// The token's user.
    ///
    /// # Errors
    /// [`Code::Internal`] if Envoy refuses the call.
    pub fn user(&self, claims: &dyn Fn(&[&str]) -> Attribute) -> Result<Option<String>, Code> {
        match &self.user_claim {
            Some(path) => self.text(path, claims),
            None => Ok(None),
        }
    }

    /// A claim that is one string, read in full: two users whose names begin alike are two users.
    fn text(
        &self,
        path: &[String],
        claims: &dyn Fn(&[&str]) -> Attribute,
    ) -> Result<Option<String>, Code> {
        match claims(&self.full_path(path)) {
            Attribute::Absent | Attribute::Null => Ok(None),
            Attribute::Unreadable => Err(Code::Internal),
            Attribute::Value(bytes) => Ok(plain_text(&bytes)),
        }
    }

    fn full_path<'a>(&'a self, path: &'a [String]) -> Vec<&'a str> {
        std::iter::once(self.metadata_key.as_str())
            .chain(path.iter().map(String::as_str))
            .collect()
    }

    /// `jwt_authn` accepts a token without `exp`, or with `exp` 0, forever.
    fn check_expiration(&self, claims: &dyn Fn(&[&str]) -> Attribute) -> Result<(), Code> {
        if !self.require_expiration {
            return Ok(());
        }
        match claims(&[&self.metadata_key, "exp"]) {
            Attribute::Unreadable => Err(Code::Internal),
            Attribute::Value(bytes) if number(&bytes).is_some_and(|moment| moment > 0.0) => Ok(()),
            Attribute::Value(_) | Attribute::Absent | Attribute::Null => {
                Err(Code::MissingExpiration)
            }
        }
    }

    /// The texts of a claim: the elements of a list, or the one string that it is.
    fn texts(&self, path: &[String], claims: &dyn Fn(&[&str]) -> Attribute) -> Result<Texts, Code> {
        let path = self.full_path(path);
        let mut found = Texts {
            present: true,
            ..Texts::default()
        };
        let whole = match claims(&path) {
            Attribute::Absent => return Ok(Texts::default()),
            Attribute::Unreadable => return Err(Code::Internal),
            Attribute::Null => return element_by_element(&path, claims),
            Attribute::Value(bytes) => bytes,
        };
        let element = |index: &str| claims(&[path.as_slice(), &[index]].concat());
        let first = match element("0") {
            Attribute::Unreadable => return Err(Code::Internal),
            // Neither a list nor an object, or one without an element 0.
            Attribute::Absent => {
                found.add(&whole);
                return Ok(found);
            }
            Attribute::Null => None,
            Attribute::Value(bytes) => Some(bytes),
        };
        // The member `0` of an object is none of its names, unless both are empty.
        let elements = elements(&whole);
        let elements = elements.filter(|elements| {
            elements.first().copied() == first.as_deref()
                && (first.as_ref().is_some_and(|first| !first.is_empty())
                    || element("00") != Attribute::Absent)
        });
        match elements {
            Some(elements) if elements.len() > MAX_GROUPS => return Err(Code::TooManyGroups),
            Some(elements) => {
                found.is_list = true;
                elements.into_iter().for_each(|element| found.add(element));
            }
            None => found.unusable = true,
        }
        Ok(found)
    }

    /// The names of an object's members; none where the claim is no object, or has a null in it. A string that a user
    /// controls may look like an object in Envoy's form, but has no members to be asked for.
    fn member_names(
        &self,
        path: &[String],
        claims: &dyn Fn(&[&str]) -> Attribute,
    ) -> Result<Vec<String>, Code> {
        let path = self.full_path(path);
        let whole = match claims(&path) {
            Attribute::Value(bytes) => bytes,
            Attribute::Unreadable => return Err(Code::Internal),
            Attribute::Absent | Attribute::Null => return Ok(Vec::new()),
        };
        let Some(members) = pairs(&whole) else {
            return Ok(Vec::new());
        };
        if members.len() > MAX_GROUPS {
            return Err(Code::TooManyGroups);
        }
        let mut names = Vec::with_capacity(members.len());
        for (name, value) in members {
            let Some(name) = plain_text(name) else {
                continue;
            };
            match claims(&[path.as_slice(), &[&name]].concat()) {
                // What is in an object may come in another order each time.
                Attribute::Value(bytes) if bytes.len() == value.len() => names.push(name),
                Attribute::Unreadable => return Err(Code::Internal),
                _ => return Ok(Vec::new()),
            }
        }
        Ok(names)
    }
}

/// The strings of a claim that is null or contains a null. Envoy provides neither the whole claim nor that element.
fn element_by_element(path: &[&str], claims: &dyn Fn(&[&str]) -> Attribute) -> Result<Texts, Code> {
    let mut found = Texts {
        present: true,
        unusable: true,
        ..Texts::default()
    };
    let element = |index: &str| claims(&[path, &[index]].concat());
    // A list has its first element under every spelling of 0. An object has its members only under their names.
    if element("0") != element("00") {
        return Ok(found);
    }
    for index in 0..=MAX_GROUPS {
        match element(&index.to_string()) {
            Attribute::Absent => break,
            Attribute::Unreadable => return Err(Code::Internal),
            _ if index == MAX_GROUPS => return Err(Code::TooManyGroups),
            Attribute::Null => {}
            Attribute::Value(bytes) => {
                found.is_list = true;
                found.add(&bytes);
            }
        }
    }
    Ok(found)
}

/// The elements of a list in Envoy's form: names without values. `None` for the members of an object, save for those that
/// are all empty.
fn elements(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let pairs = pairs(bytes)?.into_iter();
    pairs
        .map(|(element, value)| value.is_empty().then_some(element))
        .collect()
}

/// Names and values in Envoy's form: a count, the lengths of each name and value, and both of each with a NUL behind it.
fn pairs(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let word = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
    let (count, rest) = bytes.split_first_chunk()?;
    let (lengths, mut texts) = rest.split_at_checked(word(count)?.checked_mul(8)?)?;
    let mut pairs = Vec::new();
    for lengths in lengths.chunks_exact(8) {
        let (name, value) = lengths.split_first_chunk()?;
        let mut next = |length: &[u8; 4]| {
            let (text, rest) = texts.split_at_checked(word(length)?)?;
            texts = rest.strip_prefix(&[0])?;
            Some(text)
        };
        pairs.push((next(name)?, next(value.first_chunk()?)?));
    }
    texts.is_empty().then_some(pairs)
}

fn number(bytes: &[u8]) -> Option<f64> {
    Some(f64::from_le_bytes(bytes.try_into().ok()?))
}

/// A claim's bytes as text. Numbers, booleans, lists and objects are serialised with control bytes, which names do not
/// contain.
fn plain_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

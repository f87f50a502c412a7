//! Identity that an authenticating gateway in front has established and says in headers, as Models-as-a-Service and OGX
//! do.
//!
//! A header proves nothing by itself: every client can send it. What the gateway in front says counts only beside a
//! proof that it comes from there, and then it is the only identity: other credentials are not looked at. Without the
//! proof these headers are stripped and count for nothing.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::jwt::MAX_GROUPS;
use super::{Fairness, Identities, Identity, Proof};
use crate::attribute::Attribute;
use crate::denial::{Code, Denial};
use crate::entries::Entries;
use crate::headers::{HeaderMap, Occurrence, trimmed};
use crate::tenant::{Digest, Tenant};

/// Longest secret that is hashed, in bytes.
pub(crate) const MAX_SECRET_LENGTH: usize = 512;

/// The headers of the gateway in front, all names in lower case.
#[derive(Debug)]
pub struct TrustedHeaders {
    /// What shows that they come from there.
    pub proof: GatewayProof,
    /// Who the caller is. Required.
    pub principal: Box<str>,
    /// A JSON object from the name of an attribute to its values.
    pub attributes: Option<Box<str>>,
    /// Headers of one attribute each, with its name. Their values follow those of `attributes`.
    pub attribute_headers: Vec<(Box<str>, Box<str>)>,
    /// The attribute whose values are the groups. `None`: no groups.
    pub groups: Option<Box<str>>,
    /// The attribute whose value is the tenant.
    pub tenant: Option<Box<str>>,
    /// The tenant of callers for whom no tenant is said.
    pub default_tenant: Option<Rc<Tenant>>,
}

/// What shows that a request comes from the gateway in front.
#[derive(Debug)]
pub enum GatewayProof {
    /// A shared secret in this header, known by its SHA-256. The header is always stripped.
    Secret {
        /// The header's name in lower case.
        header: Box<str>,
        /// SHA-256 of the secret.
        digest: Digest,
    },
    /// A client certificate that names one of these, which Envoy has verified (the operator's word: Envoy tells the
    /// names of unverified certificates too). Envoy tells the first URI and the first DNS name of a certificate only.
    Certificate {
        /// Subject alternative names; those with `://` in them are URIs.
        names: Vec<Box<str>>,
    },
}

/// What the headers say, attribute by attribute. A name may stand there several times: its values are then put together.
struct Attributes<'a>(Vec<(Cow<'a, str>, Vec<String>)>);

impl TrustedHeaders {
    /// Every header of the gateway in front but its proof.
    pub(crate) fn identity_headers(&self) -> impl Iterator<Item = &str> {
        let attribute_headers = self.attribute_headers.iter().map(|(header, _)| &**header);
        std::iter::once(&*self.principal)
            .chain(self.attributes.as_deref())
            .chain(attribute_headers)
    }

    /// The header of the proof, if it is one.
    #[must_use]
    pub fn proof_header(&self) -> Option<&str> {
        match &self.proof {
            GatewayProof::Secret { header, .. } => Some(header),
            GatewayProof::Certificate { .. } => None,
        }
    }

    /// Whether the request comes from the gateway in front.
    ///
    /// # Errors
    /// A secret that is sent and wrong is a failed credential, which never falls through to another one; two secrets are
    /// ambiguous. A certificate of somebody else proves nothing, and is no fault.
    pub(super) fn proven(
        &self,
        headers: &HeaderMap,
        attributes: &dyn Fn(&[&str]) -> Attribute,
    ) -> Result<bool, Denial> {
        match &self.proof {
            GatewayProof::Secret { header, digest } => match headers.unique(header) {
                Occurrence::Absent => Ok(false),
                Occurrence::Repeated => Err(Denial::of_header(Code::AmbiguousCredential, header)),
                Occurrence::Single(secret) => {
                    if secret.len() <= MAX_SECRET_LENGTH
                        && same(&Sha256::digest(secret).into(), digest)
                    {
                        Ok(true)
                    } else {
                        Err(Denial::of_header(Code::InvalidCredential, header))
                    }
                }
            },
            GatewayProof::Certificate { names } => {
                for (kind, is_uri) in [
                    ("uri_san_peer_certificate", true),
                    ("dns_san_peer_certificate", false),
                ] {
                    let mut names = names.iter().filter(|name| name.contains("://") == is_uri);
                    let Some(first) = names.next() else {
                        continue;
                    };
                    match attributes(&["connection", kind]) {
                        Attribute::Value(found) => {
                            let is_it = |name: &str| name.as_bytes() == found;
                            if is_it(first) || names.any(|name| is_it(name)) {
                                return Ok(true);
                            }
                        }
                        Attribute::Absent | Attribute::Null => {}
                        Attribute::Unreadable => return Err(Code::Internal.into()),
                    }
                }
                Ok(false)
            }
        }
    }

    /// The identity that the headers state. Only to be asked where [`Self::proven`].
    ///
    /// # Errors
    /// [`Code::MissingPrincipal`]; [`Code::AmbiguousCredential`] for a header that is repeated, since which copy the
    /// gateway in front has written cannot be known; [`Code::MalformedIdentity`] for what cannot be read;
    /// [`Code::TooManyGroups`], [`Code::UnknownTenant`] and [`Code::AmbiguousTenant`] as for tokens.
    pub(super) fn identity(
        &self,
        headers: &HeaderMap,
        identities: &Identities,
    ) -> Result<Identity, Denial> {
        let principal = single(headers, &self.principal)?
            .ok_or_else(|| Denial::of_header(Code::MissingPrincipal, &self.principal))?;
        let attributes = self.read(headers)?;
        let values_of = |name: &Option<Box<str>>| -> Vec<&str> {
            name.as_deref()
                .map_or_else(Vec::new, |name| attributes.values(name).collect())
        };
        let names = values_of(&self.groups);
        if names.len() > MAX_GROUPS {
            return Err(Code::TooManyGroups.into());
        }
        let mut groups: Vec<_> = names
            .iter()
            .filter_map(|name| identities.groups.find(name))
            .collect();
        groups.sort_unstable();
        let tenant = match values_of(&self.tenant).as_slice() {
            // Whoever is said to have no tenant does not belong to the default one.
            [] if self
                .tenant
                .as_deref()
                .is_some_and(|name| attributes.names(name)) =>
            {
                None
            }
            [] => self.default_tenant.as_ref(),
            // The attribute may come in both headers; one tenant said twice is one.
            [name, others @ ..] if others.iter().all(|other| other == name) => {
                identities.tenants.get(*name)
            }
            _ => return Err(Code::AmbiguousTenant.into()),
        };
        let attribute = match &identities.fairness {
            Fairness::Attribute(name) => attributes.values(name).next().map(Into::into),
            _ => None,
        };
        Ok(Identity {
            tenant: Rc::clone(tenant.ok_or(Code::UnknownTenant)?),
            groups: groups.into(),
            leaves_out_groups: false,
            key: None,
            user: Some(principal.into()),
            attribute,
            models: None,
            objective: None,
            expires_at: None,
            proof: Proof::TrustedHeaders,
        })
    }

    fn read<'a>(&'a self, headers: &'a HeaderMap) -> Result<Attributes<'a>, Denial> {
        let mut attributes: Vec<(Cow<'_, str>, Vec<String>)> = Vec::new();
        if let Some(header) = &self.attributes
            && let Some(text) = single(headers, header)?
        {
            let malformed = || Denial::of_header(Code::MalformedIdentity, header);
            let Entries(entries) = serde_json::from_str(text).map_err(|_| malformed())?;
            for (name, value) in entries {
                // Two readers of such an object may take two different values.
                if attributes.iter().any(|(other, _)| *other == name) {
                    return Err(malformed());
                }
                attributes.push((name.into(), texts(value.get())));
            }
        }
        for (header, name) in &self.attribute_headers {
            if let Some(text) = single(headers, header)? {
                attributes.push((Cow::Borrowed(name), texts(text)));
            }
        }
        Ok(Attributes(attributes))
    }
}

impl Attributes<'_> {
    fn names(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| *other == name)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(other, _)| *other == name);
        named.flat_map(|(_, values)| values.iter().map(String::as_str))
    }
}

/// The text of a header that must not be repeated. An empty one is none.
fn single<'a>(headers: &'a HeaderMap, header: &str) -> Result<Option<&'a str>, Denial> {
    match headers.unique(header) {
        Occurrence::Absent => Ok(None),
        Occurrence::Repeated => Err(Denial::of_header(Code::AmbiguousCredential, header)),
        Occurrence::Single(value) => {
            let text = std::str::from_utf8(trimmed(value))
                .map_err(|_| Denial::of_header(Code::MalformedIdentity, header))?;
            Ok((!text.is_empty()).then_some(text))
        }
    }
}

/// The values in one text: the elements of a JSON list, a JSON string, or else the text as it is, so that `a,b` is one
/// value and so is `123`.
fn texts(text: &str) -> Vec<String> {
    let one = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
    if text.starts_with('[')
        && let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text)
    {
        return items.into_iter().map(|item| one(item.get())).collect();
    }
    vec![one(text)]
}

/// Compares in a time that does not tell how much of it agrees.
fn same(found: &Digest, expected: &Digest) -> bool {
    let differences = found.iter().zip(expected).map(|(a, b)| a ^ b);
    differences.fold(0, |all, one| all | one) == 0
}

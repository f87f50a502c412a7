//! Identity in headers from an authenticating gateway in front, such as Models-as-a-Service or OGX.
//!
//! A header alone proves nothing, because every client can send it. The headers are only used together with a proof
//! that they come from the gateway in front. Then they are the only identity, and other credentials are ignored.
//! Without the proof they are stripped and ignored.

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
    /// The proof that they come from the gateway in front.
    pub proof: GatewayProof,
    /// The header that identifies the caller. Required.
    pub principal: Box<str>,
    /// The header with a JSON object that maps each attribute to its values.
    pub attributes: Option<Box<str>>,
    /// Headers that carry one attribute each, with its name. Their values follow those of `attributes`.
    pub attribute_headers: Vec<(Box<str>, Box<str>)>,
    /// The attribute whose values are the groups. `None`: no groups.
    pub groups: Option<Box<str>>,
    /// The attribute whose value is the tenant.
    pub tenant: Option<Box<str>>,
    /// The tenant of callers without a tenant attribute.
    pub default_tenant: Option<Rc<Tenant>>,
}

/// The proof that a request comes from the gateway in front.
#[derive(Debug)]
pub enum GatewayProof {
    /// A shared secret in this header, compared by its SHA-256. The header is always stripped.
    Secret {
        /// The header's name in lower case.
        header: Box<str>,
        /// SHA-256 of the secret.
        digest: Digest,
    },
    /// A client certificate with one of these names. The operator confirms that Envoy verifies client certificates,
    /// because Envoy reports the names of unverified certificates too. Envoy only reports the first URI and the first
    /// DNS name of a certificate.
    Certificate {
        /// Subject alternative names; names with `://` are URIs.
        names: Vec<Box<str>>,
    },
}

/// The values of the headers by attribute. A name may occur several times; its values are then combined.
struct Attributes<'a>(Vec<(Cow<'a, str>, Vec<String>)>);

impl TrustedHeaders {
    /// Every header of the gateway in front except its proof.
    pub(crate) fn identity_headers(&self) -> impl Iterator<Item = &str> {
        let attribute_headers = self.attribute_headers.iter().map(|(header, _)| &**header);
        std::iter::once(&*self.principal)
            .chain(self.attributes.as_deref())
            .chain(attribute_headers)
    }

    /// The header of the proof, if the proof is a header.
    #[must_use]
    pub fn proof_header(&self) -> Option<&str> {
        match &self.proof {
            GatewayProof::Secret { header, .. } => Some(header),
            GatewayProof::Certificate { .. } => None,
        }
    }

    /// Returns true if the request comes from the gateway in front.
    ///
    /// # Errors
    /// A wrong secret is a failed credential, and no other credential is tried. Two secrets are ambiguous. A
    /// certificate with another name proves nothing, and is not an error.
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

    /// The identity in the headers. Call it only if [`Self::proven`] returned true.
    ///
    /// # Errors
    /// [`Code::MissingPrincipal`]; [`Code::AmbiguousCredential`] for a repeated header, because it is not known which
    /// copy the gateway in front has set; [`Code::MalformedIdentity`] for a header that cannot be read;
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
            // A caller with an empty tenant attribute does not belong to the default tenant.
            [] if self
                .tenant
                .as_deref()
                .is_some_and(|name| attributes.names(name)) =>
            {
                None
            }
            [] => self.default_tenant.as_ref(),
            // The attribute may be in both headers. The same tenant twice is one tenant.
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
                // Two readers of such an object may use different values.
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

/// The text of a header that must not be repeated. An empty header counts as absent.
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

/// The values in one text: the elements of a JSON list, a JSON string, or else the text itself, so that `a,b` and `123`
/// are each one value.
fn texts(text: &str) -> Vec<String> {
    let one = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
    if text.starts_with('[')
        && let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text)
    {
        return items.into_iter().map(|item| one(item.get())).collect();
    }
    vec![one(text)]
}

/// Compares in a time that does not depend on the number of equal bytes.
fn same(found: &Digest, expected: &Digest) -> bool {
    let differences = found.iter().zip(expected).map(|(a, b)| a ^ b);
    differences.fold(0, |all, one| all | one) == 0
}

//! Headers and verified claims ▶ the caller, or a refusal.
//!
//! One identity per request. Keys and tokens are equal: both become an [`Identity`] under the same rules. If a
//! credential fails, no other one is tried, and the caller is never anonymous.

mod api_key;
pub(crate) mod credentials;
pub(crate) mod jwt;
#[cfg(any(test, feature = "command"))]
pub mod payload;
pub(crate) mod trusted_headers;
mod unverified;

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::attribute::Attribute;
use crate::denial::{Code, Denial};
use crate::headers::HeaderMap;
use crate::model_name::ModelLimit;
use crate::tenant::{GroupSet, Groups, Tenant};

pub use api_key::{KeyHash, Keys};
pub use credentials::can_be_key;
pub use credentials::{Several, Source};
pub use jwt::{GroupsClaim, Issuer, METADATA, verified};
pub use trusted_headers::{GatewayProof, TrustedHeaders};

/// The known callers, and their proofs.
#[derive(Debug)]
pub struct Identities {
    /// All accepted keys.
    pub keys: Keys,
    /// All groups that the configuration names. Other groups have no effect.
    pub groups: Groups,
    /// All tenants, by name.
    pub tenants: FxHashMap<Rc<str>, Rc<Tenant>>,
    /// The headers that may carry a credential.
    pub sources: Vec<Source>,
    /// What counts where they carry different credentials.
    pub several: Several,
    /// What counts as no credential, because SDKs insist on one.
    pub dummy_keys: Vec<Box<str>>,
    /// Issuers whose verified payloads are accepted.
    pub issuers: Vec<Issuer>,
    /// Identity set by a gateway in front.
    pub trusted_headers: Option<TrustedHeaders>,
    /// The source of the fairness id.
    pub fairness: Fairness,
    /// Whether anything is done with the user of a token.
    pub names_user: bool,
}

/// The source of the fairness id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fairness {
    /// The tenant's name, so that the scheduler's metrics can be joined with the filter's.
    Tenant,
    /// The key's id. Tokens have none, so for them it is the tenant's name.
    Key,
    /// The token's user claim, or the principal of the gateway in front. Keys have none, so for them it is the tenant's
    /// name.
    User,
    /// The first value of this attribute from the gateway in front. Where there is none, the tenant's name.
    Attribute(Box<str>),
}

/// The caller of a request.
#[derive(Debug)]
pub enum Caller {
    /// Not identified. Such a caller may only use public paths and models with anonymous access.
    Anonymous,
    /// Identified by a configured key, a verified token, or a gateway in front with a valid proof.
    Known(Identity),
}

/// A proven identity. Only [`identify`] makes one.
#[derive(Debug)]
pub struct Identity {
    pub(crate) tenant: Rc<Tenant>,
    pub(crate) groups: GroupSet,
    /// The token says that it leaves out groups, because they are too many.
    pub(crate) leaves_out_groups: bool,
    pub(crate) key: Option<Rc<str>>,
    pub(crate) user: Option<Box<str>>,
    /// The first value of the attribute for the fairness id.
    pub(crate) attribute: Option<Box<str>>,
    pub(crate) models: Option<ModelLimit>,
    pub(crate) objective: Option<Rc<str>>,
    /// When its key expires, in seconds since the epoch.
    pub(crate) expires_at: Option<i64>,
    pub(crate) proof: Proof,
}

/// The proof of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The key or token in the credential source of this name.
    Credential(Rc<str>),
    /// A token that Envoy verified elsewhere.
    Token,
    /// The gateway in front.
    TrustedHeaders,
}

impl Caller {
    /// The identity, unless the caller is anonymous.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Anonymous => None,
            Self::Known(identity) => Some(identity),
        }
    }
}

impl Identity {
    /// The tenant.
    #[must_use]
    pub const fn tenant(&self) -> &Rc<Tenant> {
        &self.tenant
    }

    /// The public id of the API key; `None` for a token.
    #[must_use]
    pub const fn key(&self) -> Option<&Rc<str>> {
        self.key.as_ref()
    }

    /// The configured groups of the identity.
    #[must_use]
    pub const fn groups(&self) -> &GroupSet {
        &self.groups
    }

    /// The user, if it is the fairness id, or the principal of the gateway in front.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The models to which the key is limited.
    #[must_use]
    pub const fn models(&self) -> Option<&ModelLimit> {
        self.models.as_ref()
    }

    /// Returns true if the gateway in front provided the identity.
    #[must_use]
    pub fn is_of_gateway(&self) -> bool {
        self.proof == Proof::TrustedHeaders
    }
}

/// Identifies the caller. `now` is in seconds since the epoch. `attributes` reads Envoy's attributes of the request by
/// path: the verified payload that `jwt_authn` stored in dynamic metadata, which clients cannot write, and the client's
/// certificate.
///
/// # Errors
/// A credential that is unknown, expired or malformed; two different credentials; a verified token, or an identity from
/// a gateway in front, that the configuration does not accept. A missing credential is not an error here, because the
/// model's rule decides whether one is required.
pub fn identify(
    headers: &HeaderMap,
    identities: &Identities,
    now: i64,
    attributes: &dyn Fn(&[&str]) -> Attribute,
) -> Result<Caller, Denial> {
    if let Some(trusted) = &identities.trusted_headers
        && trusted.proven(headers, attributes)?
    {
        return trusted.identity(headers, identities).map(Caller::Known);
    }
    by_credential(headers, identities, now, attributes)
}

fn by_credential(
    headers: &HeaderMap,
    identities: &Identities,
    now: i64,
    attributes: &dyn Fn(&[&str]) -> Attribute,
) -> Result<Caller, Denial> {
    let claims = |path: &[&str]| attributes(&[&METADATA, path].concat());
    let credential = credentials::find(headers, identities)?;
    let token = verified(&identities.issuers, &claims)?;
    match (credential, token) {
        (None, None) => Ok(Caller::Anonymous),
        (None, Some(issuer)) => Ok(Caller::Known(jwt::identity(
            issuer,
            Proof::Token,
            identities,
            &claims,
        )?)),
        (Some(credential), None) => {
            api_key::identity(credential, identities, now).map(Caller::Known)
        }
        // The token itself is usually the bearer credential. Any other credential is a second one.
        (Some(credential), Some(issuer)) if credential.looks_like_token() => {
            let proof = Proof::Credential(Rc::clone(credential.header()));
            Ok(Caller::Known(jwt::identity(
                issuer, proof, identities, &claims,
            )?))
        }
        // The token is in no source, or in a later one.
        (Some(credential), Some(_)) if identities.several == Several::First => {
            api_key::identity(credential, identities, now).map(Caller::Known)
        }
        (Some(_), Some(_)) => Err(Code::AmbiguousCredential.into()),
    }
}

#[cfg(test)]
mod tests;

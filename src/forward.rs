//! [`Permit`] ▶ [`Pending`] ▶ [`Forwarded`]: what is stripped from the request and what is set, on every path alike.
//!
//! A client's word about itself never reaches the scheduler: every header that the gateway, the scheduler or this
//! filter owns is removed, whoever sent it and however it is spelled, and then set from the verified identity. Headers
//! are set, never added, because an added value would leave a spoofed one in front of it.

use std::rc::Rc;

use crate::access::Permit;
use crate::form::Boundary;
use crate::headers::{HeaderMap, OWN_PREFIX, Occurrence, same_name};
use crate::identity::{Fairness, Identity, Proof, TrustedHeaders};
use crate::operation::{ModelIn, Operation};
use crate::policy::{Forwarding, Policy, SecretHeader};
use crate::query;
use crate::rewrite::ask::{self, Ask};
use crate::rewrite::models;

/// The scheduler's name for the fairness id, and the one that it had before.
pub const FAIRNESS: [&str; 2] = [
    "x-llm-d-inference-fairness-id",
    "x-gateway-inference-fairness-id",
];
pub(crate) const OBJECTIVE: [&str; 2] = [
    "x-llm-d-inference-objective",
    "x-gateway-inference-objective",
];
pub(crate) const TENANT: &str = "x-tollgate-tenant";

const REQUEST_ID: &str = "x-request-id";
const CONTENT_LENGTH: &str = "content-length";
const CONTENT_TYPE: &str = "content-type";

/// The type of every JSON body that was judged. It has no parameters (RFC 8259, section 11).
const JSON: &str = "application/json";

/// Headers that say what a body is and how it is framed. Written with a `_` they are nothing to Envoy and may be one of
/// these to a server, which would then read another body than the one that was judged.
pub(crate) const DESCRIBING: [&str; 8] = [
    "accept-encoding",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "transfer-encoding",
    "upgrade",
];

/// The header that the upstream's own credential goes into.
pub const AUTHORIZATION: &str = "authorization";

/// What has to be written to the request's headers before it may go on.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Headers to remove, all copies, each name once.
    pub remove: Vec<Vec<u8>>,
    /// Headers to set, replacing all copies.
    pub set: Vec<(&'static str, Rc<str>)>,
    /// The same, with names from the configuration.
    pub named: Vec<(Rc<str>, Rc<str>)>,
    /// The same, with values that must not be shown: the upstream's own credential, and the proof that the request was
    /// admitted.
    pub secrets: Vec<Rc<SecretHeader>>,
    /// The path without the credentials that its query carried.
    pub path: Option<String>,
}

/// A permit whose changes are still to be written. Only [`forward`] makes one.
#[derive(Debug)]
pub struct Pending {
    permit: Permit,
    changes: Changes,
}

/// The proof that strip-and-set has been done, without which no request goes on. Only [`Pending::write`] makes one.
#[derive(Debug)]
pub struct Forwarded(Permit);

impl Pending {
    /// Hands the changes to `write`; the request may go on once they are written.
    ///
    /// # Errors
    /// That of `write`: a header that could not be stripped is a leak.
    pub fn write<E>(self, write: impl FnOnce(&Changes) -> Result<(), E>) -> Result<Forwarded, E> {
        write(&self.changes)?;
        Ok(Forwarded(self.permit))
    }
}

impl Forwarded {
    /// The permit that led here.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.0
    }

    /// The permit, to judge the body by.
    pub const fn permit_mut(&mut self) -> &mut Permit {
        &mut self.0
    }
}

/// Works out the header changes of an admitted request. `has_body` says whether bytes may follow the headers. What is not
/// there is not removed, because each change is a host call.
#[must_use]
pub fn forward(permit: Permit, headers: &HeaderMap, has_body: bool, policy: &Policy) -> Pending {
    let mut set = identity_headers(&permit, policy);
    if let Some(content_type) = content_type(&permit, headers) {
        set.push((CONTENT_TYPE, content_type));
    }
    if let Some(length) = permit.ask().and_then(Ask::announced) {
        set.push((CONTENT_LENGTH, length.to_string().into()));
    }
    // Else an HTTP/1 upstream would be sent the end of a chunked body, which a server that expects none does not read.
    if has_body && permit.is_empty() && headers.first(CONTENT_LENGTH).is_none() {
        set.push((CONTENT_LENGTH, "0".into()));
    }
    let own_key = match &policy.forwarding {
        // A preflight goes on whatever its path, so it must not speak with the gateway's voice.
        Forwarding::Replace(header) if permit.operation != Operation::Preflight => Some(header),
        _ => None,
    };
    let secrets: Vec<Rc<SecretHeader>> = own_key
        .into_iter()
        .chain(&policy.admitted)
        .cloned()
        .collect();
    let named = named_headers(&permit, policy);
    let mut remove = removals(headers, policy);
    remove.retain(|name| {
        let replaced = set.iter().any(|(owned, _)| owned.as_bytes() == name)
            || named.iter().any(|(owned, _)| owned.as_bytes() == name)
            || secrets.iter().any(|header| header.name.as_bytes() == name);
        let routes = permit.has_judged(name) && !policy.owned.is_configured(name);
        !replaced && !routes && !is_kept(name, &permit, policy)
    });
    let encodings: &[&str] =
        if permit.operation.names_model() && policy.metering.strip_accept_encoding {
            &["accept-encoding"]
        } else {
            &[]
        };
    let conditions: &[&str] = if permit.filters_models(&policy.access) {
        &models::CONDITIONS
    } else {
        &[]
    };
    let digests: &[&str] = if permit.ask().is_some() {
        &ask::DIGESTS
    } else {
        &[]
    };
    let unwanted = encodings.iter().chain(conditions).chain(digests);
    let present = unwanted.filter(|name| headers.first(name).is_some());
    remove.extend(present.map(|name| name.as_bytes().to_vec()));
    let path = headers
        .first(":path")
        .and_then(|path| std::str::from_utf8(path).ok())
        .and_then(query::without_secrets);
    Pending {
        permit,
        changes: Changes {
            remove,
            set,
            named,
            secrets,
            path,
        },
    }
}

/// The headers to remove from any request of a client: credentials, owned names and what only a gateway in front may
/// say.
fn removals(headers: &HeaderMap, policy: &Policy) -> Vec<Vec<u8>> {
    let steers = |name: &[u8], value: &[u8]| name == REQUEST_ID.as_bytes() && names_a_peer(value);
    each_once(headers, |name, value| {
        is_credential(name, policy)
            || is_owned(name, policy)
            || is_trusted(name, policy)
            || steers(name, value)
    })
}

/// The trailers to remove from any request of a client: what would be removed from its headers, and what only headers may
/// say, since some servers take one for the other (RFC 9110, section 6.5.1).
#[must_use]
pub fn trailer_removals(trailers: &HeaderMap, policy: &Policy) -> Vec<Vec<u8>> {
    each_once(trailers, |name, _| {
        is_credential(name, policy)
            || is_owned(name, policy)
            || is_trusted(name, policy)
            || same_name(name, &policy.access.model_header.name)
            || same_name(name, REQUEST_ID)
            || same_name(name, AUTHORIZATION)
            || reserved().any(|header| same_name(name, header))
    })
}

/// The names of the headers that pass, each once.
fn each_once(headers: &HeaderMap, pass: impl Fn(&[u8], &[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for (name, value) in headers.iter() {
        if pass(name, value) && !names.iter().any(|other| other == name) {
            names.push(name.to_vec());
        }
    }
    names
}

/// Whether the id of a request says where its cache is, as connectors of vLLM read it
/// (`kv_transfer/kv_connector/v1/moriio/moriio_common.py`).
fn names_a_peer(id: &[u8]) -> bool {
    const MARK: &[u8] = b"_addr_";
    id.windows(MARK.len()).any(|part| part == MARK)
}

/// The `content-type` to set, where the client wrote another one: the server must read the body as what it was judged as.
fn content_type(permit: &Permit, headers: &HeaderMap) -> Option<Rc<str>> {
    match permit.operation.model_in()? {
        ModelIn::Json => {
            let plain = headers.unique(CONTENT_TYPE) == Occurrence::Single(JSON.as_bytes());
            (!plain).then(|| JSON.into())
        }
        // Servers disagree about quotes around a boundary, so the server sees it without.
        ModelIn::Form => {
            let content_type = Boundary::of(headers)?.content_type();
            let plain = headers.first(CONTENT_TYPE) == Some(content_type.as_bytes());
            (!plain).then(|| content_type.into())
        }
    }
}

/// The identity that the headers are set from; `None` where nobody is asked for one.
fn identity_of(permit: &Permit) -> Option<&Identity> {
    let asks = permit.operation.needs_identity();
    permit.identity().filter(|_| asks)
}

fn identity_headers(permit: &Permit, policy: &Policy) -> Vec<(&'static str, Rc<str>)> {
    let mut set = Vec::new();
    let Some(identity) = identity_of(permit) else {
        return set;
    };
    let tenant = identity.tenant();
    let safe = |value: &Option<Box<str>>| {
        let value = value.as_deref().filter(|value| is_safe_value(value));
        value.map(Rc::from)
    };
    let fairness = match &policy.identities.fairness {
        Fairness::Tenant => None,
        Fairness::Key => identity.key().map(Rc::clone),
        Fairness::User => safe(&identity.user),
        Fairness::Attribute(_) => safe(&identity.attribute),
    };
    // Without an id the scheduler would put the callers of all tenants into one queue.
    let fairness = fairness.unwrap_or_else(|| Rc::clone(&tenant.name));
    set.extend(FAIRNESS.map(|name| (name, Rc::clone(&fairness))));
    let objective = identity.objective.as_ref().or(tenant.objective.as_ref());
    if let Some(objective) = objective {
        set.extend(OBJECTIVE.map(|name| (name, Rc::clone(objective))));
    }
    set.push((TENANT, Rc::clone(&tenant.name)));
    set
}

/// The tenant's name, in the headers of the configuration.
fn named_headers(permit: &Permit, policy: &Policy) -> Vec<(Rc<str>, Rc<str>)> {
    let Some(tenant) = identity_of(permit).map(Identity::tenant) else {
        return Vec::new();
    };
    let names = policy.tenant_headers.iter();
    names
        .map(|name| (Rc::clone(name), Rc::clone(&tenant.name)))
        .collect()
}

/// Whether this is the header that proved who the caller is, where that one is to be kept, or what the gateway in front
/// has proved to say. Where nobody was asked, none is: what has not been looked at is not vouched for.
fn is_kept(name: &[u8], permit: &Permit, policy: &Policy) -> bool {
    let proof = permit.identity().map(|identity| &identity.proof);
    match proof {
        Some(Proof::Credential(header)) => {
            policy.forwarding == Forwarding::Keep && name == header.as_bytes()
        }
        Some(Proof::TrustedHeaders) => {
            let mut headers = policy
                .identities
                .trusted_headers
                .iter()
                .flat_map(TrustedHeaders::identity_headers);
            headers.any(|header| name == header.as_bytes()) && !is_owned(name, policy)
        }
        Some(Proof::Token) | None => false,
    }
}

/// Whether what this header holds is secret: a credential, or the proof of a gateway in front.
#[must_use]
pub fn is_secret(name: &[u8], policy: &Policy) -> bool {
    let trusted = policy.identities.trusted_headers.as_ref();
    let proof = trusted.and_then(TrustedHeaders::proof_header);
    is_credential(name, policy) || proof.is_some_and(|header| same_name(name, header))
}

fn is_trusted(name: &[u8], policy: &Policy) -> bool {
    policy
        .identities
        .trusted_headers
        .as_ref()
        .is_some_and(|trusted| {
            let mut headers = trusted.identity_headers().chain(trusted.proof_header());
            headers.any(|header| same_name(name, header))
        })
}

fn is_credential(name: &[u8], policy: &Policy) -> bool {
    let is_source = |header: &str| same_name(name, header);
    let replaced = matches!(policy.forwarding, Forwarding::Replace(_)) && is_source(AUTHORIZATION);
    replaced
        || policy
            .identities
            .sources
            .iter()
            .any(|source| is_source(&source.header))
}

fn is_owned(name: &[u8], policy: &Policy) -> bool {
    let model_header = &*policy.access.model_header.name;
    if name == model_header.as_bytes() {
        return false;
    }
    let mut admitted = policy.admitted.iter();
    if admitted.any(|header| same_name(name, &header.name)) {
        return true;
    }
    if name.contains(&b'_') && DESCRIBING.iter().any(|plain| same_name(name, plain)) {
        return true;
    }
    policy.owned.has(name) || same_name(name, model_header)
}

/// Whether this header means something to every HTTP message, so that it cannot carry anything else.
pub(crate) fn is_reserved(name: &str) -> bool {
    reserved().any(|header| same_name(name.as_bytes(), header))
}

fn reserved() -> impl Iterator<Item = &'static &'static str> {
    DESCRIBING
        .iter()
        .chain(&["connection", "host", "te", "trailer"])
}

/// Whether this is a header that is set from the identity, so that nobody else may say it.
pub(crate) fn is_ours(name: &str) -> bool {
    let mut ours = FAIRNESS.iter().chain(&OBJECTIVE).chain([&TENANT]);
    ours.any(|header| same_name(name.as_bytes(), header))
}

/// Whether a name, or one that begins as what stands before a `*`, is a header that the filter sets.
pub(crate) fn may_be_ours(pattern: &str) -> bool {
    let name = pattern.replace('_', "-").to_ascii_lowercase();
    let is_any = |prefix: &str| {
        let mut ours = FAIRNESS.iter().chain(&OBJECTIVE);
        ours.any(|header| header.starts_with(prefix)) || OWN_PREFIX.starts_with(prefix)
    };
    match name.strip_suffix('*') {
        Some(prefix) => is_any(prefix) || prefix.starts_with(OWN_PREFIX),
        None => is_ours(&name) || name.starts_with(OWN_PREFIX),
    }
}

/// Longest user or attribute that becomes a fairness id, in bytes.
pub(crate) const MAX_FAIRNESS: usize = 128;

/// What may be a header value that the scheduler uses as a metrics label.
fn is_safe_value(text: &str) -> bool {
    (1..=MAX_FAIRNESS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;

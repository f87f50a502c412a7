//! Shared by the core tests: one policy, and requests.

use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use crate::attribute::Attribute;
use crate::config::{self, Fault};
use crate::exchange::{Body, Exchange, Offline};
use crate::headers::HeaderMap;
use crate::members::Members;
use crate::policy::Policy;

pub(crate) const ACME_KEY: &str = "sk-tollgate-acme-demo";
pub(crate) const GLOBEX_KEY: &str = "sk-tollgate-globex-demo";
pub(crate) const ISSUER: &str = "https://demo.tollgate.example";

thread_local! {
    static MEMBERS: Rc<Members> = Rc::default();
}

/// The default lists of members, made once.
pub(crate) fn members() -> Rc<Members> {
    MEMBERS.with(Rc::clone)
}

/// `sha256:` and the hash of a key, as in `keyHash`.
pub(crate) fn key_hash(key: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(key.as_bytes())))
}

/// A configuration with two tenants, two models and one issuer, as JSON that tests change.
pub(crate) fn demo() -> serde_json::Value {
    serde_json::json!({
        "tenants": {
            "acme": {"groups": ["research"], "objective": "interactive"},
            "globex": {"groups": ["sales"]},
        },
        "keys": [
            {"id": "acme-demo", "tenant": "acme", "keyHash": key_hash(ACME_KEY)},
            {"id": "globex-demo", "tenant": "globex", "keyHash": key_hash(GLOBEX_KEY)},
        ],
        "jwt": [{
            "metadataKey": "payload", "issuer": ISSUER, "groupsClaim": "groups",
            "tenantClaim": "tenant", "userClaim": "sub", "defaultTenant": "globex",
        }],
        "models": {
            "llama-3.1-8b": {"groups": ["research", "sales"]},
            "qwen-3-32b": {"groups": ["research"]},
        },
        "publicPaths": [{"method": "GET", "path": "/health"}],
    })
}

/// Compiles a valid configuration, in an empty environment.
pub(crate) fn policy(config: &serde_json::Value) -> Rc<Policy> {
    policy_in(config, &|_| None)
}

/// Compiles a valid configuration, in this environment.
pub(crate) fn policy_in(
    config: &serde_json::Value,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Rc<Policy> {
    match compile(config.to_string().as_bytes(), environment) {
        Ok(policy) => Rc::new(policy),
        Err(faults) => panic!("the configuration has faults: {faults:?}"),
    }
}

/// Compiles a configuration, and compares the result with the schema.
pub(crate) fn compile(
    text: &[u8],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Policy, Vec<Fault>> {
    let compiled = config::compile(text, environment);
    #[cfg(all(feature = "command", not(target_family = "wasm")))]
    {
        let faults = compiled.as_ref().map_or_else(Vec::as_slice, |_| &[]);
        config::schema::tests::agrees(text, faults);
    }
    compiled
}

/// The headers of a `POST` of JSON to chat completions with these further ones.
pub(crate) fn chat(headers: &[(&str, &str)]) -> HeaderMap {
    let json = [("content-type", "application/json")];
    request("POST", "/v1/chat/completions", &[&json, headers].concat())
}

/// A request's headers.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> HeaderMap {
    [(":method", method), (":path", path)]
        .iter()
        .chain(headers)
        .copied()
        .collect()
}

/// An exchange that has seen the headers of a request.
pub(crate) fn begin<'a>(
    policy: &Rc<Policy>,
    headers: &HeaderMap,
    has_body: bool,
    attributes: &'a dyn Fn(&[&str]) -> Attribute,
) -> (Exchange, Offline<'a>) {
    let host = Offline::new(headers, 0, attributes);
    let mut exchange = Exchange::new(Some(Rc::clone(policy)));
    exchange.request_headers(&host, !has_body);
    (exchange, host)
}

/// An exchange that has seen a request with its body in these frames, up to the first refusal.
pub(crate) fn send<'a>(
    policy: &Rc<Policy>,
    headers: &HeaderMap,
    frames: &[&[u8]],
    attributes: &'a dyn Fn(&[&str]) -> Attribute,
) -> (Exchange, Offline<'a>) {
    let (mut exchange, host) = begin(policy, headers, !frames.is_empty(), attributes);
    for (frame, left) in frames.iter().zip((0..frames.len()).rev()) {
        if exchange.denial().is_none() {
            let size = host.put_frame(Body::Request, frame);
            exchange.request_body(&host, size, left == 0);
        }
    }
    (exchange, host)
}

/// No token was verified.
pub(crate) fn no_token(_: &[&str]) -> Attribute {
    Attribute::Absent
}

/// Envoy's attributes with claims only. Their paths begin with the metadata key.
pub(crate) fn claims(claims: impl Fn(&[&str]) -> Attribute) -> impl Fn(&[&str]) -> Attribute {
    move |path| match path {
        [
            "metadata",
            "filter_metadata",
            "envoy.filters.http.jwt_authn",
            path @ ..,
        ] => claims(path),
        _ => Attribute::Absent,
    }
}

/// The claims of a verified token, each with its value: `groups.0` is the first element of a list.
pub(crate) fn token(
    values: &'static [(&'static str, &'static str)],
) -> impl Fn(&[&str]) -> Attribute {
    let mut claims = serde_json::json!({});
    for (name, value) in values {
        match name.split_once('.') {
            None => claims[name] = (*value).into(),
            Some((name, _)) => match claims[name].as_array_mut() {
                Some(elements) => elements.push((*value).into()),
                None => claims[name] = serde_json::json!([value]),
            },
        }
    }
    payload(claims)
}

/// A verified payload under `payload`, with an `exp` added if there is none.
pub(crate) fn payload(mut payload: serde_json::Value) -> impl Fn(&[&str]) -> Attribute {
    if payload.get("exp").is_none() {
        payload["exp"] = 1_800_003_600.into();
    }
    claims(move |path| match path {
        ["payload", path @ ..] => crate::identity::payload::claim(&payload, path),
        _ => Attribute::Absent,
    })
}

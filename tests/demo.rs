//! The demo configuration of the documentation: two tenants, two keys, one issuer, two models.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Tenant `acme`, group `research`: may use both models.
pub const ACME_KEY: &str = "sk-tollgate-acme-demo";
/// Tenant `globex`, group `sales`, objective `batch`: may use only [`LLAMA`].
pub const GLOBEX_KEY: &str = "sk-tollgate-globex-demo";
/// The issuer that the configuration lists; its tokens belong to tenant `globex` unless they name another.
pub const ISSUER: &str = "https://demo.tollgate.example";
/// An issuer that Envoy verifies and the configuration does not list.
pub const UNLISTED_ISSUER: &str = "https://partner.tollgate.example";
/// Open to `research` and `sales`.
pub const LLAMA: &str = "llama-3.1-8b";
/// Open to `research` only.
pub const QWEN: &str = "qwen-3-32b";

/// The hash of a key as the configuration spells it.
pub fn key_hash(key: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(key)))
}

/// The whole demo configuration.
pub fn config() -> Value {
    json!({
        "tenants": {
            "acme": {"groups": ["research"]},
            "globex": {"groups": ["sales"], "objective": "batch"}
        },
        "keys": [
            {"id": "acme-demo", "tenant": "acme", "keyHash": key_hash(ACME_KEY)},
            {"id": "globex-demo", "tenant": "globex", "keyHash": key_hash(GLOBEX_KEY)}
        ],
        "jwt": [{
            "metadataKey": "payload",
            "issuer": ISSUER,
            "groupsClaim": ["groups"],
            "tenantClaim": ["tenant"],
            "userClaim": ["sub"],
            "defaultTenant": "globex"
        }],
        "models": {
            LLAMA: {"groups": ["research", "sales"]},
            QWEN: {"groups": ["research"]}
        },
        "publicPaths": [{"method": "GET", "path": "/health"}],
        "metering": {"filterState": true}
    })
}

/// A small chat request.
pub fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
}

/// The same, streamed, with usage asked for.
pub fn streamed_chat(model: &str) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": true,
        "stream_options": {"include_usage": true}
    })
}

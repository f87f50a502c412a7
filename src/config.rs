//! The plugin configuration as operators write it: JSON, camelCase, unknown and duplicate fields refused.
//!
//! These types only mirror the text. [`compile`](crate::config::compile()) turns them into a [`Policy`](crate::policy),
//! which cannot be invalid. Lists and maps are read entry by entry from their raw text, so that a fault in one entry
//! does not hide the faults of the next.

mod compile;
mod faults;
mod metering;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub use compile::{RESERVED_NAMES, compile, is_name, list_entries};
pub use faults::Fault;
pub(crate) use metering::{MeteringConfig, StreamUsageConfig};

/// The whole configuration. Each section stays raw text until `compile` reads it, with its own faults.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config<'a> {
    #[serde(borrow, default)]
    pub(crate) tenants: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) keys: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) keys_from: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) credentials: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) jwt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) trusted_headers: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) models: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) model_header: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) extra_paths: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) public_paths: Option<&'a RawValue>,
    /// A model that is not allowed answers 404 `model_not_found`, as one that is not there. Omitted means false.
    #[serde(borrow, default)]
    pub(crate) hide_denied_models: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) fairness: Option<&'a RawValue>,
    /// Omitted means `enforce`.
    #[serde(borrow, default)]
    pub(crate) mode: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) metering: Option<&'a RawValue>,
}

/// One tenant: `"acme": {"groups": ["research"], "objective": "interactive"}`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantConfig {
    /// Groups of every key of the tenant; tokens and gateways in front bring their own. Omitted means none.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// The `InferenceObjective` that its requests are scheduled by. Omitted means no header.
    #[serde(default)]
    pub(crate) objective: Option<String>,
}

/// One API key, known by its hash alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyConfig<'a> {
    /// A public name, unique among all keys; the fairness id where `fairness.from` is `key`.
    #[serde(borrow)]
    pub(crate) id: std::borrow::Cow<'a, str>,
    /// The tenant it belongs to.
    #[serde(borrow)]
    pub(crate) tenant: std::borrow::Cow<'a, str>,
    /// `sha256:` and 64 hex digits of the SHA-256 of the key's exact bytes; or `maas:` and the hash that
    /// Models-as-a-Service keeps of its `sk-oai-{id}_{secret}` keys.
    #[serde(borrow)]
    pub(crate) key_hash: std::borrow::Cow<'a, str>,
    /// RFC 3339; from this moment on the key is refused. Omitted means never.
    #[serde(default)]
    pub(crate) expires_at: Option<String>,
    /// RFC 3339; before this moment the key is refused. Omitted means no lower limit.
    #[serde(default)]
    pub(crate) not_before: Option<String>,
    /// A disabled key stays listed but is refused.
    #[serde(default)]
    pub(crate) disabled: bool,
    /// For the operator's eyes only.
    #[serde(default, rename = "description")]
    pub(crate) _description: Option<String>,
    /// Groups of the key on top of the tenant's.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// The `InferenceObjective` that its requests are scheduled by. Omitted means the tenant's.
    #[serde(default)]
    pub(crate) objective: Option<String>,
    /// Narrows the models: names or `prefix*`. Omitted means no further limit; an empty list allows nothing.
    #[serde(default)]
    pub(crate) models: Option<Vec<String>>,
}

/// More keys, from a variable of the gateway's environment (in Kubernetes, from a Secret). An entry of the variable is
/// what stands between commas or ends of lines, without the white space around it; empty entries are skipped. A variable
/// that begins with `[` is read as a JSON list of strings.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeysFromConfig {
    /// The variable's name. Unset and empty are faults: a gateway that lost its keys must not start.
    pub(crate) env: String,
    pub(crate) format: KeysFormat,
    /// The tenant of all keys in it.
    pub(crate) tenant: String,
    /// Groups of all keys in it, on top of the tenant's.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

/// What an entry of such a variable is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum KeysFormat {
    /// A key. Its id is the variable's name and its place: `TEAM_KEYS-1`, `TEAM_KEYS-2`, …
    Plain,
    /// `id=hash`, the hash written as in `keyHash`.
    Hashes,
}

/// Where credentials are looked for, and what becomes of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialsConfig {
    /// Omitted means `Authorization: Bearer`, `x-api-key` and `api-key`.
    #[serde(default)]
    pub(crate) sources: Option<Vec<SourceConfig>>,
    /// Omitted means `strip`.
    #[serde(default)]
    pub(crate) forward: Option<ForwardConfig>,
}

/// What the upstream gets of a credential: `"strip"`, `"keep"` or `{"env": "VLLM_API_KEY"}`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected `strip`, `keep` or an object with `env`"
)]
pub(crate) enum ForwardConfig {
    Named(ForwardName),
    Environment(ForwardEnvironment),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ForwardName {
    /// Nothing.
    Strip,
    /// The one header that proved who the caller is, as it came.
    Keep,
}

/// The upstream's own key instead, from a variable of the gateway's environment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ForwardEnvironment {
    pub(crate) env: String,
}

/// One header that may carry a credential, bare or after a scheme such as `Bearer`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SourceConfig {
    pub(crate) header: String,
    #[serde(default)]
    pub(crate) scheme: Option<String>,
}

/// One issuer whose tokens Envoy's `jwt_authn` verifies, and what is read from their payload.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IssuerConfig {
    /// `payload_in_metadata` of the provider (Istio: `payload`; Envoy Gateway: the provider's name).
    pub(crate) metadata_key: String,
    /// The exact `iss` claim.
    pub(crate) issuer: String,
    #[serde(default)]
    pub(crate) groups_claim: Option<ClaimPath>,
    #[serde(default)]
    pub(crate) tenant_claim: Option<ClaimPath>,
    /// Read where `fairness.from` is `user`.
    #[serde(default)]
    pub(crate) user_claim: Option<ClaimPath>,
    /// Asked in order when no tenant claim is present: the first group that the token has names the tenant.
    #[serde(default)]
    pub(crate) tenant_from_group: Vec<TenantFromGroupConfig>,
    /// The tenant of tokens that name none.
    #[serde(default)]
    pub(crate) default_tenant: Option<String>,
    /// Put before every group of this issuer, so that two issuers' groups cannot be confused.
    #[serde(default)]
    pub(crate) group_prefix: String,
}

/// A claim's place in the payload: `"groups"`, or `["realm_access", "roles"]` for a nested one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a claim name or a list of claim names")]
pub(crate) enum ClaimPath {
    Name(String),
    Path(Vec<String>),
}

/// `{"group": "research-team", "tenant": "acme"}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantFromGroupConfig {
    pub(crate) group: String,
    pub(crate) tenant: String,
}

/// Identity set in headers by an authenticating gateway in front, such as Models-as-a-Service. With its proof it is the
/// only identity; without, all these headers are stripped and count for nothing. With it they pass to the upstream, save
/// the proof, and save names that the filter strips from everybody (`x-gateway-…`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrustedHeadersConfig<'a> {
    pub(crate) proof: GatewayProofConfig,
    /// Says who the caller is; without it 401.
    pub(crate) principal_header: String,
    /// A JSON object from the name of an attribute to its values: a list, or one value.
    #[serde(default)]
    pub(crate) attributes_header: Option<String>,
    /// An object from a header to the attribute whose values it carries: a JSON list, a JSON string, or plain text that is
    /// one value. They follow those of `attributesHeader`.
    #[serde(borrow, default)]
    pub(crate) attribute_headers: Option<&'a RawValue>,
    /// The attribute whose values are the groups. Omitted means no groups.
    #[serde(default)]
    pub(crate) groups_attribute: Option<String>,
    /// The attribute whose one value is the tenant.
    #[serde(default)]
    pub(crate) tenant_attribute: Option<String>,
    /// The tenant of callers without such a value.
    #[serde(default)]
    pub(crate) default_tenant: Option<String>,
}

/// What shows that a request comes from the gateway in front: a secret in a header, or a client certificate.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GatewayProofConfig {
    #[serde(default)]
    pub(crate) header: Option<String>,
    /// `sha256:` and 64 hex digits of the secret in `header`.
    #[serde(default)]
    pub(crate) secret_hash: Option<String>,
    /// Any of these is the first URI (if there is a `://` in it) or the first DNS name of the certificate.
    #[serde(default)]
    pub(crate) client_certificate_san: Option<Vec<String>>,
    /// Must be `true`: the operator's word that Envoy lets no unverified certificate in.
    #[serde(default)]
    pub(crate) client_certs_verified: bool,
}

/// Who may use a model: members of `groups`, or everybody that `access` says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelConfig {
    #[serde(default)]
    pub(crate) groups: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) access: Option<AccessConfig>,
    /// Omitted means that of `metering`.
    #[serde(default)]
    pub(crate) stream_usage: Option<StreamUsageConfig>,
}

/// Access without a list of groups, said out loud.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum AccessConfig {
    Anonymous,
    Authenticated,
}

/// The header in which a gateway in front repeats the model.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelHeaderConfig {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) required: bool,
}

/// A path outside the table of operations, for members of `groups`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExtraPathConfig {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) groups: Vec<String>,
}

/// A path that needs no identity.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PublicPathConfig {
    pub(crate) method: String,
    pub(crate) path: String,
}

/// What the fairness id is made from.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FairnessConfig {
    pub(crate) from: FairnessFrom,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FairnessFrom {
    Tenant,
    Key,
    User,
    /// `{"attribute": "subscription"}`: an attribute of `trustedHeaders`.
    Attribute(String),
}

/// Whether refusals stand.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ModeConfig {
    Enforce,
    Audit,
    Open,
}

/// A JSON object as a list of its entries, in order, duplicates kept: a map type would let the last one win silently.
pub(crate) struct Entries<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for EntriesVisitor<'a> {
            type Value = Entries<'a>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests;

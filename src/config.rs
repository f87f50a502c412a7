//! The plugin configuration as operators write it: JSON, camelCase, unknown and duplicate fields refused.
//!
//! These types only mirror the text. [`compile`](crate::config::compile) turns them into a [`Policy`](crate::policy),
//! which cannot be invalid. Lists and maps are read entry by entry from their raw text, so that a fault in one entry
//! does not hide the faults of the next.

mod compile;
mod faults;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub use compile::compile;
pub use faults::Fault;

/// The whole configuration. Each section stays raw text until `compile` reads it, with its own faults.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config<'a> {
    #[serde(borrow, default)]
    pub(crate) tenants: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) keys: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) credentials: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) jwt: Option<&'a RawValue>,
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
    /// Groups that every identity of the tenant has. Omitted means none.
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
    /// A public name for logs, unique among all keys.
    #[serde(borrow)]
    pub(crate) id: std::borrow::Cow<'a, str>,
    /// The tenant it belongs to.
    #[serde(borrow)]
    pub(crate) tenant: std::borrow::Cow<'a, str>,
    /// `sha256:` and 64 hex digits of the SHA-256 of the key's exact bytes.
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
    /// Narrows the models: names or `prefix*`. Omitted means no further limit; an empty list allows nothing.
    #[serde(default)]
    pub(crate) models: Option<Vec<String>>,
}

/// Where credentials are looked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialsConfig {
    pub(crate) sources: Vec<SourceConfig>,
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

/// Who may use a model: members of `groups`, or everybody that `access` says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelConfig {
    #[serde(default)]
    pub(crate) groups: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) access: Option<AccessConfig>,
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

/// A path outside the table of operations. `groups` is required for `extraPaths` and meaningless for `publicPaths`.
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
}

/// Whether refusals stand.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ModeConfig {
    Enforce,
    Audit,
    Open,
}

/// What is done with the counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MeteringConfig {
    /// Write the counts to filter state, for the access log and Envoy's own rate limit.
    #[serde(default)]
    pub(crate) filter_state: bool,
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

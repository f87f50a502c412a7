//! The plugin configuration as operators write it: JSON, camelCase, unknown and duplicate fields refused.
//!
//! These types only mirror the text. [`compile`](crate::config::compile()) turns them into a [`Policy`](crate::policy),
//! which cannot be invalid. Lists and maps are read entry by entry from their raw text, so that a fault in one entry
//! does not hide the faults of the next.

pub(crate) mod compile;
mod faults;
mod metering;
#[cfg(feature = "command")]
pub(crate) mod schema;
mod trusted_headers;

#[cfg(feature = "command")]
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::entries::Entries;
pub use compile::{RESERVED_NAMES, compile, is_name, list_entries};
pub use faults::Fault;
pub(crate) use metering::{MeteringConfig, StreamUsageConfig};
#[cfg(feature = "command")]
pub use schema::schema;
pub(crate) use trusted_headers::{GatewayProofConfig, TrustedHeadersConfig};

/// The whole configuration. Each section stays raw text until `compile` reads it, with its own faults.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config<'a> {
    /// The tenants, by name. A name becomes metric label, fairness id and log field: 1 to 128 letters, digits and
    /// `._:/@+-`; not `unknown`, `anonymous` or `other`.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "BTreeMap<String, TenantConfig>"))]
    pub(crate) tenants: Option<&'a RawValue>,
    /// API keys, each known by its hash alone.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<KeyConfig<'_>>"))]
    pub(crate) keys: Option<&'a RawValue>,
    /// More keys, from variables of the filter's environment.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<KeysFromConfig>"))]
    pub(crate) keys_from: Option<&'a RawValue>,
    /// Where credentials are looked for, and what becomes of them.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "CredentialsConfig"))]
    pub(crate) credentials: Option<&'a RawValue>,
    /// The issuers of tokens that Envoy's `jwt_authn` verifies, and what is read from their payload.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<IssuerConfig>"))]
    pub(crate) jwt: Option<&'a RawValue>,
    /// Identity set in headers by an authenticating gateway in front, such as Models-as-a-Service. With its proof it is
    /// the only identity; without, all these headers are stripped and count for nothing.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "TrustedHeadersConfig<'_>"))]
    pub(crate) trusted_headers: Option<&'a RawValue>,
    /// A rule for each model: an exact name, `prefix*` or `*`. The exact name beats the longest prefix. A model without a
    /// rule is refused. A name that no exact rule spells out also has to satisfy the rules that it may be
    /// [another spelling](#another-spelling-of-a-model) of.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "BTreeMap<String, ModelConfig>"))]
    pub(crate) models: Option<&'a RawValue>,
    /// A header that is set on every request that passes, public paths, preflights and anonymous callers included, in
    /// place of what a client sent there. Whatever stands behind the filter can refuse a request without it: a second
    /// lock, for the day on which the filter is missing, misplaced or switched off. Omitted means no such header.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "AdmittedHeaderConfig"))]
    pub(crate) admitted_header: Option<&'a RawValue>,
    /// The header in which a gateway in front repeats the model. Where present, its rule is checked before the body is
    /// read, and it must be single and agree with the body. See [headers that name the
    /// model](#headers-that-name-the-model).
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "ModelHeaderConfig"))]
    pub(crate) model_header: Option<&'a RawValue>,
    /// Which headers of a request are removed because somebody is steered by them.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "HeadersConfig"))]
    pub(crate) headers: Option<&'a RawValue>,
    /// Which members of a JSON body, and fields of a form, are refused because servers are steered by them.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "BodyConfig"))]
    pub(crate) body: Option<&'a RawValue>,
    /// What may stand in front of the paths of the table of operations, beside `/openai`, `/anthropic` and `/cohere`: plain
    /// segments, of which `*` is any one, such as `/*/*/v1` for `/<namespace>/<name>/v1/…`. A `/v1` at the end is the one
    /// of the table. What stands in the place of a `*` is not judged. See [prefixes](#prefixes-and-versions).
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<String>"))]
    pub(crate) path_prefixes: Option<&'a RawValue>,
    /// Which paths of the table of operations are served without their `/v1` as well, for clients whose base URL lacks it.
    /// See [versions](#prefixes-and-versions).
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "WithoutVersionConfig"))]
    pub(crate) paths_without_version: Option<&'a RawValue>,
    /// Paths outside the table of operations, for these groups, in every mode.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<ExtraPathConfig>"))]
    pub(crate) extra_paths: Option<&'a RawValue>,
    /// Paths that need no identity; they come before the table of operations.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<PublicPathConfig>"))]
    pub(crate) public_paths: Option<&'a RawValue>,
    /// A model that the caller may not use answers 404 `model_not_found`, like one that is not there. Metrics and logs
    /// still say `model_not_allowed`.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "bool"))]
    pub(crate) hide_denied_models: Option<&'a RawValue>,
    /// By what the scheduler shares out.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "FairnessConfig"))]
    pub(crate) fairness: Option<&'a RawValue>,
    /// Whether refusals stand.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "ModeConfig"))]
    pub(crate) mode: Option<&'a RawValue>,
    /// What is done to count tokens, and with the counts.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "MeteringConfig"))]
    pub(crate) metering: Option<&'a RawValue>,
}

/// One tenant.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantConfig {
    /// Groups of all keys of the tenant. Tokens and gateways in front bring their own.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// The `InferenceObjective` that its requests are scheduled by. Same characters as the name. Omitted means no header.
    #[serde(default)]
    pub(crate) objective: Option<String>,
}

/// One API key, known by its hash alone.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyConfig<'a> {
    /// Public name of the key, unique; the fairness id where `fairness.from` is `key`. Same characters as a tenant's
    /// name.
    #[serde(borrow)]
    pub(crate) id: std::borrow::Cow<'a, str>,
    /// The tenant that it belongs to: a name in `tenants`.
    #[serde(borrow)]
    pub(crate) tenant: std::borrow::Cow<'a, str>,
    /// `sha256:` and 64 hex digits of the SHA-256 of the key's exact bytes: `printf %s "$KEY" | sha256sum`. Each once.
    /// Use random keys of 128 bits or more. Or `maas:` and the hash that Models-as-a-Service keeps: of the id, a NUL and
    /// the secret of a key `sk-oai-{id}_{secret}`.
    #[serde(borrow)]
    pub(crate) key_hash: std::borrow::Cow<'a, str>,
    /// RFC 3339. From this moment on the key is refused. Omitted means never.
    #[serde(default)]
    pub(crate) expires_at: Option<String>,
    /// RFC 3339. Before this moment the key is refused. Omitted means no limit.
    #[serde(default)]
    pub(crate) not_before: Option<String>,
    /// A disabled key is refused with `expired_credential`, and not as unknown.
    #[serde(default)]
    pub(crate) disabled: bool,
    /// For your eyes only.
    #[serde(default, rename = "description")]
    pub(crate) _description: Option<String>,
    /// Groups on top of the tenant's.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// The `InferenceObjective` that its requests are scheduled by. Omitted means the tenant's.
    #[serde(default)]
    pub(crate) objective: Option<String>,
    /// Narrows what the groups allow: names, `prefix*` or `*`. `[]` allows nothing. Omitted means no further limit.
    #[serde(default)]
    pub(crate) models: Option<Vec<String>>,
}

/// More keys, from a variable of the gateway's environment (in Kubernetes, from a Secret). An entry of the variable is
/// what stands between commas or ends of lines, without the white space around it; empty entries are skipped. A variable
/// that begins with `[` is read as a JSON list of strings.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeysFromConfig {
    /// The variable of the filter's environment (`vm_config.environment_variables`): 1 to 100 letters, digits and `_`.
    /// Entries are separated by commas or ends of lines, or are a JSON list. Unset and empty are refused, since a gateway
    /// that lost its keys must not start. A change needs a restart.
    pub(crate) env: String,
    /// What the entries are.
    pub(crate) format: KeysFormat,
    /// The tenant of these keys: a name in `tenants`.
    pub(crate) tenant: String,
    /// Groups of these keys on top of the tenant's.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

/// What an entry of such a variable is.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum KeysFormat {
    /// Keys of 16 characters or more, with the ids `NAME-1`, `NAME-2`, … of the variable's name. What looks like no key is
    /// refused: a name, a heading, a placeholder, quotes, `Bearer` or `name=` around a key. A key that is in use although
    /// it looks so is listed by its hash.
    Plain,
    /// `id=hash`, the hash written as in `keyHash`.
    Hashes,
}

/// Where credentials are looked for, and what becomes of them.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialsConfig {
    /// Headers that may carry a credential. All of them are stripped. Given, the list replaces the default.
    #[serde(default)]
    pub(crate) sources: Option<Vec<SourceConfig>>,
    /// What the server gets of a credential. All other credentials are stripped, and on public paths all of the client's.
    #[serde(default)]
    pub(crate) forward: Option<ForwardConfig>,
}

/// What the upstream gets of a credential: `"strip"`, `"keep"` or `{"env": "VLLM_API_KEY"}`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "expected `strip`, `keep` or an object with `env`"
)]
pub(crate) enum ForwardConfig {
    Named(ForwardName),
    Environment(ForwardEnvironment),
}

#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum ForwardName {
    /// Nothing.
    Strip,
    /// The one header that proved who the caller is, as it came; for a token, `jwt_authn` must be reading it from a
    /// header of `credentials.sources`.
    Keep,
}

/// The server's own key, as `Authorization: Bearer`, with every admitted request but a preflight.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ForwardEnvironment {
    /// The variable of the filter's environment that holds the server's key, without quotes and `Bearer` around it.
    pub(crate) env: String,
}

/// One header that may carry a credential, bare or after a scheme such as `Bearer`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SourceConfig {
    /// Name of the header, each once.
    pub(crate) header: String,
    /// Scheme before the credential, in any letter case. Omitted means a bare value.
    #[serde(default)]
    pub(crate) scheme: Option<String>,
}

/// The header that shows that a request was admitted: `value`, or `env`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AdmittedHeaderConfig {
    /// Name of the header, such as `x-tollgate-admitted`. Not one with a meaning of its own.
    pub(crate) name: String,
    /// Its value: 1 to 512 visible ASCII characters without commas. Enough where the gateway removes the header from
    /// what clients send before the filter runs; else it must be a secret.
    #[serde(default)]
    pub(crate) value: Option<String>,
    /// The variable of the filter's environment that holds the value.
    #[serde(default)]
    pub(crate) env: Option<String>,
}

/// One issuer whose tokens Envoy's `jwt_authn` verifies, and what is read from their payload.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IssuerConfig {
    /// `payload_in_metadata` of the provider in `jwt_authn` (Istio: `payload`; Envoy Gateway: the provider's name).
    pub(crate) metadata_key: String,
    /// The exact `iss` claim. Each pair of `metadataKey` and `issuer` once.
    pub(crate) issuer: String,
    /// Where the groups are: a claim's name, or a list of names for a nested one (`["realm_access", "roles"]`). The claim
    /// is a list of groups, or a string, which is one group unless `groupsSeparator` says otherwise. Omitted means no
    /// groups.
    #[serde(default)]
    pub(crate) groups_claim: Option<ClaimPath>,
    /// What stands between the groups where their claim is a string, such as `,`. White space around each is cut off, and
    /// elements of a list are never split. Omitted means none, so that the string is one group; in a claim `scope` or `scp`
    /// a space, as RFC 8693, section 4.2, has it.
    #[serde(default)]
    pub(crate) groups_separator: Option<String>,
    /// Whether a token must have an `exp`. Without it `jwt_authn` takes a token for one that never expires.
    #[serde(default = "required")]
    pub(crate) require_expiration: bool,
    /// Where the tenant's name is: a string, or a list of one. Two names are refused, and so is whatever else is there, an
    /// empty list included, and a name that is not in `tenants`.
    #[serde(default)]
    pub(crate) tenant_claim: Option<ClaimPath>,
    /// Where the user's name is, read where `fairness.from` is `user`.
    #[serde(default)]
    pub(crate) user_claim: Option<ClaimPath>,
    /// Asked in order when no tenant claim is present: the first group that the token has names the tenant.
    #[serde(default)]
    pub(crate) tenant_from_group: Vec<TenantFromGroupConfig>,
    /// Tenant of tokens without a tenant claim and without such a group. Omitted means refused.
    #[serde(default)]
    pub(crate) default_tenant: Option<String>,
    /// Put before each group of this issuer, so that two issuers' groups cannot be confused.
    #[serde(default)]
    pub(crate) group_prefix: String,
}

const fn required() -> bool {
    true
}

/// A claim's place in the payload: `"groups"`, or `["realm_access", "roles"]` for a nested one.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a claim name or a list of claim names")]
pub(crate) enum ClaimPath {
    Name(String),
    Path(Vec<String>),
}

/// `{"group": "research-team", "tenant": "acme"}`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantFromGroupConfig {
    /// The group, written with `groupPrefix`.
    pub(crate) group: String,
    /// The tenant of its members: a name in `tenants`.
    pub(crate) tenant: String,
}

/// Who may use a model: members of `groups`, or everybody that `access` says.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelConfig {
    /// Members of one of these groups may use it. `[]`: nobody.
    #[serde(default)]
    pub(crate) groups: Option<Vec<String>>,
    /// Access without a list of groups, said out loud.
    #[serde(default)]
    pub(crate) access: Option<AccessConfig>,
    /// `metering.streamUsage` for this model. Omitted means that of `metering`.
    #[serde(default)]
    pub(crate) stream_usage: Option<StreamUsageConfig>,
    /// Of an adapter, the model that it belongs to: what a body-based router in front has to say in
    /// [`x-gateway-base-model-name`](#headers-that-name-the-model). Once any model has one, a model without is its own base.
    #[serde(default)]
    pub(crate) base_model: Option<String>,
}

/// Access without a list of groups, said out loud.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum AccessConfig {
    /// Everybody, without a credential as well.
    Anonymous,
    /// Every identity.
    Authenticated,
}

/// The header in which a gateway in front repeats the model.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelHeaderConfig {
    /// Name of the header.
    pub(crate) name: String,
    /// Refuse requests without it.
    #[serde(default)]
    pub(crate) required: bool,
}

/// Headers by which a client would steer a scheduler, a router, a server or Envoy. They are removed from headers and
/// trailers of every request. Names are compared without regard to case, with `_` read as `-`; one that ends in `*` is for
/// all that begin so.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HeadersConfig {
    /// Headers that are removed on top of [the list](#headers).
    #[serde(default)]
    pub(crate) strip: Vec<String>,
    /// Headers of [the list](#headers) that pass: those that a filter in front of this one writes. Not those that this
    /// filter sets.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
}

/// Members of a body, beside `model`, by which servers choose models, hosts, workers, queues, credentials or code. Names
/// are compared without regard to case; one that ends in `*` is for all that begin so.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BodyConfig {
    /// Members that are refused on top of [the list](#members). Not `model`, `stream` and `stream_options`.
    #[serde(default)]
    pub(crate) deny: Vec<String>,
    /// Members of [the list](#members) that pass unread. What names models there is not judged any more.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
}

/// Which paths are served without their `/v1` as well.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum WithoutVersionConfig {
    /// Those that no server serves as something else.
    Unambiguous,
    /// All of them.
    All,
    /// None.
    None,
}

/// A path outside the table of operations, for members of `groups`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExtraPathConfig {
    /// The method, in upper case.
    pub(crate) method: String,
    /// The exact path, without a query, plainly written.
    pub(crate) path: String,
    /// Whether a body may follow the headers. It goes on unread: its model is not judged and its tokens are not counted.
    /// Without it a request with a body is refused with `body_not_allowed`.
    #[serde(default)]
    pub(crate) body: bool,
    /// Members of one of these groups may use it.
    pub(crate) groups: Vec<String>,
}

/// A path that needs no identity.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PublicPathConfig {
    /// The method, in upper case.
    pub(crate) method: String,
    /// The exact path, without a query, plainly written.
    pub(crate) path: String,
    /// Whether a body may follow the headers. It goes on unread: its model is not judged and its tokens are not counted.
    /// Without it a request with a body is refused with `body_not_allowed`.
    #[serde(default)]
    pub(crate) body: bool,
}

/// What the fairness id is made from.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FairnessConfig {
    /// What the fairness id is.
    pub(crate) from: FairnessFrom,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum FairnessFrom {
    /// The tenant's name.
    Tenant,
    /// The key's `id`; of a token the tenant's name.
    Key,
    /// Of a token its `userClaim`, of `trustedHeaders` the principal; of a key, and where there is none, the tenant's name.
    User,
    /// The first value of this attribute of `trustedHeaders`; where there is none, the tenant's name.
    Attribute(String),
}

/// Whether refusals stand.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum ModeConfig {
    /// They stand.
    Enforce,
    /// Those for who is asking, or for which model, are counted and logged, and the request passes.
    Audit,
    /// There are none on these grounds.
    Open,
}

#[cfg(test)]
mod tests;

//! The plugin configuration as operators write it: JSON, camelCase, unknown and duplicate fields refused.
//!
//! These types only mirror the text. [`compile`](crate::config::compile()) turns them into a [`Policy`](crate::policy),
//! which cannot be invalid. Lists and maps are read entry by entry from their raw text, so that a fault in one entry
//! does not hide the faults of the next.

pub(crate) mod compile;
mod faults;
mod fields;
pub(crate) mod limits;
mod metering;
#[cfg(feature = "command")]
pub(crate) mod schema;
mod sections;
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

/// The whole configuration. Each section stays raw text until `compile` reads it, so that each has its own faults.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config<'a> {
    /// The tenants, by name. The name is used as metric label, fairness id and log field: 1 to 128 letters, digits and
    /// `._:/@+-`; not `unknown`, `anonymous` or `other`.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "BTreeMap<String, TenantConfig>"))]
    pub(crate) tenants: Option<&'a RawValue>,
    /// API keys, each identified only by its hash.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<KeyConfig<'_>>"))]
    pub(crate) keys: Option<&'a RawValue>,
    /// More keys, from environment variables of the filter.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<KeysFromConfig>"))]
    pub(crate) keys_from: Option<&'a RawValue>,
    /// The headers that may carry a credential, and the credential that the server gets.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "CredentialsConfig"))]
    pub(crate) credentials: Option<&'a RawValue>,
    /// The issuers of tokens that Envoy's `jwt_authn` verifies, and the claims that are read.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<IssuerConfig>"))]
    pub(crate) jwt: Option<&'a RawValue>,
    /// Identity in headers from an authenticating gateway in front, such as Models-as-a-Service. With a valid proof it
    /// is the only identity. Without a proof all these headers are stripped and ignored.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "TrustedHeadersConfig<'_>"))]
    pub(crate) trusted_headers: Option<&'a RawValue>,
    /// A rule for each model: an exact name, `prefix*` or `*`. The exact name beats the longest prefix. A model without
    /// a rule is refused. A name without an exact rule must also satisfy every rule of which it may be [another
    /// spelling](#another-spelling-of-a-model).
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "BTreeMap<String, ModelConfig>"))]
    pub(crate) models: Option<&'a RawValue>,
    /// A header that is set on every admitted request, including public paths, preflights and anonymous callers. It
    /// replaces the client's value. A policy behind the filter can refuse requests without it, as a second lock in case
    /// the filter is missing, misplaced or disabled. Omitted means no such header.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "AdmittedHeaderConfig"))]
    pub(crate) admitted_header: Option<&'a RawValue>,
    /// The header in which a gateway in front repeats the model. Where present, its rule is checked before the body is
    /// read, and it must be single and agree with the body. See [headers that name the
    /// model](#headers-that-name-the-model).
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "ModelHeaderConfig"))]
    pub(crate) model_header: Option<&'a RawValue>,
    /// Request headers that are removed because they steer other components.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "HeadersConfig"))]
    pub(crate) headers: Option<&'a RawValue>,
    /// Members of a JSON body and fields of a form that are refused because they steer servers.
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
    /// Paths that need no identity. They take precedence over the table of operations.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<PublicPathConfig>"))]
    pub(crate) public_paths: Option<&'a RawValue>,
    /// If `true`, a request for a model that the caller may not use is answered with 404 `model_not_found`, as if the
    /// model did not exist. Metrics and logs still have `model_not_allowed`.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "bool"))]
    pub(crate) hide_denied_models: Option<&'a RawValue>,
    /// The id by which the scheduler shares capacity.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "FairnessConfig"))]
    pub(crate) fairness: Option<&'a RawValue>,
    /// The effect of refusals for identity or model.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "ModeConfig"))]
    pub(crate) mode: Option<&'a RawValue>,
    /// How much may be asked for. Every limit that is for a request must admit it; then all of them are charged, else none
    /// is. Counts are kept in the memory of the proxy, and shared by all of its workers.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "Vec<limits::LimitConfig>"))]
    pub(crate) limits: Option<&'a RawValue>,
    /// What limits on tokens set aside for a request until its reply tells what it did cost.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "limits::ReserveConfig"))]
    pub(crate) reserve: Option<&'a RawValue>,
    /// How much of a limit on tokens one token uses.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "limits::WeightsConfig"))]
    pub(crate) weights: Option<&'a RawValue>,

    /// How tokens are counted, and where the counts go.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "command", schemars(with = "MeteringConfig"))]
    pub(crate) metering: Option<&'a RawValue>,
}

/// One tenant.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantConfig {
    /// Groups of all keys of the tenant. Tokens and gateways in front have their own groups.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// The `InferenceObjective` of its requests. Same characters as the name. Omitted means no header.
    #[serde(default)]
    pub(crate) objective: Option<String>,
}

/// One API key, identified only by its hash.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyConfig<'a> {
    /// The unique, public name of the key; also the fairness id if `fairness.from` is `key`. Same characters as a
    /// tenant's name.
    #[serde(borrow)]
    pub(crate) id: std::borrow::Cow<'a, str>,
    /// The tenant of the key: a name in `tenants`.
    #[serde(borrow)]
    pub(crate) tenant: std::borrow::Cow<'a, str>,
    /// `sha256:` and 64 hex digits of the SHA-256 of the key's exact bytes: `printf %s "$KEY" | sha256sum`. Each hash
    /// must be unique. Use random keys of at least 128 bits. Alternatively, `maas:` and the hash that
    /// Models-as-a-Service stores: that of the id, a NUL and the secret of a key `sk-oai-{id}_{secret}`.
    #[serde(borrow)]
    pub(crate) key_hash: std::borrow::Cow<'a, str>,
    /// RFC 3339. The key is refused from this time on. Omitted means never.
    #[serde(default)]
    pub(crate) expires_at: Option<String>,
    /// RFC 3339. The key is refused before this time. Omitted means no limit.
    #[serde(default)]
    pub(crate) not_before: Option<String>,
    /// A disabled key is refused with `expired_credential`, not as an unknown key.
    #[serde(default)]
    pub(crate) disabled: bool,
    /// A note for operators. The filter ignores it.
    #[serde(default, rename = "description")]
    pub(crate) _description: Option<String>,
    /// Groups in addition to the tenant's.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// The `InferenceObjective` of its requests. Omitted means the tenant's.
    #[serde(default)]
    pub(crate) objective: Option<String>,
    /// Limits the key to these models, among those that its groups allow: names, `prefix*` or `*`. `[]` allows no
    /// model. Omitted means no further limit.
    #[serde(default)]
    pub(crate) models: Option<Vec<String>>,
}

/// More keys, from an environment variable of the gateway (in Kubernetes, from a Secret). Entries are separated by
/// commas or line ends. White space around an entry is ignored, and empty entries are skipped. A variable that begins
/// with `[` is read as a JSON list of strings.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeysFromConfig {
    /// The environment variable of the filter (`vm_config.environment_variables`): 1 to 100 letters, digits and `_`.
    /// Entries are separated by commas or line ends, or are a JSON list. An unset or empty variable is refused, because
    /// a gateway without its keys must not start. A change needs a restart.
    pub(crate) env: String,
    /// The format of the entries.
    pub(crate) format: KeysFormat,
    /// The tenant of these keys: a name in `tenants`.
    pub(crate) tenant: String,
    /// Groups of these keys in addition to the tenant's.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

/// The format of the entries of a variable.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum KeysFormat {
    /// Keys of 16 characters or more, with the ids `NAME-1`, `NAME-2`, … of the variable's name. What looks like no key is
    /// refused: a name, words beside keys, a heading, a placeholder, quotes, `Bearer` or `name=` around a key. A key that is in use although
    /// it looks so is listed by its hash.
    Plain,
    /// `id=hash`, with the hash as in `keyHash`.
    Hashes,
}

/// The headers that may carry a credential, and the credential that the server gets.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialsConfig {
    /// Headers that may carry a credential, in the order in which they are looked at. All of them are stripped. An empty
    /// header counts as absent. Given, the list replaces the default.
    #[serde(default)]
    pub(crate) sources: Option<Vec<SourceConfig>>,
    /// What counts where sources carry different credentials.
    #[serde(default)]
    pub(crate) several: SeveralConfig,
    /// Words that clients send as a key where their SDK insists on one, such as `EMPTY` or `sk-no-key-required`, each once:
    /// they count as no credential, so that they open what `access: anonymous` opens and nothing else. In the same letter
    /// case.
    #[serde(default)]
    pub(crate) dummy_keys: Vec<String>,
    /// Tell clients when their key expires: the header `x-tollgate-key-expires` (RFC 3339) on every reply to a key with
    /// `expiresAt`.
    #[serde(default)]
    pub(crate) show_expiry: bool,
    /// What the server gets of a credential. All other credentials are stripped, and on public paths all of the client's.
    #[serde(default)]
    pub(crate) forward: Option<ForwardConfig>,
}

/// What counts where sources carry different credentials.
#[derive(Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum SeveralConfig {
    /// None: the request is refused with `ambiguous_credential`.
    #[default]
    Refuse,
    /// That of the first source that has one, be it good or bad. The others are stripped unread.
    First,
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
    /// No credential.
    Strip,
    /// The header that identified the caller, unchanged. For a token, `jwt_authn` must read it from a header of
    /// `credentials.sources`.
    Keep,
}

/// The server's own key, as `Authorization: Bearer`, on every admitted request except preflights.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ForwardEnvironment {
    /// The environment variable of the filter that contains the server's key, without quotes or `Bearer`.
    pub(crate) env: String,
}

/// One header that may carry a credential, bare or after a scheme such as `Bearer`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SourceConfig {
    /// The name of the header. Each must be unique.
    pub(crate) header: String,
    /// Scheme before the credential, in any letter case. Omitted means a bare value. A credential of another scheme, such
    /// as `Basic`, is refused if it comes alone, and stripped unread beside a credential.
    #[serde(default)]
    pub(crate) scheme: Option<String>,
    /// The header is stripped and never read, as one that clients send for somebody else.
    #[serde(default)]
    pub(crate) strip_only: bool,
}

/// The header that marks admitted requests, with either `value` or `env`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AdmittedHeaderConfig {
    /// The name of the header, such as `x-tollgate-admitted`. It must not already have a meaning.
    pub(crate) name: String,
    /// The value: 1 to 512 visible ASCII characters without commas. A public value is enough if the gateway removes the
    /// header from clients' requests before the filter runs. Otherwise the value must be a secret.
    #[serde(default)]
    pub(crate) value: Option<String>,
    /// The environment variable of the filter that contains the value.
    #[serde(default)]
    pub(crate) env: Option<String>,
}

/// One issuer whose tokens Envoy's `jwt_authn` verifies, and the claims that are read.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IssuerConfig {
    /// `payload_in_metadata` of the provider in `jwt_authn` (Istio: `payload`; Envoy Gateway: the provider's name).
    pub(crate) metadata_key: String,
    /// The exact `iss` claim. Each pair of `metadataKey` and `issuer` must be unique.
    pub(crate) issuer: String,
    /// Where the groups are: a claim's name, or a list of names for a nested one (`["realm_access", "roles"]`). A dot is a
    /// part of a name. The claim is a list of groups, or a string, which is one group unless `groupsSeparator` says
    /// otherwise. Omitted means no groups.
    #[serde(default)]
    pub(crate) groups_claim: Option<ClaimPath>,
    /// The same where several claims have groups, in place of `groupsClaim`: those of all of them count
    /// (`["groups", ["realm_access", "roles"]]`).
    #[serde(default)]
    pub(crate) groups_claims: Option<Vec<ClaimPath>>,
    /// Whether a groups claim may be an object, whose members' names are groups, as Zitadel writes roles
    /// (`{"research": {"orgId": "domain"}}`). Else an object has no groups.
    #[serde(default)]
    pub(crate) groups_from_member_names: bool,
    /// What stands between the groups where their claim is a string, such as `,`. White space around each is cut off, and
    /// elements of a list are never split. Omitted means none, so that the string is one group; in a claim `scope` or `scp`
    /// a space, as RFC 8693, section 4.2, has it.
    #[serde(default)]
    pub(crate) groups_separator: Option<String>,
    /// If `true`, a token without an `exp` is refused. `jwt_authn` accepts such a token forever.
    #[serde(default = "required")]
    pub(crate) require_expiration: bool,
    /// The claim with the tenant's name: a string, or a list of one string. Several names, any other value (including
    /// an empty list), and a name that is not in `tenants` are refused.
    #[serde(default)]
    pub(crate) tenant_claim: Option<ClaimPath>,
    /// The claim with the user's name. It is read only if `fairness.from` is `user`.
    #[serde(default)]
    pub(crate) user_claim: Option<ClaimPath>,
    /// Rules that map a group to a tenant, for tokens without a tenant claim. The first rule whose group the token has
    /// applies.
    #[serde(default)]
    pub(crate) tenant_from_group: Vec<TenantFromGroupConfig>,
    /// The tenant of tokens without a tenant claim and without such a group. Omitted means refused.
    #[serde(default)]
    pub(crate) default_tenant: Option<String>,
    /// A prefix for each group of this issuer, so that the groups of two issuers cannot be confused.
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
    /// The group, including `groupPrefix`.
    pub(crate) group: String,
    /// The tenant of the group's members: a name in `tenants`.
    pub(crate) tenant: String,
}

/// The callers that may use a model: members of `groups`, or all callers that `access` allows.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelConfig {
    /// The groups whose members may use the model. `[]` allows no caller.
    #[serde(default)]
    pub(crate) groups: Option<Vec<String>>,
    /// Access without a list of groups.
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

/// Access without a list of groups.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum AccessConfig {
    /// Every client, even without a credential.
    Anonymous,
    /// Every identified caller.
    Authenticated,
}

/// The header in which a gateway in front repeats the model.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelHeaderConfig {
    /// The name of the header.
    pub(crate) name: String,
    /// If `true`, requests without the header are refused.
    #[serde(default)]
    pub(crate) required: bool,
}

/// Headers with which a client could steer a scheduler, a router, a server or Envoy. They are removed from the headers
/// and trailers of every request. Names are compared without regard to case, with `_` read as `-`. A name that ends in
/// `*` is a prefix.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HeadersConfig {
    /// Headers to remove in addition to [the list](#headers).
    #[serde(default)]
    pub(crate) strip: Vec<String>,
    /// Headers of [the list](#headers) to let pass, because a filter in front of this one sets them. Headers that this
    /// filter sets cannot be allowed.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    /// Headers that carry the tenant's name beside `x-tollgate-tenant`, for a filter that drops other headers than its own:
    /// a request that Envoy AI Gateway retries keeps `x-ai-eg-tenant`. They are removed from clients' requests.
    #[serde(default)]
    pub(crate) tenant: Vec<String>,
}

/// Members of a body, besides `model`, that make servers choose models, hosts, workers, queues, credentials or code.
/// Names are compared without regard to case. A name that ends in `*` is a prefix.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BodyConfig {
    /// Members to refuse in addition to [the list](#members). `model`, `stream` and `stream_options` cannot be refused.
    #[serde(default)]
    pub(crate) deny: Vec<String>,
    /// Members of [the list](#members) to let pass unread. Models that they name are no longer checked.
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
    /// The method in upper case.
    pub(crate) method: String,
    /// The exact path, without a query and without escapes.
    pub(crate) path: String,
    /// If `true`, the request may have a body. The body passes unread: its model is not checked and its tokens are not
    /// counted. If `false`, a request with a body is refused with `body_not_allowed`.
    #[serde(default)]
    pub(crate) body: bool,
    /// The groups whose members may use the path.
    pub(crate) groups: Vec<String>,
}

/// A path that needs no identity.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PublicPathConfig {
    /// The method in upper case.
    pub(crate) method: String,
    /// The exact path, without a query and without escapes.
    pub(crate) path: String,
    /// If `true`, the request may have a body. The body passes unread: its model is not checked and its tokens are not
    /// counted. If `false`, a request with a body is refused with `body_not_allowed`.
    #[serde(default)]
    pub(crate) body: bool,
}

/// The source of the fairness id.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FairnessConfig {
    /// The source of the fairness id.
    pub(crate) from: FairnessFrom,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum FairnessFrom {
    /// The tenant's name.
    Tenant,
    /// The key's `id`; for a token, the tenant's name.
    Key,
    /// For a token, its `userClaim`; for `trustedHeaders`, the principal; for a key, or without such a value, the
    /// tenant's name.
    User,
    /// The first value of this attribute of `trustedHeaders`; without one, the tenant's name.
    Attribute(String),
}

/// The effect of refusals for identity or model.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum ModeConfig {
    /// Requests are refused.
    Enforce,
    /// Refusals are counted and logged, and the requests pass.
    Audit,
    /// Neither identity nor model is a reason to refuse a request.
    Open,
}

#[cfg(test)]
mod tests;

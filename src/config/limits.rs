//! `limits`, `reserve` and `weights`: how much a tenant, a key, a user may ask for.

use serde::Deserialize;

/// One limit. Exactly one of `requests`, `tokens`, `inputTokens`, `outputTokens` and `concurrent`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LimitConfig {
    /// Its name in metrics, replies and the store, unique. Same characters as a tenant's name. What is counted belongs to
    /// the name: a limit under a new name begins anew.
    pub(crate) id: String,
    /// For whom it counts apart: `tenant`, `group`, `key`, `user`, `model`, or a list of them. A user is a user of a
    /// tenant. All callers of a tenant who have no key, or no user, share an account; so do all without an identity.
    pub(crate) per: PerConfig,
    /// Requests in the window.
    #[serde(default)]
    pub(crate) requests: Option<u64>,
    /// Tokens of input and output in the window, by their weights.
    #[serde(default)]
    pub(crate) tokens: Option<u64>,
    /// Tokens of the input in the window, by their weights.
    #[serde(default)]
    pub(crate) input_tokens: Option<u64>,
    /// Tokens of the output in the window, by their weights.
    #[serde(default)]
    pub(crate) output_tokens: Option<u64>,
    /// Requests that may be served at once. It takes no window.
    #[serde(default)]
    pub(crate) concurrent: Option<u64>,
    /// The window. In `minute` and `hour` what was used comes back evenly; `day` and `month` are those of the calendar.
    #[serde(default)]
    pub(crate) window: Option<WindowConfig>,
    /// The offset from UTC that the calendar is read in, as `+01:00`. For `day` and `month`. Omitted means `+00:00`.
    #[serde(default)]
    pub(crate) utc_offset: Option<String>,
    /// How long the counts are kept. `month` needs `untilRestart`: the counts are in the memory of one proxy, and a month
    /// is longer than most proxies run. Where that is not enough, let the rate limit service keep the budget.
    #[serde(default)]
    pub(crate) keeps: Option<KeepsConfig>,
    /// Only for these tenants: names in `tenants`. Omitted means all.
    #[serde(default)]
    pub(crate) tenants: Vec<String>,
    /// Only for these keys: ids in `keys`. Omitted means all callers.
    #[serde(default)]
    pub(crate) keys: Vec<String>,
    /// Only for callers in one of these groups. Omitted means all.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Only for these models: names, `prefix*` or `*`. Omitted means all.
    #[serde(default)]
    pub(crate) models: Vec<String>,
    /// Only for these operations, as the `operation` label has them. Omitted means those whose body names a model.
    #[serde(default)]
    pub(crate) operations: Vec<String>,
    /// Whether its refusals stand. Omitted means `enforce`.
    #[serde(default)]
    pub(crate) mode: Option<LimitModeConfig>,
    /// What becomes of requests while the counts cannot be read or written. Omitted means `open`.
    #[serde(default)]
    pub(crate) failure: Option<FailureConfig>,
}

/// One name, or several.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "expected `tenant`, `group`, `key`, `user` or `model`, or a list of them"
)]
pub(crate) enum PerConfig {
    One(DimensionConfig),
    Several(Vec<DimensionConfig>),
}

/// What a limit tells apart.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum DimensionConfig {
    Tenant,
    Group,
    Key,
    User,
    Model,
}

/// The span that a limit counts over.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum WindowConfig {
    Minute,
    Hour,
    Day,
    Month,
}

/// How long counts are kept.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum KeepsConfig {
    /// Until Envoy restarts.
    UntilRestart,
}

/// Whether the refusals of a limit stand.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum LimitModeConfig {
    /// They stand.
    Enforce,
    /// They are counted and logged, and the request passes.
    Audit,
}

/// What becomes of requests that cannot be counted.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum FailureConfig {
    /// They pass, and `tollgate_limit_failures_total` counts them.
    Open,
    /// They are refused with `limits_unavailable`.
    Closed,
}

/// What limits on tokens set aside for a request until its reply tells what it did cost.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReserveConfig {
    /// Tokens of output of a request that names no maximum, as far as they are left. 1 to 10,000,000.
    #[serde(default)]
    pub(crate) output_tokens: Option<u64>,
    /// Bytes of text that make a token of input. 1 to 100.
    #[serde(default)]
    pub(crate) bytes_per_token: Option<u64>,
    /// Other values for some models. The first entry that has the model counts.
    #[serde(default)]
    pub(crate) models: Vec<ReserveOfModelsConfig>,
}

/// What is set aside for requests of some models.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReserveOfModelsConfig {
    /// The models: names, `prefix*` or `*`.
    pub(crate) models: Vec<String>,
    /// As above. Omitted means what `reserve.outputTokens` is.
    #[serde(default)]
    pub(crate) output_tokens: Option<u64>,
    /// As above. Omitted means what `reserve.bytesPerToken` is.
    #[serde(default)]
    pub(crate) bytes_per_token: Option<u64>,
}

/// How much of a limit on tokens one token uses: 0 to 1000, in thousandths at the finest.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WeightsConfig {
    /// A token of the input that the server did not have in its cache.
    #[serde(default)]
    pub(crate) input: Option<f64>,
    /// A token of the input from the server's cache. Omitted means what `input` is.
    #[serde(default)]
    pub(crate) cached_input: Option<f64>,
    /// A token of the output.
    #[serde(default)]
    pub(crate) output: Option<f64>,
    /// Other weights for some models. The first entry that has the model counts.
    #[serde(default)]
    pub(crate) models: Vec<WeightsOfModelsConfig>,
}

/// How much one token of some models uses.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WeightsOfModelsConfig {
    /// The models: names, `prefix*` or `*`.
    pub(crate) models: Vec<String>,
    /// As above. Omitted means what `weights.input` is.
    #[serde(default)]
    pub(crate) input: Option<f64>,
    /// As above. Omitted means what this entry's `input` is, or else what `weights.cachedInput` is.
    #[serde(default)]
    pub(crate) cached_input: Option<f64>,
    /// As above. Omitted means what `weights.output` is.
    #[serde(default)]
    pub(crate) output: Option<f64>,
}

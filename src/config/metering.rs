//! The section `metering`: how tokens are counted, and where the counts go.

use serde::Deserialize;

use super::Fault;
use crate::access::StreamUsage;
use crate::gateway_counts::GatewayCounts;
use crate::policy::Metering;

/// Longest metadata key of a cost, in bytes.
pub(crate) const MAX_COST_KEY: usize = 128;

/// The handling of streams whose client has not requested usage.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum StreamUsageConfig {
    /// Request usage from the server, and hide the event from the client.
    Inject,
    /// Leave the request unchanged. If the reply has no `usage`, its tokens are estimated at best.
    Observe,
}

/// How tokens are counted, and where the counts go.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MeteringConfig {
    /// Write the counts to filter state, for the access log and Envoy's own rate limit.
    #[serde(default)]
    pub(crate) filter_state: bool,
    /// The filter whose counts are used if the server's are not known.
    #[serde(default)]
    pub(crate) gateway_counts: Option<GatewayCountsConfig>,
    /// The handling of chat and completion streams whose client has not requested usage.
    #[serde(default)]
    pub(crate) stream_usage: Option<StreamUsageConfig>,
    /// Remove `accept-encoding` from inference requests, because the tokens of an encoded reply cannot be counted.
    /// `false` requires `streamUsage: observe`, here and in `models`.
    #[serde(default)]
    pub(crate) strip_accept_encoding: Option<bool>,
    /// Allow `"background": true` in the Responses API, although the tokens of a response that is fetched later cannot
    /// be counted.
    #[serde(default)]
    pub(crate) allow_background: bool,
    /// Further labels of `tollgate_requests_total` and `tollgate_tokens_total`.
    #[serde(default)]
    pub(crate) labels: Vec<LabelConfig>,
}

/// A label that metrics have if the configuration names it.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum LabelConfig {
    /// `key`: the key's `id`, or `unknown` without a key. The first 1,000 keys that are used after a start of Envoy have a
    /// label of their own, the others share `other`. A key has a series for each model, operation and outcome.
    Key,
}

/// `{"aiGateway": {"input": "llm_input_token", "output": "llm_output_token"}}` or `"aiProtocolManager"`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum GatewayCountsConfig {
    /// The counts of Envoy AI Gateway, by the `metadataKey` of its costs.
    AiGateway(CostKeys),
    /// The counts of Envoy's own filter of that name.
    AiProtocolManager,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CostKeys {
    /// The `metadataKey` of the cost of type `InputToken`.
    pub(crate) input: String,
    /// The `metadataKey` of the cost of type `OutputToken`.
    pub(crate) output: String,
}

impl From<StreamUsageConfig> for StreamUsage {
    fn from(written: StreamUsageConfig) -> Self {
        match written {
            StreamUsageConfig::Inject => Self::Inject,
            StreamUsageConfig::Observe => Self::Observe,
        }
    }
}

impl MeteringConfig {
    /// The settings for all models, and the default of `streamUsage` for models without their own.
    pub(super) fn compile(self, faults: &mut Vec<Fault>) -> (Metering, StreamUsage, bool) {
        let metering = Metering {
            filter_state: self.filter_state,
            gateway_counts: self
                .gateway_counts
                .map_or_else(GatewayCounts::default, |counts| counts.compile(faults)),
            strip_accept_encoding: self.strip_accept_encoding.unwrap_or(true),
            key_label: self.labels.contains(&LabelConfig::Key),
        };
        let stream_usage = self.stream_usage.map(StreamUsage::from);
        let stream_usage = stream_usage.unwrap_or_default();
        (metering, stream_usage, self.allow_background)
    }
}

impl GatewayCountsConfig {
    fn compile(self, faults: &mut Vec<Fault>) -> GatewayCounts {
        let keys = match self {
            Self::AiProtocolManager => return GatewayCounts::AiProtocolManager,
            Self::AiGateway(keys) => keys,
        };
        let mut key = |field, key: String| {
            if !(1..=MAX_COST_KEY).contains(&key.len())
                || !key.bytes().all(|byte| byte.is_ascii_graphic())
            {
                faults.push(Fault::new(
                    format!("metering.gatewayCounts.aiGateway.{field}"),
                    "expected 1 to 128 visible ASCII characters",
                ));
            }
            key.into_boxed_str()
        };
        GatewayCounts::AiGateway {
            input: key("input", keys.input),
            output: key("output", keys.output),
        }
    }
}

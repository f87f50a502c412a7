//! What is done to count tokens, whose counts stand in, and what is done with them.

use serde::Deserialize;

use super::Fault;
use crate::access::StreamUsage;
use crate::gateway_counts::GatewayCounts;
use crate::policy::Metering;

/// Longest metadata key of a cost, in bytes.
pub(crate) const MAX_COST_KEY: usize = 128;

/// What is done about the usage of a stream that the client has not asked for.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum StreamUsageConfig {
    /// Ask the server for it, and hide the event from the client.
    Inject,
    /// Leave the request as it is. Without `usage` in the reply there is an estimate at best.
    Observe,
}

/// What is done to count tokens, and with the counts.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MeteringConfig {
    /// Write the counts to filter state, for the access log and Envoy's own rate limit.
    #[serde(default)]
    pub(crate) filter_state: bool,
    /// Whose counts stand in where the server's are not known.
    #[serde(default)]
    pub(crate) gateway_counts: Option<GatewayCountsConfig>,
    /// What is done about chat and completion streams whose client has not asked for their usage.
    #[serde(default)]
    pub(crate) stream_usage: Option<StreamUsageConfig>,
    /// Remove `accept-encoding` from requests for inference: an encoded reply cannot be counted. `false` needs
    /// `streamUsage: observe`, here and in `models`.
    #[serde(default)]
    pub(crate) strip_accept_encoding: Option<bool>,
    /// Let the Responses API be asked with `"background": true`, although nothing can be counted of an answer that is
    /// fetched later.
    #[serde(default)]
    pub(crate) allow_background: bool,
}

/// `{"aiGateway": {"input": "llm_input_token", "output": "llm_output_token"}}` or `"aiProtocolManager"`.
#[derive(Deserialize)]
#[cfg_attr(feature = "command", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum GatewayCountsConfig {
    /// Those of Envoy AI Gateway, by the `metadataKey` of its costs.
    AiGateway(CostKeys),
    /// Those of Envoy's own filter of that name.
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
    /// What holds for all models, and what is done for those that do not say otherwise.
    pub(super) fn compile(self, faults: &mut Vec<Fault>) -> (Metering, StreamUsage, bool) {
        let metering = Metering {
            filter_state: self.filter_state,
            gateway_counts: self
                .gateway_counts
                .map_or_else(GatewayCounts::default, |counts| counts.compile(faults)),
            strip_accept_encoding: self.strip_accept_encoding.unwrap_or(true),
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

//! What is done with the counts, and whose counts are asked for.

use serde::Deserialize;

use super::Fault;
use crate::gateway_counts::GatewayCounts;

/// What is done with the counts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MeteringConfig {
    /// Write the counts to filter state, for the access log and Envoy's own rate limit.
    #[serde(default)]
    pub(crate) filter_state: bool,
    /// Whose counts are used where the server's are not known. Omitted means Envoy AI Gateway's, under its usual keys.
    #[serde(default)]
    pub(crate) gateway_counts: Option<GatewayCountsConfig>,
}

/// `{"aiGateway": {"input": "llm_input_token", "output": "llm_output_token"}}` or `"aiProtocolManager"`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum GatewayCountsConfig {
    /// The metadata keys of its costs.
    AiGateway(CostKeys),
    AiProtocolManager,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CostKeys {
    /// The key of the cost of type `InputToken`.
    pub(crate) input: String,
    /// The key of the cost of type `OutputToken`.
    pub(crate) output: String,
}

impl MeteringConfig {
    pub(super) fn gateway_counts(self, faults: &mut Vec<Fault>) -> GatewayCounts {
        let keys = match self.gateway_counts {
            None => return GatewayCounts::default(),
            Some(GatewayCountsConfig::AiProtocolManager) => {
                return GatewayCounts::AiProtocolManager;
            }
            Some(GatewayCountsConfig::AiGateway(keys)) => keys,
        };
        let mut key = |field, key: String| {
            if !(1..=128).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
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

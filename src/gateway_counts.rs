//! Token counts that another filter of the same Envoy stored in dynamic metadata, which clients cannot write.
//!
//! Two filters store counts: Envoy AI Gateway, and Envoy's own `ai_protocol_manager`. Neither has counts for a stream
//! that was cut.

use crate::attribute::Attribute;
use crate::usage::MAX_COUNT;

const AI_GATEWAY: [&str; 3] = ["metadata", "filter_metadata", "io.envoy.ai_gateway"];
const AI_PROTOCOL_MANAGER: [&str; 3] =
    ["metadata", "typed_filter_metadata", "envoy.ai.token_usage"];
/// `COMPLETE` of `envoy.data.ai.v3.TokenUsage.ExtractionStatus`.
const COMPLETE: u64 = 1;

/// The place of another filter's counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayCounts {
    /// The namespace of Envoy AI Gateway. Its operator chooses the keys (`llmRequestCosts[].metadataKey`). The defaults
    /// are those of its examples.
    AiGateway {
        /// The key of the cost of type `InputToken`.
        input: Box<str>,
        /// The key of the cost of type `OutputToken`.
        output: Box<str>,
    },
    /// The typed metadata of Envoy's `ai_protocol_manager`.
    AiProtocolManager,
}

impl Default for GatewayCounts {
    fn default() -> Self {
        Self::AiGateway {
            input: "llm_input_token".into(),
            output: "llm_output_token".into(),
        }
    }
}

/// The counts of the other filter. Both sides have the inclusive meaning of [`Usage`](crate::usage::Usage).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayCount {
    /// Tokens of the prompt.
    pub input: Option<u64>,
    /// Generated tokens.
    pub output: Option<u64>,
}

impl GatewayCounts {
    /// Looks the counts up with `attribute`, which reads Envoy's attributes of the request. One read if there are none.
    pub fn read(&self, attribute: &dyn Fn(&[&str]) -> Attribute) -> Option<GatewayCount> {
        let count = match self {
            Self::AiGateway { input, output } => {
                let [metadata, kind, namespace] = AI_GATEWAY;
                let read = |key| whole(attribute(&[metadata, kind, namespace, key]).word()?);
                GatewayCount {
                    input: Some(read(input)?),
                    output: read(output),
                }
            }
            Self::AiProtocolManager => {
                let [metadata, kind, namespace] = AI_PROTOCOL_MANAGER;
                let read = |field| {
                    attribute(&[metadata, kind, namespace, field])
                        .word()
                        .map(u64::from_le_bytes)
                };
                if read("extraction_status")? != COMPLETE {
                    return None;
                }
                let count = |field| read(field).map(|count| count.min(MAX_COUNT));
                GatewayCount {
                    input: count("input_tokens"),
                    output: count("output_tokens"),
                }
            }
        };
        // AI Gateway writes zeros for missing counts.
        let nothing = count.input.unwrap_or(0) == 0 && count.output.unwrap_or(0) == 0;
        (!nothing).then_some(count)
    }
}

/// A count from a number in metadata, which is a float. A number with a fraction or a sign, or above the limit for a
/// request, is not a count. So a text of eight visible characters, which Envoy provides just like a number, is never a
/// count.
fn whole(bytes: [u8; 8]) -> Option<u64> {
    let number = f64::from_le_bytes(bytes);
    if !(0.0..=f64::from(i32::MAX)).contains(&number) || number.fract() != 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, not negative and within 32 bits"
    )]
    let count = number as u64;
    Some(count)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    type Values<'a> = &'a [(&'a str, Attribute)];

    /// The result for these values, by the last part of their paths, and the number of reads.
    fn read(counts: &GatewayCounts, place: &[&str], values: Values) -> (Option<GatewayCount>, u32) {
        let reads = Cell::new(0_u32);
        let count = counts.read(&|path: &[&str]| {
            reads.set(reads.get().saturating_add(1));
            let (key, before) = path.split_last().expect("a path");
            let value = values.iter().find(|(name, _)| name == key);
            match value.filter(|_| before == place) {
                Some((_, Attribute::Value(bytes))) => Attribute::Value(bytes.clone()),
                Some((_, Attribute::Null)) => Attribute::Null,
                Some((_, Attribute::Unreadable)) => Attribute::Unreadable,
                Some((_, Attribute::Absent)) | None => Attribute::Absent,
            }
        });
        (count, reads.get())
    }

    fn float(number: f64) -> Attribute {
        Attribute::Value(number.to_le_bytes().to_vec())
    }

    fn integer(number: u64) -> Attribute {
        Attribute::Value(number.to_le_bytes().to_vec())
    }

    #[allow(clippy::unnecessary_wraps, reason = "rows read better so")]
    fn counted(input: Option<u64>, output: Option<u64>) -> Option<GatewayCount> {
        Some(GatewayCount { input, output })
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn reads_what_ai_gateway_left() {
        for (name, values, expected) in [
            ("nothing", &[][..], (None, 1)),
            (
                "both",
                &[
                    ("llm_input_token", float(11.0)),
                    ("llm_output_token", float(7.0)),
                ],
                (counted(Some(11), Some(7)), 2),
            ),
            (
                "one cost of two configured",
                &[("llm_input_token", float(11.0))],
                (counted(Some(11), None), 2),
            ),
            (
                "only the output: the first read decides",
                &[("llm_output_token", float(7.0))],
                (None, 1),
            ),
            (
                "zeros for a reply that it could not read",
                &[
                    ("llm_input_token", float(0.0)),
                    ("llm_output_token", float(0.0)),
                ],
                (None, 2),
            ),
            (
                "embeddings",
                &[
                    ("llm_input_token", float(4.0)),
                    ("llm_output_token", float(0.0)),
                ],
                (counted(Some(4), Some(0)), 2),
            ),
            (
                "more than a request can have",
                &[("llm_input_token", float(2_147_483_648.0))],
                (None, 1),
            ),
            (
                "as much as one can have",
                &[("llm_input_token", float(2_147_483_647.0))],
                (counted(Some(MAX_COUNT), None), 2),
            ),
            ("negative", &[("llm_input_token", float(-1.0))], (None, 1)),
            ("a fraction", &[("llm_input_token", float(1.5))], (None, 1)),
            (
                "infinity",
                &[("llm_input_token", float(f64::INFINITY))],
                (None, 1),
            ),
            (
                "not a number",
                &[("llm_input_token", float(f64::NAN))],
                (None, 1),
            ),
            (
                "a text of eight bytes",
                &[("llm_input_token", Attribute::Value(b"12345678".to_vec()))],
                (None, 1),
            ),
            (
                "a text",
                &[("llm_input_token", Attribute::Value(b"11".to_vec()))],
                (None, 1),
            ),
            ("null", &[("llm_input_token", Attribute::Null)], (None, 1)),
            (
                "refused",
                &[("llm_input_token", Attribute::Unreadable)],
                (None, 1),
            ),
        ] {
            let found = read(&GatewayCounts::default(), &AI_GATEWAY, values);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn reads_the_keys_that_the_operator_of_ai_gateway_chose() {
        let counts = GatewayCounts::AiGateway {
            input: "in".into(),
            output: "out".into(),
        };
        let values = [("in", float(3.0)), ("out", float(2.0))];
        let found = read(&counts, &AI_GATEWAY, &values);
        assert_eq!(found, (counted(Some(3), Some(2)), 2));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn reads_what_the_ai_protocol_manager_extracted_whole() {
        for (name, values, expected) in [
            ("nothing", &[][..], (None, 1)),
            (
                "whole",
                &[
                    ("extraction_status", integer(1)),
                    ("input_tokens", integer(11)),
                    ("output_tokens", integer(7)),
                ],
                (counted(Some(11), Some(7)), 3),
            ),
            (
                "partial",
                &[
                    ("extraction_status", integer(2)),
                    ("input_tokens", integer(11)),
                ],
                (None, 1),
            ),
            ("failed", &[("extraction_status", integer(3))], (None, 1)),
            (
                "input only",
                &[
                    ("extraction_status", integer(1)),
                    ("input_tokens", integer(u64::MAX)),
                ],
                (counted(Some(MAX_COUNT), None), 3),
            ),
        ] {
            let found = read(
                &GatewayCounts::AiProtocolManager,
                &AI_PROTOCOL_MANAGER,
                values,
            );
            assert_eq!(found, expected, "{name}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn no_visible_text_reads_as_a_count() {
        // The last two bytes determine the magnitude.
        let visible = || b' '..=b'~';
        for last in visible() {
            for before in visible() {
                for other in [b' ', b'0', b'A', b'~'] {
                    let mut text = [other; 8];
                    text[6..].copy_from_slice(&[before, last]);
                    assert_eq!(whole(text), None, "{}", text.escape_ascii());
                }
            }
        }
    }
}

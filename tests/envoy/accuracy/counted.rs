//! What Tollgate tells its operator of one replay.

use std::fmt;

use serde_json::Value;

use crate::harness::Series;

/// What the filter says of one replay, in the access log and in the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// `usage_source`.
    pub(super) source: String,
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) charge: u64,
    /// By how much the metrics moved.
    pub(super) cached: u64,
    pub(super) reasoning: u64,
    /// `reason` of `tollgate_usage_missing_total`.
    pub(super) missing: Option<String>,
    pub(super) outcome: String,
    pub(super) denial: Option<String>,
    /// Whether the request's body was read for a model: where it was not, nothing is metered.
    pub(super) judged: bool,
    /// The first count in which access log and metrics disagree.
    pub(super) contradiction: Option<String>,
}

impl fmt::Display for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [input, output] = [self.input, self.output].map(told);
        let missing = self.missing.as_deref().unwrap_or("nothing");
        write!(
            formatter,
            "{} {input}/{output} (cached {}, reasoning {}, charged {}, missing {missing}, {})",
            self.source, self.cached, self.reasoning, self.charge, self.outcome
        )
    }
}

/// A number that was counted; `-` where none was.
pub(super) fn told(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

impl Counted {
    pub(super) fn read(entry: &Value, series: &[(Series, f64)]) -> Self {
        let text = |field: &str| entry[field].as_str().map(str::to_owned);
        let number = |field: &str| text(field).map(|text| text.parse::<u64>().unwrap());
        let moved = |name: &str, kind: &str| -> u64 {
            let matching = series.iter().filter(|(series, _)| {
                let of_kind = series.labels.get("type").is_some_and(|it| it == kind);
                series.name == name && of_kind
            });
            // Counters hold whole numbers.
            matching
                .map(|(_, value)| format!("{value}").parse::<u64>().unwrap())
                .sum()
        };
        let (input, output) = (number("input_tokens"), number("output_tokens"));
        let contradiction = [("input", input), ("output", output)]
            .into_iter()
            .map(|(kind, logged)| (kind, logged, moved("tollgate_tokens_total", kind)))
            .find(|(_, logged, moved)| logged.unwrap_or(0) != *moved)
            .map(|(kind, logged, moved)| {
                format!("{kind} {logged:?} in the log, {moved} in metrics")
            });
        let missing = series
            .iter()
            .find(|(series, _)| series.name == "tollgate_usage_missing_total");
        Self {
            source: text("usage_source").unwrap_or_default(),
            input,
            output,
            charge: number("charge_tokens").unwrap_or_default(),
            cached: moved("tollgate_token_details_total", "cached_input"),
            reasoning: moved("tollgate_token_details_total", "reasoning"),
            missing: missing.map(|(series, _)| series.labels["reason"].clone()),
            outcome: text("outcome").unwrap_or_default(),
            denial: text("denial"),
            judged: text("model").is_some(),
            contradiction,
        }
    }
}

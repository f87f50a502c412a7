//! Names, labels and bounds of all metrics.
//!
//! Envoy's stats have no labels of their own. A name such as `tenant=.=acme;.;model=.=m;.;tollgate_tokens_total`, labels
//! first, becomes a Prometheus series with labels through the tag regexes that the bootstraps in `envoy/` carry. Envoy
//! never forgets a series, so every label value comes from the configuration or from a bounded set.

use std::fmt::Write as _;
use std::rc::Rc;

use rustc_hash::FxHashSet;

/// A label value: cheap to clone, safe by construction (see [`Labels`]).
pub type Label = Rc<str>;

/// Stands for a tenant or model that is not known.
pub const UNKNOWN: &str = "unknown";
/// Stands for a caller without an identity.
pub const ANONYMOUS: &str = "anonymous";
/// Stands for what does not fit the bounded set of label values.
pub const OTHER: &str = "other";

/// Model names beyond the configured ones (they match a `prefix*` or `*`) that get a label of their own.
pub(crate) const MAX_FURTHER_MODELS: usize = 100;

/// How Envoy keeps a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Is set.
    Gauge,
    /// Takes observations.
    Histogram,
}

/// A metric: `tollgate_` and the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Requests by how they ended.
    Requests,
    /// Tokens that servers reported.
    Tokens,
    /// Parts of the tokens above: cached input, cache creation, reasoning.
    TokenDetails,
    /// Tokens guessed from what was seen, never mixed with reported ones.
    EstimatedTokens,
    /// Generating requests without final usage, by reason.
    UsageMissing,
    /// Requests of which another filter counted other tokens than the server reported.
    UsageDisagreements,
    /// Requests that Envoy sent to the upstream more than once.
    RetriedRequests,
    /// Refusals by code, those that `mode: audit` only notes included.
    Denials,
    /// From the request's headers to the first generated content, in milliseconds.
    TimeToFirstToken,
    /// From the request's headers to the end, in milliseconds.
    RequestDuration,
    /// Between two generated tokens on average, in milliseconds.
    TimePerOutputToken,
    /// Label values folded into `other`.
    LabelOverflow,
    /// Keys in the configuration.
    ConfiguredKeys,
    /// Tenants in the configuration.
    ConfiguredTenants,
    /// The first 32 bits of the configuration's SHA-256: equal on all gateways that run the same one.
    ConfigHash,
    /// When the next key expires, in seconds since the epoch, as it was when the configuration was taken up; 0 for never.
    NextKeyExpiry,
    /// Whether refusals stand: 0 `enforce`, 1 `audit`, 2 `open`.
    Mode,
}

impl Metric {
    /// The name that Prometheus shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "tollgate_requests_total",
            Self::Tokens => "tollgate_tokens_total",
            Self::TokenDetails => "tollgate_token_details_total",
            Self::EstimatedTokens => "tollgate_estimated_tokens_total",
            Self::UsageMissing => "tollgate_usage_missing_total",
            Self::UsageDisagreements => "tollgate_usage_disagreements_total",
            Self::RetriedRequests => "tollgate_retried_requests_total",
            Self::Denials => "tollgate_denials_total",
            Self::TimeToFirstToken => "tollgate_time_to_first_token_milliseconds",
            Self::RequestDuration => "tollgate_request_duration_milliseconds",
            Self::TimePerOutputToken => "tollgate_time_per_output_token_milliseconds",
            Self::LabelOverflow => "tollgate_label_overflow_total",
            Self::ConfiguredKeys => "tollgate_configured_keys",
            Self::ConfiguredTenants => "tollgate_configured_tenants",
            Self::ConfigHash => "tollgate_config_hash",
            Self::NextKeyExpiry => "tollgate_next_key_expiry_seconds",
            Self::Mode => "tollgate_mode",
        }
    }

    /// How Envoy keeps it.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::TimeToFirstToken | Self::RequestDuration | Self::TimePerOutputToken => {
                Kind::Histogram
            }
            Self::ConfiguredKeys
            | Self::ConfiguredTenants
            | Self::ConfigHash
            | Self::NextKeyExpiry
            | Self::Mode => Kind::Gauge,
            _ => Kind::Counter,
        }
    }
}

/// One time series: a metric with its label values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    metric: Metric,
    labels: [Option<(&'static str, Label)>; 4],
}

impl Series {
    /// The series of `metric` without labels.
    #[must_use]
    pub const fn new(metric: Metric) -> Self {
        Self {
            metric,
            labels: [const { None }; 4],
        }
    }

    /// The same with one more label. A series has at most four.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: &Label) -> Self {
        if let Some(free) = self.labels.iter_mut().find(|label| label.is_none()) {
            *free = Some((label, Rc::clone(value)));
        }
        self
    }

    /// The metric.
    #[must_use]
    pub const fn metric(&self) -> Metric {
        self.metric
    }

    /// The name in Envoy's stats: labels first, so that the tag regexes leave the bare metric name behind.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = String::with_capacity(128);
        for (label, value) in self.labels.iter().flatten() {
            // Writing to a String cannot fail.
            let _ = write!(name, "{label}=.={value};.;");
        }
        name.push_str(self.metric.name());
        name
    }
}

/// One change of one series: an increment, an observation or a gauge's new value, by the metric's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Which series.
    pub series: Series,
    /// By how much.
    pub value: u64,
}

/// Keeps the number of `model` label values bounded for the life of the process, as Envoy keeps the series.
#[derive(Debug, Default)]
pub struct Labels {
    further_models: FxHashSet<Label>,
}

impl Labels {
    /// The label of a model that the caller may use. A configured name is its own label, always; other names have a
    /// label of their own up to a bound. `None` where the bound is reached.
    pub fn model(&mut self, name: &str, configured: bool) -> Option<Label> {
        if configured {
            return Some(name.into());
        }
        if let Some(label) = self.further_models.get(name) {
            return Some(Rc::clone(label));
        }
        if self.further_models.len() >= MAX_FURTHER_MODELS {
            return None;
        }
        let label: Label = name.into();
        self.further_models.insert(Rc::clone(&label));
        Some(label)
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn series_names_have_their_labels_first() {
        let series = Series::new(Metric::Tokens)
            .with("tenant", &"acme".into())
            .with("model", &"llama-3.1/8b".into());
        assert_eq!(
            series.name(),
            "tenant=.=acme;.;model=.=llama-3.1/8b;.;tollgate_tokens_total"
        );
        assert_eq!(
            Series::new(Metric::ConfiguredKeys).name(),
            "tollgate_configured_keys"
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn labels_are_bounded_but_configured_names_are_never_folded() {
        let mut labels = Labels::default();
        for index in 0..MAX_FURTHER_MODELS {
            assert!(
                labels.model(&format!("lora-{index}"), false).is_some(),
                "name {index} fits"
            );
        }
        assert_eq!(labels.model("one-more", false), None);
        assert_eq!(labels.model("lora-7", false).as_deref(), Some("lora-7"));
        assert_eq!(
            labels.model("configured", true).as_deref(),
            Some("configured")
        );
    }
}

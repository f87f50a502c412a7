//! Names, labels and bounds of all metrics.
//!
//! Envoy's stats have no labels of their own. A name such as `tenant=.=acme;.;model=.=m;.;tollgate_tokens_total`, labels
//! first, becomes a Prometheus series with labels through the tag regexes that the bootstraps in `envoy/` carry. Envoy
//! forgets no series while the module runs, so every label value comes from the configuration or from a bounded set.

use std::fmt::Write as _;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

/// A label value: cheap to clone, safe by construction (see [`Labels`]).
pub type Label = Rc<str>;

/// Stands for a tenant or model that is not known.
pub const UNKNOWN: &str = "unknown";
/// Stands for a caller without an identity.
pub const ANONYMOUS: &str = "anonymous";
/// Stands for what does not fit the bounded set of label values.
pub const OTHER: &str = "other";

/// Model names beyond the configured ones (they match a `prefix*` or `*`) that get a label of their own, for one tenant:
/// who makes up names folds its own into `other`, and nobody else's.
pub(crate) const MAX_FURTHER_MODELS: usize = 100;

/// The same for all tenants together, each counted with each of its names, as Envoy keeps the series.
pub(crate) const MAX_FURTHER_LABELS: usize = 10_000;

/// How many a tenant gets also beyond that, so that many who make up names take no label from it.
pub(crate) const RESERVED_MODELS: usize = 10;

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

/// A metric. What each says here, when it moves and by what, stands in the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "command", derive(clap::ValueEnum))]
pub enum Metric {
    /// At the end of each request.
    Requests,
    /// By what the server reported, lower bounds included, or else another filter (`usage_source` `reported`, `partial`
    /// or `gateway`). `type` is `input`, which contains cached tokens, or `output`, which contains reasoning.
    Tokens,
    /// By the parts of the above that the server tells. `type` is `cached_input`, `cache_creation_input` or
    /// `reasoning`.
    TokenDetails,
    /// By a guess from the text that passed, where a generating request has no final numbers; for charts, not for
    /// bills. With `partial` both this and `tollgate_tokens_total` move, so do not add them up. `type` is `output`.
    EstimatedTokens,
    /// With each generating request answered 2xx without final numbers.
    UsageMissing,
    /// With each request of which the server reported one count and another filter found another one; the server's is
    /// used.
    UsageDisagreements,
    /// With each request that names a model and that Envoy sent to a server more than once. Only the last attempt's
    /// tokens are seen.
    RetriedRequests,
    /// With each denial; with `mode: audit`, with each that would have been one.
    Denials,
    /// With the first generated text of a streamed reply: the time since the request's headers.
    TimeToFirstToken,
    /// At the end of each request that was not denied and names a model in its body: the time since its headers.
    RequestDuration,
    /// The time from the first text of a streamed reply to its end, over the output tokens but one, where they are
    /// known.
    TimePerOutputToken,
    /// With each request whose model was folded into `other`. `label` is `model`.
    LabelOverflow,
    /// With each configuration.
    ConfiguredKeys,
    /// With each configuration.
    ConfiguredTenants,
    /// With each configuration: the first 32 bits of its SHA-256, equal on all gateways that run the same one.
    ConfigHash,
    /// With each configuration: the soonest `expiresAt`, in seconds since the epoch, that lay ahead when the
    /// configuration was taken up; 0 if no key expires. `tollgate_next_key_expiry_seconds - time()` is the time that is
    /// left; once it is negative, that key has expired, and the one after it shows with the next configuration.
    /// Disabled keys do not count.
    NextKeyExpiry,
    /// With each configuration: 0 `enforce`, 1 `audit`, 2 `open`.
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

    /// The names of its labels, in their order.
    #[cfg(feature = "command")]
    #[must_use]
    pub const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Requests => &["tenant", "model", "operation", "outcome"],
            Self::Tokens | Self::TokenDetails | Self::EstimatedTokens => {
                &["tenant", "model", "type"]
            }
            Self::UsageMissing => &["tenant", "model", "reason"],
            Self::UsageDisagreements
            | Self::RetriedRequests
            | Self::TimeToFirstToken
            | Self::RequestDuration
            | Self::TimePerOutputToken => &["tenant", "model"],
            Self::Denials => &["tenant", "code"],
            Self::LabelOverflow => &["label"],
            Self::ConfiguredKeys
            | Self::ConfiguredTenants
            | Self::ConfigHash
            | Self::NextKeyExpiry
            | Self::Mode => &[],
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

/// Keeps the number of `model` label values bounded for the life of the process, as Envoy keeps the series. Tenants come
/// from the configuration, so that there are at most `MAX_FURTHER_LABELS` pairs of tenant and further model, and
/// `RESERVED_MODELS` more for each tenant.
#[derive(Debug, Default)]
pub struct Labels {
    further_models: FxHashMap<Label, FxHashSet<Label>>,
    /// How many there are in all sets.
    count: usize,
}

impl Labels {
    /// The label of a model that a caller of this tenant may use. A configured name is its own label, always; other
    /// names have a label of their own up to a bound. `None` where the bound is reached.
    pub fn model(&mut self, tenant: &Label, name: &str, configured: bool) -> Option<Label> {
        if configured {
            return Some(name.into());
        }
        let models = self.further_models.entry(Rc::clone(tenant)).or_default();
        if let Some(label) = models.get(name) {
            return Some(Rc::clone(label));
        }
        let fits = models.len() < RESERVED_MODELS
            || (models.len() < MAX_FURTHER_MODELS && self.count < MAX_FURTHER_LABELS);
        if !fits {
            return None;
        }
        let label: Label = name.into();
        models.insert(Rc::clone(&label));
        self.count = self.count.saturating_add(1);
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
    fn a_tenant_that_makes_up_names_folds_its_own_and_nobody_elses() {
        let (acme, globex): (Label, Label) = ("acme".into(), "globex".into());
        let mut labels = Labels::default();
        for index in 0..MAX_FURTHER_MODELS {
            let name = format!("lora-{index}");
            assert!(
                labels.model(&acme, &name, false).is_some(),
                "name {index} fits"
            );
        }
        for (name, tenant, model, configured, expected) in [
            ("one more", &acme, "one-more", false, None),
            (
                "one that has a label",
                &acme,
                "lora-7",
                false,
                Some("lora-7"),
            ),
            ("a configured one", &acme, "llama", true, Some("llama")),
            (
                "another tenant's",
                &globex,
                "one-more",
                false,
                Some("one-more"),
            ),
            (
                "another tenant's, the same",
                &globex,
                "lora-7",
                false,
                Some("lora-7"),
            ),
            ("still one more", &acme, "one-more", false, None),
        ] {
            let label = labels.model(tenant, model, configured);
            assert_eq!(label.as_deref(), expected, "{name}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn all_tenants_together_are_bounded_and_each_keeps_a_few() {
        let mut labels = Labels::default();
        let flood = |labels: &mut Labels, tenant: &Label| {
            let names = (0..2 * MAX_FURTHER_MODELS).map(|index| format!("made-up-{index}"));
            names
                .filter(|name| labels.model(tenant, name, false).is_some())
                .count()
        };
        for index in 0..MAX_FURTHER_LABELS / MAX_FURTHER_MODELS {
            let tenant = format!("tenant-{index}").into();
            assert_eq!(flood(&mut labels, &tenant), MAX_FURTHER_MODELS, "{index}");
        }
        assert_eq!(labels.count, MAX_FURTHER_LABELS);
        for name in ["late", "later"] {
            assert_eq!(flood(&mut labels, &name.into()), RESERVED_MODELS, "{name}");
        }
        let configured = labels.model(&"late".into(), "llama", true);
        assert_eq!(configured.as_deref(), Some("llama"));
    }
}

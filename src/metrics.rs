//! The series of all metrics, and the bounds of their labels.
//!
//! Envoy's statistics have no labels. A name such as `tenant=.=acme;.;model=.=m;.;tollgate_tokens_total`, labels first,
//! becomes a Prometheus series with labels through the tag regexes of the bootstraps in `envoy/`. Envoy forgets no
//! series while the module runs, so every label value comes from the configuration or from a bounded set.

mod metric;

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

pub use self::metric::{Kind, Metric};

/// A label value: cheap to make and to clone, safe by construction (see [`Labels`]).
#[derive(Debug, Clone)]
pub enum Label {
    /// One of a closed list.
    Word(&'static str),
    /// A name from the configuration or from a bounded set.
    Name(Rc<str>),
}

impl Label {
    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Name(name) => name,
        }
    }
}

impl From<&'static str> for Label {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

impl From<&Rc<str>> for Label {
    fn from(name: &Rc<str>) -> Self {
        Self::Name(Rc::clone(name))
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Label {}

impl Hash for Label {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// As a string, so that a set of labels can be asked for one.
impl Borrow<str> for Label {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// The label of a tenant or model that is not known.
pub const UNKNOWN: &str = "unknown";
/// The label of a caller without an identity.
pub const ANONYMOUS: &str = "anonymous";
/// The label of models that do not fit the bounded set.
pub const OTHER: &str = "other";

/// The most model names with a label besides the configured ones (they match a `prefix*` or `*`), for one tenant. A
/// tenant that invents names only moves its own models to `other`.
pub(crate) const MAX_FURTHER_MODELS: usize = 100;

/// The same for all tenants together. Each pair of tenant and name counts, because Envoy keeps a series for each.
pub(crate) const MAX_FURTHER_LABELS: usize = 10_000;

/// The number that each tenant gets even beyond that, so that tenants that invent names take no label from it.
pub(crate) const RESERVED_MODELS: usize = 10;

/// The most keys with a label of their own.
pub const MAX_KEY_LABELS: usize = 1000;

/// One time series: a metric with its label values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    metric: Metric,
    labels: [Option<(&'static str, Label)>; 4],
    /// The value of the label `key`, beside the others.
    key: Option<Label>,
}

impl Series {
    /// The series of `metric` without labels.
    #[must_use]
    pub const fn new(metric: Metric) -> Self {
        Self {
            metric,
            labels: [const { None }; 4],
            key: None,
        }
    }

    /// The same with one more label. A series has at most four.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<Label>) -> Self {
        if let Some(free) = self.labels.iter_mut().find(|label| label.is_none()) {
            *free = Some((label, value.into()));
        }
        self
    }

    /// The same with the label `key`, if there is one.
    #[must_use]
    pub fn with_key(mut self, key: Option<&Label>) -> Self {
        self.key = key.cloned();
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
        let key = self.key.as_ref().map(|key| ("key", key));
        let labels = self.labels.iter().flatten();
        for (label, value) in labels.map(|(label, value)| (*label, value)).chain(key) {
            for part in [label, "=.=", value.as_str(), ";.;"] {
                name.push_str(part);
            }
        }
        name.push_str(self.metric.name());
        name
    }
}

/// One update of one series: an increment, an observation or a gauge's new value, depending on the metric's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// The series.
    pub series: Series,
    /// The increment, observation or new value.
    pub value: u64,
}

/// Keeps the number of `model` and `key` label values bounded for the life of the process, as Envoy keeps the series. Tenants come
/// from the configuration, so that there are at most `MAX_FURTHER_LABELS` pairs of tenant and further model, and
/// `RESERVED_MODELS` more for each tenant. Keys come from the configuration too, and there may be many: at most
/// `MAX_KEY_LABELS` have a label.
#[derive(Debug, Default)]
pub struct Labels {
    further_models: FxHashMap<Label, FxHashSet<Label>>,
    /// The number in all sets of models.
    count: usize,
    keys: FxHashSet<Label>,
}

impl Labels {
    /// The label of a model that a caller of this tenant may use, by its escaped name. A configured name is its own label, always; other
    /// names have a label of their own up to a bound. `None` where the bound is reached.
    pub fn model(&mut self, tenant: &Label, name: &str, configured: bool) -> Option<Label> {
        if configured {
            return Some(Label::Name(name.into()));
        }
        let models = self.further_models.entry(tenant.clone()).or_default();
        if let Some(label) = models.get(name) {
            return Some(label.clone());
        }
        let fits = models.len() < RESERVED_MODELS
            || (models.len() < MAX_FURTHER_MODELS && self.count < MAX_FURTHER_LABELS);
        if !fits {
            return None;
        }
        let label = Label::Name(name.into());
        models.insert(label.clone());
        self.count = self.count.saturating_add(1);
        Some(label)
    }

    /// The label of a key, by its ID. `None` where the bound is reached.
    pub fn key(&mut self, id: &Rc<str>) -> Option<Label> {
        let label = Label::from(id);
        if !self.keys.contains(&label) {
            if self.keys.len() >= MAX_KEY_LABELS {
                return None;
            }
            self.keys.insert(label.clone());
        }
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
            .with("tenant", "acme")
            .with("model", "llama-3.1/8b");
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
            assert_eq!(label.as_ref().map(Label::as_str), expected, "{name}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_thousand_keys_have_a_label_and_keep_it() {
        let mut labels = Labels::default();
        let mut label = |index: usize| labels.key(&format!("key-{index}").into()).is_some();
        assert!((0..MAX_KEY_LABELS).all(&mut label));
        assert!(!label(MAX_KEY_LABELS), "one more");
        assert!(label(7), "one that has a label");
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
            let tenant = Label::Name(format!("tenant-{index}").into());
            assert_eq!(flood(&mut labels, &tenant), MAX_FURTHER_MODELS, "{index}");
        }
        assert_eq!(labels.count, MAX_FURTHER_LABELS);
        for name in ["late", "later"] {
            assert_eq!(flood(&mut labels, &name.into()), RESERVED_MODELS, "{name}");
        }
        let configured = labels.model(&"late".into(), "llama", true);
        assert_eq!(configured, Some("llama".into()));
    }
}

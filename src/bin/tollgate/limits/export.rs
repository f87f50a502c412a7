//! Which limits the service can keep, and what it has to know of each.

use std::collections::BTreeMap;

use serde_json::Value;
use tollgate::measure::Measure;
use tollgate::model_name::ModelPattern;
use tollgate::policy::Policy;
use tollgate::quota::{Failure, Limit, Weights, Window};

/// The largest limit of the service.
const LARGEST: u64 = u32::MAX as u64;

/// The entry of a descriptor that names the limit.
pub(super) const LIMIT: &str = "limit";
/// The entry that names the tenant.
pub(super) const TENANT: &str = "tenant";
/// The entry that says that the tenant is one of the limit's.
pub(super) const TENANTS: &str = "tenants";
/// The entry that says that the model is one of the limit's.
pub(super) const MODELS: &str = "models";
/// The value of both.
pub(super) const SELECTED: &str = "selected";
/// The entry that names the model.
pub(super) const MODEL: &str = "model";

/// What is to be exported.
pub(super) struct Export<'p> {
    pub(super) policy: &'p Policy,
    /// Only these; empty for all.
    pub(super) only: &'p [String],
    /// Whether the windows of the service will do.
    pub(super) engine_windows: bool,
    pub(super) domain: &'p str,
}

/// A limit that the service keeps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: String,
    /// Of tokens; else of requests.
    pub(super) is_of_tokens: bool,
    pub(super) amount: u64,
    pub(super) unit: &'static str,
    pub(super) is_audit: bool,
    pub(super) fails_closed: bool,
    /// Whether each tenant has a budget of its own.
    pub(super) per_tenant: bool,
    /// The tenants that it is for; empty for all.
    pub(super) tenants: Vec<String>,
    /// The models that it is for; empty for all.
    pub(super) models: Vec<ModelPattern>,
    /// Whether each model has a budget of its own.
    pub(super) per_model: bool,
}

/// What must hold for a request to be of a limit, before its budget is chosen.
pub(super) struct Gate {
    /// The entry that says so.
    pub(super) key: &'static str,
    /// The names, of which one is enough.
    pub(super) names: Vec<ModelPattern>,
}

impl Kept {
    /// The tenants, where they share a budget, and the models.
    pub(super) fn gates(&self) -> Vec<Gate> {
        let exact = |name: &String| ModelPattern::Exact(name.as_str().into());
        let tenants = Gate {
            key: TENANTS,
            names: if self.per_tenant {
                Vec::new()
            } else {
                self.tenants.iter().map(exact).collect()
            },
        };
        let models = Gate {
            key: MODELS,
            names: self.models.clone(),
        };
        let mut gates = vec![tenants, models];
        gates.retain(|gate| !gate.names.is_empty());
        gates
    }
}

/// Path and message.
type Fault = (String, String);

impl Export<'_> {
    /// The limits, or everything that keeps the service from keeping them. `text` is the configuration.
    pub(super) fn limits(&self, text: &str) -> Result<Vec<Kept>, Vec<Fault>> {
        let configuration: Value = serde_json::from_str(text).unwrap_or_default();
        let written = configuration.get("limits").and_then(Value::as_array);
        let written = written.map_or(&[][..], Vec::as_slice);
        let id = |entry: &Value| entry.get("id").and_then(Value::as_str).map(str::to_owned);
        let mut faults = Vec::new();
        for only in self.only {
            if !written.iter().any(|entry| id(entry).as_ref() == Some(only)) {
                faults.push((
                    "limits".to_owned(),
                    "none has the id that `--limit` says".to_owned(),
                ));
            }
        }
        let compiled: BTreeMap<&str, &Limit> = self
            .policy
            .limits
            .iter()
            .map(|limit| (&*limit.id, limit))
            .collect();
        let mut kept = Vec::new();
        let mut paths = Vec::new();
        for (index, entry) in written.iter().enumerate() {
            let Some(limit) = id(entry).and_then(|id| compiled.get(id.as_str()).copied()) else {
                continue;
            };
            if !self.only.is_empty() && !self.only.iter().any(|only| **only == *limit.id) {
                continue;
            }
            let path = format!("limits[{index}]");
            let offset = entry.get("utcOffset").and_then(Value::as_str);
            let found = self.faults(limit, offset);
            faults.extend(
                found
                    .into_iter()
                    .map(|(field, message)| (format!("{path}{field}"), message)),
            );
            kept.extend(keep(limit));
            paths.push(path);
        }
        if kept.is_empty() && faults.is_empty() {
            faults.push((
                "limits".to_owned(),
                "there is none to export; expected at least one".to_owned(),
            ));
        }
        if kept.iter().any(|limit| limit.is_of_tokens) {
            faults.extend(self.faults_of_tokens());
        }
        if faults.is_empty() {
            faults.extend(mixed_failure(&kept, &paths));
            faults.extend(self.collision(&kept, &paths));
        }
        if faults.is_empty() {
            Ok(kept)
        } else {
            Err(faults)
        }
    }

    /// What of one limit the service cannot keep: the field, and what to do.
    fn faults(&self, limit: &Limit, offset: Option<&str>) -> Vec<(String, String)> {
        let mut faults: Vec<(String, String)> = Vec::new();
        let mut fault = |field: &str, message: String| faults.push((field.to_owned(), message));
        let others = "leave it to the proxies, and name the other limits with `--limit`";
        match limit.measure() {
            Measure::Concurrent => fault(
                ".concurrent",
                format!("only a proxy knows what is in flight; {others}"),
            ),
            Measure::InputTokens | Measure::OutputTokens => fault(
                &format!(".{}", limit.measure().as_str()),
                format!(
                    "Envoy charges `tollgate.charge_tokens`, which is input and output; expected `tokens`, or {others}"
                ),
            ),
            Measure::Requests | Measure::Tokens => {}
        }
        if limit.amount() > LARGEST {
            fault(
                &format!(".{}", limit.measure().as_str()),
                format!(
                    "a limit of the service has 32 bits; expected {LARGEST} at most, as by a shorter window"
                ),
            );
        }
        match limit.window() {
            Some(window @ (Window::Minute | Window::Hour)) if !self.engine_windows => fault(
                ".window",
                format!(
                    "the service's {0} starts anew with the clock, so that twice the limit may pass within one; accept that with `--engine-windows`, or {others}",
                    window.as_str()
                ),
            ),
            Some(Window::Month) if !self.engine_windows => fault(
                ".window",
                format!(
                    "the service's month is 30 days, counted from 1970; accept that with `--engine-windows`, or {others}"
                ),
            ),
            _ => {}
        }
        if offset.is_some_and(|offset| !matches!(offset, "+00:00" | "-00:00")) {
            fault(
                ".utcOffset",
                format!("the service's days are those of UTC; expected no offset, or {others}"),
            );
        }
        let per = limit.per;
        for (is_wanted, name) in [(per.user, "user"), (per.key, "key"), (per.group, "group")] {
            if is_wanted {
                fault(
                    ".per",
                    format!(
                        "no header says the {name}; expected `tenant`, `model` or both, or {others}"
                    ),
                );
            }
        }
        let selection = &limit.selection;
        for (is_selected, field) in [
            (!selection.keys.is_empty(), ".keys"),
            (!selection.groups.is_empty(), ".groups"),
            (!selection.operations.is_empty(), ".operations"),
        ] {
            if is_selected {
                fault(
                    field,
                    format!("no header says it; expected `tenants` or `models`, or {others}"),
                );
            }
        }
        if !self.policy.access.model_header.required {
            for (is_wanted, field) in [
                (per.model, ".per"),
                (!selection.models.is_empty(), ".models"),
            ] {
                if is_wanted {
                    fault(
                        field,
                        format!(
                            "the service is asked before the body is read; expected `modelHeader` with `required: true`, a header in which a gateway in front names the model, or {others}"
                        ),
                    );
                }
            }
        }
        faults
    }

    /// What keeps tokens from being charged at all.
    fn faults_of_tokens(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let weights = &self.policy.limits.weights;
        if weights.all != Weights::default() || !weights.some.is_empty() {
            faults.push((
                "weights".to_owned(),
                "Envoy charges every token as one; expected no weights, or only limits on `requests` named with `--limit`".to_owned(),
            ));
        }
        if !self.policy.metering.filter_state {
            faults.push((
                "metering.filterState".to_owned(),
                "Envoy reads what it charges from filter state; expected `true`".to_owned(),
            ));
        }
        faults
    }

    /// Two budgets that the service would take for one, because it joins all names with `_`.
    fn collision(&self, kept: &[Kept], paths: &[String]) -> Option<Fault> {
        let mut names = Vec::new();
        for (limit, path) in kept.iter().zip(paths) {
            let mut name = format!("{}_{LIMIT}_{}_", self.domain, limit.id);
            for gate in limit.gates() {
                name.push_str(&format!("{}_{SELECTED}_", gate.key));
            }
            let tenants: Vec<&str> = if !limit.per_tenant {
                vec![]
            } else if limit.tenants.is_empty() {
                let all = self.policy.identities.tenants.keys();
                all.map(|name| &**name).collect()
            } else {
                limit.tenants.iter().map(String::as_str).collect()
            };
            // Any text may follow where the model is named.
            let end = if limit.per_model {
                format!("{MODEL}_")
            } else {
                String::new()
            };
            if tenants.is_empty() {
                names.push((format!("{name}{end}"), limit.per_model, path));
            }
            names.extend(tenants.iter().map(|tenant| {
                (
                    format!("{name}{TENANT}_{tenant}_{end}"),
                    limit.per_model,
                    path,
                )
            }));
        }
        names.sort();
        let mut pairs = names.iter().zip(names.iter().skip(1));
        let (_, (_, _, path)) = pairs.find(|((one, is_open, _), (other, ..))| {
            one == other || (*is_open && other.starts_with(one.as_str()))
        })?;
        Some((
            format!("{path}.id"),
            "the service joins the names of limit, tenant and model with `_`, and would take this budget and another one for the same; expected an id without `_`, or a tenant without".to_owned(),
        ))
    }
}

fn keep(limit: &Limit) -> Option<Kept> {
    Some(Kept {
        id: limit.id.to_string(),
        is_of_tokens: limit.measure() == Measure::Tokens,
        amount: limit.amount(),
        unit: limit.window()?.as_str(),
        is_audit: limit.audit,
        fails_closed: limit.failure == Failure::Closed,
        per_tenant: limit.per.tenant,
        tenants: limit
            .selection
            .tenants
            .iter()
            .map(ToString::to_string)
            .collect(),
        models: limit.selection.models.clone(),
        per_model: limit.per.model,
    })
}

/// A filter of Envoy passes or refuses while the service is gone, for all of its limits alike.
fn mixed_failure(kept: &[Kept], paths: &[String]) -> Option<Fault> {
    [true, false].into_iter().find_map(|of_tokens| {
        let mut limits = kept
            .iter()
            .zip(paths)
            .filter(|(limit, _)| limit.is_of_tokens == of_tokens);
        let (first, _) = limits.next()?;
        let (_, path) = limits.find(|(limit, _)| limit.fails_closed != first.fails_closed)?;
        let what = if of_tokens { "tokens" } else { "requests" };
        Some((
            format!("{path}.failure"),
            format!("one filter asks for all limits on {what}; expected the same `failure` in all of them"),
        ))
    })
}

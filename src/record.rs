//! The result of one request: made once, in `on_log`, on every ending.

mod ending;

use std::borrow::Cow;
use std::rc::Rc;

pub use self::ending::{Ending, Outcome};
use crate::denial::Denial;
use crate::gateway_counts::GatewayCount;
use crate::meter::{End, Meter, Metered, Missing, Work, Worth};
use crate::metrics::{ANONYMOUS, Label, Labels, Metric, Movement, OTHER, Series, UNKNOWN};
use crate::model_name::ModelName;
use crate::operation::Operation;
use crate::quota::Spent;
use crate::usage::Usage;

/// The `usage_source` of another filter's numbers.
pub(crate) const BY_GATEWAY: &str = "gateway";

/// The most that Envoy charges with one request. It charges nothing at all, without a word, for more.
const MOST_CHARGED: u64 = 1_000_000_000;

/// Times in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The request's headers arrived.
    pub started: u64,
    /// The first generated content passed.
    pub first_token: Option<u64>,
    /// The request ended.
    pub ended: u64,
}

impl Times {
    /// Nothing has happened yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            started: 0,
            first_token: None,
            ended: 0,
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

const fn milliseconds(from: u64, to: u64) -> u64 {
    to.saturating_sub(from) / 1_000_000
}

/// The facts about a request at its end.
#[derive(Debug, Default)]
pub struct Facts {
    /// `None` if no caller was identified.
    pub tenant: Option<Rc<str>>,
    /// The public id of the API key; `None` for other callers, and where no filter state is written.
    pub key: Option<Rc<str>>,
    /// Whether requests and tokens have the label `key`.
    pub key_label: bool,
    /// The user of a token, or the principal of a gateway in front; `None` as above.
    pub user: Option<Box<str>>,
    /// `None` if it is not in the table of operations.
    pub operation: Option<Operation>,
    /// The refused or permitted model.
    pub model: Option<ModelName>,
    /// True if the configuration has this exact model name.
    pub model_is_configured: bool,
    /// The refusal that the client got.
    pub denial: Option<Denial>,
    /// The refusal that the mode only noted.
    pub noted: Option<Denial>,
    /// The tokens of the request's body, by the length of its text.
    pub estimated_input: Option<u64>,
    /// Envoy's account of the end.
    pub ending: Ending,
    /// When.
    pub times: Times,
}

/// One finished request.
#[derive(Debug)]
pub struct Record {
    facts: Facts,
    outcome: Outcome,
    metered: Metered,
    /// The numbers are those of another filter.
    by_gateway: bool,
    /// Another filter's counts differ from the server's.
    disagrees: bool,
}

impl Record {
    /// Makes the record of a request. `meter` has read its reply; `None` if there was nothing to read.
    #[must_use]
    pub fn new(facts: Facts, meter: Option<Meter>) -> Self {
        let outcome = if facts.denial.is_some() {
            Outcome::Denied
        } else {
            facts.ending.outcome()
        };
        let end = match outcome {
            Outcome::ClientAborted => End::ClientAborted,
            Outcome::Timeout | Outcome::UpstreamReset => End::UpstreamReset,
            _ => End::Complete,
        };
        let work = facts.operation.map(Operation::metered);
        let metered = match meter {
            Some(meter) => meter.finish(end),
            // Without a reply, the server may have worked, but the tokens are not known.
            None if work.is_some_and(Work::must_be_counted) && outcome != Outcome::Denied => {
                Metered {
                    missing: (outcome == Outcome::ClientAborted).then_some(Missing::Aborted),
                    ..unmetered(Worth::None)
                }
            }
            None => unmetered(Worth::NotApplicable),
        };
        let is_error = metered.error_event && metered.source == Worth::NotApplicable;
        let outcome = match outcome {
            Outcome::Ok if is_error => Outcome::UpstreamError,
            Outcome::Ok if metered.truncated => Outcome::Truncated,
            other => other,
        };
        Self {
            facts,
            outcome,
            metered,
            by_gateway: false,
            disagrees: false,
        }
    }

    /// Adds another filter's counts. `ask` is only called if tokens were expected. Its counts replace numbers that are
    /// not final, and are compared with final ones.
    #[must_use]
    pub fn compared_with(mut self, ask: impl FnOnce() -> Option<GatewayCount>) -> Self {
        let metered = &mut self.metered;
        if metered.source == Worth::NotApplicable {
            return self;
        }
        let Some(count) = ask() else {
            return self;
        };
        if metered.source == Worth::Reported {
            let differ = |ours: Option<u64>, theirs: Option<u64>| {
                ours.zip(theirs)
                    .is_some_and(|(ours, theirs)| ours != theirs)
            };
            self.disagrees = differ(metered.usage.input, count.input)
                || differ(metered.usage.output, count.output);
        } else {
            *metered = Metered {
                usage: Usage {
                    input: count.input,
                    output: count.output,
                    ..Usage::NONE
                },
                contradiction: metered.contradiction,
                error_event: metered.error_event,
                truncated: metered.truncated,
                ..unmetered(Worth::Reported)
            };
            self.by_gateway = true;
        }
        self
    }

    /// What the request did cost, for the limits.
    #[must_use]
    pub fn spent(&self) -> Spent {
        let status = self.facts.ending.status;
        let metered = &self.metered;
        let tokens = |output: Option<u64>| Spent::Tokens {
            input: (metered.usage.input)
                .or(self.facts.estimated_input)
                .unwrap_or_default(),
            cached_input: metered.usage.cached_input.unwrap_or_default(),
            output: output.unwrap_or_default(),
        };
        match (self.outcome, status) {
            (Outcome::Denied | Outcome::DroppedByScheduler, _) | (_, Some(500..)) => Spent::Nothing,
            (_, Some(400..)) => Spent::Request,
            // The server may have been at work already.
            (Outcome::ClientAborted, None | Some(0)) => tokens(None),
            (_, None | Some(0)) => Spent::Nothing,
            _ => match metered.source {
                Worth::Reported => tokens(metered.usage.output),
                Worth::Partial | Worth::Estimated => {
                    tokens(metered.usage.output.max(metered.estimate))
                }
                Worth::None if self.outcome == Outcome::Ok => Spent::Unknown,
                Worth::None => tokens(metered.estimate),
                Worth::NotApplicable => Spent::Request,
            },
        }
    }

    /// The updates of all series.
    #[must_use]
    pub fn movements(&self, labels: &mut Labels) -> Vec<Movement> {
        // As many as an allowed request usually moves.
        let mut movements = Movements(Vec::with_capacity(8));
        let tenant = self.tenant_label();
        let (model, overflow) = self.model_label(&tenant, labels);
        if overflow {
            movements.add(Series::new(Metric::LabelOverflow).with("label", "model"), 1);
        }
        let (key, overflow) = self.key_label(labels);
        if overflow {
            movements.add(Series::new(Metric::LabelOverflow).with("label", "key"), 1);
        }
        let series = |metric| {
            Series::new(metric)
                .with("tenant", tenant.clone())
                .with("model", model.clone())
        };
        let operation = self.facts.operation.map_or("none", Operation::as_str);
        let outcome = self.outcome.as_str();
        movements.add(
            series(Metric::Requests)
                .with("operation", operation)
                .with("outcome", outcome)
                .with_key(key.as_ref()),
            1,
        );
        if let Some(denial) = self.decision() {
            let tenant = self.facts.tenant.as_ref();
            let tenant = tenant.map_or(Label::Word(UNKNOWN), Label::from);
            let code = denial.code().as_str();
            movements.add(
                Series::new(Metric::Denials)
                    .with("tenant", tenant)
                    .with("code", code),
                1,
            );
        }
        if self.facts.denial.is_some() {
            return movements.0;
        }
        let typed = |metric, kind: &'static str| series(metric).with("type", kind);
        let usage = &self.metered.usage;
        for (kind, count) in [("input", usage.input), ("output", usage.output)] {
            movements.add_known(|| typed(Metric::Tokens, kind).with_key(key.as_ref()), count);
        }
        for (kind, count) in [
            ("cached_input", usage.cached_input),
            ("cache_creation_input", usage.cache_creation_input),
            ("reasoning", usage.reasoning),
        ] {
            movements.add_known(|| typed(Metric::TokenDetails, kind), count);
        }
        for (kind, estimate) in [
            ("input", self.estimated_input()),
            ("output", self.metered.estimate),
        ] {
            movements.add_known(|| typed(Metric::EstimatedTokens, kind), estimate);
        }
        if let Some(missing) = self.metered.missing {
            movements.add(
                series(Metric::UsageMissing).with("reason", missing.as_str()),
                1,
            );
        }
        if let Some(contradiction) = self.metered.contradiction {
            movements.add(
                series(Metric::UsageContradictions).with("reason", contradiction.as_str()),
                1,
            );
        }
        if self.disagrees {
            movements.add(series(Metric::UsageDisagreements), 1);
        }
        if self.facts.ending.attempts > 1 {
            movements.add(series(Metric::RetriedRequests), 1);
        }
        if self.facts.operation.is_some_and(Operation::names_model) {
            movements.add(
                series(Metric::RequestDuration),
                milliseconds(self.facts.times.started, self.facts.times.ended),
            );
        }
        if let Some(first_token) = self.facts.times.first_token {
            movements.add(
                series(Metric::TimeToFirstToken),
                milliseconds(self.facts.times.started, first_token),
            );
            if let Some(gaps @ 1..) = usage.output.map(|output| output.saturating_sub(1)) {
                let per_token = milliseconds(first_token, self.facts.times.ended)
                    .checked_div(gaps)
                    .unwrap_or_default();
                movements.add(series(Metric::TimePerOutputToken), per_token);
            }
        }
        movements.0
    }

    /// Name and value of each filter state entry, for access logs and Envoy's own rate limit. Unknown values are left
    /// out, except `charge_tokens`, which a rate limit needs on every request.
    #[must_use]
    pub fn filter_state(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let known = |(name, value): (_, Option<_>)| Some((name, value?));
        self.entries().into_iter().filter_map(known).collect()
    }

    /// Every entry, with its value if known.
    pub(crate) fn entries(&self) -> [(&'static str, Option<Cow<'_, str>>); 11] {
        let usage = &self.metered.usage;
        let source = if self.by_gateway {
            BY_GATEWAY
        } else {
            self.metered.source.as_str()
        };
        let code = |denial: &Denial| Cow::from(denial.code().as_str());
        [
            (
                "tollgate.tenant",
                self.facts.tenant.as_deref().map(Cow::from),
            ),
            ("tollgate.key", self.facts.key.as_deref().map(Cow::from)),
            ("tollgate.user", self.facts.user.as_deref().map(Cow::from)),
            (
                "tollgate.model",
                self.facts.model.as_ref().map(ModelName::escaped),
            ),
            ("tollgate.input_tokens", usage.input.map(digits)),
            ("tollgate.output_tokens", usage.output.map(digits)),
            ("tollgate.charge_tokens", Some(digits(self.charge_tokens()))),
            ("tollgate.usage_source", Some(source.into())),
            ("tollgate.outcome", Some(self.outcome.as_str().into())),
            ("tollgate.denial", self.facts.denial.as_ref().map(code)),
            ("tollgate.would_deny", self.facts.noted.as_ref().map(code)),
        ]
    }

    /// The estimate of the input, where a server has worked and did not say how much it has read.
    fn estimated_input(&self) -> Option<u64> {
        let unknown = self.metered.missing.is_some() && self.metered.usage.input.is_none();
        self.facts.estimated_input.filter(|_| unknown)
    }

    /// Tokens to charge: what was reported, or else what is estimated.
    fn charge_tokens(&self) -> u64 {
        let input = self.estimated_input().unwrap_or_default();
        let tokens = self.metered.charge_tokens().saturating_add(input);
        tokens.min(MOST_CHARGED)
    }

    /// The refusal of the request, whether it was enforced or only noted.
    fn decision(&self) -> Option<&Denial> {
        self.facts.denial.as_ref().or(self.facts.noted.as_ref())
    }

    fn tenant_label(&self) -> Label {
        // Without an operation and a denial, Envoy called the filter only at the end of the request.
        let unseen = self.facts.operation.is_none();
        let nobody = if unseen || self.decision().is_some() {
            UNKNOWN
        } else {
            ANONYMOUS
        };
        let tenant = self.facts.tenant.as_ref();
        tenant.map_or(Label::Word(nobody), Label::from)
    }

    /// The label of the key, if metrics have one, and true if it is `other` because the limit was reached.
    fn key_label(&self, labels: &mut Labels) -> (Option<Label>, bool) {
        if !self.facts.key_label {
            return (None, false);
        }
        let Some(key) = &self.facts.key else {
            return (Some(UNKNOWN.into()), false);
        };
        let label = labels.key(key);
        let overflow = label.is_none();
        (Some(label.unwrap_or(Label::Word(OTHER))), overflow)
    }

    /// The label of the model, and true if it is `other` because the limit was reached. A refused name that is not
    /// configured gets no label, because clients could fill the bounded set with names that no caller may use.
    fn model_label(&self, tenant: &Label, labels: &mut Labels) -> (Label, bool) {
        let Some(model) = &self.facts.model else {
            return (UNKNOWN.into(), false);
        };
        if self.decision().is_some() && !self.facts.model_is_configured {
            return (OTHER.into(), false);
        }
        let label = labels.model(tenant, &model.escaped(), self.facts.model_is_configured);
        let overflow = label.is_none();
        (label.unwrap_or(Label::Word(OTHER)), overflow)
    }
}

fn digits(count: u64) -> Cow<'static, str> {
    count.to_string().into()
}

const fn unmetered(source: Worth) -> Metered {
    Metered {
        usage: Usage::NONE,
        source,
        missing: None,
        estimate: None,
        contradiction: None,
        error_event: false,
        truncated: false,
    }
}

struct Movements(Vec<Movement>);

impl Movements {
    fn add(&mut self, series: Series, value: u64) {
        self.0.push(Movement { series, value });
    }

    /// Adds a count that is known and not zero. Envoy refuses to increment a counter by 0.
    fn add_known(&mut self, series: impl FnOnce() -> Series, count: Option<u64>) {
        if let Some(count @ 1..) = count {
            self.add(series(), count);
        }
    }
}

#[cfg(test)]
mod tests;

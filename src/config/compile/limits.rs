//! `limits` ▶ [`Limits`].

use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::Compiler;
use crate::config::Config;
use crate::config::faults::read_list;
use crate::config::limits::{
    DimensionConfig, FailureConfig, KeepsConfig, LimitConfig, LimitModeConfig, PerConfig,
    WindowConfig,
};
use crate::identity::Keys;
use crate::measure::Measure;
use crate::operation::Operation;
use crate::quota::{Failure, Limit, Limits, Per, Selection, Window};

/// Most limits of one configuration.
pub(crate) const MAX_LIMITS: usize = 64;
/// The largest limit. Thousandths of it, and sums of them, are far from the end of what is computed with.
pub(crate) const MAX_AMOUNT: u64 = 1_000_000_000_000;

impl Compiler<'_> {
    pub(super) fn limits(&mut self, config: &Config<'_>, keys: &Keys) -> Limits {
        let reserve = self.reserve(config);
        let weights = self.weights(config);
        let entries = read_list::<LimitConfig>(config.limits, "limits", &mut self.faults);
        if entries.len() > MAX_LIMITS {
            self.fault("limits", format!("expected {MAX_LIMITS} limits at most"));
        }
        let mut ids = FxHashSet::default();
        let mut list = Vec::with_capacity(entries.len());
        for (path, entry) in entries {
            self.check_name(&format_args!("{path}.id"), "the limit's id", &entry.id);
            if !ids.insert(entry.id.clone()) {
                self.fault(
                    format!("{path}.id"),
                    "duplicate name; expected each id once",
                );
            }
            list.extend(self.limit(&path, &entry, keys));
        }
        Limits::new(list, reserve, weights)
    }

    fn limit(&mut self, path: &str, entry: &LimitConfig, keys: &Keys) -> Option<Limit> {
        let faults_before = self.faults.len();
        let per = self.per(path, &entry.per);
        let (measure, amount) = self.measure(path, entry)?;
        let window = self.window(path, entry, measure);
        let offset = self.offset(path, entry, window);
        let selection = self.selection(path, entry, keys);
        (self.faults.len() == faults_before).then(|| Limit {
            id: entry.id.as_str().into(),
            per,
            selection,
            audit: matches!(entry.mode, Some(LimitModeConfig::Audit)),
            failure: match entry.failure {
                Some(FailureConfig::Closed) => Failure::Closed,
                Some(FailureConfig::Open) | None => Failure::Open,
            },
            terms: Limit::terms(measure, amount, window, offset),
        })
    }

    fn per(&mut self, path: &str, per: &PerConfig) -> Per {
        let several: &[DimensionConfig] = match per {
            PerConfig::One(one) => std::slice::from_ref(one),
            PerConfig::Several(several) => several,
        };
        if several.is_empty() {
            self.fault(
                format!("{path}.per"),
                "expected at least one of `tenant`, `group`, `key`, `user` and `model`",
            );
        }
        let has = |dimension| several.contains(&dimension);
        Per {
            tenant: has(DimensionConfig::Tenant),
            group: has(DimensionConfig::Group),
            key: has(DimensionConfig::Key),
            user: has(DimensionConfig::User),
            model: has(DimensionConfig::Model),
        }
    }

    fn measure(&mut self, path: &str, entry: &LimitConfig) -> Option<(Measure, u64)> {
        let amounts = [
            (Measure::Requests, entry.requests),
            (Measure::Tokens, entry.tokens),
            (Measure::InputTokens, entry.input_tokens),
            (Measure::OutputTokens, entry.output_tokens),
            (Measure::Concurrent, entry.concurrent),
        ];
        let mut written = amounts
            .into_iter()
            .filter_map(|(measure, amount)| Some((measure, amount?)));
        let first = written.next();
        let (Some((measure, amount)), None) = (first, written.next()) else {
            self.fault(
                path,
                "expected exactly one of `requests`, `tokens`, `inputTokens`, `outputTokens` and `concurrent`",
            );
            return None;
        };
        if !(1..=MAX_AMOUNT).contains(&amount) {
            self.fault(
                format!("{path}.{}", measure.as_str()),
                format!(
                    "expected 1 to {MAX_AMOUNT}; to refuse everything leave the rule of a model out"
                ),
            );
        }
        Some((measure, amount))
    }

    fn window(&mut self, path: &str, entry: &LimitConfig, measure: Measure) -> Option<Window> {
        let window = entry.window.map(|window| match window {
            WindowConfig::Minute => Window::Minute,
            WindowConfig::Hour => Window::Hour,
            WindowConfig::Day => Window::Day,
            WindowConfig::Month => Window::Month,
        });
        match (measure, window) {
            (Measure::Concurrent, Some(_)) => self.fault(
                format!("{path}.window"),
                "requests at once are given back when they end; expected no window",
            ),
            (Measure::Concurrent, None) => {}
            (_, None) => self.fault(
                format!("{path}.window"),
                "expected `minute`, `hour`, `day` or `month`",
            ),
            (_, Some(Window::Month)) if !matches!(entry.keeps, Some(KeepsConfig::UntilRestart)) => {
                self.fault(
                    format!("{path}.keeps"),
                    "the counts of a month are lost when Envoy restarts; expected `keeps: untilRestart`, or the budget in a rate limit service (see examples/rate-limit)",
                );
            }
            _ => {}
        }
        window
    }

    fn offset(&mut self, path: &str, entry: &LimitConfig, window: Option<Window>) -> i32 {
        let Some(text) = &entry.utc_offset else {
            return 0;
        };
        if !window.is_some_and(Window::is_of_calendar) {
            self.fault(
                format!("{path}.utcOffset"),
                "only `day` and `month` are read from a calendar; expected no offset",
            );
        }
        let offset = parse_offset(text);
        if offset.is_none() {
            self.fault(
                format!("{path}.utcOffset"),
                "expected an offset such as `+01:00`, from `-23:59` to `+23:59`",
            );
        }
        offset.unwrap_or_default()
    }

    fn selection(&mut self, path: &str, entry: &LimitConfig, keys: &Keys) -> Selection {
        let mut tenants: Vec<Rc<str>> = Vec::new();
        for (index, name) in entry.tenants.iter().enumerate() {
            let tenant = self.tenant(&format_args!("{path}.tenants[{index}]"), name);
            tenants.extend(tenant.map(|tenant| Rc::clone(&tenant.name)));
        }
        let mut ids: Vec<Rc<str>> = Vec::new();
        for (index, id) in entry.keys.iter().enumerate() {
            if !keys.has_id(id) {
                self.fault(
                    format!("{path}.keys[{index}]"),
                    "expected one of the ids in `keys`",
                );
            }
            ids.push(id.as_str().into());
        }
        let models = self.patterns(&format!("{path}.models"), &entry.models);
        let mut operations = Vec::new();
        for (index, name) in entry.operations.iter().enumerate() {
            let operation = Operation::named(name);
            if operation.is_none() {
                self.fault(
                    format!("{path}.operations[{index}]"),
                    "expected an operation, such as `chat` or `embeddings`",
                );
            }
            operations.extend(operation);
        }
        Selection {
            tenants,
            keys: ids,
            groups: self.group_set(&entry.groups).to_vec(),
            models,
            operations,
        }
    }
}

/// Seconds east of UTC, of a text such as `+01:00` or `-05:30`.
fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let number = |text: &str, most: i32| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: i32 = plain.then(|| text.parse().ok()).flatten()?;
        (number <= most).then_some(number)
    };
    let seconds = number(hours, 23)?
        .saturating_mul(3600)
        .saturating_add(number(minutes, 59)?.saturating_mul(60));
    Some(seconds.saturating_mul(sign))
}

//! What has been spent, in memory. No clock: the time comes from outside.

use std::collections::HashMap;

use crate::descriptors::Descriptors;
use crate::messages::{
    Code, DescriptorStatus, Duration, RateLimitDescriptor, RateLimitRequest, RateLimitResponse,
};

/// What may be spent, and what has been.
///
/// The rules are those of envoyproxy/ratelimit: a charge is always booked, even if it takes the budget beyond its limit;
/// an addend of 0 only asks; over the limit is who has spent more than it. Windows follow the clock: a minute begins with
/// the full minute, a day at midnight UTC, and a month is 30 days, counted from 1970. A budget is known by its entries
/// joined with `_`, so that two descriptors may share one.
#[derive(Debug, Default)]
pub struct Budgets {
    limits: Descriptors,
    spent: HashMap<String, Window>,
}

#[derive(Debug)]
struct Window {
    /// In seconds since the epoch.
    ends: u64,
    spent: u64,
}

impl Budgets {
    /// Nothing is spent yet.
    #[must_use]
    pub fn new(limits: Descriptors) -> Self {
        Self {
            limits,
            spent: HashMap::new(),
        }
    }

    /// Answers one question, and books what it charges. `now` is in seconds since the epoch.
    pub fn answer(&mut self, request: &RateLimitRequest, now: u64) -> RateLimitResponse {
        self.spent.retain(|_, window| window.ends > now);
        let statuses: Vec<DescriptorStatus> = request
            .descriptors
            .iter()
            .map(|descriptor| {
                let addend = descriptor
                    .hits_addend
                    .unwrap_or_else(|| u64::from(request.hits_addend.max(1)));
                self.charge(&request.domain, descriptor, addend, now)
            })
            .collect();
        let over = statuses
            .iter()
            .any(|status| status.code == i32::from(Code::OverLimit));
        RateLimitResponse {
            overall_code: verdict(over).into(),
            statuses,
        }
    }

    fn charge(
        &mut self,
        domain: &str,
        descriptor: &RateLimitDescriptor,
        addend: u64,
        now: u64,
    ) -> DescriptorStatus {
        let Some(limit) = self.limits.limit(domain, &descriptor.entries) else {
            return DescriptorStatus {
                code: Code::Ok.into(),
                ..DescriptorStatus::default()
            };
        };
        let entries = descriptor.entries.iter();
        let entries: String = entries
            .map(|entry| format!("{}_{}_", entry.key, entry.value))
            .collect();
        let begun = now.checked_rem(limit.window).unwrap_or_default();
        let until_reset = limit.window.saturating_sub(begun);
        let begins = now.saturating_sub(begun);
        let budget = format!("{domain}_{entries}{begins}");
        let window = self.spent.entry(budget).or_insert_with(|| Window {
            ends: now.saturating_add(until_reset),
            spent: 0,
        });
        window.spent = window.spent.saturating_add(addend);
        let most = u64::from(limit.told.requests_per_unit);
        let left = most.checked_sub(window.spent);
        DescriptorStatus {
            code: verdict(left.is_none() && !limit.is_shadow).into(),
            current_limit: Some(limit.told.clone()),
            limit_remaining: left
                .and_then(|left| u32::try_from(left).ok())
                .unwrap_or_default(),
            duration_until_reset: Some(Duration {
                seconds: i64::try_from(until_reset).unwrap_or_default(),
            }),
        }
    }
}

const fn verdict(over: bool) -> Code {
    if over { Code::OverLimit } else { Code::Ok }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Entry;

    const LIMITS: &str = "
domain: tollgate
descriptors:
- key: tenant
  rate_limit: {unit: minute, requests_per_unit: 100}
  descriptors:
  - {key: model, rate_limit: {unit: minute, requests_per_unit: 7}}
- key: tenant
  value: globex
  rate_limit: {unit: minute, requests_per_unit: 10}
- key: tenant
  value: shadow
  shadow_mode: true
  rate_limit: {unit: month, requests_per_unit: 1}
- key: day
  rate_limit: {unit: day, requests_per_unit: 1}
";

    fn asks(entries: &[(&str, &str)], hits_addend: Option<u64>) -> RateLimitRequest {
        let entries = entries.iter().map(|(key, value)| Entry {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        });
        RateLimitRequest {
            domain: "tollgate".to_owned(),
            descriptors: vec![RateLimitDescriptor {
                entries: entries.collect(),
                hits_addend,
            }],
            hits_addend: 0,
        }
    }

    fn budgets() -> Budgets {
        Budgets::new(Descriptors::read(LIMITS).unwrap())
    }

    /// Verdict, tokens left, seconds until reset.
    fn told(response: &RateLimitResponse) -> (Code, u32, i64) {
        let status = &response.statuses[0];
        let reset = status.duration_until_reset.as_ref();
        (
            response.overall_code(),
            status.limit_remaining,
            reset.map_or(0, |reset| reset.seconds),
        )
    }

    #[test]
    fn charges_are_booked_and_questions_are_free() {
        let mut budgets = budgets();
        let acme = [("tenant", "acme")];
        let globex = [("tenant", "globex")];
        // A full minute, as 12:00:00.
        let start = 1_800_000_000;
        for (name, tenant, addend, seconds, expected) in [
            ("a question", acme, Some(0), 0, (Code::Ok, 100, 60)),
            ("a charge", acme, Some(60), 10, (Code::Ok, 40, 50)),
            ("all of it", acme, Some(40), 20, (Code::Ok, 0, 40)),
            ("not yet over", acme, Some(0), 20, (Code::Ok, 0, 40)),
            ("beyond it", acme, Some(5), 30, (Code::OverLimit, 0, 30)),
            ("over", acme, Some(0), 59, (Code::OverLimit, 0, 1)),
            ("somebody else", globex, Some(0), 59, (Code::Ok, 10, 1)),
            ("no addend is one", globex, None, 59, (Code::Ok, 9, 1)),
            ("a new window", acme, Some(0), 60, (Code::Ok, 100, 60)),
        ] {
            let response = budgets.answer(&asks(&tenant, addend), start + seconds);
            assert_eq!(told(&response), expected, "{name}");
        }
    }

    #[test]
    fn windows_follow_the_clock_and_a_month_is_thirty_days_since_1970() {
        // 2027-01-15T08:00:00Z
        let now = 1_800_000_000;
        for (name, entry, addend, expected) in [
            ("a day", ("day", "x"), 0, (Code::Ok, 1, 16 * 3600)),
            (
                "a month, in shadow: over, and told as fine",
                ("tenant", "shadow"),
                2,
                (Code::Ok, 0, 16 * 86_400 + 16 * 3600),
            ),
        ] {
            let response = budgets().answer(&asks(&[entry], Some(addend)), now);
            assert_eq!(told(&response), expected, "{name}");
        }
    }

    #[test]
    fn what_has_no_limit_is_not_counted() {
        for (name, entries) in [
            ("an unknown key", &[("remote_address", "::1")][..]),
            (
                "more entries than descriptors",
                &[("day", "x"), ("more", "y")],
            ),
            (
                "a tenant that is written out inherits nothing",
                &[("tenant", "globex"), ("model", "llama")],
            ),
        ] {
            let response = budgets().answer(&asks(entries, Some(1000)), 0);
            assert_eq!(response.overall_code(), Code::Ok, "{name}");
            assert_eq!(response.statuses[0].current_limit, None, "{name}");
        }
        let mut elsewhere = asks(&[("day", "x")], Some(1000));
        elsewhere.domain = "elsewhere".to_owned();
        let response = budgets().answer(&elsewhere, 0);
        assert_eq!(response.statuses[0].current_limit, None);
    }

    #[test]
    fn entries_that_are_joined_to_the_same_name_share_a_budget() {
        let mut budgets = budgets();
        let both = [("tenant", "a"), ("model", "b")];
        assert_eq!(
            told(&budgets.answer(&asks(&both, Some(7)), 0)),
            (Code::Ok, 0, 60)
        );
        let one = [("tenant", "a_model_b")];
        assert_eq!(
            told(&budgets.answer(&asks(&one, Some(0)), 0)),
            (Code::Ok, 93, 60)
        );
    }
}

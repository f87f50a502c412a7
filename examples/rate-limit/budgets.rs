//! Tokens per tenant and minute, in memory. No clock: the time comes from outside.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::messages::{
    Code, DescriptorStatus, Duration as ProtobufDuration, Entry, RateLimit, RateLimitDescriptor,
    RateLimitRequest, RateLimitResponse, Unit,
};

/// The entry of a descriptor that names the tenant. Descriptors without it have no budget.
const TENANT: &str = "tenant";
const WINDOW: Duration = Duration::from_secs(60);

/// What may be spent, and what has been.
///
/// The rules are those of envoyproxy/ratelimit: a charge is always booked, even if it takes the budget beyond its limit;
/// an addend of 0 only asks; over the limit is who has spent more than it. Other than there, a window begins with the
/// first question and not with the full minute, so that what is tried here does not depend on the wall clock.
#[derive(Debug)]
pub struct Budgets {
    /// Of a tenant that is not in `limits`.
    default_limit: u32,
    limits: HashMap<String, u32>,
    windows: HashMap<Budget, Window>,
}

/// Domain and entries.
type Budget = (String, Vec<Entry>);

#[derive(Debug)]
struct Window {
    ends: Instant,
    spent: u64,
}

impl Budgets {
    /// So many tokens in a minute for every tenant.
    #[must_use]
    pub fn new(tokens_per_minute: u32) -> Self {
        Self {
            default_limit: tokens_per_minute,
            limits: HashMap::new(),
            windows: HashMap::new(),
        }
    }

    /// Another limit for one tenant.
    #[must_use]
    pub fn tenant(mut self, name: &str, tokens_per_minute: u32) -> Self {
        self.limits.insert(name.to_owned(), tokens_per_minute);
        self
    }

    /// Answers one question, and books what it charges.
    pub fn answer(&mut self, request: &RateLimitRequest, now: Instant) -> RateLimitResponse {
        self.windows.retain(|_, window| window.ends > now);
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
        now: Instant,
    ) -> DescriptorStatus {
        let tenant = descriptor.entries.iter().find(|entry| entry.key == TENANT);
        let Some(tenant) = tenant else {
            return DescriptorStatus {
                code: Code::Ok.into(),
                ..DescriptorStatus::default()
            };
        };
        let limit = self.limits.get(&tenant.value);
        let limit = limit.copied().unwrap_or(self.default_limit);
        let budget = (domain.to_owned(), descriptor.entries.clone());
        let window = self.windows.entry(budget).or_insert_with(|| Window {
            ends: now.checked_add(WINDOW).unwrap_or(now),
            spent: 0,
        });
        window.spent = window.spent.saturating_add(addend);
        let left = u64::from(limit).checked_sub(window.spent);
        let until_reset = window.ends.saturating_duration_since(now);
        DescriptorStatus {
            code: verdict(left.is_none()).into(),
            current_limit: Some(RateLimit {
                requests_per_unit: limit,
                unit: Unit::Minute.into(),
            }),
            limit_remaining: left
                .and_then(|left| u32::try_from(left).ok())
                .unwrap_or_default(),
            // Rounded up: who comes back then finds the window over.
            duration_until_reset: Some(ProtobufDuration {
                seconds: i64::try_from(until_reset.as_millis().div_ceil(1000)).unwrap_or_default(),
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

    fn asks(tenant: &str, hits_addend: Option<u64>) -> RateLimitRequest {
        RateLimitRequest {
            domain: "tollgate".to_owned(),
            descriptors: vec![RateLimitDescriptor {
                entries: vec![Entry {
                    key: TENANT.to_owned(),
                    value: tenant.to_owned(),
                }],
                hits_addend,
            }],
            hits_addend: 0,
        }
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
        let start = Instant::now();
        let mut budgets = Budgets::new(100).tenant("globex", 10);
        for (name, tenant, addend, seconds, expected) in [
            ("a question", "acme", Some(0), 0, (Code::Ok, 100, 60)),
            ("a charge", "acme", Some(60), 10, (Code::Ok, 40, 50)),
            ("all of it", "acme", Some(40), 20, (Code::Ok, 0, 40)),
            ("not yet over", "acme", Some(0), 20, (Code::Ok, 0, 40)),
            ("beyond it", "acme", Some(5), 30, (Code::OverLimit, 0, 30)),
            ("over", "acme", Some(0), 59, (Code::OverLimit, 0, 1)),
            ("somebody else", "globex", Some(0), 59, (Code::Ok, 10, 60)),
            ("no addend is one", "globex", None, 59, (Code::Ok, 9, 60)),
            ("a new window", "acme", Some(0), 60, (Code::Ok, 100, 60)),
        ] {
            let now = start + Duration::from_secs(seconds);
            let response = budgets.answer(&asks(tenant, addend), now);
            assert_eq!(told(&response), expected, "{name}");
        }
    }

    #[test]
    fn what_names_no_tenant_has_no_budget() {
        let mut request = asks("acme", Some(1000));
        request.descriptors[0].entries[0].key = "remote_address".to_owned();
        let response = Budgets::new(1).answer(&request, Instant::now());
        assert_eq!(response.overall_code(), Code::Ok);
        assert_eq!(response.statuses[0].current_limit, None);
    }
}

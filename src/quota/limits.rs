//! All limits, and their reservations.

use std::rc::Rc;

use super::account::{Account, Ask, Granted, Terms, UNIT};
use super::limit::{Limit, Per, place};
use super::machines::Machines;
use super::record::Record;
use super::{
    Asked, Estimate, Failure, Ledger, PerModel, Reserve, Spent, Unavailable, Weights, Who, retry,
};
use crate::denial::{Code, Denial, OverLimit};
use crate::measure::Measure;
use crate::metrics::{ANONYMOUS, Label, Metric, Movement, Series};
use crate::model_name::ModelName;
use crate::tenant::GroupId;

/// All limits.
#[derive(Debug, Default)]
pub struct Limits {
    /// The narrowest first.
    list: Vec<Limit>,
    /// The default reservations.
    pub reserve: PerModel<Reserve>,
    /// The weights of tokens.
    pub weights: PerModel<Weights>,
}

/// A reservation in one account.
#[derive(Debug)]
struct Hold {
    /// The index of the limit.
    limit: usize,
    tag: u64,
    granted: Granted,
}

/// The reservations in one entry of the store.
#[derive(Debug)]
struct Entry {
    key: String,
    holds: Vec<Hold>,
}

/// The reservations of one request. They must be [settled](Limits::settle) once.
#[derive(Debug, Default)]
pub struct Holds {
    entries: Vec<Entry>,
    machine: u32,
    /// The weights of tokens.
    weights: Weights,
    /// The refusal by a limit that only records.
    pub noted: Option<Denial>,
    /// What is left of the tightest limits.
    pub left: Left,
}

/// The tightest limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Of those on requests.
    pub requests: Option<Budget>,
    /// Of those on tokens.
    pub tokens: Option<Budget>,
}

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The amount of the limit.
    pub limit: u64,
    /// The amount that is left.
    pub remaining: u64,
    /// Nanoseconds until nothing is used.
    pub reset: u64,
}

impl Left {
    /// The rest of a limit that has refused a request.
    #[must_use]
    pub fn of_refusal(over: &OverLimit) -> Self {
        let taken = over.used.saturating_add(over.reserved);
        let mut left = Self::default();
        if let Some(place) = left.place(over.counts) {
            *place = Some(Budget {
                limit: over.amount,
                remaining: over.amount.saturating_sub(taken),
                reset: over.retry_after.saturating_mul(1_000_000_000),
            });
        }
        left
    }

    /// The place of a limit with this measure; `None` for concurrent requests, for which no API has headers.
    const fn place(&mut self, measure: Measure) -> Option<&mut Option<Budget>> {
        match measure {
            Measure::Requests => Some(&mut self.requests),
            Measure::Tokens | Measure::InputTokens | Measure::OutputTokens => {
                Some(&mut self.tokens)
            }
            Measure::Concurrent => None,
        }
    }

    fn note(&mut self, terms: &Terms, account: &Account, now: u64) {
        let Some(place) = self.place(terms.measure) else {
            return;
        };
        let left = account.left(terms);
        let budget = Budget {
            limit: terms.amount / UNIT,
            remaining: left / UNIT,
            reset: account.wait(terms, now, terms.amount.saturating_sub(left)),
        };
        let is_tighter = |other: &Budget| {
            let ours = u128::from(budget.remaining).saturating_mul(other.limit.into());
            ours < u128::from(other.remaining).saturating_mul(budget.limit.into())
        };
        if place.as_ref().is_none_or(is_tighter) {
            *place = Some(budget);
        }
    }
}

/// One account that a request is charged to.
struct Wanted<'l> {
    limit: &'l Limit,
    /// The index of the limit.
    index: usize,
    key: String,
    tag: u64,
    ask: Ask,
}

/// The reason that an entry was not written.
enum Stopped {
    Refused(Denial),
    Unavailable,
}

impl Limits {
    /// All limits, in any order.
    #[must_use]
    pub fn new(
        mut list: Vec<Limit>,
        reserve: PerModel<Reserve>,
        weights: PerModel<Weights>,
    ) -> Self {
        list.sort_by_key(|limit| std::cmp::Reverse(limit.per.narrowness()));
        Self {
            list,
            reserve,
            weights,
        }
    }

    /// Returns true if there are no limits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns true if any limit is per user.
    #[must_use]
    pub fn are_per_user(&self) -> bool {
        self.list.iter().any(|limit| limit.per.user)
    }

    /// All limits, the narrowest first.
    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.list.iter()
    }

    /// The reservation with each limit, in units of its measure.
    pub fn held<'a>(&'a self, holds: &'a Holds) -> impl Iterator<Item = (&'a Limit, u64)> {
        let all = holds.entries.iter().flat_map(|entry| &entry.holds);
        all.filter_map(|hold| {
            Some((
                self.list.get(hold.limit)?,
                hold.granted.amount.div_ceil(UNIT),
            ))
        })
    }

    /// The accounts that a request is charged to.
    fn wanted(&self, who: &Who<'_>, asked: &Asked) -> Vec<Wanted<'_>> {
        let mut wanted = Vec::new();
        let estimate = self.reserve.of(who.model).estimate(asked);
        let weights = self.weights.of(who.model);
        let applying = self
            .list
            .iter()
            .enumerate()
            .filter(|(_, limit)| limit.applies(who));
        for (index, limit) in applying {
            let ask = ask(limit.terms.measure, estimate, weights);
            let mut charge = |group: Option<&str>| {
                let (key, tag) = place(limit, who, group);
                wanted.push(Wanted {
                    limit,
                    index,
                    key,
                    tag,
                    ask,
                });
            };
            if !limit.per.group {
                charge(None);
                continue;
            }
            let held: &[GroupId] = who.identity.map_or(&[], |identity| identity.groups());
            let chosen = &limit.selection.groups;
            for group in held {
                if chosen.is_empty() || chosen.contains(group) {
                    charge(who.groups.name(*group));
                }
            }
        }
        wanted
    }

    /// The estimated input tokens of a request, by the length of its text.
    #[must_use]
    pub fn estimated_input(&self, model: Option<&ModelName>, asked: &Asked) -> u64 {
        self.reserve.of(model).estimate(asked).input
    }

    /// Checks whether a request can be admitted, before its body arrives. Limits that depend on the model are not checked, and
    /// nothing is reserved.
    ///
    /// # Errors
    /// The refusal by the first exhausted limit.
    pub fn look(
        &self,
        who: &Who<'_>,
        ledger: &impl Ledger,
        machines: &Machines,
        now: u64,
    ) -> Result<(), Denial> {
        let nothing = Ask {
            need: UNIT,
            wish: 0,
        };
        let wanted = self.wanted(who, &Asked::default());
        for ours in of_one_entry(&wanted) {
            let Some(Ok((mut record, _))) = ours.first().map(|first| load(ledger, &first.key))
            else {
                continue;
            };
            for Wanted { limit, tag, .. } in ours.iter().filter(|wanted| !wanted.limit.audit) {
                let mut accounts = record.0.iter_mut();
                let Some(account) = accounts.find(|account| account.tag == *tag) else {
                    continue;
                };
                account.sweep(&|machine| machines.is_gone(machine));
                account.roll(&limit.terms, now);
                account
                    .look(&limit.terms, now, nothing)
                    .map_err(|shortage| limit.refusal(&shortage))?;
            }
        }
        Ok(())
    }

    /// Reserves the maximum cost of a request with every limit that applies, or with none.
    ///
    /// # Errors
    /// The refusal by the first limit with too little left.
    pub fn hold(
        &self,
        who: &Who<'_>,
        asked: &Asked,
        ledger: &impl Ledger,
        machines: &Machines,
        now: u64,
        movements: &mut Vec<Movement>,
    ) -> Result<Holds, Denial> {
        let wanted = self.wanted(who, asked);
        let mut holds = Holds {
            weights: self.weights.of(who.model),
            ..Holds::default()
        };
        if wanted.is_empty() {
            return Ok(holds);
        }
        match machines.own(ledger) {
            Ok(machine) => holds.machine = machine,
            Err(Unavailable) => return self.failed(&wanted, movements).map(|()| holds),
        }
        for ours in of_one_entry(&wanted) {
            let refused = match self.hold_entry(ours, &mut holds, ledger, machines, now, movements)
            {
                Ok(()) => continue,
                Err(Stopped::Unavailable) => self.failed(ours, movements),
                Err(Stopped::Refused(denial)) => Err(denial),
            };
            if let Err(denial) = refused {
                self.settle(holds, Spent::Nothing, tenant_of(who), ledger, now);
                return Err(denial);
            }
        }
        Ok(holds)
    }

    /// Reserves in the accounts of one entry.
    fn hold_entry(
        &self,
        wanted: &[Wanted<'_>],
        holds: &mut Holds,
        ledger: &impl Ledger,
        machines: &Machines,
        now: u64,
        movements: &mut Vec<Movement>,
    ) -> Result<(), Stopped> {
        let Some(first) = wanted.first() else {
            return Ok(());
        };
        let mut tries: u64 = 0;
        let changed = retry(|| {
            tries = tries.saturating_add(1);
            let (mut record, version) = load(ledger, &first.key)?;
            let mut swept = false;
            let mut left = holds.left.clone();
            let mut noted = None;
            let mut taken = Vec::with_capacity(wanted.len());
            for wanted in wanted {
                let limit = wanted.limit;
                let terms = &limit.terms;
                let account = record.account(wanted.tag, now).ok_or(Unavailable)?;
                swept |= account.sweep(&|machine| machines.is_gone(machine));
                account.roll(terms, now);
                let granted = match account.hold(terms, now, wanted.ask, holds.machine) {
                    Ok(granted) => granted,
                    Err(shortage) if limit.audit => {
                        noted = noted.or_else(|| Some(limit.refusal(&shortage)));
                        account.take(terms, now, wanted.ask.need, holds.machine)
                    }
                    Err(shortage) => return Ok(Some(Err(limit.refusal(&shortage)))),
                };
                account.close(terms);
                left.note(terms, account, now);
                taken.push(Hold {
                    limit: wanted.index,
                    tag: wanted.tag,
                    granted,
                });
            }
            let written = ledger.store(&first.key, &record.encode(), version)?;
            Ok(written.then_some(Ok((taken, left, noted, swept))))
        });
        if let Some(conflicts @ 1..) = tries.checked_sub(1) {
            movements.push(movement(Series::new(Metric::LimitConflicts), conflicts));
        }
        match changed {
            Ok(Ok((taken, left, noted, swept))) => {
                holds.left = left;
                holds.noted = holds.noted.take().or(noted);
                if swept {
                    movements.push(movement(Series::new(Metric::LimitSweeps), 1));
                }
                holds.entries.push(Entry {
                    key: first.key.clone(),
                    holds: taken,
                });
                Ok(())
            }
            Ok(Err(denial)) => Err(Stopped::Refused(denial)),
            Err(Unavailable) => Err(Stopped::Unavailable),
        }
    }

    /// Handles a store that failed for these accounts.
    fn failed(&self, wanted: &[Wanted<'_>], movements: &mut Vec<Movement>) -> Result<(), Denial> {
        movements.push(movement(Series::new(Metric::LimitFailures), 1));
        let mut limits = wanted.iter().map(|wanted| wanted.limit);
        if limits.any(|limit| limit.failure == Failure::Closed && !limit.audit) {
            return Err(Code::LimitsUnavailable.into());
        }
        Ok(())
    }

    /// Replaces the reservations of a request with its actual cost. Must be called once for each request, on every ending.
    /// Returns the movements of series.
    pub fn settle(
        &self,
        holds: Holds,
        spent: Spent,
        tenant: Option<&Rc<str>>,
        ledger: &impl Ledger,
        now: u64,
    ) -> Vec<Movement> {
        let mut movements = Vec::new();
        let tenant = tenant.map_or(Label::Word(ANONYMOUS), Label::from);
        for entry in &holds.entries {
            let settled = retry(|| {
                let (mut record, version) = load(ledger, &entry.key)?;
                let mut moved = Vec::new();
                for hold in &entry.holds {
                    let Some(limit) = self.list.get(hold.limit) else {
                        continue;
                    };
                    let Some(account) = record.account(hold.tag, now) else {
                        continue;
                    };
                    self.settle_one(
                        limit, account, hold, &holds, spent, &tenant, now, &mut moved,
                    );
                }
                let written = ledger.store(&entry.key, &record.encode(), version)?;
                Ok(written.then_some(moved))
            });
            match settled {
                Ok(moved) => movements.extend(moved),
                Err(Unavailable) => movements.push(movement(Series::new(Metric::LimitFailures), 1)),
            }
        }
        movements
    }

    #[allow(clippy::too_many_arguments, reason = "the body of two loops")]
    fn settle_one(
        &self,
        limit: &Limit,
        account: &mut Account,
        hold: &Hold,
        holds: &Holds,
        spent: Spent,
        tenant: &Label,
        now: u64,
        moved: &mut Vec<Movement>,
    ) {
        let terms = &limit.terms;
        account.roll(terms, now);
        let cost = cost(terms.measure, spent, hold.granted.amount, &holds.weights);
        let settled = account.settle(terms, now, &hold.granted, cost, holds.machine);
        account.close(terms);
        let series = |metric| {
            Series::new(metric)
                .with("limit", &limit.id)
                .with("tenant", tenant.clone())
        };
        if terms.measure.is_of_tokens() {
            for (metric, amount) in [
                (Metric::LimitOvershoot, settled.overshoot / UNIT),
                (Metric::LimitRefunds, settled.refunded / UNIT),
                (Metric::LimitUnsettled, u64::from(spent == Spent::Unknown)),
            ] {
                if amount > 0 {
                    moved.push(movement(series(metric), amount));
                }
            }
        }
        // If each tenant has exactly one account, gauges can show it.
        let whole = Per {
            tenant: true,
            ..Per::default()
        };
        if limit.per == whole {
            moved.push(movement(series(Metric::LimitUsed), account.used / UNIT));
            moved.push(movement(
                series(Metric::LimitReserved),
                account.held() / UNIT,
            ));
            moved.push(movement(series(Metric::LimitAmount), limit.amount()));
        }
    }
}

/// The demand on a limit.
const fn ask(measure: Measure, estimate: Estimate, weights: Weights) -> Ask {
    let input = estimate.input.saturating_mul(weights.input);
    let output = estimate.output.saturating_mul(weights.output);
    let wish = estimate.more.saturating_mul(weights.output);
    let (need, wish) = match measure {
        Measure::Requests | Measure::Concurrent => (UNIT, 0),
        Measure::Tokens => (input.saturating_add(output), wish),
        Measure::InputTokens => (input, 0),
        Measure::OutputTokens => (output, wish),
    };
    Ask { need, wish }
}

/// The actual cost of a request by one measure, in thousandths.
fn cost(measure: Measure, spent: Spent, reserved: u64, weights: &Weights) -> u64 {
    let (input, cached, output) = match (measure, spent) {
        (_, Spent::Nothing) | (Measure::Concurrent, _) => return 0,
        (Measure::Requests, _) => return UNIT,
        (_, Spent::Request) => return 0,
        (_, Spent::Unknown) => return reserved,
        (
            _,
            Spent::Tokens {
                input,
                cached_input,
                output,
            },
        ) => (input, cached_input, output),
    };
    let cached = cached.min(input);
    let input = input
        .saturating_sub(cached)
        .saturating_mul(weights.input)
        .saturating_add(cached.saturating_mul(weights.cached_input));
    let output = output.saturating_mul(weights.output);
    match measure {
        Measure::InputTokens => input,
        Measure::OutputTokens => output,
        _ => input.saturating_add(output),
    }
}

/// Groups the accounts by entry. An entry is written at once.
fn of_one_entry<'w>(wanted: &'w [Wanted<'_>]) -> impl Iterator<Item = &'w [Wanted<'w>]> {
    wanted.chunk_by(|one, other| one.key == other.key)
}

fn tenant_of<'a>(who: &Who<'a>) -> Option<&'a Rc<str>> {
    who.identity.map(|identity| &identity.tenant().name)
}

fn load(ledger: &impl Ledger, key: &str) -> Result<(Record, u32), Unavailable> {
    match ledger.load(key)? {
        Some((bytes, version)) if bytes.is_empty() => Ok((Record::default(), version)),
        Some((bytes, version)) => {
            let record = Record::decode(&bytes).ok_or(Unavailable)?;
            Ok((record, version))
        }
        // A version that no entry has, so that the second worker does not overwrite the first.
        None => Ok((Record::default(), u32::MAX)),
    }
}

const fn movement(series: Series, value: u64) -> Movement {
    Movement { series, value }
}

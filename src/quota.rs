//! Limits on requests, tokens and requests at once: who has used how much, and whether there is enough for one more.
//!
//! A request is looked at twice. [`Limits::hold`] sets aside what it may cost, once it is known what is asked for and
//! before the server can answer; [`Limits::settle`] puts what it did cost in that place, once, on every ending. All limits
//! that apply admit a request, or none of them is charged.
//!
//! The accounts are in a store that all workers of one proxy share ([`Ledger`]). It knows no locks: an entry is read,
//! changed, and written only if nobody else has written it in between. So no count is lost, and the sum of what is
//! admitted never exceeds a limit, however many workers there are.

mod account;
mod machines;
mod record;
mod told;
mod window;

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use siphasher::sip::SipHasher13;

use crate::denial::{Code, Denial, OverLimit};
use crate::identity::Identity;
use crate::metrics::{ANONYMOUS, Label, Metric, Movement, Series};
use crate::model_name::{ModelName, ModelPattern};
use crate::operation::Operation;
use crate::tenant::GroupId;

pub use self::account::Measure;
pub(crate) use self::account::Terms;
use self::account::{Account, Ask, Granted, Shortage, UNIT};
pub use self::machines::{Machines, TICK_MILLISECONDS};
use self::record::Record;
pub use self::told::headers;
pub use self::window::Window;

/// How often an entry is read anew because somebody else has written it. Four workers in a tight loop need two hundred at
/// worst; through HTTP nearly none.
const MAX_TRIES: u32 = 1000;

/// Entries that the subjects share whose number nobody knows: users, and models that only a pattern names.
const SHARED_ENTRIES: u64 = 16_384;

/// Tokens that an image or a file in a `data:` URL counts for.
const DATA_URL_TOKENS: u64 = 1024;

/// The store failed, is full, or holds what is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// A store that all workers share.
pub trait Ledger {
    /// An entry, and the number of its version; `None` where there is none.
    ///
    /// # Errors
    /// [`Unavailable`]
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, Unavailable>;

    /// Writes an entry that still has this version. Returns whether it had.
    ///
    /// # Errors
    /// [`Unavailable`]
    fn store(&self, key: &str, bytes: &[u8], version: u32) -> Result<bool, Unavailable>;
}

/// Tries until nobody else has written in between.
fn retry<T>(mut attempt: impl FnMut() -> Result<Option<T>, Unavailable>) -> Result<T, Unavailable> {
    for _ in 0..MAX_TRIES {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
    }
    Err(Unavailable)
}

/// Whom a limit is kept for: each tenant, each user of a tenant, and so on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "a set of five, not a state")]
pub struct Per {
    /// Each tenant has an account of its own.
    pub tenant: bool,
    /// Each group that the caller is in.
    pub group: bool,
    /// Each key.
    pub key: bool,
    /// Each user of a tenant.
    pub user: bool,
    /// Each model.
    pub model: bool,
}

impl Per {
    /// The more, the fewer share an account.
    fn narrowness(self) -> u8 {
        let weights = [
            (self.user, 16),
            (self.key, 8),
            (self.group, 4),
            (self.tenant, 2),
            (self.model, 1),
        ];
        weights
            .iter()
            .filter(|(has, _)| *has)
            .map(|(_, weight)| *weight)
            .sum()
    }
}

/// Which requests a limit is for. An empty list is for all.
#[derive(Debug, Default)]
pub struct Selection {
    /// Tenants by name.
    pub tenants: Vec<Rc<str>>,
    /// Keys by id.
    pub keys: Vec<Rc<str>>,
    /// Callers in any of these groups.
    pub groups: Vec<GroupId>,
    /// Models by name or pattern.
    pub models: Vec<ModelPattern>,
    /// Operations. Empty means those that name a model.
    pub operations: Vec<Operation>,
}

/// One limit.
#[derive(Debug)]
pub struct Limit {
    /// Its name in metrics, replies and the store.
    pub id: Rc<str>,
    /// Whom it is kept for.
    pub per: Per,
    /// Which requests it is for.
    pub selection: Selection,
    /// Whether it only tells what it would refuse.
    pub audit: bool,
    /// What becomes of requests that it cannot count.
    pub failure: Failure,
    pub(crate) terms: Terms,
}

impl Limit {
    /// `amount` is in what `measure` counts; `offset` in seconds east of UTC.
    pub(crate) const fn terms(
        measure: Measure,
        amount: u64,
        window: Option<Window>,
        offset: i32,
    ) -> Terms {
        Terms {
            measure,
            amount: amount.saturating_mul(UNIT),
            window,
            offset,
        }
    }

    /// What it counts.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        self.terms.measure
    }

    /// How much there is.
    #[must_use]
    pub const fn amount(&self) -> u64 {
        self.terms.amount / UNIT
    }

    /// Over which span; `None` for requests at once.
    #[must_use]
    pub const fn window(&self) -> Option<Window> {
        self.terms.window
    }

    /// Whether it is for this request. Without a model only a limit for which it does not matter is.
    #[must_use]
    pub fn applies(&self, who: &Who<'_>) -> bool {
        let selection = &self.selection;
        let is_of = |list: &[Rc<str>], name: Option<&str>| {
            list.is_empty() || name.is_some_and(|name| list.iter().any(|other| **other == *name))
        };
        let tenant = who.identity.map(|identity| &*identity.tenant().name);
        let key = who.identity.and_then(Identity::key).map(|key| &**key);
        let operation = if selection.operations.is_empty() {
            who.operation.names_model()
        } else {
            selection.operations.contains(&who.operation)
        };
        let groups = || {
            let held = who.identity.map(|identity| &**identity.groups());
            let mut wanted = selection.groups.iter();
            wanted.any(|group| held.unwrap_or_default().binary_search(group).is_ok())
        };
        let model = || match who.model {
            Some(model) => selection
                .models
                .iter()
                .any(|pattern| pattern.matches(model.as_str())),
            None => false,
        };
        operation
            && is_of(&selection.tenants, tenant)
            && is_of(&selection.keys, key)
            && (selection.groups.is_empty() || groups())
            && (selection.models.is_empty() || model())
            && (!self.per.model || who.model.is_some())
    }
}

/// What a token counts, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// One of the input that no cache had.
    pub input: u64,
    /// One of the input that the server had in its cache.
    pub cached_input: u64,
    /// One of the output.
    pub output: u64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            input: UNIT,
            cached_input: UNIT,
            output: UNIT,
        }
    }
}

/// What is set aside for a request that does not say how much it may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Tokens of output of a request that names no maximum.
    pub output_tokens: u64,
    /// Bytes of text that make a token of input.
    pub bytes_per_token: u64,
}

impl Default for Reserve {
    fn default() -> Self {
        Self {
            output_tokens: 1024,
            bytes_per_token: 4,
        }
    }
}

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// `None` for a caller without an identity.
    pub identity: Option<&'a Identity>,
    /// `None` where it is not known yet, or there is none.
    pub model: Option<&'a ModelName>,
    /// What is asked for.
    pub operation: Operation,
}

/// What a body says of its cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Bytes of its strings, without `data:` URLs.
    pub text: u64,
    /// How many `data:` URLs there are.
    pub data_urls: u64,
    /// Tokens that one answer may have; `None` where it does not say.
    pub max_output: Option<u64>,
    /// Answers that are asked for.
    pub answers: u64,
}

/// What a request did cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// Nothing: it was refused, or no server has worked on it.
    Nothing,
    /// The server took it, and no tokens came of it.
    Request,
    /// So many tokens.
    Tokens {
        /// Of the input, cached ones among them; `None` where only an estimate from the request is to be had.
        input: Option<u64>,
        /// Of the input, from the server's cache.
        cached_input: u64,
        /// Of the output, or the estimate.
        output: u64,
    },
    /// Nobody knows: what was set aside stands.
    Unknown,
}

/// How a store that fails is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Failure {
    /// The request goes on without its limits.
    #[default]
    Open,
    /// The request is refused.
    Closed,
}

/// All limits.
#[derive(Debug, Default)]
pub struct Limits {
    /// Those that the fewest share first.
    list: Vec<Limit>,
    /// What is set aside.
    pub reserve: Reserve,
    /// What a token counts.
    pub weights: Weights,
    /// The names of the groups, by their ids.
    groups: Vec<(GroupId, Rc<str>)>,
}

/// What is set aside in one account.
#[derive(Debug)]
struct Hold {
    /// Which of the limits.
    limit: usize,
    tag: u64,
    granted: Granted,
}

/// What is set aside in one entry of the store.
#[derive(Debug)]
struct Entry {
    key: String,
    holds: Vec<Hold>,
}

/// What is set aside for one request. To be [settled](Limits::settle) once.
#[derive(Debug, Default)]
pub struct Holds {
    entries: Vec<Entry>,
    machine: u32,
    /// Tokens of input that were estimated.
    input: u64,
    /// What limits would have refused that only tell.
    pub noted: Option<Denial>,
    /// What is left of the limits that come nearest to their end, by what they count.
    pub left: Left,
}

/// The limits that come nearest to their end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Of those that count requests.
    pub requests: Option<Budget>,
    /// Of those that count tokens.
    pub tokens: Option<Budget>,
}

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How much there is.
    pub limit: u64,
    /// How much is left.
    pub remaining: u64,
    /// Nanoseconds until all of it is back.
    pub reset: u64,
}

impl Left {
    fn note(&mut self, terms: &Terms, account: &Account, now: u64) {
        let place = match terms.measure {
            Measure::Requests => &mut self.requests,
            Measure::Concurrent => return,
            _ => &mut self.tokens,
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
struct Wanted {
    limit: usize,
    key: String,
    tag: u64,
    ask: Ask,
}

/// Why an entry was not written.
enum Stopped {
    Short(usize, Shortage),
    Unavailable,
}

impl Limits {
    /// All limits, and the names of the groups.
    #[must_use]
    pub fn new(
        mut list: Vec<Limit>,
        reserve: Reserve,
        weights: Weights,
        groups: Vec<(GroupId, Rc<str>)>,
    ) -> Self {
        list.sort_by_key(|limit| std::cmp::Reverse(limit.per.narrowness()));
        Self {
            list,
            reserve,
            weights,
            groups,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether any is kept for each user.
    #[must_use]
    pub fn are_per_user(&self) -> bool {
        self.list.iter().any(|limit| limit.per.user)
    }

    /// All of them, those that the fewest share first.
    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.list.iter()
    }

    /// What a request may cost by its body: input, output that it names, and output that is set aside as far as it is there.
    #[must_use]
    pub fn estimate(&self, asked: &Asked) -> (u64, u64, u64) {
        let text = asked.text.div_ceil(self.reserve.bytes_per_token.max(1));
        let input = text.saturating_add(asked.data_urls.saturating_mul(DATA_URL_TOKENS));
        let answers = asked.answers.max(1);
        match asked.max_output {
            Some(most) => (input, most.saturating_mul(answers), 0),
            None => (input, 0, self.reserve.output_tokens.saturating_mul(answers)),
        }
    }

    fn ask(&self, measure: Measure, asked: &Asked) -> Ask {
        let (input, output, more) = self.estimate(asked);
        let input = input.saturating_mul(self.weights.input);
        let output = output.saturating_mul(self.weights.output);
        let wish = more.saturating_mul(self.weights.output);
        let (need, wish) = match measure {
            Measure::Requests | Measure::Concurrent => (UNIT, 0),
            Measure::Tokens => (input.saturating_add(output), wish),
            Measure::InputTokens => (input, 0),
            Measure::OutputTokens => (output, wish),
        };
        Ask { need, wish }
    }

    /// The accounts that a request is charged to.
    fn wanted(&self, who: &Who<'_>, asked: &Asked) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        let applying = self
            .list
            .iter()
            .enumerate()
            .filter(|(_, limit)| limit.applies(who));
        for (index, limit) in applying {
            let ask = self.ask(limit.terms.measure, asked);
            let mut charge = |group: Option<&str>| {
                let (key, tag) = place(limit, who, group);
                wanted.push(Wanted {
                    limit: index,
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
                    charge(self.group(*group));
                }
            }
        }
        wanted
    }

    fn group(&self, id: GroupId) -> Option<&str> {
        let mut groups = self.groups.iter();
        groups
            .find(|(other, _)| *other == id)
            .map(|(_, name)| &**name)
    }

    /// Whether a request can be admitted at all, before its body is seen. Only limits for which the model does not matter
    /// are looked at, and nothing is set aside.
    ///
    /// # Errors
    /// The refusal by the first limit that is used up.
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
        for wanted in &wanted {
            let Some(limit) = self.list.get(wanted.limit).filter(|limit| !limit.audit) else {
                continue;
            };
            let Ok(Some((bytes, _))) = ledger.load(&wanted.key) else {
                continue;
            };
            let accounts = Record::decode(&bytes)
                .map(|record| record.0)
                .unwrap_or_default();
            let mut accounts = accounts.into_iter();
            let Some(mut account) = accounts.find(|account| account.tag == wanted.tag) else {
                continue;
            };
            account.sweep(&|machine| machines.is_gone(machine));
            account.roll(&limit.terms, now);
            account
                .look(&limit.terms, now, nothing)
                .map_err(|shortage| limit.refusal(&shortage))?;
        }
        Ok(())
    }

    /// Sets aside what a request may cost with every limit that applies, or with none.
    ///
    /// # Errors
    /// The refusal by the first limit that has too little.
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
            input: self.estimate(asked).0,
            ..Holds::default()
        };
        if wanted.is_empty() {
            return Ok(holds);
        }
        match machines.own(ledger) {
            Ok(machine) => holds.machine = machine,
            Err(Unavailable) => return self.failed(&wanted, movements).map(|()| holds),
        }
        let mut left = wanted.as_slice();
        while let Some(first) = left.first() {
            let same = left
                .iter()
                .take_while(|wanted| wanted.key == first.key)
                .count();
            let (ours, rest) = left.split_at_checked(same).unwrap_or((left, &[]));
            left = rest;
            let entry = self.hold_entry(ours, &mut holds, ledger, machines, now, movements);
            match entry {
                Ok(taken) => holds.entries.push(Entry {
                    key: first.key.clone(),
                    holds: taken,
                }),
                Err(Stopped::Unavailable) => {
                    if let Err(denial) = self.failed(ours, movements) {
                        self.settle(holds, Spent::Nothing, tenant_of(who), ledger, now);
                        return Err(denial);
                    }
                }
                Err(Stopped::Short(limit, shortage)) => {
                    let denial = self.list.get(limit).map(|limit| limit.refusal(&shortage));
                    self.settle(holds, Spent::Nothing, tenant_of(who), ledger, now);
                    return Err(denial.unwrap_or_else(|| Code::Internal.into()));
                }
            }
        }
        Ok(holds)
    }

    /// Sets aside what is wanted of the accounts of one entry.
    fn hold_entry(
        &self,
        wanted: &[Wanted],
        holds: &mut Holds,
        ledger: &impl Ledger,
        machines: &Machines,
        now: u64,
        movements: &mut Vec<Movement>,
    ) -> Result<Vec<Hold>, Stopped> {
        let Some(first) = wanted.first() else {
            return Ok(Vec::new());
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
                let Some(limit) = self.list.get(wanted.limit) else {
                    continue;
                };
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
                    Err(shortage) => return Ok(Some(Err((wanted.limit, shortage)))),
                };
                account.close(terms);
                left.note(terms, account, now);
                taken.push(Hold {
                    limit: wanted.limit,
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
                Ok(taken)
            }
            Ok(Err((limit, shortage))) => Err(Stopped::Short(limit, shortage)),
            Err(Unavailable) => Err(Stopped::Unavailable),
        }
    }

    /// What becomes of a request that these accounts cannot be charged for.
    fn failed(&self, wanted: &[Wanted], movements: &mut Vec<Movement>) -> Result<(), Denial> {
        movements.push(movement(Series::new(Metric::LimitFailures), 1));
        let mut limits = wanted
            .iter()
            .filter_map(|wanted| self.list.get(wanted.limit));
        if limits.any(|limit| limit.failure == Failure::Closed && !limit.audit) {
            return Err(Code::LimitsUnavailable.into());
        }
        Ok(())
    }

    /// Puts what a request did cost in the place of what was set aside. To be called once for each request, on every
    /// ending. Returns the series that move.
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
        let cost = self.cost(terms.measure, spent, hold.granted.amount, holds.input);
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
        // Where others share no account with the tenant, one number says it all.
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

    /// What a request did cost by one measure, in thousandths.
    fn cost(&self, measure: Measure, spent: Spent, reserved: u64, estimated_input: u64) -> u64 {
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
            ) => (input.unwrap_or(estimated_input), cached_input, output),
        };
        let cached = cached.min(input);
        let weights = &self.weights;
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
}

impl Limit {
    fn refusal(&self, shortage: &Shortage) -> Denial {
        let terms = &self.terms;
        let code = match terms.measure {
            _ if shortage.asked > terms.amount => Code::QuotaRequestTooLarge,
            Measure::Requests => Code::QuotaRequests,
            Measure::Concurrent => Code::QuotaConcurrency,
            _ => Code::QuotaTokens,
        };
        let count = |thousandths: u64| thousandths.div_ceil(UNIT);
        Denial::over_limit(
            code,
            OverLimit {
                window: terms.window.map(Window::as_str),
                is_of_calendar: terms.window.is_some_and(Window::is_of_calendar),
                used: count(shortage.used),
                reserved: count(shortage.held),
                asked: count(shortage.asked),
                ..OverLimit::new(&self.id, terms.measure.as_str(), self.amount())
            }
            .after(shortage.wait.div_ceil(1_000_000_000)),
        )
    }
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
        // A version that no entry has: who comes second must not write over the first.
        None => Ok((Record::default(), u32::MAX)),
    }
}

/// The entry and the tag of the account that a request is charged to. The tenants, keys and groups of the configuration
/// have entries of their own; users and models share a fixed number.
fn place(limit: &Limit, who: &Who<'_>, group: Option<&str>) -> (String, u64) {
    let per = limit.per;
    let identity = who.identity;
    let tenant = identity.map_or("", |identity| &identity.tenant().name);
    let key = identity.and_then(Identity::key).map_or("", |key| key);
    let user = identity.and_then(Identity::user).unwrap_or_default();
    let model = who.model.map_or("", ModelName::as_str);
    let parts = [
        (
            't',
            per.tenant || per.user || (per.key && key.is_empty()),
            tenant,
        ),
        ('g', per.group, group.unwrap_or_default()),
        ('k', per.key, key),
        ('u', per.user, user),
        ('m', per.model, model),
    ];
    let mut subject = String::with_capacity(64);
    for (mark, _, value) in parts.iter().filter(|(_, used, _)| *used) {
        subject.push(*mark);
        subject.push_str(value);
        subject.push('\0');
    }
    if per.user || per.model {
        let tag = hash(&(&*limit.id, subject.as_str()));
        let entry = tag.checked_rem(SHARED_ENTRIES).unwrap_or_default();
        (format!("tollgate/1/shared/{entry}"), tag)
    } else {
        (format!("tollgate/1/{subject}"), hash(&*limit.id))
    }
}

/// The same in every build, since other instances may be of another.
fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}

const fn movement(series: Series, value: u64) -> Movement {
    Movement { series, value }
}

#[cfg(test)]
pub(crate) mod tests;

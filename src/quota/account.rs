//! The use of one limit by one subject: pure arithmetic, without a clock or a store.

use super::window::Window;
use crate::measure::Measure;

/// Amounts are in thousandths, because a weight may count a token as a part of one.
pub(super) const UNIT: u64 = 1000;

/// The seconds by which a clock may be set back within a calendar window. A window that begins later than that is the result of
/// a wrong clock.
const SANE: u64 = 62 * 86_400;

const SECOND: u64 = 1_000_000_000;

/// The terms of an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(super) measure: Measure,
    /// In thousandths, never 0.
    pub(super) amount: u64,
    /// `None` if the amount is returned when the request ends.
    pub(super) window: Option<Window>,
    /// The calendar's offset, in seconds east of UTC.
    pub(super) offset: i32,
}

/// The demand of one request, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// The amount that must be available.
    pub(super) need: u64,
    /// The amount that is reserved in addition, as far as it is available.
    pub(super) wish: u64,
}

/// The reservation for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) amount: u64,
    /// The calendar window that it was taken from.
    window: u64,
    /// Its time, in nanoseconds since the epoch.
    at: u64,
    /// The use at that time, which is returned before this.
    before: u64,
}

/// The reason for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shortage {
    pub(super) used: u64,
    pub(super) held: u64,
    pub(super) asked: u64,
    /// Nanoseconds until the amount may be available.
    pub(super) wait: u64,
}

/// The result of a settlement, in thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// The amount spent beyond the limit.
    pub(super) overshoot: u64,
    /// The amount returned.
    pub(super) refunded: u64,
}

/// One subject's account with one limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Identifies the limit and, in a shared record, the subject.
    pub(super) tag: u64,
    /// For a calendar window, its start in seconds; for a moving one, the time up to which use has been returned, in
    /// nanoseconds.
    pub(super) since: u64,
    pub(super) used: u64,
    /// The second from which the account is empty.
    pub(super) until: u64,
    /// The reservations of each virtual machine.
    pub(super) held: Vec<(u32, u64)>,
}

impl Account {
    /// An unused account.
    pub(super) fn new(tag: u64) -> Self {
        Self {
            tag,
            ..Self::default()
        }
    }

    /// The sum of all reservations.
    pub(super) fn held(&self) -> u64 {
        let amounts = self.held.iter().map(|(_, amount)| *amount);
        amounts.fold(0, u64::saturating_add)
    }

    /// The amount that is left.
    pub(super) fn left(&self, terms: &Terms) -> u64 {
        let taken = self.used.saturating_add(self.held());
        terms.amount.saturating_sub(taken)
    }

    /// Returns true if the account is empty at this time, in nanoseconds since the epoch.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.held.is_empty() && self.until <= now / SECOND
    }

    /// Sets the time at which the account is empty.
    pub(super) fn close(&mut self, terms: &Terms) {
        self.until = match terms.window {
            None => 0,
            Some(window) => match window.length() {
                Some(length) => {
                    let empty = self.since.saturating_add(time_of(self.used, length, terms));
                    empty.div_ceil(SECOND)
                }
                None => {
                    let (_, end) = window.bounds(signed(self.since), terms.offset);
                    u64::try_from(end).unwrap_or_default()
                }
            },
        };
    }

    /// Drops the reservations of virtual machines that are gone. Returns whether there were any.
    pub(super) fn sweep(&mut self, is_gone: &dyn Fn(u32) -> bool) -> bool {
        let before = self.held.len();
        self.held.retain(|(vm, _)| !is_gone(*vm));
        before != self.held.len()
    }

    /// Updates the account to this time, in nanoseconds since the epoch.
    pub(super) fn roll(&mut self, terms: &Terms, now: u64) {
        let Some(window) = terms.window else {
            return;
        };
        match window.length() {
            Some(length) => self.come_back(terms, length, now),
            None => {
                let seconds = signed(now / SECOND);
                let (start, _) = window.bounds(seconds, terms.offset);
                let start = u64::try_from(start).unwrap_or_default();
                if start > self.since {
                    self.since = start;
                    self.used = 0;
                    self.held.clear();
                } else if self.since.saturating_sub(start) > SANE {
                    self.since = start;
                    self.held.clear();
                }
            }
        }
    }

    /// Returns use evenly over time. A clock that was set back changes nothing.
    fn come_back(&mut self, terms: &Terms, length: u64, now: u64) {
        let elapsed = now.saturating_sub(self.since);
        let amount = amount_in(elapsed, length, terms);
        if amount >= self.used || now < self.since {
            self.used = self.used.saturating_sub(amount);
            self.since = now;
        } else {
            self.used = self.used.saturating_sub(amount);
            // Only the time that whole thousandths took, so that the rest is not lost.
            self.since = self.since.saturating_add(time_of(amount, length, terms));
        }
    }

    /// Reserves the demand of a request. The account must be [up to date](Self::roll).
    pub(super) fn hold(
        &mut self,
        terms: &Terms,
        now: u64,
        ask: Ask,
        vm: u32,
    ) -> Result<Granted, Shortage> {
        self.look(terms, now, ask)?;
        let spare = self.left(terms).saturating_sub(ask.need);
        Ok(self.take(terms, now, ask.need.saturating_add(ask.wish.min(spare)), vm))
    }

    /// Reserves an amount, available or not.
    pub(super) fn take(&mut self, terms: &Terms, now: u64, amount: u64, vm: u32) -> Granted {
        let granted = Granted {
            amount,
            window: self.since,
            at: now,
            before: self.used,
        };
        if terms.measure == Measure::Requests {
            self.used = self.used.saturating_add(amount);
        } else {
            match self.held.iter_mut().find(|(other, _)| *other == vm) {
                Some((_, held)) => *held = held.saturating_add(amount),
                None => self.held.push((vm, amount)),
            }
        }
        granted
    }

    /// Checks that the needed amount is available.
    pub(super) fn look(&self, terms: &Terms, now: u64, ask: Ask) -> Result<(), Shortage> {
        let need = ask.need.max(1);
        let left = self.left(terms);
        if need <= left {
            return Ok(());
        }
        Err(Shortage {
            used: self.used,
            held: self.held(),
            asked: need,
            wait: self.wait(terms, now, need.saturating_sub(left)),
        })
    }

    /// Nanoseconds until an amount is available. Reservations may be returned at any time, so it may be sooner.
    pub(super) fn wait(&self, terms: &Terms, now: u64, missing: u64) -> u64 {
        match terms.window {
            None => SECOND,
            Some(window) => match window.length() {
                Some(length) => time_of(missing, length, terms).clamp(1, length),
                None => {
                    let (_, end) = window.bounds(signed(self.since), terms.offset);
                    let end = u64::try_from(end).unwrap_or_default();
                    end.saturating_mul(SECOND).saturating_sub(now).max(1)
                }
            },
        }
    }

    /// Replaces a reservation with the actual cost. A calendar window that has turned meanwhile keeps neither.
    pub(super) fn settle(
        &mut self,
        terms: &Terms,
        now: u64,
        granted: &Granted,
        spent: u64,
        vm: u32,
    ) -> Settled {
        let is_of_calendar = terms.window.is_some_and(Window::is_of_calendar);
        if is_of_calendar && granted.window != self.since {
            return Settled::default();
        }
        let refunded = granted.amount.saturating_sub(spent);
        if terms.measure == Measure::Requests {
            // What has come back by itself, after all that was used before, is not given back again.
            let came_back = terms.window.and_then(Window::length).map_or(0, |length| {
                let elapsed = now.saturating_sub(granted.at);
                let since = elapsed.saturating_sub(time_of(granted.before, length, terms));
                amount_in(since, length, terms)
            });
            let refunded = refunded.min(granted.amount.saturating_sub(came_back));
            self.used = self.used.saturating_sub(refunded);
            return Settled {
                overshoot: 0,
                refunded,
            };
        }
        if let Some((_, held)) = self.held.iter_mut().find(|(other, _)| *other == vm) {
            *held = held.saturating_sub(granted.amount);
        }
        self.held.retain(|(_, held)| *held > 0);
        if terms.measure == Measure::Concurrent {
            return Settled::default();
        }
        self.used = self.used.saturating_add(spent);
        let taken = self.used.saturating_add(self.held());
        let above = spent.saturating_sub(granted.amount);
        Settled {
            overshoot: taken.saturating_sub(terms.amount).min(above),
            refunded,
        }
    }
}

/// The amount that is returned in this time, rounded down.
fn amount_in(time: u64, length: u64, terms: &Terms) -> u64 {
    let amount = u128::from(time).saturating_mul(terms.amount.into());
    let amount = amount.checked_div(length.into()).unwrap_or_default();
    u64::try_from(amount).unwrap_or(u64::MAX)
}

/// The nanoseconds in which an amount is returned, rounded up.
fn time_of(amount: u64, length: u64, terms: &Terms) -> u64 {
    let time = u128::from(amount)
        .saturating_mul(length.into())
        .div_ceil(u128::from(terms.amount.max(1)));
    u64::try_from(time).unwrap_or(u64::MAX)
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails, as it should"
)]
mod tests;

//! The virtual machines that share a store, so that the reservations of a crashed one are released.
//!
//! Envoy runs the module once for each worker, and restarts it after a crash. Each instance has a number and a counter, which
//! it increases with every tick. An instance whose counter has not changed for several ticks of another is gone. No clocks
//! are compared.

use std::cell::RefCell;

use super::{Ledger, Unavailable, retry};

const KEY: &str = "tollgate/1/machines";

/// The ticks, one a second, after which an instance that did not count is gone.
const MISSES: u32 = 5;

/// The interval at which the shell calls [`Machines::beat`].
pub const TICK_MILLISECONDS: u32 = 1000;

/// This virtual machine, and the others that it knows.
#[derive(Debug, Default)]
pub struct Machines(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    own: Option<u32>,
    /// The number of the next instance. Instances from here on are not known yet, and so not gone.
    next: u32,
    alive: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    number: u32,
    count: u32,
    misses: u32,
}

impl Machines {
    /// The number of this instance, which the store assigns at the first call.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub(super) fn own(&self, ledger: &impl Ledger) -> Result<u32, Unavailable> {
        if let Some(own) = self.known_own() {
            return Ok(own);
        }
        self.beat(ledger)?;
        self.known_own().ok_or(Unavailable)
    }

    fn known_own(&self) -> Option<u32> {
        self.0.try_borrow().ok()?.own
    }

    /// Returns true if an instance is known to be gone.
    pub(super) fn is_gone(&self, number: u32) -> bool {
        let Ok(known) = self.0.try_borrow() else {
            return false;
        };
        let mut alive = known.alive.iter();
        number < known.next && Some(number) != known.own && !alive.any(|seen| seen.number == number)
    }

    /// Increases this instance's counter, and reads those of the others.
    ///
    /// # Errors
    /// [`Unavailable`]; the next tick tries again.
    pub fn beat(&self, ledger: &impl Ledger) -> Result<(), Unavailable> {
        let mut known = self.0.try_borrow_mut().map_err(|_| Unavailable)?;
        let own = known.own;
        let (list, own) = retry(|| {
            let loaded = ledger.load(KEY)?;
            let cas = loaded.as_ref().map_or(u32::MAX, |(_, cas)| *cas);
            let mut list = match loaded {
                Some((bytes, _)) if !bytes.is_empty() => List::decode(&bytes).ok_or(Unavailable)?,
                _ => List::default(),
            };
            let own = own.unwrap_or_else(|| list.add());
            list.count(own);
            list.counts.retain(|(number, count)| {
                let seen = known.alive.iter().find(|seen| seen.number == *number);
                seen.is_none_or(|seen| seen.count != *count || seen.misses < MISSES)
            });
            Ok(ledger
                .store(KEY, &list.encode(), cas)?
                .then_some((list, own)))
        })?;
        let before = std::mem::take(&mut known.alive);
        known.alive = list
            .counts
            .iter()
            .map(|&(number, count)| {
                let mut before = before.iter();
                let same = before.find(|seen| seen.number == number && seen.count == count);
                Seen {
                    number,
                    count,
                    misses: same.map_or(0, |seen| seen.misses.saturating_add(1)),
                }
            })
            .collect();
        known.next = list.next;
        known.own = Some(own);
        Ok(())
    }
}

/// The entry of the store.
#[derive(Debug, Default)]
struct List {
    next: u32,
    counts: Vec<(u32, u32)>,
}

impl List {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks();
        let mut words = words.iter().copied().map(u32::from_le_bytes);
        let next = words.next()?;
        let mut counts = Vec::new();
        while let Some(number) = words.next() {
            counts.push((number, words.next()?));
        }
        rest.is_empty().then_some(Self { next, counts })
    }

    fn encode(&self) -> Vec<u8> {
        let counts = self
            .counts
            .iter()
            .flat_map(|(number, count)| [*number, *count]);
        let words = std::iter::once(self.next).chain(counts);
        words.flat_map(u32::to_le_bytes).collect()
    }

    fn add(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        number
    }

    fn count(&mut self, number: u32) {
        match self.counts.iter_mut().find(|(other, _)| *other == number) {
            Some((_, count)) => *count = count.wrapping_add(1),
            None => self.counts.push((number, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::quota::Memory;

    #[wasm_bindgen_test(unsupported = test)]
    fn one_that_no_longer_counts_up_is_gone_after_some_ticks_and_a_new_one_is_not() {
        let store = Memory::default();
        let (first, second) = (Machines::default(), Machines::default());
        assert_eq!(first.own(&store), Ok(0));
        assert_eq!(second.own(&store), Ok(1));
        assert!(!first.is_gone(1), "not seen yet");
        for _ in 0..10 {
            first.beat(&store).unwrap();
            second.beat(&store).unwrap();
            assert!(!first.is_gone(1) && !second.is_gone(0));
        }
        for tick in 0..=MISSES {
            assert!(!first.is_gone(1), "tick {tick}");
            first.beat(&store).unwrap();
        }
        first.beat(&store).unwrap();
        assert!(first.is_gone(1));
        let third = Machines::default();
        assert_eq!(third.own(&store), Ok(2));
        assert!(!first.is_gone(2));
        assert!(third.is_gone(1));
        second.beat(&store).unwrap();
        first.beat(&store).unwrap();
        assert!(!first.is_gone(1), "it was only slow");
        assert!(!first.is_gone(0), "oneself");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_store_that_fails_or_is_anothers_gives_no_number() {
        let store = Memory::default();
        assert_eq!(store.store(KEY, b"other", 1), Ok(true));
        assert_eq!(Machines::default().own(&store), Err(Unavailable));
        let store = Memory::default();
        store.fail(true);
        assert_eq!(Machines::default().own(&store), Err(Unavailable));
    }
}

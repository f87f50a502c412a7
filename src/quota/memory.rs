//! A store without a proxy: entries in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::{Ledger, Unavailable};

/// A store in memory.
#[derive(Debug, Default)]
pub struct Memory {
    entries: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    fails: Cell<bool>,
}

impl Memory {
    /// Sets whether every call fails.
    pub fn fail(&self, fails: bool) {
        self.fails.set(fails);
    }

    /// The number of entries, and the bytes of their keys and values.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let entries = self.entries.borrow();
        let bytes = entries
            .iter()
            .map(|(key, (value, _))| key.len().saturating_add(value.len()));
        (entries.len(), bytes.sum())
    }

    fn available(&self) -> Result<(), Unavailable> {
        if self.fails.get() {
            Err(Unavailable)
        } else {
            Ok(())
        }
    }
}

impl Ledger for Memory {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
        self.available()?;
        Ok(self.entries.borrow().get(key).cloned())
    }

    fn store(&self, key: &str, bytes: &[u8], version: u32) -> Result<bool, Unavailable> {
        self.available()?;
        let mut entries = self.entries.borrow_mut();
        let found = entries.get(key).map(|(_, version)| *version);
        if found.is_some_and(|found| found != version) {
            return Ok(false);
        }
        let next = found.map_or(1, |found| found.wrapping_add(1));
        entries.insert(key.to_owned(), (bytes.to_vec(), next));
        Ok(true)
    }
}

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::*;

/// A store in memory.
#[derive(Default)]
pub(crate) struct Store {
    entries: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    fails: Cell<bool>,
}

impl Store {
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        let mut entries = self.entries.borrow_mut();
        entries.insert(key.to_owned(), (bytes.to_vec(), 1));
    }

    pub(crate) fn fail(&self, fails: bool) {
        self.fails.set(fails);
    }
}

impl Ledger for Store {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
        if self.fails.get() {
            return Err(Unavailable);
        }
        Ok(self.entries.borrow().get(key).cloned())
    }

    fn store(&self, key: &str, bytes: &[u8], version: u32) -> Result<bool, Unavailable> {
        let mut entries = self.entries.borrow_mut();
        let found = entries.get(key).map(|(_, version)| *version);
        if found.is_some_and(|found| found != version) {
            return Ok(false);
        }
        entries.insert(
            key.to_owned(),
            (bytes.to_vec(), found.unwrap_or_default() + 1),
        );
        Ok(true)
    }
}

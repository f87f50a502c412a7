//! The bytes of one entry of the shared store: some accounts, which change together.

use super::account::Account;

/// The version of the layout. It is part of the keys, so that no version reads another's records.
const VERSION: u8 = 1;

/// The most accounts in one record.
pub(super) const MAX_ACCOUNTS: usize = 128;

/// Some accounts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record(pub(super) Vec<Account>);

impl Record {
    /// Decodes a record. `None` if the bytes are not a record.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut accounts = Vec::new();
        let mut reader = Reader(bytes);
        if reader.take::<1>()? != [VERSION] {
            return None;
        }
        while !reader.0.is_empty() {
            let mut account = Account::new(reader.number()?);
            account.since = reader.number()?;
            account.used = reader.number()?;
            account.until = reader.number()?;
            let [machines] = reader.take()?;
            for _ in 0..machines {
                let vm = u32::from_le_bytes(reader.take()?);
                account.held.push((vm, reader.number()?));
            }
            accounts.push(account);
        }
        Some(Self(accounts))
    }

    /// Encodes a record, with at most 255 virtual machines for each account.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_mul(48).saturating_add(1));
        bytes.push(VERSION);
        for account in &self.0 {
            for number in [account.tag, account.since, account.used, account.until] {
                bytes.extend(number.to_le_bytes());
            }
            let machines = u8::try_from(account.held.len()).unwrap_or(u8::MAX);
            bytes.push(machines);
            for (vm, amount) in account.held.iter().take(machines.into()) {
                bytes.extend(vm.to_le_bytes());
                bytes.extend(amount.to_le_bytes());
            }
        }
        bytes
    }

    /// The account with this tag, which is added if missing. Accounts that are empty at `now`, in nanoseconds since the epoch,
    /// make room. `None` if there is no room.
    pub(super) fn account(&mut self, tag: u64, now: u64) -> Option<&mut Account> {
        if let Some(place) = self.0.iter().position(|account| account.tag == tag) {
            return self.0.get_mut(place);
        }
        if self.0.len() >= MAX_ACCOUNTS {
            self.0.retain(|account| !account.is_idle(now));
        }
        if self.0.len() >= MAX_ACCOUNTS {
            return None;
        }
        self.0.push(Account::new(tag));
        self.0.last_mut()
    }
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_record_reads_as_it_was_written_and_nothing_else_reads_as_one() {
        let record = Record(vec![
            Account::new(7),
            Account {
                tag: u64::MAX,
                since: 1,
                used: 2,
                until: 3,
                held: vec![(1, 10), (9, u64::MAX)],
            },
        ]);
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes), Some(record));
        assert_eq!(
            Record::decode(&Record::default().encode()),
            Some(Record::default())
        );
        for cut in 0..bytes.len() {
            let whole = [1, 34].contains(&cut);
            let read = Record::decode(bytes.get(..cut).unwrap());
            assert_eq!(read.is_some(), whole, "the first {cut} bytes");
        }
        for (name, bytes) in [("another version", &b"\x02"[..]), ("text", b"hello")] {
            assert_eq!(Record::decode(bytes), None, "{name}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_record_has_room_for_so_many_accounts() {
        let mut record = Record::default();
        for tag in 0..MAX_ACCOUNTS as u64 {
            let account = record.account(tag, 0).unwrap();
            account.until = if tag == 5 { 100 } else { 200 };
        }
        assert!(record.account(3, 0).is_some(), "one that is there");
        assert!(record.account(u64::MAX, 0).is_none(), "one more");
        let later = 100_000_000_000;
        record.account(u64::MAX, later).unwrap().until = 200;
        assert!(record.account(5, later).is_none(), "which is gone");
    }
}

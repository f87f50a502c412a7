//! A set of member names, compared as the most lenient reader does.

use rustc_hash::FxHashMap;

use super::name::{CAP, fold};

/// Names, and prefixes that end in `*`. Names are equal if they are equal after case folding: ASCII letters, U+017F as
/// `s` and U+212A as `k`, the way Go's `encoding/json` reads names.
#[derive(Debug)]
pub struct NameSet {
    exact: FxHashMap<Box<[u8]>, u16>,
    /// In order; none begins with another.
    prefixes: Vec<(Box<[u8]>, u16)>,
    /// For each kind of beginning, the lengths of its names as bits; [`ANY_LENGTH`] for a prefix. This rules out most
    /// names.
    lengths: [u32; KINDS],
    /// The first letters of prefixes that are too short to have a kind, as bits.
    short: u32,
}

/// The number of kinds of beginnings, by the bytes at 0, 2 and 3.
const KINDS: usize = 256;
const KIND_LENGTH: usize = 4;
/// No name has the length zero.
const ANY_LENGTH: u32 = 1;

impl Default for NameSet {
    fn default() -> Self {
        Self {
            exact: FxHashMap::default(),
            prefixes: Vec::new(),
            lengths: [0; KINDS],
            short: 0,
        }
    }
}

impl NameSet {
    /// Adds a name, or a prefix and `*`, with a number.
    pub fn insert(&mut self, pattern: &str, number: u16) {
        let mut room = [0; CAP];
        let (text, is_prefix) = match pattern.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (pattern, false),
        };
        let folded = fold(text.as_bytes(), &mut room);
        if is_prefix && folded.len() < KIND_LENGTH {
            self.short |= letter_bit(folded);
        }
        if let Some(lengths) = self.lengths.get_mut(kind(folded)) {
            *lengths |= if is_prefix {
                ANY_LENGTH
            } else {
                length_bit(folded.len())
            };
        }
        if is_prefix {
            self.insert_prefix(folded.into(), number);
        } else {
            self.exact.insert(folded.into(), number);
        }
    }

    /// A prefix covers longer ones, so only the last entry in order can be a prefix of a name.
    fn insert_prefix(&mut self, prefix: Box<[u8]>, number: u16) {
        let mut known = self.prefixes.iter();
        if known.any(|(shorter, _)| prefix.starts_with(shorter)) {
            return;
        }
        self.prefixes
            .retain(|(longer, _)| !longer.starts_with(&prefix));
        let at = self
            .prefixes
            .partition_point(|(other, _)| **other < *prefix);
        self.prefixes.insert(at, (prefix, number));
    }

    /// The number of the name, or of a prefix of it.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        let lengths = self.lengths.get(kind(name)).copied().unwrap_or_default();
        let is_known = lengths & (length_bit(name.len()) | ANY_LENGTH) != 0;
        if !is_known && self.short & letter_bit(name) == 0 && name.is_ascii() {
            return None;
        }
        let is_folded = |byte: &u8| byte.is_ascii() && !byte.is_ascii_uppercase();
        if name.iter().all(is_folded) {
            return self.find_folded(name);
        }
        let mut room = [0; CAP];
        self.find_folded(fold(name, &mut room))
    }

    fn find_folded(&self, name: &[u8]) -> Option<u16> {
        if let Some(number) = self.exact.get(name) {
            return Some(*number);
        }
        let after = self
            .prefixes
            .partition_point(|(prefix, _)| **prefix <= *name);
        let (prefix, number) = self.prefixes.get(after.checked_sub(1)?)?;
        name.starts_with(prefix).then_some(*number)
    }
}

/// The index in `lengths` for names that begin like this one, in any case.
fn kind(name: &[u8]) -> usize {
    let byte = |at: usize| name.get(at).map_or(0, |byte| usize::from(*byte | 0x20));
    let mixed = byte(0) ^ (byte(2) << 2) ^ (byte(3) << 4);
    mixed % KINDS
}

/// First letters that differ only in case are equal.
fn letter_bit(name: &[u8]) -> u32 {
    let first = name.first().copied().unwrap_or_default();
    1 << (first % 32)
}

/// All names of 31 bytes and more have the same bit.
fn length_bit(length: usize) -> u32 {
    1 << length.min(31)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn finds_names_in_any_case_and_beginnings_of_names() {
        let mut names = NameSet::default();
        names.insert("priority", 1);
        names.insert("lora_task", 2);
        names.insert("aws_*", 3);
        names.insert("aw*", 4);
        names.insert("awkward_*", 5);
        names.insert("x-*", 6);
        names.insert("b*", 7);
        for (name, expected) in [
            ("priority", Some(1)),
            ("PrioritY", Some(1)),
            ("priority2", None),
            ("priorit", None),
            ("lora_ta\u{17F}\u{212A}", Some(2)),
            ("lora_taſk", Some(2)),
            ("aws_", Some(4)),
            ("AWS_region_name", Some(4)),
            ("awkward_", Some(4)),
            ("aw", Some(4)),
            ("ax", None),
            ("a", None),
            ("bz", Some(7)),
            ("c", None),
            ("X-any", Some(6)),
            ("x", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(names.find(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(names.find(b"\xff"), None);
        assert_eq!(names.find(&[b'a'; 1000]), None);
        assert_eq!(names.find(&[b'b'; 1000]), Some(7), "a long name");
    }
}

//! A set of member names, compared as the most forgiving reader compares them.

use rustc_hash::FxHashMap;

use super::name::{CAP, fold};

/// Names, and beginnings of names that end in `*`. Two names are equal if they are after case folding: ASCII letters,
/// U+017F as `s` and U+212A as `k`, the way Go's `encoding/json` reads names.
#[derive(Debug, Default)]
pub struct NameSet {
    exact: FxHashMap<Box<[u8]>, u16>,
    /// Each with the place of its first letter in `lengths`.
    prefixes: Vec<(usize, Box<[u8]>, u16)>,
    /// For each first letter the lengths of the names that begin so, as bits; [`ANY_LENGTH`] where a beginning does. Most
    /// names of a document are told apart by it.
    lengths: [u32; LETTERS],
}

/// First letters that differ in these bits are told apart: those that differ in case are not.
const LETTERS: usize = 32;
/// No name has the length zero.
const ANY_LENGTH: u32 = 1;

impl NameSet {
    /// Adds a name, or the beginning of names in front of a `*`, under a number.
    pub fn insert(&mut self, pattern: &str, number: u16) {
        let mut room = [0; CAP];
        let (text, is_prefix) = match pattern.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (pattern, false),
        };
        let Some(folded) = fold(text.as_bytes(), &mut room) else {
            return;
        };
        if let Some(lengths) = self.lengths.get_mut(letter(folded)) {
            *lengths |= if is_prefix {
                ANY_LENGTH
            } else {
                length_bit(folded.len())
            };
        }
        if is_prefix {
            self.prefixes.push((letter(folded), folded.into(), number));
        } else {
            self.exact.insert(folded.into(), number);
        }
    }

    /// The number of the name, or of a beginning of it.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        let letter = letter(name);
        if name.is_ascii() {
            let lengths = self.lengths.get(letter).copied().unwrap_or_default();
            if lengths & (length_bit(name.len()) | ANY_LENGTH) == 0 {
                return None;
            }
            if lengths & length_bit(name.len()) == 0 {
                return self.beginning(letter, name);
            }
        }
        let mut room = [0; CAP];
        let folded = fold(name, &mut room)?;
        let exact = self.exact.get(folded).copied();
        exact.or_else(|| self.beginning(self::letter(folded), folded))
    }

    fn beginning(&self, letter: usize, name: &[u8]) -> Option<u16> {
        let mut prefixes = self.prefixes.iter();
        let found = prefixes.find(|(beginning, prefix, _)| {
            let start = || name.get(..prefix.len());
            *beginning == letter && start().is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        });
        found.map(|(_, _, number)| *number)
    }
}

fn letter(name: &[u8]) -> usize {
    let first = name.first().copied().unwrap_or_default();
    usize::from(first) % LETTERS
}

/// Names of 31 bytes and more are not told apart.
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
        for (name, expected) in [
            ("priority", Some(1)),
            ("PrioritY", Some(1)),
            ("priority2", None),
            ("priorit", None),
            ("lora_ta\u{17F}\u{212A}", Some(2)),
            ("lora_taſk", Some(2)),
            ("aws_", Some(3)),
            ("AWS_region_name", Some(3)),
            ("aws", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(names.find(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(names.find(b"\xff"), None);
        assert_eq!(names.find(&[b'a'; 1000]), None);
    }
}

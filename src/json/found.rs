//! The requests to a scanner, and its results.

/// A member to look for, such as `{"usage": …}` (`["usage"]`) or each `index` in `choices` (`["choices", "[]", "index"]`).
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Member names from the top of the document, at most [`MAX_PATH`](super::MAX_PATH); `"[]"` means every element of
    /// an array (and never a member named `[]`). A name has at most 32 bytes, so that its lookalikes fit too.
    pub path: &'static [&'static str],
    /// The most bytes of the raw value that are kept. A longer value sets [`Found::overflow`], and none are kept.
    pub cap: usize,
}

/// The tolerance for faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// RFC 8259 to the letter, in UTF-8 without byte order mark, an object at the top and only white space after it.
    Strict,
    /// Any top, `NaN` and other bare words, any number, invalid UTF-8, control bytes and unknown escapes in strings, a
    /// byte order mark before the document and anything after it. Any depth; below [`MAX_DEPTH`](super::MAX_DEPTH) only
    /// strings and the number of open brackets are tracked.
    Lenient,
}

/// The state of a scan after a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The document is not closed yet.
    Open,
    /// The document is closed. `at` is the offset in this push just past its last byte, and 0 in every later push.
    Closed {
        /// Offset in bytes.
        at: usize,
    },
}

/// The reason why a scan failed. It is final: every later push returns the same fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Strict: the top of the document is a value, but not an object.
    NotAnObject,
    /// The bytes do not follow the grammar.
    Malformed,
    /// Strict: more than [`MAX_DEPTH`](super::MAX_DEPTH) arrays and objects are open.
    TooDeep,
    /// Strict: something other than white space after the document.
    TrailingBytes,
    /// Strict: a string that is not UTF-8 (RFC 8259 section 8.1).
    InvalidUtf8,
}

/// The state of one wanted member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The occurrences of the member, with names compared after unescaping (for `"[]"`: elements). Saturates.
    pub exact: u32,
    /// The occurrences of a name on the path that was equal only after case folding: ASCII letters, U+017F as `s` and
    /// U+212A as `k`, the way Go's `encoding/json` reads names; or up to a NUL, which ends a string in C. Saturates.
    /// Counted in [`Grammar::Strict`] only.
    pub lookalikes: u32,
    /// Raw JSON text of the last value, without white space around it; empty while [`Found::overflow`] is set.
    pub raw: Vec<u8>,
    /// The last value was longer than [`Wanted::cap`].
    pub overflow: bool,
    /// The last value has been read to its end.
    pub complete: bool,
    /// The unescaped length of the last value in bytes, if it is a string; else 0.
    pub text: u64,
    /// How many of these bytes belong to characters outside ASCII, by the start of the value. Not
    /// counted where the value is kept, or the scanner counts all texts. Saturates.
    pub wide: u32,
    /// The last value is an object without members or an array without elements.
    pub empty: bool,
    /// The first byte of the last value, which shows its kind.
    pub first: u8,
    /// The index of the last name in the [`NameSet`](super::NameSet), if one is used.
    pub name: u16,
}

impl Found {
    /// The raw text of the last value, if it has been read to its end and fits. For a repeated member it is the last
    /// value, as in Python and `serde_json::Value`. Use [`Found::exact`] to detect repetition.
    pub fn value(&self) -> Option<&[u8]> {
        (self.complete && !self.overflow).then_some(self.raw.as_slice())
    }

    /// The last value, unescaped, if it is a string that fits. `None` for a lone surrogate (`"\ud800"`).
    pub fn string(&self) -> Option<String> {
        self.value().and_then(decode_string)
    }

    pub(super) fn forget_value(&mut self) {
        self.raw.clear();
        self.overflow = false;
        self.complete = false;
        self.text = 0;
        self.wide = 0;
        self.empty = false;
        self.first = 0;
    }
}

/// Unescapes the raw text of a JSON string such as `"caf\u00e9"`, quotes included. `None` if it is anything else or
/// contains a lone surrogate.
pub fn decode_string(raw: &[u8]) -> Option<String> {
    serde_json::from_slice(raw).ok()
}

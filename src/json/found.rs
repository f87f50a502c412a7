//! What is asked of a scanner, and what it answers.

/// A member to look for, such as `{"usage": …}` (`["usage"]`) or each `index` in `choices` (`["choices", "[]", "index"]`).
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Member names from the top of the document, at most [`MAX_PATH`](super::MAX_PATH); `"[]"` stands for every element of an array
    /// (and never for a member that is called `[]`). A name is at most 32 bytes, so that its lookalikes fit as well.
    pub path: &'static [&'static str],
    /// How many bytes of the raw value are kept; a longer value sets [`Found::overflow`] and keeps none.
    pub cap: usize,
}

/// How much is forgiven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// RFC 8259 to the letter, in UTF-8 without byte order mark, an object at the top and only white space after it.
    Strict,
    /// Any top, `NaN` and other bare words, any number, invalid UTF-8, control bytes and unknown escapes in strings, a
    /// byte order mark before the document and anything after it. Any depth; below [`MAX_DEPTH`](super::MAX_DEPTH) nothing
    /// but strings and the number of open brackets is looked at.
    Lenient,
}

/// Where a scan stands after a push.
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

/// Why a scan was given up. It is final: every later push returns the same fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Strict: the top of the document is a value, but no object.
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

/// What is known of one wanted member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How often the member occurred, names compared after unescaping (for `"[]"`: elements). Saturates.
    pub exact: u32,
    /// How often a name on the path was equal only after case folding: ASCII letters, U+017F as `s` and U+212A as `k`,
    /// the way Go's `encoding/json` reads names; or up to a NUL, where C ends a string.
    /// Saturates. Counted in [`Grammar::Strict`] only.
    pub lookalikes: u32,
    /// Raw JSON text of the last value, without white space around it; empty while [`Found::overflow`] is set.
    pub raw: Vec<u8>,
    /// The last value was longer than [`Wanted::cap`].
    pub overflow: bool,
    /// The last value has been read to its end.
    pub complete: bool,
    /// Bytes of the last value's text after unescaping, if it is a string; else 0.
    pub text: u64,
    /// The last value is an object without members or an array without elements.
    pub empty: bool,
    /// The first byte of the last value, which tells its kind.
    pub first: u8,
    /// Which name of a [`NameSet`](super::NameSet) the last one was, where one is looked for.
    pub name: u16,
}

impl Found {
    /// The raw text of the last value, if it has been read to its end and fits. A member that occurs more than once
    /// gives its last value, as Python and `serde_json::Value` do; who cares checks [`Found::exact`].
    pub fn value(&self) -> Option<&[u8]> {
        (self.complete && !self.overflow).then_some(self.raw.as_slice())
    }

    /// The last value, unescaped, if it is a string that fits. A lone surrogate (`"\ud800"`) gives `None`.
    pub fn string(&self) -> Option<String> {
        self.value().and_then(decode_string)
    }

    pub(super) fn forget_value(&mut self) {
        self.raw.clear();
        self.overflow = false;
        self.complete = false;
        self.text = 0;
        self.empty = false;
        self.first = 0;
    }
}

/// Unescapes the raw text of a JSON string such as `"caf\u00e9"`, quotes included. `None` if it is anything else, or
/// holds a lone surrogate.
pub fn decode_string(raw: &[u8]) -> Option<String> {
    serde_json::from_slice(raw).ok()
}

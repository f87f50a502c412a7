//! Names of models, and patterns of them.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Longest name of a model, in bytes.
pub(crate) const MAX_NAME: usize = 256;
/// What the name of a tenant, a key or an objective holds beside letters and digits.
pub(crate) const NAME_MARKS: &str = "._:/@+-";

/// Characters that nobody sees, or that readers take for the end of a text or a line: what Unicode calls control, format,
/// separator or noncharacter, the space of ASCII aside. First and last of each range.
pub(crate) const UNPRINTABLE: [(char, char); 28] = [
    ('\0', '\u{1F}'),
    ('\u{7F}', '\u{A0}'),
    ('\u{AD}', '\u{AD}'),
    ('\u{600}', '\u{605}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{6DD}', '\u{6DD}'),
    ('\u{70F}', '\u{70F}'),
    ('\u{890}', '\u{891}'),
    ('\u{8E2}', '\u{8E2}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{180E}', '\u{180E}'),
    ('\u{2000}', '\u{200F}'),
    ('\u{2028}', '\u{202F}'),
    ('\u{205F}', '\u{206F}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFFB}'),
    ('\u{FFFE}', '\u{FFFF}'),
    ('\u{110BD}', '\u{110BD}'),
    ('\u{110CD}', '\u{110CD}'),
    ('\u{13430}', '\u{1343F}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
    ('\u{10FFFE}', '\u{10FFFF}'),
];

/// What [`ModelName::escaped`] writes in another way, beside what is not ASCII: what is not visible, the escape itself,
/// what parts of the name of a series are separated by (`;.;`, `=.=`), and what other readers of metrics and logs take for
/// the end of a value.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'%')
    .add(b',')
    .add(b';')
    .add(b'=')
    .add(b'\\')
    .add(b'|');

/// A model's name: 1 to 256 bytes of printable UTF-8, after unescaping, without a space at either end. Nothing else is read
/// alike by everybody who reads it after the filter, or can be told apart by people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName(Box<str>);

impl ModelName {
    /// Checks a name. `None` if a character or the length is not allowed.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=MAX_NAME).contains(&text.len()) && is_printable(text);
        let is_framed = text.starts_with(' ') || text.ends_with(' ');
        (fits && !is_framed).then(|| Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as metrics, filter state and access logs have it: what is not visible ASCII, and `"%,;=\|`, is
    /// percent-encoded, byte by byte. No two names have the same.
    #[must_use]
    pub fn escaped(&self) -> Cow<'_, str> {
        utf8_percent_encode(&self.0, ESCAPED).into()
    }
}

/// Returns true for 1 to `longest` letters, digits and [`NAME_MARKS`].
pub(crate) fn is_name(text: &str, longest: usize) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || NAME_MARKS.as_bytes().contains(&byte);
    (1..=longest).contains(&text.len()) && text.bytes().all(safe)
}

fn is_printable(text: &str) -> bool {
    let visible = |byte: u8| matches!(byte, b' '..=b'~');
    let hidden = |letter: char| {
        let mut ranges = UNPRINTABLE.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&letter))
    };
    text.bytes().all(visible) || !text.chars().any(hidden)
}

/// Whether this is too long for a name only because its letters take several bytes each.
pub(crate) fn is_long_in_bytes(text: &str) -> bool {
    text.len() > MAX_NAME && text.chars().count() <= MAX_NAME
}

/// A model name, or a prefix that ends in `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelPattern {
    /// This name alone.
    Exact(Box<str>),
    /// Every name with this prefix; empty for `*`.
    Prefix(Box<str>),
}

/// The models to which a key is limited. Empty allows none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLimit(pub Rc<[ModelPattern]>);

impl ModelPattern {
    /// Reads `name`, `prefix*` or `*`. `None` for what cannot be (the beginning of) a model name, and for a `*` elsewhere,
    /// which would not be what it looks like.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some("") => return Some(Self::Prefix("".into())),
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        // A space at the end of a prefix is within the names.
        ModelName::new(if is_prefix {
            name.trim_end_matches(' ')
        } else {
            name
        })
        .filter(|_| name.len() <= MAX_NAME && !name.contains('*'))?;
        Some(if is_prefix {
            Self::Prefix(name.into())
        } else {
            Self::Exact(name.into())
        })
    }

    /// Returns true if the model is one of these.
    #[must_use]
    pub fn matches(&self, model: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *model,
            Self::Prefix(prefix) => model.starts_with(&**prefix),
        }
    }
}

/// The pattern as in the configuration.
impl fmt::Display for ModelPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => formatter.write_str(name),
            Self::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn every_printable_name_is_one_and_has_an_escaped_form_of_its_own() {
        for (name, escaped) in [
            ("m", "m"),
            (
                "meta-llama/Llama-3.1-8B:free",
                "meta-llama/Llama-3.1-8B:free",
            ),
            ("org@v1+lora_2", "org@v1+lora_2"),
            ("Qwen3 32B", "Qwen3%2032B"),
            ("claude-opus-4-8[1m]", "claude-opus-4-8[1m]"),
            ("~x/y", "~x/y"),
            ("model(1)", "model(1)"),
            ("a=b", "a%3Db"),
            ("a;.;tenant=.=b", "a%3B.%3Btenant%3D.%3Db"),
            ("a%3Db", "a%253Db"),
            ("C# & co?", "C#%20&%20co?"),
            (r#"a"b\c|d,e"#, "a%22b%5Cc%7Cd%2Ce"),
            ("通义千问", "%E9%80%9A%E4%B9%89%E5%8D%83%E9%97%AE"),
            ("modèle-🦙", "mod%C3%A8le-%F0%9F%A6%99"),
            ("a*b", "a*b"),
        ] {
            let model = ModelName::new(name).unwrap();
            assert_eq!(model.as_str(), name);
            assert_eq!(model.escaped(), escaped, "{name}");
        }
        for (what, name) in [
            ("nothing", ""),
            ("a space before", " m"),
            ("a space behind", "m "),
            ("a line", "a\nb"),
            ("a NUL", "a\0b"),
            ("a deletion", "a\u{7F}"),
            ("a control character of Latin-1", "a\u{85}b"),
            ("a space that is not one", "a\u{A0}b"),
            ("a soft hyphen", "a\u{AD}b"),
            ("nothing to see", "a\u{200B}b"),
            ("another direction", "a\u{202E}b"),
            ("the end of a line of Unicode", "a\u{2028}b"),
            ("a byte order mark", "\u{FEFF}a"),
            ("a tag", "a\u{E0041}"),
            ("257 bytes", &"m".repeat(257)),
            ("258 bytes", &"é".repeat(129)),
        ] {
            assert!(ModelName::new(name).is_none(), "{what}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn patterns_are_names_and_beginnings_of_names() {
        let exact = |name: &str| Some(ModelPattern::Exact(name.into()));
        let prefix = |name: &str| Some(ModelPattern::Prefix(name.into()));
        for (text, expected) in [
            ("m", exact("m")),
            ("*", prefix("")),
            ("llama-*", prefix("llama-")),
            ("Qwen3 *", prefix("Qwen3 ")),
            ("通义*", prefix("通义")),
            ("claude-opus-4-8[1m]", exact("claude-opus-4-8[1m]")),
            ("", None),
            (" *", None),
            ("m ", None),
            ("a*b", None),
            ("**", None),
            ("a\tb*", None),
        ] {
            assert_eq!(ModelPattern::parse(text), expected, "{text:?}");
        }
    }
}

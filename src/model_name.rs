//! Names of models, and patterns of them.

use std::fmt;
use std::rc::Rc;

/// Longest name of a model, in bytes.
pub(crate) const MAX_NAME: usize = 256;
/// The characters of names of models, tenants, keys and objectives besides letters and digits.
pub(crate) const NAME_MARKS: &str = "._:/@+-";

/// A model's name: 1 to 256 letters, digits and `._:/@+-`, after unescaping. Other names could not be a header value, a
/// path segment and a JSON string without escapes that readers may interpret differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName(Box<str>);

impl ModelName {
    /// Checks a name. `None` if a character or the length is not allowed.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        is_name(text, MAX_NAME).then(|| Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns true for 1 to `longest` letters, digits and [`NAME_MARKS`].
pub(crate) fn is_name(text: &str, longest: usize) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || NAME_MARKS.as_bytes().contains(&byte);
    (1..=longest).contains(&text.len()) && text.bytes().all(safe)
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
    /// Reads `name`, `prefix*` or `*`. `None` for text that is not a model name or the beginning of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('*') {
            Some("") => Some(Self::Prefix("".into())),
            Some(prefix) => ModelName::new(prefix).map(|_| Self::Prefix(prefix.into())),
            None => ModelName::new(text).map(|_| Self::Exact(text.into())),
        }
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

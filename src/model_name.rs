//! Names of models, and patterns of them.

use std::fmt;
use std::rc::Rc;

/// Longest name of a model, in bytes.
pub(crate) const MAX_NAME: usize = 256;
/// What the name of a model, a tenant, a key or an objective holds beside letters and digits.
pub(crate) const NAME_MARKS: &str = "._:/@+-";

/// A model's name: 1 to 256 letters, digits and `._:/@+-`, after unescaping. Nothing else can be a header value, a path
/// segment and a JSON string without some escaping on which readers may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName(Box<str>);

impl ModelName {
    /// Checks a name. `None` where a character or the length is out of bounds.
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

/// Whether this is 1 to `longest` letters, digits and [`NAME_MARKS`].
pub(crate) fn is_name(text: &str, longest: usize) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || NAME_MARKS.as_bytes().contains(&byte);
    (1..=longest).contains(&text.len()) && text.bytes().all(safe)
}

/// A model name, or a prefix that ends in `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelPattern {
    /// This name alone.
    Exact(Box<str>),
    /// Every name that begins so; empty for `*`.
    Prefix(Box<str>),
}

/// The models that a key is narrowed to. Empty allows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLimit(pub Rc<[ModelPattern]>);

impl ModelPattern {
    /// Reads `name`, `prefix*` or `*`. `None` for what cannot be (the beginning of) a model name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('*') {
            Some("") => Some(Self::Prefix("".into())),
            Some(prefix) => ModelName::new(prefix).map(|_| Self::Prefix(prefix.into())),
            None => ModelName::new(text).map(|_| Self::Exact(text.into())),
        }
    }

    /// Whether the model is one of these.
    #[must_use]
    pub fn matches(&self, model: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *model,
            Self::Prefix(prefix) => model.starts_with(&**prefix),
        }
    }
}

/// As it is written in the configuration.
impl fmt::Display for ModelPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => formatter.write_str(name),
            Self::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

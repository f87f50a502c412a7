//! Keeps secrets that were read out of the answer.

use std::fmt;

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;

const HIDDEN: &str = "[secret]";

/// An answer with all secrets hidden, wherever they appear: a key may have been given as a model's name, or be in the
/// configuration in place of a tenant's name.
pub(super) struct Hiding<T> {
    answer: T,
    secrets: Vec<String>,
}

impl<T> Hiding<T> {
    pub(super) const fn new(answer: T, secrets: Vec<String>) -> Self {
        Self { answer, secrets }
    }

    fn hide(&self, text: &str) -> String {
        let hide = |text: String, secret: &String| text.replace(secret.as_str(), HIDDEN);
        self.secrets.iter().fold(text.to_owned(), hide)
    }

    fn hide_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.hide(&text).into(),
            Value::Array(items) => items.into_iter().map(|item| self.hide_in(item)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| (self.hide(&name), self.hide_in(value)))
                .collect(),
            other => other,
        }
    }
}

impl<T: fmt::Display> fmt::Display for Hiding<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.hide(&self.answer.to_string()))
    }
}

impl<T: Serialize> Serialize for Hiding<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = serde_json::to_value(&self.answer).map_err(S::Error::custom)?;
        self.hide_in(value).serialize(serializer)
    }
}

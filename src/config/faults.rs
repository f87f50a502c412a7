//! What is wrong with a configuration, said so that it can be mended without reading this code.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One fault: where it is, what is wrong and what is expected. It never holds a value that could be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    path: String,
    message: String,
}

impl Fault {
    /// The fault at `path`, such as `keys[2].keyHash`.
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            formatter.write_str(&self.message)
        } else {
            write!(formatter, "{}: {}", self.path, self.message)
        }
    }
}

/// Reads one part of the configuration; its fault, if any, is added to `faults` with the full path.
pub(super) fn read<'a, T: Deserialize<'a>>(
    text: &'a str,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let result = serde_path_to_error::deserialize(&mut deserializer);
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let inner = error.path().to_string();
            let joined = match (path.is_empty(), inner.as_str()) {
                (_, ".") => path.to_owned(),
                (true, _) => inner,
                (false, _) if inner.starts_with('[') => format!("{path}{inner}"),
                (false, _) => format!("{path}.{inner}"),
            };
            faults.push(Fault::new(
                joined,
                without_values(&error.inner().to_string()),
            ));
            None
        }
    }
}

/// Reads a list entry by entry, so that every faulty entry is named. `None` where the list itself is no list.
pub(super) fn read_list<'a, T: Deserialize<'a>>(
    section: Option<&'a RawValue>,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Vec<(String, T)> {
    let entries: Vec<&RawValue> = section
        .and_then(|raw| read(raw.get(), path, faults))
        .unwrap_or_default();
    entries
        .into_iter()
        .enumerate()
        .filter_map(|(index, entry)| {
            let path = format!("{path}[{index}]");
            let value = read(entry.get(), &path, faults)?;
            Some((path, value))
        })
        .collect()
}

/// serde's message without the value it complains about, which may be a key in the wrong place, and without its
/// position, which is meaningless in a document of one line.
fn without_values(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let hides_a_value = ["invalid type: ", "invalid value: ", "unknown variant "]
        .iter()
        .any(|kind| message.starts_with(kind));
    if !hides_a_value {
        return message.to_owned();
    }
    message.split_once("expected ").map_or_else(
        || "wrong kind of value".to_owned(),
        |(_, expected)| format!("expected {expected}"),
    )
}

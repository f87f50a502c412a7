//! Faults of a configuration. Each says enough to fix it without reading this code.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::{is_field_name, meant};

/// One fault: where it is, what is wrong and what is expected. It never holds a value that could be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    path: String,
    message: String,
}

impl Fault {
    /// The fault at `path`, such as `keys[2].keyHash`.
    pub(crate) fn new(path: impl ToString, message: impl Into<String>) -> Self {
        Self {
            path: path.to_string(),
            message: message.into(),
        }
    }

    /// The place, such as `keys[2].keyHash`; empty for the whole configuration.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The problem, and what is expected.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
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

/// Reads one object of the configuration. Its fault, if any, is added to `faults` with the full path.
pub(super) fn read<'a, T: Deserialize<'a>>(
    text: &'a str,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    // serde would accept an array as an object with its members in order.
    if text.trim_start().starts_with('[') {
        faults.push(Fault::new(path, "expected an object"));
        return None;
    }
    deserialize(text, path, faults)
}

fn deserialize<'a, T: Deserialize<'a>>(
    text: &'a str,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let (inner, error) = match serde_path_to_error::deserialize(&mut deserializer) {
        Ok(value) => match deserializer.end() {
            Ok(()) => return Some(value),
            Err(error) => (String::new(), error),
        },
        Err(error) => (error.path().to_string(), error.into_inner()),
    };
    faults.push(explain(path, &inner, &error));
    None
}

/// The fault that serde found at `inner` below `path`. Not generic, because a copy for each type would be too large.
fn explain(path: &str, inner: &str, error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    // A position is meaningless in a document of one line.
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |(message, _)| message);
    let inner = match unknown_field(message) {
        // The path ends with the unknown name, which may be a misplaced key.
        Some(name) => inner
            .strip_suffix(name)
            .map(|container| container.strip_suffix('.').unwrap_or(container))
            .unwrap_or_default(),
        None => inner,
    };
    let joined = match (path, inner) {
        (_, "" | ".") => path.to_owned(),
        ("", _) => inner.to_owned(),
        _ => format!("{path}.{inner}"),
    };
    Fault::new(joined, without_values(message))
}

/// Reads a list entry by entry, so that every faulty entry is named. Returns no entries if the value is not a list.
pub(super) fn read_list<'a, T: Deserialize<'a>>(
    section: Option<&'a RawValue>,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Vec<(String, T)> {
    raw_list(section, path, faults)
        .into_iter()
        .enumerate()
        .filter_map(|(index, entry)| {
            let path = format!("{path}[{index}]");
            let value = read(entry, &path, faults)?;
            Some((path, value))
        })
        .collect()
}

/// The raw text of each entry of a list.
pub(super) fn raw_list<'a>(
    section: Option<&'a RawValue>,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Vec<&'a str> {
    let entries: Vec<&RawValue> = section
        .and_then(|raw| deserialize(raw.get(), path, faults))
        .unwrap_or_default();
    entries.into_iter().map(RawValue::get).collect()
}

/// serde's message without the offending value, which may be a misplaced key. serde's own words come last, because the
/// value may contain the same words.
fn without_values(message: &str) -> String {
    let expected = message.rsplit_once(", expected ").map(|(_, names)| names);
    if let Some(name) = unknown_field(message) {
        let meant = meant(name, message);
        return match expected {
            _ if is_field_name(name) => meant.map_or_else(
                || message.to_owned(),
                |meant| format!("unknown field `{name}`; did you mean `{meant}`?"),
            ),
            Some(names) => format!("unknown field, expected {names}"),
            None => "unknown field".to_owned(),
        };
    }
    let tells_value = ["invalid type: ", "invalid value: ", "unknown variant "]
        .iter()
        .any(|kind| message.starts_with(kind));
    match expected {
        _ if !tells_value => message.to_owned(),
        Some(kind) if kind.starts_with("struct ") => "expected an object".to_owned(),
        Some("a sequence") => "expected a list".to_owned(),
        Some(kind) => format!("expected {kind}"),
        None => "wrong kind of value".to_owned(),
    }
}

/// The name that serde's message calls unknown.
fn unknown_field(message: &str) -> Option<&str> {
    let named = message.strip_prefix("unknown field `")?;
    let name = named
        .rsplit_once("`, expected ")
        .or_else(|| named.rsplit_once('`'));
    Some(name.map_or(named, |(name, _)| name))
}

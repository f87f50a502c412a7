//! A verified payload as `jwt_authn` stores it, without an Envoy, for tests and the operator's command.

use serde_json::Value;

use super::Attribute;

/// Envoy's attribute for the payload at `path`: strings unchanged, other values in Envoy's own form.
#[must_use]
pub fn claim(payload: &Value, path: &[&str]) -> Attribute {
    let mut value = payload;
    for part in path {
        let inner = match value {
            Value::Array(items) => part.parse().ok().and_then(|index: usize| items.get(index)),
            other => other.get(part),
        };
        let Some(inner) = inner else {
            return Attribute::Absent;
        };
        value = inner;
    }
    match value {
        Value::Null => Attribute::Null,
        other => serialised(other).map_or(Attribute::Null, Attribute::Value),
    }
}

/// Envoy's form of a value; `None` if it contains a null.
fn serialised(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(vec![u8::from(*flag)]),
        Value::Number(number) => Some(number.as_f64().unwrap_or_default().to_le_bytes().to_vec()),
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Array(items) => {
            let items = items
                .iter()
                .map(|item| Some((serialised(item)?, Vec::new())));
            Some(pairs(&items.collect::<Option<Vec<_>>>()?))
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| Some((name.clone().into_bytes(), serialised(value)?)));
            Some(pairs(&members.collect::<Option<Vec<_>>>()?))
        }
    }
}

/// A map of Proxy-Wasm: the count, the length of each name and value, and then these, each with a NUL.
fn pairs(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = length(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(length(name.len()));
        bytes.extend(length(value.len()));
    }
    for (name, value) in pairs {
        bytes.extend([name.as_slice(), &[0], value, &[0]].concat());
    }
    bytes
}

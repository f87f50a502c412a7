//! A verified payload as `jwt_authn` leaves it, without an Envoy: for tests, and for the operator's command.

use serde_json::Value;

use super::Claim;

/// What Envoy hands over of the payload at `path`: texts as they are, other values in a form of its own.
#[must_use]
pub fn claim(payload: &Value, path: &[&str]) -> Claim {
    let mut value = payload;
    for part in path {
        let inner = match value {
            Value::Array(items) => part.parse().ok().and_then(|index: usize| items.get(index)),
            other => other.get(part),
        };
        let Some(inner) = inner else {
            return Claim::Absent;
        };
        value = inner;
    }
    match value {
        Value::Null => Claim::Null,
        Value::Bool(flag) => Claim::Value(vec![u8::from(*flag)]),
        Value::Number(number) => {
            Claim::Value(number.as_f64().unwrap_or_default().to_le_bytes().to_vec())
        }
        Value::String(text) => Claim::Value(text.clone().into_bytes()),
        Value::Array(items) if items.contains(&Value::Null) => Claim::Null,
        // The lengths in front are little-endian words, so that there are control bytes in every one of them.
        Value::Array(items) => Claim::Value(length(items.len())),
        Value::Object(members) => Claim::Value(length(members.len())),
    }
}

/// What Envoy's form of a list or an object begins with.
fn length(count: usize) -> Vec<u8> {
    u32::try_from(count)
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec()
}

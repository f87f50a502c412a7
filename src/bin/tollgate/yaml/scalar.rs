//! The values of scalars, as sigs.k8s.io/yaml resolves them.

use saphyr_parser::{ScalarStyle, Tag};

use super::{Text, Value};

/// A name as in JSON: kubectl converts numbers and booleans to text, and refuses null.
pub(super) fn name(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.text),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        _ => None,
    }
}

pub(super) fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let plain = style == ScalarStyle::Plain
        && tag.is_none_or(|tag| tag.is_yaml_core_schema() && tag.suffix != "str");
    let resolved = if plain { resolve(&text) } else { None };
    resolved.unwrap_or(Value::Text(Text { text, style }))
}

/// The value of a plain scalar that is not text.
fn resolve(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Some(Value::Boolean(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some(Value::Boolean(false));
        }
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    let digits = text.replace('_', "");
    let (sign, magnitude) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits.strip_prefix('+').unwrap_or(&digits)),
    };
    if !magnitude.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let based = [
        ("0x", 16),
        ("0X", 16),
        ("0o", 8),
        ("0O", 8),
        ("0b", 2),
        ("0B", 2),
        ("0", 8),
    ]
    .into_iter()
    .find_map(|(prefix, radix)| {
        let digits = magnitude.strip_prefix(prefix)?;
        let digits = Some(digits).filter(|digits| !digits.starts_with(['+', '-']))?;
        i128::from_str_radix(&format!("{sign}{digits}"), radix).ok()
    });
    let whole = based.or_else(|| format!("{sign}{magnitude}").parse().ok());
    if let Some(whole) = whole.and_then(serde_json::Number::from_i128) {
        return Some(Value::Number(whole));
    }
    let shape = magnitude
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let fraction = format!("{sign}{magnitude}")
        .parse()
        .ok()
        .filter(|_| shape)?;
    serde_json::Number::from_f64(fraction).map(Value::Number)
}

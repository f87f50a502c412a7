//! The sections of a configuration: what is none must not hide the faults of the others.

use serde::Deserialize as _;

use super::faults::Fault;
use super::fields::{expected, is_field_name, nearest};
use super::{Config, Entries};

/// The text with the sections that there are, where some of its fields are none or are there twice: each of these is a fault,
/// and the rest can still be read. `None` where the text has another fault.
pub(super) fn known_sections(text: &str, faults: &mut Vec<Fault>) -> Option<String> {
    let Entries(entries) = serde_json::from_str(text).ok()?;
    let sections = sections();
    let mut kept: Vec<(String, &str)> = Vec::new();
    let faults_before = faults.len();
    for (name, value) in entries {
        if kept.iter().any(|(other, _)| *other == name) {
            faults.push(Fault::new(name, "duplicate name; expected each name once"));
        } else if sections.contains(&name) {
            kept.push((name, value.get()));
        } else {
            faults.push(unknown(&name, &sections));
        }
    }
    if faults.len() == faults_before {
        return None;
    }
    let members = kept
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"));
    Some(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
}

fn unknown(name: &str, sections: &[String]) -> Fault {
    let nearest = nearest(name, sections.iter().map(String::as_str));
    match nearest {
        Some(nearest) if is_field_name(name) => {
            Fault::new(name, format!("unknown field; did you mean `{nearest}`?"))
        }
        _ => {
            let sections: Vec<String> = sections
                .iter()
                .map(|section| format!("`{section}`"))
                .collect();
            let path = if is_field_name(name) { name } else { "" };
            Fault::new(
                path,
                format!("unknown field, expected one of {}", sections.join(", ")),
            )
        }
    }
}

/// The names of all sections, as serde tells them of a field that is none.
fn sections() -> Vec<String> {
    let mut deserializer = serde_json::Deserializer::from_str(r#"{"":0}"#);
    let message = Config::deserialize(&mut deserializer)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    expected(&message).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn finds_the_section_that_was_meant() {
        let sections = sections();
        for (name, expected) in [
            ("key", Some("keys")),
            ("Keys", Some("keys")),
            ("tenant", Some("tenants")),
            ("keysForm", Some("keysFrom")),
            ("trustedheader", Some("trustedHeaders")),
            ("model", Some("models")),
            ("hideDeniedModel", Some("hideDeniedModels")),
            ("jtw", None),
            ("ratelimits", None),
            ("", None),
        ] {
            let found = nearest(name, sections.iter().map(String::as_str));
            assert_eq!(found, expected, "{name}");
        }
    }
}

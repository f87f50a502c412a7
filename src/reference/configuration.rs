//! The fields of the configuration, from its schema.

use std::ptr;

use serde_json::Value;

use super::{code, codes, table};
use crate::config::schema;

/// Further explanations of fields.
const FURTHER: [(&str, &str); 5] = [
    ("mode", "See [modes](#modes)."),
    (
        "metering.filterState",
        "See [filter state](#filter-state-and-access-log).",
    ),
    (
        "metering.streamUsage",
        "See [asking for usage](token-counting.md#asking-for-usage).",
    ),
    (
        "metering.stripAcceptEncoding",
        "See [compression](token-counting.md#compression).",
    ),
    (
        "metering.gatewayCounts",
        "See [the counts of another filter](#the-counts-of-another-filter).",
    ),
];

struct Field {
    path: String,
    required: String,
    default: String,
    meaning: String,
}

/// A table of the sections, and a table for each section with fields.
pub(super) fn tables() -> String {
    let schema = schema();
    let mut further = FURTHER.to_vec();
    let mut all: Vec<(Field, Vec<Field>)> = Vec::new();
    for (name, section) in members(&schema) {
        let mut inner = Vec::new();
        fields(section, name, &mut inner);
        all.push((field(&schema, name, name.clone()), inner));
    }
    for field in all
        .iter_mut()
        .flat_map(|(section, inner)| [section].into_iter().chain(inner))
    {
        if let Some(at) = further.iter().position(|(path, _)| *path == field.path) {
            field.meaning = format!("{} {}", field.meaning, further.remove(at).1);
        }
    }
    assert!(further.is_empty(), "no such field: {further:?}");
    let mut text = fields_table(all.iter().map(|(section, _)| section));
    for (section, inner) in &all {
        if !inner.is_empty() {
            text.push_str(&format!("\n### `{}`\n\n", section.path));
            // The description of an entry. For a section that is an object, the table above has it.
            let entry = ["items", "additionalProperties"]
                .map(|entry| &schema["properties"][&section.path][entry]);
            for description in entry
                .into_iter()
                .filter_map(|entry| entry["description"].as_str())
            {
                text.push_str(&format!("{description}\n\n"));
            }
            text.push_str(&fields_table(inner));
        }
    }
    text
}

fn fields_table<'a>(fields: impl IntoIterator<Item = &'a Field>) -> String {
    let rows = fields.into_iter().map(|field| {
        [
            code(&field.path),
            field.required.clone(),
            field.default.clone(),
            field.meaning.clone(),
        ]
    });
    table(["field", "required", "default", "meaning"], rows)
}

/// The fields below a place of the schema, in the order of the types.
fn fields(schema: &Value, path: &str, found: &mut Vec<Field>) {
    for place in [schema].into_iter().chain(forms(schema)) {
        for (name, member) in members(place) {
            let path = format!("{path}.{name}");
            // The row of the field explains its variants.
            if ptr::eq(place, schema) || member.get("description").is_some() {
                found.push(field(place, name, path.clone()));
            }
            fields(member, &path, found);
        }
    }
    for (step, member) in [("[]", "items"), (".NAME", "additionalProperties")] {
        if let Some(schema) = schema.get(member) {
            fields(schema, &format!("{path}{step}"), found);
        }
    }
}

fn members(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

/// The alternatives of a value, without those that only state which members belong together.
fn forms(schema: &Value) -> Vec<&Value> {
    let forms = ["anyOf", "oneOf"]
        .into_iter()
        .filter_map(|forms| schema[forms].as_array());
    let forms = forms.flatten().flat_map(|form| match form.get("type") {
        Some(_) => vec![form],
        None => self::forms(form),
    });
    forms.collect()
}

/// The row of one member of an object.
fn field(parent: &Value, name: &str, path: String) -> Field {
    let schema = &parent["properties"][name];
    let (mut meaning, omitted) = described(schema);
    for form in forms(schema) {
        if form.get("description").is_some() {
            let (description, _) = described(form);
            meaning = format!("{meaning} {}: {description}", code(&shape(form)));
        }
    }
    let default = schema
        .get("default")
        .map(|default| code(&default.to_string()));
    Field {
        path,
        required: required(parent, name),
        default: default.or(omitted).unwrap_or_default(),
        meaning,
    }
}

/// The description, and its statement about an omitted field.
fn described(schema: &Value) -> (String, Option<String>) {
    let text = schema["description"].as_str().unwrap();
    match text.split_once(" Omitted means ") {
        Some((meaning, omitted)) => (
            meaning.to_owned(),
            Some(omitted.trim_end_matches('.').to_owned()),
        ),
        None => (text.to_owned(), None),
    }
}

/// A value as written, with dots for the operator's choice.
fn shape(schema: &Value) -> String {
    match (schema.get("const"), schema.get("properties")) {
        (Some(Value::String(word)), _) => word.clone(),
        (_, Some(_)) => {
            let members =
                members(schema).map(|(name, member)| format!("\"{name}\": {}", shape(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        _ => "…".to_owned(),
    }
}

fn required(parent: &Value, name: &str) -> String {
    let names = |schema: &Value| -> Vec<String> {
        let names = schema["required"].as_array().into_iter().flatten();
        names
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    };
    if names(parent).iter().any(|required| required == name) {
        return "yes".to_owned();
    }
    for condition in parent["allOf"].as_array().into_iter().flatten() {
        let needed = |all: &str| -> Vec<String> {
            let parts = condition["then"][all].as_array().into_iter().flatten();
            parts.flat_map(names).collect()
        };
        if needed("allOf").iter().any(|required| required == name) {
            return "yes, unless `mode` is `open`".to_owned();
        }
        let alternatives = needed("anyOf");
        if alternatives.iter().any(|required| required == name) {
            let alternatives = codes(alternatives.iter().map(String::as_str));
            return format!("one of {alternatives}, unless `mode` is `open`");
        }
    }
    for (alternatives, last) in [("oneOf", ""), ("anyOf", " or both")] {
        let ways = parent[alternatives]
            .as_array()
            .into_iter()
            .flatten()
            .map(names);
        let (with, instead): (Vec<_>, Vec<_>) =
            ways.partition(|way| way.iter().any(|other| other == name));
        let list = |ways: Vec<Vec<String>>| {
            let others = ways.into_iter().flatten().filter(|other| other != name);
            others
                .map(|other| code(&other))
                .collect::<Vec<_>>()
                .join(" and ")
        };
        match (with.is_empty(), list(with), list(instead)) {
            (true, ..) => {}
            (_, with, instead) if with.is_empty() && last.is_empty() => {
                return format!("this or {instead}");
            }
            (_, with, instead) if with.is_empty() => return format!("this, {instead}{last}"),
            (_, with, instead) => return format!("with {with}, or else {instead}"),
        }
    }
    "no".to_owned()
}

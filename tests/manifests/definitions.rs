//! What is known of the pinned definitions themselves.

use serde_json::Value;

use crate::rules;
use crate::schemas::KINDS;

/// Every rule at and below a schema.
fn rules_below<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    found.extend(rules::of(schema).map(|rule| rule["rule"].as_str().unwrap()));
    let fields = schema["properties"].as_object();
    for field in fields.into_iter().flat_map(|fields| fields.values()) {
        rules_below(field, found);
    }
    for keyword in ["items", "additionalProperties"] {
        if schema[keyword].is_object() {
            rules_below(&schema[keyword], found);
        }
    }
}

#[test]
fn every_rule_can_be_evaluated() {
    let mut found = Vec::new();
    for kind in KINDS.values() {
        rules_below(&kind.schema, &mut found);
    }
    found.sort_unstable();
    found.dedup();
    println!("{} rules", found.len());
    assert!(found.len() > 200, "only {} rules", found.len());
    for rule in found {
        if let Err(error) = rules::compile(rule) {
            panic!("{rule}: {error}");
        }
    }
}

#[test]
fn every_schema_becomes_a_strict_one() {
    for ((version, kind), definition) in KINDS.iter() {
        let manifest = serde_json::json!({
            "apiVersion": version, "kind": kind, "metadata": {"name": "any"}, "unheardOf": true
        });
        let faults = definition.faults(&manifest);
        let refused = faults.iter().any(|fault| fault.contains("unheardOf"));
        assert!(refused, "{version} {kind}: {faults:?}");
    }
}

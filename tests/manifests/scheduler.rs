//! The configuration of llm-d's scheduler, as the loader of its release reads it (`apix/config/v1alpha1/` and
//! `pkg/epp/config/loader/` of llm-d-router v0.10.0): unknown fields are refused, and each reference names a plugin.

use std::fs;

use serde::Deserialize;
use serde_json::Value;
use tollgate_tests::manifest::{documents, repository};

/// The types of plugins that the release registers, of those that are used here.
const TYPES: [&str; 6] = [
    "core-metrics-extractor",
    "kv-cache-utilization-scorer",
    "metrics-data-source",
    "prefix-cache-scorer",
    "queue-scorer",
    "round-robin-fairness-policy",
];
const GATES: [&str; 2] = ["flowControl", "haPopulateNonLeaderDatastore"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EndpointPickerConfig {
    api_version: String,
    kind: String,
    #[serde(default)]
    feature_gates: Vec<String>,
    plugins: Vec<Plugin>,
    scheduling_profiles: Vec<Profile>,
    flow_control: FlowControl,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plugin {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    name: String,
    plugins: Vec<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Reference {
    plugin_ref: String,
    #[serde(rename = "weight")]
    _weight: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FlowControl {
    default_priority_band: Band,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Band {
    fairness_policy_ref: String,
}

/// What the loader refuses.
fn faults(config: &Value) -> Vec<String> {
    let config = match EndpointPickerConfig::deserialize(config) {
        Ok(config) => config,
        Err(error) => return vec![error.to_string()],
    };
    let mut faults = Vec::new();
    if (config.api_version.as_str(), config.kind.as_str())
        != ("llm-d.ai/v1alpha1", "EndpointPickerConfig")
    {
        faults.push("another kind".to_owned());
    }
    for gate in &config.feature_gates {
        if !GATES.contains(&gate.as_str()) {
            faults.push(format!("feature gate '{gate}' is unknown or unregistered"));
        }
    }
    let names: Vec<&str> = config
        .plugins
        .iter()
        .map(|plugin| plugin.name.as_deref().unwrap_or(&plugin.kind))
        .collect();
    for plugin in &config.plugins {
        if !TYPES.contains(&plugin.kind.as_str()) {
            faults.push(format!("plugin type '{}' is not registered", plugin.kind));
        }
    }
    let scheduled = config.scheduling_profiles.iter().flat_map(|profile| {
        assert!(!profile.name.is_empty());
        profile
            .plugins
            .iter()
            .map(|reference| reference.plugin_ref.as_str())
    });
    let band = &config.flow_control.default_priority_band;
    for reference in scheduled.chain([band.fairness_policy_ref.as_str()]) {
        if !names.contains(&reference) {
            faults.push(format!("plugin '{reference}' not found"));
        }
    }
    faults
}

fn shipped() -> Value {
    let path = repository().join("examples/llm-d/values.yaml");
    let values = &documents(&fs::read_to_string(path).unwrap()).unwrap()[0]["router"]["epp"];
    let file = values["pluginsConfigFile"].as_str().unwrap();
    let text = values["pluginsCustomConfig"][file].as_str().unwrap();
    documents(text).unwrap().remove(0)
}

#[test]
fn the_scheduler_takes_the_configuration_that_makes_flows_of_tenants() {
    let config = shipped();
    assert_eq!(faults(&config), [""; 0]);
    assert_eq!(config["featureGates"], serde_json::json!(["flowControl"]));
}

#[test]
fn the_scheduler_refuses_what_it_does_not_know() {
    type Row = (&'static str, fn(&mut Value), &'static str);
    let rows: [Row; 4] = [
        (
            "a field",
            |config| config["flowControl"]["fairnessPolicyRef"] = "a".into(),
            "unknown field `fairnessPolicyRef`",
        ),
        (
            "a gate",
            |config| config["featureGates"][0] = "flow-control".into(),
            "feature gate 'flow-control' is unknown or unregistered",
        ),
        (
            "a type",
            |config| config["plugins"][0]["type"] = "queue-scorers".into(),
            "plugin type 'queue-scorers' is not registered",
        ),
        (
            "a policy that is not listed",
            |config| {
                config["plugins"].as_array_mut().unwrap().pop();
            },
            "plugin 'round-robin-fairness-policy' not found",
        ),
    ];
    for (name, change, expected) in rows {
        let mut config = shipped();
        change(&mut config);
        let found = faults(&config);
        assert!(
            found.iter().any(|fault| fault.contains(expected)),
            "{name}: {found:?}"
        );
    }
}

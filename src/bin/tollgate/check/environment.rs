//! The environment that the filter would have. Values are the gateway's secrets and are not known here, so a variable
//! that the gateway passes on counts as set, to something that can be read.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::source::{Carrier, Configuration};
use crate::yaml::Node;

/// What the filter would get for a variable. A manifest that does not pass it on makes it unset.
pub(crate) fn of(configuration: &Configuration) -> impl Fn(&str) -> Option<String> {
    let hashed = hash_lists(&configuration.text);
    move |name| match passed_on(configuration, name) {
        Passed::Not => None,
        Passed::As(value) => Some(value),
        Passed::FromGateway if hashed.iter().any(|other| other == name) => Some(format!(
            "{name}=sha256:{}",
            hex::encode(Sha256::digest(name))
        )),
        Passed::FromGateway => Some(format!("assumed-{name}")),
    }
}

/// Where the filter gets a variable from.
pub(crate) enum Passed {
    Not,
    As(String),
    FromGateway,
}

pub(crate) fn passed_on(configuration: &Configuration, name: &str) -> Passed {
    let plugin = &configuration.plugin;
    let listed = |names: Option<&Node>| {
        let names = names.map_or(&[][..], Node::items);
        names.iter().any(|item| item.text() == Some(name))
    };
    match configuration.carrier {
        Carrier::Bare => Passed::FromGateway,
        Carrier::WasmPlugin => {
            let variables = plugin.at(&["vmConfig", "env"]).map_or(&[][..], Node::items);
            let named = |variable: &Node| {
                variable.member("name").and_then(|name| name.text()) == Some(name)
            };
            match variables.iter().find(|variable| named(variable)) {
                None => Passed::Not,
                Some(variable)
                    if variable.at(&["valueFrom"]).and_then(Node::text) == Some("HOST") =>
                {
                    Passed::FromGateway
                }
                Some(variable) => Passed::As(text(variable.at(&["value"]))),
            }
        }
        Carrier::ExtensionPolicy => {
            if listed(plugin.at(&["env", "hostKeys"])) {
                Passed::FromGateway
            } else {
                Passed::Not
            }
        }
        Carrier::Envoy => {
            let either = |names: [&[&str]; 2]| names.into_iter().find_map(|names| plugin.at(names));
            let hosts = either([
                &["vm_config", "environment_variables", "host_env_keys"],
                &["vmConfig", "environmentVariables", "hostEnvKeys"],
            ]);
            let values = either([
                &["vm_config", "environment_variables", "key_values"],
                &["vmConfig", "environmentVariables", "keyValues"],
            ]);
            match values.and_then(|values| values.member(name)) {
                Some(value) => Passed::As(text(Some(value))),
                None if listed(hosts) => Passed::FromGateway,
                None => Passed::Not,
            }
        }
    }
}

fn text(node: Option<&Node>) -> String {
    node.and_then(Node::text).unwrap_or_default().to_owned()
}

/// The variables that hold `id=hash`; in others stand keys.
fn hash_lists(text: &str) -> Vec<String> {
    let configuration: Value = serde_json::from_str(text).unwrap_or_default();
    let sources = configuration.get("keysFrom").and_then(Value::as_array);
    let hashed = sources
        .into_iter()
        .flatten()
        .filter(|source| source.get("format").and_then(Value::as_str) == Some("hashes"));
    hashed
        .filter_map(|source| Some(source.get("env")?.as_str()?.to_owned()))
        .collect()
}

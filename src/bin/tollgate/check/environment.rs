//! The environment that the filter would have. Values are the gateway's secrets and are not known here, so a variable
//! that the gateway passes on is assumed to have a valid value.

#![expect(
    clippy::indexing_slicing,
    reason = "a `Value` is null where nothing is"
)]

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::output::Failure;
use crate::source::{Carrier, Configuration};
use crate::yaml::Node;

/// The source of the values of the gateway's variables.
#[derive(Args)]
pub(crate) struct Variables {
    /// Take the gateway's variables from a file with lines `NAME=value`
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Take the gateway's variables from the environment of this command
    #[arg(long, conflicts_with = "env_file")]
    environment: bool,
}

impl Variables {
    pub(crate) fn gateway(&self) -> Result<Gateway, Failure> {
        match &self.env_file {
            Some(path) => Gateway::of_file(path),
            None if self.environment => Ok(Gateway::of_process()),
            None => Ok(Gateway::Assumed),
        }
    }
}

/// The variables of the gateway.
pub(crate) enum Gateway {
    /// Each variable is assumed to have a valid value.
    Assumed,
    /// Only the given variables are set.
    Known(HashMap<String, String>),
}

impl Gateway {
    /// Reads `NAME=value` lines, as `kubectl create secret --from-env-file` does.
    fn of_file(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let text = fs::read_to_string(path).map_err(|error| Failure::of_file(path, &error))?;
        let lines = text.lines().map(str::trim_start).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let variables = lines.map(|(index, line)| {
            let (variable, value) = line.split_once('=').ok_or_else(|| {
                let line = index.saturating_add(1);
                Failure::new(format!("{name}:{line}: expected `NAME=value`"))
            })?;
            Ok((variable.to_owned(), value.to_owned()))
        });
        Ok(Self::Known(variables.collect::<Result<_, Failure>>()?))
    }

    /// The variables of this process.
    fn of_process() -> Self {
        let variables = env::vars_os();
        let readable = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::Known(variables.filter_map(readable).collect())
    }

    /// The value that the filter gets for a variable. A variable that the manifest does not pass on is unset.
    pub(crate) fn seen_by(&self, configuration: &Configuration) -> impl Fn(&str) -> Option<String> {
        let hashed = hash_lists(&configuration.text);
        move |name| match (passed_on(configuration, name), self) {
            (Passed::Not, _) => None,
            (Passed::As(value), _) => Some(value),
            (Passed::FromGateway, Self::Known(variables)) => variables.get(name).cloned(),
            (Passed::FromGateway, Self::Assumed) if hashed.iter().any(|other| other == name) => {
                Some(format!(
                    "{name}=sha256:{}",
                    hex::encode(Sha256::digest(name))
                ))
            }
            // As good as a random key, and different for each variable.
            (Passed::FromGateway, Self::Assumed) => Some(hex::encode(Sha256::digest(name))),
        }
    }

    /// The paths that name a variable whose value is assumed.
    pub(crate) fn assumes(&self, configuration: &Configuration) -> Vec<String> {
        if matches!(self, Self::Known(_)) {
            return Vec::new();
        }
        let variables = variables(&configuration.text).into_iter();
        variables
            .filter(|(_, name)| matches!(passed_on(configuration, name), Passed::FromGateway))
            .map(|(path, _)| path)
            .collect()
    }
}

/// The fault of a manifest that does not pass on the variable that `path` names.
pub(crate) fn missing(configuration: &Configuration, path: &str) -> Option<&'static str> {
    let variables = variables(&configuration.text);
    let (_, name) = variables.iter().find(|(other, _)| other == path)?;
    if !matches!(passed_on(configuration, name), Passed::Not) {
        return None;
    }
    match configuration.carrier {
        Carrier::Bare => None,
        Carrier::WasmPlugin => {
            Some("the manifest does not pass this variable on; expected it in `spec.vmConfig.env`")
        }
        Carrier::TrafficExtension => Some(
            "the manifest does not pass this variable on; expected it in `spec.wasm.vmConfig.env`",
        ),
        Carrier::ExtensionPolicy => Some(
            "the manifest does not pass this variable on; expected it in `env.hostKeys` of the filter",
        ),
        Carrier::Envoy => Some(
            "the filter does not get this variable; expected it in `vm_config.environment_variables`",
        ),
    }
}

/// Path and name of each variable that a configuration needs.
fn variables(text: &str) -> Vec<(String, String)> {
    let parsed: Value = serde_json::from_str(text).unwrap_or_default();
    let keys = parsed["keysFrom"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate();
    let keys = keys.map(|(index, source)| (format!("keysFrom[{index}].env"), &source["env"]));
    let server = (
        "credentials.forward.env".to_owned(),
        &parsed["credentials"]["forward"]["env"],
    );
    let admitted = (
        "admittedHeader.env".to_owned(),
        &parsed["admittedHeader"]["env"],
    );
    keys.chain([server, admitted])
        .filter_map(|(path, name)| Some((path, name.as_str()?.to_owned())))
        .collect()
}

/// The source of a variable of the filter.
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
        Carrier::WasmPlugin | Carrier::TrafficExtension => {
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

/// The variables that contain `id=hash`. The others contain keys.
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

//! What manifests tell the filter, and how they put it in.

use serde_json::{Value, json};
use tollgate::config::compile;

/// A configuration of the filter in a manifest.
struct Plugin<'a> {
    path: String,
    config: &'a Value,
    /// The variables that the filter gets.
    environment: Vec<&'a str>,
}

/// What is wrong with the configurations of the filter in a manifest, or with how they are put in.
pub(crate) fn faults(manifest: &Value) -> Vec<String> {
    let configurations = plugins(manifest);
    let mut faults: Vec<_> = configurations.iter().flat_map(Plugin::faults).collect();
    faults.extend(ways_round(manifest).into_iter().map(str::to_owned));
    faults
}

/// How many configurations of the filter a manifest holds.
pub(crate) fn count(manifest: &Value) -> usize {
    plugins(manifest).len()
}

fn plugins(manifest: &Value) -> Vec<Plugin<'_>> {
    let spec = &manifest["spec"];
    match manifest["kind"].as_str() {
        Some("WasmPlugin") => vec![of_istio("/spec/pluginConfig", spec)],
        Some("TrafficExtension") => vec![of_istio("/spec/wasm/pluginConfig", &spec["wasm"])],
        Some("EnvoyExtensionPolicy") => {
            let plugins = spec["wasm"].as_array().into_iter().flatten().enumerate();
            plugins
                .map(|(index, plugin)| Plugin {
                    path: format!("/spec/wasm/{index}/config"),
                    config: &plugin["config"],
                    environment: strings(&plugin["env"]["hostKeys"], ""),
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

fn of_istio<'a>(path: &str, plugin: &'a Value) -> Plugin<'a> {
    Plugin {
        path: path.to_owned(),
        config: &plugin["pluginConfig"],
        environment: strings(&plugin["vmConfig"]["env"], "name"),
    }
}

/// The texts of a list, or those under this name in its items.
fn strings<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    let items = list.as_array().into_iter().flatten();
    let texts = items.filter_map(|item| if name.is_empty() { item } else { &item[name] }.as_str());
    texts.collect()
}

impl Plugin<'_> {
    /// The faults that the filter itself would log.
    fn faults(&self) -> Vec<String> {
        let environment = |name: &str| {
            self.environment
                .contains(&name)
                .then(|| self.variable(name))
        };
        let faults = compile(self.config.to_string().as_bytes(), &environment).err();
        let faults = faults.into_iter().flatten();
        faults
            .map(|fault| format!("{}: {fault}", self.path))
            .collect()
    }

    /// Some value for a variable that only the cluster knows.
    fn variable(&self, name: &str) -> String {
        let lists = self.config["keysFrom"].as_array().into_iter().flatten();
        let hashes = json!("hashes");
        match lists.clone().find(|list| list["env"] == name) {
            Some(list) if list["format"] == hashes => format!("any=sha256:{}", "0".repeat(64)),
            _ => format!("sk-any-{name}"),
        }
    }
}

/// Ways in which requests would get round the filter. All of them are valid to the platform.
fn ways_round(manifest: &Value) -> Vec<&'static str> {
    let spec = &manifest["spec"];
    let target_kinds = || {
        let lists =
            [&spec["targetRefs"], &spec["targetSelectors"]].map(|list| strings(list, "kind"));
        let one = spec["targetRef"]["kind"].as_str();
        lists.into_iter().flatten().chain(one)
    };
    let mut ways = Vec::new();
    let mut found = |is: bool, what| ways.extend(is.then_some(what));
    match manifest["kind"].as_str() {
        Some("WasmPlugin" | "TrafficExtension") => {
            let strategies = [&spec["failStrategy"], &spec["wasm"]["failStrategy"]];
            found(
                strategies.iter().any(|strategy| **strategy == "FAIL_OPEN"),
                "/spec/failStrategy: a crash would let everybody in",
            );
            found(
                spec["phase"] != "AUTHZ",
                "/spec/phase: verified tokens are there in AUTHZ",
            );
            found(
                spec.get("match").is_some(),
                "/spec/match: the filter decides itself which paths are public",
            );
        }
        Some("EnvoyExtensionPolicy") if spec.get("wasm").is_some() => {
            let plugins = || spec["wasm"].as_array().into_iter().flatten();
            found(
                plugins().any(|plugin| plugin["failOpen"] == true),
                "/spec/wasm: failOpen would let everybody in",
            );
            found(
                target_kinds().next().is_none(),
                "/spec/targetRefs: it is attached to nothing",
            );
            found(
                target_kinds().any(|kind| kind != "Gateway"),
                "/spec/targetRefs: what is attached to a route can be gone round by another route",
            );
        }
        _ => {}
    }
    ways
}

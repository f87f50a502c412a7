//! Configuration that Envoy discovers in a file, so that a test can change it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::bootstrap::{LISTENER, WASM};

/// The file in the watched folder.
const RESOURCES: &str = "resources.json";

/// What Envoy discovers, and where.
pub(super) struct Discovery {
    folder: PathBuf,
    /// The resource with the configuration that Envoy started with.
    resource: Value,
    /// Where in the resource the plugin configuration is.
    configuration: String,
    /// Envoy's counters of the configurations that it has met, and of those that it refused.
    counters: [String; 2],
}

impl Discovery {
    /// Lets Envoy discover the filter alone (ECDS), as in Istio.
    pub(super) fn of_filter(bootstrap: &mut Value, folder: PathBuf) -> Self {
        let place = filter_in_listener(listener(bootstrap));
        let filter = listener(bootstrap).pointer_mut(&place).unwrap();
        let discovered = json!({
            "name": filter["name"],
            "config_discovery": {"config_source": source(&folder), "type_urls": [WASM]}
        });
        let mut resource = std::mem::replace(filter, discovered);
        resource["@type"] = json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig");
        let name = resource["name"].as_str().unwrap();
        let counters = ["config_reload", "config_fail"]
            .map(|counter| format!("extension_config_discovery.http_filter.{name}.{counter}"));
        Self::begin(folder, resource, "", counters)
    }

    /// Lets Envoy discover the whole listener (LDS), as in Envoy Gateway.
    pub(super) fn of_listener(bootstrap: &mut Value, folder: PathBuf) -> Self {
        let mut resource = listener(bootstrap).take();
        bootstrap["static_resources"]["listeners"]
            .as_array_mut()
            .unwrap()
            .retain(|listener| !listener.is_null());
        bootstrap["dynamic_resources"] = json!({"lds_config": source(&folder)});
        let place = filter_in_listener(&resource);
        resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        let counters = ["update_attempt", "update_rejected"]
            .map(|counter| format!("listener_manager.lds.{counter}"));
        Self::begin(folder, resource, &place, counters)
    }

    fn begin(folder: PathBuf, resource: Value, filter: &str, counters: [String; 2]) -> Self {
        fs::create_dir(&folder).unwrap();
        let discovery = Self {
            folder,
            resource,
            configuration: format!("{filter}/typed_config/config/configuration/value"),
            counters,
        };
        discovery.write(&discovery.resource, 0);
        discovery
    }

    /// Puts another plugin configuration in the place of the one before.
    pub(super) fn publish(&self, config: &Value, version: usize) {
        let mut resource = self.resource.clone();
        *resource.pointer_mut(&self.configuration).unwrap() = json!(config.to_string());
        self.write(&resource, version);
    }

    /// How many configurations Envoy has met, the first one included, and how many of them it refused. `stats` is the
    /// text of its admin interface.
    pub(super) fn counted(&self, stats: &str) -> [usize; 2] {
        self.counters.each_ref().map(|name| {
            let value = stats
                .lines()
                .find_map(|line| line.strip_prefix(name.as_str())?.strip_prefix(": "));
            value.map_or(0, |value| value.parse().unwrap())
        })
    }

    /// In one step, as Envoy's file watcher wants it.
    fn write(&self, resource: &Value, version: usize) {
        let resources = json!({"version_info": version.to_string(), "resources": [resource]});
        let next = self.folder.with_extension("next");
        fs::write(&next, resources.to_string()).unwrap();
        fs::rename(next, self.folder.join(RESOURCES)).unwrap();
    }
}

fn source(folder: &Path) -> Value {
    json!({
        "resource_api_version": "V3",
        "path_config_source": {
            "path": folder.join(RESOURCES),
            "watched_directory": {"path": folder}
        }
    })
}

fn listener(bootstrap: &mut Value) -> &mut Value {
    let listeners = bootstrap["static_resources"]["listeners"].as_array_mut();
    let mut listeners = listeners.unwrap().iter_mut();
    listeners
        .find(|listener| listener["name"] == LISTENER)
        .unwrap()
}

/// The JSON pointer of the filter in its listener.
fn filter_in_listener(listener: &Value) -> String {
    let filters = "/filter_chains/0/filters/0/typed_config/http_filters";
    let all = listener.pointer(filters).unwrap().as_array().unwrap();
    let index = all
        .iter()
        .position(|filter| filter["typed_config"]["@type"] == WASM);
    format!("{filters}/{}", index.unwrap())
}

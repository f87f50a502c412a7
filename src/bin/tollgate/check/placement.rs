//! Warnings about how a manifest loads the filter: ways for requests to bypass it, or for tokens not to reach it.

#![expect(
    clippy::indexing_slicing,
    reason = "a `Value` is null where nothing is"
)]

use std::rc::Rc;

use serde_json::Value;

use crate::source::{Carrier, Configuration};
use crate::yaml::Node;

/// Line, path and message of each warning.
pub(crate) fn warnings(configuration: &Configuration) -> Vec<(usize, String, String)> {
    let tokens: Value = serde_json::from_str(&configuration.text).unwrap_or_default();
    let mut placement = Placement {
        configuration,
        tokens: tokens["jwt"].as_array().cloned().unwrap_or_default(),
        found: Vec::new(),
    };
    let prefix = prefix(configuration);
    match configuration.carrier {
        Carrier::Bare => {}
        Carrier::WasmPlugin | Carrier::TrafficExtension => placement.of_istio(&prefix),
        Carrier::ExtensionPolicy => placement.extension_policy(&prefix),
        Carrier::Envoy => placement.envoy(),
    }
    placement.metadata_keys();
    placement.found
}

/// What leads to the object that loads the filter, as a path begins with it.
pub(super) fn prefix(configuration: &Configuration) -> String {
    match configuration.carrier {
        Carrier::Bare | Carrier::Envoy => String::new(),
        Carrier::WasmPlugin => "spec.".to_owned(),
        Carrier::TrafficExtension => "spec.wasm.".to_owned(),
        Carrier::ExtensionPolicy => {
            let (document, plugin) = (&configuration.document, &configuration.plugin);
            let plugins = document.at(&["spec", "wasm"]).map_or(&[][..], Node::items);
            let index = plugins.iter().position(|other| Rc::ptr_eq(other, plugin));
            format!("spec.wasm[{}].", index.unwrap_or_default())
        }
    }
}

struct Placement<'c> {
    configuration: &'c Configuration,
    /// The entries of `jwt`.
    tokens: Vec<Value>,
    found: Vec<(usize, String, String)>,
}

const PASSES: &str = "where the filter cannot run, every request passes; expected";

impl Placement<'_> {
    /// Warns about `path` in `node`, which is at `prefix`.
    fn warn(&mut self, node: &Node, prefix: &str, path: &str, message: impl Into<String>) {
        let line = node.line_of(path).unwrap_or(node.line);
        let line = self.configuration.lines.in_file(line);
        self.found
            .push((line, format!("{prefix}{path}"), message.into()));
    }

    /// Checks a resource of Istio, which has the plugin under `prefix`.
    fn of_istio(&mut self, prefix: &str) {
        let (document, plugin) = (&self.configuration.document, &self.configuration.plugin);
        let spec = document.member("spec").map_or(document, |spec| spec);
        let says = |name: &str| plugin.member(name).and_then(|value| value.text());
        if says("failStrategy") == Some("FAIL_OPEN") {
            self.warn(
                plugin,
                prefix,
                "failStrategy",
                format!("{PASSES} `FAIL_RELOAD` or `FAIL_CLOSE`"),
            );
        }
        let phase = spec.member("phase").and_then(|phase| phase.text());
        if !self.tokens.is_empty() && phase != Some("AUTHZ") {
            self.warn(
                spec,
                "spec.",
                "phase",
                "expected `AUTHZ`, where tokens have been verified",
            );
        }
        if spec.member("match").is_some() {
            self.warn(
                spec,
                "spec.",
                "match",
                "requests that do not match bypass the filter; expected none",
            );
        }
        for (path, target) in targets(spec) {
            let kind = target.member("kind").and_then(|kind| kind.text());
            if !kind.is_some_and(|kind| ["Gateway", "GatewayClass"].contains(&kind)) {
                self.warn(
                    spec,
                    "spec.",
                    &format!("{path}.kind"),
                    "this does not load the filter in a gateway; expected `Gateway`",
                );
            }
        }
        let attached = ["targetRefs", "targetRef", "selector"];
        if attached.iter().all(|name| spec.member(name).is_none()) {
            self.warn(
                spec,
                "spec.",
                "targetRefs",
                "every pod of the namespace gets the filter, and a sidecar then judges what its pod sends; expected a `Gateway`",
            );
        }
        let url = says("url").unwrap_or_default();
        if !url.starts_with("file://")
            && !url.contains("@sha256:")
            && plugin.member("sha256").is_none()
        {
            self.warn(
                plugin,
                prefix,
                "url",
                "the code is not pinned; expected `sha256`",
            );
        }
    }

    fn extension_policy(&mut self, prefix: &str) {
        let (document, plugin) = (&self.configuration.document, &self.configuration.plugin);
        let spec = document.member("spec").map_or(document, |spec| spec);
        for (path, target) in targets(spec) {
            let kind = target.member("kind").and_then(|kind| kind.text());
            if kind.is_some_and(|kind| kind != "Gateway") {
                self.warn(
                    spec,
                    "spec.",
                    &format!("{path}.kind"),
                    "other routes of the gateway bypass the filter; expected `Gateway`",
                );
            }
            if target.member("sectionName").is_some() {
                self.warn(
                    spec,
                    "spec.",
                    &format!("{path}.sectionName"),
                    "other listeners of the gateway bypass the filter; expected the whole Gateway",
                );
            }
        }
        if truth(plugin, "failOpen") {
            self.warn(plugin, prefix, "failOpen", format!("{PASSES} `false`"));
        }
        for source in ["http", "image"] {
            let pinned = |code: &Node| {
                let url = code.member("url").and_then(|url| url.text());
                code.member("sha256").is_some() || url.is_some_and(|url| url.contains("@sha256:"))
            };
            if plugin
                .at(&["code", source])
                .is_some_and(|code| !pinned(code))
            {
                self.warn(
                    plugin,
                    prefix,
                    &format!("code.{source}"),
                    "the code is not pinned; expected `sha256`",
                );
            }
        }
    }

    fn envoy(&mut self) {
        let plugin = &self.configuration.plugin;
        for name in ["fail_open", "failOpen"] {
            if truth(plugin, name) {
                self.warn(
                    plugin,
                    "",
                    name,
                    format!("{PASSES} `failure_policy: FAIL_RELOAD`"),
                );
            }
        }
        for name in ["failure_policy", "failurePolicy"] {
            if plugin.member(name).and_then(|policy| policy.text()) == Some("FAIL_OPEN") {
                self.warn(plugin, "", name, format!("{PASSES} `FAIL_RELOAD`"));
            }
        }
        for vm in ["vm_config", "vmConfig"] {
            let is_fetched = plugin.at(&[vm, "code", "remote"]).is_some();
            if is_fetched && is_discovered(&self.configuration.document) {
                self.warn(
                    plugin,
                    "",
                    &format!("{vm}.code.remote"),
                    "until Envoy has fetched the code of a discovered filter, every request passes; expected `local`",
                );
            }
        }
    }

    /// Istio writes every payload under one name. Envoy's names are in the chain of filters, if it is in the file.
    fn metadata_keys(&mut self) {
        let configuration = self.configuration;
        let mut written = Vec::new();
        match configuration.carrier {
            Carrier::WasmPlugin | Carrier::TrafficExtension => written.push("payload"),
            Carrier::Envoy => payload_names(&configuration.document, &mut written),
            Carrier::Bare | Carrier::ExtensionPolicy => {}
        }
        if written.is_empty() {
            return;
        }
        let tokens = std::mem::take(&mut self.tokens);
        for (index, issuer) in tokens.iter().enumerate() {
            if !written.iter().any(|name| issuer["metadataKey"] == *name) {
                let path = format!("jwt[{index}].metadataKey");
                let line = configuration.line_of(&path);
                let names: Vec<String> = written.iter().map(|name| format!("`{name}`")).collect();
                self.found.push((
                    line,
                    path,
                    format!(
                        "no payload is written there; expected {}",
                        names.join(" or ")
                    ),
                ));
            }
        }
    }
}

/// The targets of a policy, with their paths in its `spec`.
fn targets(spec: &Node) -> Vec<(String, &Rc<Node>)> {
    let single = spec
        .member("targetRef")
        .map(|target| ("targetRef".to_owned(), target));
    let several = ["targetRefs", "targetSelectors"]
        .into_iter()
        .flat_map(|name| {
            let targets = spec.member(name).map_or(&[][..], |targets| targets.items());
            let places = targets.iter().enumerate();
            places.map(move |(index, target)| (format!("{name}[{index}]"), target))
        });
    single.into_iter().chain(several).collect()
}

fn truth(node: &Node, name: &str) -> bool {
    matches!(
        node.member(name).map(|value| &value.value),
        Some(crate::yaml::Value::Boolean(true))
    )
}

/// Returns true for a filter that Envoy discovers separately from its listener (ECDS).
fn is_discovered(document: &Node) -> bool {
    let kind = document.member("@type").and_then(|kind| kind.text());
    kind.is_some_and(|kind| kind.ends_with("/envoy.config.core.v3.TypedExtensionConfig"))
        || below(document).any(is_discovered)
}

/// The items of a list, or the values of an object.
pub(super) fn below(node: &Node) -> impl Iterator<Item = &Node> {
    let members = node.entries().iter().map(|entry| &entry.node);
    node.items().iter().chain(members).map(Rc::as_ref)
}

/// The keys under which `jwt_authn` writes payloads.
fn payload_names<'n>(node: &'n Node, names: &mut Vec<&'n str>) {
    for name in ["payload_in_metadata", "payloadInMetadata"] {
        names.extend(node.member(name).and_then(|name| name.text()));
    }
    for part in below(node) {
        payload_names(part, names);
    }
}

//! How the manifests of Istio hang together: the extension that says what the plugin says, and what `kubectl kustomize` makes
//! of the base and the folders that build on it, for what they use of it (resources, a namespace, patches that replace or
//! delete, replacements).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tollgate_tests::manifest::{documents, example, repository};

use crate::faults;

fn built(folder: &Path) -> Vec<Value> {
    let text = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let [kustomization] = &documents(&text("kustomization.yaml")).unwrap()[..] else {
        panic!("{}", folder.display())
    };
    let mut all = Vec::new();
    for resource in items(kustomization, "resources") {
        let resource = resource.as_str().unwrap();
        if folder.join(resource).is_dir() {
            all.extend(built(&folder.join(resource)));
        } else {
            all.extend(documents(&text(resource)).unwrap());
        }
    }
    for resource in &mut all {
        resource["metadata"]["namespace"] = kustomization["namespace"].clone();
    }
    for patch in items(kustomization, "patches") {
        let target = &patch["target"];
        assert!(
            all.iter().any(|resource| is_meant(target, resource)),
            "{target}"
        );
        let [patch] = &documents(patch["patch"].as_str().unwrap()).unwrap()[..] else {
            panic!("{patch}")
        };
        if patch["$patch"] == "delete" {
            all.retain(|resource| !is_meant(target, resource));
            continue;
        }
        for change in patch.as_array().unwrap() {
            assert_eq!(change["op"], "replace");
            let path = change["path"].as_str().unwrap();
            for resource in all.iter_mut().filter(|resource| is_meant(target, resource)) {
                let place = resource.pointer_mut(path);
                *place.unwrap_or_else(|| panic!("{path}")) = change["value"].clone();
            }
        }
    }
    for replacement in items(kustomization, "replacements") {
        let source = &replacement["source"];
        let from = all
            .iter()
            .find(|resource| is_meant(source, resource))
            .unwrap();
        let value = from
            .pointer(&pointer(&source["fieldPath"]))
            .unwrap()
            .clone();
        for target in items(replacement, "targets") {
            let meant = |resource: &&mut Value| is_meant(&target["select"], resource);
            let into = all.iter_mut().find(meant).unwrap();
            for path in items(target, "fieldPaths") {
                *into.pointer_mut(&pointer(path)).unwrap() = value.clone();
            }
        }
    }
    all
}

fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

fn is_meant(target: &Value, resource: &Value) -> bool {
    let mut kinds = target["kind"].as_str().unwrap().split('|');
    kinds.any(|kind| resource["kind"] == kind)
        && (target["name"].is_null() || resource["metadata"]["name"] == target["name"])
}

fn pointer(path: &Value) -> String {
    format!("/{}", path.as_str().unwrap().replace('.', "/"))
}

/// What stands at this path in the only resource of a kind and name.
fn at<'v>(all: &'v [Value], kind: &str, name: &str, path: &str) -> &'v Value {
    let mut found = all
        .iter()
        .filter(|resource| resource["kind"] == kind && resource["metadata"]["name"] == name);
    let only = found.next().unwrap();
    assert!(found.next().is_none(), "several {kind} {name}");
    only.pointer(path).unwrap()
}

#[test]
fn base_and_overlays_make_manifests_that_hold_together() {
    let rows = [
        (
            "istio",
            "inference",
            "inference",
            "demo-0d3adb33f5c0ffee",
            11,
        ),
        (
            "istio-yours",
            "team-inference",
            "inference",
            "demo-1e4dbeef11223344",
            11,
        ),
        (
            "istio-existing-gateway",
            "gateways",
            "shared",
            "demo-0d3adb33f5c0ffee",
            6,
        ),
    ];
    for (folder, namespace, gateway, secret, count) in rows {
        let all = built(&repository().join("examples").join(folder));
        assert_eq!(all.len(), count, "{folder}");
        for resource in &all {
            assert_eq!(faults(resource), [""; 0], "{folder}: {}", resource["kind"]);
            assert_eq!(
                resource["metadata"]["namespace"], namespace,
                "{folder}: {}",
                resource["kind"]
            );
            for target in items(&resource["spec"], "targetRefs") {
                assert_eq!(target["name"], gateway, "{folder}: {}", resource["kind"]);
            }
        }
        let lock = "tollgate-admitted";
        assert_eq!(at(&all, "Secret", lock, "/stringData/value"), secret);
        let opens = at(
            &all,
            "AuthorizationPolicy",
            lock,
            "/spec/rules/0/when/0/notValues",
        );
        assert_eq!(*opens, json!([secret]), "{folder}");
    }
}

#[test]
fn the_traffic_extension_of_istio_says_what_the_wasm_plugin_says() {
    let mut spec = example("istio/tollgate.yaml", "WasmPlugin")["spec"].clone();
    let plugin = spec.as_object_mut().unwrap();
    let around = ["targetRefs", "phase"].map(|name| (name, plugin.remove(name).unwrap()));
    let mut expected = json!({"wasm": plugin});
    for (name, value) in around {
        expected[name] = value;
    }
    let extension = example("istio/traffic-extension.yaml", "TrafficExtension");
    assert_eq!(extension["spec"], expected);
}

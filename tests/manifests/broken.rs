//! Manifests that must be refused: the shipped ones, each with one thing wrong.

use serde_json::{Value, json};
use tollgate_tests::manifest::example;

use crate::faults;

/// The shipped manifest of this file and kind with one value set by its JSON pointer; whose last part may be new.
fn with(file: &str, kind: &str, pointer: &str, value: Value) -> Value {
    let mut manifest = example(file, kind);
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let parent = manifest
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("{pointer}"));
    match last.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[last] = value,
    }
    manifest
}

#[test]
fn a_broken_manifest_is_refused() {
    let plugin = ("istio/tollgate.yaml", "WasmPlugin");
    let policy = ("envoy-gateway/tollgate.yaml", "EnvoyExtensionPolicy");
    let tokens = ("envoy-gateway/tokens.yaml", "SecurityPolicy");
    let extension = ("istio/traffic-extension.yaml", "TrafficExtension");
    let rows = [
        (
            "a version that is not served",
            plugin,
            "/apiVersion",
            json!("extensions.istio.io/v1"),
            "no schema for",
        ),
        (
            "a field that is not there",
            plugin,
            "/spec/failureStrategy",
            json!("FAIL_CLOSE"),
            "'failureStrategy' was unexpected",
        ),
        (
            "a field that is not there, deep",
            plugin,
            "/spec/vmConfig/env/0/valueFom",
            json!("HOST"),
            "'valueFom' was unexpected",
        ),
        (
            "a value that is none of those",
            plugin,
            "/spec/failStrategy",
            json!("FAIL_RETRY"),
            "/spec/failStrategy: ",
        ),
        (
            "another type",
            plugin,
            "/spec/pluginConfig",
            json!("{}"),
            "/spec/pluginConfig: ",
        ),
        (
            "a digest that is none",
            plugin,
            "/spec/sha256",
            json!("latest"),
            "/spec/sha256: ",
        ),
        (
            "a target and a selector",
            plugin,
            "/spec/selector",
            json!({"matchLabels": {"a": "b"}}),
            "only one of targetRefs or selector",
        ),
        (
            "a fault in the plugin's configuration",
            plugin,
            "/spec/pluginConfig/keys/0/keyHash",
            json!("sk-plain"),
            "keys[0].keyHash: expected",
        ),
        (
            "a variable that the filter does not get",
            plugin,
            "/spec/vmConfig/env",
            json!([]),
            "unset or empty",
        ),
        (
            "everybody let in after a crash",
            plugin,
            "/spec/failStrategy",
            json!("FAIL_OPEN"),
            "would let everybody in",
        ),
        (
            "before the tokens are verified",
            plugin,
            "/spec/phase",
            json!("AUTHN"),
            "/spec/phase: ",
        ),
        (
            "an extension with the fields of a WasmPlugin",
            extension,
            "/spec/pluginConfig",
            json!({}),
            "'pluginConfig' was unexpected",
        ),
        (
            "a fault in the extension's configuration",
            extension,
            "/spec/wasm/pluginConfig/keys/0/keyHash",
            json!("sk-plain"),
            "keys[0].keyHash: expected",
        ),
        (
            "an extension that lets everybody in after a crash",
            extension,
            "/spec/wasm/failStrategy",
            json!("FAIL_OPEN"),
            "would let everybody in",
        ),
        (
            "a field that is not there",
            policy,
            "/spec/wasm/0/failureMode",
            json!("Closed"),
            "'failureMode' was unexpected",
        ),
        (
            "a kind that is no target",
            policy,
            "/spec/targetRefs/0/kind",
            json!("Service"),
            "can only have a targetRefs[*].kind of",
        ),
        (
            "a route as target",
            policy,
            "/spec/targetRefs/0/kind",
            json!("HTTPRoute"),
            "can be gone round",
        ),
        (
            "no target",
            policy,
            "/spec/targetRefs",
            json!([]),
            "attached to nothing",
        ),
        (
            "open if it fails",
            policy,
            "/spec/wasm/0/failOpen",
            json!(true),
            "failOpen would let everybody in",
        ),
        (
            "code from nowhere",
            policy,
            "/spec/wasm/0/code/type",
            json!("HTTP"),
            "/spec/wasm/0/code: ",
        ),
        (
            "an unknown field in the plugin's configuration",
            policy,
            "/spec/wasm/0/config/key",
            json!([]),
            "unknown field",
        ),
        (
            "a provider without keys",
            tokens,
            "/spec/jwt/providers/0",
            json!({"name": "any"}),
            "/spec/jwt/providers/0: ",
        ),
        (
            "no name",
            tokens,
            "/metadata",
            json!({}),
            "\"name\" is a required property",
        ),
    ];
    for (name, (file, kind), pointer, value, expected) in rows {
        let found = faults(&with(file, kind, pointer, value));
        let refused = found.iter().any(|fault| fault.contains(expected));
        assert!(refused, "{file}, {name}: {found:#?}");
    }
}

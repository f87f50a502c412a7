use super::*;

const BARE: &str = "keys:\n- id: a\nmodels: {}\n";
const WASM_PLUGIN: &str = "apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: gate
  namespace: istio-system
spec:
  url: oci://example/tollgate:1
  pluginConfig:
    keys:
    - id: a
    models: {}
";
const POLICY: &str = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: gate}
spec:
  wasm:
  - name: other
    code: {type: Image, image: {url: example/other}}
    config: {mode: detect}
  - name: keys
    code: {type: Image, image: {url: example/mirrored}}
    config:
      keys:
      - id: a
      models: {}
";
const FILTER: &str = r#"name: tollgate
typed_config:
  "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
  config:
    vm_config: {code: {local: {filename: gate.wasm}}}
    configuration:
      "@type": type.googleapis.com/google.protobuf.StringValue
      value: |
        {
          "keys": [
            {"id": "a"}
          ]
        }
"#;

/// Origin, text and the line of the first key's id.
fn found(text: &str) -> Vec<(String, String, usize)> {
    let file = File::parse("f".to_owned(), text);
    assert_eq!(file.flaws, [], "{text}");
    let configurations = file.configurations.into_iter();
    configurations
        .map(|found| {
            let line = found.line_of("keys[0].id");
            (found.origin, found.text.replace([' ', '\n'], ""), line)
        })
        .collect()
}

fn indented(text: &str, by: &str) -> String {
    text.lines().map(|line| format!("{by}{line}\n")).collect()
}

#[test]
fn finds_every_form_with_its_origin_text_and_lines() {
    const KEYS: &str = r#"{"keys":[{"id":"a"}]}"#;
    const BOTH: &str = r#"{"keys":[{"id":"a"}],"models":{}}"#;
    let structured = FILTER.split("StringValue").next().unwrap().to_owned()
        + "Struct\n      value:\n        keys:\n        - {id: a}\n";
    let list = format!(
        "kind: List\napiVersion: v1\nitems:\n-{}",
        indented(WASM_PLUGIN, "  ").split_off(1)
    );
    let embedded = format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\nmetadata: {{name: p}}\nspec:\n  bootstrap:\n    value: |\n{}",
        indented(FILTER, "      ")
    );
    let patch = format!(
        "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{name: p}}\nspec:\n  configPatches:\n  - patch:\n      value:\n{}",
        indented(FILTER, "        ")
    );
    for (name, text, origin, json, line) in [
        ("bare YAML", BARE.to_owned(), "configuration", BOTH, 2),
        (
            "bare JSON",
            "{\"keys\": [\n{\"id\": \"a\"}]}".to_owned(),
            "configuration",
            KEYS,
            2,
        ),
        (
            "WasmPlugin",
            WASM_PLUGIN.to_owned(),
            "WasmPlugin istio-system/gate",
            BOTH,
            10,
        ),
        (
            "TrafficExtension",
            WASM_PLUGIN
                .replace("WasmPlugin", "TrafficExtension")
                .replace("  pluginConfig:", "  wasm:\n   pluginConfig:"),
            "TrafficExtension istio-system/gate",
            BOTH,
            11,
        ),
        (
            "EnvoyExtensionPolicy",
            POLICY.to_owned(),
            "EnvoyExtensionPolicy gate",
            BOTH,
            13,
        ),
        (
            "text in Envoy's",
            FILTER.to_owned(),
            "filter tollgate",
            KEYS,
            11,
        ),
        ("struct in Envoy's", structured, "filter tollgate", KEYS, 10),
        ("List", list, "WasmPlugin istio-system/gate", BOTH, 13),
        (
            "second document",
            format!("a: b\n---\n{BARE}"),
            "configuration",
            BOTH,
            4,
        ),
        (
            "bootstrap in a string",
            embedded,
            "filter tollgate",
            KEYS,
            17,
        ),
        ("patch", patch, "EnvoyFilter p", KEYS, 18),
    ] {
        let expected = (origin.to_owned(), json.to_owned(), line);
        assert_eq!(found(&text), [expected], "{name}\n{text}");
    }
}

#[test]
fn a_resource_that_nobody_reads_the_filter_in_is_a_flaw() {
    let plugin = "`WasmPlugin` of `extensions.istio.io`";
    let extension = "`TrafficExtension` of `extensions.istio.io`";
    let policy = "`EnvoyExtensionPolicy` of `gateway.envoyproxy.io`";
    let traffic = WASM_PLUGIN
        .replace("WasmPlugin", "TrafficExtensions")
        .replace("  pluginConfig:", "  wasm:\n   pluginConfig:");
    for (name, text, expected) in [
        (
            "a kind that is none",
            WASM_PLUGIN.replace("WasmPlugin", "WasmPlugins"),
            plugin,
        ),
        (
            "a group that is none",
            WASM_PLUGIN.replace("extensions.istio.io", "extension.istio.io"),
            plugin,
        ),
        ("of the newer kind", traffic, extension),
        (
            "Envoy Gateway's",
            POLICY.replace("ExtensionPolicy", "ExtensionPolicies"),
            policy,
        ),
    ] {
        let file = File::parse("f".to_owned(), &text);
        let message =
            format!("this kind of resource does not load the filter; expected {expected}");
        let flaws: Vec<_> = file
            .flaws
            .iter()
            .map(|flaw| (flaw.line, &*flaw.message))
            .collect();
        assert_eq!(flaws, [(2, &*message)], "{name}");
        assert!(file.configurations.is_empty(), "{name}");
    }
    // Filters of other projects.
    assert_eq!(
        found("apiVersion: a/v1\nkind: B\nspec: {pluginConfig: {rules: []}}\n"),
        []
    );
}

#[test]
fn a_filter_of_others_is_named_and_left_alone() {
    let file = File::parse("f".to_owned(), POLICY);
    assert_eq!(file.others, [(6, "other".to_owned())]);
    // One familiar member is not enough.
    for member in ["rules", "keys"] {
        let foreign = FILTER.replace("tollgate", "waf").replace("keys", member);
        let file = File::parse("f".to_owned(), &foreign);
        assert!(file.configurations.is_empty(), "{member}");
        assert_eq!(file.others, [(5, "waf".to_owned())], "{member}");
    }
}

#[test]
fn a_filter_by_our_name_is_ours_whatever_it_holds() {
    for (name, text) in [
        ("other members", FILTER.replace("keys", "kees")),
        (
            "no configuration",
            FILTER.split("    configuration").next().unwrap().to_owned(),
        ),
        ("broken text", FILTER.replace("]", "")),
    ] {
        let file = File::parse("f".to_owned(), &text);
        assert_eq!(file.configurations.len(), 1, "{name}");
    }
}

#[test]
fn a_text_that_stops_being_json_is_broken_where_it_does() {
    let file = File::parse(
        "f".to_owned(),
        &FILTER.replace(r#"{"id": "a"}"#, r#"{"id": "a"},"#),
    );
    let configuration = file.configurations.first().unwrap();
    assert_eq!(configuration.line_of("keys"), 12);
}

#[test]
fn what_is_no_configuration_holds_none() {
    for text in [
        "",
        "a: b\n",
        "kind: Deployment\nmode: x\n",
        "just text",
        "vm_config in text",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn every_configuration_of_the_repository_is_found() {
    for (file, count) in [
        ("local.yaml", 1),
        ("live.yaml", 0),
        ("live/tollgate.yaml", 1),
        ("rate-limit.yaml", 1),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("envoy")
            .join(file);
        let read = File::read(&path).unwrap();
        assert_eq!(
            (read.configurations.len(), &*read.flaws),
            (count, &[][..]),
            "{file}"
        );
    }
}

#[test]
fn what_envoy_takes_no_configuration_from_is_a_flaw() {
    for (name, from, to) in [
        (
            "no type",
            "      \"@type\": type.googleapis.com/google.protobuf.StringValue\n",
            "",
        ),
        ("another type", "StringValue", "BytesValue"),
        ("text as a struct", "StringValue", "Struct"),
    ] {
        let file = File::parse("f".to_owned(), &FILTER.replace(from, to));
        let flaws: Vec<_> = file
            .flaws
            .iter()
            .map(|flaw| (flaw.line, &*flaw.path, &*flaw.message))
            .collect();
        assert_eq!(flaws, [(7, "configuration", ANY_EXPECTED)], "{name}");
        assert_eq!(file.configurations.len(), 1, "{name}");
    }
}

#[test]
fn text_in_a_manifest_is_text_to_the_filter() {
    let text = WASM_PLUGIN.replace("pluginConfig:", "pluginConfig: |");
    let file = File::parse("f".to_owned(), &text);
    let configuration = file.configurations.first().unwrap();
    assert_eq!(configuration.text, r#""keys:\n- id: a\nmodels: {}\n""#);
}

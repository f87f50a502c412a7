use serde_json::json;

use super::*;
use crate::source::File;

/// The file with one key added, with `b` disabled and with the end of `a` changed.
fn edited(text: &str) -> [Option<String>; 3] {
    let file = File::parse("f".to_owned(), text);
    let [configuration] = file.configurations.as_slice() else {
        panic!("{file:?}");
    };
    let entry = json!({"id": "c", "tenant": "acme"});
    [
        add_key(text, configuration, &entry),
        set_member(text, configuration, 1, "disabled", &json!(true)),
        set_member(text, configuration, 0, "expiresAt", &json!("2027")),
    ]
}

/// Each edit changes what it says and nothing else.
fn check(name: &str, text: &str, expected: [&str; 3]) {
    for (found, expected) in edited(text).into_iter().zip(expected) {
        assert_eq!(found.as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn keeps_comments_order_and_layout() {
    check(
        "a block",
        "# mine\nkeys: # all\n- id: a # first\n  expiresAt: \"2026\" # soon\n- id: b\n  # of nobody\n  tenant: acme # last\n# more\nmodels: {}\n",
        [
            "# mine\nkeys: # all\n- id: a # first\n  expiresAt: \"2026\" # soon\n- id: b\n  # of nobody\n  tenant: acme # last\n- id: \"c\"\n  tenant: \"acme\"\n# more\nmodels: {}\n",
            "# mine\nkeys: # all\n- id: a # first\n  expiresAt: \"2026\" # soon\n- id: b\n  # of nobody\n  tenant: acme # last\n  disabled: true\n# more\nmodels: {}\n",
            "# mine\nkeys: # all\n- id: a # first\n  expiresAt: \"2027\" # soon\n- id: b\n  # of nobody\n  tenant: acme # last\n# more\nmodels: {}\n",
        ],
    );
    check(
        "a manifest, deeper, with lists in keys, and without an end of the last line",
        "kind: WasmPlugin\nmetadata: {name: tollgate}\napiVersion: extensions.istio.io/v1alpha1\nspec:\n  pluginConfig:\n    keys:\n      - id: a\n        tenant: acme\n      - id: b\n        groups:\n        - x\n        - ü",
        [
            "kind: WasmPlugin\nmetadata: {name: tollgate}\napiVersion: extensions.istio.io/v1alpha1\nspec:\n  pluginConfig:\n    keys:\n      - id: a\n        tenant: acme\n      - id: b\n        groups:\n        - x\n        - ü\n      - id: \"c\"\n        tenant: \"acme\"",
            "kind: WasmPlugin\nmetadata: {name: tollgate}\napiVersion: extensions.istio.io/v1alpha1\nspec:\n  pluginConfig:\n    keys:\n      - id: a\n        tenant: acme\n      - id: b\n        groups:\n        - x\n        - ü\n        disabled: true",
            "kind: WasmPlugin\nmetadata: {name: tollgate}\napiVersion: extensions.istio.io/v1alpha1\nspec:\n  pluginConfig:\n    keys:\n      - id: a\n        tenant: acme\n        expiresAt: \"2027\"\n      - id: b\n        groups:\n        - x\n        - ü",
        ],
    );
    check(
        "entries in brackets, each on a line",
        "keys:\n- {id: a, expiresAt: 2026} # first\n- {id: b, \"tenant\": acme}\n",
        [
            "keys:\n- {id: a, expiresAt: 2026} # first\n- {id: b, \"tenant\": acme}\n- {\"id\": \"c\", \"tenant\": \"acme\"}\n",
            "keys:\n- {id: a, expiresAt: 2026} # first\n- {id: b, \"tenant\": acme, \"disabled\": true}\n",
            "keys:\n- {id: a, expiresAt: \"2027\"} # first\n- {id: b, \"tenant\": acme}\n",
        ],
    );
    check(
        "JSON on one line",
        r#"{"keys":[{"id":"a"},{"id":"b"}],"models":{}}"#,
        [
            r#"{"keys":[{"id":"a"},{"id":"b"}, {"id": "c", "tenant": "acme"}],"models":{}}"#,
            r#"{"keys":[{"id":"a"},{"id":"b", "disabled": true}],"models":{}}"#,
            r#"{"keys":[{"id":"a", "expiresAt": "2027"},{"id":"b"}],"models":{}}"#,
        ],
    );
    check(
        "JSON in lines of Windows",
        "{\r\n  \"keys\": [\r\n    {\r\n      \"id\": \"a\"\r\n    },\r\n    {\r\n      \"id\": \"b\",\r\n      \"groups\": [\"x\"]\r\n    }\r\n  ]\r\n}\r\n",
        [
            "{\r\n  \"keys\": [\r\n    {\r\n      \"id\": \"a\"\r\n    },\r\n    {\r\n      \"id\": \"b\",\r\n      \"groups\": [\"x\"]\r\n    },\r\n    {\"id\": \"c\", \"tenant\": \"acme\"}\r\n  ]\r\n}\r\n",
            "{\r\n  \"keys\": [\r\n    {\r\n      \"id\": \"a\"\r\n    },\r\n    {\r\n      \"id\": \"b\",\r\n      \"groups\": [\"x\"],\r\n      \"disabled\": true\r\n    }\r\n  ]\r\n}\r\n",
            "{\r\n  \"keys\": [\r\n    {\r\n      \"id\": \"a\",\r\n      \"expiresAt\": \"2027\"\r\n    },\r\n    {\r\n      \"id\": \"b\",\r\n      \"groups\": [\"x\"]\r\n    }\r\n  ]\r\n}\r\n",
        ],
    );
    check(
        "JSON in a text of a bootstrap",
        "- name: tollgate\n  vm_config: {}\n  configuration:\n    \"@type\": type.googleapis.com/google.protobuf.StringValue\n    value: |\n      {\n        \"keys\": [\n          {\"id\": \"a\"},\n          {\"id\": \"b\"}\n        ]\n      }\n",
        [
            "- name: tollgate\n  vm_config: {}\n  configuration:\n    \"@type\": type.googleapis.com/google.protobuf.StringValue\n    value: |\n      {\n        \"keys\": [\n          {\"id\": \"a\"},\n          {\"id\": \"b\"},\n          {\"id\": \"c\", \"tenant\": \"acme\"}\n        ]\n      }\n",
            "- name: tollgate\n  vm_config: {}\n  configuration:\n    \"@type\": type.googleapis.com/google.protobuf.StringValue\n    value: |\n      {\n        \"keys\": [\n          {\"id\": \"a\"},\n          {\"id\": \"b\", \"disabled\": true}\n        ]\n      }\n",
            "- name: tollgate\n  vm_config: {}\n  configuration:\n    \"@type\": type.googleapis.com/google.protobuf.StringValue\n    value: |\n      {\n        \"keys\": [\n          {\"id\": \"a\", \"expiresAt\": \"2027\"},\n          {\"id\": \"b\"}\n        ]\n      }\n",
        ],
    );
}

#[test]
fn the_first_key_gets_its_list_and_other_layouts_are_left_alone() {
    let entry = json!({"id": "c", "tenant": "acme"});
    let add = |text: &str| {
        let file = File::parse("f".to_owned(), text);
        let [configuration] = file.configurations.as_slice() else {
            panic!("{file:?}");
        };
        add_key(text, configuration, &entry)
    };
    let block = "- id: \"c\"\n  tenant: \"acme\"\n";
    let flow = "{\"id\": \"c\", \"tenant\": \"acme\"}";
    for (name, text, expected) in [
        ("an empty list", "keys: [] # none yet\n", format!("keys: [{flow}] # none yet\n")),
        ("a list left open", "keys: # none yet\nmodels: {}\n", format!("keys: # none yet\n{block}models: {{}}\n")),
        ("a list left open at the end", "models: {}\nkeys:\n", format!("models: {{}}\nkeys:\n{block}")),
        ("no list", "# mine\nmodels: {} # all\n# end\n", format!("# mine\nmodels: {{}} # all\nkeys:\n{block}# end\n")),
        ("no list, JSON on one line", "{\"models\": {}}", format!("{{\"models\": {{}}, \"keys\": [{flow}]}}")),
        (
            "no list, JSON in lines",
            "{\n  \"tenants\": {},\n  \"models\": {\n    \"*\": {}\n  }\n}\n",
            format!("{{\n  \"tenants\": {{}},\n  \"models\": {{\n    \"*\": {{}}\n  }},\n  \"keys\": [{flow}]\n}}\n"),
        ),
        (
            "no list, a manifest",
            "kind: WasmPlugin\nmetadata: {name: tollgate}\napiVersion: extensions.istio.io/v1alpha1\nspec:\n  pluginConfig:\n    models:\n      \"*\":\n        groups: [a]\n  phase: AUTHN\n",
            "kind: WasmPlugin\nmetadata: {name: tollgate}\napiVersion: extensions.istio.io/v1alpha1\nspec:\n  pluginConfig:\n    models:\n      \"*\":\n        groups: [a]\n    keys:\n    - id: \"c\"\n      tenant: \"acme\"\n  phase: AUTHN\n".to_owned(),
        ),
    ] {
        assert_eq!(add(text).as_deref(), Some(expected.as_str()), "{name}");
    }
    assert_eq!(
        add("keys: null\nmodels: {}\n"),
        None,
        "a list that is said to be none"
    );
    let quoted = "- name: tollgate\n  vm_config: {}\n  configuration:\n    \"@type\": type.googleapis.com/google.protobuf.StringValue\n    value: '{\"keys\": [{\"id\": \"a\"}], \"models\": {}}'\n";
    assert_eq!(add(quoted), None, "a text that does not keep its lines");
}

#[test]
fn a_scalar_ends_where_its_quotes_do_or_the_next_thing_begins() {
    for (text, expected) in [
        ("2026-01-01T00:00:00Z # soon", Some(20)),
        ("true}", Some(4)),
        ("a b , c", Some(3)),
        ("\"a\\\"b\" # c", Some(6)),
        ("'it''s' # c", Some(7)),
        ("\"open", None),
        ("|", None),
        ("", None),
    ] {
        assert_eq!(scalar_length(text), expected, "{text}");
    }
}

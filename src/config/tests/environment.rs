//! Keys that come from the gateway's environment.

use super::*;
use crate::fixtures::{GLOBEX_KEY, policy_in};

/// The demo without `keys`, and with `TEAM_KEYS` in this format for tenant `acme`.
fn demo_from(format: &str) -> Value {
    let mut config = demo();
    config["keys"] = json!([]);
    config["keysFrom"] =
        json!([{"env": "TEAM_KEYS", "format": format, "tenant": "acme", "groups": ["ci"]}]);
    config["models"]["m"] = json!({"groups": ["ci"]});
    config
}

fn environment(text: &str) -> impl Fn(&str) -> Option<String> {
    move |name| (name == "TEAM_KEYS").then(|| text.to_owned())
}

fn faults_in(config: &Value, text: &str) -> Vec<String> {
    let faults = compile(config.to_string().as_bytes(), &environment(text));
    let faults = faults.map_or_else(|faults| faults, |_| Vec::new());
    faults.iter().map(Fault::to_string).collect()
}

/// The ids of the known keys in this order; `-` for an unknown key.
fn ids(config: &Value, text: &str, keys: &[&str]) -> Vec<String> {
    let policy = policy_in(config, &environment(text));
    let id = |key: &&str| {
        let key = policy.identities.keys.find(key.as_bytes());
        key.map_or_else(|| "-".to_owned(), |key| key.id.to_string())
    };
    keys.iter().map(id).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn plain_keys_are_what_stands_between_commas_and_ends_of_lines() {
    for (name, text) in [
        (
            "commas",
            "sk-team-one-Xq81mz,sk-team-two-Xq81mz,sk-team-three-Xq81mz",
        ),
        (
            "spaces around",
            "  sk-team-one-Xq81mz , sk-team-two-Xq81mz,\tsk-team-three-Xq81mz ",
        ),
        (
            "empty segments",
            ",sk-team-one-Xq81mz,,sk-team-two-Xq81mz, ,sk-team-three-Xq81mz,",
        ),
        (
            "lines",
            "sk-team-one-Xq81mz\nsk-team-two-Xq81mz\r\nsk-team-three-Xq81mz\n",
        ),
        (
            "both",
            "sk-team-one-Xq81mz,sk-team-two-Xq81mz\nsk-team-three-Xq81mz",
        ),
        (
            "a JSON list",
            r#"["sk-team-one-Xq81mz", " sk-team-two-Xq81mz", "", "sk-team-three-Xq81mz"]"#,
        ),
    ] {
        assert_eq!(
            ids(
                &demo_from("plain"),
                text,
                &[
                    "sk-team-one-Xq81mz",
                    "sk-team-two-Xq81mz",
                    "sk-team-three-Xq81mz",
                    "",
                    " ",
                    "sk-team-four-Xq81mz"
                ]
            ),
            ["TEAM_KEYS-1", "TEAM_KEYS-2", "TEAM_KEYS-3", "-", "-", "-"],
            "{name}"
        );
    }
    assert_eq!(
        ids(
            &demo_from("plain"),
            "sk-only-one-Xq81mz",
            &["sk-only-one-Xq81mz"]
        ),
        ["TEAM_KEYS-1"]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn hashes_bring_their_own_ids() {
    let text = format!(
        "ci={}, night = {}\nmaas={}",
        key_hash(ACME_KEY),
        key_hash(GLOBEX_KEY),
        "maas:37172c667c97b4ba06906d20d6a6a6914d1832e167db5075923c2f2670a552b5"
    );
    assert_eq!(
        ids(
            &demo_from("hashes"),
            &text,
            &[ACME_KEY, GLOBEX_KEY, "sk-oai-AAA_BBB", &key_hash(ACME_KEY)]
        ),
        ["ci", "night", "maas", "-"]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn they_belong_to_the_tenant_and_the_groups_of_their_entry() {
    let policy = policy_in(&demo_from("plain"), &environment("sk-team-one-Xq81mz"));
    let key = policy.identities.keys.find(b"sk-team-one-Xq81mz").unwrap();
    assert_eq!(&*key.tenant.name, "acme");
    let mut groups = ["ci", "research"].map(|name| policy.identities.groups.find(name).unwrap());
    groups.sort_unstable();
    assert_eq!(*key.groups, groups);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_variable_that_is_no_good_is_told_by_its_place_and_never_by_its_text() {
    const UNSET: &str = "keysFrom[0].env: the variable is unset or empty; expected a value in the filter's environment (`vm_config.environment_variables`)";
    let mut beside_keys = demo_from("plain");
    beside_keys["keys"] = demo()["keys"].clone();
    let mut maas_beside = demo_from("plain");
    maas_beside["keys"] = json!([{"id": "m", "tenant": "acme",
        "keyHash": "maas:2e435044ac50c48f5edb7bb04730f693b876b74e6315d2e1b75a59b4a68c3b1a"}]);
    let mut same_id = demo_from("hashes");
    same_id["keys"] = demo()["keys"].clone();
    let with = |pointer: &str, value: Value| {
        let mut config = demo_from("plain");
        *config.pointer_mut(pointer).unwrap() = value;
        config
    };
    let long = "k".repeat(513);
    let again = format!("acme-demo={}", key_hash("another"));
    let hashed = format!("a={}", key_hash(ACME_KEY));
    for (config, text, expected) in [
        (demo_from("plain"), "", vec![UNSET]),
        (demo_from("plain"), " \n", vec![UNSET]),
        (
            with("/keysFrom/0/env", json!("OTHER_KEYS")),
            "sk-team-one-Xq81mz",
            vec![UNSET],
        ),
        (
            with("/keysFrom/0/env", json!("sk-live-0123456789")),
            "sk-team-one-Xq81mz",
            vec![
                "keysFrom[0].env: expected the name of a variable: 1 to 100 letters, digits and `_`",
            ],
        ),
        (
            demo_from("plain"),
            " , ,",
            vec!["keysFrom[0].env: the variable holds no key; expected at least one"],
        ),
        (
            demo_from("plain"),
            "[\"sk-team-one-Xq81mz\", 2]",
            vec!["keysFrom[0].env: the variable begins with `[` but is not a JSON list of strings"],
        ),
        (
            demo_from("plain"),
            "sk-team-one-Xq81mz, sk-team-two-Xq81mz sk-team-three-Xq81mz, schlüssel",
            vec![
                "keysFrom[0].env[1]: expected a key of 1 to 512 visible ASCII characters without commas",
                "keysFrom[0].env[2]: expected a key of 1 to 512 visible ASCII characters without commas",
            ],
        ),
        (
            demo_from("plain"),
            &long,
            vec![
                "keysFrom[0].env[0]: expected a key of 1 to 512 visible ASCII characters without commas",
            ],
        ),
        (
            demo_from("plain"),
            &hashed,
            vec![
                "keysFrom[0].env[0]: expected a key, got a value that looks like a hash; for hashes, use `format: hashes`",
            ],
        ),
        (
            demo_from("plain"),
            "sk-team-one-Xq81mz,sk-team-one-Xq81mz",
            vec!["keysFrom[0].env[1]: the same key as `TEAM_KEYS-1`; expected each once"],
        ),
        (
            beside_keys,
            ACME_KEY,
            vec!["keysFrom[0].env[0]: the same key as `acme-demo`; expected each once"],
        ),
        (
            maas_beside,
            "sk-oai-AAA_BBBBBBB",
            vec!["keysFrom[0].env[0]: the same key as `m`; expected each once"],
        ),
        (
            demo_from("hashes"),
            "sk-live-0123456789",
            vec!["keysFrom[0].env[0]: expected `id=hash`"],
        ),
        (
            demo_from("hashes"),
            "a=sk-live-0123456789",
            vec![
                r#"keysFrom[0].env[0]: expected "sha256:" and 64 hex digits, got 18 bytes without that prefix"#,
            ],
        ),
        (
            same_id.clone(),
            &again,
            vec!["keysFrom[0].env[0]: duplicate key id `acme-demo`; expected a unique id"],
        ),
        (
            same_id,
            &hashed,
            vec![
                "keysFrom[0].env[0]: the same hash as the key `acme-demo`; expected each key once",
            ],
        ),
        (
            with("/keysFrom/0/tenant", json!("nobody")),
            "sk-team-one-Xq81mz",
            vec!["keysFrom[0].tenant: expected one of the names in `tenants`"],
        ),
        (
            with("/keysFrom/0/format", json!("csv")),
            "sk-team-one-Xq81mz",
            vec!["keysFrom[0].format: expected `plain` or `hashes`"],
        ),
    ] {
        assert_eq!(faults_in(&config, text), expected, "{text}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn words_are_keys_where_there_is_nothing_else() {
    let text = "a-key-that-nobody-could-guess,another-one-of-this-kind";
    let policy = policy_in(&demo_from("plain"), &environment(text));
    assert_eq!(policy.identities.keys.len(), 2);
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_no_plausible_key_is_a_fault_and_never_a_key() {
    const KEY: &str = "sk-team-one-Xq81mz";
    for (entries, expected) in [
        (
            format!("{KEY},alice"),
            "[1]: expected a key of 16 characters or more, got 5; configure a shorter key by its hash",
        ),
        (
            format!("{KEY},platform-engineering-team"),
            "[1]: expected a key, got what reads as a name: words, and nothing random",
        ),
        (
            format!("{KEY}\nOWNER_DEPARTMENT_NAME"),
            "[1]: expected a key, got what reads as a name: words, and nothing random",
        ),
        (
            format!("KEY,USER\n{KEY}"),
            "[0]: expected a key, got a placeholder",
        ),
        (
            format!(r#""{KEY}""#),
            "[0]: expected a key, got a key in quotes",
        ),
        (
            format!("Authorization: Bearer {KEY}"),
            "[0]: expected a key, got a key after a header name or a scheme such as `Bearer`",
        ),
        (
            format!("alice={KEY}"),
            "[0]: expected a key, got a key after a name",
        ),
        (
            format!("{KEY},alice.smith@example.com"),
            "[1]: expected a key, got a value that looks like an e-mail address",
        ),
        (
            "${VLLM_API_KEYS_OF_TEAM}".to_owned(),
            "[0]: expected a key, got a placeholder",
        ),
        (
            r#"["'sk-team-one-Xq81mz'"]"#.to_owned(),
            "[0]: expected a key, got a key in quotes",
        ),
        (
            "sk-acme-k3v9x2mq_tg_0123456789ABC".to_owned(),
            "[0]: the key is cut or mistyped: its checksum is wrong",
        ),
        (
            format!("{KEY} and more"),
            "[0]: expected a key of 1 to 512 visible ASCII characters without commas",
        ),
    ] {
        let faults = faults_in(&demo_from("plain"), &entries);
        let [first, ..] = faults.as_slice() else {
            panic!("{entries}: {faults:?}");
        };
        assert_eq!(*first, format!("keysFrom[0].env{expected}"), "{entries}");
    }
    for key in ["0123456789abcdef", ACME_KEY] {
        assert_eq!(ids(&demo_from("plain"), key, &[key]), ["TEAM_KEYS-1"]);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_upstreams_key_must_be_there_and_be_one_key() {
    let forward = |value: Value| {
        let mut config = demo();
        config["credentials"] = json!({"forward": value});
        config
    };
    let from_variable = forward(json!({"env": "TEAM_KEYS"}));
    for (config, text, expected) in [
        (
            &from_variable,
            "",
            "credentials.forward.env: the variable is unset or empty; expected a value in the filter's environment (`vm_config.environment_variables`)",
        ),
        (
            &from_variable,
            "key1,key2",
            "credentials.forward.env: expected one key of 1 to 512 visible ASCII characters without commas",
        ),
        (
            &from_variable,
            "Bearer key1",
            "credentials.forward.env: expected a key, got a key after a header name or a scheme such as `Bearer`",
        ),
        (
            &from_variable,
            "'key1'",
            "credentials.forward.env: expected a key, got a key in quotes",
        ),
        (
            &from_variable,
            "key 1",
            "credentials.forward.env: expected one key of 1 to 512 visible ASCII characters without commas",
        ),
        (
            &forward(json!("drop")),
            "key1",
            "credentials.forward: expected `strip`, `keep` or an object with `env`",
        ),
        (
            &forward(json!({"env": "TEAM_KEYS", "scheme": "Basic"})),
            "key1",
            "credentials.forward: expected `strip`, `keep` or an object with `env`",
        ),
    ] {
        assert_eq!(faults_in(config, text), [expected], "{text}");
    }
    for config in [
        &from_variable,
        &forward(json!("strip")),
        &forward(json!("keep")),
    ] {
        for key in [" key1\n", "EMPTY", "name:key"] {
            assert_eq!(faults_in(config, key), Vec::<String>::new(), "{key}");
        }
    }
}

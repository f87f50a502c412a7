//! A configuration that is wrong: Envoy does not start, and its log says where and what, and no secret.

use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::harness::demo::{ACME_KEY, config, key_hash};

/// A row: what is wrong, how it gets so, and the path of the complaint.
type Row = (&'static str, fn(&mut Value), &'static str);

/// The filter's complaints, each from its path on, in their order and without repetition.
fn faults(lines: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for line in lines {
        let Some((_, fault)) = line.split_once("config rejected: ") else {
            continue;
        };
        if !faults.iter().any(|known| known == fault) {
            faults.push(fault.to_owned());
        }
    }
    faults
}

#[test]
fn every_fault_is_told_in_a_line_of_its_own_with_its_path() {
    let mut wrong = config();
    wrong["keys"][0]["keyHash"] = json!("sha256:abc");
    wrong["keys"][1]["keyHash"] = json!(ACME_KEY);
    wrong["keys"][1]["tenant"] = json!("initech");
    wrong["models"]["llama-3.1-8b"] = json!({});
    wrong["publicPaths"][0]["path"] = json!("health");
    let lines = Gateway::builder().config(wrong).start_refused();
    assert_eq!(
        faults(&lines),
        [
            r#"keys[0].keyHash: expected "sha256:" and 64 hex digits, got 3 characters"#,
            "keys[1].tenant: expected one of the names in `tenants`",
            r#"keys[1].keyHash: expected "sha256:" and 64 hex digits, got 21 bytes without that prefix"#,
            "models.llama-3.1-8b: expected either `groups` or `access`",
            "publicPaths[0].path: expected an exact path that starts with `/`, without `%`, `?`, `;`, `\\`, empty or dot segments",
        ]
    );
}

#[test]
fn envoy_does_not_start_and_the_log_holds_no_secret() {
    let hash = key_hash(ACME_KEY).replace("sha256:", "");
    let edits: &[Row] = &[
        (
            "a key where its hash belongs",
            |config| config["keys"][0]["keyHash"] = json!(ACME_KEY),
            "keys[0].keyHash",
        ),
        (
            "a key where a list belongs",
            |config| config["keys"] = json!(ACME_KEY),
            "keys",
        ),
        (
            "a key where an object belongs",
            |config| config["keys"][1] = json!(ACME_KEY),
            "keys[1]",
        ),
        (
            "a hash that is too long",
            |config| config["keys"][0]["keyHash"] = json!(key_hash(ACME_KEY) + "0"),
            "keys[0].keyHash",
        ),
        (
            "one hash twice",
            |config| config["keys"][1]["keyHash"] = json!(key_hash(ACME_KEY)),
            "keys[1].keyHash",
        ),
        (
            "an unknown field",
            |config| config["keys"][0]["secret"] = json!(ACME_KEY),
            "keys[0]",
        ),
        (
            "a hash for a date",
            |config| config["keys"][0]["expiresAt"] = json!(key_hash(ACME_KEY)),
            "keys[0].expiresAt",
        ),
        ("no models", |config| config["models"] = json!({}), "models"),
        (
            "a misspelled section",
            |config| config["model"] = json!({}),
            "model: unknown field; did you mean `models`?",
        ),
    ];
    for (name, edit, path) in edits {
        println!("{name}");
        let mut wrong = config();
        edit(&mut wrong);
        let lines = Gateway::builder().config(wrong).start_refused();
        let faults = faults(&lines);
        assert!(
            faults.iter().any(|fault| fault.starts_with(path)),
            "{name}: {faults:?}\n{}",
            lines.join("\n")
        );
        for line in &lines {
            for secret in [ACME_KEY, &hash] {
                assert!(!line.contains(secret), "{name}: {line}");
            }
        }
    }
}

#[test]
fn a_configuration_that_identifies_nobody_is_refused() {
    for keys in [None, Some(json!([]))] {
        let mut wrong = config();
        let sections = wrong.as_object_mut().unwrap();
        sections.remove("keys");
        sections.remove("jwt");
        sections.extend(keys.map(|keys| ("keys".to_owned(), keys)));
        println!("{wrong}");
        let lines = Gateway::builder().config(wrong).start_refused();
        assert_eq!(
            faults(&lines),
            [
                "no caller can be identified; expected at least one entry in `keys`, `keysFrom` or `jwt`, or `trustedHeaders`"
            ]
        );
    }
}

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Ran, tollgate, with_input};

const FLEET: &str = "tests/fixtures/limits/fleet.yaml";

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/limits")
        .join(name)
}

/// Compares with the file of this name, or writes it.
fn expect(name: &str, answer: &str) {
    if env::var_os("TOLLGATE_ACCEPT").is_some() {
        fs::write(kept(name), answer).unwrap();
    }
    let expected = fs::read_to_string(kept(name)).unwrap();
    assert_eq!(
        answer, expected,
        "{name}; TOLLGATE_ACCEPT=1 accepts the new answer"
    );
}

#[test]
fn both_sides_are_made_of_the_same_limits() {
    for side in ["engine", "envoy"] {
        let Ran {
            output,
            errors,
            code,
        } = tollgate(&["limits", "export", side, FLEET]);
        assert_eq!((errors.as_str(), code), ("", Some(0)), "{side}");
        // The names end differently from the configuration's, which other tests take for configurations.
        expect(&format!("fleet.{side}"), &output);
    }
}

#[test]
fn what_the_service_cannot_keep_is_refused_with_its_place_and_a_way_out() {
    for name in ["refused", "collision", "failure"] {
        let file = format!("tests/fixtures/limits/{name}.yaml");
        for side in ["engine", "envoy"] {
            let ran = tollgate(&["limits", "export", side, &file]);
            assert_eq!((ran.output.as_str(), ran.code), ("", Some(1)), "{name}");
            expect(&format!("{name}.txt"), &ran.errors);
        }
    }
}

#[test]
fn windows_of_the_service_are_taken_where_that_is_said_and_others_stay_with_the_proxies() {
    let file = "tests/fixtures/limits/refused.yaml";
    let arguments = [
        "--json", "limits", "export", "engine", file, "--limit", "hour",
    ];
    assert_eq!(tollgate(&arguments).code, Some(1));
    let ran = tollgate(&[&arguments[..], &["--engine-windows", "--domain", "d"]].concat());
    assert_eq!((ran.errors.as_str(), ran.code), ("", Some(0)));
    let limit = serde_json::json!({"name": "hour", "unit": "hour", "requests_per_unit": 1000});
    let expected = serde_json::json!({
        "domain": "d",
        "descriptors": [{
            "key": "limit", "value": "hour",
            "descriptors": [{"key": "tenant", "rate_limit": limit}],
        }],
    });
    assert_eq!(
        serde_json::from_str::<Value>(&ran.output).unwrap(),
        expected
    );
}

#[test]
fn an_unknown_limit_and_none_at_all_are_faults() {
    let ran = tollgate(&["limits", "export", "engine", FLEET, "--limit", "nobody"]);
    let unknown = "limits: none has the id that `--limit` says";
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.errors, format!("tollgate: {FLEET}:13: {unknown}\n"));
    let ran = with_input(
        &["limits", "export", "engine", "-"],
        r#"{"mode": "open", "models": {"*": {"access": "authenticated"}}}"#,
    );
    let none = "limits: there is none to export; expected at least one";
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.errors, format!("tollgate: <stdin>:1: {none}\n"));
}

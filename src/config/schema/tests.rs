//! Compares the schema with the filter: both accept the same configurations, except for the faults in [`UNSEEN`].

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::config::{Fault, compile};
use crate::fixtures::demo;

/// Faults that a schema cannot find, by parts of their messages. A schema checks one place of one JSON value. It cannot
/// check other places, the environment or duplicate names.
const UNSEEN: &[&str] = &[
    "duplicate header; expected each once",
    "duplicate key id ",
    "expected `id=hash`",
    "expected a key of 1",
    "expected a key, got ",
    "expected one key of 1 to 512 ",
    "the key is cut or mistyped",
    "expected one of the names in `tenants`",
    "expected one of the ids in `keys`",
    "three decimals",
    "got 18 bytes without that prefix", // in a variable
    "no header carries this attribute",
    "attributes come from `trustedHeaders`",
    "the same ",
    "the variable ",
    "this header already has a meaning",
    "the filter reads this member itself",
    "the filter sets a header of this name itself",
    "this header is a credential source",
    "duplicate field ",
    "duplicate name",
    "the name takes more than 256 bytes in UTF-8",
];

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schema()).unwrap()
});

fn errors(config: &Value) -> Vec<String> {
    let errors = VALIDATOR.iter_errors(config);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Compares the schema with the result of `compile`, for every configuration that the tests compile.
pub(crate) fn agrees(text: &[u8], faults: &[Fault]) {
    let Ok(mut config) = serde_json::from_slice(text) else {
        return;
    };
    drop_nulls(&mut config);
    let errors = errors(&config);
    let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert_eq!(
        errors.is_empty(),
        faults.iter().all(|fault| is_unseen(fault)),
        "the filter finds {faults:?}, the schema {errors:?}: {config}"
    );
}

fn is_unseen(fault: &str) -> bool {
    UNSEEN.iter().any(|unseen| fault.contains(unseen))
}

/// Removes nulls, in which the schema is stricter.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[test]
fn every_rule_finds_its_place_and_the_schema_is_one() {
    let mut schema = schema();
    for (path, _) in rules() {
        assert!(find(&mut schema, path).is_some(), "{path}");
    }
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
}

#[test]
fn the_schema_refuses_null() {
    let mut config = demo();
    config["credentials"] = Value::Null;
    assert_eq!(errors(&config).len(), 1);
}

#[test]
fn a_plain_path_is_what_the_filter_takes_for_one() {
    let mut config = demo();
    for path in [
        "",
        "/",
        "//",
        "/a",
        "/a/",
        "/a//",
        "a",
        "/.",
        "/..",
        "/...",
        "/.a",
        "/a/.",
        "/a/./b",
        "/a/../b",
        "/a..b",
        "/%41",
        "/a;b",
        "/a\\b",
        "/a#b",
        "/a?b",
        "/a b",
        "/é",
        "/[a]^_`{|}~!\"$&'()*+,-.:<=>@",
        "/a\n",
    ] {
        config["publicPaths"] = json!([{"method": "GET", "path": path}]);
        let plain = crate::operation::is_plain_path(path.as_bytes());
        assert_eq!(errors(&config).is_empty(), plain, "{path}");
    }
}

/// The hash of some key.
fn hash() -> String {
    format!("sha256:{}", "0".repeat(64))
}

/// Every default of the schema, by path.
fn defaults(schema: &Value, path: &[&str], found: &mut Vec<(String, Value)>) {
    if let Some(default) = schema.get("default") {
        found.push((path.join("/"), default.clone()));
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        defaults(schema, &[path, &[name]].concat(), found);
    }
    for (step, member) in [("0", "items"), ("acme", "additionalProperties")] {
        if let Some(schema) = schema.get(member) {
            defaults(schema, &[path, &[step]].concat(), found);
        }
    }
}

#[test]
fn a_default_is_what_is_meant_by_nothing() {
    let mut all = Vec::new();
    defaults(&schema(), &[], &mut all);
    assert_eq!(all.len(), 43, "{all:?}");
    for (path, default) in all {
        // A configuration with all parents of the member.
        let mut config = demo();
        config["keysFrom"] = json!([{"env": "TEAM_KEYS", "format": "plain", "tenant": "acme"}]);
        config["modelHeader"] = json!({"name": "x-ai-eg-model"});
        config["metering"] = json!({});
        config["credentials"] = json!({"sources": [{"header": "x-api-key"}]});
        config["trustedHeaders"] = json!({
            "proof": {"header": "x-proof", "secretHash": hash()},
            "principalHeader": "x-user", "defaultTenant": "acme",
        });
        config["tenants"]["acme"] = json!({});
        config["body"] = json!({});
        config["headers"] = json!({});
        config["limits"] = json!([{"id": "five", "per": "tenant", "requests": 5, "window": "day"}]);
        config["reserve"] = json!({});
        config["weights"] = json!({});
        config["publicPaths"] = json!([{"method": "GET", "path": "/health"}]);
        config["extraPaths"] = json!([{"method": "POST", "path": "/wake", "groups": []}]);
        let policy = |config: &Value| {
            let text = config.to_string();
            let mut policy =
                compile(text.as_bytes(), &|_| Some("sk-Xq81mzPw02LkRt5Y".to_owned())).unwrap();
            policy.fingerprint = 0;
            format!("{policy:?}")
        };
        let (parent, member) = path
            .rsplit_once('/')
            .map_or(("", &*path), |(parent, member)| (parent, member));
        let parent = if parent.is_empty() {
            String::new()
        } else {
            format!("/{parent}")
        };
        let Some(Value::Object(members)) = config.pointer_mut(&parent) else {
            panic!("nothing at {path}");
        };
        members.remove(member);
        let without = policy(&config);
        config.pointer_mut(&parent).unwrap()[member] = default.clone();
        assert_eq!(policy(&config), without, "{path}");
    }
}

/// Every text file of the repository.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "recordings" {
                files(&path, found);
            }
        } else if [".md", ".yaml", ".json"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            found.push(path);
        }
    }
}

/// Returns true if any line of a text begins a configuration that the filter accepts. Each is checked with the schema.
fn has_configuration(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = false;
    for (at, line) in lines.iter().enumerate() {
        if !line.trim_start().starts_with('{') {
            continue;
        }
        let text = lines[at..].join("\n");
        let mut values = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
        let Some(Ok(config)) = values.next() else {
            continue;
        };
        let config = config.get().as_bytes();
        if compile(config, &|_| Some("sk-Xq81mzPw02LkRt5Y".to_owned())).is_ok() {
            agrees(config, &[]);
            found = true;
        }
    }
    found
}

#[test]
fn every_configuration_of_the_repository_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    files(root, &mut all);
    all.retain(|path| {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).replace("sha256:…", &hash());
        has_configuration(&text)
    });
    for file in ["README.md", "envoy/local.yaml", "envoy/live/tollgate.yaml"] {
        assert!(all.contains(&root.join(file)), "{file}: {all:?}");
    }
}

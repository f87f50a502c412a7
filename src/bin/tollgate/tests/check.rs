use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Ran, tollgate, with_input};

/// A secret that must never be printed. Every broken file has it where a secret may be pasted.
const PLANTED: &str = "PLANTED";

const GOOD: &str = r#"{
  "tenants": {"acme": {}},
  "keys": [
    {
      "id": "ci",
      "tenant": "acme",
      "keyHash": "sha256:5fe8a615f62772f45ef390a324afdfb2eda1bf62b287369065f014d78b5f756d",
      "expiresAt": "2020-01-01T00:00:00Z"
    }
  ],
  "models": {"*": {"access": "authenticated"}}
}"#;
const GOOD_SAID: &str = "<stdin>:8: warning: keys[0].expiresAt: the key `ci` has expired, at 2020-01-01T00:00:00Z\n<stdin>: no faults, 1 warning\n";

fn below(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let relative = path
            .strip_prefix(env!("CARGO_MANIFEST_DIR"))
            .unwrap()
            .to_owned();
        if path.is_dir() {
            found.extend(below(relative.to_str().unwrap()));
        } else {
            found.push(relative);
        }
    }
    found.sort();
    found
}

fn configurations(folder: &str) -> Vec<String> {
    let is_one = |path: &PathBuf| {
        path.extension()
            .is_some_and(|kind| kind == "yaml" || kind == "json")
    };
    let found = below(folder).into_iter().filter(is_one);
    found
        .map(|path| path.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_broken_file_is_answered_as_written_down() {
    let broken = configurations("tests/fixtures/broken");
    assert!(broken.len() >= 10, "{broken:?}");
    for file in broken {
        let Ran {
            output,
            errors,
            code,
        } = tollgate(&["check", &file]);
        let answer = format!(
            "$ tollgate check {file}\n{output}{errors}exit code {}\n",
            code.unwrap()
        );
        let kept = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(&file)
            .with_extension("txt");
        if env::var_os("TOLLGATE_ACCEPT").is_some() {
            fs::write(&kept, &answer).unwrap();
        }
        assert_eq!(
            answer,
            fs::read_to_string(&kept).unwrap(),
            "{file}; TOLLGATE_ACCEPT=1 accepts the new answer"
        );
    }
}

#[test]
fn no_answer_repeats_what_may_be_a_secret() {
    for file in configurations("tests/fixtures/broken") {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).unwrap();
        assert!(text.contains(PLANTED), "{file}");
        for arguments in [
            &["check", &file][..],
            &["--json", "check", &file],
            &["check", "--environment", &file],
        ] {
            let ran = tollgate(arguments);
            assert!(
                !format!("{ran:?}").contains(PLANTED),
                "{arguments:?}: {ran:?}"
            );
        }
    }
}

#[test]
fn every_configuration_of_the_repository_is_good() {
    let mut looked_at = 0;
    for file in [configurations("envoy"), configurations("examples")].concat() {
        let ran = tollgate(&["check", &file]);
        match ran.code {
            Some(0) => looked_at += 1,
            Some(2) => assert_eq!(
                ran.errors,
                format!("tollgate: {file}: contains no configuration of Tollgate\n")
            ),
            _ => panic!("{ran:?}"),
        }
    }
    assert!(looked_at >= 3, "{looked_at}");
}

#[test]
fn json_has_every_finding_and_a_count_for_each_file() {
    let ran = tollgate(&[
        "--json",
        "check",
        "tests/fixtures/broken/references.yaml",
        "envoy/local.yaml",
    ]);
    let answer: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        answer["files"],
        serde_json::json!([
            {"file": "tests/fixtures/broken/references.yaml", "configurations": ["configuration"], "faults": 5, "warnings": 3},
            {"file": "envoy/local.yaml", "configurations": ["filter tollgate"], "faults": 0, "warnings": 4}
        ])
    );
    assert_eq!(answer["findings"].as_array().unwrap().len(), 12);
    assert_eq!(
        answer["findings"][2],
        serde_json::json!({
            "file": "tests/fixtures/broken/references.yaml",
            "line": 10,
            "path": "keys[1].tenant",
            "severity": "fault",
            "message": "expected one of the names in `tenants`"
        })
    );
}

#[test]
fn the_exit_code_says_what_came_of_it() {
    let missing = "cannot read: No such file or directory (os error 2)\n";
    let faulty = GOOD
        .replace("acme\"", "globex\"")
        .replacen("globex", "acme", 1);
    let nothing = "tollgate: <stdin>: contains no configuration of Tollgate\n".to_owned();
    for (name, arguments, input, output, errors, code) in [
        (
            "a warning",
            &["check", "-"][..],
            GOOD,
            GOOD_SAID,
            String::new(),
            0,
        ),
        (
            "a warning, strictly",
            &["check", "--strict", "-"],
            GOOD,
            GOOD_SAID,
            String::new(),
            1,
        ),
        (
            "a fault",
            &["check", "-"],
            &faulty,
            "<stdin>:6: keys[0].tenant: expected one of the names in `tenants`\n<stdin>: 1 fault, no warnings\n",
            String::new(),
            1,
        ),
        (
            "nothing to look at",
            &["check", "-"],
            "a: b\n",
            "",
            nothing,
            2,
        ),
        (
            "no file",
            &["check", "nowhere.yaml"],
            "",
            "",
            format!("tollgate: nowhere.yaml: {missing}"),
            2,
        ),
        (
            "a file and none",
            &["check", "-", "nowhere.yaml"],
            GOOD,
            GOOD_SAID,
            format!("tollgate: nowhere.yaml: {missing}"),
            2,
        ),
        (
            "no variables",
            &["check", "--env-file", "nowhere", "-"],
            GOOD,
            "",
            format!("tollgate: nowhere: {missing}"),
            2,
        ),
    ] {
        let ran = with_input(arguments, input);
        assert_eq!(
            (&*ran.output, ran.errors, ran.code),
            (output, errors, Some(code)),
            "{name}"
        );
    }
    assert_eq!(tollgate(&["check"]).code, Some(2));
}

#[test]
fn variables_come_from_where_the_operator_says() {
    let configuration = GOOD.replace("\"keys\"", "\"keysFrom\": [{\"env\": \"TEAM_KEYS\", \"format\": \"plain\", \"tenant\": \"acme\"}], \"keys\"");
    let folder = env::temp_dir().join(format!("tollgate-variables-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file(
        "good",
        "# the team\n\nTEAM_KEYS=sk-one-0123456789,sk-two-0123456789\n",
    );
    let bad = file("bad", "TEAM_KEYS=sk-PLANTED sk-PLANTED\n");
    let broken = file("broken", "TEAM_KEYS=sk-one\nsk-PLANTED\n");
    let assumed = "<stdin>:3: note: keysFrom[0].env: assumed to be set, its value is not checked; see `--env-file` and `--environment`\n";
    let unset = "the variable is unset or empty; expected a value in the filter's environment (`vm_config.environment_variables`)";
    for (name, arguments, output, code) in [
        ("assumed", &["check", "-"][..], format!("{assumed}{GOOD_SAID}"), 0),
        ("a file", &["check", "--env-file", &good, "-"], GOOD_SAID.to_owned(), 0),
        (
            "a file with what is no key",
            &["check", "--env-file", &bad, "-"],
            "<stdin>:3: keysFrom[0].env[0]: expected a key of 1 to 512 visible ASCII characters without commas\n<stdin>: 1 fault, no warnings\n".to_owned(),
            1,
        ),
        ("a file that is none", &["check", "--env-file", &broken, "-"], String::new(), 2),
        ("the environment", &["check", "--environment", "-"], format!("<stdin>:3: keysFrom[0].env: {unset}\n<stdin>: 1 fault, no warnings\n"), 1),
    ] {
        let ran = with_input(arguments, &configuration);
        assert_eq!((&ran.output, ran.code), (&output, Some(code)), "{name}");
        assert!(!ran.errors.contains(PLANTED), "{name}: {}", ran.errors);
    }
    fs::remove_dir_all(folder).unwrap();
}

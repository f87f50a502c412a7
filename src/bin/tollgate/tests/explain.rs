use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::run::{Ran, with_input};

const CONFIGURATION: &str = "tests/fixtures/denied/wasmplugin.yaml";

/// A folder that is removed with its files.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("tollgate-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// Writes a file, and returns its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn key_hash(key: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(key)))
}

fn demo() -> Value {
    json!({
        "tenants": {"acme": {"groups": ["research"]}},
        "keys": [
            {"id": "acme-ci", "tenant": "acme", "keyHash": key_hash("sk-acme-ci")},
            {"id": "acme-app", "tenant": "acme", "keyHash": key_hash("sk-acme-app")},
        ],
        "models": {"m": {"groups": ["research"]}},
    })
}

/// The answers in the documentation.
#[test]
fn each_denial_is_answered_as_written_down() {
    let rows = [
        ("no-credential", "", "--model llama-3.1-8b"),
        (
            "unknown-key",
            "sk-tollgate-nobody-demo",
            "--key-stdin --model llama-3.1-8b",
        ),
        (
            "expired-key",
            "sk-tollgate-old-demo",
            "--key-stdin --model llama-3.1-8b --at 2026-06-01T00:00:00Z",
        ),
        (
            "token-as-a-key",
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.c2ln",
            "--key-stdin --model llama-3.1-8b",
        ),
        (
            "issuer-with-a-slash",
            "",
            "--claims tests/fixtures/denied/issuer-with-a-slash.json --model llama-3.1-8b",
        ),
        (
            "token-of-no-tenant",
            "",
            "--claims tests/fixtures/denied/token-of-no-tenant.json --model llama-3.1-8b",
        ),
        (
            "token-that-leaves-out-its-groups",
            "",
            "--claims tests/fixtures/denied/token-that-leaves-out-its-groups.json --model llama-3.1-8b",
        ),
        (
            "model-of-other-groups",
            "sk-tollgate-globex-demo",
            "--key-stdin --model qwen-3-32b",
        ),
        (
            "model-without-a-rule",
            "sk-tollgate-acme-demo",
            "--key-stdin --model gpt-6 --path /v1/messages",
        ),
        (
            "narrowed-key",
            "sk-tollgate-narrow-demo",
            "--key-stdin --model qwen-3-32b",
        ),
        (
            "path-of-no-table",
            "sk-tollgate-acme-demo",
            "--key-stdin --path /sleep",
        ),
        (
            "other-model-in-the-header",
            "sk-tollgate-acme-demo",
            "--key-stdin --model llama-3.1-8b --header x-ai-eg-model:qwen-3-32b",
        ),
        (
            "key-on-the-command-line",
            "",
            "--model llama-3.1-8b --header authorization:sk-tollgate-acme-demo",
        ),
        (
            "allowed",
            "sk-tollgate-acme-demo",
            "--key-stdin --model llama-3.1-8b --stream --header x-tollgate-tenant:vip",
        ),
    ];
    for (name, input, line) in rows {
        let arguments: Vec<&str> = ["explain", CONFIGURATION]
            .into_iter()
            .chain(line.split(' '))
            .collect();
        let Ran {
            output,
            errors,
            code,
        } = with_input(&arguments, input);
        let code = code.unwrap();
        let answer = format!(
            "$ tollgate {}\n{output}{errors}exit code {code}\n",
            arguments.join(" ")
        );
        assert!(
            input.is_empty() || !answer.contains(input),
            "{name}: {answer}"
        );
        let kept = format!(
            "{}/tests/fixtures/denied/{name}.txt",
            env!("CARGO_MANIFEST_DIR")
        );
        let kept = Path::new(&kept);
        if env::var_os("TOLLGATE_ACCEPT").is_some() {
            fs::write(kept, &answer).unwrap();
        }
        assert_eq!(
            answer,
            fs::read_to_string(kept).unwrap(),
            "{name}; TOLLGATE_ACCEPT=1 accepts the new answer"
        );
    }
}

/// The key is planted in every place that the command could read.
#[test]
fn the_command_never_prints_a_key() {
    const PLANTED: &str = "sk-planted-0123456789abcdef";
    let folder = Folder::new("planted");
    let mut misplaced = demo();
    misplaced["tenants"][PLANTED] = json!({"groups": [PLANTED]});
    misplaced["models"][PLANTED] = json!({"groups": [PLANTED]});
    misplaced["keys"][0] = json!({"id": PLANTED, "tenant": PLANTED, "keyHash": key_hash(PLANTED)});
    let mut faulty = demo();
    faulty["keys"][0]["keyHash"] = json!(PLANTED);
    faulty["keys"][1][PLANTED] = json!(PLANTED);
    faulty["fairness"] = json!({"from": PLANTED});
    let misplaced = folder.file("misplaced.json", &misplaced.to_string());
    let faulty = folder.file("faulty.json", &faulty.to_string());
    let cut = folder.file("cut.json", &format!("{{\"keys\": [\"{PLANTED}\""));
    let body = folder.file(
        "body.json",
        &json!({"model": PLANTED, PLANTED: PLANTED}).to_string(),
    );
    let token = folder.file("token", &format!("{PLANTED}.{PLANTED}.{PLANTED}"));
    let swapped = folder.file("swapped.csv", &format!("demo,{PLANTED}\n"));
    let keys = folder.file("keys.csv", &format!("{PLANTED},demo\n{PLANTED},jane\n"));
    let list = folder.file(
        "list",
        &format!("{PLANTED},{PLANTED},a {PLANTED},[{PLANTED}\n"),
    );
    let good = folder.file("good", &format!("{PLANTED},demo\n"));
    let header = |name: &str| format!("{name}: Bearer {PLANTED}");
    let explain = |line: &[&str]| {
        [&["explain"], line]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let rows = [
        (
            "nothing but the key",
            explain(&[&misplaced, "--key-stdin", "--model", "m"]),
            1,
        ),
        (
            "the model",
            explain(&[&misplaced, "--key-stdin", "--model", PLANTED]),
            0,
        ),
        (
            "the path",
            explain(&[&misplaced, "--key-stdin", "--path", &format!("/{PLANTED}")]),
            1,
        ),
        (
            "the query",
            explain(&[
                &misplaced,
                "--key-stdin",
                "--path",
                &format!("/v1/models?api_key={PLANTED}"),
            ]),
            2,
        ),
        (
            "the method",
            explain(&[&misplaced, "--key-stdin", "--method", PLANTED]),
            1,
        ),
        (
            "the moment",
            explain(&[&misplaced, "--key-stdin", "--model", "m", "--at", PLANTED]),
            2,
        ),
        (
            "the body",
            explain(&[&misplaced, "--key-stdin", "--body", &body]),
            0,
        ),
        (
            "the id of the request",
            explain(&[
                &misplaced,
                "--key-stdin",
                "--model",
                "m",
                "--header",
                &format!("x-request-id: {PLANTED}"),
            ]),
            1,
        ),
        (
            "a credential",
            explain(&[
                &misplaced,
                "--model",
                "m",
                "--header",
                &header("Authorization"),
            ]),
            2,
        ),
        (
            "a header without a name",
            explain(&[&misplaced, "--model", "m", "--header", PLANTED]),
            2,
        ),
        (
            "a second argument",
            explain(&[&misplaced, PLANTED, "--model", "m"]),
            2,
        ),
        (
            "an argument",
            explain(&[&misplaced, "--model", "m", "--key", PLANTED]),
            2,
        ),
        (
            "a token",
            explain(&[&misplaced, "--model", "m", "--claims", &token]),
            2,
        ),
        (
            "faults",
            explain(&[&faulty, "--key-stdin", "--model", "m"]),
            2,
        ),
        (
            "a cut configuration",
            explain(&[&cut, "--key-stdin", "--model", "m"]),
            2,
        ),
        (
            "swapped columns",
            vec!["import".into(), "keys-users".into(), swapped],
            1,
        ),
        (
            "a key of two users",
            vec!["import".into(), "keys-users".into(), keys],
            1,
        ),
        (
            "a faulty list",
            vec!["import".into(), "vllm".into(), list],
            1,
        ),
        (
            "a user in a list",
            vec!["import".into(), "vllm".into(), good.clone()],
            0,
        ),
        (
            "a good file",
            vec!["import".into(), "keys-users".into(), good],
            0,
        ),
    ];
    for (name, line, code) in rows {
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        for line in [line.clone(), [&["--json"][..], &line].concat()] {
            let ran = with_input(&line, PLANTED);
            assert_eq!(ran.code, Some(code), "{name}: {ran:?}");
            assert!(
                !format!("{}{}", ran.output, ran.errors).is_empty(),
                "{name}"
            );
            assert!(!format!("{ran:?}").contains(PLANTED), "{name}: {ran:?}");
        }
    }
}

use std::env;
use std::fs;

use serde_json::{Value, json};

use crate::run::{tollgate, with_input};

/// The key that a run printed.
fn confided(errors: &str) -> &str {
    let key = errors.strip_prefix("The key, which is not stored and not shown again:\n");
    key.unwrap().trim_end()
}

#[test]
fn a_new_key_and_its_entry_fit_each_other() {
    let ran = tollgate(&[
        "key",
        "new",
        "--tenant",
        "acme",
        "--expires",
        "2099-01-01T00:00:00Z",
        "--groups",
        "ci,night",
    ]);
    assert_eq!(ran.code, Some(0));
    let key = confided(&ran.errors);
    let public = key
        .strip_prefix("sk-acme-")
        .unwrap()
        .split_once("_tg_")
        .unwrap()
        .0;
    let hash = with_input(&["key", "hash"], &format!("{key}\n"));
    assert_eq!((hash.errors.as_str(), hash.code), ("", Some(0)));
    assert_eq!(
        ran.output,
        format!(
            "- id: \"acme-{public}\"\n  tenant: \"acme\"\n  keyHash: \"{}\"\n  expiresAt: \"2099-01-01T00:00:00Z\"\n  groups: [\"ci\",\"night\"]\n",
            hash.output.trim_end()
        )
    );
    let configuration = format!(
        "tenants: {{acme: {{}}}}\nmodels: {{'*': {{access: authenticated}}}}\nkeys:\n{}",
        ran.output
    );
    let checked = with_input(&["check", "-"], &configuration);
    assert_eq!(checked.output, "<stdin>: no faults, no warnings\n");
}

#[test]
fn a_new_key_may_be_narrowed_and_described() {
    let ran = tollgate(&[
        "key",
        "new",
        "--tenant",
        "acme",
        "--id",
        "ci",
        "--models",
        "llama-*,qwen-3-32b",
        "--description",
        "of Jane's \"nightly\" job",
    ]);
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.output.ends_with("\n  models: [\"llama-*\",\"qwen-3-32b\"]\n  description: \"of Jane's \\\"nightly\\\" job\"\n"),
        "{}",
        ran.output
    );
    let configuration = format!(
        "tenants: {{acme: {{}}}}\nmodels: {{'*': {{access: authenticated}}}}\nkeys:\n{}",
        ran.output
    );
    let checked = with_input(&["check", "-"], &configuration);
    assert_eq!(checked.output, "<stdin>: no faults, no warnings\n");
    let wrong = tollgate(&["key", "new", "--tenant", "acme", "--models", "a\nb"]);
    assert_eq!((wrong.output.as_str(), wrong.code), ("", Some(2)));
}

#[cfg(unix)]
#[test]
fn no_key_is_made_where_standard_error_goes_nowhere() {
    let run = |arguments: &str| {
        let command = format!(
            "{} key new --tenant acme {arguments} 2>/dev/null",
            env!("CARGO_BIN_EXE_tollgate")
        );
        let ran = std::process::Command::new("sh")
            .args(["-c", &command])
            .output()
            .unwrap();
        (String::from_utf8(ran.stdout).unwrap(), ran.status.code())
    };
    assert_eq!(run(""), (String::new(), Some(2)));
    let file = env::temp_dir().join(format!("tollgate-key-nowhere-{}", std::process::id()));
    let (entry, code) = run(&format!("--key-file {}", file.display()));
    assert_eq!(code, Some(0), "the key is kept in a file");
    assert!(entry.starts_with("- id: \"acme-"), "{entry}");
    fs::remove_file(file).unwrap();
}

#[test]
fn standard_output_never_has_the_key() {
    let file = env::temp_dir().join(format!("tollgate-key-{}", std::process::id()));
    let path = file.to_str().unwrap();
    for arguments in [
        &["key", "new", "--tenant", "acme"][..],
        &["--json", "key", "new", "--tenant", "acme"],
        &["key", "new", "--tenant", "acme", "--key-file", path],
    ] {
        let ran = tollgate(arguments);
        assert!(
            !ran.output.contains("_tg_"),
            "{arguments:?}: {}",
            ran.output
        );
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn a_key_file_is_new_and_its_owners_alone() {
    let file = env::temp_dir().join(format!("tollgate-key-file-{}", std::process::id()));
    let path = file.to_str().unwrap();
    let arguments = [
        "--json",
        "key",
        "new",
        "--tenant",
        "acme",
        "--id",
        "ci",
        "--prefix",
        "gate.2",
        "--key-file",
        path,
    ];
    let ran = tollgate(&arguments);
    assert_eq!((ran.errors.as_str(), ran.code), ("", Some(0)));
    let key = fs::read_to_string(&file).unwrap();
    assert!(key.starts_with("gate.2-"), "{key}");
    let hash = with_input(&["key", "hash"], &key).output;
    let entry: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(
        entry,
        json!({"id": "ci", "tenant": "acme", "keyHash": hash.trim_end()})
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let again = tollgate(&arguments);
    assert_eq!((again.output.as_str(), again.code), ("", Some(2)));
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    fs::remove_file(file).unwrap();
}

#[test]
fn a_key_that_nobody_could_use_is_not_made() {
    for (name, arguments, error) in [
        (
            "a bad tenant",
            &["--tenant", "a b"][..],
            "tollgate: tenants.a b: the tenant's name must be 1 to 128 letters, digits and `._:/@+-`; keys[0].id: the key's id must be 1 to 128 letters, digits and `._:/@+-`\n",
        ),
        (
            "a bad id",
            &["--tenant", "acme", "--id", "ü"],
            "tollgate: keys[0].id: the key's id must be 1 to 128 letters, digits and `._:/@+-`\n",
        ),
        (
            "a bad prefix",
            &["--tenant", "acme", "--prefix", "sk acme"],
            "tollgate: --prefix: expected 1 to 200 letters, digits, `.` and `-`\n",
        ),
        (
            "a past end",
            &["--tenant", "acme", "--expires", "2020-01-01T00:00:00Z"],
            "tollgate: --expires: the key would have expired already\n",
        ),
        (
            "no days",
            &["--tenant", "acme", "--expires", "0d"],
            "tollgate: --expires: the key would have expired already\n",
        ),
    ] {
        let ran = tollgate(&[&["key", "new"], arguments].concat());
        assert_eq!(
            (ran.output.as_str(), ran.errors.as_str(), ran.code),
            ("", error, Some(2)),
            "{name}"
        );
    }
}

#[test]
fn a_hash_comes_with_what_speaks_against_its_key() {
    const DEMO: &str = "sha256:b0bc88b545cbe3fd0e4592279993b320c50eeb57091acc8715bcaddeae5ec074\n";
    const CUT: &str = "tollgate: warning: the key is cut or mistyped: its checksum is wrong\n";
    const SHORT: &str = "tollgate: warning: the key is short enough to be guessed; expected at least 128 random bits\n";
    let hash = |input: &str| with_input(&["key", "hash"], input);
    let demo = hash("sk-tollgate-acme-demo\n");
    assert_eq!(
        (demo.output.as_str(), demo.errors.as_str(), demo.code),
        (DEMO, SHORT, Some(0))
    );
    assert_eq!(hash("sk-tollgate-acme-demo\r\n").output, DEMO);
    let cut = hash("sk-acme-k3v9x2mq_tg_0123456789");
    assert_eq!((cut.errors.as_str(), cut.code), (CUT, Some(1)));
    let told: Value = serde_json::from_str(
        &with_input(&["--json", "key", "hash"], "sk-acme-k3v9x2mq_tg_0").output,
    )
    .unwrap();
    assert_eq!(told["warning"], "checksum");
    for (key, warning) in [
        (
            "Bearer sk-tollgate-acme-demo",
            "expected a key, got a key after a header name or a scheme such as `Bearer`",
        ),
        (
            "\"sk-tollgate-acme-demo\"",
            "expected a key, got a key in quotes",
        ),
    ] {
        let ran = hash(key);
        assert_eq!(ran.errors, format!("tollgate: warning: {warning}\n"));
        assert_eq!((ran.output.len(), ran.code), (DEMO.len(), Some(1)));
    }
    for (name, input) in [
        ("nothing", String::new()),
        ("an empty line", "\n".to_owned()),
        ("too long", "x".repeat(513)),
    ] {
        let ran = hash(&input);
        assert_eq!((ran.output.as_str(), ran.code), ("", Some(2)), "{name}");
    }
}

#[test]
fn a_key_on_the_command_line_is_refused_and_not_repeated() {
    let ran = tollgate(&["key", "hash", "sk-tollgate-acme-demo"]);
    let refusal = "tollgate: expected the key on standard input; other users of the machine can see arguments\n";
    assert_eq!(
        (ran.output.as_str(), ran.errors.as_str(), ran.code),
        ("", refusal, Some(2))
    );
}

#[test]
fn no_wrong_argument_is_repeated_that_may_be_a_key() {
    const KEY: &str = "sk-tollgate-acme-demo";
    for (name, arguments) in [
        ("in the place of a task", &[KEY][..]),
        (
            "as the value of a switch",
            &["explain", "x", "--key-stdin=sk-tollgate-acme-demo"],
        ),
        (
            "as a number of days",
            &["check", "--expiring-within", KEY, "x"],
        ),
        ("where nothing is expected", &["schema", KEY]),
    ] {
        let ran = tollgate(arguments);
        assert_eq!((ran.output.as_str(), ran.code), ("", Some(2)), "{name}");
        assert!(ran.errors.contains("'…'"), "{name}: {}", ran.errors);
        assert!(!ran.errors.contains(KEY), "{name}: {}", ran.errors);
    }
    let typed_wrong = tollgate(&["chek"]).errors;
    assert!(typed_wrong.contains("'chek'"), "{typed_wrong}");
}

#[test]
fn what_stands_in_the_place_of_a_file_is_not_repeated_where_it_may_be_a_key() {
    const KEY: &str = "sk-Xq81mzPw02LkRt5Y";
    for arguments in [
        &["import", "vllm", KEY][..],
        &["import", "vllm", "sk-short"],
        &["import", "keys-users", "Xq81mzPw02LkRt5YvBn7GhJ3"],
        &["check", KEY],
        &["explain", KEY],
        &["print", KEY],
        &["check", "envoy/live.yaml", "--env-file", KEY],
        &["explain", "envoy/local.yaml", "--claims", KEY],
    ] {
        let ran = tollgate(arguments);
        assert_eq!(
            (ran.output.as_str(), ran.code),
            ("", Some(2)),
            "{arguments:?}"
        );
        let said = "a file whose name is not repeated, as it may be a key";
        assert!(ran.errors.contains(said), "{arguments:?}: {}", ran.errors);
        for part in ["Xq81", "short"] {
            assert!(!ran.errors.contains(part), "{arguments:?}: {}", ran.errors);
        }
    }
    for path in [
        "keys.csv",
        "lists/of-last-year/keys-of-everybody.yaml",
        "./Xq81mzPw02LkRt5Y",
        "keys",
    ] {
        let ran = tollgate(&["import", "vllm", path]);
        assert!(ran.errors.contains(path), "{path}: {}", ran.errors);
    }
}

#[test]
fn a_configuration_is_printed_as_the_filter_gets_it() {
    let yaml = "# mine\ntenants: {acme: {}} # one\nkeys: []\n";
    let json = "{\"tenants\":{\"acme\":{}},\"keys\":[]}\n";
    let manifest = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: tollgate}\nspec:\n  url: oci://x/tollgate\n  pluginConfig:\n    tenants: {acme: {}}\n    keys: []\n";
    for text in [yaml, json, manifest] {
        let ran = with_input(&["print", "-"], text);
        assert_eq!((ran.output.as_str(), ran.code), (json, Some(0)), "{text}");
    }
    let two = with_input(&["print", "-"], &format!("{yaml}---\n{yaml}"));
    assert_eq!(
        (two.output.as_str(), two.errors.as_str(), two.code),
        (
            "",
            "tollgate: <stdin>: expected one configuration of Tollgate, found 2\n",
            Some(2)
        )
    );
    let broken = with_input(&["print", "-"], "keys: [\n");
    assert_eq!((broken.output.as_str(), broken.code), ("", Some(1)));
}

/// A file of its own for one test.
fn file_with(name: &str, text: &str) -> String {
    let path = env::temp_dir().join(format!("tollgate-{name}-{}.yaml", std::process::id()));
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const MANIFEST: &str = r#"# ours
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: tollgate}
spec:
  pluginConfig:
    tenants: {acme: {}, globex: {}}
    keys: # one on each line
    - id: acme-ci # the nightly job
      tenant: acme
      keyHash: "sha256:5fe8a615f62772f45ef390a324afdfb2eda1bf62b287369065f014d78b5f756d"
      description: nightly
      models: ["llama-*"]
    - {id: globex-app, tenant: globex, keyHash: "sha256:1e0baae50a6e2006d894f9e64c53a1317e6032f4ba67df08199d5378c5948ce6", expiresAt: "2099-01-01T00:00:00Z"}
    # no more
    models:
      "llama-*": {access: authenticated}
"#;

#[test]
fn the_keys_of_a_manifest_are_listed() {
    let file = file_with("list", MANIFEST);
    let ran = tollgate(&["key", "list", &file]);
    assert_eq!(
        (ran.output.as_str(), ran.errors.as_str(), ran.code),
        (
            "id          tenant  state  expires               description\n\
             acme-ci     acme    good   never                 nightly\n\
             globex-app  globex  good   2099-01-01T00:00:00Z\n",
            "",
            Some(0)
        )
    );
    let ran = tollgate(&["--json", "key", "list", &file]);
    let rows: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(
        rows[1],
        json!({"id": "globex-app", "tenant": "globex", "state": "good", "expiresAt": "2099-01-01T00:00:00Z", "line": 14})
    );
    fs::remove_file(file).unwrap();
}

#[test]
fn a_key_is_added_where_the_others_are() {
    let file = file_with("add", MANIFEST);
    let ran = tollgate(&["key", "add", &file, "--tenant", "acme", "--id", "acme-2"]);
    assert_eq!(ran.code, Some(0), "{}", ran.errors);
    let key = confided(&ran.errors);
    let hash = with_input(&["key", "hash"], key).output;
    let entry = format!(
        "    - {{\"id\": \"acme-2\", \"tenant\": \"acme\", \"keyHash\": \"{}\"}}\n",
        hash.trim_end()
    );
    let end = MANIFEST.find("    # no more").unwrap();
    let (before, after) = MANIFEST.split_at(end);
    let now = fs::read_to_string(&file).unwrap();
    assert_eq!(now, format!("{before}{entry}{after}"));
    assert!(!now.contains(key));
    let again = tollgate(&["key", "add", &file, "--tenant", "acme", "--id", "acme-2"]);
    assert_eq!((again.output.as_str(), again.code), ("", Some(2)));
    assert!(
        again.errors.contains("duplicate key id `acme-2`"),
        "{}",
        again.errors
    );
    assert!(
        !again.errors.contains("_tg_"),
        "no key was made: {}",
        again.errors
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), now);
    fs::remove_file(file).unwrap();
}

#[test]
fn the_first_key_is_added_to_a_file_that_the_filter_refuses_for_want_of_one() {
    let rest = "tenants: {acme: {}}\nmodels: {'*': {access: authenticated}}\n";
    for (name, text) in [
        ("no-list", rest.to_owned()),
        ("open-list", format!("keys: # none yet\n{rest}")),
        ("empty-list", format!("keys: [] # none yet\n{rest}")),
    ] {
        let file = file_with(name, &text);
        let ran = tollgate(&["key", "add", &file, "--tenant", "acme", "--id", "acme-1"]);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.errors);
        let list = tollgate(&["key", "list", &file]).output;
        assert!(list.contains("acme-1  acme    good"), "{name}: {list}");
        let checked = tollgate(&["check", &file]);
        assert_eq!(checked.code, Some(0), "{name}: {}", checked.output);
        fs::remove_file(file).unwrap();
    }
    // What else is wrong with it is said, and no key is made.
    let faulty = rest.replace("authenticated", "sometimes");
    let file = file_with("faulty-first", &faulty);
    let ran = tollgate(&["key", "add", &file, "--tenant", "acme", "--id", "acme-1"]);
    assert_eq!((ran.output.as_str(), ran.code), ("", Some(2)));
    let expected = "the filter would refuse this\n";
    assert!(ran.errors.contains(expected), "{}", ran.errors);
    assert!(ran.errors.contains("access"), "{}", ran.errors);
    assert!(!ran.errors.contains("_tg_"), "{}", ran.errors);
    assert_eq!(fs::read_to_string(&file).unwrap(), faulty);
    fs::remove_file(file).unwrap();
}

#[test]
fn a_key_is_rotated_and_the_old_one_goes_on_for_a_time() {
    let file = file_with("rotate", MANIFEST);
    let ran = tollgate(&[
        "key",
        "rotate",
        &file,
        "acme-ci",
        "--new-id",
        "acme-ci-2",
        "--overlap",
        "3d",
    ]);
    assert_eq!(ran.code, Some(0), "{}", ran.errors);
    let key = confided(&ran.errors);
    let hash = with_input(&["key", "hash"], key).output;
    let printed = tollgate(&["print", &file]).output;
    let configuration: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        configuration["keys"][2],
        json!({
            "id": "acme-ci-2", "tenant": "acme", "keyHash": hash.trim_end(), "description": "nightly",
            "models": ["llama-*"],
        })
    );
    let end = configuration["keys"][0]["expiresAt"].as_str().unwrap();
    assert!(end.ends_with('Z'), "{end}");
    let now = fs::read_to_string(&file).unwrap();
    for kept in [
        "# ours\n",
        "# one on each line\n",
        "# the nightly job\n",
        "\n    # no more\n",
    ] {
        assert!(now.contains(kept), "{kept}: {now}");
    }
    let list = tollgate(&["key", "list", &file]).output;
    assert_eq!(
        list.lines().filter(|line| line.contains("good")).count(),
        3,
        "{list}"
    );
    let endless = tollgate(&["key", "rotate", &file, "globex-app"]);
    assert_eq!(
        (
            endless.output.as_str(),
            endless.errors.as_str(),
            endless.code
        ),
        (
            "",
            "tollgate: --expires: the old key has an end; expected that of the new one\n",
            Some(2)
        )
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), now);
    fs::remove_file(file).unwrap();
}

#[test]
fn a_key_is_revoked_and_an_unknown_one_is_not_repeated() {
    let file = file_with("revoke", MANIFEST);
    let ran = tollgate(&["key", "revoke", &file, "acme-ci"]);
    assert_eq!(
        (ran.output.as_str(), ran.errors.as_str(), ran.code),
        ("disabled acme-ci\n", "", Some(0))
    );
    let now = fs::read_to_string(&file).unwrap();
    let models = "      models: [\"llama-*\"]\n";
    assert_eq!(
        now,
        MANIFEST.replace(models, &format!("{models}      disabled: true\n"))
    );
    let list = tollgate(&["key", "list", &file]).output;
    assert!(list.contains("acme-ci     acme    disabled"), "{list}");
    let unknown = tollgate(&["key", "revoke", &file, "sk-Xq81mzPw02LkRt5Y"]);
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown.errors.contains("no key has this `id`"),
        "{}",
        unknown.errors
    );
    assert!(!unknown.errors.contains("Xq81"), "{}", unknown.errors);
    assert_eq!(fs::read_to_string(&file).unwrap(), now);
    fs::remove_file(file).unwrap();
}

#[test]
fn a_file_that_cannot_be_written_so_is_left_as_it_is() {
    let hash = "sha256:5fe8a615f62772f45ef390a324afdfb2eda1bf62b287369065f014d78b5f756d";
    let anchors = format!(
        "tenants: {{acme: {{}}}}\nmodels: {{'*': {{access: authenticated}}}}\nkeys: &keys\n- &a\n  id: a\n  tenant: acme\n  keyHash: {hash}\n- <<: *a\n  id: b\n  keyHash: {}\n",
        hash.replace("5f", "6f")
    );
    let faulty = anchors.replace("tenant: acme", "tenant: nobody");
    for (name, text, error) in [
        (
            "anchors",
            anchors.as_str(),
            "the keys are laid out in a way that this cannot write",
        ),
        (
            "faulty",
            &faulty,
            "the filter refuses this configuration already",
        ),
        (
            "none",
            "a: 1\n",
            "expected one configuration of Tollgate, found 0",
        ),
    ] {
        let file = file_with(name, text);
        let ran = tollgate(&["key", "revoke", &file, "a"]);
        assert!(ran.errors.contains(error), "{name}: {}", ran.errors);
        assert_eq!((ran.output.as_str(), ran.code), ("", Some(2)), "{name}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "{name}");
        fs::remove_file(file).unwrap();
    }
}

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use serde_json::{Value, json};

use super::*;

const ACME: &str = "sk-acme-0123456789abcdef";
const GLOBEX: &str = "sk-globex-0123456789abcdef";
const OLD: &str = "sk-old-0123456789abcdef";
const NARROW: &str = "sk-narrow-0123456789abcdef";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn config() -> Value {
    let hash = |key: &str| key::hash(key.as_bytes());
    json!({
        "tenants": {
            "acme": {"groups": ["research"], "objective": "interactive"},
            "globex": {"groups": ["sales"]},
        },
        "keys": [
            {"id": "acme-ci", "tenant": "acme", "keyHash": hash(ACME), "groups": ["ci"]},
            {"id": "globex-app", "tenant": "globex", "keyHash": hash(GLOBEX)},
            {"id": "acme-old", "tenant": "acme", "keyHash": hash(OLD), "expiresAt": "2026-01-01T00:00:00Z"},
            {"id": "acme-narrow", "tenant": "acme", "keyHash": hash(NARROW), "models": ["llama-*"]},
        ],
        "jwt": [{
            "metadataKey": "keycloak", "issuer": "https://sso.example", "groupsClaim": ["realm_access", "roles"],
            "groupPrefix": "sso:", "tenantClaim": "tenant", "userClaim": "sub", "defaultTenant": "globex",
        }],
        "models": {
            "llama-3.1-8b": {"groups": ["research", "sales", "sso:dev"]},
            "qwen-*": {"groups": ["research"]},
            "public/*": {"access": "anonymous"},
        },
        "extraPaths": [{"method": "POST", "path": "/tokenize", "groups": ["admins"]}],
        "publicPaths": [{"method": "GET", "path": "/health"}],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut config = config();
    config[name] = value;
    config
}

/// Writes each text to its own file.
fn file(text: &str) -> PathBuf {
    let name = key::hash(text.as_bytes()).replace(':', "-");
    let path = std::env::temp_dir().join(format!("tollgate-explain-{}-{name}", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

fn claims(claims: &Value) -> String {
    file(&claims.to_string()).display().to_string()
}

fn asked(config: &Value, stdin: &str, line: &[&str]) -> Result<(Report, Vec<String>), String> {
    let line = ["tollgate", "config.json"].iter().chain(line);
    let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
    let file = File::parse("config.json".to_owned(), &config.to_string());
    let (policy, _) = policy(&file, &Gateway::Assumed).map_err(|failure| format!("{failure:?}"))?;
    answer(&line.arguments, policy, &|| Ok(stdin.as_bytes().to_vec()))
        .map_err(|failure| format!("{failure:?}"))
}

/// The answer as text.
fn told(config: &Value, stdin: &str, line: &[&str]) -> String {
    let (report, secrets) = asked(config, stdin, line).unwrap();
    Hiding::new(report, secrets).to_string()
}

/// The answer as JSON.
fn json(config: &Value, stdin: &str, line: &[&str]) -> Value {
    let (report, secrets) = asked(config, stdin, line).unwrap();
    serde_json::to_value(Hiding::new(report, secrets)).unwrap()
}

#[test]
fn a_model_in_the_path_need_not_be_said_again() {
    let path = |model: &str| format!("/openai/deployments/{model}/chat/completions?api-version=1");
    for (model, expected) in [("llama-3.1-8b", "allowed"), ("qwen%2D3", "denied")] {
        let path = path(model);
        let answer = json(&config(), GLOBEX, &["--key-stdin", "--path", &path]);
        assert_eq!(answer["verdict"], expected, "{answer}");
        assert_eq!(answer["operation"], "chat");
        assert_eq!(answer["model"]["name"], model.replace("%2D", "-"));
    }
    let line = [
        "--key-stdin",
        "--path",
        &path("llama-3.1-8b"),
        "--model",
        "public/x",
    ];
    assert_eq!(
        json(&config(), ACME, &line)["denial"]["code"],
        "ambiguous_model"
    );
}

#[test]
fn says_where_inference_is_let_through() {
    let warning = "this is a route of inference: on paths of `extraPaths` and `publicPaths` no model is judged and no token is counted";
    for (path, expected) in [("/generate", Some(warning)), ("/tokenize", None)] {
        let extra = json!([{"method": "POST", "path": path, "groups": ["research"], "body": true}]);
        let config = with("extraPaths", extra);
        let answer = json(&config, ACME, &["--key-stdin", "--path", path]);
        assert_eq!(answer["verdict"], "allowed", "{answer}");
        assert_eq!(answer["warning"].as_str(), expected, "{path}");
        let told = told(&config, ACME, &["--key-stdin", "--path", path]);
        assert_eq!(
            told.contains("\nwarning    this is"),
            expected.is_some(),
            "{told}"
        );
    }
}

#[test]
fn says_who_which_rule_and_what_goes_on() {
    let line = [
        "--key-stdin",
        "--model",
        "llama-3.1-8b",
        "--stream",
        "--header",
        "X-Tollgate-Tenant: vip",
        "--header",
        "x-slo-ttft-ms: 1",
    ];
    assert_eq!(
        told(&config(), ACME, &line),
        "\
allowed

request    POST /v1/chat/completions, operation chat
caller     tenant acme, key acme-ci
groups     research (tenant), ci (key)
model      llama-3.1-8b
rule       llama-3.1-8b (the exact name), for research, sales, sso:dev; the caller is in research
set        x-gateway-inference-fairness-id: acme
           x-gateway-inference-objective: interactive
           x-llm-d-inference-fairness-id: acme
           x-llm-d-inference-objective: interactive
           x-tollgate-tenant: acme
stripped   x-slo-ttft-ms, authorization
replaced   the client's x-tollgate-tenant
fairness   acme
usage      requested from the server, and hidden from the client"
    );
}

#[test]
fn says_the_whole_reply_of_a_denial() {
    let line = [
        "--key-stdin",
        "--model",
        "qwen-32b",
        "--header",
        "x-request-id: 7",
    ];
    assert_eq!(
        told(&config(), GLOBEX, &line),
        "\
denied     403 model_not_allowed

request    POST /v1/chat/completions, operation chat
caller     tenant globex, key globex-app
groups     sales (tenant)
model      qwen-32b
rule       qwen-* (the longest prefix), for research; the caller is in none of these
client     HTTP 403
           cache-control: no-store
           content-type: application/json
           request-id: 7
           x-request-id: 7
           x-should-retry: false
           x-tollgate-code: model_not_allowed
           {\"error\":{\"code\":\"model_not_allowed\",\"message\":\"You do not have access to the model `qwen-32b`. `GET /v1/models` lists those that you may use.\",\"param\":\"model\",\"type\":\"permission_error\"},\"request_id\":\"7\",\"type\":\"error\"}
what to do Give the caller one of the groups research, or add one of the caller's to the rule."
    );
}

#[test]
fn says_where_the_groups_of_a_token_come_from() {
    let payload = claims(&json!({
        "iss": "https://sso.example", "exp": 1_900_000_000, "sub": "jane", "realm_access": {"roles": ["dev", "offline"]},
    }));
    let said = json(
        &config(),
        "",
        &["--claims", &payload, "--model", "llama-3.1-8b"],
    );
    assert_eq!(
        said["who"],
        json!({
            "by": "token", "tenant": "globex", "issuer": "https://sso.example", "user": "jane",
            "groups": [{"name": "sso:dev", "from": "claim realm_access.roles"}],
            "unknownGroups": ["sso:offline"],
        })
    );
    assert_eq!(said["verdict"], "allowed");
    assert_eq!(said["fairnessId"], "globex");
}

#[test]
fn says_of_each_denial_what_to_do() {
    let foreign = claims(&json!({"iss": "https://sso.example/"}));
    let stray =
        claims(&json!({"iss": "https://sso.example", "exp": 1_900_000_000, "tenant": "initech"}));
    let eternal = claims(&json!({"iss": "https://sso.example"}));
    let body = file(r#"{"model":"llama-3.1-8b","Model":"qwen-32b"}"#)
        .display()
        .to_string();
    let rows: [(&str, &str, &[&str], &str, &str); 18] = [
        (
            "no credential",
            "",
            &["--model", "qwen-32b"],
            "401 missing_credential",
            "Send a key or a token (here: --key-stdin or --claims). To allow anonymous callers, give the model `access: anonymous`.",
        ),
        (
            "unknown key",
            "sk-nobody-0123456789",
            &["--key-stdin", "--model", "qwen-32b"],
            "401 invalid_credential",
            "No configured key has this hash: compare `tollgate key hash` with each `keyHash`. Check that the gateway runs with this file.",
        ),
        (
            "quoted key",
            "sk-acme 0123",
            &["--key-stdin", "--model", "qwen-32b"],
            "401 invalid_credential",
            "A key is 1 to 512 visible ASCII characters without commas. Check for spaces or quotes around it.",
        ),
        (
            "token as a key",
            "eyJh.eyJp.c2ln",
            &["--key-stdin", "--model", "qwen-32b"],
            "401 invalid_credential",
            "This looks like a token. The filter accepts a token after `jwt_authn` has verified it: give its payload with --claims.",
        ),
        (
            "expired key",
            OLD,
            &[
                "--key-stdin",
                "--model",
                "qwen-32b",
                "--at",
                "2026-01-01T00:00:00Z",
            ],
            "401 expired_credential",
            "The entry of the key `acme-old` says: expires at 2026-01-01T00:00:00Z. Make a new key, or change the entry.",
        ),
        (
            "issuer with a slash",
            "",
            &["--claims", &foreign, "--model", "qwen-32b"],
            "401 unlisted_issuer",
            "The token's `iss` is `https://sso.example/`; `jwt` lists https://sso.example. They must match exactly, including a `/` at the end.",
        ),
        (
            "unknown tenant",
            "",
            &["--claims", &stray, "--model", "qwen-32b"],
            "403 unknown_tenant",
            "A tenant claim must name one of `tenants`. Without one, the tenant is that of `tenantFromGroup` or `defaultTenant`; the token's groups are none.",
        ),
        (
            "a token for ever",
            "",
            &["--claims", &eternal, "--model", "qwen-32b"],
            "401 missing_expiration",
            "The token's payload must have an `exp` above 0. If tokens of this issuer never expire and you accept that, set `requireExpiration: false` for it in `jwt`.",
        ),
        (
            "a model in the query",
            ACME,
            &[
                "--key-stdin",
                "--path",
                "/v1/chat/completions?Model=x",
                "--model",
                "qwen-32b",
            ],
            "400 model_in_query",
            "Leave the model out of the query; the one in the body is checked. Only paths of `extraPaths` and `publicPaths` may have it in the query.",
        ),
        (
            "model of other groups",
            GLOBEX,
            &["--key-stdin", "--model", "qwen-32b"],
            "403 model_not_allowed",
            "Give the caller one of the groups research, or add one of the caller's to the rule.",
        ),
        (
            "model without a rule",
            ACME,
            &["--key-stdin", "--model", "gpt-6"],
            "403 model_not_allowed",
            "Add a rule for `gpt-6` to `models`.",
        ),
        (
            "narrowed key",
            NARROW,
            &["--key-stdin", "--model", "qwen-32b"],
            "403 model_not_allowed",
            "Add `qwen-32b` to the `models` of the key's own entry.",
        ),
        (
            "path of no table",
            ACME,
            &["--key-stdin", "--path", "/sleep"],
            "403 operation_not_allowed",
            "It is not in the table of operations. Check the method and the path, or list both in `extraPaths` with the groups that may use them.",
        ),
        (
            "extra path of other groups",
            ACME,
            &["--key-stdin", "--path", "/tokenize"],
            "403 operation_not_allowed",
            "`extraPaths` allows it for the groups admins; give the caller one of them.",
        ),
        (
            "escaped path",
            ACME,
            &["--key-stdin", "--path", "/v1/chat%2fcompletions"],
            "400 malformed_path",
            "Write the path without `%`, `\\`, `;`, empty and dot segments; only the model in a path may be percent-encoded, once.",
        ),
        (
            "no model's name",
            ACME,
            &["--key-stdin", "--model", "my model "],
            "400 invalid_model_name",
            "A name is 1 to 256 bytes of printable UTF-8. Look for a space at an end, a line end, or a character that nobody sees.",
        ),
        (
            "an empty name",
            ACME,
            &["--key-stdin", "--model", ""],
            "400 missing_model",
            "The body must name a model, as a string; where `modelHeader.required` is set, the header must as well.",
        ),
        (
            "two models",
            ACME,
            &["--key-stdin", "--body", &body],
            "400 ambiguous_model",
            "Name the model once, and the same one in the header `x-ai-eg-model` if that is sent.",
        ),
    ];
    for (name, stdin, line, denial, advice) in rows {
        let (report, secrets) = asked(&config(), stdin, line).unwrap();
        assert!(!report.is_allowed(), "{name}");
        let told = Hiding::new(report, secrets).to_string();
        assert_eq!(
            told.lines().next(),
            Some(format!("denied     {denial}").as_str()),
            "{name}"
        );
        assert_eq!(
            told.lines().last(),
            Some(format!("what to do {advice}").as_str()),
            "{name}"
        );
    }
}

#[test]
fn says_what_the_other_modes_let_pass() {
    let rows = [
        (
            "audit",
            "unknown key",
            "sk-nobody-0123456789",
            "invalid_credential",
        ),
        (
            "audit",
            "model of other groups",
            GLOBEX,
            "model_not_allowed",
        ),
        (
            "open",
            "unknown key",
            "sk-nobody-0123456789",
            "invalid_credential",
        ),
        ("open", "model of other groups", GLOBEX, "model_not_allowed"),
    ];
    for (mode, name, stdin, code) in rows {
        let said = json(
            &with("mode", json!(mode)),
            stdin,
            &["--key-stdin", "--model", "qwen-32b"],
        );
        assert_eq!(said["verdict"], "allowed", "{mode}: {name}");
        assert_eq!(said["wouldDeny"]["code"], code, "{mode}: {name}");
        assert_eq!(said["denial"], Value::Null, "{mode}: {name}");
        assert_eq!(said["stripped"], json!(["authorization"]), "{mode}: {name}");
    }
    let said = json(
        &with("mode", json!("audit")),
        ACME,
        &["--key-stdin", "--model", "qwen-32b"],
    );
    assert_eq!(said["wouldDeny"], Value::Null);
    let said = told(
        &with("mode", json!("audit")),
        GLOBEX,
        &["--key-stdin", "--model", "qwen-32b"],
    );
    assert_eq!(
        said.lines().next(),
        Some("allowed, because the mode is audit; `enforce` would deny it: 403 model_not_allowed")
    );
}

#[test]
fn a_hidden_model_is_told_as_the_client_and_as_the_operator_see_it() {
    let said = told(
        &with("hideDeniedModels", json!(true)),
        GLOBEX,
        &["--key-stdin", "--model", "qwen-32b"],
    );
    assert_eq!(
        said.lines().next(),
        Some("denied     404 model_not_allowed, shown to the client as model_not_found")
    );
}

#[test]
fn the_gateway_in_front_is_believed_with_its_secret_or_certificate_only() {
    let trusted = |proof: Value| {
        with(
            "trustedHeaders",
            json!({"proof": proof, "principalHeader": "x-user", "attributeHeaders": {"x-groups": "teams"},
                "groupsAttribute": "teams", "defaultTenant": "acme"}),
        )
    };
    let by_secret =
        trusted(json!({"header": "x-proof", "secretHash": key::hash(b"gateway-secret")}));
    let by_certificate =
        trusted(json!({"clientCertificateSan": ["spiffe://front"], "clientCertsVerified": true}));
    let known = json!({"by": "gateway", "tenant": "acme", "user": "jane",
        "groups": [{"name": "research", "from": "gateway in front"}]});
    let nobody = json!({"by": "nobody", "groups": []});
    let rows: [(&str, &Value, &str, &[&str], &Value); 5] = [
        (
            "its secret",
            &by_secret,
            "gateway-secret",
            &["--proof-stdin"],
            &known,
        ),
        (
            "another secret",
            &by_secret,
            "guessed-secret",
            &["--proof-stdin"],
            &nobody,
        ),
        ("no secret", &by_secret, "", &[], &nobody),
        (
            "its certificate",
            &by_certificate,
            "",
            &["--certificate-name", "spiffe://front"],
            &known,
        ),
        (
            "another certificate",
            &by_certificate,
            "",
            &["--certificate-name", "spiffe://other"],
            &nobody,
        ),
    ];
    for (name, config, stdin, proof, who) in rows {
        let line = [
            "--model",
            "qwen-32b",
            "--header",
            "x-user: jane",
            "--header",
            r#"x-groups: ["research"]"#,
        ];
        let said = json(config, stdin, &[&line, proof].concat());
        assert_eq!(said["who"], *who, "{name}");
    }
}

/// The report about a request of acme for a model that it may use.
fn acme_asks(policy: Policy) -> Report {
    let line = [
        "tollgate",
        "config.json",
        "--key-stdin",
        "--model",
        "qwen-32b",
    ];
    let line = Line::try_parse_from(line).unwrap();
    let (report, _) = answer(&line.arguments, policy, &|| Ok(ACME.into())).unwrap();
    report
}

#[test]
fn the_server_gets_its_own_credential_unseen() {
    let config = with("credentials", json!({"forward": {"env": "VLLM_API_KEY"}}));
    let file = File::parse("config.json".to_owned(), &config.to_string());
    let variable = ("VLLM_API_KEY".to_owned(), "sk-server-secret".to_owned());
    let (policy, _) = policy(&file, &Gateway::Known([variable].into())).unwrap();
    let report = acme_asks(policy);
    let told = report.to_string();
    assert!(
        told.contains("authorization: the server's own credential"),
        "{told}"
    );
    assert!(
        told.contains("replaced   the client's authorization"),
        "{told}"
    );
    assert!(
        !told.contains("sk-server-secret") && !told.contains(ACME),
        "{told}"
    );
}

#[test]
fn takes_no_secret_from_the_command_line() {
    let rows: [&[&str]; 7] = [
        &["--header", "Authorization: Bearer sk-planted"],
        &["--header", "x-api-key: sk-planted"],
        &["--header", "x_api_key: sk-planted"],
        &["--header", "api-key:sk-planted"],
        &["--header", "cookie: session=sk-planted"],
        &["--path", "/v1/chat/completions?api_key=sk-planted"],
        &[
            "--path",
            "/v1/chat/completions?a=b&Access%5Ftoken=sk-planted",
        ],
    ];
    for row in rows {
        let refused = asked(&config(), "", &[row, &["--model", "qwen-32b"]].concat());
        let message = refused.map(|_| ()).unwrap_err();
        assert!(message.contains("--key-stdin"), "{row:?}: {message}");
        assert!(!message.contains("sk-planted"), "{row:?}: {message}");
    }
}

#[test]
fn says_what_is_wrong_with_its_arguments() {
    let token = file("eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYW5lIn0.c2ln\n")
        .display()
        .to_string();
    let list = file("[1]").display().to_string();
    let rows: [(&str, &[&str], &str); 6] = [
        (
            "a token",
            &["--claims", &token, "--model", "m"],
            "this is a token; expected its payload, which is treated as verified",
        ),
        (
            "no claims",
            &["--claims", &list, "--model", "m"],
            "expected a JSON object of claims",
        ),
        (
            "no model",
            &["--key-stdin"],
            "the body of such a request names its model: expected --model or --body",
        ),
        (
            "no header",
            &["--model", "m", "--header", "sk-planted"],
            "--header: expected `name: value`",
        ),
        (
            "a pseudo-header",
            &["--model", "m", "--header", ":path: /x"],
            "--header: expected `name: value`",
        ),
        (
            "no date",
            &["--model", "m", "--at", "tomorrow"],
            "--at: expected an RFC 3339 date such as `2027-01-01T00:00:00Z`",
        ),
    ];
    for (name, line, expected) in rows {
        let message = asked(&config(), ACME, line).map(|_| ()).unwrap_err();
        assert!(message.contains(expected), "{name}: {message}");
        assert!(
            !message.contains("eyJ") && !message.contains("sk-planted"),
            "{name}: {message}"
        );
    }
}

#[test]
fn a_key_is_hidden_wherever_it_stands() {
    let mut planted = config();
    planted["tenants"][ACME] = json!({"groups": [ACME]});
    planted["models"][ACME] = json!({"groups": [ACME]});
    planted["keys"][0]["id"] = json!(ACME);
    planted["keys"][0]["tenant"] = json!(ACME);
    planted["keys"][0]["groups"] = json!([ACME, "research"]);
    planted["keys"][0]["models"] = json!([ACME]);
    planted["fairness"] = json!({"from": "key"});
    let held = file(&json!({"model": ACME, "note": ACME}).to_string())
        .display()
        .to_string();
    let header = format!("x-request-id: {ACME}");
    let named = format!("{ACME}: 1");
    let path = format!("/v1/{ACME}");
    let rows: [&[&str]; 6] = [
        &["--model", ACME],
        &["--model", "qwen-32b", "--header", &header],
        &["--model", "qwen-32b", "--header", &named],
        &["--path", &path],
        &["--body", &held],
        &["--model", ACME, "--path", "/v1/messages"],
    ];
    for row in rows {
        for config in [&config(), &planted] {
            let line = [&["--key-stdin"], row].concat();
            for said in [
                told(config, ACME, &line),
                json(config, ACME, &line).to_string(),
            ] {
                assert!(!said.contains(ACME), "{row:?}: {said}");
            }
        }
    }
}

#[test]
fn a_configuration_is_found_where_check_finds_it() {
    let plugin = json!({
        "apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": "tollgate"},
        "spec": {"pluginConfig": config()},
    });
    let said = json(&plugin, ACME, &["--key-stdin", "--model", "qwen-32b"]);
    assert_eq!(said["verdict"], "allowed");
    let two = format!("{plugin}\n---\n{plugin}");
    let rows = [
        (
            "faulty",
            with("fairness", json!({"from": ACME})).to_string(),
            "config.json:1: fairness.from: ",
        ),
        (
            "two",
            two,
            "expected one configuration of Tollgate, found 2",
        ),
        (
            "none",
            "{}".to_owned(),
            "expected one configuration of Tollgate, found 0",
        ),
        ("no YAML", "{".to_owned(), "config.json:2: "),
    ];
    for (name, text, expected) in rows {
        let file = File::parse("config.json".to_owned(), &text);
        let message = policy(&file, &Gateway::Assumed).map(|_| ()).unwrap_err();
        let message = format!("{message:?}");
        assert!(message.contains(expected), "{name}: {message}");
        assert!(!message.contains(ACME), "{name}: {message}");
    }
}

#[test]
fn keys_of_a_variable_are_known_if_the_variable_is() {
    let mut config = with(
        "keysFrom",
        json!([{"env": "TEAM_KEYS", "format": "plain", "tenant": "acme"}]),
    );
    config["keys"] = json!([]);
    let file = File::parse("config.json".to_owned(), &config.to_string());
    let variable = ("TEAM_KEYS".to_owned(), ACME.to_owned());
    let known = Gateway::Known([variable].into());
    let none: [&str; 0] = [];
    for (name, gateway, assumed, verdict) in [
        ("known", &known, &none[..], true),
        ("assumed", &Gateway::Assumed, &["keysFrom[0].env"], false),
    ] {
        let (policy, paths) = policy(&file, gateway).unwrap();
        assert_eq!(paths, assumed, "{name}");
        let report = acme_asks(policy);
        assert_eq!(report.is_allowed(), verdict, "{name}");
    }
}

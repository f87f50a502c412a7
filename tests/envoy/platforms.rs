//! The manifests of `examples/`, as each platform would turn them into a configuration of Envoy.
//!
//! There is no cluster here. What the platform makes of a manifest is written down from the source of its translator, and
//! the manifests themselves are what is run: the plugin's configuration, its failure policy, the requirements of tokens,
//! the labels and buckets of the statistics are all read from them.

pub(crate) mod envoy_gateway;
mod istio;
pub(crate) mod lock;

use serde_json::Value;
use tollgate_tests::manifest::example;

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat};
use crate::harness::{Answer, Gateway, Token, Wire, eventually, send};

/// The key of which `keys.yaml` holds the hash.
const TEAM_KEY: &str = "sk-tollgate-team-demo";

/// Status and code.
type Verdict = (u16, Option<&'static str>);

const NO_KEY: Verdict = (401, Some("missing_credential"));
const INVALID: Verdict = (401, Some("invalid_credential"));
const NOT_ALLOWED: Verdict = (403, Some("model_not_allowed"));

/// What the Secret of a platform's example puts into the environment of its proxies.
fn team_keys(folder: &str) -> String {
    let secret = example(&format!("{folder}/keys.yaml"), "Secret");
    secret["stringData"]["hashes"].as_str().unwrap().to_owned()
}

/// A token of the issuer in the manifests, for tenant `globex`.
fn token(groups: &[&str]) -> String {
    Token::with_groups(groups).sign_as_demo()
}

/// Merges as protobuf does, and with it both platforms: lists are added to, other values are replaced.
pub(crate) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from.iter().cloned()),
        (into, from) => *into = from.clone(),
    }
}

/// A chat request to this path, byte for byte, on a connection of its own.
fn chat_at(gateway: &Gateway, path: &str, key: &str) -> Answer {
    let request = Wire::new("POST", path)
        .header("authorization", format!("Bearer {key}"))
        .header("x-case", path)
        .body(chat(LLAMA).to_string());
    gateway.connect().exchange(&request)
}

/// What comes of paths that can be read in two ways: status and code, and the path at the server if it gets there.
fn assert_paths(gateway: &Gateway, rows: &[(&str, Verdict, Option<&str>)]) {
    for (path, verdict, at_server) in rows {
        let answer = chat_at(gateway, path, ACME_KEY);
        assert_eq!(answer.verdict(), *verdict, "{path}: {answer:?}");
        let seen = gateway.seen();
        let mut seen = seen.iter().filter(|seen| seen.values("x-case") == [*path]);
        let request = seen.next().map(|seen| seen.request.clone());
        let expected = at_server.map(|path| format!("POST {path}"));
        assert_eq!(request, expected, "{path}");
    }
}

/// Everything that the manifests promise: who is let in to what, what the server sees, what is counted.
fn assert_gate(gateway: &Gateway) {
    let other = Token::with_groups(&["sales"]);
    let rows = [
        ("a key", Some(ACME_KEY.to_owned()), QWEN, (200, None)),
        (
            "a key of the environment",
            Some(TEAM_KEY.to_owned()),
            LLAMA,
            (200, None),
        ),
        (
            "a key for another model",
            Some(GLOBEX_KEY.to_owned()),
            QWEN,
            NOT_ALLOWED,
        ),
        ("no key", None, LLAMA, NO_KEY),
        (
            "an unknown key",
            Some("sk-unknown".to_owned()),
            LLAMA,
            INVALID,
        ),
        (
            "a token where keys are",
            Some(token(&["sales"])),
            LLAMA,
            (200, None),
        ),
        (
            "a token for another model",
            Some(token(&["sales"])),
            QWEN,
            NOT_ALLOWED,
        ),
        (
            "a token that somebody else signed",
            Some(other.sign()),
            LLAMA,
            INVALID,
        ),
        (
            "a token of another issuer",
            Some(other.claim("iss", "https://other.example").sign_as_demo()),
            LLAMA,
            INVALID,
        ),
    ];
    for (name, credential, model, verdict) in rows {
        let mut request = gateway.post("/v1/chat/completions").header("x-case", name);
        if let Some(credential) = credential {
            request = request.bearer_auth(credential);
        }
        let answer = send(request.json(&chat(model)));
        assert_eq!(answer.verdict(), verdict, "{name}: {answer:?}");
    }
    for scheme in ["bearer", "BEARER"] {
        let authorization = format!("{scheme} {}", token(&["sales"]));
        let request = gateway
            .post("/v1/chat/completions")
            .header("authorization", authorization);
        let answer = send(request.json(&chat(LLAMA)));
        assert_eq!(answer.verdict(), (200, None), "{scheme}: {answer:?}");
    }
    let forged = gateway
        .chat(LLAMA)
        .header("x-case", "forged")
        .header("x-llm-d-inference-fairness-id", "globex")
        .header("x-gateway-inference-objective", "urgent")
        .header("x-tollgate-tenant", "globex")
        .header("x-envoy-upstream-rq-timeout-ms", "1");
    assert_eq!(send(forged).verdict(), (200, None));
    let seen = gateway.seen();
    let forged = seen
        .iter()
        .find(|seen| seen.values("x-case") == ["forged"])
        .unwrap();
    for (header, values) in [
        ("authorization", &[][..]),
        ("x-llm-d-inference-fairness-id", &["acme"]),
        ("x-gateway-inference-fairness-id", &["acme"]),
        ("x-gateway-inference-objective", &[]),
        ("x-tollgate-tenant", &["acme"]),
        ("x-envoy-upstream-rq-timeout-ms", &[]),
    ] {
        assert_eq!(forged.values(header), values, "{header}");
    }
    gateway.expect_counted(
        &["tollgate_requests_total", "tollgate_tokens_total", "tollgate_denials_total"],
        r#"
        tollgate_requests_total{tenant="acme",model="llama-3.1-8b",operation="chat",outcome="ok"} 2
        tollgate_requests_total{tenant="acme",model="qwen-3-32b",operation="chat",outcome="ok"} 1
        tollgate_requests_total{tenant="globex",model="llama-3.1-8b",operation="chat",outcome="ok"} 3
        tollgate_requests_total{tenant="globex",model="qwen-3-32b",operation="chat",outcome="denied"} 2
        tollgate_requests_total{tenant="unknown",model="unknown",operation="chat",outcome="denied"} 4
        tollgate_tokens_total{tenant="acme",model="llama-3.1-8b",type="input"} 22
        tollgate_tokens_total{tenant="acme",model="llama-3.1-8b",type="output"} 14
        tollgate_tokens_total{tenant="acme",model="qwen-3-32b",type="input"} 11
        tollgate_tokens_total{tenant="acme",model="qwen-3-32b",type="output"} 7
        tollgate_tokens_total{tenant="globex",model="llama-3.1-8b",type="input"} 33
        tollgate_tokens_total{tenant="globex",model="llama-3.1-8b",type="output"} 21
        tollgate_denials_total{tenant="globex",code="model_not_allowed"} 2
        tollgate_denials_total{tenant="unknown",code="invalid_credential"} 3
        tollgate_denials_total{tenant="unknown",code="missing_credential"} 1
        "#,
    );
}

/// Waits until the histogram of a request's duration has a bucket with this upper bound, in milliseconds.
fn assert_bucket(gateway: &Gateway, bound: &str) {
    eventually("the buckets of the manifest", || {
        let all = gateway.series();
        let found = all.keys().any(|series| {
            series.name == "tollgate_request_duration_milliseconds_bucket"
                && series.labels.get("le").is_some_and(|le| le == bound)
        });
        found
            .then_some(())
            .ok_or_else(|| format!("{:?}", all.keys()))
    });
}

/// Takes a key out of a running gateway, and then tries a faulty configuration. A change comes with the next version.
fn assert_changes(gateway: &Gateway, config: &Value) {
    // A connection from before a new listener keeps the old configuration until it is drained.
    let status = |key: &str| chat_at(gateway, "/v1/chat/completions", key).status;
    let expect = |statuses: [u16; 2]| {
        eventually("the change in every worker", || {
            let found = [ACME_KEY, GLOBEX_KEY].map(status);
            (found == statuses)
                .then_some(())
                .ok_or_else(|| format!("{found:?}"))
        });
    };
    expect([200, 200]);
    let mut without = config.clone();
    without["keys"]
        .as_array_mut()
        .unwrap()
        .retain(|key| key["id"] != "globex-demo");
    assert_eq!(gateway.publish(&without, 1), 0, "refused");
    expect([200, 401]);
    let mut faulty = config.clone();
    faulty["keys"][0]["keyHash"] = "sk-plain".into();
    assert_eq!(gateway.publish(&faulty, 2), 1, "refused");
    expect([200, 401]);
    let log = gateway.log();
    assert!(
        log.contains("config rejected: keys[0].keyHash: expected"),
        "{log}"
    );
}

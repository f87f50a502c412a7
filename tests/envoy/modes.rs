//! `mode`: what an audit lets pass and says, what an open gateway forgets, and what both never relax.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat, config};
use crate::harness::{Gateway, Reply, Seen, Wire, send};

const OWNED: [&str; 7] = [
    "authorization",
    "x-api-key",
    "x-llm-d-inference-fairness-id",
    "x-gateway-inference-fairness-id",
    "x-llm-d-inference-objective",
    "x-gateway-inference-objective",
    "x-tollgate-tenant",
];

fn in_mode(mode: &str) -> Value {
    let mut config = config();
    config["mode"] = json!(mode);
    config
}

/// A chat request full of what must not reach the upstream.
fn forged(key: Option<&str>, model: &str) -> Wire {
    let mut request = Wire::new("POST", "/v1/chat/completions");
    for name in &OWNED[2..] {
        request = request.header(name, "vip");
    }
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    request.body(chat(model).to_string())
}

fn owned(seen: &Seen) -> Vec<(&'static str, String)> {
    OWNED
        .into_iter()
        .flat_map(|name| {
            seen.values(name)
                .into_iter()
                .map(move |value| (name, value))
        })
        .collect()
}

#[test]
fn an_audit_lets_pass_counts_and_logs_what_it_would_deny() {
    let gateway = Gateway::builder().config(in_mode("audit")).start();
    let rows = [
        (None, QWEN, Some("missing_credential")),
        (Some("sk-unknown"), LLAMA, Some("invalid_credential")),
        (Some(GLOBEX_KEY), QWEN, Some("model_not_allowed")),
        (Some(ACME_KEY), QWEN, None),
    ];
    for (index, (key, model, would_deny)) in rows.into_iter().enumerate() {
        let answer = gateway.connect().exchange(&forged(key, model));
        assert_eq!(answer.verdict(), (200, None), "{key:?} {model}: {answer:?}");
        let entry = gateway.access_log(index + 1).remove(index);
        assert_eq!(entry["would_deny"].as_str(), would_deny, "{entry}");
        assert_eq!(entry["denial"], Value::Null, "{entry}");
        assert_eq!(entry["outcome"], "ok", "{entry}");
        assert_eq!(entry["input_tokens"], "11", "{entry}");
    }
    gateway.expect_counted(
        &["tollgate_denials_total", "tollgate_requests_total", "tollgate_mode"],
        r#"
        tollgate_denials_total{tenant="unknown",code="missing_credential"} 1
        tollgate_denials_total{tenant="unknown",code="invalid_credential"} 1
        tollgate_denials_total{tenant="globex",code="model_not_allowed"} 1
        tollgate_requests_total{tenant="unknown",model="qwen-3-32b",operation="chat",outcome="ok"} 1
        tollgate_requests_total{tenant="unknown",model="llama-3.1-8b",operation="chat",outcome="ok"} 1
        tollgate_requests_total{tenant="globex",model="qwen-3-32b",operation="chat",outcome="ok"} 1
        tollgate_requests_total{tenant="acme",model="qwen-3-32b",operation="chat",outcome="ok"} 1
        tollgate_mode{} 1
        "#,
    );
    let headers: Vec<_> = gateway.stop().iter().map(owned).collect();
    assert_eq!(headers[0], [], "nobody");
    assert_eq!(headers[1], [], "an identity that failed");
    assert!(
        headers[2]
            .iter()
            .all(|(_, value)| ["globex", "batch"].contains(&value.as_str()))
            && headers[2].len() == 5,
        "{:?}",
        headers[2]
    );
}

#[test]
fn an_open_gateway_serves_everybody_and_strips_all_the_same() {
    for config in [json!({"mode": "open"}), in_mode("open")] {
        let gateway = Gateway::builder().config(config).start();
        for (key, model) in [(None, QWEN), (Some("sk-unknown"), LLAMA), (None, "made/up")] {
            let answer = gateway.connect().exchange(&forged(key, model));
            assert_eq!(answer.verdict(), (200, None), "{key:?} {model}: {answer:?}");
        }
        gateway.expect_counted(
            &["tollgate_denials_total", "tollgate_mode"],
            "tollgate_mode{} 2",
        );
        for seen in gateway.stop() {
            assert_eq!(owned(&seen), [], "{seen:?}");
        }
    }
}

#[test]
fn no_mode_relaxes_bodies_paths_and_operations() {
    for mode in ["audit", "open"] {
        let gateway = Gateway::builder().config(in_mode(mode)).start();
        let two_models = format!(r#"{{"model":"{LLAMA}","model":"{QWEN}"}}"#);
        for (path, body, verdict) in [
            (
                "/v1/chat/completions",
                two_models.as_str(),
                (400, "ambiguous_model"),
            ),
            ("/v1/chat/completions", "{}", (400, "missing_model")),
            (
                "/v1/chat/completions",
                "{\"model\":",
                (400, "malformed_body"),
            ),
            ("/v1/audio/transcriptions", "{}", (400, "malformed_body")),
            ("/v1//chat/completions", "{}", (400, "malformed_path")),
            ("/sleep", "{}", (403, "operation_not_allowed")),
        ] {
            let request = Wire::new("POST", path).header("x-api-key", ACME_KEY);
            let answer = gateway.connect().exchange(&request.body(body));
            assert_eq!(
                answer.verdict(),
                (verdict.0, Some(verdict.1)),
                "{mode} {path} {body}: {answer:?}"
            );
        }
        let encoded = Wire::new("POST", "/v1/chat/completions")
            .header("content-encoding", "gzip")
            .body(chat(LLAMA).to_string());
        let answer = gateway.connect().exchange(&encoded);
        assert_eq!(
            answer.verdict(),
            (415, Some("unsupported_encoding")),
            "{mode}"
        );
        assert!(gateway.stop().iter().all(|seen| !seen.complete), "{mode}");
    }
}

#[test]
fn the_list_of_models_is_whole_unless_the_rules_are_enforced() {
    let list = json!({"object": "list", "data": [{"id": LLAMA}, {"id": QWEN}]});
    for (mode, expected) in [("enforce", 1), ("audit", 2), ("open", 2)] {
        let gateway = Gateway::builder()
            .config(in_mode(mode))
            .reply(Reply::json(&list))
            .start();
        let answer = send(gateway.get("/v1/models").bearer_auth(GLOBEX_KEY));
        let shown = answer.json()["data"].as_array().unwrap().len();
        assert_eq!(shown, expected, "{mode}");
    }
}

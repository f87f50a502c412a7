//! Two filters that count the same reply.

use serde_json::{Value, json};

use super::manifests::Manifests;
use super::xds::Attachment;
use super::{is_too_old, start_with};
use crate::harness::demo::{ACME_KEY, LLAMA};
use crate::harness::{Answer, Piece, Reply, send};

const USAGE: &str =
    r#"data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;

/// A server that tells the usage of a stream to those who ask for it.
fn stream(body: &[u8]) -> Reply {
    let request: Value = serde_json::from_slice(body).unwrap();
    let mut stream = format!(
        "data: {}\n\n",
        json!({"choices": [{"index": 0, "delta": {"content": "Hi."}}]})
    );
    if request["stream_options"]["include_usage"] == true {
        stream.push_str(&format!("{USAGE}\n\n"));
    }
    stream.push_str("data: [DONE]\n\n");
    Reply::stream(vec![Piece::Bytes(stream.into_bytes())])
}

/// A streamed chat whose client asks for nothing: the reply, what Tollgate has counted, and what AI Gateway has.
fn ask(manifests: &Manifests) -> (Answer, [Value; 3]) {
    let running = start_with(manifests, Attachment::Gateway, |builder| {
        builder.script(|_| Reply::to_body(stream))
    });
    let request = running
        .gateway
        .post("/v1/chat/completions")
        .bearer_auth(ACME_KEY);
    let answer = send(request.json(&json!({"model": LLAMA, "messages": [], "stream": true})));
    assert_eq!(answer.status, 200);
    let entry = &running.gateway.access_log(1)[0];
    let told = ["usage_source", "charge_tokens", "ai_gateway_total"];
    (answer, told.map(|field| entry[field].clone()))
}

#[test]
fn both_count_a_stream_where_one_of_them_asks_and_nobody_hides() {
    if is_too_old() {
        return;
    }
    let shipped = Manifests::shipped();
    let mut inject = Manifests::shipped();
    inject.spec_mut("EnvoyExtensionPolicy")["wasm"][0]["config"]["metering"]["streamUsage"] =
        json!("inject");
    let mut without_costs = inject.clone();
    without_costs.spec_mut("AIGatewayRoute")["llmRequestCosts"] = json!([]);
    for (name, manifests, counted, shown) in [
        // AI Gateway has asked; its client gets the event that it has not asked for.
        ("as shipped", &shipped, json!(["reported", "18", 18]), true),
        // Both have asked. Tollgate hides what the client does not want, before AI Gateway sees it: its budgets stand still.
        ("inject", &inject, json!(["reported", "18", 0]), false),
        // Only Tollgate has, and nobody else wants to know.
        (
            "inject, AI Gateway has no costs",
            &without_costs,
            json!(["reported", "18", null]),
            false,
        ),
    ] {
        let (answer, found) = ask(manifests);
        assert_eq!(json!(found), counted, "{name}");
        let body = String::from_utf8(answer.body).unwrap();
        assert_eq!(body.contains(USAGE), shown, "{name}: {body}");
        assert!(body.ends_with("data: [DONE]\n\n"), "{name}: {body}");
    }
}

//! Who the caller is, and which model is asked for.

use serde_json::json;

use super::manifests::Manifests;
use super::xds::Attachment;
use super::{is_too_old, start, start_with};
use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat};
use crate::harness::{Token, Wire, send};

#[test]
fn keys_and_tokens_are_judged_by_the_model_that_ai_gateway_has_read_in_the_body() {
    if is_too_old() {
        return;
    }
    let running = start();
    let gateway = &running.gateway;
    let research = Token::with_groups(&["research"]);
    let strange = Token::with_groups(&["research"]).claim("iss", "https://strange.example");
    for (name, credential, model, verdict) in [
        ("acme's key", ACME_KEY, QWEN, (200, None)),
        ("globex's key", GLOBEX_KEY, LLAMA, (200, None)),
        (
            "globex's key",
            GLOBEX_KEY,
            QWEN,
            (403, Some("model_not_allowed")),
        ),
        (
            "an unknown key",
            "sk-unknown",
            LLAMA,
            (401, Some("invalid_credential")),
        ),
        ("a token", &research.sign(), QWEN, (200, None)),
        (
            "a token with a bad signature",
            &research.sign_badly(),
            QWEN,
            (401, Some("invalid_credential")),
        ),
        (
            "a token of another issuer",
            &strange.sign(),
            QWEN,
            (401, Some("invalid_credential")),
        ),
    ] {
        let request = gateway.post("/v1/chat/completions").bearer_auth(credential);
        let answer = send(request.json(&chat(model)));
        assert_eq!(answer.verdict(), verdict, "{name}, {model}");
    }
    let seen = gateway.seen();
    let told = seen.iter().map(|request| {
        [
            "x-ai-eg-model",
            "x-tollgate-tenant",
            "x-llm-d-inference-objective",
            "authorization",
        ]
        .map(|name| request.values(name))
    });
    assert_eq!(
        json!(told.collect::<Vec<_>>()),
        json!([
            [[QWEN], ["acme"], [], []],
            [[LLAMA], ["globex"], ["batch"], []],
            [[QWEN], ["globex"], ["batch"], []],
        ])
    );
}

/// The shipped manifests without the early removal, so that what a client says of the model gets as far as it can.
fn without_early_removal() -> Manifests {
    let mut manifests = Manifests::shipped();
    manifests.spec_mut("ClientTrafficPolicy")["headers"] = json!({});
    manifests
}

#[test]
fn what_a_client_says_of_the_model_itself_opens_nothing() {
    if is_too_old() {
        return;
    }
    let json = |body: &serde_json::Value| {
        let wire = Wire::new("POST", "/v1/chat/completions");
        wire.header("content-type", "application/json")
            .body(body.to_string())
    };
    let empty = Wire::new("POST", "/v1/chat/completions").header("content-length", "0");
    let get = Wire::new("GET", "/v1/chat/completions");
    for (removal, manifests) in [
        ("early removal", Manifests::shipped()),
        ("no early removal", without_early_removal()),
    ] {
        let running = start_with(&manifests, Attachment::Gateway, |builder| builder);
        let gateway = &running.gateway;
        for (name, request, verdict) in [
            (
                "a body with another model",
                json(&chat(QWEN)),
                (403, Some("model_not_allowed")),
            ),
            (
                "JSON without a model",
                json(&json!({"messages": []})),
                (400, Some("missing_model")),
            ),
            // AI Gateway refuses it, as what it cannot read.
            (
                "a model that is no text",
                json(&json!({"model": 7})),
                (400, None),
            ),
            (
                "a POST without a body",
                empty.clone(),
                (400, Some("missing_model")),
            ),
            ("a GET", get.clone(), (403, Some("operation_not_allowed"))),
        ] {
            let request = request
                .header("x-ai-eg-model", LLAMA)
                .header("authorization", format!("Bearer {GLOBEX_KEY}"));
            let answer = gateway.connect().exchange(&request);
            assert_eq!(answer.verdict(), verdict, "{removal}, {name}");
        }
        assert_eq!(gateway.seen().len(), 0, "{removal}");
    }
}

#[test]
fn a_client_cannot_choose_how_it_waits() {
    if is_too_old() {
        return;
    }
    let running = start();
    let mut request = running.gateway.chat(LLAMA);
    for name in [
        "x-llm-d-inference-fairness-id",
        "x-gateway-inference-fairness-id",
        "x-llm-d-inference-objective",
        "x-gateway-inference-objective",
        "x-tollgate-tenant",
    ] {
        request = request.header(name, "forged");
    }
    assert_eq!(send(request).status, 200);
    let seen = running.gateway.seen();
    for (name, values) in [
        ("x-llm-d-inference-fairness-id", vec!["acme"]),
        ("x-gateway-inference-fairness-id", vec!["acme"]),
        ("x-llm-d-inference-objective", vec![]),
        ("x-gateway-inference-objective", vec![]),
        ("x-tollgate-tenant", vec!["acme"]),
    ] {
        assert_eq!(seen[0].values(name), values, "{name}");
    }
}

//! The configuration, requests and replies that the tests share.

use serde_json::json;

pub(crate) use tollgate_tests::demo::{
    ACME_KEY, ISSUER, LLAMA as MODEL, config as configuration, key_hash,
};

/// Headers of a chat request as a client sends them, with everything in them that the upstream must not see.
pub(crate) fn chat_headers(key: &str) -> Vec<(&'static str, String)> {
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "llm.example"),
        (":path", "/v1/chat/completions"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate"),
        ("content-type", "application/json"),
        ("user-agent", "OpenAI/Python 2.8.0"),
        ("x-request-id", "5ad0b1e7-2b4e-4a7c-9d5b-3f1c2a7e9b10"),
        ("x-llm-d-inference-fairness-id", "vip"),
        ("x-gateway-inference-objective", "vip"),
        ("x_gateway_model_name_rewrite", "vip"),
        ("x-tollgate-tenant", "vip"),
        ("x-envoy-max-retries", "99"),
        ("x-api-key", key),
    ];
    let mut headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    headers.push(("authorization", format!("Bearer {key}")));
    headers
}

/// A chat request that names this model.
pub(crate) fn chat_body(model: &str, stream: bool) -> String {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "How do tolls work?"}]}).to_string()
}

pub(crate) const JSON_REPLY: [(&str, &str); 3] = [
    (":status", "200"),
    ("content-type", "application/json"),
    ("server", "uvicorn"),
];

pub(crate) const STREAM_REPLY: [(&str, &str); 3] = [
    (":status", "200"),
    ("content-type", "text/event-stream; charset=utf-8"),
    ("server", "uvicorn"),
];

/// A complete chat reply: 7 tokens in, 5 out.
pub(crate) fn chat_reply() -> String {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_780_272_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "You pay."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    })
    .to_string()
}

/// One event of a streamed chat reply.
pub(crate) fn chunk(content: &str) -> String {
    let choices = json!([{"index": 0, "delta": {"content": content}, "finish_reason": null}]);
    let event = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL, "choices": choices});
    format!("data: {event}\n\n")
}

/// The event with the usage, 7 tokens in and 5 out, and the end of the stream.
pub(crate) fn last_events() -> [String; 2] {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12});
    let event = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL, "choices": [], "usage": usage});
    [format!("data: {event}\n\n"), "data: [DONE]\n\n".to_owned()]
}

/// A whole streamed chat reply.
pub(crate) fn stream() -> Vec<String> {
    let mut events: Vec<String> = ["You", " ", "pay", "."]
        .iter()
        .map(|text| chunk(text))
        .collect();
    events.extend(last_events());
    events
}

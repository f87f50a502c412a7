//! `POST /v1/messages` and `POST /v1/messages/count_tokens`, Anthropic's API.
//!
//! A stream always reports usage: the prompt in `message_start`, both numbers in `message_delta`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::options::Options;
use crate::refusal::{AnthropicRefusal, Refusal};
use crate::request::{Length, Request};
use crate::sse::typed_event;
use crate::{sse, text};

pub(crate) async fn create(
    State(options): State<Arc<Options>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AnthropicRefusal> {
    let request = Request::read(&options, &headers, &body)?;
    let prompt_tokens = prompt_tokens(&request)?;
    // Anthropic's API insists on the limit.
    request.required("max_tokens")?;
    let length = request.length(&["max_tokens"])?;
    if request.streams()? {
        return Ok(stream(&request, prompt_tokens, length, &options));
    }

    sse::pause(options.token_delay, length.tokens).await;
    let content = json!([{"type": "text", "text": text::answer(length.tokens)}]);
    let reply = message(
        &request,
        &content,
        Some("max_tokens"),
        &usage(prompt_tokens, length.tokens),
    );
    Ok(Json(reply).into_response())
}

pub(crate) async fn count_tokens(
    State(options): State<Arc<Options>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, AnthropicRefusal> {
    let request = Request::read(&options, &headers, &body)?;
    let tokens = prompt_tokens(&request)?;
    Ok(Json(json!({
        "input_tokens": tokens,
        "context_management": {"original_input_tokens": tokens},
    })))
}

fn stream(request: &Request, prompt_tokens: u64, length: Length, options: &Options) -> Response {
    let start = json!({"input_tokens": prompt_tokens, "output_tokens": 0});
    let opening = [
        json!({"type": "message_start", "message": message(request, &json!([]), None, &start)}),
        json!({
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        }),
    ];
    let closing = [
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta",
            "delta": {"stop_reason": "max_tokens", "stop_sequence": null},
            "usage": usage(prompt_tokens, length.tokens),
        }),
        json!({"type": "message_stop"}),
    ];
    let tokens = (0..length.tokens).map(|position| {
        typed_event(&json!({
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": text::token(position)},
        }))
    });
    sse::reply(
        opening.iter().map(typed_event).collect(),
        tokens,
        closing.iter().map(typed_event).collect(),
        options.token_delay,
    )
}

fn message(request: &Request, content: &Value, stop_reason: Option<&str>, usage: &Value) -> Value {
    json!({
        "id": request.id("chatcmpl-"),
        "type": "message",
        "role": "assistant",
        "content": content,
        "model": request.model,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": usage,
    })
}

fn prompt_tokens(request: &Request) -> Result<u64, Refusal> {
    Ok(text::count(request.messages()?) + text::count(request.member("system")))
}

/// Nothing is ever cached here; where it is, `input_tokens` does not contain the cached ones.
fn usage(input_tokens: u64, output_tokens: u64) -> Value {
    json!({
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    })
}

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

use crate::answer::Answer;
use crate::options::Options;
use crate::refusal::{AnthropicRefusal, Refusal};
use crate::request::Request;
use crate::sse::typed_event;
use crate::tools::Call;
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
    let answer = Answer::new(
        &request,
        request.messages()?,
        prompt_tokens,
        &["max_tokens"],
    )?;
    if request.streams()? {
        return Ok(stream(&request, prompt_tokens, &answer, &options));
    }

    sse::pause(options.token_delay, answer.tokens()).await;
    let reply = message(
        &request,
        &content(&answer),
        Some(stop_reason(&answer)),
        &usage(prompt_tokens, answer.tokens()),
    );
    Ok(Json(reply).into_response())
}

/// Words are cut at the limit that each request has.
fn stop_reason(answer: &Answer) -> &'static str {
    if answer.limited() {
        "max_tokens"
    } else {
        "tool_use"
    }
}

fn content(answer: &Answer) -> Value {
    if answer.calls.is_empty() {
        return json!([{"type": "text", "text": text::answer(answer.words())}]);
    }
    let calls = answer.calls.iter().map(|call| {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        tool_use(call, &input)
    });
    calls.collect()
}

/// The same as a stream has it, token by token: each block is opened with its first token and closed with its last.
fn blocks(answer: &Answer) -> impl Iterator<Item = String> + Send + use<> {
    let words = answer.words();
    let said = (0..words).map(move |position| {
        let mut token = String::new();
        if position == 0 {
            token += &block_start(0, &json!({"type": "text", "text": ""}));
        }
        let delta = json!({"type": "text_delta", "text": text::token(position)});
        token += &block_delta(0, &delta);
        if position + 1 == words {
            token += &block_stop(0);
        }
        token
    });
    let calls: Vec<String> = (0..)
        .zip(&answer.calls)
        .flat_map(|(index, call)| call_block(index, call))
        .collect();
    said.chain(calls)
}

fn call_block(index: u64, call: &Call) -> Vec<String> {
    let mut tokens = vec![block_start(index, &tool_use(call, &json!({})))];
    tokens.extend(call.pieces().map(|piece| {
        let delta = json!({"type": "input_json_delta", "partial_json": piece});
        block_delta(index, &delta)
    }));
    if let Some(last) = tokens.last_mut() {
        *last += &block_stop(index);
    }
    tokens
}

fn tool_use(call: &Call, input: &Value) -> Value {
    json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
}

fn block_start(index: u64, block: &Value) -> String {
    typed_event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn block_delta(index: u64, delta: &Value) -> String {
    typed_event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn block_stop(index: u64) -> String {
    typed_event(&json!({"type": "content_block_stop", "index": index}))
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

fn stream(request: &Request, prompt_tokens: u64, answer: &Answer, options: &Options) -> Response {
    let start = json!({"input_tokens": prompt_tokens, "output_tokens": 0});
    let opening =
        json!({"type": "message_start", "message": message(request, &json!([]), None, &start)});
    let closing = [
        json!({
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
            "usage": usage(prompt_tokens, answer.tokens()),
        }),
        json!({"type": "message_stop"}),
    ];
    sse::reply(
        typed_event(&opening),
        blocks(answer),
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

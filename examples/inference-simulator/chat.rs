//! `POST /v1/chat/completions`.
//!
//! A stream says nothing of usage unless asked with `stream_options`: `include_usage` adds one event without choices
//! before the end, `continuous_usage_stats` adds the count so far, of its own choice, to every event.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::tools::Call;
use crate::usage::{UsageEvents, usage, with_usage};
use crate::{sse, text};

pub(crate) async fn create(
    State(options): State<Arc<Options>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let request = Request::read(&options, &headers, &body)?;
    let prompt_tokens = text::count(request.messages()?);
    let chat = Chat {
        prompt_tokens,
        answer: Answer::new(
            &request,
            request.messages()?,
            prompt_tokens,
            &["max_completion_tokens", "max_tokens"],
        )?,
        choices: request.choices()?,
        usage_events: UsageEvents::read(&request)?,
        request,
    };
    if chat.request.streams()? {
        return Ok(chat.stream(&options));
    }

    sse::pause(options.token_delay, chat.answer.tokens()).await;
    let choice = |index: u64| {
        json!({
            "index": index,
            "message": message(&chat.answer),
            "logprobs": null,
            "finish_reason": finish_reason(&chat.answer),
            "stop_reason": null,
        })
    };
    let reply = json!({
        "id": chat.request.id("chatcmpl-"),
        "object": "chat.completion",
        "created": chat.request.created,
        "model": chat.request.model,
        "choices": (0..chat.choices).map(choice).collect::<Vec<_>>(),
        "usage": chat.total(),
    });
    Ok(Json(reply).into_response())
}

/// OpenAI's word for why an answer ends.
fn finish_reason(answer: &Answer) -> &'static str {
    if answer.limited() {
        "length"
    } else if answer.calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    }
}

fn message(answer: &Answer) -> Value {
    if answer.calls.is_empty() {
        return json!({"role": "assistant", "content": text::answer(answer.words())});
    }
    let calls = answer.calls.iter().map(|call| {
        json!({
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        })
    });
    json!({"role": "assistant", "content": null, "tool_calls": calls.collect::<Vec<_>>()})
}

/// The same as a stream has it: one delta is one token.
fn deltas(answer: &Answer) -> impl Iterator<Item = Value> + Send + use<> {
    let calls: Vec<Value> = (0_u64..)
        .zip(&answer.calls)
        .flat_map(|(index, call)| call_deltas(index, call))
        .collect();
    (0..answer.words())
        .map(|position| json!({"content": text::token(position)}))
        .chain(calls)
}

fn call_deltas(index: u64, call: &Call) -> impl Iterator<Item = Value> {
    let opening = json!({
        "index": index,
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": ""},
    });
    let pieces = call
        .pieces()
        .map(move |piece| json!({"index": index, "function": {"arguments": piece}}));
    std::iter::once(opening)
        .chain(pieces)
        .map(|call| json!({"tool_calls": [call]}))
}

struct Chat {
    request: Request,
    prompt_tokens: u64,
    answer: Answer,
    choices: u64,
    usage_events: UsageEvents,
}

impl Chat {
    fn stream(self, options: &Options) -> Response {
        let opening = (0..self.choices)
            .map(|index| {
                let delta = json!({"role": "assistant", "content": ""});
                sse::event(&self.chunk(index, &delta, 0, None))
            })
            .collect();
        let mut closing = String::new();
        if self.usage_events.at_end {
            closing += &sse::event(&with_usage(self.event(&json!([])), self.total()));
        }
        closing += sse::DONE;

        let tokens = (1..)
            .zip(deltas(&self.answer))
            .map(move |(generated, delta)| {
                let finish_reason =
                    (generated == self.answer.tokens()).then(|| finish_reason(&self.answer));
                (0..self.choices)
                    .map(|index| sse::event(&self.chunk(index, &delta, generated, finish_reason)))
                    .collect()
            });
        sse::reply(opening, tokens, closing, options.token_delay)
    }

    fn total(&self) -> Value {
        usage(self.prompt_tokens, self.answer.tokens() * self.choices)
    }

    /// One event of one choice, which has `generated` tokens so far.
    fn chunk(
        &self,
        index: u64,
        delta: &Value,
        generated: u64,
        finish_reason: Option<&str>,
    ) -> Value {
        let event = self.event(&json!([{
            "index": index,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish_reason,
        }]));
        if self.usage_events.continuous {
            with_usage(event, usage(self.prompt_tokens, generated))
        } else {
            event
        }
    }

    fn event(&self, choices: &Value) -> Value {
        json!({
            "id": self.request.id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": self.request.created,
            "model": self.request.model,
            "choices": choices,
        })
    }
}

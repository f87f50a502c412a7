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

use crate::options::Options;
use crate::refusal::Refusal;
use crate::request::{Length, Request};
use crate::usage::{UsageEvents, usage, with_usage};
use crate::{sse, text};

pub(crate) async fn create(
    State(options): State<Arc<Options>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let request = Request::read(&options, &headers, &body)?;
    let prompt_tokens = text::count(request.messages()?);
    let length = request.length(&["max_completion_tokens", "max_tokens"])?;
    let choices = request.choices()?;
    let usage_events = UsageEvents::read(&request)?;

    if request.streams()? {
        let chat = Chat {
            request,
            prompt_tokens,
            length,
            choices,
            usage_events,
        };
        return Ok(chat.stream(&options));
    }

    sse::pause(options.token_delay, length.tokens).await;
    let choice = |index: u64| {
        json!({
            "index": index,
            "message": {"role": "assistant", "content": text::answer(length.tokens)},
            "logprobs": null,
            "finish_reason": length.finish_reason(),
            "stop_reason": null,
        })
    };
    let reply = json!({
        "id": request.id("chatcmpl-"),
        "object": "chat.completion",
        "created": request.created,
        "model": request.model,
        "choices": (0..choices).map(choice).collect::<Vec<_>>(),
        "usage": usage(prompt_tokens, length.tokens * choices),
    });
    Ok(Json(reply).into_response())
}

struct Chat {
    request: Request,
    prompt_tokens: u64,
    length: Length,
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
            let total = usage(self.prompt_tokens, self.length.tokens * self.choices);
            closing += &sse::event(&with_usage(self.event(&json!([])), total));
        }
        closing += sse::DONE;

        let tokens = (0..self.length.tokens).map(move |position| {
            let delta = json!({"content": text::token(position)});
            let generated = position + 1;
            let finish_reason =
                (generated == self.length.tokens).then(|| self.length.finish_reason());
            (0..self.choices)
                .map(|index| sse::event(&self.chunk(index, &delta, generated, finish_reason)))
                .collect()
        });
        sse::reply(opening, tokens, closing, options.token_delay)
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

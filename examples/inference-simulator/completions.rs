//! `POST /v1/completions`: as `chat.rs`, but there may be several prompts, and each has its own choices.

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
    let prompts = text::count_each(request.required("prompt")?);
    let longest = prompts.iter().copied().max().unwrap_or(0);
    let completion = Completion {
        prompts,
        length: request.length(&["max_tokens"], longest)?,
        choices_per_prompt: request.choices()?,
        usage_events: UsageEvents::read(&request)?,
        request,
    };
    if completion.request.streams()? {
        return Ok(completion.stream(&options));
    }

    let length = completion.length;
    sse::pause(options.token_delay, length.tokens).await;
    let choices = completion
        .choices()
        .map(|(index, _)| {
            let text = text::answer(length.tokens);
            choice(index, &text, Some(length.finish_reason()))
        })
        .collect();
    let reply = with_usage(completion.event(choices), completion.total());
    Ok(Json(reply).into_response())
}

struct Completion {
    request: Request,
    /// The tokens of each prompt.
    prompts: Vec<u64>,
    choices_per_prompt: u64,
    length: Length,
    usage_events: UsageEvents,
}

impl Completion {
    fn stream(self, options: &Options) -> Response {
        let mut closing = String::new();
        if self.usage_events.at_end {
            closing += &sse::event(&with_usage(self.event(Vec::new()), self.total()));
        }
        closing += sse::DONE;

        let tokens = (0..self.length.tokens).map(move |position| {
            let generated = position + 1;
            let finish_reason =
                (generated == self.length.tokens).then(|| self.length.finish_reason());
            self.choices()
                .map(|(index, prompt_tokens)| {
                    let choice = choice(index, &text::token(position), finish_reason);
                    let event = self.event(vec![choice]);
                    sse::event(&if self.usage_events.continuous {
                        with_usage(event, usage(prompt_tokens, generated))
                    } else {
                        event
                    })
                })
                .collect()
        });
        sse::reply(String::new(), tokens, closing, options.token_delay)
    }

    /// Each choice as its index and the tokens of its prompt.
    fn choices(&self) -> impl Iterator<Item = (u64, u64)> {
        let prompts = self.prompts.iter();
        (0..).zip(prompts.flat_map(|tokens| (0..self.choices_per_prompt).map(|_| *tokens)))
    }

    /// Usage of the whole request: a prompt counts once, however many choices it has.
    fn total(&self) -> Value {
        let answers = self.choices_per_prompt * self.prompts.len() as u64;
        usage(self.prompts.iter().sum(), self.length.tokens * answers)
    }

    fn event(&self, choices: Vec<Value>) -> Value {
        json!({
            "id": self.request.id("cmpl-"),
            "object": "text_completion",
            "created": self.request.created,
            "model": self.request.model,
            "choices": choices,
        })
    }
}

fn choice(index: u64, text: &str, finish_reason: Option<&str>) -> Value {
    json!({
        "index": index,
        "text": text,
        "logprobs": null,
        "finish_reason": finish_reason,
        "stop_reason": null,
    })
}

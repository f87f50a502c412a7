//! `POST /v1/responses`.
//!
//! A stream reports usage in its last event, `response.completed`, also where the response is called `incomplete`
//! because it was cut at the limit: that is what vLLM does. There is no `[DONE]`.

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
use crate::{sse, text};

pub(crate) async fn create(
    State(options): State<Arc<Options>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let request = Request::read(&options, &headers, &body)?;
    let input = request.required("input")?;
    let prompt_tokens = text::count(input) + text::count(request.member("instructions"));
    let reply = Reply {
        answer: Answer::new(&request, input, prompt_tokens, &["max_output_tokens"])?,
        prompt_tokens,
        item_id: request.id("msg_"),
        request,
    };
    if reply.request.streams()? {
        return Ok(reply.stream(&options));
    }
    sse::pause(options.token_delay, reply.answer.tokens()).await;
    Ok(Json(reply.finished()).into_response())
}

struct Reply {
    request: Request,
    answer: Answer,
    prompt_tokens: u64,
    item_id: String,
}

impl Reply {
    fn stream(self, options: &Options) -> Response {
        if !self.answer.calls.is_empty() {
            return self.stream_calls(options);
        }
        let text = text::answer(self.answer.words());
        let item_id = self.item_id.clone();
        let opening = [
            json!({"type": "response.created", "response": self.started()}),
            json!({"type": "response.in_progress", "response": self.started()}),
            json!({
                "type": "response.output_item.added",
                "output_index": 0,
                "item": self.item("in_progress", &json!([])),
            }),
            json!({
                "type": "response.content_part.added",
                "item_id": item_id,
                "output_index": 0,
                "content_index": 0,
                "part": part(""),
            }),
        ];
        let closing = [
            json!({
                "type": "response.output_text.done",
                "item_id": item_id,
                "output_index": 0,
                "content_index": 0,
                "text": text,
                "logprobs": [],
            }),
            json!({
                "type": "response.content_part.done",
                "item_id": item_id,
                "output_index": 0,
                "content_index": 0,
                "part": part(&text),
            }),
            json!({
                "type": "response.output_item.done",
                "output_index": 0,
                "item": self.item("completed", &json!([part(&text)])),
            }),
            json!({"type": "response.completed", "response": self.finished()}),
        ];

        let first_token = opening.len() as u64;
        let after_tokens = first_token + self.answer.words();
        let tokens = (0..self.answer.words()).map(move |position| {
            let delta = json!({
                "type": "response.output_text.delta",
                "item_id": item_id,
                "output_index": 0,
                "content_index": 0,
                "delta": text::token(position),
                "logprobs": [],
            });
            numbered(delta, first_token + position)
        });
        sse::reply(
            opening
                .into_iter()
                .zip(0..)
                .map(|(event, number)| numbered(event, number))
                .collect(),
            tokens,
            closing
                .into_iter()
                .zip(after_tokens..)
                .map(|(event, number)| numbered(event, number))
                .collect(),
            options.token_delay,
        )
    }

    /// One event after the other: a call, each piece of its arguments, and the whole of it.
    fn stream_calls(&self, options: &Options) -> Response {
        let opening = [
            json!({"type": "response.created", "response": self.started()}),
            json!({"type": "response.in_progress", "response": self.started()}),
        ];
        let mut steps = Vec::new();
        for (index, call) in (0..).zip(&self.answer.calls) {
            let item_id = item_id(call);
            steps.push(json!({
                "type": "response.output_item.added",
                "output_index": index,
                "item": function_call(call, "in_progress", ""),
            }));
            steps.extend(call.pieces().map(|piece| {
                json!({
                    "type": "response.function_call_arguments.delta",
                    "item_id": item_id,
                    "output_index": index,
                    "delta": piece,
                })
            }));
            steps.push(json!({
                "type": "response.function_call_arguments.done",
                "item_id": item_id,
                "output_index": index,
                "name": call.name,
                "arguments": call.arguments,
            }));
            steps.push(json!({
                "type": "response.output_item.done",
                "output_index": index,
                "item": function_call(call, "completed", &call.arguments),
            }));
        }
        let completed = json!({"type": "response.completed", "response": self.finished()});
        let mut numbers = 0..;
        let mut next = |event| numbered(event, numbers.next().unwrap_or_default());
        let opening: String = opening.into_iter().map(&mut next).collect();
        let steps: Vec<String> = steps.into_iter().map(&mut next).collect();
        let completed = next(completed);
        sse::reply(opening, steps.into_iter(), completed, options.token_delay)
    }

    /// The response before anything was generated.
    fn started(&self) -> Value {
        self.response("in_progress", &json!([]), &Value::Null)
    }

    /// The whole response.
    fn finished(&self) -> Value {
        let usage = json!({
            "input_tokens": self.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self.answer.tokens(),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.prompt_tokens + self.answer.tokens(),
        });
        if !self.answer.calls.is_empty() {
            let calls = self.answer.calls.iter();
            let items = calls.map(|call| function_call(call, "completed", &call.arguments));
            return self.response("completed", &items.collect(), &usage);
        }
        let content = json!([part(&text::answer(self.answer.words()))]);
        let status = if self.answer.limited() {
            "incomplete"
        } else {
            "completed"
        };
        self.response(status, &json!([self.item("completed", &content)]), &usage)
    }

    fn response(&self, status: &str, output: &Value, usage: &Value) -> Value {
        let incomplete_details = match status {
            "incomplete" => json!({"reason": "max_output_tokens"}),
            _ => Value::Null,
        };
        json!({
            "id": self.request.id("resp_"),
            "object": "response",
            "created_at": self.request.created,
            "model": self.request.model,
            "status": status,
            "incomplete_details": incomplete_details,
            "output": output,
            "parallel_tool_calls": true,
            "tool_choice": "auto",
            "tools": self.request.member("tools").as_array().cloned().unwrap_or_default(),
            "usage": usage,
        })
    }

    fn item(&self, status: &str, content: &Value) -> Value {
        json!({
            "id": self.item_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        })
    }
}

fn function_call(call: &Call, status: &str, arguments: &str) -> Value {
    json!({
        "id": item_id(call),
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
        "status": status,
    })
}

fn item_id(call: &Call) -> String {
    format!("fc_{}", call.id)
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

/// The event with its place in the stream.
fn numbered(mut event: Value, sequence_number: u64) -> String {
    if let Some(members) = event.as_object_mut() {
        members.insert("sequence_number".to_owned(), sequence_number.into());
    }
    sse::typed_event(&event)
}

//! What the APIs read from a request in the same way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::options::Options;
use crate::refusal::Refusal;
use crate::text;

/// Prompt and answer together, as a real server has a longest context.
pub(crate) const CONTEXT_TOKENS: u64 = 131_072;

/// The most answers to one prompt.
const MAX_CHOICES: u64 = 16;

/// A request whose body is a JSON object that names a model served here.
pub(crate) struct Request {
    pub(crate) model: String,
    /// Unix time in seconds.
    pub(crate) created: u64,
    id: String,
    body: Value,
}

/// How much to generate.
#[derive(Clone, Copy)]
pub(crate) struct Length {
    pub(crate) tokens: u64,
    /// Whether the answer was cut at the number of tokens that the client allowed.
    pub(crate) limited: bool,
}

impl Length {
    /// OpenAI's word for why the answer ends.
    pub(crate) fn finish_reason(self) -> &'static str {
        if self.limited { "length" } else { "stop" }
    }
}

impl Request {
    /// Reads the body, whatever its content type.
    pub(crate) fn read(
        options: &Options,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Self, Refusal> {
        if let Some(status) = failure(headers) {
            return Err(Refusal::asked_for(status));
        }
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::bad_request(format!("JSON decode error: {error}"), None))?;
        if !body.is_object() {
            return Err(Refusal::bad_request(
                "Input should be a valid dictionary",
                None,
            ));
        }
        let Some(model) = body.get("model").and_then(Value::as_str) else {
            return Err(missing("model"));
        };
        if !options.models.iter().any(|known| known == model) {
            return Err(Refusal::unknown_model(model, &options.models));
        }
        Ok(Self {
            model: model.to_owned(),
            created: unix_time(),
            id: id(headers),
            body,
        })
    }

    /// The id of the reply: a prefix and, as with vLLM, the `x-request-id` of the request.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.id)
    }

    /// A member that may be left out.
    pub(crate) fn member(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }

    /// A member that the API insists on.
    pub(crate) fn required(&self, name: &'static str) -> Result<&Value, Refusal> {
        match self.member(name) {
            Value::Null => Err(missing(name)),
            value => Ok(value),
        }
    }

    /// `messages`, which must hold at least one.
    pub(crate) fn messages(&self) -> Result<&Value, Refusal> {
        match self.required("messages")? {
            Value::Array(messages) if messages.is_empty() => Err(Refusal::bad_request(
                "Cannot apply chat template to an empty conversation. Provide at least one message.",
                None,
            )),
            messages @ Value::Array(_) => Ok(messages),
            _ => Err(Refusal::bad_request(
                "messages: Input should be a valid list",
                Some("messages"),
            )),
        }
    }

    /// Whether the answer is to come as a stream.
    pub(crate) fn streams(&self) -> Result<bool, Refusal> {
        match self.member("stream") {
            Value::Null => Ok(false),
            Value::Bool(stream) => Ok(*stream),
            _ => Err(Refusal::bad_request(
                "stream: Input should be a valid boolean",
                Some("stream"),
            )),
        }
    }

    /// How much to generate: as much as the first of these members that is given, else what the server likes.
    pub(crate) fn length(
        &self,
        members: &[&'static str],
        prompt_tokens: u64,
    ) -> Result<Length, Refusal> {
        for name in members {
            if let Some(tokens) = self.number(name, CONTEXT_TOKENS)? {
                if prompt_tokens.saturating_add(tokens) > CONTEXT_TOKENS {
                    return Err(Refusal::too_long(prompt_tokens, tokens, CONTEXT_TOKENS));
                }
                return Ok(Length {
                    tokens,
                    limited: true,
                });
            }
        }
        Ok(Length {
            tokens: text::DEFAULT_TOKENS,
            limited: false,
        })
    }

    /// How many answers to give (`n`).
    pub(crate) fn choices(&self) -> Result<u64, Refusal> {
        Ok(self.number("n", MAX_CHOICES)?.unwrap_or(1))
    }

    /// A whole number from 1 to `most`.
    pub(crate) fn number(&self, name: &'static str, most: u64) -> Result<Option<u64>, Refusal> {
        match self.member(name) {
            Value::Null => Ok(None),
            value => match value.as_u64() {
                Some(number) if (1..=most).contains(&number) => Ok(Some(number)),
                _ => Err(Refusal::bad_request(
                    format!("{name} must be a whole number from 1 to {most}, got {value}."),
                    Some(name),
                )),
            },
        }
    }
}

pub(crate) fn unix_time() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn missing(name: &'static str) -> Refusal {
    Refusal::bad_request(format!("{name}: Field required"), Some(name))
}

/// The error that a request asks for.
fn failure(headers: &HeaderMap) -> Option<StatusCode> {
    let status = headers.get("x-simulator-status")?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(status)
}

fn id(headers: &HeaderMap) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);

    headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .map_or_else(
            || format!("{:016x}", NEXT.fetch_add(1, Ordering::Relaxed)),
            str::to_owned,
        )
}

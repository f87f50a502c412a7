//! Errors, in the two shapes that vLLM gives them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

/// Why a request is not served. As a response it has the OpenAI shape.
pub(crate) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<&'static str>,
}

impl Refusal {
    /// 400: the request is not what the API expects; `param` is the member at fault.
    pub(crate) fn bad_request(message: impl Into<String>, param: Option<&'static str>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "BadRequestError",
            message: message.into(),
            param,
        }
    }

    /// 400: the prompt and what is to be generated do not fit into the context of `most` tokens.
    pub(crate) fn too_long(prompt_tokens: u64, tokens: u64, most: u64) -> Self {
        Self::bad_request(
            format!(
                "This model's maximum context length is {most} tokens. However, you requested {tokens} output tokens \
                 and your prompt contains at least {prompt_tokens} input tokens. Please reduce the length of the \
                 input prompt or the number of requested output tokens."
            ),
            Some("input_tokens"),
        )
    }

    /// The error that the client wants to see.
    pub(crate) fn asked_for(status: StatusCode) -> Self {
        Self {
            status,
            kind: match status {
                StatusCode::TOO_MANY_REQUESTS => "RateLimitError",
                _ if status.is_server_error() => "InternalServerError",
                _ => "BadRequestError",
            },
            message: "The error that was asked for.".to_owned(),
            param: None,
        }
    }

    /// 404: no such model here.
    pub(crate) fn unknown_model(model: &str, known: &[String]) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "NotFoundError",
            message: format!(
                "The model `{model}` does not exist. Valid aliases: {}.",
                known.join(", ")
            ),
            param: Some("model"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.status.as_u16(),
        });
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

/// The same refusal in the Anthropic shape. `?` turns one into the other.
pub(crate) struct AnthropicRefusal(Refusal);

impl From<Refusal> for AnthropicRefusal {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for AnthropicRefusal {
    fn into_response(self) -> Response {
        let Self(refusal) = self;
        let error = json!({ "type": refusal.kind, "message": refusal.message });
        (
            refusal.status,
            Json(json!({ "type": "error", "error": error })),
        )
            .into_response()
    }
}

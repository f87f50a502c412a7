//! Server-sent events, one token at a time.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::time::sleep;

/// How OpenAI's streams end.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// An event without a name.
pub(crate) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event whose name is the `type` of its data.
pub(crate) fn typed_event(data: &Value) -> String {
    let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

/// A streamed reply: the opening at once, then each token after its delay, then the closing.
pub(crate) fn reply(
    opening: String,
    tokens: impl Iterator<Item = String> + Send + 'static,
    closing: String,
    token_delay: Duration,
) -> Response {
    let paced = stream::iter(tokens).then(move |token| async move {
        pause(token_delay, 1).await;
        token
    });
    let events = stream::iter([opening])
        .chain(paced)
        .chain(stream::iter([closing]))
        .map(Ok::<_, Infallible>);
    (
        [(CONTENT_TYPE, "text/event-stream; charset=utf-8")],
        Body::from_stream(events),
    )
        .into_response()
}

/// Takes as long as generating so many tokens does.
pub(crate) async fn pause(token_delay: Duration, tokens: u64) {
    // Even an empty sleep waits for the next tick of the timer, about a millisecond.
    if !token_delay.is_zero() {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        sleep(token_delay.saturating_mul(tokens)).await;
    }
}

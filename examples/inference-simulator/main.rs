//! An inference server without a model: OpenAI- and Anthropic-shaped, streamed and not, with usage as vLLM reports it.
//!
//! It answers at once, on any machine, and always the same, so that a gateway in front of it can be tried and tested:
//!
//! ```text
//! cargo run -p tollgate-examples --bin inference-simulator -- --listen 127.0.0.1:8000
//! curl http://127.0.0.1:8000/v1/chat/completions \
//!   -d '{"model": "llama-3.1-8b", "messages": [{"role": "user", "content": "Hello"}], "stream": true}'
//! ```
//!
//! How it counts (see `text.rs`): one word is one token, in the prompt and in the answer. Who offers tools gets a call of
//! each (see `tools.rs`), and who sends `x-simulator-status: 429`, or another status of an error, gets that error.
//!
//! | file | what it holds |
//! |---|---|
//! | `chat.rs`, `completions.rs`, `responses.rs`, `messages.rs`, `embeddings.rs`, `models.rs` | one API each |
//! | `request.rs` | what the APIs read from a request in the same way |
//! | `refusal.rs` | errors, in the two shapes that vLLM gives them |
//! | `sse.rs` | server-sent events, one token at a time |
//! | `usage.rs` | usage as OpenAI's older APIs report it, and when a stream does |
//! | `text.rs` | words, and how they are counted |
//! | `answer.rs`, `tools.rs` | what is generated: words, or calls of tools |
//! | `options.rs` | the command line |
#![expect(
    clippy::arithmetic_side_effects,
    reason = "every count is bounded by the limits in request.rs"
)]

mod answer;
mod chat;
mod completions;
mod embeddings;
mod messages;
mod models;
mod options;
mod refusal;
mod request;
mod responses;
mod sse;
mod text;
mod tools;
mod usage;

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;

use crate::options::Options;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "{message}");
            return ExitCode::from(2);
        }
    };
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "inference-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Listens, says where on the first line of stdout, and answers until a signal comes.
async fn serve(options: Options) -> std::io::Result<()> {
    let listener = TcpListener::bind(&options.listen).await?;
    writeln!(stdout(), "listening on {}", listener.local_addr()?)?;
    let server = axum::serve(listener, routes(options)).into_future();

    // Open streams are cut and not waited for: who stops a simulator wants it gone.
    tokio::select! {
        result = server => result,
        result = stopped() => result,
    }
}

fn routes(options: Options) -> Router {
    let log = options.log;
    let routes = Router::new()
        .route("/health", get(StatusCode::OK))
        .route("/v1/models", get(models::list))
        // A wildcard, because model names may contain slashes.
        .route("/v1/models/{*model}", get(models::show))
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/completions", post(completions::create))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/responses", post(responses::create))
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(messages::count_tokens))
        .fallback(|| plain_error(StatusCode::NOT_FOUND, "Not Found"))
        .method_not_allowed_fallback(|| {
            plain_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::new(options));
    if log {
        routes.layer(from_fn(log_request))
    } else {
        routes
    }
}

/// The error of the web framework under vLLM, for requests that reach none of its APIs.
async fn plain_error(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}

/// Prints what arrived, so that one can see what a gateway stripped and set.
async fn log_request(request: Request, next: Next) -> Response {
    let mut lines = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        lines += &format!("  {name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    // Nobody reading the log any more is no reason to fail the request.
    let _ = stdout().write_all(lines.as_bytes());
    next.run(request).await
}

/// Resolves at Ctrl-C or, where there is such a thing, SIGTERM.
async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

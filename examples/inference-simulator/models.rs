//! `GET /v1/models` and `GET /v1/models/{model}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::options::Options;
use crate::refusal::Refusal;
use crate::request::{CONTEXT_TOKENS, unix_time};

pub(crate) async fn list(State(options): State<Arc<Options>>) -> Json<Value> {
    let models: Vec<Value> = options.models.iter().map(|name| card(name)).collect();
    Json(json!({ "object": "list", "data": models }))
}

pub(crate) async fn show(
    State(options): State<Arc<Options>>,
    Path(model): Path<String>,
) -> Result<Json<Value>, Refusal> {
    if options.models.contains(&model) {
        Ok(Json(card(&model)))
    } else {
        Err(Refusal::unknown_model(&model, &options.models))
    }
}

fn card(name: &str) -> Value {
    json!({
        "id": name,
        "object": "model",
        "created": unix_time(),
        "owned_by": "vllm",
        "root": name,
        "parent": null,
        "max_model_len": CONTEXT_TOKENS,
        "permission": [],
    })
}

//! `POST /v1/embeddings`. Vectors are lists of numbers whatever `encoding_format` asks for; clients accept that.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::options::Options;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::text;
use crate::usage::usage;

const DEFAULT_DIMENSIONS: u64 = 8;

const MAX_DIMENSIONS: u64 = 65_536;

pub(crate) async fn create(
    State(options): State<Arc<Options>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let request = Request::read(&options, &headers, &body)?;
    let prompts = text::count_each(request.required("input")?);
    let dimensions = request
        .number("dimensions", MAX_DIMENSIONS)?
        .unwrap_or(DEFAULT_DIMENSIONS);

    let data: Vec<Value> = (0_u64..)
        .zip(&prompts)
        .map(|(index, tokens)| {
            json!({
                "index": index,
                "object": "embedding",
                "embedding": vector(*tokens, dimensions),
            })
        })
        .collect();
    Ok(Json(json!({
        "id": request.id("embd-"),
        "object": "list",
        "created": request.created,
        "model": request.model,
        "data": data,
        "usage": usage(prompts.iter().sum(), 0),
    })))
}

/// A vector that means nothing: prompts of the same length have the same one.
fn vector(tokens: u64, dimensions: u64) -> Vec<f64> {
    let bounded = u32::try_from(tokens).unwrap_or(u32::MAX);
    (0..dimensions)
        .zip(1..)
        .map(|(_, place)| (f64::from(bounded) + f64::from(place)).sin())
        .collect()
}

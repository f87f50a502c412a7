//! What the tests of the built filter share.

pub mod demo;
pub mod manifest;

use std::path::PathBuf;

use serde_json::{Value, json};

/// The filter: `$TOLLGATE_WASM`, else where `make build` leaves it.
///
/// # Panics
/// When it is not there: it has to be built first.
#[allow(clippy::panic, reason = "a test cannot go on without the filter")]
#[must_use]
pub fn filter() -> PathBuf {
    let default = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../target/wasm32-wasip1/release/tollgate.wasm"
    );
    let path =
        std::env::var_os("TOLLGATE_WASM").map_or_else(|| PathBuf::from(default), PathBuf::from);
    path.canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}; run `make build` first", path.display()))
}

/// Labels come first in the filter's metric names, each as `label=.=value;.;`: the tags of `envoy/local.yaml`.
#[must_use]
pub fn stats_tags() -> Vec<Value> {
    [
        "tenant",
        "model",
        "operation",
        "outcome",
        "type",
        "reason",
        "code",
        "label",
    ]
    .iter()
    .map(|label| json!({"tag_name": label, "regex": format!(r"({label}=\.=(.*?);\.;)")}))
    .collect()
}

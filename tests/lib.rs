//! What the tests of the built filter share.

pub mod demo;
pub mod manifest;

use std::path::PathBuf;

use serde_json::{Value, json};

/// The filter: `$TOLLGATE_WASM`, else where `make build` leaves it.
///
/// # Panics
/// When it is not there: it has to be built first.
#[must_use]
pub fn filter() -> PathBuf {
    built(
        "TOLLGATE_WASM",
        "wasm32-wasip1/release/tollgate.wasm",
        "make build",
    )
}

/// The operator's command: `$TOLLGATE_COMMAND`, else where `make test-host` leaves it.
///
/// # Panics
/// When it is not there: it has to be built first.
#[must_use]
pub fn command() -> PathBuf {
    built(
        "TOLLGATE_COMMAND",
        "debug/tollgate",
        "cargo build --features command",
    )
}

#[allow(
    clippy::panic,
    reason = "a test cannot go on without what it is to test"
)]
fn built(variable: &str, default: &str, make: &str) -> PathBuf {
    let target = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target"));
    let path = std::env::var_os(variable).map_or_else(|| target.join(default), PathBuf::from);
    path.canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}; run `{make}` first", path.display()))
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
        "limit",
        "key",
    ]
    .iter()
    .map(|label| json!({"tag_name": label, "regex": format!(r"({label}=\.=(.*?);\.;)")}))
    .collect()
}

//! Kubernetes manifests as values.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The documents of a YAML text, empty ones left out.
///
/// # Errors
/// What is wrong with it, and where; a field that is there twice is wrong too.
pub fn documents(yaml: &str) -> Result<Vec<Value>, String> {
    let documents =
        serde_saphyr::from_multiple::<Value>(yaml).map_err(|error| error.to_string())?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// The manifest of this kind in a file of the `examples/` folder.
///
/// # Panics
/// If there is none, or more than one.
#[allow(clippy::panic, reason = "a test cannot go on without the manifest")]
#[must_use]
pub fn example(file: &str, kind: &str) -> Value {
    let path = repository().join("examples").join(file);
    let yaml = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let documents = documents(&yaml).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut matching = documents
        .into_iter()
        .filter(|document| document["kind"] == kind);
    match (matching.next(), matching.next()) {
        (Some(manifest), None) => manifest,
        _ => panic!("{file}: expected one {kind}"),
    }
}

//! Kubernetes manifests as values.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below a folder, but not what is built or installed.
///
/// # Panics
/// If a folder cannot be read.
#[allow(clippy::panic, reason = "a test cannot go on without the files")]
#[must_use]
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.into_iter().map(|entry| entry.path());
    paths
        .flat_map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let left_out =
                ["target", "node_modules"].contains(&name.as_ref()) || name.starts_with('.');
            match (path.is_dir(), left_out) {
                (true, true) => Vec::new(),
                (true, false) => files_below(&path),
                (false, _) => vec![path],
            }
        })
        .collect()
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

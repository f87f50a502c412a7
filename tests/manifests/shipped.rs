//! The manifests in files and in the code blocks of the documentation.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tollgate_tests::manifest::{documents, files_below, repository};

use crate::{faults, plugins};

/// Folders in which every YAML document is a manifest.
const PLATFORMS: [&str; 3] = [
    "examples/istio/",
    "examples/envoy-gateway/",
    "examples/envoy-ai-gateway/",
];

/// A manifest, and where it is from.
struct Shipped {
    place: String,
    manifest: Value,
}

/// The YAML texts of a file: itself, or its code blocks.
fn yaml_texts(path: &Path) -> Vec<String> {
    let text = || fs::read_to_string(path).unwrap();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => vec![text()],
        Some("md") => {
            let text = text();
            let blocks = text.split("```yaml\n").skip(1);
            blocks
                .map(|block| block.split("```").next().unwrap().to_owned())
                // A part of a manifest cannot be judged.
                .filter(|block| {
                    block.starts_with("apiVersion: ") || block.contains("\napiVersion: ")
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a document tells Kustomize how to make manifests, and is none itself.
fn is_of_kustomize(document: &Value) -> bool {
    let version = document["apiVersion"].as_str().unwrap_or_default();
    version.starts_with("kustomize.config.k8s.io/")
}

fn shipped() -> Vec<Shipped> {
    let root = repository();
    let mut shipped = Vec::new();
    for path in files_below(&root) {
        let place = path.strip_prefix(&root).unwrap().display().to_string();
        // Some of these are broken on purpose.
        if place.starts_with("tests/fixtures/") {
            continue;
        }
        let of_platform = PLATFORMS.iter().any(|folder| place.starts_with(folder));
        for text in yaml_texts(&path) {
            let documents = match documents(&text) {
                Ok(documents) => documents,
                Err(_) if !text.contains("\napiVersion: ") => continue,
                Err(error) => panic!("{place}: {error}"),
            };
            let manifests = documents
                .into_iter()
                .filter(|document| of_platform || document["apiVersion"].is_string())
                .filter(|document| !is_of_kustomize(document));
            shipped.extend(manifests.map(|manifest| Shipped {
                place: place.clone(),
                manifest,
            }));
        }
    }
    shipped
}

#[test]
fn every_manifest_is_valid() {
    let mut found = String::new();
    for Shipped { place, manifest } in shipped() {
        let name = &manifest["metadata"]["name"];
        for fault in faults(&manifest) {
            found += &format!("{place}: {} {name}: {fault}\n", manifest["kind"]);
        }
    }
    assert!(found.is_empty(), "\n{found}");
}

#[test]
fn each_platform_has_a_configuration_of_the_filter() {
    let shipped = shipped();
    for platform in PLATFORMS {
        let manifests = shipped
            .iter()
            .filter(|shipped| shipped.place.starts_with(platform));
        let plugins: usize = manifests
            .map(|shipped| plugins::count(&shipped.manifest))
            .sum();
        assert!(plugins > 0, "{platform}");
    }
}

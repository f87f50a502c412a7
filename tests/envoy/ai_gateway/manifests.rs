//! The manifests of `examples/envoy-ai-gateway/`, as an operator applies them.

use std::fs;

use serde_json::Value;
use tollgate_tests::manifest::{documents, repository};

/// The resources of some of the files.
#[derive(Clone)]
pub(super) struct Manifests(Vec<Value>);

impl Manifests {
    /// All that has been run here: an upstream server behind an `AIServiceBackend`.
    pub(super) fn shipped() -> Self {
        Self::of(&["gateway.yaml", "tollgate.yaml", "routes.yaml"])
    }

    /// The resources of these files, in their order.
    pub(super) fn of(files: &[&str]) -> Self {
        let folder = repository().join("examples/envoy-ai-gateway");
        let texts = files
            .iter()
            .map(|file| fs::read_to_string(folder.join(file)).unwrap());
        Self(texts.flat_map(|text| documents(&text).unwrap()).collect())
    }

    /// All resources of a kind.
    pub(super) fn all(&self, kind: &str) -> Vec<&Value> {
        let resources = self.0.iter();
        resources
            .filter(|resource| resource["kind"] == kind)
            .collect()
    }

    /// The `spec` of the one resource of a kind.
    pub(super) fn spec(&self, kind: &str) -> &Value {
        let all = self.all(kind);
        assert_eq!(all.len(), 1, "{kind}");
        &all[0]["spec"]
    }

    /// The same, to change it.
    pub(super) fn spec_mut(&mut self, kind: &str) -> &mut Value {
        let mut all = self
            .0
            .iter_mut()
            .filter(|resource| resource["kind"] == kind);
        &mut all.next().unwrap()["spec"]
    }

    /// Leaves out all resources of a kind.
    pub(super) fn remove(&mut self, kind: &str) {
        self.0.retain(|resource| resource["kind"] != kind);
    }

    /// The plugin configuration.
    pub(super) fn config(&self) -> &Value {
        &self.spec("EnvoyExtensionPolicy")["wasm"][0]["config"]
    }
}

//! Every Kubernetes manifest that this repository ships, against the pinned definitions of its platform and against the
//! filter's own reading of the configuration in it. No cluster and no Envoy is needed.
//!
//! The definitions are in `tests/fixtures/crds/`; the README there says from which releases.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "numbers in these tests are small and known"
)]
#![allow(
    clippy::print_stdout,
    reason = "the test runner shows the output of a failed test"
)]

#[cfg(test)]
mod admission;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod definitions;
#[cfg(test)]
mod istio;
#[cfg(test)]
mod plugins;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scheduler;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod shipped;

/// Everything that is wrong with a manifest; empty if a cluster with its platform would take it.
#[cfg(test)]
fn faults(manifest: &serde_json::Value) -> Vec<String> {
    let kind = match schemas::Kind::of(manifest) {
        Ok(kind) => kind,
        Err(fault) => return vec![fault],
    };
    let mut judged = manifest.clone();
    schemas::with_defaults(&mut judged, &kind.schema);
    let mut faults = kind.faults(&judged);
    faults.extend(rules::faults(&judged, &kind.schema, ""));
    faults.extend(plugins::faults(manifest));
    faults
}

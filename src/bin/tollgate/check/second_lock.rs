//! Checks whether a policy behind the filter refuses requests that the filter has not admitted.

#![expect(
    clippy::indexing_slicing,
    reason = "a `Value` is null where nothing is"
)]

use std::rc::Rc;

use serde_json::Value;

use super::placement::below;
use super::report::Severity;
use crate::source::{Carrier, Configuration, File, Lock};
use crate::yaml::Node;

/// The policies of all files.
pub(crate) struct Locks<'f> {
    /// The number of policies that could be a second lock.
    policies: usize,
    locks: Vec<&'f Lock>,
}

impl<'f> Locks<'f> {
    pub(crate) fn of(files: &'f [File]) -> Self {
        Self {
            policies: files
                .iter()
                .fold(0, |sum, file| sum.saturating_add(file.policies)),
            locks: files.iter().flat_map(|file| &file.locks).collect(),
        }
    }

    /// The finding for a configuration that the filter accepts: severity, path and message.
    pub(crate) fn findings(
        &self,
        configuration: &Configuration,
    ) -> Option<(Severity, &'static str, &'static str)> {
        const PATH: &str = "admittedHeader";
        let parsed: Value = serde_json::from_str(&configuration.text).unwrap_or_default();
        let admitted = &parsed[PATH];
        let Some(header) = admitted["name"].as_str() else {
            let is_placed = configuration.carrier != Carrier::Bare;
            return is_placed.then_some((
                Severity::Warning,
                PATH,
                "where the filter is skipped, every request passes; expected this section, and a policy behind the filter that refuses requests without the header",
            ));
        };
        match configuration.carrier {
            Carrier::Bare => None,
            Carrier::Envoy => {
                match filters_behind(&configuration.document, &configuration.plugin) {
                    Some(filters) if !filters.iter().any(|filter| is_lock(filter, header)) => {
                        Some((
                            Severity::Warning,
                            PATH,
                            "no filter behind this one refuses requests without the header; expected `envoy.filters.http.rbac`",
                        ))
                    }
                    _ => None,
                }
            }
            Carrier::WasmPlugin | Carrier::TrafficExtension | Carrier::ExtensionPolicy => self
                .of_platform(header, admitted["value"].as_str())
                .map(|(severity, message)| (severity, PATH, message)),
        }
    }

    fn of_platform(&self, header: &str, value: Option<&str>) -> Option<(Severity, &'static str)> {
        let mut locks = self
            .locks
            .iter()
            .filter(|lock| lock.is_for(header))
            .peekable();
        if self.policies == 0 {
            return Some((
                Severity::Note,
                "these files do not show whether requests without the header are refused; check the policy together with them",
            ));
        }
        if locks.peek().is_none() {
            return Some((
                Severity::Warning,
                "no policy in these files refuses requests without the header; expected a `SecurityPolicy` with `authorization` or an `AuthorizationPolicy` for the whole Gateway",
            ));
        }
        let fits = |lock: &&&Lock| value.is_none_or(|value| lock.opens_with(value));
        (!locks.all(|lock| fits(&lock))).then_some((
            Severity::Warning,
            "the policy requires another value, so it would refuse every request; expected the same value in both",
        ))
    }
}

/// The filters after the one that contains `plugin`, if it is in a list of HTTP filters.
fn filters_behind<'n>(node: &'n Node, plugin: &Rc<Node>) -> Option<&'n [Rc<Node>]> {
    for name in ["http_filters", "httpFilters"] {
        let filters = node.member(name).map_or(&[][..], |filters| filters.items());
        let ours = filters.iter().position(|filter| holds(filter, plugin));
        if let Some(behind) = ours.and_then(|ours| filters.get(ours.saturating_add(1)..)) {
            return Some(behind);
        }
    }
    below(node).find_map(|part| filters_behind(part, plugin))
}

fn holds(node: &Rc<Node>, plugin: &Rc<Node>) -> bool {
    Rc::ptr_eq(node, plugin)
        || node
            .entries()
            .iter()
            .any(|entry| holds(&entry.node, plugin))
}

/// Returns true for Envoy's RBAC filter with a rule for this header.
fn is_lock(filter: &Node, header: &str) -> bool {
    let kind = ["typed_config", "typedConfig"]
        .iter()
        .find_map(|name| filter.at(&[name, "@type"])?.text());
    kind.is_some_and(|kind| kind.ends_with("extensions.filters.http.rbac.v3.RBAC"))
        && names(filter, header)
}

fn names(node: &Node, header: &str) -> bool {
    node.text()
        .is_some_and(|text| text.eq_ignore_ascii_case(header))
        || below(node).any(|part| names(part, header))
}

#[cfg(test)]
mod tests;

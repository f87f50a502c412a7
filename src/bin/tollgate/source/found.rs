//! WebAssembly filters in a file, and how Tollgate is recognised among them.

use std::rc::Rc;

use super::{Carrier, Lines};
use crate::yaml::{Node, Value};

/// The sections of a configuration, to know one by.
const SECTIONS: [&str; 20] = [
    "tenants",
    "keys",
    "keysFrom",
    "credentials",
    "jwt",
    "trustedHeaders",
    "models",
    "modelHeader",
    "admittedHeader",
    "pathPrefixes",
    "pathsWithoutVersion",
    "extraPaths",
    "publicPaths",
    "hideDeniedModels",
    "fairness",
    "mode",
    "limits",
    "reserve",
    "weights",
    "metering",
];

pub(super) const ANY_EXPECTED: &str = "expected `@type: type.googleapis.com/google.protobuf.StringValue` with JSON text in `value`, or `…/google.protobuf.Struct` with an object";

/// Returns true if Envoy can read a configuration from this `google.protobuf.Any`.
pub(super) fn is_any(node: &Node) -> bool {
    let kind = node.member("@type").and_then(|kind| kind.text());
    let kind = kind
        .and_then(|kind| kind.rsplit_once('/'))
        .map(|(_, kind)| kind);
    matches!(
        (kind, node.member("value").map(|value| &value.value)),
        (Some("google.protobuf.StringValue"), Some(Value::Text(_)))
            | (Some("google.protobuf.Struct"), Some(Value::Map(_)))
    )
}

/// Any WebAssembly filter.
pub(super) struct Found<'n> {
    pub(super) carrier: Carrier,
    pub(super) document: &'n Rc<Node>,
    pub(super) plugin: &'n Rc<Node>,
    /// Its configuration as written.
    pub(super) written: Option<&'n Rc<Node>>,
    pub(super) name: &'n str,
    pub(super) lines: &'n Lines,
}

impl Found<'_> {
    /// Returns true if it is Tollgate, judged by its name, the address of its code or its configuration.
    pub(super) fn is_ours(&self) -> bool {
        let named = |text: &str| text.to_ascii_lowercase().contains("tollgate");
        // A resource may have several filters, so its name does not identify them.
        let name = match self.carrier {
            Carrier::WasmPlugin | Carrier::TrafficExtension => {
                self.document.at(&["metadata", "name"]).and_then(Node::text)
            }
            _ => Some(self.name),
        };
        if name.is_some_and(named) {
            return true;
        }
        let around = self.plugin.entries().iter().filter(|entry| {
            self.written
                .is_none_or(|written| !Rc::ptr_eq(&entry.node, written))
        });
        if around
            .into_iter()
            .any(|entry| any_text(&entry.node, &named))
        {
            return true;
        }
        self.written.is_some_and(|written| {
            let value = written.member("value").unwrap_or(written);
            sections(value) > 1
                || value.text().is_some_and(|text| {
                    let quoted = |section: &&&str| text.contains(&format!("\"{section}\""));
                    SECTIONS.iter().filter(quoted).count() > 1
                })
        })
    }
}

/// The number of sections of a Tollgate configuration in this node.
pub(super) fn sections(node: &Node) -> usize {
    let entries = node.entries().iter();
    entries
        .filter(|entry| SECTIONS.contains(&entry.name.as_str()))
        .count()
}

fn any_text(node: &Node, test: &impl Fn(&str) -> bool) -> bool {
    node.text().is_some_and(test)
        || node.items().iter().any(|item| any_text(item, test))
        || node
            .entries()
            .iter()
            .any(|entry| any_text(&entry.node, test))
}

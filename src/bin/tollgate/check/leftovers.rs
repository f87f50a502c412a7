//! What was copied from an example and is nobody's, or everybody's: keys and signing keys whose secrets are public, addresses
//! that are reserved for documentation, digests of nothing.

#![expect(
    clippy::indexing_slicing,
    reason = "a `Value` is null where nothing is"
)]

use std::rc::Rc;

use serde_json::Value;

use super::placement;
use crate::source::{Carrier, Configuration};
use crate::yaml::Node;

/// The hashes of the keys that stand in this project's own examples and pages.
const PUBLIC_KEYS: [&str; 3] = [
    "b0bc88b545cbe3fd0e4592279993b320c50eeb57091acc8715bcaddeae5ec074",
    "d0c6ea7ba0a85a4c5a8e3b0de61ad519bf8cc71631fd7b0af87afd1026e53be3",
    "f253509f74ec9f0c3cf4e1091199243410bf2e8cb41784509abe35d2577d3807",
];

/// A part of the key whose private half is `envoy/demo-signing-key.pem`.
const PUBLIC_SIGNER: &str = "LZHeceaxzFfJahfSdJxvSud-qBpDBOt1KKc2qECkxgk";

/// Names that nobody can own (RFC 2606, RFC 6761).
const RESERVED: [&str; 5] = [
    "example",
    "example.com",
    "example.net",
    "example.org",
    "invalid",
];

/// Line, path and message of each warning.
pub(super) fn warnings(configuration: &Configuration) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let parsed: Value = serde_json::from_str(&configuration.text).unwrap_or_default();
    let entries = |name: &str| parsed[name].as_array().cloned().unwrap_or_default();
    for (index, key) in entries("keys").iter().enumerate() {
        let hash = key["keyHash"].as_str().unwrap_or_default();
        let digits = hash.split_once(':').map_or(hash, |(_, digits)| digits);
        let message = if PUBLIC_KEYS.contains(&digits.to_ascii_lowercase().as_str()) {
            "the key is one of the examples, which everybody knows; expected one of your own: `tollgate key new`"
        } else if stands_for_a_digest(digits) {
            "stands for a hash, and is that of no key; expected that of a key: `tollgate key new`"
        } else {
            continue;
        };
        let path = format!("keys[{index}].keyHash");
        found.push((configuration.line_of(&path), path, message.to_owned()));
    }
    for (index, issuer) in entries("jwt").iter().enumerate() {
        if issuer["issuer"].as_str().is_some_and(is_reserved) {
            let path = format!("jwt[{index}].issuer");
            let message = "an address for examples, which nobody can own; expected that of your identity provider";
            found.push((configuration.line_of(&path), path, message.to_owned()));
        }
    }
    if configuration.carrier == Carrier::Bare {
        return found;
    }
    let (plugin, lines) = (&configuration.plugin, &configuration.lines);
    texts(
        plugin,
        configuration,
        &placement::prefix(configuration),
        &mut |path, node, text| {
            let message = if stands_for_a_digest(
                text.rsplit_once("sha256:")
                    .map_or(text, |(_, digest)| digest),
            ) {
                "stands for a digest; expected that of the module you deploy"
            } else if is_reserved(text) {
                "an address for examples, which nobody can own; expected where your module is"
            } else {
                return;
            };
            found.push((
                lines.in_file(node.line),
                path.to_owned(),
                message.to_owned(),
            ));
        },
    );
    found
}

/// Line and message of each place beside a configuration that has a key of the examples: the one that verifies tokens, and
/// in Secrets the hashes of keys.
pub(super) fn beside(document: &Node) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    let is_secret = document.member("kind").and_then(|kind| kind.text()) == Some("Secret");
    lines_with(
        document,
        &|line| line.contains(PUBLIC_SIGNER),
        &mut |line| {
            found.push((line, "tokens are verified by the key of the examples, with which everybody can sign; expected those of your identity provider"));
        },
    );
    let has_key = |line: &str| PUBLIC_KEYS.iter().any(|key| line.contains(key));
    if is_secret {
        lines_with(document, &has_key, &mut |line| {
            found.push((line, "the hash of a key of the examples, which everybody knows; expected one of your own: `tollgate key new`"));
        });
    }
    found
}

/// The lines of a document's texts that pass.
fn lines_with(node: &Node, pass: &impl Fn(&str) -> bool, see: &mut impl FnMut(usize)) {
    if let Some(text) = node.text() {
        for (line, number) in text.lines().zip(1_usize..) {
            if pass(line) {
                see(node.line_within(number));
            }
        }
    }
    for inner in placement::below(node) {
        lines_with(inner, pass, see);
    }
}

/// Every text of what loads the filter, with its path, but the configuration itself.
fn texts(
    node: &Node,
    configuration: &Configuration,
    path: &str,
    see: &mut impl FnMut(&str, &Node, &str),
) {
    if let Some(text) = node.text() {
        see(path.trim_end_matches('.'), node, text);
    }
    for entry in node.entries() {
        let holds_configuration = ["pluginConfig", "config", "configuration"];
        // An object of Envoy's by the name `config` is the plugin, and not its configuration.
        if holds_configuration.contains(&entry.name.as_str())
            || Rc::ptr_eq(&entry.node, &configuration.document)
        {
            continue;
        }
        texts(
            &entry.node,
            configuration,
            &format!("{path}{}.", entry.name),
            see,
        );
    }
    for (index, item) in node.items().iter().enumerate() {
        let path = path.trim_end_matches('.');
        texts(item, configuration, &format!("{path}[{index}]."), see);
    }
}

/// 64 times the same hex digit.
fn stands_for_a_digest(text: &str) -> bool {
    let mut digits = text.chars();
    let first = digits.next().filter(char::is_ascii_hexdigit);
    text.len() == 64 && first.is_some_and(|first| digits.all(|digit| digit == first))
}

/// Whether the host of this address is reserved for examples.
fn is_reserved(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split(['/', ':', '@']).next().unwrap_or_default();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    RESERVED.iter().any(|reserved| {
        host.strip_suffix(reserved).is_some_and(|before| {
            before.ends_with('.') || (before.is_empty() && reserved.contains('.'))
        })
    })
}

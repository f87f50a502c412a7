//! A file ▶ every configuration of the filter in it, as the filter would get it, with its lines.
//!
//! A file may be a configuration itself, or contain some: an Istio WasmPlugin, an EnvoyExtensionPolicy, a bootstrap, a
//! listener or an extension of Envoy, anything that embeds one of these, and lists and streams of them.

pub(crate) mod edit;
mod found;
mod lock;

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use serde::de::IgnoredAny;

use self::found::{ANY_EXPECTED, Found, is_any, sections};
pub(crate) use self::lock::Lock;
use crate::output::Failure;
use crate::yaml::{self, Flaw, Node, Value};

/// No configuration of a gateway is larger.
const LARGEST: u64 = 64 << 20;

/// A text within a text may contain a filter. The limit stops endless nesting.
const DEEPEST: usize = 3;

/// The contents of a file.
#[derive(Debug)]
pub(crate) struct File {
    /// The name as given; `<stdin>` for standard input.
    pub(crate) name: String,
    pub(crate) configurations: Vec<Configuration>,
    /// Problems with the file itself: syntax, and duplicate names.
    pub(crate) flaws: Vec<Flaw>,
    /// WebAssembly filters that are not Tollgate: their lines and names.
    pub(crate) others: Vec<(usize, String)>,
    /// The number of policies that could refuse requests without a header, and those that do.
    pub(crate) policies: usize,
    pub(crate) locks: Vec<Lock>,
    pub(crate) documents: Vec<Rc<Node>>,
}

/// One configuration of the filter.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The object that contains it: `WasmPlugin istio-system/tollgate`, `filter tollgate`, or `configuration` for one
    /// by itself.
    pub(crate) origin: String,
    /// The JSON text that the filter gets.
    pub(crate) text: String,
    pub(crate) carrier: Carrier,
    /// The Kubernetes resource or the document that contains it.
    pub(crate) document: Rc<Node>,
    /// The object that loads the filter, in `lines`; a configuration by itself is its own.
    pub(crate) plugin: Rc<Node>,
    /// The lines of `plugin`.
    pub(crate) lines: Lines,
    /// The configuration itself, if it can be read, and its lines.
    tree: Option<Rc<Node>>,
    tree_lines: Lines,
    /// Its first line.
    line: usize,
    /// The line at which a text is no longer valid JSON.
    broken: Option<usize>,
}

/// The kind of object that carries a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Bare,
    /// Istio's.
    WasmPlugin,
    /// Its replacement in Istio 1.31: the same, with the module in `spec.wasm`.
    TrafficExtension,
    /// Envoy Gateway's.
    ExtensionPolicy,
    Envoy,
}

/// The lines of a text within texts, as lines of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    /// The nodes that contain the text; the innermost is last.
    holders: Vec<Rc<Node>>,
}

impl Lines {
    pub(crate) fn in_file(&self, line: usize) -> usize {
        let holders = self.holders.iter().rev();
        holders.fold(line, |line, holder| holder.line_within(line))
    }

    fn depth(&self) -> usize {
        self.holders.len()
    }

    fn within(&self, holder: &Rc<Node>) -> Self {
        let mut holders = self.holders.clone();
        holders.push(Rc::clone(holder));
        Self { holders }
    }
}

impl Configuration {
    /// Returns true if the text is not JSON.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The line of a fault with this path.
    pub(crate) fn line_of(&self, path: &str) -> usize {
        self.broken.unwrap_or_else(|| {
            let line = self.tree.as_ref().and_then(|tree| tree.line_of(path));
            line.map_or(self.line, |line| self.tree_lines.in_file(line))
        })
    }
}

impl File {
    /// Reads a file; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        Self::read_with_text(path).map(|(file, _)| file)
    }

    /// The same, with the text of the file.
    pub(crate) fn read_with_text(path: &Path) -> Result<(Self, String), Failure> {
        let (name, bytes) = if path == Path::new("-") {
            ("<stdin>".to_owned(), at_most(io::stdin()))
        } else {
            let bytes = fs::File::open(path).and_then(at_most);
            (path.display().to_string(), bytes)
        };
        let bytes = bytes.map_err(|error| Failure::of_file(path, &error))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{name}: cannot read: not UTF-8")))?;
        Ok((Self::parse(name, &text), text))
    }

    /// Why a file is no good where one configuration is expected.
    pub(crate) fn not_one(&self) -> Failure {
        let (name, count) = (&self.name, self.configurations.len());
        Failure::new(format!(
            "{name}: expected one configuration of Tollgate, found {count}"
        ))
    }

    pub(crate) fn parse(name: String, text: &str) -> Self {
        let (documents, flaws) = yaml::read(text);
        let mut file = Self {
            name,
            configurations: Vec::new(),
            flaws,
            others: Vec::new(),
            policies: 0,
            locks: Vec::new(),
            documents: Vec::new(),
        };
        for document in &documents {
            file.document(document, &Lines::default());
        }
        file.documents = documents;
        file
    }

    fn document(&mut self, document: &Rc<Node>, lines: &Lines) {
        let kind = document.member("kind").and_then(|kind| kind.text());
        let group = document.member("apiVersion").and_then(|group| group.text());
        let group = group
            .and_then(|group| group.split_once('/'))
            .map(|(group, _)| group);
        if let Some(locks) = lock::of(
            group.unwrap_or_default(),
            kind.unwrap_or_default(),
            document,
        ) {
            self.policies = self.policies.saturating_add(1);
            self.locks.extend(locks);
        }
        match (group, kind) {
            (_, Some("List")) => {
                for item in document
                    .member("items")
                    .map_or(&[][..], |items| items.items())
                {
                    self.document(item, lines);
                }
            }
            (Some("extensions.istio.io"), Some("WasmPlugin")) => {
                if let Some(plugin) = document.member("spec") {
                    self.plugin(Found {
                        carrier: Carrier::WasmPlugin,
                        document,
                        plugin,
                        written: plugin.member("pluginConfig"),
                        name: "",
                        lines,
                    });
                }
            }
            (Some("extensions.istio.io"), Some("TrafficExtension")) => {
                let spec = document.member("spec");
                if let Some(plugin) = spec.and_then(|spec| spec.member("wasm")) {
                    self.plugin(Found {
                        carrier: Carrier::TrafficExtension,
                        document,
                        plugin,
                        written: plugin.member("pluginConfig"),
                        name: "",
                        lines,
                    });
                }
            }
            (Some("gateway.envoyproxy.io"), Some("EnvoyExtensionPolicy")) => {
                let plugins = document.at(&["spec", "wasm"]).map_or(&[][..], Node::items);
                for plugin in plugins {
                    self.plugin(Found {
                        carrier: Carrier::ExtensionPolicy,
                        document,
                        plugin,
                        written: plugin.member("config"),
                        name: "",
                        lines,
                    });
                }
            }
            _ if kind.is_some() && meant(document).is_some() => {
                let expected = meant(document).unwrap_or_default();
                self.flaws.push(Flaw {
                    line: lines.in_file(document.line_of("kind").unwrap_or(document.line)),
                    path: "kind".to_owned(),
                    message: format!(
                        "this kind of resource does not load the filter; expected {expected}"
                    ),
                });
            }
            _ if kind.is_none() && sections(document) > 0 => {
                self.configurations.push(Configuration {
                    origin: "configuration".to_owned(),
                    text: json(document),
                    carrier: Carrier::Bare,
                    document: Rc::clone(document),
                    plugin: Rc::clone(document),
                    lines: lines.clone(),
                    tree: Some(Rc::clone(document)),
                    tree_lines: lines.clone(),
                    line: lines.in_file(document.line),
                    broken: None,
                })
            }
            _ => self.envoy(document, document, "", lines),
        }
    }

    /// Looks for Envoy's own configuration of a WebAssembly filter; `name` is the nearest one around `node`.
    fn envoy(&mut self, document: &Rc<Node>, node: &Rc<Node>, name: &str, lines: &Lines) {
        let name = node
            .member("name")
            .and_then(|name| name.text())
            .unwrap_or(name);
        let loads_code = ["vm_config", "vmConfig"]
            .iter()
            .any(|member| node.member(member).is_some());
        if loads_code {
            self.plugin(Found {
                carrier: Carrier::Envoy,
                document,
                plugin: node,
                written: node.member("configuration"),
                name,
                lines,
            });
            return;
        }
        match &node.value {
            Value::List(items) => {
                for item in items {
                    self.envoy(document, item, name, lines);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.envoy(document, &entry.node, name, lines);
                }
            }
            // A bootstrap or a manifest within a manifest.
            Value::Text(text) if lines.depth() < DEEPEST && may_hold_a_filter(&text.text) => {
                let within = lines.within(node);
                let (documents, flaws) = yaml::read(&text.text);
                self.flaws.extend(flaws.into_iter().map(|flaw| Flaw {
                    line: within.in_file(flaw.line),
                    ..flaw
                }));
                for document in &documents {
                    self.document(document, &within);
                }
            }
            _ => {}
        }
    }

    fn plugin(&mut self, found: Found<'_>) {
        let Found {
            carrier,
            document,
            plugin,
            written,
            name,
            lines,
        } = found;
        let line = lines.in_file(plugin.line);
        let ours = found.is_ours();
        if !ours {
            let own = plugin.member("name").and_then(|own| own.text());
            self.others.push((line, own.unwrap_or(name).to_owned()));
            return;
        }
        let name = resource(document).unwrap_or_else(|| name.to_owned());
        let kind = document.member("kind").and_then(|kind| kind.text());
        let mut configuration = Configuration {
            origin: format!("{} {name}", kind.unwrap_or("filter")),
            text: String::new(),
            carrier,
            document: Rc::clone(document),
            plugin: Rc::clone(plugin),
            lines: lines.clone(),
            tree: None,
            tree_lines: lines.clone(),
            line,
            broken: None,
        };
        let written = match written {
            Some(any) if carrier == Carrier::Envoy => {
                let value = any.member("value");
                if !is_any(any) {
                    self.flaws.push(Flaw {
                        line: lines.in_file(any.line),
                        path: "configuration".to_owned(),
                        message: ANY_EXPECTED.to_owned(),
                    });
                }
                Some(value.unwrap_or(any))
            }
            written => written,
        };
        if let Some(written) = written {
            configuration.line = lines.in_file(written.line);
            // Only Envoy reads the text as JSON.
            if let (Carrier::Envoy, Some(text)) = (carrier, written.text()) {
                configuration.text = text.to_owned();
                configuration.tree_lines = lines.within(written);
                configuration.tree = yaml::read(text).0.into_iter().next();
                configuration.broken = serde_json::from_str::<IgnoredAny>(text)
                    .err()
                    .map(|error| configuration.tree_lines.in_file(error.line().max(1)));
            } else {
                configuration.text = json(written);
                configuration.tree = Some(Rc::clone(written));
            }
        }
        self.configurations.push(configuration);
    }
}

fn at_most(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader
        .take(LARGEST.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("larger than 64 MiB"));
    }
    Ok(bytes)
}

fn may_hold_a_filter(text: &str) -> bool {
    let loads_one = ["vm_config", "vmConfig", "pluginConfig"];
    loads_one.iter().any(|name| text.contains(name))
}

/// The likely kind of a resource that has a configuration in the place where a known kind has it.
fn meant(document: &Node) -> Option<&'static str> {
    let spec = document.member("spec")?;
    let ours = |config: Option<&Node>| config.is_some_and(|config| sections(config) > 0);
    let wasm = spec.member("wasm");
    let plugins = wasm.map_or(&[][..], |wasm| wasm.items());
    if ours(spec.at(&["pluginConfig"])) {
        Some("`WasmPlugin` of `extensions.istio.io`")
    } else if ours(spec.at(&["wasm", "pluginConfig"])) {
        Some("`TrafficExtension` of `extensions.istio.io`")
    } else if plugins.iter().any(|plugin| ours(plugin.at(&["config"]))) {
        Some("`EnvoyExtensionPolicy` of `gateway.envoyproxy.io`")
    } else {
        None
    }
}

fn json(node: &Node) -> String {
    serde_json::to_string(node).unwrap_or_default()
}

/// Namespace and name of a Kubernetes resource.
fn resource(document: &Node) -> Option<String> {
    document.member("kind")?;
    let name = document
        .at(&["metadata", "name"])
        .and_then(Node::text)
        .unwrap_or("without a name");
    let namespace = document.at(&["metadata", "namespace"]).and_then(Node::text);
    Some(namespace.map_or_else(
        || name.to_owned(),
        |namespace| format!("{namespace}/{name}"),
    ))
}

#[cfg(test)]
mod tests;

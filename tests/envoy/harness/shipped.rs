//! A bootstrap of the `envoy/` folder, run as it is but for its addresses.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

/// What ends a line whose value may be changed, before the name of the value.
const MARK: &str = " # make run: ";

/// A bootstrap by its file name, and the changes to it.
pub(crate) struct Shipped {
    text: String,
    values: BTreeMap<&'static str, Value>,
}

impl Shipped {
    /// The bootstrap with this file name.
    pub(crate) fn bootstrap(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy");
        Self {
            text: fs::read_to_string(folder.join(name)).unwrap(),
            values: BTreeMap::new(),
        }
    }

    /// The value on the lines with this mark, which `make run` changes too.
    pub(crate) fn value(mut self, mark: &'static str, value: impl Into<Value>) -> Self {
        self.values.insert(mark, value.into());
        self
    }

    /// Another text for one that stands there exactly once.
    pub(crate) fn replacing(mut self, from: &str, to: &str) -> Self {
        assert_eq!(self.text.matches(from).count(), 1, "{from}");
        self.text = self.text.replace(from, to);
        self
    }

    /// Another text for one, wherever it stands as a line's whole setting.
    pub(crate) fn replacing_all(mut self, from: &str, to: &str) -> Self {
        let from = format!("{from}\n");
        assert!(self.text.contains(&from), "{from}");
        self.text = self.text.replace(&from, &format!("{to}\n"));
        self
    }

    /// The bootstrap on free ports, before this upstream.
    pub(super) fn render(self, wasm: &Path, upstream: SocketAddr) -> String {
        let Self { text, values } = self
            .value("TOLLGATE_HOST", "127.0.0.1")
            .value("TOLLGATE_PORT", 0)
            .value("TOLLGATE_ADMIN_PORT", 0)
            .value("TOLLGATE_WASM", json!(wasm))
            .value("UPSTREAM host", upstream.ip().to_string())
            .value("UPSTREAM port", upstream.port());
        for mark in values.keys() {
            assert!(text.contains(&format!("{MARK}{mark}\n")), "{mark}");
        }
        let lines = text.lines().map(|line| {
            let Some((setting, mark)) = line.split_once(MARK) else {
                return format!("{line}\n");
            };
            let (key, _) = setting.split_once(": ").unwrap();
            // JSON strings and numbers are YAML too.
            format!("{key}: {}\n", values[mark])
        });
        lines.collect()
    }
}

//! `headers`: the headers that are removed.

use super::{Compiler, is_token};
use crate::config::faults::read;
use crate::config::{Config, HeadersConfig};
use crate::forward::may_be_ours;
use crate::owned_headers::OwnedHeaders;

impl Compiler<'_> {
    pub(super) fn owned_headers(&mut self, config: &Config<'_>) -> OwnedHeaders {
        let written: Option<HeadersConfig> = config
            .headers
            .and_then(|raw| read(raw.get(), "headers", &mut self.faults));
        let written = written.unwrap_or_default();
        for (list, names) in [("strip", &written.strip), ("allow", &written.allow)] {
            for (index, name) in names.iter().enumerate() {
                let text = name.strip_suffix('*').unwrap_or(name);
                if !is_token(text) || text.contains('*') || text.len() > MAX_HEADER {
                    self.fault(
                        format!("headers.{list}[{index}]"),
                        "expected the name of a header, or a prefix and `*`, at most 64 characters",
                    );
                }
                if list == "allow" && may_be_ours(name) {
                    self.fault(
                        format!("headers.allow[{index}]"),
                        "the filter sets a header of this name itself; expected another one",
                    );
                }
            }
        }
        let lower = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| name.to_ascii_lowercase()).collect()
        };
        OwnedHeaders::new(&lower(&written.strip), &lower(&written.allow))
    }
}

/// Longest name of a header in these lists, in bytes.
pub(crate) const MAX_HEADER: usize = 64;

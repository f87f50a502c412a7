//! `headers`: the headers that are removed.

use std::rc::Rc;

use super::{Compiler, is_token};
use crate::access::ModelHeader;
use crate::config::faults::read;
use crate::config::{Config, HeadersConfig};
use crate::forward::{AUTHORIZATION, is_ours, is_reserved, may_be_ours};
use crate::headers::same_name;
use crate::identity::{Source, TrustedHeaders};
use crate::owned_headers::OwnedHeaders;
use crate::policy::SecretHeader;

/// The headers that already have a meaning.
pub(super) struct Meanings<'p> {
    pub(super) sources: &'p [Source],
    pub(super) model_header: &'p ModelHeader,
    pub(super) trusted: Option<&'p TrustedHeaders>,
}

impl Meanings<'_> {
    pub(super) fn have(&self, name: &str) -> bool {
        let is = |other: &str| same_name(name.as_bytes(), other);
        let mut of_gateway = self
            .trusted
            .into_iter()
            .flat_map(|trusted| trusted.identity_headers().chain(trusted.proof_header()));
        is(AUTHORIZATION)
            || is(&self.model_header.name)
            || self.sources.iter().any(|source| is(&source.header))
            || of_gateway.any(is)
            || is_ours(name)
            || is_reserved(name)
    }
}

impl Compiler<'_> {
    /// The headers that are removed, and those that carry the tenant's name.
    pub(super) fn owned_headers(
        &mut self,
        config: &Config<'_>,
        meanings: &Meanings<'_>,
        admitted: Option<&SecretHeader>,
    ) -> (OwnedHeaders, Vec<Rc<str>>) {
        let written: Option<HeadersConfig> = config
            .headers
            .and_then(|raw| read(raw.get(), "headers", &mut self.faults));
        let written = written.unwrap_or_default();
        let is_of_tenant = |name: &str| {
            let mut tenant = written.tenant.iter();
            tenant.any(|header| same_name(name.as_bytes(), header))
        };
        for (list, names) in [("strip", &written.strip), ("allow", &written.allow)] {
            for (index, name) in names.iter().enumerate() {
                let text = name.strip_suffix('*').unwrap_or(name);
                if !is_token(text) || text.contains('*') || text.len() > MAX_HEADER {
                    self.fault(
                        format!("headers.{list}[{index}]"),
                        "expected the name of a header, or a prefix and `*`, at most 64 characters",
                    );
                }
                if list == "allow" && (may_be_ours(name) || is_of_tenant(name)) {
                    self.fault(
                        format!("headers.allow[{index}]"),
                        "the filter sets a header of this name itself; expected another one",
                    );
                }
            }
        }
        let mut tenant: Vec<Rc<str>> = Vec::new();
        for (index, name) in written.tenant.iter().enumerate() {
            let path = format!("headers.tenant[{index}]");
            let name = self.header_name(&path, name);
            let is_taken = |header: &SecretHeader| same_name(name.as_bytes(), &header.name);
            if meanings.have(&name) || admitted.is_some_and(is_taken) {
                let message = "this header already has a meaning; expected another one, such as `x-ai-eg-tenant`";
                self.fault(&path, message);
            }
            if tenant.iter().any(|other| same_name(name.as_bytes(), other)) {
                self.fault(&path, "duplicate header; expected each once");
            }
            tenant.push(name.into());
        }
        let lower = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| name.to_ascii_lowercase()).collect()
        };
        let mut strip = lower(&written.strip);
        strip.extend(lower(&written.tenant));
        (OwnedHeaders::new(&strip, &lower(&written.allow)), tenant)
    }
}

/// Longest name of a header in these lists, in bytes.
pub(crate) const MAX_HEADER: usize = 64;

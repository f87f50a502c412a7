//! `credentials`: the headers that may carry one, and the credential that the server gets.

use std::rc::Rc;

use super::{Compiler, is_token};
use crate::config::faults::read;
use crate::config::{Config, CredentialsConfig, ForwardConfig, ForwardName, SourceConfig};
use crate::forward::AUTHORIZATION;
use crate::identity::{Source, can_be_key};
use crate::key_format::{Doubt, doubt};
use crate::policy::{Forwarding, Secret, SecretHeader};

impl Compiler<'_> {
    pub(super) fn credentials(&mut self, config: &Config<'_>) -> (Vec<Source>, Forwarding) {
        let written: Option<CredentialsConfig> = config
            .credentials
            .and_then(|raw| read(raw.get(), "credentials", &mut self.faults));
        let Some(credentials) = written else {
            return (Source::defaults(), Forwarding::Strip);
        };
        let sources = credentials
            .sources
            .map_or_else(Source::defaults, |sources| self.sources(sources));
        let forwarding = credentials
            .forward
            .map_or(Forwarding::Strip, |forward| self.forwarding(forward));
        (sources, forwarding)
    }

    fn forwarding(&mut self, forward: ForwardConfig) -> Forwarding {
        let variable = match forward {
            ForwardConfig::Named(ForwardName::Strip) => return Forwarding::Strip,
            ForwardConfig::Named(ForwardName::Keep) => return Forwarding::Keep,
            ForwardConfig::Environment(variable) => variable.env,
        };
        let path = "credentials.forward.env";
        let key = self.variable(path, &variable).unwrap_or_default();
        let key = key.trim();
        // An unset variable is reported already. The format of the server's key is up to the server.
        match doubt(key.as_bytes()) {
            _ if key.is_empty() => {}
            Some(doubt @ (Doubt::Quoted | Doubt::Scheme)) => self.fault(path, doubt.to_string()),
            _ if !can_be_key(key.as_bytes()) => self.fault(
                path,
                "expected one key of 1 to 512 visible ASCII characters without commas",
            ),
            _ => {}
        }
        Forwarding::Replace(Rc::new(SecretHeader {
            name: AUTHORIZATION.into(),
            value: Secret::new(&format!("Bearer {key}")),
        }))
    }

    fn sources(&mut self, written: Vec<SourceConfig>) -> Vec<Source> {
        if written.is_empty() {
            self.fault("credentials.sources", "expected at least one source");
        }
        let mut sources: Vec<Source> = Vec::with_capacity(written.len());
        for (index, source) in written.into_iter().enumerate() {
            let path = format!("credentials.sources[{index}]");
            let header = self.header_name(&format!("{path}.header"), &source.header);
            if source
                .scheme
                .as_ref()
                .is_some_and(|scheme| !is_token(scheme))
            {
                self.fault(
                    format!("{path}.scheme"),
                    "expected an authentication scheme such as `Bearer`",
                );
            }
            if sources.iter().any(|other| *other.header == *header) {
                self.fault(
                    format!("{path}.header"),
                    "the same header as an earlier source; expected each header once",
                );
            }
            sources.push(Source {
                header: header.into(),
                scheme: source.scheme.map(Into::into),
            });
        }
        sources
    }
}

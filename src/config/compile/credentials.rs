//! `credentials`: where they are looked for, and what the upstream gets instead.

use super::{Compiler, is_token};
use crate::config::faults::read;
use crate::config::{Config, CredentialsConfig};
use crate::identity::Source;

impl Compiler<'_> {
    pub(super) fn sources(&mut self, config: &Config<'_>) -> Vec<Source> {
        let Some(credentials) = config.credentials else {
            return Source::defaults();
        };
        let Some(credentials) =
            read::<CredentialsConfig>(credentials.get(), "credentials", &mut self.faults)
        else {
            return Vec::new();
        };
        if credentials.sources.is_empty() {
            self.fault("credentials.sources", "expected at least one source");
        }
        let mut sources: Vec<Source> = Vec::with_capacity(credentials.sources.len());
        for (index, source) in credentials.sources.into_iter().enumerate() {
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
                    "the same header as a source before; expected each once",
                );
            }
            sources.push(Source {
                header,
                scheme: source.scheme.map(Into::into),
            });
        }
        sources
    }
}

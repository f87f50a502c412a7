//! `credentials`: the headers that may carry one, and the credential that the server gets.

use std::rc::Rc;

use super::{Compiler, is_token};
use crate::config::faults::read;
use crate::config::{
    Config, CredentialsConfig, ForwardConfig, ForwardName, SeveralConfig, SourceConfig,
};
use crate::forward::AUTHORIZATION;
use crate::identity::credentials::MAX_DUMMY_KEY;
use crate::identity::{Keys, Several, Source, can_be_key};
use crate::key_format::{Doubt, doubt};
use crate::policy::{Forwarding, Secret, SecretHeader};

/// The section, ready to use.
pub(super) struct Credentials {
    pub(super) sources: Vec<Source>,
    pub(super) several: Several,
    pub(super) dummy_keys: Vec<Box<str>>,
    pub(super) forwarding: Forwarding,
    pub(super) show_expiry: bool,
}

impl Compiler<'_> {
    /// `keys` are the configured ones, none of which is a dummy.
    pub(super) fn credentials(&mut self, config: &Config<'_>, keys: &Keys) -> Credentials {
        let written: Option<CredentialsConfig> = config
            .credentials
            .and_then(|raw| read(raw.get(), "credentials", &mut self.faults));
        let Some(credentials) = written else {
            return Credentials {
                sources: Source::defaults(),
                several: Several::Refuse,
                dummy_keys: Vec::new(),
                forwarding: Forwarding::Strip,
                show_expiry: false,
            };
        };
        let sources = credentials
            .sources
            .map_or_else(Source::defaults, |sources| self.sources(sources));
        let forwarding = credentials
            .forward
            .map_or(Forwarding::Strip, |forward| self.forwarding(forward));
        Credentials {
            sources,
            several: match credentials.several {
                SeveralConfig::Refuse => Several::Refuse,
                SeveralConfig::First => Several::First,
            },
            dummy_keys: self.dummy_keys(credentials.dummy_keys, keys),
            forwarding,
            show_expiry: credentials.show_expiry,
        }
    }

    /// A fault repeats nothing of what is written here: it may be a key in the wrong place.
    fn dummy_keys(&mut self, written: Vec<String>, keys: &Keys) -> Vec<Box<str>> {
        let mut dummies: Vec<Box<str>> = Vec::with_capacity(written.len());
        for (index, word) in written.into_iter().enumerate() {
            let path = format!("credentials.dummyKeys[{index}]");
            if !can_be_key(word.as_bytes()) || word.len() > MAX_DUMMY_KEY {
                self.fault(
                    path,
                    format!(
                        "expected 1 to {MAX_DUMMY_KEY} visible ASCII characters without commas"
                    ),
                );
            } else if let Some(key) = keys.find(word.as_bytes()) {
                let message = format!(
                    "the same as the key `{}`, which would count as no credential; expected a word that is no key",
                    key.id
                );
                self.fault(path, message);
            } else if dummies.iter().any(|other| **other == *word) {
                self.fault(path, "the same word as one before; expected each once");
            }
            dummies.push(word.into());
        }
        dummies
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
        } else if written.iter().all(|source| source.strip_only) {
            self.fault(
                "credentials.sources",
                "expected at least one source that is read, without `stripOnly`",
            );
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
                strip_only: source.strip_only,
            });
        }
        sources
    }
}

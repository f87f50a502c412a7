//! Configuration ▶ [`Policy`], or every fault at once.

mod admitted;
mod body;
pub(crate) mod costs;
mod credentials;
mod headers;
mod issuers;
mod keys;
pub(crate) mod limits;
mod paths;
mod trusted_headers;

#[cfg(feature = "command")]
pub(crate) use body::MAX_MEMBER;
#[cfg(feature = "command")]
pub(crate) use headers::MAX_HEADER;
pub use keys::list_entries;

use std::fmt;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest as _, Sha256};

use self::headers::Meanings;
use super::faults::read;
use super::sections::known_sections;
use super::{
    AccessConfig, Config, Entries, FairnessConfig, FairnessFrom, Fault, MeteringConfig, ModeConfig,
    ModelConfig, ModelHeaderConfig, TenantConfig,
};
use crate::access::{Mode, ModelEntry, ModelHeader, ModelRules, Rule, Rules, StreamUsage};
use crate::identity::{Fairness, Identities};
use crate::metrics::{ANONYMOUS, OTHER, UNKNOWN};
use crate::model_name::{self, ModelName, ModelPattern};
use crate::operation::Paths;
use crate::policy::{Metering, Policy};
use crate::tenant::{GroupId, GroupSet, Groups, Tenant};

/// Names that metrics use for requests without a tenant or model of their own.
pub const RESERVED_NAMES: [&str; 3] = [UNKNOWN, ANONYMOUS, OTHER];

/// The header in which Envoy AI Gateway repeats the model.
pub(crate) const DEFAULT_MODEL_HEADER: &str = "x-ai-eg-model";

/// Why a name is none whose characters are few enough.
const LONG_IN_BYTES: &str =
    "the name takes more than 256 bytes in UTF-8; expected a shorter name of a model";

/// Longest name of a tenant, a key or an objective, in bytes.
pub(crate) const MAX_NAME: usize = 128;
/// Longest name of a variable of the environment, in bytes.
pub(crate) const MAX_VARIABLE: usize = 100;

/// Reads the plugin configuration. `environment` looks up a variable of the gateway's environment, for the keys that
/// are stored there.
///
/// # Errors
/// Every fault that can be found, each with its path. Validity never depends on the time: an expired key is not a
/// fault, because a new gateway must start with it.
pub fn compile(
    text: &[u8],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Policy, Vec<Fault>> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(vec![Fault::new("", "the configuration must be UTF-8")]);
    };
    if text.trim().is_empty() {
        return Err(vec![Fault::new(
            "",
            "the configuration is empty; expected a JSON object with `models` and `keys`, `keysFrom` or `jwt`",
        )]);
    }
    let mut compiler = Compiler {
        environment,
        faults: Vec::new(),
        groups: Groups::default(),
        tenants: FxHashMap::default(),
    };
    let policy = compiler.policy(text);
    match policy {
        Some(policy) if compiler.faults.is_empty() => Ok(policy),
        _ => Err(compiler.faults),
    }
}

struct Compiler<'e> {
    environment: &'e dyn Fn(&str) -> Option<String>,
    faults: Vec<Fault>,
    groups: Groups,
    tenants: FxHashMap<Rc<str>, Rc<Tenant>>,
}

impl Compiler<'_> {
    fn policy(&mut self, text: &str) -> Option<Policy> {
        let kept;
        // serde would take an array for an object whose members stand in order.
        let whole = text.trim_start().starts_with('{').then_some(text);
        let config: Config<'_> = match whole.map(serde_json::from_str) {
            Some(Ok(config)) => config,
            // What is wrong with the whole must not hide what is wrong with its parts.
            _ => match known_sections(text, &mut self.faults) {
                Some(known) => {
                    kept = known;
                    read(&kept, "", &mut self.faults)?
                }
                None => read(text, "", &mut self.faults)?,
            },
        };
        self.read_tenants(&config);
        let keys = self.keys(&config);
        let issuers = self.issuers(&config);
        let mode = self.mode(&config);
        let (metering, stream_usage, allow_background) = self.metering(&config);
        let mut models = self.models(&config, mode, stream_usage);
        if !metering.strip_accept_encoding && models.may_ask_for_usage(None) {
            self.fault(
                "metering.stripAcceptEncoding",
                "encoded replies would show clients usage that only the filter requested; expected `streamUsage: observe` together with `false`, here and in `models`",
            );
        }
        models.hide_denied = config
            .hide_denied_models
            .and_then(|raw| read(raw.get(), "hideDeniedModels", &mut self.faults))
            .unwrap_or_default();
        let credentials = self.credentials(&config, &keys);
        let model_header = self.model_header(&config);
        let trusted_headers = self.trusted_headers(&config, &credentials.sources, &model_header);
        let meanings = Meanings {
            sources: &credentials.sources,
            model_header: &model_header,
            trusted: trusted_headers.as_ref(),
        };
        let admitted = self.admitted_header(&config, &meanings);
        let (owned, tenant_headers) = self.owned_headers(&config, &meanings, admitted.as_deref());
        let members = self.members(&config);
        let prefixes = self.path_prefixes(&config);
        let without_version = self.without_version(&config);
        let extra_paths = self.extra_paths(&config);
        let public_paths = self.public_paths(&config);
        let fairness = self.fairness(&config);
        let limits = self.limits(&config, &keys);
        let has_callers = !keys.is_empty() || !issuers.is_empty() || trusted_headers.is_some();
        if mode != Mode::Open {
            self.check_callers(&config, has_callers);
        }
        Some(Policy {
            paths: Paths {
                public: public_paths,
                extra: extra_paths,
                prefixes,
                without_version,
            },
            identities: Identities {
                keys,
                groups: std::mem::take(&mut self.groups),
                tenants: std::mem::take(&mut self.tenants),
                sources: credentials.sources,
                several: credentials.several,
                dummy_keys: credentials.dummy_keys,
                issuers,
                trusted_headers,
                names_user: fairness == Fairness::User
                    || limits.are_per_user()
                    || metering.filter_state,
                fairness,
            },
            access: Rules {
                models,
                mode,
                model_header,
                members,
                allow_background,
            },
            forwarding: credentials.forwarding,
            show_expiry: credentials.show_expiry,
            admitted,
            owned,
            tenant_headers,
            metering,
            limits,
            fingerprint: fingerprint(text),
        })
    }

    /// Unless the mode is `open`, somebody must be identifiable.
    fn check_callers(&mut self, config: &Config<'_>, has_callers: bool) {
        let sections = [
            config.keys,
            config.keys_from,
            config.jwt,
            config.trusted_headers,
        ];
        // A section with a fault has its own.
        let is_empty = self.faults.is_empty() && !has_callers;
        if is_empty || sections.iter().all(Option::is_none) {
            self.fault(
                "",
                "no caller can be identified; expected at least one entry in `keys`, `keysFrom` or `jwt`, or `trustedHeaders`",
            );
        }
    }

    fn fault(&mut self, path: impl ToString, message: impl Into<String>) {
        self.faults.push(Fault::new(path, message));
    }

    /// A variable of the gateway's environment. A fault does not repeat the name, which may be a misplaced key.
    fn variable(&mut self, path: &str, name: &str) -> Option<String> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || name.len() > MAX_VARIABLE || !name.bytes().all(letters) {
            self.fault(
                path,
                "expected the name of a variable: 1 to 100 letters, digits and `_`",
            );
            return None;
        }
        let value = (self.environment)(name).filter(|value| !value.trim().is_empty());
        if value.is_none() {
            self.fault(path, "the variable is unset or empty; expected a value in the filter's environment (`vm_config.environment_variables`)");
        }
        value
    }

    fn read_tenants(&mut self, config: &Config<'_>) {
        for (name, raw) in self.entries(config.tenants, "tenants") {
            let path = format!("tenants.{name}");
            self.check_name(&path, "the tenant's name", &name);
            // A faulty tenant is still known by name, so that its keys are not reported as faulty too.
            let tenant = read::<TenantConfig>(raw, &path, &mut self.faults).unwrap_or_default();
            if let Some(objective) = &tenant.objective {
                self.check_name(
                    &format_args!("{path}.objective"),
                    "the objective",
                    objective,
                );
            }
            let name: Rc<str> = name.into();
            let groups = self.group_set(&tenant.groups);
            let tenant = Tenant {
                name: Rc::clone(&name),
                groups,
                objective: tenant.objective.map(Into::into),
            };
            self.tenants.insert(name, Rc::new(tenant));
        }
    }

    fn mode(&mut self, config: &Config<'_>) -> Mode {
        let written = config
            .mode
            .and_then(|raw| read(raw.get(), "mode", &mut self.faults));
        match written {
            Some(ModeConfig::Audit) => Mode::Audit,
            Some(ModeConfig::Open) => Mode::Open,
            Some(ModeConfig::Enforce) | None => Mode::Enforce,
        }
    }

    fn metering(&mut self, config: &Config<'_>) -> (Metering, StreamUsage, bool) {
        let written = config
            .metering
            .and_then(|raw| read::<MeteringConfig>(raw.get(), "metering", &mut self.faults));
        written.unwrap_or_default().compile(&mut self.faults)
    }

    /// The rules. In mode `open` there may be none.
    fn models(&mut self, config: &Config<'_>, mode: Mode, default: StreamUsage) -> ModelRules {
        let mut rules = ModelRules::new(default);
        let faults_before = self.faults.len();
        let entries = self.entries(config.models, "models");
        if entries.is_empty() && mode != Mode::Open && self.faults.len() == faults_before {
            self.fault("models", r#"expected at least one model; to allow every model for every identified caller, write "*": {"access": "authenticated"}"#);
        }
        for (name, raw) in entries {
            let path = format!("models.{name}");
            self.check_not_reserved(&path, &name);
            let pattern = self.pattern(&path, &name);
            let Some(model) = read::<ModelConfig>(raw, &path, &mut self.faults) else {
                continue;
            };
            let rule = match (model.groups, model.access) {
                (Some(groups), None) => Rule::Groups(self.group_set(&groups)),
                (None, Some(AccessConfig::Authenticated)) => Rule::Authenticated,
                (None, Some(AccessConfig::Anonymous)) => Rule::Anonymous,
                _ => {
                    self.fault(&path, "expected either `groups` or `access`");
                    continue;
                }
            };
            let stream_usage = model.stream_usage.map_or(default, StreamUsage::from);
            let base = model
                .base_model
                .and_then(|base| self.model_name(&format!("{path}.baseModel"), &base));
            if let Some(pattern) = pattern {
                let entry = ModelEntry {
                    rule,
                    stream_usage,
                    base,
                };
                rules.insert(pattern, entry);
            }
        }
        rules
    }

    fn fairness(&mut self, config: &Config<'_>) -> Fairness {
        let written: Option<FairnessConfig> = config
            .fairness
            .and_then(|raw| read(raw.get(), "fairness", &mut self.faults));
        match written.map(|fairness| fairness.from) {
            Some(FairnessFrom::Key) => Fairness::Key,
            Some(FairnessFrom::User) => Fairness::User,
            Some(FairnessFrom::Attribute(name)) => {
                if config.trusted_headers.is_none() {
                    self.fault(
                        "fairness.from.attribute",
                        "attributes come from `trustedHeaders`; expected that section too",
                    );
                }
                Fairness::Attribute(name.into())
            }
            Some(FairnessFrom::Tenant) | None => Fairness::Tenant,
        }
    }

    fn model_header(&mut self, config: &Config<'_>) -> ModelHeader {
        let written: Option<ModelHeaderConfig> = config
            .model_header
            .and_then(|raw| read(raw.get(), "modelHeader", &mut self.faults));
        match written {
            None => ModelHeader {
                name: DEFAULT_MODEL_HEADER.into(),
                required: false,
            },
            Some(header) => ModelHeader {
                name: self.header_name("modelHeader.name", &header.name),
                required: header.required,
            },
        }
    }

    /// The entries of an object; a name that occurs twice is a fault.
    fn entries<'a>(
        &mut self,
        section: Option<&'a serde_json::value::RawValue>,
        path: &str,
    ) -> Vec<(String, &'a str)> {
        let Some(section) = section else {
            return Vec::new();
        };
        let Some(Entries(entries)) = read(section.get(), path, &mut self.faults) else {
            return Vec::new();
        };
        let mut names = FxHashSet::default();
        for (name, _) in &entries {
            if !names.insert(name.as_str()) {
                self.faults.push(Fault::new(
                    format!("{path}.{name}"),
                    "duplicate name; expected each name once",
                ));
            }
        }
        drop(names);
        entries
            .into_iter()
            .map(|(name, raw)| (name, raw.get()))
            .collect()
    }

    fn tenant(&mut self, path: &dyn fmt::Display, name: &str) -> Option<Rc<Tenant>> {
        let tenant = self.tenants.get(name).cloned();
        if tenant.is_none() {
            self.fault(path, "expected one of the names in `tenants`");
        }
        tenant
    }

    fn pattern(&mut self, path: &str, text: &str) -> Option<ModelPattern> {
        let pattern = ModelPattern::parse(text);
        if pattern.is_none() {
            self.fault(
                path,
                if model_name::is_long_in_bytes(text) {
                    LONG_IN_BYTES
                } else {
                    "expected a model name, `prefix*` or `*`; names are 256 printable characters at most, without a space at either end and without `*`"
                },
            );
        }
        pattern
    }

    fn patterns(&mut self, path: &str, texts: &[String]) -> Vec<ModelPattern> {
        let texts = texts.iter().enumerate();
        texts
            .filter_map(|(index, text)| self.pattern(&format!("{path}[{index}]"), text))
            .collect()
    }

    fn model_name(&mut self, path: &str, text: &str) -> Option<ModelName> {
        let model = ModelName::new(text);
        if model.is_none() {
            let message = if model_name::is_long_in_bytes(text) {
                LONG_IN_BYTES
            } else {
                "expected the name of a model: 256 printable characters at most, without a space at either end"
            };
            self.fault(path, message);
        }
        model
    }

    fn header_name(&mut self, path: &str, name: &str) -> Box<str> {
        if !is_token(name) {
            self.fault(path, "expected a header name");
        }
        name.to_ascii_lowercase().into()
    }

    /// A name that becomes a header value and a metric label must be safe as both.
    fn check_name(&mut self, path: &dyn fmt::Display, what: &str, name: &str) {
        if !is_name(name) {
            self.fault(
                path,
                format!("{what} must be 1 to 128 letters, digits and `._:/@+-`"),
            );
        }
        self.check_not_reserved(path, name);
    }

    fn check_not_reserved(&mut self, path: &dyn fmt::Display, name: &str) {
        if RESERVED_NAMES.contains(&name) {
            self.fault(
                path,
                format!("`{name}` is a reserved name; expected another one"),
            );
        }
    }

    fn group_set(&mut self, names: &[String]) -> GroupSet {
        sorted(names.iter().map(|name| self.groups.intern(name)).collect())
    }
}

/// Returns true if this is a valid name of a tenant, a key or an objective, which becomes a header value and a metric
/// label. It may still be one of [`RESERVED_NAMES`].
#[must_use]
pub fn is_name(text: &str) -> bool {
    model_name::is_name(text, MAX_NAME)
}

fn sorted(mut groups: Vec<GroupId>) -> GroupSet {
    groups.sort_unstable();
    groups.dedup();
    groups.into()
}

/// The characters of a token besides letters and digits.
pub(crate) const TOKEN_MARKS: &str = "!#$%&'*+.^_`|~-";

/// RFC 9110, section 5.6.2: the characters of a method, a header name and a scheme.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || TOKEN_MARKS.as_bytes().contains(&byte))
}

fn fingerprint(text: &str) -> u32 {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(4)
        .fold(0, |value: u32, byte| (value << 8) | u32::from(*byte))
}

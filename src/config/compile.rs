//! Configuration ▶ [`Policy`], or every fault at once.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::faults::{read, read_list};
use super::{
    AccessConfig, ClaimPath, Config, CredentialsConfig, Entries, ExtraPathConfig, FairnessConfig,
    FairnessFrom, Fault, IssuerConfig, KeyConfig, MeteringConfig, ModeConfig, ModelConfig,
    ModelHeaderConfig, PublicPathConfig, TenantConfig,
};
use crate::access::{ExtraPath, Mode, ModelLimit, ModelPattern, ModelRules, Rule};
use crate::identity::{Issuer, Source};
use crate::operation::PathRule;
use crate::policy::{
    Digest, Fairness, GroupSet, Groups, Key, KeyLimits, ModelHeader, Policy, Tenant,
};

/// Names that metrics use for what has no tenant or model of its own.
const RESERVED_NAMES: [&str; 3] = ["unknown", "anonymous", "other"];

/// Reads the plugin configuration.
///
/// # Errors
/// Every fault that can be told, each with its path. Validity never depends on the time: an expired key is no fault,
/// because a new gateway must start with it.
pub fn compile(text: &[u8]) -> Result<Policy, Vec<Fault>> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(vec![Fault::new("", "the configuration must be UTF-8")]);
    };
    if text.trim().is_empty() {
        return Err(vec![Fault::new(
            "",
            "the configuration is empty; expected a JSON object with `models` and `keys` or `jwt`",
        )]);
    }
    let mut compiler = Compiler::default();
    let policy = compiler.policy(text);
    match policy {
        Some(policy) if compiler.faults.is_empty() => Ok(policy),
        _ => Err(compiler.faults),
    }
}

#[derive(Default)]
struct Compiler {
    faults: Vec<Fault>,
    groups: Groups,
    tenants: HashMap<Rc<str>, Rc<Tenant>>,
}

impl Compiler {
    fn policy(&mut self, text: &str) -> Option<Policy> {
        let config: Config<'_> = read(text, "", &mut self.faults)?;
        self.read_tenants(&config);
        let keys = self.keys(&config);
        let issuers = self.issuers(&config);
        let mode = self.mode(&config);
        let mut models = self.models(&config, mode);
        models.hide_denied = config
            .hide_denied_models
            .and_then(|raw| read(raw.get(), "hideDeniedModels", &mut self.faults))
            .unwrap_or_default();
        let sources = self.sources(&config);
        let model_header = self.model_header(&config);
        let extra_paths = self.extra_paths(&config);
        let public_paths = self.public_paths(&config);
        let fairness: Option<FairnessConfig> = config
            .fairness
            .and_then(|raw| read(raw.get(), "fairness", &mut self.faults));
        let metering: Option<MeteringConfig> = config
            .metering
            .and_then(|raw| read(raw.get(), "metering", &mut self.faults));
        let none_tried = self.faults.is_empty() && keys.is_empty() && issuers.is_empty();
        if mode != Mode::Open && (none_tried || (config.keys.is_none() && config.jwt.is_none())) {
            self.fault(
                "",
                "nothing identifies anybody: expected at least one entry in `keys` or `jwt`",
            );
        }
        Some(Policy {
            keys,
            groups: std::mem::take(&mut self.groups),
            tenants: std::mem::take(&mut self.tenants),
            sources,
            issuers,
            models,
            model_header,
            extra_paths,
            public_paths,
            fairness: match fairness.map(|fairness| fairness.from) {
                Some(FairnessFrom::Key) => Fairness::Key,
                Some(FairnessFrom::User) => Fairness::User,
                Some(FairnessFrom::Tenant) | None => Fairness::Tenant,
            },
            mode,
            filter_state: metering.is_some_and(|metering| metering.filter_state),
            fingerprint: fingerprint(text),
        })
    }

    fn fault(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault::new(path, message));
    }

    fn read_tenants(&mut self, config: &Config<'_>) {
        for (name, raw) in self.entries(config.tenants, "tenants") {
            let path = format!("tenants.{name}");
            self.check_name(&path, "the tenant's name", &name);
            // A faulty tenant is still known by name, so that its keys are not called faulty as well.
            let tenant = read::<TenantConfig>(raw, &path, &mut self.faults).unwrap_or_default();
            if let Some(objective) = &tenant.objective {
                self.check_name(&format!("{path}.objective"), "the objective", objective);
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

    fn keys(&mut self, config: &Config<'_>) -> HashMap<Digest, Key> {
        let entries = read_list::<KeyConfig<'_>>(config.keys, "keys", &mut self.faults);
        let mut keys: HashMap<Digest, Key> = HashMap::with_capacity(entries.len());
        let mut ids = HashSet::with_capacity(entries.len());
        for (path, entry) in &entries {
            self.check_name(&format!("{path}.id"), "the key's id", &entry.id);
            if !ids.insert(entry.id.as_ref()) {
                self.fault(
                    format!("{path}.id"),
                    format!(
                        "duplicate key id `{}`; expected a name of its own",
                        entry.id
                    ),
                );
            }
            let tenant = self.tenant(&format!("{path}.tenant"), &entry.tenant);
            let digest = self.digest(&format!("{path}.keyHash"), &entry.key_hash);
            let limits = self.key_limits(path, entry);
            let (Some(tenant), Some(digest)) = (tenant, digest) else {
                continue;
            };
            let groups = if entry.groups.is_empty() {
                Rc::clone(&tenant.groups)
            } else {
                let own = self.group_set(&entry.groups);
                sorted(tenant.groups.iter().chain(own.iter()).copied().collect())
            };
            let key = Key {
                id: entry.id.as_ref().into(),
                tenant,
                groups,
                limits,
            };
            if let Some(other) = keys.insert(digest, key) {
                let message = format!(
                    "the same hash as the key `{}`; expected each key once",
                    other.id
                );
                self.fault(format!("{path}.keyHash"), message);
            }
        }
        keys
    }

    fn key_limits(&mut self, path: &str, entry: &KeyConfig<'_>) -> Option<Box<KeyLimits>> {
        let mut moment = |name: &str, text: &Option<String>| {
            let text = text.as_deref()?;
            let parsed = OffsetDateTime::parse(text, &Rfc3339).ok();
            if parsed.is_none() {
                self.fault(
                    format!("{path}.{name}"),
                    "expected an RFC 3339 date such as `2027-01-01T00:00:00Z`",
                );
            }
            parsed.map(OffsetDateTime::unix_timestamp)
        };
        let limits = KeyLimits {
            not_before: moment("notBefore", &entry.not_before),
            expires_at: moment("expiresAt", &entry.expires_at),
            disabled: entry.disabled,
            models: entry
                .models
                .as_ref()
                .map(|models| self.model_limit(path, models)),
        };
        let unlimited = limits.not_before.is_none()
            && limits.expires_at.is_none()
            && !limits.disabled
            && limits.models.is_none();
        (!unlimited).then(|| Box::new(limits))
    }

    fn model_limit(&mut self, path: &str, models: &[String]) -> ModelLimit {
        let patterns = models.iter().enumerate();
        ModelLimit(
            patterns
                .filter_map(|(index, name)| self.pattern(&format!("{path}.models[{index}]"), name))
                .collect(),
        )
    }

    fn issuers(&mut self, config: &Config<'_>) -> Vec<Issuer> {
        let entries = read_list::<IssuerConfig>(config.jwt, "jwt", &mut self.faults);
        let mut issuers: Vec<Issuer> = Vec::with_capacity(entries.len());
        for (path, entry) in entries {
            for (name, value) in [
                ("metadataKey", &entry.metadata_key),
                ("issuer", &entry.issuer),
            ] {
                if value.is_empty() {
                    self.fault(format!("{path}.{name}"), "expected a non-empty string");
                }
            }
            let known = |other: &Issuer| {
                other.metadata_key == entry.metadata_key && other.issuer == entry.issuer
            };
            if issuers.iter().any(known) {
                self.fault(
                    format!("{path}.issuer"),
                    "the same metadataKey and issuer as an entry before; expected each once",
                );
            }
            let tenant_from_group = entry.tenant_from_group.iter().enumerate();
            let tenant_from_group = tenant_from_group
                .filter_map(|(index, rule)| {
                    let tenant = self.tenant(
                        &format!("{path}.tenantFromGroup[{index}].tenant"),
                        &rule.tenant,
                    )?;
                    Some((self.groups.intern(&rule.group), tenant))
                })
                .collect();
            let default_tenant = entry
                .default_tenant
                .and_then(|name| self.tenant(&format!("{path}.defaultTenant"), &name));
            issuers.push(Issuer {
                groups_claim: self.claim(&format!("{path}.groupsClaim"), entry.groups_claim),
                tenant_claim: self.claim(&format!("{path}.tenantClaim"), entry.tenant_claim),
                user_claim: self.claim(&format!("{path}.userClaim"), entry.user_claim),
                metadata_key: entry.metadata_key,
                issuer: entry.issuer,
                tenant_from_group,
                default_tenant,
                group_prefix: entry.group_prefix,
            });
        }
        issuers
    }

    fn claim(&mut self, path: &str, claim: Option<ClaimPath>) -> Option<Vec<String>> {
        let segments = match claim? {
            ClaimPath::Name(name) => vec![name],
            ClaimPath::Path(path) => path,
        };
        if segments.is_empty()
            || segments
                .iter()
                .any(|segment| segment.is_empty() || segment.contains('\0'))
        {
            self.fault(
                path,
                "expected a claim name or a list of claim names, none of them empty",
            );
            return None;
        }
        Some(segments)
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

    /// The rules; in an open gateway there may be none.
    fn models(&mut self, config: &Config<'_>, mode: Mode) -> ModelRules {
        let mut rules = ModelRules::default();
        let faults_before = self.faults.len();
        let entries = self.entries(config.models, "models");
        if entries.is_empty() && mode != Mode::Open && self.faults.len() == faults_before {
            self.fault("models", r#"expected at least one model; to open every model to every identity write "*": {"access": "authenticated"}"#);
        }
        for (name, raw) in entries {
            let path = format!("models.{name}");
            let pattern = self.pattern(&path, &name);
            let Some(model) = read::<ModelConfig>(raw, &path, &mut self.faults) else {
                continue;
            };
            let rule = match (model.groups, model.access) {
                (Some(groups), None) => Rule::Groups(self.group_set(&groups)),
                (None, Some(AccessConfig::Authenticated)) => Rule::Authenticated,
                (None, Some(AccessConfig::Anonymous)) => Rule::Anonymous,
                _ => {
                    self.fault(path, "expected either `groups` or `access`");
                    continue;
                }
            };
            if let Some(pattern) = pattern {
                rules.insert(pattern, rule);
            }
        }
        rules
    }

    fn sources(&mut self, config: &Config<'_>) -> Vec<Source> {
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

    fn model_header(&mut self, config: &Config<'_>) -> ModelHeader {
        let written: Option<ModelHeaderConfig> = config
            .model_header
            .and_then(|raw| read(raw.get(), "modelHeader", &mut self.faults));
        match written {
            None => ModelHeader {
                name: "x-ai-eg-model".into(),
                required: false,
            },
            Some(header) => ModelHeader {
                name: self.header_name("modelHeader.name", &header.name),
                required: header.required,
            },
        }
    }

    fn extra_paths(&mut self, config: &Config<'_>) -> Vec<ExtraPath> {
        let entries =
            read_list::<ExtraPathConfig>(config.extra_paths, "extraPaths", &mut self.faults);
        let mut extra_paths = Vec::with_capacity(entries.len());
        for (path, entry) in entries {
            let rule = self.path_rule(&path, &entry.method, &entry.path);
            extra_paths.push(ExtraPath {
                rule,
                groups: self.group_set(&entry.groups),
            });
        }
        extra_paths
    }

    fn public_paths(&mut self, config: &Config<'_>) -> Vec<PathRule> {
        let entries =
            read_list::<PublicPathConfig>(config.public_paths, "publicPaths", &mut self.faults);
        entries
            .into_iter()
            .map(|(path, entry)| self.path_rule(&path, &entry.method, &entry.path))
            .collect()
    }

    fn path_rule(&mut self, at: &str, method: &str, path: &str) -> PathRule {
        if !is_token(method) || method.chars().any(|letter| letter.is_ascii_lowercase()) {
            self.fault(
                format!("{at}.method"),
                "expected an HTTP method in upper case such as `POST`",
            );
        }
        if !crate::operation::is_plain_path(path.as_bytes()) {
            self.fault(format!("{at}.path"), "expected an exact path that starts with `/`, without `%`, `?`, `;`, `\\`, empty or dot segments");
        }
        PathRule {
            method: method.into(),
            path: path.into(),
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
        let mut names = HashSet::new();
        for (name, _) in &entries {
            if !names.insert(name.as_str()) {
                self.faults.push(Fault::new(
                    format!("{path}.{name}"),
                    "written twice; expected each name once",
                ));
            }
        }
        drop(names);
        entries
            .into_iter()
            .map(|(name, raw)| (name, raw.get()))
            .collect()
    }

    fn tenant(&mut self, path: &str, name: &str) -> Option<Rc<Tenant>> {
        let tenant = self.tenants.get(name).cloned();
        if tenant.is_none() {
            self.fault(path, "expected one of the names in `tenants`");
        }
        tenant
    }

    fn digest(&mut self, path: &str, text: &str) -> Option<Digest> {
        let Some(digits) = text.strip_prefix("sha256:") else {
            let length = text.len();
            self.fault(path, format!(r#"expected "sha256:" and 64 hex digits, got {length} bytes that do not begin so"#));
            return None;
        };
        let mut digest = Digest::default();
        if hex::decode_to_slice(digits, &mut digest).is_err() {
            let count = digits.len();
            let found = if count == 64 {
                "a character that is no hex digit".to_owned()
            } else {
                format!("{count} characters")
            };
            self.fault(
                path,
                format!(r#"expected "sha256:" and 64 hex digits, got {found}"#),
            );
            return None;
        }
        Some(digest)
    }

    fn pattern(&mut self, path: &str, text: &str) -> Option<ModelPattern> {
        let pattern = ModelPattern::parse(text);
        if pattern.is_none() {
            self.fault(path, "expected a model name, `prefix*` or `*`; names hold letters, digits and `._:/@+-`, 256 at most");
        }
        pattern
    }

    fn header_name(&mut self, path: &str, name: &str) -> Box<str> {
        if !is_token(name) {
            self.fault(path, "expected a header name");
        }
        name.to_ascii_lowercase().into()
    }

    /// A name that becomes a header value and a metric label must be safe as both.
    fn check_name(&mut self, path: &str, what: &str, name: &str) {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(safe) {
            self.fault(
                path,
                format!("{what} must be 1 to 128 letters, digits and `._:/@+-`"),
            );
        }
        if RESERVED_NAMES.contains(&name) {
            self.fault(
                path,
                format!(
                    "`{name}` is reserved for what has no name of its own; expected another name"
                ),
            );
        }
    }

    fn group_set(&mut self, names: &[String]) -> GroupSet {
        sorted(names.iter().map(|name| self.groups.intern(name)).collect())
    }
}

fn sorted(mut groups: Vec<crate::policy::GroupId>) -> GroupSet {
    groups.sort_unstable();
    groups.dedup();
    groups.into()
}

/// RFC 9110, section 5.6.2: what a method, a header name and a scheme are made of.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn fingerprint(text: &str) -> u32 {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(4)
        .fold(0, |value: u32, byte| (value << 8) | u32::from(*byte))
}

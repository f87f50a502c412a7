//! `keys` and `keysFrom`: every accepted key, identified only by its hash.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use rustc_hash::{FxBuildHasher, FxHashSet};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Compiler, sorted};
use crate::config::faults::{raw_list, read, read_list};
use crate::config::{Config, KeyConfig, KeysFormat, KeysFromConfig};
use crate::identity::{KeyHash, Keys};
use crate::key_format::{Doubt, SHORTEST_LISTED, doubt};
use crate::model_name::ModelLimit;
use crate::tenant::{Digest, GroupSet, Key, KeyTerms, Tenant};

/// The keys so far, which the next key must not repeat.
struct Known {
    keys: Keys,
    ids: FxHashSet<Rc<str>>,
}

impl Compiler<'_> {
    pub(super) fn keys(&mut self, config: &Config<'_>) -> Keys {
        let entries = raw_list(config.keys, "keys", &mut self.faults);
        let mut known = Known {
            keys: Keys::with_capacity(entries.len()),
            ids: FxHashSet::with_capacity_and_hasher(entries.len(), FxBuildHasher),
        };
        // One at a time: 100,000 parsed entries side by side would outweigh the keys themselves.
        for (index, text) in entries.into_iter().enumerate() {
            let path = format!("keys[{index}]");
            if let Some(entry) = read::<KeyConfig<'_>>(text, &path, &mut self.faults) {
                self.key(&path, &entry, &mut known);
            }
        }
        for (path, entry) in
            read_list::<KeysFromConfig>(config.keys_from, "keysFrom", &mut self.faults)
        {
            self.keys_from(&path, &entry, &mut known);
        }
        known.keys
    }

    /// The keys of one variable. Faults name the place in it, `keysFrom[0].env[2]`, and never its content.
    fn keys_from(&mut self, path: &str, from: &KeysFromConfig, known: &mut Known) {
        let tenant = self.tenant(&format_args!("{path}.tenant"), &from.tenant);
        let path = format!("{path}.env");
        let (Some(text), Some(tenant)) = (self.variable(&path, &from.env), tenant) else {
            return;
        };
        let Some(entries) = list_entries(&text) else {
            self.fault(
                path,
                "the variable begins with `[` but is not a JSON list of strings",
            );
            return;
        };
        if entries.is_empty() {
            self.fault(path, "the variable holds no key; expected at least one");
            return;
        }
        // Whoever has passphrases for keys has nothing else; names stand beside keys.
        let reads_as_words = |entry: &str| doubt(entry.as_bytes()) == Some(Doubt::Words);
        let all_words = entries.iter().all(|entry| reads_as_words(entry));
        let groups = self.key_groups(&tenant, &from.groups);
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let (id, hash) = match from.format {
                KeysFormat::Plain => {
                    if let Some(fault) =
                        no_key(entry).filter(|_| !(all_words && reads_as_words(entry)))
                    {
                        self.fault(path, fault);
                        continue;
                    }
                    if let Some(other) = known.keys.find(entry.as_bytes()) {
                        let message = format!("the same key as `{}`; expected each once", other.id);
                        self.fault(path, message);
                        continue;
                    }
                    let id = format!("{}-{}", from.env, index.saturating_add(1));
                    (id, Some(KeyHash::of(entry.as_bytes())))
                }
                KeysFormat::Hashes => {
                    let Some((id, hash)) = entry.split_once('=') else {
                        self.fault(path, "expected `id=hash`");
                        continue;
                    };
                    (id.trim().to_owned(), self.key_hash(&path, hash.trim()))
                }
            };
            let id = self.key_id(&path, &id, known);
            let Some(hash) = hash else {
                continue;
            };
            let key = Key {
                id,
                tenant: Rc::clone(&tenant),
                groups: Rc::clone(&groups),
                terms: None,
            };
            self.insert(&path, hash, key, known);
        }
    }

    fn key(&mut self, path: &str, entry: &KeyConfig<'_>, known: &mut Known) {
        let id = self.key_id(&format_args!("{path}.id"), &entry.id, known);
        let tenant = self.tenant(&format_args!("{path}.tenant"), &entry.tenant);
        let hash = self.key_hash(&format_args!("{path}.keyHash"), &entry.key_hash);
        let terms = self.key_terms(path, entry);
        let (Some(tenant), Some(hash)) = (tenant, hash) else {
            return;
        };
        let key = Key {
            id,
            groups: self.key_groups(&tenant, &entry.groups),
            tenant,
            terms,
        };
        self.insert(&format_args!("{path}.keyHash"), hash, key, known);
    }

    fn insert(&mut self, path: &dyn fmt::Display, hash: KeyHash, key: Key, known: &mut Known) {
        if let Some(other) = known.keys.insert(hash, key) {
            let message = format!(
                "the same hash as the key `{}`; expected each key once",
                other.id
            );
            self.fault(path, message);
        }
    }

    fn key_id(&mut self, path: &dyn fmt::Display, id: &str, known: &mut Known) -> Rc<str> {
        self.check_name(path, "the key's id", id);
        let id: Rc<str> = id.into();
        if !known.ids.insert(Rc::clone(&id)) {
            self.fault(
                path,
                format!("duplicate key id `{id}`; expected a unique id"),
            );
        }
        id
    }

    /// The tenant's groups and the key's own.
    fn key_groups(&mut self, tenant: &Tenant, own: &[String]) -> GroupSet {
        if own.is_empty() {
            return Rc::clone(&tenant.groups);
        }
        let own = self.group_set(own);
        sorted(tenant.groups.iter().chain(own.iter()).copied().collect())
    }

    fn key_terms(&mut self, path: &str, entry: &KeyConfig<'_>) -> Option<Box<KeyTerms>> {
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
        let terms = KeyTerms {
            not_before: moment("notBefore", &entry.not_before),
            expires_at: moment("expiresAt", &entry.expires_at),
            disabled: entry.disabled,
            models: entry
                .models
                .as_ref()
                .map(|models| self.model_limit(path, models)),
            objective: entry.objective.as_deref().map(Rc::from),
        };
        if let Some(objective) = &terms.objective {
            self.check_name(
                &format_args!("{path}.objective"),
                "the objective",
                objective,
            );
        }
        let plain = terms.not_before.is_none()
            && terms.expires_at.is_none()
            && !terms.disabled
            && terms.models.is_none()
            && terms.objective.is_none();
        (!plain).then(|| Box::new(terms))
    }

    fn model_limit(&mut self, path: &str, models: &[String]) -> ModelLimit {
        let patterns = models.iter().enumerate();
        ModelLimit(
            patterns
                .filter_map(|(index, name)| self.pattern(&format!("{path}.models[{index}]"), name))
                .collect(),
        )
    }

    fn key_hash(&mut self, path: &dyn fmt::Display, text: &str) -> Option<KeyHash> {
        match text.strip_prefix("maas:") {
            Some(digits) => self.hex_digest(path, "maas:", digits).map(KeyHash::Maas),
            None => self.digest(path, text).map(KeyHash::Exact),
        }
    }

    /// `sha256:` and 64 hex digits.
    pub(super) fn digest(&mut self, path: &dyn fmt::Display, text: &str) -> Option<Digest> {
        let Some(digits) = text.strip_prefix("sha256:") else {
            let length = text.len();
            self.fault(path, format!(r#"expected "sha256:" and 64 hex digits, got {length} bytes without that prefix"#));
            return None;
        };
        self.hex_digest(path, "sha256:", digits)
    }

    fn hex_digest(
        &mut self,
        path: &dyn fmt::Display,
        scheme: &str,
        digits: &str,
    ) -> Option<Digest> {
        let mut digest = Digest::default();
        if hex::decode_to_slice(digits, &mut digest).is_ok() {
            return Some(digest);
        }
        let count = digits.len();
        let found = if count == 64 {
            "a character that is not a hex digit".to_owned()
        } else {
            format!("{count} characters")
        };
        self.fault(
            path,
            format!(r#"expected "{scheme}" and 64 hex digits, got {found}"#),
        );
        None
    }
}

/// The problem with an entry that should be a key.
fn no_key(entry: &str) -> Option<String> {
    match doubt(entry.as_bytes()) {
        Some(Doubt::Hash) => Some(format!(
            "{}; for hashes, use `format: hashes`",
            Doubt::Hash
        )),
        Some(Doubt::Guessable) | None => (entry.len() < SHORTEST_LISTED).then(|| {
            format!(
                "expected a key of {SHORTEST_LISTED} characters or more, got {}; configure a shorter key by its hash",
                entry.len()
            )
        }),
        Some(doubt) => Some(doubt.to_string()),
    }
}

/// The entries of a variable. `None` if it begins like a JSON list of strings but is not one.
#[must_use]
pub fn list_entries(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let text = text.trim();
    if text.starts_with('[') {
        let entries: Vec<String> = serde_json::from_str(text).ok()?;
        return Some(
            entries
                .iter()
                .map(|entry| entry.trim())
                .filter(|entry| !entry.is_empty())
                .map(|entry| Cow::Owned(entry.to_owned()))
                .collect(),
        );
    }
    let entries = text.split([',', '\n', '\r']).map(str::trim);
    Some(
        entries
            .filter(|entry| !entry.is_empty())
            .map(Cow::Borrowed)
            .collect(),
    )
}

//! `keys` and `keysFrom`: every key that is accepted, known by its hash alone.

use std::collections::HashSet;
use std::rc::Rc;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Compiler, sorted};
use crate::access::ModelLimit;
use crate::config::faults::{raw_list, read};
use crate::config::{Config, KeyConfig};
use crate::identity::{KeyHash, Keys};
use crate::policy::{Digest, GroupSet, Key, KeyLimits, Tenant};

/// The keys that are already known, for what the next one must not repeat.
struct Known {
    keys: Keys,
    ids: HashSet<Rc<str>>,
}

impl Compiler<'_> {
    pub(super) fn keys(&mut self, config: &Config<'_>) -> Keys {
        let entries = raw_list(config.keys, "keys", &mut self.faults);
        let mut known = Known {
            keys: Keys::with_capacity(entries.len()),
            ids: HashSet::with_capacity(entries.len()),
        };
        // One at a time: 100,000 parsed entries side by side would outweigh the keys themselves.
        for (index, text) in entries.into_iter().enumerate() {
            let path = format!("keys[{index}]");
            if let Some(entry) = read::<KeyConfig<'_>>(text, &path, &mut self.faults) {
                self.key(&path, &entry, &mut known);
            }
        }
        known.keys
    }

    fn key(&mut self, path: &str, entry: &KeyConfig<'_>, known: &mut Known) {
        let id = self.key_id(&format!("{path}.id"), &entry.id, known);
        let tenant = self.tenant(&format!("{path}.tenant"), &entry.tenant);
        let hash_path = format!("{path}.keyHash");
        let hash = self.key_hash(&hash_path, &entry.key_hash);
        let limits = self.key_limits(path, entry);
        let (Some(tenant), Some(hash)) = (tenant, hash) else {
            return;
        };
        let key = Key {
            id,
            groups: self.key_groups(&tenant, &entry.groups),
            tenant,
            limits,
        };
        if let Some(other) = known.keys.insert(hash, key) {
            self.fault(
                hash_path,
                format!(
                    "the same hash as the key `{}`; expected each key once",
                    other.id
                ),
            );
        }
    }

    fn key_id(&mut self, path: &str, id: &str, known: &mut Known) -> Rc<str> {
        self.check_name(path, "the key's id", id);
        let id: Rc<str> = id.into();
        if !known.ids.insert(Rc::clone(&id)) {
            self.fault(
                path,
                format!("duplicate key id `{id}`; expected a name of its own"),
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

    fn key_hash(&mut self, path: &str, text: &str) -> Option<KeyHash> {
        match text.strip_prefix("maas:") {
            Some(digits) => self.hex_digest(path, "maas:", digits).map(KeyHash::Maas),
            None => self.digest(path, text).map(KeyHash::Exact),
        }
    }

    /// `sha256:` and 64 hex digits.
    pub(super) fn digest(&mut self, path: &str, text: &str) -> Option<Digest> {
        let Some(digits) = text.strip_prefix("sha256:") else {
            let length = text.len();
            self.fault(path, format!(r#"expected "sha256:" and 64 hex digits, got {length} bytes that do not begin so"#));
            return None;
        };
        self.hex_digest(path, "sha256:", digits)
    }

    fn hex_digest(&mut self, path: &str, scheme: &str, digits: &str) -> Option<Digest> {
        let mut digest = Digest::default();
        if hex::decode_to_slice(digits, &mut digest).is_ok() {
            return Some(digest);
        }
        let count = digits.len();
        let found = if count == 64 {
            "a character that is no hex digit".to_owned()
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

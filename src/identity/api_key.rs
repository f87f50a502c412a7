//! API keys: looked up by their SHA-256, so that the configuration holds no key.
//!
//! Plain SHA-256 is sufficient for random keys of at least 128 bits. The look-up is by digest in a hash map. Its timing
//! reveals nothing, because an attacker cannot choose the digest of an unknown key.

use std::rc::Rc;

use rustc_hash::{FxBuildHasher, FxHashMap};
use sha2::{Digest as _, Sha256};

use super::credentials::Credential;
use super::{Identities, Identity, Proof, unverified};
use crate::date::rfc3339;
use crate::denial::{Code, Denial};
use crate::tenant::{Digest, Key, KeyTerms};

/// The prefix of keys of Models-as-a-Service. The id and, after a `_`, the secret follow.
const MAAS_PREFIX: &[u8] = b"sk-oai-";

/// All keys, found by their hash.
#[derive(Debug, Default)]
pub struct Keys {
    exact: FxHashMap<Digest, Key>,
    maas: FxHashMap<Digest, Key>,
}

/// The hash of a key, by its scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHash {
    /// SHA-256 of the key's exact bytes (`printf %s "$KEY" | sha256sum`).
    Exact(Digest),
    /// SHA-256 of the id, a NUL and the secret of a key `sk-oai-{id}_{secret}`: the hash that Models-as-a-Service
    /// stores, so that its keys can be imported without knowing them. The id ends at the first `_`.
    Maas(Digest),
}

impl KeyHash {
    /// The hash of a known key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self::Exact(Sha256::digest(key).into())
    }
}

impl Keys {
    /// No keys, with room for `capacity`.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            exact: FxHashMap::with_capacity_and_hasher(capacity, FxBuildHasher),
            maas: FxHashMap::default(),
        }
    }

    /// Adds a key. Returns the earlier key with the same hash, if there is one.
    pub(crate) fn insert(&mut self, hash: KeyHash, key: Key) -> Option<Key> {
        match hash {
            KeyHash::Exact(digest) => self.exact.insert(digest, key),
            KeyHash::Maas(digest) => self.maas.insert(digest, key),
        }
    }

    /// The key of these bytes. A second hash is only computed for a key that could be one of Models-as-a-Service, and
    /// only if such keys are configured.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Option<&Key> {
        let exact: Digest = Sha256::digest(bytes).into();
        self.exact.get(&exact).or_else(|| {
            if self.maas.is_empty() {
                return None;
            }
            self.maas.get(&maas_digest(bytes)?)
        })
    }

    /// Whether a key has this id. Not for the path of a request: it looks at every key.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        let mut keys = self.exact.values().chain(self.maas.values());
        keys.any(|key| *key.id == *id)
    }

    /// Which key expires next, and when, in seconds since the epoch. Expired and disabled keys are over already.
    #[must_use]
    pub fn next_expiry(&self, now: i64) -> Option<(i64, &str)> {
        let keys = self.exact.values().chain(self.maas.values());
        let ends = keys.filter_map(|key| {
            let terms = key.terms.as_ref().filter(|terms| !terms.disabled)?;
            Some((terms.expires_at?, &*key.id))
        });
        ends.filter(|(end, _)| now < *end).min()
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len().saturating_add(self.maas.len())
    }

    /// Returns true if there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.maas.is_empty()
    }
}

/// `None` for bytes that are not a key of Models-as-a-Service.
fn maas_digest(bytes: &[u8]) -> Option<Digest> {
    let rest = bytes.strip_prefix(MAAS_PREFIX)?;
    let end = memchr::memchr(b'_', rest)?;
    let (id, secret) = (rest.get(..end)?, rest.get(end.checked_add(1)?..)?);
    if id.is_empty() || secret.is_empty() {
        return None;
    }
    let hash = Sha256::new().chain_update(id).chain_update([0]);
    Some(hash.chain_update(secret).finalize().into())
}

/// The identity behind a key.
///
/// # Errors
/// [`Code::InvalidCredential`] for an unknown key, [`Code::ExpiredCredential`] for one that is known but not valid now. What
/// is wrong with it is said to whoever has it.
pub(super) fn identity(
    credential: Credential<'_>,
    identities: &Identities,
    now: i64,
) -> Result<Identity, Denial> {
    let key = credential.key_bytes();
    let Some(key) = key.and_then(|bytes| identities.keys.find(bytes)) else {
        let accepts_tokens = !identities.issuers.is_empty();
        return Err(unverified::refusal(credential.bytes(), accepts_tokens, now));
    };
    let terms = key.terms.as_deref();
    if let Some(fault) = terms.and_then(|terms| terms.fault(now)) {
        return Err(Denial::saying(Code::ExpiredCredential, fault));
    }
    Ok(Identity {
        tenant: Rc::clone(&key.tenant),
        groups: Rc::clone(&key.groups),
        leaves_out_groups: false,
        key: Some(Rc::clone(&key.id)),
        user: None,
        attribute: None,
        models: terms.and_then(|terms| terms.models.clone()),
        objective: terms.and_then(|terms| terms.objective.clone()),
        expires_at: terms.and_then(|terms| terms.expires_at),
        proof: Proof::Credential(Rc::clone(credential.header())),
    })
}

impl KeyTerms {
    /// Why the key is not valid now.
    fn fault(&self, now: i64) -> Option<String> {
        let date = |moment| rfc3339(moment).unwrap_or_default();
        if self.disabled {
            return Some("The API key is disabled. Ask your operator for a new one.".to_owned());
        }
        if let Some(start) = self.not_before.filter(|start| now < *start) {
            return Some(format!("The API key is not valid before {}.", date(start)));
        }
        let end = self.expires_at.filter(|end| *end <= now)?;
        Some(format!(
            "The API key expired at {}. Ask your operator for a new one.",
            date(end)
        ))
    }
}

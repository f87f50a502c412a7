//! API keys: looked up by the SHA-256 of their exact bytes, so that the configuration holds no key.
//!
//! Plain SHA-256 is right for random keys of 128 bits and more. The look-up is by digest in a hash map: its timing
//! tells nothing, because nobody can choose the digest of a key they do not have.

use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::Identity;
use super::credentials::Credential;
use crate::denial::Code;
use crate::policy::{Digest, KeyLimits, Policy};

/// The identity behind a key.
///
/// # Errors
/// [`Code::InvalidCredential`] for an unknown key, [`Code::ExpiredCredential`] for one that is known but not valid now.
pub(super) fn identity(
    credential: Credential<'_>,
    policy: &Policy,
    now: i64,
) -> Result<Identity, Code> {
    let bytes = credential.key_bytes().ok_or(Code::InvalidCredential)?;
    let digest: Digest = Sha256::digest(bytes).into();
    let key = policy.keys.get(&digest).ok_or(Code::InvalidCredential)?;
    let limits = key.limits.as_deref();
    if limits.is_some_and(|limits| !limits.admit(now)) {
        return Err(Code::ExpiredCredential);
    }
    Ok(Identity {
        tenant: Rc::clone(&key.tenant),
        groups: Rc::clone(&key.groups),
        key: Some(Rc::clone(&key.id)),
        user: None,
        models: limits.and_then(|limits| limits.models.clone()),
    })
}

impl KeyLimits {
    fn admit(&self, now: i64) -> bool {
        !self.disabled
            && self.not_before.is_none_or(|start| start <= now)
            && self.expires_at.is_none_or(|end| now < end)
    }
}

//! The headers in which clients send their credential: `Authorization: Bearer` (OpenAI, newer Anthropic SDKs),
//! `x-api-key` (older Anthropic SDKs), `api-key` (Azure).

use std::rc::Rc;

use crate::denial::Code;
use crate::headers::{HeaderMap, trimmed};

/// Longest credential that is checked, in bytes. Real keys are shorter than 200. Tokens are longer, but `jwt_authn`
/// verifies them, and they are never hashed here.
pub(crate) const MAX_KEY_LENGTH: usize = 512;

/// A header that may carry a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The header's name in lower case.
    pub header: Rc<str>,
    /// The scheme in front of the credential, matched without regard to case (RFC 9110, section 11.1). `None` for a
    /// bare credential.
    pub scheme: Option<Box<str>>,
}

impl Source {
    /// The three headers that SDKs use.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        vec![
            Self {
                header: "authorization".into(),
                scheme: Some("Bearer".into()),
            },
            Self {
                header: "x-api-key".into(),
                scheme: None,
            },
            Self {
                header: "api-key".into(),
                scheme: None,
            },
        ]
    }

    /// The credential in a value of the header.
    fn credential<'a>(&'a self, value: &'a [u8]) -> Result<Credential<'a>, Code> {
        let bare = match &self.scheme {
            None => value,
            Some(scheme) => {
                let (found, rest) = value
                    .split_at_checked(scheme.len())
                    .ok_or(Code::InvalidCredential)?;
                if !found.eq_ignore_ascii_case(scheme.as_bytes()) || !rest.starts_with(b" ") {
                    return Err(Code::InvalidCredential);
                }
                rest
            }
        };
        let bytes = trimmed(bare);
        if !is_visible(bytes) {
            return Err(Code::InvalidCredential);
        }
        Ok(Credential {
            bytes,
            header: &self.header,
        })
    }
}

/// Returns true if a client could send these bytes as a key.
#[must_use]
pub fn can_be_key(bytes: &[u8]) -> bool {
    is_visible(bytes) && bytes.len() <= MAX_KEY_LENGTH
}

/// RFC 6750's b64token and every known key format are visible ASCII. A comma or space means that a proxy in front
/// joined several headers.
fn is_visible(bytes: &[u8]) -> bool {
    let visible = |byte: &u8| byte.is_ascii_graphic() && *byte != b',';
    !bytes.is_empty() && bytes.iter().all(visible)
}

/// The credential of the client. It has no `Debug`, so that it cannot be logged.
#[derive(Clone, Copy)]
pub(super) struct Credential<'a> {
    bytes: &'a [u8],
    header: &'a Rc<str>,
}

impl<'a> Credential<'a> {
    /// The bytes to hash, unless they are too long for a key.
    pub(super) fn key_bytes(self) -> Option<&'a [u8]> {
        (self.bytes.len() <= MAX_KEY_LENGTH).then_some(self.bytes)
    }

    /// The header that carried it. If several did, the first in the order of the sources.
    pub(super) const fn header(self) -> &'a Rc<str> {
        self.header
    }

    /// Returns true if it has the three parts of a JWS in compact form (RFC 7515, section 7.1).
    pub(super) fn looks_like_token(self) -> bool {
        self.bytes.iter().filter(|byte| **byte == b'.').count() == 2
    }
}

/// The one credential of a request. The same value in several places is one credential.
///
/// An empty header is a failed credential, not a missing one: an anonymous client sends no header.
///
/// # Errors
/// [`Code::InvalidCredential`] for a value that cannot be a credential, [`Code::AmbiguousCredential`] for two different
/// credentials.
pub(super) fn find<'a>(
    headers: &'a HeaderMap,
    sources: &'a [Source],
) -> Result<Option<Credential<'a>>, Code> {
    let mut found: Option<Credential<'a>> = None;
    for source in sources {
        for value in headers.values(&source.header) {
            let credential = source.credential(value)?;
            match found {
                Some(other) if other.bytes != credential.bytes => {
                    return Err(Code::AmbiguousCredential);
                }
                Some(_) => {}
                None => found = Some(credential),
            }
        }
    }
    Ok(found)
}

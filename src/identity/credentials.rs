//! The headers in which clients send their credential: `Authorization: Bearer` (OpenAI, newer Anthropic SDKs),
//! `x-api-key` (older Anthropic SDKs), `api-key` (Azure).

use std::rc::Rc;

use super::Identities;
use crate::denial::{Code, Denial};
use crate::headers::{HeaderMap, trimmed};

/// Longest credential that is checked, in bytes. Real keys are shorter than 200. Tokens are longer, but `jwt_authn`
/// verifies them, and they are never hashed here.
pub(crate) const MAX_KEY_LENGTH: usize = 512;

/// Longest word that counts as no credential, in bytes.
pub(crate) const MAX_DUMMY_KEY: usize = 64;

/// What counts where several sources carry different credentials.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Several {
    /// None: the request is refused.
    #[default]
    Refuse,
    /// That of the first source that has one, be it good or bad.
    First,
}

/// A header that may carry a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The header's name in lower case.
    pub header: Rc<str>,
    /// The scheme in front of the credential, matched without regard to case (RFC 9110, section 11.1). `None` for a
    /// bare credential.
    pub scheme: Option<Box<str>>,
    /// Whether it is stripped and never read.
    pub strip_only: bool,
}

/// What one value of a source holds.
enum Content<'a> {
    /// Nothing: the header, or what follows the scheme, is empty, as SDKs without a key send it.
    Nothing,
    /// A credential of another scheme, which is nothing to this source.
    OtherScheme,
    /// What stands where a credential is expected.
    Credential(&'a [u8]),
}

impl Source {
    /// The three headers that SDKs use.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::new("authorization", Some("Bearer")),
            Self::new("x-api-key", None),
            Self::new("api-key", None),
        ]
    }

    /// A source that is read.
    fn new(header: &str, scheme: Option<&str>) -> Self {
        Self {
            header: header.into(),
            scheme: scheme.map(Into::into),
            strip_only: false,
        }
    }

    /// What one value of the header holds.
    ///
    /// # Errors
    /// [`Code::InvalidCredential`] for what has no scheme where one is expected.
    fn content<'a>(&self, value: &'a [u8]) -> Result<Content<'a>, Denial> {
        let value = trimmed(value);
        let Some(scheme) = &self.scheme else {
            return Ok(Content::of(value));
        };
        let end = value.iter().position(|byte| *byte == b' ');
        let (word, rest) = value.split_at(end.unwrap_or(value.len()));
        if word.eq_ignore_ascii_case(scheme.as_bytes()) {
            return Ok(Content::of(trimmed(rest)));
        }
        // A comma means that something in front of us joined several headers into one.
        let other = !word.is_empty() && !rest.is_empty() && !value.contains(&b',');
        match (value.is_empty(), other) {
            (true, _) => Ok(Content::Nothing),
            (_, true) => Ok(Content::OtherScheme),
            _ => Err(self.scheme_expected()),
        }
    }

    /// The refusal of what does not begin with the scheme.
    fn scheme_expected(&self) -> Denial {
        let header = &self.header;
        let scheme = self.scheme.as_deref().unwrap_or_default();
        Denial::saying(
            Code::InvalidCredential,
            format!("The header `{header}` must be `{scheme}`, a space and the key or token."),
        )
    }
}

impl<'a> Content<'a> {
    const fn of(bytes: &'a [u8]) -> Self {
        if bytes.is_empty() {
            Self::Nothing
        } else {
            Self::Credential(bytes)
        }
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
    /// What was sent.
    pub(super) const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

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

/// The one credential of a request. The same value in several places is one credential. What is empty, and what the
/// configuration lists as a dummy, is none; what has another scheme is none beside a credential, and a failed one alone.
///
/// # Errors
/// [`Code::InvalidCredential`] for a value that cannot be a credential, [`Code::AmbiguousCredential`] for two different
/// credentials.
pub(super) fn find<'a>(
    headers: &'a HeaderMap,
    identities: &'a Identities,
) -> Result<Option<Credential<'a>>, Denial> {
    let mut found: Option<Credential<'a>> = None;
    let mut other_scheme = None;
    let sources = identities.sources.iter();
    for source in sources.filter(|source| !source.strip_only) {
        // Two values of one header have no order that the sender has chosen.
        let mut is_of_this_source = false;
        for value in headers.values(&source.header) {
            let bytes = match source.content(value)? {
                Content::Nothing => continue,
                Content::OtherScheme => {
                    other_scheme.get_or_insert(source);
                    continue;
                }
                Content::Credential(bytes) => bytes,
            };
            if identities.is_dummy(bytes) {
                continue;
            }
            if !is_visible(bytes) {
                return Err(Denial::saying(Code::InvalidCredential, NOT_VISIBLE));
            }
            match found {
                Some(other) if other.bytes == bytes => {}
                Some(_) if identities.several == Several::Refuse || is_of_this_source => {
                    return Err(Code::AmbiguousCredential.into());
                }
                Some(_) => {}
                None => {
                    is_of_this_source = true;
                    found = Some(Credential {
                        bytes,
                        header: &source.header,
                    });
                }
            }
        }
        if found.is_some() && identities.several == Several::First {
            break;
        }
    }
    match (found, other_scheme) {
        (None, Some(source)) => Err(source.scheme_expected()),
        (found, _) => Ok(found),
    }
}

const NOT_VISIBLE: &str = "A key or token has visible ASCII characters alone, no spaces and no commas. Look for two credentials in one header, or for what was copied with the key.";

impl Identities {
    /// Whether clients send this where their SDK insists on a key and they have none.
    fn is_dummy(&self, bytes: &[u8]) -> bool {
        let mut dummies = self.dummy_keys.iter();
        dummies.any(|dummy| dummy.as_bytes() == bytes)
    }
}

//! The format of keys, and the recognition of text that is not a key although a key is expected.
//!
//! A key of `tollgate key new` is `sk-acme-k3v9x2mq_tg_` and 49 letters and digits. The part before `_tg_` is a prefix
//! and the key's public part, which identify the key's owner and nothing else. After it come 43 random letters and
//! digits, which are 256 bits, and then 6 for the CRC-32 of everything before them, in base 62. With the checksum,
//! secret scanners, the command and the filter can recognise a key, and distinguish a whole key from one that was cut.

use std::fmt;

use serde::Serialize;

use crate::identity::can_be_key;
use crate::identity::credentials::MAX_KEY_LENGTH;

/// The mark between the public part of a key and its secret.
pub const MARK: &str = "_tg_";
/// The number of letters and digits in the secret.
pub const SECRET: usize = 43;
/// The digits of secret and checksum, in the order of their values.
pub const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const CHECKSUM: usize = 6;

/// The shortest key in a list of keys. Names, headings and leftovers of a file are shorter.
pub(crate) const SHORTEST_LISTED: usize = 16;

/// This many equal characters in a row are a mask, as in `sk-xxxxxxxx`. One in 10^10 random keys has as many.
const MASK: usize = 8;

/// Placeholders for keys, in lower case.
const PLACEHOLDERS: [&str; 14] = [
    "change-me",
    "change_me",
    "changeme",
    "no-key-required",
    "placeholder",
    "replace-me",
    "replace_me",
    "replaceme",
    "your-api",
    "your-key",
    "your-token",
    "your_api",
    "your_key",
    "your_token",
];

/// Headings of tables of keys, in lower case.
const HEADINGS: [&str; 11] = [
    "api-key", "api_key", "apikey", "key", "keys", "name", "secret", "tenant", "token", "user",
    "username",
];

/// An objection to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Doubt {
    /// It is the hash of a key.
    Hash,
    /// It has the quotes of a file around it.
    Quoted,
    /// It has a header or a scheme in front of it.
    Scheme,
    /// It is a placeholder.
    Placeholder,
    /// It is an e-mail address, perhaps of the key's owner.
    Address,
    /// It has a name in front of it.
    Named,
    /// It is a key of `key new`, but not complete.
    Checksum,
    /// No client could send it.
    Unsendable,
    /// It is made of words, as the name of somebody or something.
    Words,
    /// Nobody needs 2^128 attempts.
    Guessable,
}

impl Doubt {
    /// Returns true if it is not a key at all, and not just a weak one.
    #[must_use]
    pub const fn is_no_key(self) -> bool {
        !matches!(self, Self::Checksum | Self::Words | Self::Guessable)
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hash => "expected a key, got a value that looks like a hash",
            Self::Quoted => "expected a key, got a key in quotes",
            Self::Scheme => {
                "expected a key, got a key after a header name or a scheme such as `Bearer`"
            }
            Self::Placeholder => "expected a key, got a placeholder",
            Self::Address => "expected a key, got a value that looks like an e-mail address",
            Self::Named => "expected a key, got a key after a name",
            Self::Checksum => "the key is cut or mistyped: its checksum is wrong",
            Self::Unsendable => {
                "expected a key of 1 to 512 visible ASCII characters without commas"
            }
            Self::Words => "expected a key, got what reads as a name: words, and nothing random",
            Self::Guessable => {
                "the key is short enough to be guessed; expected at least 128 random bits"
            }
        })
    }
}

/// The strongest objection to these bytes as a key.
#[must_use]
pub fn doubt(key: &[u8]) -> Option<Doubt> {
    let text = std::str::from_utf8(key).ok();
    let Some(text) = text.filter(|text| text.len() <= MAX_KEY_LENGTH) else {
        return Some(Doubt::Unsendable);
    };
    if let Some(other) = something_else(text) {
        return Some(other);
    }
    if let Some((body, tail)) = text.rsplit_once(MARK) {
        return (!is_whole(body, tail)).then_some(Doubt::Checksum);
    }
    if !can_be_key(key) {
        return Some(Doubt::Unsendable);
    }
    if text.len() >= SHORTEST_LISTED && is_words(text) {
        return Some(Doubt::Words);
    }
    (bits(key) < 128.0).then_some(Doubt::Guessable)
}

/// Whether it reads as a name, such as `platform-engineering` or `Jane_Doe_2024`: each part is a word of letters in one case
/// or a short number. A random key has no such parts but once in thousands. What begins with `sk` is meant as a key.
fn is_words(text: &str) -> bool {
    const LONGEST_WORD: usize = 20;
    const LONGEST_NUMBER: usize = 4;
    let is_word = |part: &str| {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_uppercase());
        let in_one_case = rest.is_empty() || part.len() <= rest.len().saturating_add(1);
        part.len() <= LONGEST_WORD
            && in_one_case
            && rest.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let is_number =
        |part: &str| part.len() <= LONGEST_NUMBER && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split(['-', '_', '.', '/', '@', '+']);
    !text.starts_with("sk-") && parts.all(|part| is_word(part) || is_number(part))
}

/// The checksum at the end of a key, of all that stands before it.
#[must_use]
pub fn checksum(text: &str) -> String {
    let mut rest = u64::from(crc32fast::hash(text.as_bytes()));
    let mut sum = ['0'; CHECKSUM];
    for place in sum.iter_mut().rev() {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        *place = DIGITS.get(digit).map_or('0', |digit| char::from(*digit));
        rest /= 62;
    }
    sum.iter().collect()
}

/// Returns true if this is the complete part after the mark.
fn is_whole(body: &str, tail: &str) -> bool {
    tail.split_at_checked(SECRET)
        .is_some_and(|(secret, sum)| checksum(&format!("{body}{MARK}{secret}")) == sum)
}

/// The most bits that the text could have, if each character were drawn from all of its kind.
fn bits(key: &[u8]) -> f64 {
    let kind = |test: fn(&u8) -> bool, size: u32| if key.iter().any(test) { size } else { 0 };
    let hex = key.iter().all(u8::is_ascii_hexdigit);
    let letters = if hex {
        kind(u8::is_ascii_alphabetic, 6)
    } else {
        kind(u8::is_ascii_lowercase, 26).saturating_add(kind(u8::is_ascii_uppercase, 26))
    };
    let others = kind(|byte| !byte.is_ascii_alphanumeric(), 33);
    let size = letters
        .saturating_add(kind(u8::is_ascii_digit, 10))
        .saturating_add(others);
    f64::from(size).log2() * f64::from(u16::try_from(key.len()).unwrap_or(u16::MAX))
}

fn something_else(text: &str) -> Option<Doubt> {
    let small = text.to_ascii_lowercase();
    let is_quote = |letter: char| matches!(letter, '"' | '\'' | '`');
    if small.contains("sha256:") || small.contains("maas:") {
        Some(Doubt::Hash)
    } else if text.starts_with(is_quote) || text.ends_with(is_quote) {
        Some(Doubt::Quoted)
    } else if has_scheme(&small) {
        Some(Doubt::Scheme)
    } else if is_placeholder(&small) {
        Some(Doubt::Placeholder)
    } else if is_address(text) {
        Some(Doubt::Address)
    } else if has_name(text) {
        Some(Doubt::Named)
    } else {
        None
    }
}

fn has_scheme(small: &str) -> bool {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t', ':', '=', '%', '+']);
    let mut words = ["api-key", "authorization", "basic", "bearer", "x-api-key"].into_iter();
    // As a word of its own, a name of this kind is a heading.
    !HEADINGS.contains(&small) && words.any(|word| small.strip_prefix(word).is_some_and(ends))
}

fn is_placeholder(small: &str) -> bool {
    let bytes = small.as_bytes();
    let masked = bytes
        .chunk_by(|one, next| one == next)
        .any(|run| run.len() >= MASK);
    masked
        || small.starts_with(['<', '{', '[', '$'])
        || HEADINGS.contains(&small)
        || PLACEHOLDERS.iter().any(|word| small.contains(word))
}

/// An e-mail address: a name of few kinds of letters, and a domain with a dot.
fn is_address(text: &str) -> bool {
    let plain = |text: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        !text.is_empty() && text.bytes().all(letter)
    };
    text.split_once('@').is_some_and(|(name, domain)| {
        let end = domain.rsplit_once('.').map_or("", |(_, end)| end);
        let is_end = end.len() >= 2 && end.bytes().all(|byte| byte.is_ascii_alphabetic());
        plain(name) && plain(domain) && is_end
    })
}

/// `name:key` and `name=key`. At its end base64 has `=` of its own.
fn has_name(text: &str) -> bool {
    text.trim_end_matches('=').contains([':', '='])
}

#[cfg(test)]
mod tests;

//! What keys of `tollgate key new` look like: `sk-acme-k3v9x2mq_tg_` and 49 letters and digits.
//!
//! Before `_tg_` stand a prefix and the key's public part, which tell whose key it is and nothing else. After it stand 43
//! random letters and digits, which are 256 bits, and 6 that are the CRC-32 of all before them in base 62: secret scanners
//! and `tollgate key hash` know by them a key from what is none, and a whole key from one that was cut.

use std::fmt;

use serde::Serialize;

use crate::output::Failure;

const MARK: &str = "_tg_";
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key that begins with `prefix` and `public`.
pub(super) fn make(prefix: &str, public: &str) -> Result<String, Failure> {
    let mut key = format!("{prefix}-{public}{MARK}{}", random(DIGITS, SECRET)?);
    let sum = checksum(&key);
    key.push_str(&sum);
    Ok(key)
}

/// The public part of a key: lower case is easier to read aloud.
pub(super) fn public() -> Result<String, Failure> {
    random(b"0123456789abcdefghijklmnopqrstuvwxyz", 8)
}

/// Some of `digits`, each as likely as the others.
fn random(digits: &[u8], count: usize) -> Result<String, Failure> {
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let mut byte = [0];
        getrandom::fill(&mut byte)
            .map_err(|error| Failure::new(format!("the system gives no random bytes: {error}")))?;
        // Six bits; what is beyond the digits is drawn again, else the first digits would come more often.
        let digit = digits.get(usize::from(byte[0] & 63));
        text.extend(digit.map(|digit| char::from(*digit)));
    }
    Ok(text)
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes()) as usize;
    let mut sum = ['0'; CHECKSUM];
    for place in sum.iter_mut().rev() {
        *place = DIGITS
            .get(rest % 62)
            .map_or('0', |digit| char::from(*digit));
        rest /= 62;
    }
    sum.iter().collect()
}

/// What speaks against a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Doubt {
    /// It is one of `key new`, and not whole.
    Checksum,
    /// Nobody needs 2^128 attempts.
    Guessable,
}

impl fmt::Display for Doubt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Checksum => "the key is cut or mistyped: its checksum is wrong",
            Self::Guessable => {
                "the key is short enough to be guessed; expected at least 128 random bits"
            }
        })
    }
}

pub(crate) fn doubt(key: &[u8]) -> Option<Doubt> {
    if let Some((body, tail)) = std::str::from_utf8(key)
        .ok()
        .and_then(|key| key.rsplit_once(MARK))
    {
        let whole = tail.len() == SECRET.saturating_add(CHECKSUM);
        let sum = tail.get(SECRET..).filter(|_| whole);
        let body = tail
            .get(..SECRET)
            .map(|secret| format!("{body}{MARK}{secret}"));
        let right = body.is_some_and(|body| sum == Some(checksum(&body).as_str()));
        return (!right).then_some(Doubt::Checksum);
    }
    // As many as there could be if each character were drawn from all of its kind.
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
    let bits = f64::from(size).log2() * f64::from(u16::try_from(key.len()).unwrap_or(u16::MAX));
    (bits < 128.0).then_some(Doubt::Guessable)
}

#[cfg(test)]
mod tests;

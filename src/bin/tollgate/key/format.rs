//! Creates keys in [their format](tollgate::key_format).

use tollgate::key_format::{DIGITS, MARK, SECRET, checksum};

use crate::output::Failure;

/// A key that begins with `prefix` and `public`.
pub(super) fn make(prefix: &str, public: &str) -> Result<String, Failure> {
    let mut key = format!("{prefix}-{public}{MARK}{}", random(DIGITS, SECRET)?);
    let sum = checksum(&key);
    key.push_str(&sum);
    Ok(key)
}

/// The public part of a key. Lower case is easier to read aloud.
pub(super) fn public() -> Result<String, Failure> {
    random(b"0123456789abcdefghijklmnopqrstuvwxyz", 8)
}

/// Random `digits`, all with the same probability.
fn random(digits: &[u8], count: usize) -> Result<String, Failure> {
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let mut byte = [0];
        getrandom::fill(&mut byte).map_err(|error| {
            Failure::new(format!("the system provides no random bytes: {error}"))
        })?;
        // Six bits. A value beyond the digits is drawn again, because the first digits would otherwise be more
        // frequent.
        let digit = digits.get(usize::from(byte[0] & 63));
        text.extend(digit.map(|digit| char::from(*digit)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;

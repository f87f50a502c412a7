//! What a token says that nobody has verified, for the words of its refusal and for nothing else.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::date::rfc3339;
use crate::denial::{Code, Denial};

/// The times of a token, as JSON numbers.
#[derive(Deserialize)]
struct Times<'a> {
    #[serde(borrow)]
    exp: Option<&'a RawValue>,
    #[serde(borrow)]
    nbf: Option<&'a RawValue>,
}

/// The refusal of a credential that is no known key. Where it is a token, `jwt_authn` has not accepted it, and says nowhere
/// why; the client knows its payload already, so nothing is given away.
pub(super) fn refusal(credential: &[u8], accepts_tokens: bool, now: i64) -> Denial {
    let code = Code::InvalidCredential;
    let Some(payload) = payload(credential) else {
        return code.into();
    };
    let Ok(times) = serde_json::from_slice::<Times<'_>>(&payload) else {
        return code.into();
    };
    if !accepts_tokens {
        return Denial::saying(code, "Tokens are not accepted here. Send an API key.");
    }
    let date = |moment| rfc3339(moment).unwrap_or_default();
    match (times.exp.and_then(seconds), times.nbf.and_then(seconds)) {
        (Some(end), _) if end <= now => Denial::saying(
            code,
            format!("The token expired at {}. Get a new one.", date(end)),
        ),
        (_, Some(start)) if now < start => Denial::saying(
            code,
            format!("The token is not valid before {}.", date(start)),
        ),
        _ => Denial::saying(
            code,
            "The token could not be verified: its issuer, its audience or its signature is not accepted here.",
        ),
    }
}

/// The payload of a token in the compact form of RFC 7515, section 7.1.
fn payload(token: &[u8]) -> Option<Vec<u8>> {
    let mut parts = token.split(|byte| *byte == b'.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = decoded(payload).filter(|payload| payload.starts_with(b"{"));
    payload.filter(|_| parts.next().is_none())
}

/// Whole seconds of a number.
fn seconds(number: &RawValue) -> Option<i64> {
    number.get().split('.').next()?.parse().ok()
}

/// Base64url without padding (RFC 4648, section 5).
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |byte: u8| {
        let place = memchr::memchr(byte, ALPHABET)?;
        u32::try_from(place).ok()
    };
    let mut bytes = Vec::with_capacity(text.len());
    for chunk in text.chunks(4) {
        let mut word = 0_u32;
        for place in 0..4 {
            let digit = chunk.get(place).map_or(Some(0), |byte| digit(*byte))?;
            word = (word << 6) | digit;
        }
        let [_, word @ ..] = word.to_be_bytes();
        bytes.extend(word.into_iter().take(chunk.len().saturating_sub(1)));
    }
    Some(bytes)
}

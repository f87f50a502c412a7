//! The query of a request: credentials, which servers must not see, and models, which are not judged there.
//!
//! Servers parse parameters in many ways. A name is compared as the most lenient server would read it: decoded, in any
//! letter case, and without characters that frameworks remove or treat alike. A name that no server reads this way is
//! stripped or refused needlessly. A name that is missed is a credential in a log, or a model that was not judged.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::headers::HeaderMap;

/// Parameters with credentials, in lower case. `-`, `_`, `.` and spaces are ignored.
pub(crate) const CREDENTIALS: [&str; 19] = [
    "access_token",
    "api_key",
    "api_token",
    "auth",
    "auth_token",
    "authorization",
    "bearer_token",
    "client_secret",
    "id_token",
    "jwt",
    "key",
    "ocp_apim_subscription_key",
    "password",
    "secret",
    "subscription_key",
    "token",
    "x_api_key",
    "x_auth_token",
    "x_goog_api_key",
];

/// Parameters from which servers or their frameworks read a model, in lower case. `-`, `_` and spaces are ignored.
pub(crate) const MODELS: [&str; 8] = [
    "deployment",
    "deployment_id",
    "engine",
    "model",
    "model_id",
    "model_name",
    "model_uid",
    "models",
];

/// The most layers of percent-encoding that consecutive readers decode.
const LAYERS: usize = 4;

/// The path without the parameters that carry credentials; `None` if there are none.
#[must_use]
pub fn without_secrets(path: &str) -> Option<String> {
    let (path, query) = path.split_once('?')?;
    if !parts(query).any(is_credential) {
        return None;
    }
    let mut kept = String::with_capacity(query.len());
    for parameter in query.split('&') {
        // Text after a `;` may be part of this value, so it is removed too.
        if is_credential(parameter) {
            continue;
        }
        let mut separator = '&';
        for part in parameter.split(';').filter(|part| !is_credential(part)) {
            if !kept.is_empty() {
                kept.push(separator);
            }
            kept.push_str(part);
            separator = ';';
        }
    }
    Some(if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{kept}")
    })
}

/// Returns true if the query names a model, with or without a value.
#[must_use]
pub fn names_model(headers: &HeaderMap) -> bool {
    let path = headers.first(":path").unwrap_or_default();
    let mut halves = path.splitn(2, |byte| *byte == b'?');
    let Some(query) = halves.nth(1).filter(|query| !query.is_empty()) else {
        return false;
    };
    parts(&String::from_utf8_lossy(query)).any(|part| {
        let name = plain_name(part);
        // Some read `model.x` as a member of `model`, and strings in C end at a NUL.
        let first = name.split(['.', '\0']).next().unwrap_or_default();
        is_one_of(&MODELS, &name) || is_one_of(&MODELS, first)
    })
}

/// The parts between `&`, and between `;`, which older servers treat the same.
fn parts(query: &str) -> impl Iterator<Item = &str> {
    query.split(['&', ';'])
}

fn is_credential(parameter: &str) -> bool {
    is_one_of(&CREDENTIALS, &plain_name(parameter))
}

/// The name of a parameter: decoded, and without the brackets that frameworks use for lists and objects.
fn plain_name(parameter: &str) -> String {
    let name = parameter
        .split_once('=')
        .map_or(parameter, |(name, _)| name);
    let mut name = Cow::Borrowed(name.as_bytes());
    for _ in 0..LAYERS {
        if !name.contains(&b'%') {
            break;
        }
        name = Cow::Owned(percent_decode(&name).collect());
    }
    let name = String::from_utf8_lossy(&name);
    let name = name.trim_start_matches(|letter: char| letter == '[' || is_blank(letter));
    let end = name.find(['[', ']']).unwrap_or(name.len());
    name.get(..end).unwrap_or_default().to_owned()
}

fn is_blank(letter: char) -> bool {
    letter == '+' || letter.is_whitespace() || letter.is_control()
}

/// Returns true if this is one of the names for a reader that ignores letter case and marks between words.
fn is_one_of(names: &[&str], name: &str) -> bool {
    let is_mark = |letter: char| matches!(letter, '-' | '_' | '.') || is_blank(letter);
    let letters: String = name
        .chars()
        .filter(|letter| !is_mark(*letter))
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let is = |known: &&str| {
        let known = known.bytes().filter(|byte| *byte != b'_');
        known.eq(letters.bytes())
    };
    names.iter().any(is)
}

#[cfg(test)]
mod tests;

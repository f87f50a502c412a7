//! What a refusal says of its cause, and of the way out.

use serde_json::{Value, json};

use super::*;

/// Code and message of the refusal of these headers.
fn said(config: &Value, headers: &[(&str, &str)]) -> (Code, String) {
    let policy = fixtures::policy(config);
    let denial = identify(&chat(headers), &policy.identities, NOW, &no_token).unwrap_err();
    let body: Value =
        serde_json::from_str(&denial.body(crate::denial::Dialect::OpenAi, None)).unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    (denial.code(), message.to_owned())
}

#[wasm_bindgen_test(unsupported = test)]
fn a_key_that_is_not_valid_now_says_why() {
    for (entry, expected) in [
        (
            json!({"expiresAt": "2027-01-01T00:00:00Z"}),
            "The API key expired at 2027-01-01T00:00:00Z. Ask your operator for a new one.",
        ),
        (
            json!({"notBefore": "2027-02-01T09:00:00+01:00"}),
            "The API key is not valid before 2027-02-01T08:00:00Z.",
        ),
        (
            json!({"disabled": true, "expiresAt": "2027-01-01T00:00:00Z"}),
            "The API key is disabled. Ask your operator for a new one.",
        ),
    ] {
        let mut config = fixtures::demo();
        let key = config["keys"][0].as_object_mut().unwrap();
        key.extend(entry.as_object().unwrap().clone());
        let found = said(&config, &[("x-api-key", ACME_KEY)]);
        assert_eq!(found, (Code::ExpiredCredential, expected.to_owned()));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_header_that_is_not_as_expected_says_what_is() {
    let scheme = "The header `authorization` must be `Bearer`, a space and the key or token.";
    let plain = "A key or token has visible ASCII characters alone, no spaces and no commas. Look for two credentials in one header, or for what was copied with the key.";
    let unknown = "The API key or token is not valid.";
    for (name, header, value, expected) in [
        ("no scheme", "authorization", ACME_KEY, scheme),
        ("another scheme", "authorization", "Basic c2s6", scheme),
        (
            "a word before it",
            "authorization",
            "Token sk-unknown",
            scheme,
        ),
        ("a space in it", "authorization", "Bearer sk unknown", plain),
        (
            "two in one",
            "authorization",
            "Bearer sk-a,Bearer sk-b",
            plain,
        ),
        (
            "a scheme where none is",
            "x-api-key",
            "Bearer sk-unknown",
            plain,
        ),
        ("unknown", "x-api-key", "sk-unknown", unknown),
        ("unknown, and with dots", "x-api-key", "a.b.c", unknown),
    ] {
        let found = said(&fixtures::demo(), &[(header, value)]);
        let expected = (Code::InvalidCredential, expected.to_owned());
        assert_eq!(found, expected, "{name}");
    }
}

/// Base64url without padding.
fn encoded(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
    let bits: Vec<char> = bits.chars().collect();
    let digit = |bits: &[char]| {
        let bits: String = bits.iter().collect();
        let index = usize::from_str_radix(&format!("{bits:0<6}"), 2).unwrap();
        char::from(ALPHABET[index])
    };
    bits.chunks(6).map(digit).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn a_token_that_was_not_verified_says_what_its_own_times_tell() {
    let unverified = "The token could not be verified: its issuer, its audience or its signature is not accepted here.";
    let unknown = "The API key or token is not valid.";
    let expired = "The token expired at 2027-01-15T08:00:00Z. Get a new one.";
    for (payload, expected) in [
        (r#"{"exp":1800000000}"#, expired),
        (r#"{"exp":1800000000.9,"nbf":1}"#, expired),
        (
            r#"{"exp":1800003600,"nbf":1800000001}"#,
            "The token is not valid before 2027-01-15T08:00:01Z.",
        ),
        (r#"{"exp":1800000001,"iss":"https://sso"}"#, unverified),
        (r#"{"exp":"1800000000"}"#, unverified),
        (r#"{"exp":-1e400,"nbf":null}"#, unverified),
        ("{}", unverified),
        (r#"{"ünïcode":"ß","nbf":0}"#, unverified),
        (r#"{"exp":"#, unknown),
        ("[]", unknown),
    ] {
        let token = format!(
            "{}.{}.c2ln",
            encoded(r#"{"alg":"ES256"}"#),
            encoded(payload)
        );
        for (header, value) in [
            ("authorization", format!("Bearer {token}")),
            ("x-api-key", token.clone()),
        ] {
            let found = said(&fixtures::demo(), &[(header, &value)]);
            let expected = (Code::InvalidCredential, expected.to_owned());
            assert_eq!(found, expected, "{payload}");
        }
    }
    let long = format!(r#"{{"exp":1800000000,"pad":"{}"}}"#, "x".repeat(5000));
    let token = format!("Bearer a.{}.c", encoded(&long));
    let found = said(&fixtures::demo(), &[("authorization", &token)]);
    assert_eq!(found.1, expired, "longer than a key may be");
}

#[wasm_bindgen_test(unsupported = test)]
fn where_no_issuer_is_configured_a_token_is_told_so() {
    let mut config = fixtures::demo();
    config["jwt"] = json!([]);
    let token = format!("Bearer a.{}.c", encoded(r#"{"exp":1}"#));
    assert_eq!(
        said(&config, &[("authorization", &token)]),
        (
            Code::InvalidCredential,
            "Tokens are not accepted here. Send an API key.".to_owned()
        )
    );
}

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// Its last six characters were computed with Python's `zlib.crc32`.
const KEY: &str = "sk-acme-k3v9x2mq_tg_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg0K5X9P";

#[wasm_bindgen_test(unsupported = test)]
fn a_key_that_is_cut_or_mistyped_is_doubted() {
    for (name, key, expected) in [
        ("whole", KEY.to_owned(), None),
        (
            "cut",
            KEY.split_at(KEY.len() - 1).0.to_owned(),
            Some(Doubt::Checksum),
        ),
        (
            "cut in the secret",
            KEY.split_at(40).0.to_owned(),
            Some(Doubt::Checksum),
        ),
        ("longer", format!("{KEY}x"), Some(Doubt::Checksum)),
        (
            "another digit",
            KEY.replace('5', "6"),
            Some(Doubt::Checksum),
        ),
        (
            "another prefix",
            KEY.replace("acme", "acne"),
            Some(Doubt::Checksum),
        ),
        ("not ASCII", KEY.replace('Z', "é"), Some(Doubt::Checksum)),
    ] {
        assert_eq!(doubt(key.as_bytes()), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_key_of_others_is_doubted_where_it_is_short() {
    for (name, key, expected) in [
        ("a word", "token-abc123", Some(Doubt::Guessable)),
        (
            "31 hex digits",
            "0123456789abcdef0123456789abcde",
            Some(Doubt::Guessable),
        ),
        ("32 hex digits", "0123456789abcdef0123456789abcdef", None),
        (
            "38 decimal digits",
            "01234567890123456789012345678901234567",
            Some(Doubt::Guessable),
        ),
        (
            "39 decimal digits",
            "012345678901234567890123456789012345678",
            None,
        ),
        ("OpenAI's", "sk-proj-Abc0123456789Abc0123456789", None),
        ("a UUID", "5f0e7d1c-3a52-4b6f-9d2e-0c1a2b3c4d5e", None),
        ("a name", "platform-engineering-team", Some(Doubt::Words)),
        (
            "a name with a year",
            "Jane_Doe.Research-2024",
            Some(Doubt::Words),
        ),
        ("one word", "administratorteam", Some(Doubt::Words)),
        ("a heading", "OWNER_DEPARTMENT_NAME", Some(Doubt::Words)),
        (
            "words that are meant as a key",
            "sk-team-of-the-night-shift",
            None,
        ),
        (
            "random letters in both cases",
            "kfJqPzWmXbRtYvNsHdLcGaEu",
            None,
        ),
    ] {
        assert_eq!(doubt(key.as_bytes()), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_stands_where_a_key_is_expected_and_is_none_is_known() {
    const RANDOM: &str = "sk-a-Xq81mzPw02LkRt5YvBn7GhJ3";
    let rows = |expected: Option<Doubt>, texts: &[&str]| {
        for text in texts {
            let text = text.replace('§', RANDOM);
            assert_eq!(doubt(text.as_bytes()), expected, "{text}");
        }
    };
    rows(
        Some(Doubt::Hash),
        &["sha256:abc", "id=sha256:abc", "MAAS:abc"],
    );
    rows(Some(Doubt::Quoted), &["\"§\"", "'§'", "`§`", "\"§", "§'"]);
    rows(
        Some(Doubt::Scheme),
        &[
            "Bearer §",
            "bearer §",
            "BEARER:§",
            "Bearer%20§",
            "Bearer",
            "Authorization: Bearer §",
            "authorization:§",
            "x-api-key: §",
            "Basic c2s6",
        ],
    );
    rows(
        Some(Doubt::Placeholder),
        &[
            "<key>",
            "<your key here>",
            "${VLLM_API_KEY}",
            "$VLLM_API_KEY",
            "{{ .Values.key }}",
            "{\"key\":\"§\"}",
            "[§]",
            "changeme",
            "sk-CHANGE-ME-please-now",
            "your-api-key-goes-here",
            "sk-no-key-required",
            "sk-xxxxxxxxxxxxxxxxxxxx",
            "****************",
            "KEY",
            "api_key",
            "Username",
        ],
    );
    rows(
        Some(Doubt::Address),
        &["alice.smith@example.com", "a+b@c-d.org"],
    );
    rows(
        Some(Doubt::Named),
        &[
            "acme:§",
            "acme=§",
            "OPENAI_API_KEY=§",
            "https://acme/§",
            "=§",
            "§:",
        ],
    );
    rows(
        Some(Doubt::Unsendable),
        &["a §", "§,alice", "schlüssel-schlüssel", "", "§\n"],
    );
    rows(
        None,
        &[
            "§",
            "§==",
            "§@host",
            "§@example.c0m",
            "bearer§",
            "basic-§",
            "keys§",
            "dGhpcyBpcyBhIHNlY3JldCBrZXkh+/A=",
            "0123456789abcdef0123456789abcdef",
            "c0ffee00-1234-4abc-8def-0123456789ab",
            "nvapi-Xq81mzPw02_LkRt5YvBn7GhJ3",
            "a-$-§",
        ],
    );
    assert_eq!(doubt(b"\xff"), Some(Doubt::Unsendable));
}

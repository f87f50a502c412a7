//! Clients that send more than one credential header, an empty one, or a word in place of a key.

use serde_json::{Value, json};

use super::*;

const BOTH: [(&str, &str); 2] = [
    ("authorization", "Bearer sk-tollgate-globex-demo"),
    ("x-api-key", ACME_KEY),
];

fn policy_of(credentials: &Value) -> Rc<Policy> {
    let mut config = fixtures::demo();
    config["credentials"] = credentials.clone();
    fixtures::policy(&config)
}

/// Who is asking, without a token, under this `credentials`.
fn found(credentials: &Value, headers: &[(&str, &str)]) -> Result<String, Code> {
    who(&policy_of(credentials), headers, &no_token)
}

const ACME: &str = "acme/acme-demo";
const GLOBEX: &str = "globex/globex-demo";

#[wasm_bindgen_test(unsupported = test)]
fn what_is_empty_or_of_another_scheme_is_no_credential_beside_one() {
    for (name, header, value) in [
        ("an empty bearer", "authorization", "Bearer "),
        ("the scheme alone", "authorization", "Bearer"),
        ("the scheme in small letters", "authorization", "bearer"),
        ("an empty authorization", "authorization", ""),
        ("white space", "authorization", " \t"),
        ("an empty header", "api-key", ""),
        ("Basic", "authorization", "Basic dXNlcjpwYXNzd29yZA=="),
        ("Negotiate", "authorization", "Negotiate YIIJ"),
    ] {
        let headers = [(header, value), ("x-api-key", ACME_KEY)];
        assert_eq!(found(&json!({}), &headers), Ok(ACME.to_owned()), "{name}");
    }
    for (name, header, value) in [
        ("an empty bearer", "authorization", "Bearer "),
        ("the scheme alone", "authorization", "Bearer"),
        ("an empty header", "x-api-key", ""),
    ] {
        assert_eq!(
            found(&json!({}), &[(header, value)]),
            Ok("anonymous".to_owned()),
            "{name}, alone"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_first_source_wins_where_that_is_configured() {
    let first = |sources: Value| json!({"several": "first", "sources": sources});
    let bearer = json!({"header": "authorization", "scheme": "Bearer"});
    let bare = json!({"header": "x-api-key"});
    let bearer_first = first(json!([bearer, bare]));
    let bare_first = first(json!([bare, bearer]));
    let unknown_first = [
        ("authorization", "Bearer sk-unknown"),
        ("x-api-key", ACME_KEY),
    ];
    let basic_first = [("authorization", "Basic c2s6"), ("x-api-key", ACME_KEY)];
    let repeated = [("x-api-key", ACME_KEY), ("x-api-key", "sk-other")];
    for (name, credentials, headers, expected) in [
        (
            "not configured",
            &json!({}),
            &BOTH[..],
            Err(Code::AmbiguousCredential),
        ),
        (
            "said",
            &json!({"several": "refuse"}),
            &BOTH,
            Err(Code::AmbiguousCredential),
        ),
        (
            "the default order",
            &json!({"several": "first"}),
            &BOTH,
            Ok(GLOBEX),
        ),
        ("the bearer first", &bearer_first, &BOTH, Ok(GLOBEX)),
        ("the bare header first", &bare_first, &BOTH, Ok(ACME)),
        (
            "the first one fails",
            &bearer_first,
            &unknown_first,
            Err(Code::InvalidCredential),
        ),
        (
            "the second would fail",
            &bare_first,
            &unknown_first,
            Ok(ACME),
        ),
        (
            "another scheme is not the first",
            &bearer_first,
            &basic_first,
            Ok(ACME),
        ),
        (
            "one header twice",
            &bare_first,
            &repeated,
            Err(Code::AmbiguousCredential),
        ),
    ] {
        assert_eq!(
            found(credentials, headers),
            expected.map(str::to_owned),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_token_takes_its_place_in_the_order() {
    let claims = token(&[("iss", ISSUER), ("tenant", "globex")]);
    let headers = [BEARER, ("x-api-key", ACME_KEY)];
    let bearer = json!({"header": "authorization", "scheme": "Bearer"});
    let bare = json!({"header": "x-api-key"});
    for (name, sources, expected) in [
        ("the token first", json!([bearer, bare]), "globex/-"),
        ("the key first", json!([bare, bearer]), ACME),
    ] {
        let policy = policy_of(&json!({"several": "first", "sources": sources}));
        assert_eq!(
            who(&policy, &headers, &claims),
            Ok(expected.to_owned()),
            "{name}"
        );
    }
    let policy = policy_of(&json!({"several": "first"}));
    assert_eq!(
        who(&policy, &[("x-api-key", "sk-unknown")], &claims),
        Err(Code::InvalidCredential),
        "a token in no source does not make up for a key that fails"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_source_that_is_only_stripped_is_not_read() {
    let bearer = json!({"header": "authorization", "scheme": "Bearer"});
    let personal = json!({"header": "x-api-key", "stripOnly": true});
    let credentials = json!({"sources": [bearer, personal]});
    assert_eq!(found(&credentials, &BOTH), Ok(GLOBEX.to_owned()));
    assert_eq!(
        found(&credentials, &[("x-api-key", ACME_KEY)]),
        Ok("anonymous".to_owned()),
        "alone"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_dummy_key_is_no_credential_where_it_is_listed() {
    let listed = json!({"dummyKeys": ["EMPTY", "sk-no-key-required"]});
    let anonymous = || Ok("anonymous".to_owned());
    for (name, credentials, headers, expected) in [
        (
            "listed",
            &listed,
            &[("authorization", "Bearer EMPTY")][..],
            anonymous(),
        ),
        (
            "the other",
            &listed,
            &[("x-api-key", "sk-no-key-required")],
            anonymous(),
        ),
        (
            "in two places",
            &listed,
            &[("authorization", "Bearer EMPTY"), ("api-key", "EMPTY")],
            anonymous(),
        ),
        (
            "beside a key",
            &listed,
            &[("authorization", "Bearer EMPTY"), ("x-api-key", ACME_KEY)],
            Ok(ACME.to_owned()),
        ),
        (
            "beside a key that fails",
            &listed,
            &[("authorization", "Bearer EMPTY"), ("x-api-key", "sk")],
            Err(Code::InvalidCredential),
        ),
        (
            "another letter case",
            &listed,
            &[("x-api-key", "empty")],
            Err(Code::InvalidCredential),
        ),
        (
            "not listed",
            &json!({}),
            &[("x-api-key", "EMPTY")],
            Err(Code::InvalidCredential),
        ),
    ] {
        assert_eq!(found(credentials, headers), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_dummy_key_opens_what_is_open_to_everybody_and_nothing_else() {
    let mut config = fixtures::demo();
    config["credentials"] = json!({"dummyKeys": ["EMPTY"]});
    config["models"]["free"] = json!({"access": "anonymous"});
    let policy = fixtures::policy(&config);
    for (model, expected) in [
        ("free", None),
        ("llama-3.1-8b", Some(Code::MissingCredential)),
    ] {
        let headers = chat(&[("authorization", "Bearer EMPTY")]);
        let body = json!({"model": model}).to_string();
        let (exchange, _) = fixtures::send(&policy, &headers, &[body.as_bytes()], &no_token);
        assert_eq!(
            exchange.denial().map(|denial| denial.code()),
            expected,
            "{model}"
        );
    }
}

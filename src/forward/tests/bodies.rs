//! What the upstream is told of the body that follows.

use super::*;

/// The values that are set in `content-type`, and the names that are removed.
fn described(path: &str, headers: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let policy = fixtures::policy(&fixtures::demo());
    let headers = [headers, &[("x-api-key", ACME_KEY)]].concat();
    let changes = forwarded(&policy, &request("POST", path, &headers), &no_token);
    let set = changes.set.iter();
    let removed = changes.remove.iter();
    (
        set.filter(|(name, _)| *name == "content-type")
            .map(|(_, value)| value.to_string())
            .collect(),
        removed
            .map(|name| String::from_utf8(name.clone()).unwrap())
            .filter(|name| name != "x-api-key")
            .collect(),
    )
}

#[wasm_bindgen_test(unsupported = test)]
fn the_server_is_told_the_type_that_the_body_was_judged_as() {
    let json: &[&str] = &["application/json"];
    for (name, types, expected) in [
        ("as it is to be", json, &[][..]),
        ("none", &[], json),
        ("empty", &[""], json),
        ("a form", &["application/x-www-form-urlencoded"], json),
        (
            "a multipart form",
            &["multipart/form-data; boundary=x"],
            json,
        ),
        ("text", &["text/plain"], json),
        ("a charset", &["application/json; charset=utf-16"], json),
        (
            "a harmless charset",
            &["application/json; charset=utf-8"],
            json,
        ),
        ("another case", &["Application/JSON"], json),
        ("another kind of JSON", &["application/vnd.api+json"], json),
        (
            "twice the same",
            &["application/json", "application/json"],
            json,
        ),
        ("two", &["application/json", "text/plain"], json),
        ("no text", &["\u{ff}"], json),
    ] {
        for path in [
            "/v1/chat/completions",
            "/v1/messages",
            "/rerank",
            "/v1/audio/speech",
        ] {
            let headers: Vec<_> = types.iter().map(|value| ("content-type", *value)).collect();
            let (set, removed) = described(path, &headers);
            assert_eq!(set, expected, "{name}, {path}");
            assert!(removed.is_empty(), "{name}, {path}: set, and not removed");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_describes_a_body_has_no_second_spelling() {
    for name in [
        "content_type",
        "content_length",
        "content_encoding",
        "transfer_encoding",
        "accept_encoding",
        "content_disposition",
    ] {
        let (_, removed) = described("/v1/chat/completions", &[(name, "x")]);
        assert_eq!(removed, [name]);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn where_no_body_is_allowed_its_length_is_said_to_be_zero_if_it_was_left_open() {
    let policy = fixtures::policy(&fixtures::demo());
    let length = |has_body, headers: &[(&str, &str)]| {
        let headers = request("GET", "/health", headers);
        let (_, host) = fixtures::begin(&policy, &headers, has_body, &no_token);
        host.changes().set.into_iter().next()
    };
    assert_eq!(length(false, &[]), None, "no body");
    assert_eq!(
        length(true, &[("content-length", "0")]),
        None,
        "said already"
    );
    assert_eq!(
        length(true, &[]),
        Some(("content-length", "0".into())),
        "left open"
    );
}

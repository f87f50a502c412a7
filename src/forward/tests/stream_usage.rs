//! Which requests are made to ask for the usage of their stream, and what their headers say then.

use serde_json::json;

use super::*;
use crate::denial::{Code, Denial};
use crate::exchange::Body;

const BODY: &str = r#"{"stream":true,"model":"llama-3.1-8b"}"#;
const ASKING: &str =
    r#"{"stream":true,"model":"llama-3.1-8b","stream_options":{"include_usage":true}}"#;

/// The `content-length` that the headers come to announce, and the body that follows, if it is another.
fn asked(
    config: &serde_json::Value,
    path: &str,
    headers: &[(&str, &str)],
) -> (Option<String>, Option<String>) {
    let policy = fixtures::policy(config);
    let headers = [headers, &[("x-api-key", ACME_KEY)]].concat();
    let headers = request("POST", path, &headers);
    let (_, host) = fixtures::send(&policy, &headers, &[BODY.as_bytes()], &no_token);
    let changes = host.changes();
    let mut set = changes.set.iter();
    let length = set.find(|(name, _)| *name == "content-length");
    let sent = String::from_utf8(host.frame_now(Body::Request)).unwrap();
    let body = match sent.strip_prefix(BODY) {
        Some("") => None,
        Some(spaces) => Some(format!("{BODY} + {}", spaces.len())),
        None => Some(sent),
    };
    (length.map(|(_, value)| value.to_string()), body)
}

#[wasm_bindgen_test(unsupported = test)]
fn usage_is_asked_for_where_the_configuration_and_the_operation_say_so() {
    const CHAT: &str = "/v1/chat/completions";
    let length = BODY.len().to_string();
    let raised = Some((BODY.len() + 40).to_string());
    let announced = ("content-length", length.as_str());
    let named = ("x-ai-eg-model", "llama-3.1-8b");
    let asking = Some(ASKING.to_owned());
    let padded = Some(format!("{BODY} + 40"));
    let whole = |default: Option<&str>, model: Option<&str>| json!([default, model]);
    for (name, settings, path, headers, expected) in [
        (
            "by default",
            whole(None, None),
            CHAT,
            &[][..],
            (None, asking.clone()),
        ),
        (
            "completions",
            whole(None, None),
            "/v1/completions",
            &[],
            (None, asking.clone()),
        ),
        (
            "an announced length",
            whole(None, None),
            CHAT,
            &[announced],
            (raised.clone(), asking.clone()),
        ),
        (
            "a model header",
            whole(Some("inject"), None),
            CHAT,
            &[announced, named],
            (raised.clone(), asking.clone()),
        ),
        (
            "not by default",
            whole(Some("observe"), None),
            CHAT,
            &[announced],
            (None, None),
        ),
        (
            "not by default, but for this model",
            whole(Some("observe"), Some("inject")),
            CHAT,
            &[announced],
            (raised.clone(), asking.clone()),
        ),
        (
            "not for this model, which the body names",
            whole(None, Some("observe")),
            CHAT,
            &[announced],
            (raised, padded),
        ),
        (
            "not for this model, which the header names",
            whole(None, Some("observe")),
            CHAT,
            &[announced, named],
            (None, None),
        ),
        (
            "an API that always reports",
            whole(None, None),
            "/v1/messages",
            &[announced],
            (None, None),
        ),
        (
            "embeddings",
            whole(None, None),
            "/v1/embeddings",
            &[announced],
            (None, None),
        ),
    ] {
        let mut config = fixtures::demo();
        config["metering"] = json!({"streamUsage": settings[0]});
        config["models"]["llama-3.1-8b"]["streamUsage"] = settings[1].clone();
        assert_eq!(asked(&config, path, headers), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn headers_that_describe_the_bytes_go_where_the_bytes_may_change() {
    let digests = [
        ("content-digest", "sha-256=:x:"),
        ("content-md5", "x"),
        ("digest", "x"),
        ("repr-digest", "x"),
    ];
    let removed = digests.map(|(name, _)| format!("-{name}"));
    let in_config = |stream_usage: &str| {
        let mut config = fixtures::demo();
        config["metering"] = json!({"streamUsage": stream_usage});
        let lines = changes(
            &fixtures::policy(&config),
            &fixtures::chat(&[&digests[..], &[("x-api-key", ACME_KEY)]].concat()),
            &no_token,
        );
        let of_digests = lines.into_iter().filter(|line| removed.contains(line));
        of_digests.collect::<Vec<_>>()
    };
    assert_eq!(in_config("inject"), removed);
    assert_eq!(in_config("observe"), [""; 0]);
}

#[wasm_bindgen_test(unsupported = test)]
fn encodings_are_refused_unless_the_operator_keeps_them() {
    for (metering, expected) in [
        (json!({}), true),
        (
            json!({"streamUsage": "observe", "stripAcceptEncoding": false}),
            false,
        ),
    ] {
        let mut config = fixtures::demo();
        config["metering"] = metering;
        let lines = changes(
            &fixtures::policy(&config),
            &fixtures::chat(&[("accept-encoding", "gzip"), ("x-api-key", ACME_KEY)]),
            &no_token,
        );
        let stripped = lines.contains(&"-accept-encoding".to_owned());
        assert_eq!(stripped, expected);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn answers_in_the_background_are_an_operators_choice() {
    for (metering, expected) in [
        (json!({}), Some(Code::BackgroundNotAllowed)),
        (json!({"allowBackground": true}), None),
    ] {
        let mut config = fixtures::demo();
        config["metering"] = metering;
        let policy = fixtures::policy(&config);
        let headers = request("POST", "/v1/responses", &[("x-api-key", ACME_KEY)]);
        let body = br#"{"model":"llama-3.1-8b","background":true}"#;
        let (exchange, _) = fixtures::send(&policy, &headers, &[body], &no_token);
        assert_eq!(exchange.denial().map(Denial::code), expected);
    }
}

//! Models that the path names, and operations that generate nothing.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const AZURE: &str = "/openai/deployments/llama-3.1-8b/chat/completions?api-version=2024-10-21";

#[wasm_bindgen_test(unsupported = test)]
fn the_model_in_the_path_is_judged_and_the_body_agrees_or_is_silent() {
    let policy = fixtures::policy(&fixtures::demo());
    let qwen = "/openai/deployments/qwen-3-32b/chat/completions";
    let json = ("content-type", "application/json");
    for (name, key, path, header, body, expected) in [
        (
            "silent",
            GLOBEX_KEY,
            AZURE,
            None,
            "{}",
            Ok(Some("llama-3.1-8b")),
        ),
        (
            "agrees",
            GLOBEX_KEY,
            AZURE,
            None,
            r#"{"model":"llama-3.1-8b"}"#,
            Ok(Some("llama-3.1-8b")),
        ),
        (
            "another",
            ACME_KEY,
            AZURE,
            None,
            r#"{"model":"qwen-3-32b"}"#,
            Err(Code::AmbiguousModel),
        ),
        (
            "twice",
            ACME_KEY,
            AZURE,
            None,
            r#"{"model":"llama-3.1-8b","Model":"x"}"#,
            Err(Code::AmbiguousModel),
        ),
        (
            "null",
            ACME_KEY,
            AZURE,
            None,
            r#"{"model":null}"#,
            Err(Code::MissingModel),
        ),
        (
            "not allowed",
            GLOBEX_KEY,
            qwen,
            None,
            "{}",
            Err(Code::ModelNotAllowed),
        ),
        (
            "the header agrees",
            ACME_KEY,
            AZURE,
            Some("llama-3.1-8b"),
            "{}",
            Ok(Some("llama-3.1-8b")),
        ),
        (
            "the header names another",
            ACME_KEY,
            AZURE,
            Some("qwen-3-32b"),
            "{}",
            Err(Code::AmbiguousModel),
        ),
        (
            "a fallback that is not allowed",
            GLOBEX_KEY,
            AZURE,
            None,
            r#"{"fallbacks":["qwen-3-32b"]}"#,
            Err(Code::ModelNotAllowed),
        ),
        (
            "a cut body",
            ACME_KEY,
            AZURE,
            None,
            r#"{"messages":["#,
            Err(Code::MalformedBody),
        ),
        (
            "no body",
            ACME_KEY,
            AZURE,
            None,
            "",
            Err(Code::MalformedBody),
        ),
        (
            "a model in the query too",
            ACME_KEY,
            "/openai/deployments/llama-3.1-8b/chat/completions?model=x",
            None,
            "{}",
            Err(Code::ModelInQuery),
        ),
    ] {
        let header = header.map(|model| ("x-gateway-model-name", model));
        let headers: Vec<_> = [json, ("x-api-key", key)]
            .into_iter()
            .chain(header)
            .collect();
        let headers = request("POST", path, &headers);
        let frames: Vec<&[u8]> = if body.is_empty() {
            Vec::new()
        } else {
            vec![body.as_bytes()]
        };
        let (exchange, _) = fixtures::send(&policy, &headers, &frames, &no_token);
        let found = match exchange.denial() {
            Some(denial) => Err(denial.code()),
            None => Ok(exchange
                .permit()
                .and_then(Permit::model)
                .map(ModelName::as_str)),
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_form_behind_such_a_path_need_not_name_the_model() {
    let policy = fixtures::policy(&fixtures::demo());
    let form = |field: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\nllama-3.1-8b\r\n--b--\r\n"
        )
    };
    for (field, expected) in [
        ("model", Ok(())),
        ("prompt", Ok(())),
        ("Model", Err(Code::AmbiguousModel)),
    ] {
        let headers = request(
            "POST",
            "/openai/deployments/llama-3.1-8b/audio/transcriptions",
            &[
                ("x-api-key", ACME_KEY),
                ("content-type", "multipart/form-data; boundary=b"),
            ],
        );
        assert_eq!(
            ask(&policy, &headers, form(field).as_bytes()),
            expected,
            "{field}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_usage_of_a_deployment_is_asked_for_like_any_other() {
    let policy = fixtures::policy(&fixtures::demo());
    let headers = request(
        "POST",
        AZURE,
        &[
            ("x-api-key", ACME_KEY),
            ("content-type", "application/json"),
        ],
    );
    let body: &[u8] = br#"{"stream":true}"#;
    let (_, host) = fixtures::send(&policy, &headers, &[body], &no_token);
    let sent = String::from_utf8(host.frame_now(crate::exchange::Body::Request)).unwrap();
    assert_eq!(
        sent,
        r#"{"stream":true,"stream_options":{"include_usage":true}}"#
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn tokens_of_a_model_are_told_to_those_who_may_use_it() {
    let policy = fixtures::policy(&fixtures::demo());
    for (path, key, body, expected) in [
        (
            "/tokenize",
            GLOBEX_KEY,
            r#"{"model":"llama-3.1-8b","prompt":"x"}"#,
            Ok(()),
        ),
        (
            "/detokenize",
            GLOBEX_KEY,
            r#"{"model":"qwen-3-32b","tokens":[1]}"#,
            Err(Code::ModelNotAllowed),
        ),
        (
            "/v1/moderations",
            GLOBEX_KEY,
            r#"{"model":"llama-3.1-8b","input":"x"}"#,
            Ok(()),
        ),
        (
            "/tokenize",
            GLOBEX_KEY,
            r#"{"prompt":"x"}"#,
            Err(Code::MissingModel),
        ),
    ] {
        let headers = request(
            "POST",
            path,
            &[("x-api-key", key), ("content-type", "application/json")],
        );
        assert_eq!(
            ask(&policy, &headers, body.as_bytes()),
            expected,
            "{path} {body}"
        );
    }
}

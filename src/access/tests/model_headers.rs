//! The headers in which a body-based router in front repeats the model.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const NAME: &str = "x-gateway-model-name";
const BASE: &str = "x-gateway-base-model-name";

/// Two models, an adapter of the first, and one that only others may use.
fn config() -> serde_json::Value {
    let mut config = fixtures::demo();
    config["models"]["sql-lora"] = serde_json::json!({"groups": ["research"]});
    config["models"]["sales-only"] = serde_json::json!({"groups": ["sales"]});
    config
}

/// What becomes of a request by acme with these headers, and which of them go on.
fn ask_with(
    policy: &Rc<Policy>,
    headers: &[(&str, &str)],
    model: &str,
) -> Result<Vec<String>, Code> {
    let all = chat(&[headers, &[("x-api-key", ACME_KEY)]].concat());
    let body = format!(r#"{{"model":"{model}"}}"#);
    let (exchange, host) = fixtures::send(policy, &all, &[body.as_bytes()], &no_token);
    if let Some(denial) = exchange.denial() {
        return Err(denial.code());
    }
    let removed = host.changes().remove;
    let kept = headers
        .iter()
        .filter(|(name, _)| !removed.iter().any(|other| other == name.as_bytes()));
    Ok(kept.map(|(name, _)| (*name).to_owned()).collect())
}

#[wasm_bindgen_test(unsupported = test)]
fn they_go_on_where_they_agree_with_the_body() {
    let policy = fixtures::policy(&config());
    let llama = "llama-3.1-8b";
    for (name, headers, model, expected) in [
        ("the model", &[(NAME, llama)][..], llama, Ok(vec![NAME])),
        (
            "both, of a base model",
            &[(NAME, llama), (BASE, llama)],
            llama,
            Ok(vec![NAME, BASE]),
        ),
        (
            "both, of an adapter",
            &[(NAME, "sql-lora"), (BASE, llama)],
            "sql-lora",
            Ok(vec![NAME, BASE]),
        ),
        (
            "the base alone",
            &[(BASE, llama)],
            "sql-lora",
            Ok(vec![BASE]),
        ),
        (
            "beside the header of AI Gateway",
            &[(NAME, llama), ("x-ai-eg-model", llama)],
            llama,
            Ok(vec![NAME, "x-ai-eg-model"]),
        ),
        (
            "a base that is not known to the router",
            &[(NAME, llama), (BASE, "")],
            llama,
            Ok(vec![NAME, BASE]),
        ),
        (
            "another model",
            &[(NAME, "qwen-3-32b")],
            llama,
            Err(Code::AmbiguousModel),
        ),
        (
            "a model that is not allowed",
            &[(NAME, "sales-only")],
            llama,
            Err(Code::ModelNotAllowed),
        ),
        (
            "twice",
            &[(NAME, llama), (NAME, llama)],
            llama,
            Err(Code::AmbiguousModel),
        ),
        (
            "the base twice",
            &[(BASE, llama), (BASE, llama)],
            llama,
            Err(Code::AmbiguousModel),
        ),
        ("empty", &[(NAME, "")], llama, Err(Code::MissingModel)),
        (
            "the header of AI Gateway names another one",
            &[(NAME, llama), ("x-ai-eg-model", "qwen-3-32b")],
            llama,
            Err(Code::AmbiguousModel),
        ),
        (
            "a base that the caller may not use",
            &[(NAME, "sql-lora"), (BASE, "sales-only")],
            "sql-lora",
            Err(Code::ModelNotAllowed),
        ),
        (
            "no names",
            &[(BASE, "a\u{7f}b")],
            llama,
            Err(Code::AmbiguousModel),
        ),
        (
            "two in one",
            &[(NAME, "llama-3.1-8b,qwen-3-32b")],
            llama,
            Err(Code::AmbiguousModel),
        ),
        (
            "other spellings are removed",
            &[("x_gateway_model_name", "qwen-3-32b")],
            llama,
            Ok(vec![]),
        ),
    ] {
        let expected =
            expected.map(|kept: Vec<&str>| kept.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(ask_with(&policy, headers, model), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn where_base_models_are_configured_the_base_must_be_the_one() {
    let mut config = config();
    let llama = "llama-3.1-8b";
    // The base itself may be for others alone.
    config["models"]["sql-lora"]["baseModel"] = "sales-only".into();
    config["models"]["tuned-*"] = serde_json::json!({"groups": ["research"], "baseModel": llama});
    let policy = fixtures::policy(&config);
    for (name, base, model, expected) in [
        ("the configured one", "sales-only", "sql-lora", Ok(())),
        ("by a prefix", llama, "tuned-7", Ok(())),
        ("a base model's own", llama, llama, Ok(())),
        (
            "another one that the caller may use",
            llama,
            "sql-lora",
            Err(Code::AmbiguousModel),
        ),
        (
            "the adapter itself",
            "sql-lora",
            "sql-lora",
            Err(Code::AmbiguousModel),
        ),
        (
            "another one for a base model",
            "qwen-3-32b",
            llama,
            Err(Code::AmbiguousModel),
        ),
    ] {
        let answer = ask_with(&policy, &[(BASE, base)], model).map(|_| ());
        assert_eq!(answer, expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn they_are_removed_where_no_model_is_judged() {
    let mut config = config();
    config["extraPaths"] =
        serde_json::json!([{"method": "POST", "path": "/wake", "groups": ["research"]}]);
    let policy = fixtures::policy(&config);
    let preflight = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
    ];
    for (name, method, path, more) in [
        ("public", "GET", "/health", &[][..]),
        ("list", "GET", "/v1/models", &[]),
        ("show", "GET", "/v1/models/llama-3.1-8b", &[]),
        ("extra", "POST", "/wake", &[]),
        ("preflight", "OPTIONS", "/v1/chat/completions", &preflight),
    ] {
        let forged = [
            ("x-api-key", ACME_KEY),
            (NAME, "qwen-3-32b"),
            (BASE, "sales-only"),
        ];
        let headers = request(method, path, &[&forged[..], more].concat());
        let (exchange, host) = fixtures::send(&policy, &headers, &[], &no_token);
        assert_eq!(exchange.denial(), None, "{name}");
        let removed = host.changes().remove;
        for header in [NAME, BASE] {
            assert!(
                removed.iter().any(|other| other == header.as_bytes()),
                "{name}: {header}"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn whoever_does_not_want_them_has_them_removed() {
    let mut config = config();
    config["headers"] = serde_json::json!({"strip": ["X-Gateway-Model-Name"]});
    let policy = fixtures::policy(&config);
    let headers = [(NAME, "llama-3.1-8b"), (BASE, "llama-3.1-8b")];
    let kept = ask_with(&policy, &headers, "llama-3.1-8b");
    assert_eq!(kept, Ok(vec![BASE.to_owned()]));
}

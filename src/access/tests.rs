mod model_headers;
mod names;
mod paths;

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::fixtures::{self, ACME_KEY, GLOBEX_KEY, chat, no_token, request};
use crate::metrics::{Labels, Metric, Movement};
use crate::policy::Policy;

/// What becomes of a request with this body.
fn ask(policy: &Rc<Policy>, headers: &HeaderMap, body: &[u8]) -> Result<(), Code> {
    let frames: &[&[u8]] = if body.is_empty() { &[] } else { &[body] };
    let (exchange, _) = fixtures::send(policy, headers, frames, &no_token);
    exchange
        .denial()
        .map_or(Ok(()), |denial| Err(denial.code()))
}

fn ask_model(policy: &Rc<Policy>, key: Option<&str>, model: &str) -> Result<(), Code> {
    let header = key.map(|key| ("x-api-key", key));
    ask(
        policy,
        &chat(header.as_slice()),
        format!(r#"{{"model":"{model}"}}"#).as_bytes(),
    )
}

#[wasm_bindgen_test(unsupported = test)]
fn groups_decide_who_may_use_a_model() {
    let policy = fixtures::policy(&fixtures::demo());
    for (key, model, expected) in [
        (Some(ACME_KEY), "llama-3.1-8b", Ok(())),
        (Some(ACME_KEY), "qwen-3-32b", Ok(())),
        (Some(GLOBEX_KEY), "llama-3.1-8b", Ok(())),
        (Some(GLOBEX_KEY), "qwen-3-32b", Err(Code::ModelNotAllowed)),
        (Some(ACME_KEY), "unlisted", Err(Code::ModelNotAllowed)),
        (None, "llama-3.1-8b", Err(Code::MissingCredential)),
    ] {
        assert_eq!(ask_model(&policy, key, model), expected, "{key:?} {model}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_exact_name_beats_the_longest_prefix_beats_the_star() {
    let mut config = fixtures::demo();
    config["models"] = serde_json::json!({
        "*": {"access": "authenticated"},
        "llama-*": {"groups": ["research"]},
        "llama-3*": {"groups": ["sales"]},
        "llama-3.1-8b": {"groups": ["research"]},
        "public/*": {"access": "anonymous"},
    });
    let policy = fixtures::policy(&config);
    for (name, key, model, expected) in [
        ("exact", Some(ACME_KEY), "llama-3.1-8b", Ok(())),
        (
            "exact, not for sales",
            Some(GLOBEX_KEY),
            "llama-3.1-8b",
            Err(Code::ModelNotAllowed),
        ),
        ("longer prefix", Some(GLOBEX_KEY), "llama-3.3-70b", Ok(())),
        (
            "longer prefix, not for research",
            Some(ACME_KEY),
            "llama-3.3-70b",
            Err(Code::ModelNotAllowed),
        ),
        ("shorter prefix", Some(ACME_KEY), "llama-2", Ok(())),
        ("star", Some(GLOBEX_KEY), "qwen", Ok(())),
        (
            "star needs an identity",
            None,
            "qwen",
            Err(Code::MissingCredential),
        ),
        ("open to everybody", None, "public/tiny", Ok(())),
        (
            "open to everybody, with a key",
            Some(ACME_KEY),
            "public/tiny",
            Ok(()),
        ),
        (
            "open to everybody, with a wrong key",
            Some("sk-unknown"),
            "public/tiny",
            Err(Code::InvalidCredential),
        ),
    ] {
        assert_eq!(ask_model(&policy, key, model), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_key_narrows_but_never_widens() {
    for (name, models, model, expected) in [
        (
            "listed",
            serde_json::json!(["llama-*"]),
            "llama-3.1-8b",
            Ok(()),
        ),
        (
            "not listed",
            serde_json::json!(["llama-*"]),
            "qwen-3-32b",
            Err(Code::ModelNotAllowed),
        ),
        (
            "an empty list",
            serde_json::json!([]),
            "llama-3.1-8b",
            Err(Code::ModelNotAllowed),
        ),
        ("no list", serde_json::json!(null), "qwen-3-32b", Ok(())),
        (
            "listed without the group",
            serde_json::json!(["*"]),
            "unlisted",
            Err(Code::ModelNotAllowed),
        ),
    ] {
        let mut config = fixtures::demo();
        config["keys"][0]["models"] = models;
        assert_eq!(
            ask_model(&fixtures::policy(&config), Some(ACME_KEY), model),
            expected,
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_key_may_have_groups_of_its_own() {
    let mut config = fixtures::demo();
    config["keys"][1]["groups"] = serde_json::json!(["research"]);
    assert_eq!(
        ask_model(&fixtures::policy(&config), Some(GLOBEX_KEY), "qwen-3-32b"),
        Ok(())
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn the_model_header_is_judged_before_the_body() {
    let policy = fixtures::policy(&fixtures::demo());
    let mut required = fixtures::demo();
    required["modelHeader"] = serde_json::json!({"name": "x-ai-eg-model", "required": true});
    let required = fixtures::policy(&required);
    let body = br#"{"model":"llama-3.1-8b"}"#;
    let header = |value| ("x-ai-eg-model", value);
    for (name, policy, headers, expected) in [
        ("it agrees", &policy, &[header("llama-3.1-8b")][..], Ok(())),
        (
            "it names another model",
            &policy,
            &[header("qwen-3-32b")],
            Err(Code::AmbiguousModel),
        ),
        (
            "twice",
            &policy,
            &[header("llama-3.1-8b"), header("llama-3.1-8b")],
            Err(Code::AmbiguousModel),
        ),
        ("empty", &policy, &[header("")], Err(Code::MissingModel)),
        (
            "no model name",
            &policy,
            &[header("a\tb")],
            Err(Code::AmbiguousModel),
        ),
        (
            "not allowed",
            &policy,
            &[header("unlisted")],
            Err(Code::ModelNotAllowed),
        ),
        (
            "absent where required",
            &required,
            &[],
            Err(Code::MissingModel),
        ),
        (
            "encoded body",
            &policy,
            &[("content-encoding", "gzip")],
            Err(Code::UnsupportedEncoding),
        ),
        (
            "said not to be encoded",
            &policy,
            &[("content-encoding", "identity")],
            Ok(()),
        ),
    ] {
        let headers = [headers, &[("x-api-key", ACME_KEY)]].concat();
        assert_eq!(ask(policy, &chat(&headers), body), expected, "{name}");
    }
    assert_eq!(
        ask(&policy, &chat(&[("x-api-key", ACME_KEY)]), b""),
        Err(Code::MissingModel),
        "no body"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn other_operations_have_rules_of_their_own() {
    let mut config = fixtures::demo();
    config["extraPaths"] =
        serde_json::json!([{"method": "POST", "path": "/tokenize", "groups": ["research"]}]);
    let policy = fixtures::policy(&config);
    for (name, method, path, key, expected) in [
        ("list", "GET", "/v1/models", Some(GLOBEX_KEY), Ok(())),
        (
            "list without a key",
            "GET",
            "/v1/models",
            None,
            Err(Code::MissingCredential),
        ),
        (
            "show",
            "GET",
            "/v1/models/llama-3.1-8b",
            Some(GLOBEX_KEY),
            Ok(()),
        ),
        (
            "show what is not allowed",
            "GET",
            "/v1/models/qwen-3-32b",
            Some(GLOBEX_KEY),
            Err(Code::ModelNotAllowed),
        ),
        (
            "show without a key",
            "GET",
            "/v1/models/qwen-3-32b",
            None,
            Err(Code::MissingCredential),
        ),
        ("extra", "POST", "/tokenize", Some(ACME_KEY), Ok(())),
        (
            "extra without the group",
            "POST",
            "/tokenize",
            Some(GLOBEX_KEY),
            Err(Code::OperationNotAllowed),
        ),
        (
            "extra without a key",
            "POST",
            "/tokenize",
            None,
            Err(Code::MissingCredential),
        ),
        ("public", "GET", "/health", None, Ok(())),
    ] {
        let key = key.map(|key| ("x-api-key", key));
        assert_eq!(
            ask(&policy, &request(method, path, key.as_slice()), b""),
            expected,
            "{name}"
        );
    }
}

/// As [`ask`]; also says what was only noted, and whether the caller was identified.
fn ask_in_mode(
    policy: &Rc<Policy>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(Option<String>, bool), Code> {
    let frames: &[&[u8]] = if body.is_empty() { &[] } else { &[body] };
    let (mut exchange, host) = fixtures::send(policy, headers, frames, &no_token);
    if let Some(denial) = exchange.denial() {
        return Err(denial.code());
    }
    let identified = exchange.permit().and_then(Permit::identity).is_some();
    exchange.end(&host, &mut Labels::default());
    let mut movements = host.movements().into_iter();
    let noted = movements.find(|movement| movement.series.metric() == Metric::Denials);
    let code = |noted: Movement| {
        let name = noted.series.name();
        let (_, code) = name.split_once("code=.=")?;
        Some(code.split_once(';')?.0.to_owned())
    };
    Ok((noted.and_then(code), identified))
}

#[wasm_bindgen_test(unsupported = test)]
fn audit_notes_and_open_forgets_who_asks_for_which_model_and_nothing_else() {
    let in_mode = |mode: &str| {
        let mut config = fixtures::demo();
        config["mode"] = mode.into();
        config["extraPaths"] =
            serde_json::json!([{"method": "POST", "path": "/tokenize", "groups": ["research"]}]);
        fixtures::policy(&config)
    };
    let [enforce, audit, open] = ["enforce", "audit", "open"].map(in_mode);
    let key = |key| Some(("x-api-key", key));
    let chat = |model: &str| format!(r#"{{"model":"{model}"}}"#);
    let ambiguous = r#"{"model":"llama-3.1-8b","model":"qwen-3-32b"}"#.to_owned();
    let path = "/v1/chat/completions";
    // In each row: the answer of `enforce`, and whether the other modes let it pass, with or without an identity.
    for (name, header, method, path, body, code, passes) in [
        (
            "allowed",
            key(ACME_KEY),
            "POST",
            path,
            chat("qwen-3-32b"),
            None,
            Some(true),
        ),
        (
            "no key",
            None,
            "POST",
            path,
            chat("qwen-3-32b"),
            Some(Code::MissingCredential),
            Some(false),
        ),
        (
            "a wrong key",
            key("sk-unknown"),
            "POST",
            path,
            chat("qwen-3-32b"),
            Some(Code::InvalidCredential),
            Some(false),
        ),
        (
            "another's model",
            key(GLOBEX_KEY),
            "POST",
            path,
            chat("qwen-3-32b"),
            Some(Code::ModelNotAllowed),
            Some(true),
        ),
        (
            "a model without a rule",
            key(GLOBEX_KEY),
            "POST",
            path,
            chat("unlisted"),
            Some(Code::ModelNotAllowed),
            Some(true),
        ),
        (
            "a list without a key",
            None,
            "GET",
            "/v1/models",
            String::new(),
            Some(Code::MissingCredential),
            Some(false),
        ),
        (
            "another's model shown",
            key(GLOBEX_KEY),
            "GET",
            "/v1/models/qwen-3-32b",
            String::new(),
            Some(Code::ModelNotAllowed),
            Some(true),
        ),
        (
            "two models",
            key(ACME_KEY),
            "POST",
            path,
            ambiguous,
            Some(Code::AmbiguousModel),
            None,
        ),
        (
            "no model",
            key(ACME_KEY),
            "POST",
            path,
            "{}".to_owned(),
            Some(Code::MissingModel),
            None,
        ),
        (
            "no JSON",
            key(ACME_KEY),
            "POST",
            path,
            "model".to_owned(),
            Some(Code::MalformedBody),
            None,
        ),
        (
            "no body",
            key(ACME_KEY),
            "POST",
            path,
            String::new(),
            Some(Code::MissingModel),
            None,
        ),
        (
            "another operation",
            key(ACME_KEY),
            "POST",
            "/sleep",
            String::new(),
            Some(Code::OperationNotAllowed),
            None,
        ),
        (
            "another path",
            key(ACME_KEY),
            "POST",
            "/v1/../sleep",
            String::new(),
            Some(Code::MalformedPath),
            None,
        ),
        (
            "an extra path without the group",
            key(GLOBEX_KEY),
            "POST",
            "/tokenize",
            String::new(),
            Some(Code::OperationNotAllowed),
            None,
        ),
        (
            "an extra path without a key",
            None,
            "POST",
            "/tokenize",
            String::new(),
            Some(Code::MissingCredential),
            None,
        ),
    ] {
        let headers = request(method, path, header.as_slice());
        let outcome = |policy| ask_in_mode(policy, &headers, body.as_bytes());
        let refused = code.map(Err);
        let passed = |noted: Option<Code>| {
            let noted = noted.map(|code| code.as_str().to_owned());
            Ok((noted, passes == Some(true)))
        };
        assert_eq!(
            outcome(&enforce),
            refused.clone().unwrap_or_else(|| passed(None)),
            "{name}, enforced"
        );
        let relaxed = |noted| {
            if passes.is_some() {
                passed(noted)
            } else {
                refused.clone().unwrap()
            }
        };
        assert_eq!(outcome(&audit), relaxed(code), "{name}, audited");
        assert_eq!(outcome(&open), relaxed(None), "{name}, open");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn an_open_gateway_needs_neither_keys_nor_models() {
    let policy = fixtures::policy(&serde_json::json!({"mode": "open"}));
    for body in [r#"{"model":"any"}"#, r#"{"model":"other/one"}"#] {
        assert_eq!(
            ask_in_mode(&policy, &chat(&[("x-api-key", "sk-any")]), body.as_bytes()),
            Ok((None, false)),
            "{body}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn no_mode_passes_what_could_not_be_decided() {
    for mode in [Mode::Enforce, Mode::Audit, Mode::Open] {
        let settled = settle(Err(Code::Internal.into()), mode);
        assert_eq!(
            settled.map_err(|denial| denial.code()).map(|_| ()),
            Err(Code::Internal),
            "{mode:?}"
        );
    }
}

/// As [`ask`], with a body of which only the size is known.
fn ask_size(policy: &Rc<Policy>, headers: &HeaderMap, size: usize) -> Result<(), Code> {
    ask(policy, headers, &vec![b'x'; size])
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_not_read_must_be_empty_unless_the_configuration_lets_it_pass() {
    let mut config = fixtures::demo();
    config["publicPaths"] = serde_json::json!([
        {"method": "GET", "path": "/health"},
        {"method": "POST", "path": "/hook", "body": true},
    ]);
    config["extraPaths"] = serde_json::json!([
        {"method": "POST", "path": "/wake", "groups": ["research"]},
        {"method": "POST", "path": "/tokenize", "groups": ["research"], "body": true},
    ]);
    let policy = fixtures::policy(&config);
    let refused = Err(Code::BodyNotAllowed);
    for (method, path, expected) in [
        ("GET", "/v1/models", refused),
        ("HEAD", "/v1/models", refused),
        ("GET", "/openai/v1/models", refused),
        ("GET", "/v1/models/llama-3.1-8b", refused),
        ("GET", "/health", refused),
        ("POST", "/hook", Ok(())),
        ("POST", "/wake", refused),
        ("POST", "/tokenize", Ok(())),
    ] {
        let case = format!("{method} {path}");
        let by_acme = |length: Option<&'static str>| {
            let length = length.map(|length| ("content-length", length));
            let headers = [&[("x-api-key", ACME_KEY)][..], length.as_slice()].concat();
            request(method, path, &headers)
        };
        assert_eq!(ask_size(&policy, &by_acme(None), 0), Ok(()), "{case}, none");
        assert_eq!(
            ask_size(&policy, &by_acme(Some("0")), 0),
            Ok(()),
            "{case}, of no length"
        );
        assert_eq!(
            ask_size(&policy, &by_acme(None), 1),
            expected,
            "{case}, whose length was not told"
        );
        assert_eq!(
            ask_size(&policy, &by_acme(Some("1")), 0),
            expected,
            "{case}, announced and not there yet"
        );
        assert_eq!(
            ask_size(&policy, &by_acme(Some("one")), 0),
            expected,
            "{case}, of a length that is no number"
        );
    }
    let preflight = [
        ("origin", "https://app"),
        ("access-control-request-method", "POST"),
    ];
    let preflight = request("OPTIONS", "/v1/chat/completions", &preflight);
    assert_eq!(ask_size(&policy, &preflight, 0), Ok(()), "a preflight");
    assert_eq!(
        ask_size(&policy, &preflight, 1),
        Err(Code::OperationNotAllowed),
        "what has a body is no preflight"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn another_spelling_does_not_escape_a_stricter_rule_to_a_wider_one() {
    let mut config = fixtures::demo();
    config["models"] = serde_json::json!({
        "*": {"access": "authenticated"},
        "qwen-3-32b": {"groups": ["research"]},
        "gemma-*": {"groups": ["research"]},
        "llama-3.1-8b": {"groups": ["research"]},
        "llama-3.1-8b:*": {"access": "authenticated"},
        "meta/mistral": {"groups": ["sales"]},
        "open/*": {"access": "anonymous"},
    });
    let policy = fixtures::policy(&config);
    let denied = Err(Code::ModelNotAllowed);
    for (model, globex) in [
        ("qwen-3-32b", denied),
        ("Qwen-3-32B", denied),
        ("qwen-3-32b:latest", denied),
        ("openai/qwen-3-32b", denied),
        ("open/qwen-3-32b", denied),
        ("gemma-3", denied),
        ("Gemma-3", denied),
        ("google/gemma-3", denied),
        ("../qwen-3-32b", denied),
        ("qwen-3-8b", Ok(())),
        ("gemma", Ok(())),
        ("llama-3.1-8b", denied),
        ("llama-3.1-8b:adapter", Ok(())),
        ("LLAMA-3.1-8b:adapter", denied),
        ("meta/mistral", Ok(())),
        ("mistral", Ok(())),
        ("other/mistral", Ok(())),
    ] {
        assert_eq!(
            ask_model(&policy, Some(GLOBEX_KEY), model),
            globex,
            "{model}"
        );
        let acme = match model {
            "meta/mistral" | "mistral" | "../qwen-3-32b" => denied,
            _ => Ok(()),
        };
        assert_eq!(
            ask_model(&policy, Some(ACME_KEY), model),
            acme,
            "{model}, acme"
        );
    }
    assert_eq!(ask_model(&policy, None, "open/any"), Ok(()));
    assert_eq!(
        ask_model(&policy, None, "open/qwen-3-32b"),
        Err(Code::MissingCredential)
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn no_operation_that_is_judged_takes_a_model_from_the_query() {
    let mut config = fixtures::demo();
    config["extraPaths"] =
        serde_json::json!([{"method": "GET", "path": "/props", "groups": ["research"]}]);
    for mode in ["enforce", "audit", "open"] {
        config["mode"] = mode.into();
        let policy = fixtures::policy(&config);
        let key = ("x-api-key", ACME_KEY);
        for (method, path, expected) in [
            (
                "POST",
                "/v1/chat/completions?model=llama-3.1-8b",
                Some(Code::ModelInQuery),
            ),
            (
                "POST",
                "/v1/audio/transcriptions?mode%6c=x",
                Some(Code::ModelInQuery),
            ),
            ("GET", "/v1/models?model=x", Some(Code::ModelInQuery)),
            (
                "GET",
                "/v1/models/llama-3.1-8b?model=qwen-3-32b",
                Some(Code::ModelInQuery),
            ),
            ("POST", "/v1/chat/completions?api-version=1", None),
            ("GET", "/health?model=x", None),
            ("GET", "/props?model=x", None),
        ] {
            let headers = request(method, path, &[key]);
            let has_body = method == "POST";
            let (exchange, _) = fixtures::begin(&policy, &headers, has_body, &no_token);
            let found = exchange.denial().map(Denial::code);
            assert_eq!(found, expected, "{mode}: {method} {path}");
        }
    }
}

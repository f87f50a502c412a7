//! Names of models as people write them.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const NAMES: [&str; 8] = [
    "Qwen3 32B",
    "claude-opus-4-8[1m]",
    "~x/y",
    "通义千问",
    "a=b",
    "model(1)",
    "C# & co?",
    "modèle-🦙",
];

fn body(model: &str) -> String {
    serde_json::json!({ "model": model }).to_string()
}

fn ask_by(policy: &Rc<Policy>, key: &str, model: &str) -> Result<(), Code> {
    let headers = chat(&[("x-api-key", key)]);
    ask(policy, &headers, body(model).as_bytes())
}

#[wasm_bindgen_test(unsupported = test)]
fn whatever_is_printable_is_a_name() {
    let mut open = fixtures::demo();
    open["models"] = serde_json::json!({"*": {"access": "authenticated"}});
    let mut exact = fixtures::demo();
    for name in NAMES {
        exact["models"][name] = serde_json::json!({"groups": ["research"]});
    }
    let (open, exact) = (fixtures::policy(&open), fixtures::policy(&exact));
    for name in NAMES {
        assert_eq!(ask_by(&open, GLOBEX_KEY, name), Ok(()), "{name} under *");
        assert_eq!(ask_by(&exact, ACME_KEY, name), Ok(()), "{name} by name");
        assert_eq!(
            ask_by(&exact, GLOBEX_KEY, name),
            Err(Code::ModelNotAllowed),
            "{name} for others"
        );
        let headers = chat(&[("x-api-key", ACME_KEY), ("x-ai-eg-model", name)]);
        let with_header = ask(&exact, &headers, body(name).as_bytes());
        assert_eq!(with_header, Ok(()), "{name} in a header too");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_name_that_is_none_is_not_called_missing() {
    let mut config = fixtures::demo();
    config["models"] = serde_json::json!({"*": {"access": "authenticated"}});
    let policy = fixtures::policy(&config);
    let long = "m".repeat(257);
    for (what, body, expected) in [
        ("a line", body("a\nb"), Code::InvalidModelName),
        ("a space at its end", body("m "), Code::InvalidModelName),
        ("invisible", body("a\u{200B}b"), Code::InvalidModelName),
        ("too long", body(&long), Code::InvalidModelName),
        (
            "half a pair",
            r#"{"model":"\ud800"}"#.to_owned(),
            Code::InvalidModelName,
        ),
        ("empty", body(""), Code::MissingModel),
        ("a number", r#"{"model":7}"#.to_owned(), Code::MissingModel),
        ("null", r#"{"model":null}"#.to_owned(), Code::MissingModel),
        ("absent", "{}".to_owned(), Code::MissingModel),
    ] {
        let headers = chat(&[("x-api-key", ACME_KEY)]);
        assert_eq!(
            ask(&policy, &headers, body.as_bytes()),
            Err(expected),
            "{what}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_list_of_names_is_no_way_round_a_rule() {
    let mut config = fixtures::demo();
    config["models"] = serde_json::json!({
        "*": {"access": "authenticated"},
        "qwen-3-32b": {"groups": ["research"]},
        "one,two": {"groups": ["sales"]},
    });
    let star = fixtures::policy(&config);
    config["models"] = serde_json::json!({
        "llama-*": {"access": "authenticated"},
        "qwen-3-32b": {"groups": ["research"]},
    });
    let prefix = fixtures::policy(&config);
    config["keys"][0]["models"] = serde_json::json!(["llama-*"]);
    let narrowed = fixtures::policy(&config);
    let refused = Err(Code::ModelNotAllowed);
    for (what, policy, key, model, expected) in [
        ("allowed", &star, GLOBEX_KEY, "llama,mistral", Ok(())),
        (
            "one is not",
            &star,
            GLOBEX_KEY,
            "llama, Qwen-3-32B",
            refused,
        ),
        ("all are", &star, ACME_KEY, "llama,qwen-3-32b", Ok(())),
        ("spelled out", &star, GLOBEX_KEY, "one,two", Ok(())),
        (
            "behind a prefix",
            &prefix,
            GLOBEX_KEY,
            "llama-1,qwen-3-32b",
            refused,
        ),
        (
            "without a rule",
            &prefix,
            ACME_KEY,
            "llama-1|mistral",
            refused,
        ),
        (
            "beyond the key's own",
            &narrowed,
            ACME_KEY,
            "llama-1;qwen-3-32b",
            refused,
        ),
        (
            "within them",
            &narrowed,
            ACME_KEY,
            "llama-1;llama-2",
            Ok(()),
        ),
    ] {
        assert_eq!(ask_by(policy, key, model), expected, "{what}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn metrics_and_logs_have_the_escaped_name() {
    let mut config = fixtures::demo();
    let name = "Qwen3;.;tenant=.=通";
    config["models"][name] = serde_json::json!({"access": "authenticated"});
    let policy = fixtures::policy(&config);
    let headers = chat(&[("x-api-key", ACME_KEY)]);
    let body = body(name);
    let (mut exchange, host) = fixtures::send(&policy, &headers, &[body.as_bytes()], &no_token);
    exchange.end(&host, &mut Labels::default());
    let names = host.movements().into_iter();
    let mut names = names.map(|movement| movement.series.name());
    let expected = "tenant=.=acme;.;model=.=Qwen3%3B.%3Btenant%3D.%3D%E9%80%9A;.;";
    assert!(
        names.all(|name| name.starts_with(expected)),
        "{:?}",
        host.movements()
    );
}

//! Who is asking: every identity of the demo against every model, and how a refusal looks.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, UNLISTED_ISSUER, chat, config};
use crate::harness::{Answer, Gateway, Token, Wire, send};

/// A verdict on the two models, `LLAMA` first: status and code.
type Verdicts = [(u16, Option<&'static str>); 2];

const OK: (u16, Option<&str>) = (200, None);
const NOT_ALLOWED: (u16, Option<&str>) = (403, Some("model_not_allowed"));
const BOTH: Verdicts = [OK, OK];
const LLAMA_ONLY: Verdicts = [OK, NOT_ALLOWED];

fn neither(code: &'static str) -> Verdicts {
    [(401, Some(code)); 2]
}

#[test]
fn every_identity_gets_its_models_and_no_others() {
    let sales = Token::with_groups(&["sales"]);
    let research = Token::with_groups(&["research"]);
    let rows: Vec<(&str, &str, String, Verdicts)> = vec![
        ("acme key", "bearer", ACME_KEY.into(), BOTH),
        ("acme key", "x-api-key", ACME_KEY.into(), BOTH),
        ("acme key", "api-key", ACME_KEY.into(), BOTH),
        ("globex key", "bearer", GLOBEX_KEY.into(), LLAMA_ONLY),
        ("globex key", "x-api-key", GLOBEX_KEY.into(), LLAMA_ONLY),
        ("globex key", "api-key", GLOBEX_KEY.into(), LLAMA_ONLY),
        ("sales token", "bearer", sales.sign(), LLAMA_ONLY),
        ("research token", "bearer", research.sign(), BOTH),
        (
            "token without groups",
            "bearer",
            Token::with_groups(&[]).sign(),
            [NOT_ALLOWED; 2],
        ),
        (
            "no credential",
            "none",
            String::new(),
            neither("missing_credential"),
        ),
        (
            "unknown key",
            "bearer",
            "sk-unknown".into(),
            neither("invalid_credential"),
        ),
        (
            "unknown key",
            "x-api-key",
            "sk-unknown".into(),
            neither("invalid_credential"),
        ),
        (
            "unknown key",
            "api-key",
            "sk-unknown".into(),
            neither("invalid_credential"),
        ),
        (
            "badly signed token",
            "bearer",
            research.sign_badly(),
            neither("invalid_credential"),
        ),
        (
            "unverified header of a key",
            "x-api-key",
            research.sign(),
            neither("invalid_credential"),
        ),
        (
            "expired token",
            "bearer",
            Token::with_groups(&["research"])
                .claim("exp", 1_000_000_000)
                .sign(),
            neither("invalid_credential"),
        ),
        (
            "verified token of an unlisted issuer",
            "bearer",
            Token::with_groups(&["research"])
                .claim("iss", UNLISTED_ISSUER)
                .sign(),
            neither("unlisted_issuer"),
        ),
    ];
    let gateway = Gateway::start();
    let mut expected = Vec::new();
    for (name, source, credential, verdicts) in rows {
        for (model, verdict) in [LLAMA, QWEN].into_iter().zip(verdicts) {
            let case = format!("{name} by {source} asks for {model}");
            let request = gateway.post("/v1/chat/completions").header("x-case", &case);
            let request = match source {
                "none" => request,
                "bearer" => request.bearer_auth(&credential),
                header => request.header(header, &credential),
            };
            let answer = send(request.json(&chat(model)));
            assert_eq!(answer.verdict(), verdict, "{case}: {answer:?}");
            let text = String::from_utf8(answer.body).unwrap();
            assert!(
                credential.is_empty() || !text.contains(&credential),
                "{case}: {text}"
            );
            expected.push((case, verdict == OK));
        }
    }
    let served: Vec<String> = gateway
        .stop()
        .iter()
        .filter(|seen| seen.complete)
        .flat_map(|seen| seen.values("x-case"))
        .collect();
    for (case, allowed) in expected {
        assert_eq!(
            served.contains(&case),
            allowed,
            "{case}: whether the upstream got it whole"
        );
    }
}

#[test]
fn the_tenant_of_a_token_comes_from_its_claim_and_else_from_the_default() {
    let gateway = Gateway::start();
    for (name, token, tenant) in [
        (
            "claim",
            Token::with_groups(&["sales"]).claim("tenant", "acme"),
            "acme",
        ),
        ("default", Token::with_groups(&["sales"]), "globex"),
    ] {
        let request = gateway
            .post("/v1/chat/completions")
            .bearer_auth(token.sign());
        assert_eq!(send(request.json(&chat(LLAMA))).status, 200, "{name}");
        assert_eq!(
            gateway.seen().last().unwrap().values("x-tollgate-tenant"),
            [tenant],
            "{name}"
        );
    }
}

#[test]
fn one_value_in_several_sources_is_one_credential_and_two_values_are_ambiguous() {
    let acme = format!("Bearer {ACME_KEY}");
    let ambiguous = (400, Some("ambiguous_credential"));
    let rows = [
        (
            "bearer and x-api-key agree",
            vec![("authorization", acme.as_str()), ("x-api-key", ACME_KEY)],
            OK,
        ),
        (
            "x-api-key and api-key agree",
            vec![("x-api-key", ACME_KEY), ("api-key", ACME_KEY)],
            OK,
        ),
        (
            "bearer and x-api-key differ",
            vec![("authorization", &acme), ("x-api-key", GLOBEX_KEY)],
            ambiguous,
        ),
        (
            "x-api-key and api-key differ",
            vec![("x-api-key", ACME_KEY), ("api-key", GLOBEX_KEY)],
            ambiguous,
        ),
        (
            "a known key beside an unknown one",
            vec![("x-api-key", ACME_KEY), ("api-key", "sk-no")],
            ambiguous,
        ),
        (
            "x-api-key twice",
            vec![("x-api-key", ACME_KEY), ("x-api-key", GLOBEX_KEY)],
            ambiguous,
        ),
    ];
    let gateway = Gateway::start();
    for (name, headers, verdict) in rows {
        let mut request = Wire::new("POST", "/v1/chat/completions");
        for (header, value) in headers {
            request = request.header(header, value);
        }
        let answer = gateway
            .connect()
            .exchange(&request.body(chat(LLAMA).to_string()));
        assert_eq!(answer.verdict(), verdict, "{name}: {answer:?}");
    }
}

#[test]
fn a_reply_tells_when_the_key_expires_where_that_is_configured() {
    const HEADER: &str = "x-tollgate-key-expires";
    let mut config = config();
    config["keys"][0]["expiresAt"] = json!("2127-01-01T00:00:00Z");
    config["credentials"] = json!({"showExpiry": true});
    let gateway = Gateway::builder().config(config).start();
    let expires = |key: &str| {
        let request = gateway.post("/v1/chat/completions").bearer_auth(key);
        let answer = send(request.json(&chat(LLAMA)));
        assert_eq!(answer.verdict(), OK, "{answer:?}");
        answer.header(HEADER).map(str::to_owned)
    };
    assert_eq!(expires(ACME_KEY).as_deref(), Some("2127-01-01T00:00:00Z"));
    assert_eq!(expires(GLOBEX_KEY), None);
}

#[test]
fn what_is_not_read_of_several_credential_headers_does_not_go_on() {
    let acme = format!("Bearer {ACME_KEY}");
    let basic = "Basic dXNlcjpwYXNzd29yZA==";
    let bearer = json!({"header": "authorization", "scheme": "Bearer"});
    let personal = json!({"header": "x-api-key", "stripOnly": true});
    let default = json!({});
    let stripped = json!({"sources": [bearer, personal]});
    let first = json!({"several": "first"});
    let dummies = json!({"dummyKeys": ["EMPTY"]});
    let rows = [
        ("an empty bearer", &default, "Bearer ", ACME_KEY),
        ("the scheme alone", &default, "Bearer", ACME_KEY),
        ("an empty header", &default, &acme, ""),
        ("Basic", &default, basic, ACME_KEY),
        ("a personal key", &stripped, &acme, "sk-personal"),
        ("a personal key, later", &first, &acme, "sk-personal"),
        ("a dummy", &dummies, "Bearer EMPTY", ACME_KEY),
        ("a dummy, the other way", &dummies, &acme, "EMPTY"),
    ];
    for (name, credentials, authorization, key) in rows {
        let mut config = config();
        config["credentials"] = credentials.clone();
        let gateway = Gateway::builder().config(config).start();
        let request = Wire::new("POST", "/v1/chat/completions")
            .header("authorization", authorization)
            .header("x-api-key", key)
            .body(chat(LLAMA).to_string());
        let answer = gateway.connect().exchange(&request);
        assert_eq!(answer.verdict(), OK, "{name}: {answer:?}");
        let seen = gateway.stop();
        let [seen] = seen.as_slice() else {
            panic!("{name}: {seen:?}");
        };
        for header in ["authorization", "x-api-key"] {
            assert!(seen.values(header).is_empty(), "{name}: {seen:?}");
        }
        assert_eq!(seen.values("x-tollgate-tenant"), ["acme"], "{name}");
    }
}

/// Takes the free text and the id, which differ, out of an error body, after checking that they are there.
fn shape(answer: &Answer) -> Value {
    let mut body = answer.json();
    let id = body.as_object_mut().unwrap().remove("request_id");
    assert_eq!(
        id.as_ref().and_then(Value::as_str),
        answer.header("x-request-id"),
        "{answer:?}"
    );
    let error = body["error"].as_object_mut().unwrap();
    let message = error.remove("message");
    assert!(
        message
            .as_ref()
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty()),
        "{answer:?}"
    );
    body
}

#[test]
fn a_refusal_has_the_shape_that_the_client_of_its_path_expects() {
    let gateway = Gateway::start();
    let openai = "/v1/chat/completions";
    let missing = r#"Bearer realm="tollgate""#;
    let invalid = r#"Bearer realm="tollgate", error="invalid_token""#;
    let anthropic = |kind: &str| json!({"type": "error", "error": {"type": kind}});
    let openai_shape = |kind: &str, param: Value, code: &str| json!({"type": "error", "error": {"type": kind, "param": param, "code": code}});
    let rows = [
        (
            "no credential",
            openai,
            None,
            QWEN,
            (401, Some("missing_credential")),
            Some(missing),
            openai_shape("authentication_error", Value::Null, "missing_credential"),
        ),
        (
            "unknown key",
            openai,
            Some("sk-unknown"),
            QWEN,
            (401, Some("invalid_credential")),
            Some(invalid),
            openai_shape("authentication_error", Value::Null, "invalid_credential"),
        ),
        (
            "model not allowed",
            openai,
            Some(GLOBEX_KEY),
            QWEN,
            NOT_ALLOWED,
            None,
            openai_shape("permission_error", json!("model"), "model_not_allowed"),
        ),
        (
            "empty model",
            openai,
            Some(GLOBEX_KEY),
            "",
            (400, Some("missing_model")),
            None,
            openai_shape("invalid_request_error", json!("model"), "missing_model"),
        ),
        (
            "no credential for Anthropic",
            "/v1/messages",
            None,
            QWEN,
            (401, Some("missing_credential")),
            Some(missing),
            anthropic("authentication_error"),
        ),
        (
            "unknown key for Anthropic",
            "/v1/messages/count_tokens",
            Some("sk-unknown"),
            QWEN,
            (401, Some("invalid_credential")),
            Some(invalid),
            anthropic("authentication_error"),
        ),
        (
            "model not allowed for Anthropic",
            "/anthropic/v1/messages",
            Some(GLOBEX_KEY),
            QWEN,
            NOT_ALLOWED,
            None,
            anthropic("permission_error"),
        ),
        (
            "empty model for Anthropic",
            "/v1/messages",
            Some(GLOBEX_KEY),
            "",
            (400, Some("missing_model")),
            None,
            anthropic("invalid_request_error"),
        ),
    ];
    for (name, path, key, model, verdict, challenge, body) in rows {
        let mut request = gateway.post(path);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let answer = send(request.json(&chat(model)));
        assert_eq!(answer.verdict(), verdict, "{name}: {answer:?}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{name}"
        );
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{name}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
        assert!(answer.header("request-id").is_some(), "{name}: {answer:?}");
        assert_eq!(
            answer.header("request-id"),
            answer.header("x-request-id"),
            "{name}"
        );
        assert_eq!(shape(&answer), body, "{name}");
    }
}

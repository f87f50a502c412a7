//! What becomes of a request: what the upstream sees, and what the client gets.

use serde_json::json;

use crate::abi::{Action, Callback};
use crate::fixtures::{
    ACME_KEY, ISSUER, JSON_REPLY, MODEL, chat_body, chat_headers, chat_reply, configuration,
};
use crate::host::{Host, flags, pairs, readable};

#[test]
fn forwards_a_good_request_with_exactly_the_headers_of_the_identity() {
    let mut host = Host::configured(&configuration().to_string());
    let ended = host
        .request(&chat_headers(ACME_KEY))
        .body(&[chat_body(MODEL, false)])
        .response(&JSON_REPLY)
        .reply(&[chat_reply()])
        .log(flags::NONE);
    let mut upstream = ended.upstream_headers.expect("the request passes");
    upstream.sort();
    let mut expected = pairs(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "llm.example"),
        (":path", "/v1/chat/completions"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("user-agent", "OpenAI/Python 2.8.0"),
        ("x-request-id", "5ad0b1e7-2b4e-4a7c-9d5b-3f1c2a7e9b10"),
        ("x-llm-d-inference-fairness-id", "acme"),
        ("x-gateway-inference-fairness-id", "acme"),
        ("x-tollgate-tenant", "acme"),
    ]);
    expected.sort();
    assert_eq!(readable(&upstream), readable(&expected));
    assert!(ended.upstream_complete);
    assert_eq!(ended.upstream_body, chat_body(MODEL, false).into_bytes());
    assert_eq!(
        ended.downstream_headers.as_deref().map(readable),
        Some(readable(&pairs(&JSON_REPLY)))
    );
    assert_eq!(ended.downstream_body, chat_reply().into_bytes());
}

#[test]
fn denies_with_the_whole_reply_of_the_contract() {
    let mut host = Host::configured(&configuration().to_string());
    let ended = host.request(&chat_headers("sk-unknown")).log(flags::NONE);
    let reply = ended.local_reply.as_ref().expect("a denial");
    assert_eq!(reply.status, 401);
    let mut headers = reply.headers.clone();
    headers.sort();
    let mut expected = pairs(&[
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-should-retry", "false"),
        ("x-tollgate-code", "invalid_credential"),
        (
            "www-authenticate",
            r#"Bearer realm="tollgate", error="invalid_token""#,
        ),
        ("x-request-id", "5ad0b1e7-2b4e-4a7c-9d5b-3f1c2a7e9b10"),
        ("request-id", "5ad0b1e7-2b4e-4a7c-9d5b-3f1c2a7e9b10"),
    ]);
    expected.sort();
    assert_eq!(readable(&headers), readable(&expected));
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(
        body,
        json!({
            "type": "error",
            "error": {
                "message": "The API key or token is not valid.",
                "type": "authentication_error",
                "param": null,
                "code": "invalid_credential"
            },
            "request_id": "5ad0b1e7-2b4e-4a7c-9d5b-3f1c2a7e9b10"
        })
    );
    assert_eq!(ended.action(Callback::RequestHeaders), Some(Action::Pause));
    assert!(ended.upstream_headers.is_none());
}

#[test]
fn denies_in_the_step_in_which_the_fault_shows() {
    let plain = |changes: &[(&'static str, &str)], removed: &[&str]| {
        let mut headers = chat_headers(ACME_KEY);
        headers.retain(|(name, _)| {
            !removed.contains(name) && changes.iter().all(|(other, _)| other != name)
        });
        headers.extend(
            changes
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        headers
    };
    let good = chat_body(MODEL, false);
    let unlisted = chat_body("gpt-6", false);
    let globex = [("authorization", "Bearer sk-tollgate-globex-demo")];
    let headers = Callback::RequestHeaders;
    let body = Callback::RequestBody;
    let rows = [
        (
            "no credential",
            plain(&[], &["authorization", "x-api-key"]),
            good.as_str(),
            401,
            "missing_credential",
            headers,
        ),
        (
            "two credentials",
            plain(&[("x-api-key", "sk-other")], &[]),
            &good,
            400,
            "ambiguous_credential",
            headers,
        ),
        (
            "unlisted path",
            plain(&[(":path", "/sleep")], &[]),
            &good,
            403,
            "operation_not_allowed",
            headers,
        ),
        (
            "percent in path",
            plain(&[(":path", "/v1/chat%2fcompletions")], &[]),
            &good,
            400,
            "malformed_path",
            headers,
        ),
        (
            "encoded body",
            plain(&[("content-encoding", "gzip")], &[]),
            &good,
            415,
            "unsupported_encoding",
            headers,
        ),
        (
            "forbidden model in header",
            plain(&[("x-ai-eg-model", "gpt-6")], &[]),
            &unlisted,
            403,
            "model_not_allowed",
            headers,
        ),
        (
            "forbidden model in body",
            plain(&[], &[]),
            &unlisted,
            403,
            "model_not_allowed",
            body,
        ),
        (
            "model of another group",
            plain(&globex, &["x-api-key"]),
            &chat_body("qwen-3-32b", false),
            403,
            "model_not_allowed",
            body,
        ),
        (
            "header and body differ",
            plain(&[("x-ai-eg-model", "qwen-3-32b")], &[]),
            &good,
            400,
            "ambiguous_model",
            body,
        ),
        (
            "no model",
            plain(&[], &[]),
            r#"{"messages":[]}"#,
            400,
            "missing_model",
            body,
        ),
        (
            "not JSON",
            plain(&[], &[]),
            "model=llama",
            400,
            "malformed_body",
            body,
        ),
        (
            "cut JSON",
            plain(&[], &[]),
            r#"{"model":"llama-3.1-8b","#,
            400,
            "malformed_body",
            body,
        ),
    ];
    for (name, headers, body, status, code, during) in rows {
        let mut host = Host::configured(&configuration().to_string());
        let ended = host.request(&headers).body(&[body]).log(flags::NONE);
        let reply = ended
            .local_reply
            .as_ref()
            .unwrap_or_else(|| panic!("{name}: let pass"));
        let answered = (reply.status, reply.header("x-tollgate-code"), reply.during);
        assert_eq!(
            answered,
            (status, Some(code.to_owned()), during),
            "{name}: {}",
            reply.text()
        );
        assert!(
            !ended.upstream_complete,
            "{name}: the upstream got a complete request"
        );
    }
}

/// Over HTTP/1 an upstream has its whole request with the last byte of content-length, before any "end" is seen here.
#[test]
fn stops_the_frame_that_reaches_content_length_while_the_document_is_open() {
    let frames = [r#"{"model":"#, r#""llama-3.1-8b","#];
    let mut headers = chat_headers(ACME_KEY);
    headers.push(("content-length", frames.concat().len().to_string()));
    let mut host = Host::configured(&configuration().to_string());
    let ended = host.request(&headers).body(&frames).log(flags::NONE);
    assert_eq!(ended.upstream_body, frames[0].as_bytes());
    let reply = ended.local_reply.expect("a denial");
    assert_eq!(
        reply.header("x-tollgate-code").as_deref(),
        Some("malformed_body")
    );
}

#[test]
fn speaks_the_dialect_of_anthropic_on_its_paths() {
    let mut host = Host::configured(&configuration().to_string());
    let headers = [
        (":method", "POST"),
        (":path", "/v1/messages"),
        ("x-api-key", "sk-unknown"),
    ];
    let ended = host.request(&headers).log(flags::NONE);
    let body: serde_json::Value =
        serde_json::from_slice(&ended.local_reply.expect("a denial").body).expect("JSON");
    assert_eq!(
        body,
        json!({"type": "error", "error": {"type": "authentication_error", "message": "The API key or token is not valid."}})
    );
}

#[test]
fn takes_tenant_and_groups_from_a_verified_token() {
    let payload =
        |claims: serde_json::Value| json!({"envoy.filters.http.jwt_authn": {"payload": claims}});
    let rows = [
        (
            "tenant claim",
            json!({"iss": ISSUER, "exp": 1_900_000_000, "sub": "u1", "tenant": "acme", "groups": ["research"]}),
            Ok(("acme", None)),
        ),
        (
            "default tenant",
            json!({"iss": ISSUER, "groups": ["sales"], "exp": 1_900_000_000}),
            Ok(("globex", Some("batch"))),
        ),
        (
            "no group of the model",
            json!({"iss": ISSUER, "exp": 1_900_000_000, "groups": ["visitors"]}),
            Err((403, "model_not_allowed")),
        ),
        (
            "unlisted issuer",
            json!({"iss": "https://elsewhere.example", "groups": ["research"]}),
            Err((401, "unlisted_issuer")),
        ),
        (
            "a null among the groups",
            json!({"iss": ISSUER, "exp": 1_900_000_000, "groups": ["visitors", null]}),
            Err((403, "model_not_allowed")),
        ),
        (
            "too many groups",
            json!({"iss": ISSUER, "exp": 1_900_000_000, "groups": (0..1025).map(|n| format!("g{n}")).collect::<Vec<_>>()}),
            Err((401, "too_many_groups")),
        ),
    ];
    for (name, claims, expected) in rows {
        let mut host = Host::configured(&configuration().to_string());
        let headers = [
            (":method", "POST"),
            (":path", "/v1/chat/completions"),
            ("authorization", "Bearer a.b.c"),
        ];
        let ended = host
            .prepared(|stream| stream.metadata = payload(claims))
            .request_headers(pairs(&headers), false)
            .body(&[chat_body(MODEL, false)])
            .log(flags::NONE);
        match expected {
            Ok((tenant, objective)) => {
                assert_eq!(
                    ended.upstream_header("x-tollgate-tenant").as_deref(),
                    Some(tenant),
                    "{name}"
                );
                assert_eq!(
                    ended
                        .upstream_header("x-llm-d-inference-objective")
                        .as_deref(),
                    objective,
                    "{name}"
                );
                assert_eq!(
                    ended
                        .upstream_header("x-gateway-inference-objective")
                        .as_deref(),
                    objective,
                    "{name}"
                );
                assert_eq!(ended.upstream_header("authorization"), None, "{name}");
                assert!(ended.upstream_complete, "{name}");
            }
            Err((status, code)) => {
                let reply = ended
                    .local_reply
                    .as_ref()
                    .unwrap_or_else(|| panic!("{name}: let pass"));
                assert_eq!(
                    (reply.status, reply.header("x-tollgate-code").as_deref()),
                    (status, Some(code)),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn lets_a_public_path_pass_without_identity_and_without_forged_headers() {
    let mut host = Host::configured(&configuration().to_string());
    let headers = [
        (":method", "GET"),
        (":path", "/health"),
        ("authorization", "Bearer whatever"),
        ("x-llm-d-inference-fairness-id", "vip"),
    ];
    let ended = host
        .request_without_body(&headers)
        .response(&JSON_REPLY)
        .reply(&["ok"])
        .log(flags::NONE);
    assert_eq!(
        ended.upstream_headers.as_deref().map(readable),
        Some(readable(&pairs(&headers[..2])))
    );
    assert_eq!(ended.downstream_body, b"ok");
}

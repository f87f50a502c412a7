//! `envoy/rate-limit.yaml`: what a tenant spends is charged to its budget, and to nobody else's. With `$RATELIMIT`, the
//! rate limit server is envoyproxy/ratelimit with Redis.

mod exported;
mod failures;

use std::net::SocketAddr;
use std::time::Duration;

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat, streamed_chat};
use crate::harness::{
    Answer, Gateway, Piece, RateLimitServer, Reply, Shipped, Wire, eventually, question,
    question_of, send,
};
use serde_json::json;

/// Recorded from vLLM: 18 tokens in, 40 out.
const STREAM: &[u8] = include_bytes!("../fixtures/recordings/vllm/chat_stream_usage.body");
/// The same, not streamed.
const UNARY: &[u8] = include_bytes!("../fixtures/recordings/vllm/chat_unary.body");

/// What a default reply of the upstream costs: 11 tokens in, 7 out.
const REPLY: u64 = 18;

fn shipped(server: SocketAddr) -> Shipped {
    Shipped::bootstrap("rate-limit.yaml")
        .value("RATE_LIMIT host", server.ip().to_string())
        .value("RATE_LIMIT port", server.port())
}

/// So many tokens and requests a day for each tenant. A day, because no test runs into the next one.
fn limits(tokens: u64, requests: u64) -> String {
    let limit = |name: &str, amount: u64| {
        let limit = json!({"name": name, "unit": "day", "requests_per_unit": amount});
        json!({
            "key": "limit", "value": name,
            "descriptors": [{"key": "tenant", "rate_limit": limit}],
        })
    };
    let descriptors = [limit("tokens", tokens), limit("requests", requests)];
    json!({"domain": "tollgate", "descriptors": descriptors}).to_string()
}

/// Enough for all tests.
fn plenty() -> String {
    limits(1_000_000, 1_000_000)
}

/// What the server is asked of a request that passes, before it is over and after.
fn asked(tenant: &str, tokens: u64) -> [(&'static str, &str, u64); 3] {
    [
        ("all", tenant, 0),
        ("requests", tenant, 1),
        ("tokens", tenant, tokens),
    ]
}

fn ask(gateway: &Gateway, key: &str, path: &str) -> Answer {
    send(gateway.post(path).bearer_auth(key).json(&chat(LLAMA)))
}

fn chat_with(key: Option<&str>, headers: &[(&str, &str)], model: &str) -> Wire {
    let mut request = Wire::new("POST", "/v1/chat/completions");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(chat(model).to_string())
}

/// One event of one token, with these running counts if given.
fn event(usage: Option<(u64, u64)>) -> Piece {
    let mut event = json!({
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": "toll"}}]
    });
    if let Some((input, output)) = usage {
        event["usage"] = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    }
    Piece::Bytes(format!("data: {event}\n\n").into_bytes())
}

/// Eight tokens, so told, and then this.
fn eight_tokens(told: bool, end: Option<Piece>) -> Reply {
    let moment = || Piece::Pause(Duration::from_millis(2));
    let events = (1..=8).map(|count| event(told.then_some((9, count))));
    let mut pieces: Vec<_> = events.flat_map(|event| [event, moment()]).collect();
    pieces.push(Piece::Bytes(b": eight\n\n".to_vec()));
    pieces.extend(end.map(|end| [moment(), end]).into_iter().flatten());
    Reply::stream(pieces)
}

#[test]
fn every_request_is_charged_once_with_its_tokens_however_it_ends() {
    let rows = [
        (
            "a stream",
            Reply::stream(vec![Piece::Bytes(STREAM.to_vec())]),
            None,
            58,
        ),
        (
            "a reply that is not streamed",
            Reply::fixed(200, "application/json", UNARY),
            None,
            58,
        ),
        (
            "a stream without usage: an estimate, 6 in, 8 out",
            eight_tokens(false, None),
            None,
            14,
        ),
        (
            "a stream that the client leaves: an estimate",
            eight_tokens(false, Some(Piece::UntilClosed)),
            Some(": eight"),
            14,
        ),
        (
            "a stream that the client leaves, with running counts: 9 in, 8 out",
            eight_tokens(true, Some(Piece::UntilClosed)),
            Some(": eight"),
            17,
        ),
        (
            "a stream that the server cuts: an estimate",
            eight_tokens(false, Some(Piece::Cut)),
            None,
            14,
        ),
        (
            "a server's error: nothing",
            Reply::fixed(500, "application/json", "{}"),
            None,
            0,
        ),
    ];
    let replies: Vec<Reply> = rows.iter().map(|(_, reply, ..)| reply.clone()).collect();
    let server = RateLimitServer::start(&plenty());
    let gateway = Gateway::builder()
        .shipped(shipped(server.address))
        .script(move |seen| replies[seen.values("x-row")[0].parse::<usize>().unwrap()].clone())
        .start();
    let mut expected = Vec::new();
    for (index, (name, _, leave_after, tokens)) in rows.iter().enumerate() {
        println!("{name}");
        let request = Wire::new("POST", "/v1/chat/completions")
            .header("x-api-key", ACME_KEY)
            .header("x-row", index.to_string())
            .body(streamed_chat(LLAMA).to_string());
        if let Some(mark) = leave_after {
            let mut connection = gateway.connect();
            connection.start(&request);
            connection.read_until(mark);
        } else {
            gateway.connect().exchange(&request);
        }
        expected.extend(asked("acme", *tokens));
        server.expect_asked(&expected);
    }
    gateway.stop();
    server.expect_asked(&expected);
}

#[test]
fn a_spent_budget_is_429_for_its_tenant_alone_and_nothing_more_is_charged() {
    let server = RateLimitServer::start(&limits(2 * REPLY + 1, 1_000));
    let gateway = Gateway::builder().shipped(shipped(server.address)).start();
    let mut expected = Vec::new();
    for remaining in ["37", "19", "1"] {
        let answer = ask(&gateway, ACME_KEY, "/v1/chat/completions");
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("x-ratelimit-limit"),
            Some("37, 37;w=86400;name=\"tokens\", 1000;w=86400;name=\"requests\"")
        );
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(remaining));
        expected.extend(asked("acme", REPLY));
        server.expect_asked(&expected);
    }
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let answer = ask(&gateway, ACME_KEY, path);
        assert_eq!(answer.status, 429, "{path}");
        for (name, value) in [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("x-should-retry", "false"),
            ("x-envoy-ratelimited", "true"),
            (
                "x-ratelimit-limit",
                "37, 37;w=86400;name=\"tokens\", 1000;w=86400;name=\"requests\"",
            ),
            ("x-ratelimit-remaining", "0"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {name}");
        }
        let reset = answer.header("x-ratelimit-reset").unwrap();
        assert!((1..=86_400).contains(&reset.parse().unwrap()), "{reset}");
        assert_eq!(answer.header("retry-after"), Some(reset));
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(answer.header("request-id"), Some(id));
        assert_eq!(
            answer.json(),
            json!({
                "type": "error",
                "error": {
                    "type": "rate_limit_error",
                    "code": "rate_limit_exceeded",
                    "message": format!("A limit is reached: 37, 37;w=86400;name=\"tokens\", 1000;w=86400;name=\"requests\". It is renewed in {reset} seconds.")
                },
                "request_id": id
            })
        );
        // No request is charged, and no token.
        expected.extend([("all", "acme", 0), ("tokens", "acme", 0)]);
        server.expect_asked(&expected);
    }
    assert_eq!(
        send(gateway.get("/v1/models").bearer_auth(ACME_KEY)).status,
        200
    );
    assert_eq!(
        ask(&gateway, GLOBEX_KEY, "/v1/chat/completions").status,
        200
    );
    expected.extend(asked("globex", REPLY));
    server.expect_asked(&expected);
    let reached: Vec<_> = gateway
        .stop()
        .into_iter()
        .map(|seen| seen.request)
        .collect();
    let chat = "POST /v1/chat/completions";
    assert_eq!(reached, [chat, chat, chat, "GET /v1/models", chat]);
    server.expect_asked(&expected);
}

#[test]
fn what_is_denied_in_its_headers_asks_and_charges_nobody() {
    let forged = [("x-tollgate-tenant", "acme")];
    let rows = [
        ("no key", chat_with(None, &[], LLAMA), 401),
        (
            "no key, a forged tenant",
            chat_with(None, &forged, LLAMA),
            401,
        ),
        (
            "an unknown key, a forged tenant",
            chat_with(Some("sk-unknown"), &forged, LLAMA),
            401,
        ),
        (
            "an operation that is not allowed",
            Wire::new("POST", "/sleep").header("x-api-key", ACME_KEY),
            403,
        ),
    ];
    let server = RateLimitServer::start(&plenty());
    let gateway = Gateway::builder().shipped(shipped(server.address)).start();
    for (name, request, status) in rows {
        assert_eq!(
            gateway.connect().exchange(&request).status,
            status,
            "{name}"
        );
    }
    // Whatever they had asked would have come before this.
    assert_eq!(ask(&gateway, ACME_KEY, "/v1/chat/completions").status, 200);
    server.expect_asked(&asked("acme", REPLY));
    gateway.stop();
    server.expect_asked(&asked("acme", REPLY));
}

#[test]
fn what_is_denied_in_its_body_is_charged_nothing() {
    let server = RateLimitServer::start(&plenty());
    let gateway = Gateway::builder().shipped(shipped(server.address)).start();
    let forged = [("x-tollgate-tenant", "acme")];
    for _ in 0..3 {
        let answer = gateway
            .connect()
            .exchange(&chat_with(Some(GLOBEX_KEY), &forged, QWEN));
        assert_eq!(answer.verdict(), (403, Some("model_not_allowed")));
    }
    assert_eq!(ask(&gateway, ACME_KEY, "/v1/chat/completions").status, 200);
    let spent = asked("acme", REPLY).map(|(limit, tenant, hits)| question(limit, tenant, hits));
    eventually("the charge", || {
        let asked = server.asked();
        asked
            .ends_with(&spent)
            .then_some(())
            .ok_or_else(|| format!("{asked:#?}"))
    });
    gateway.stop();
    // Whether the server is asked before the body is refused is a matter of time. A request may be charged, no token.
    let mut asked = server.asked();
    asked.retain(|asked| {
        let of_globex = [("all", 0), ("requests", 1), ("tokens", 0)];
        !of_globex
            .iter()
            .any(|(limit, hits)| *asked == question(limit, "globex", *hits))
    });
    assert_eq!(asked, spent);
}

#[test]
fn a_forged_tenant_is_never_the_one_who_is_charged() {
    let server = RateLimitServer::start(&plenty());
    let anonymous = r#""qwen-3-32b": {"access": "anonymous"}"#;
    let gateway = Gateway::builder()
        .shipped(
            shipped(server.address)
                .replacing(r#""qwen-3-32b": {"groups": ["research"]}"#, anonymous),
        )
        .start();
    let mut expected = Vec::new();
    for (name, key, headers, model) in [
        (
            "a forged header",
            Some(GLOBEX_KEY),
            &[("x-tollgate-tenant", "acme")][..],
            LLAMA,
        ),
        (
            "two of them",
            Some(GLOBEX_KEY),
            &[
                ("x-tollgate-tenant", "acme"),
                ("x-tollgate-tenant", "globex"),
            ],
            LLAMA,
        ),
        (
            "in other letters",
            Some(GLOBEX_KEY),
            &[("X-Tollgate-TENANT", "acme"), ("x_tollgate_tenant", "acme")],
            LLAMA,
        ),
        ("anonymous", None, &[("x-tollgate-tenant", "acme")], QWEN),
    ] {
        println!("{name}");
        let answer = gateway.connect().exchange(&chat_with(key, headers, model));
        assert_eq!(answer.status, 200, "{name}");
        if key.is_some() {
            expected.extend(asked("globex", REPLY));
        }
        server.expect_asked(&expected);
    }
    // Whatever the anonymous one had asked would have come before this.
    assert_eq!(ask(&gateway, ACME_KEY, "/v1/chat/completions").status, 200);
    expected.extend(asked("acme", REPLY));
    server.expect_asked(&expected);
    gateway.stop();
    server.expect_asked(&expected);
}

#[test]
fn a_refusal_by_one_limit_charges_no_other() {
    // More than one answer, less than two; or one request.
    for (name, tokens, requests) in [("tokens", REPLY - 1, 100), ("requests", 1_000, 1)] {
        let server = RateLimitServer::start(&limits(tokens, requests));
        let gateway = Gateway::builder().shipped(shipped(server.address)).start();
        let answer = ask(&gateway, ACME_KEY, "/v1/chat/completions");
        assert_eq!(answer.status, 200, "{name}");
        let mut expected = asked("acme", REPLY).to_vec();
        server.expect_asked(&expected);
        for attempt in 0..3 {
            println!("{name}, attempt {attempt}");
            let answer = ask(&gateway, ACME_KEY, "/v1/chat/completions");
            assert_eq!(answer.status, 429);
            assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
            let is_first = name == "requests" && attempt == 0;
            let until = if is_first {
                Some("1")
            } else {
                answer.header("x-ratelimit-reset")
            };
            assert_eq!(answer.header("retry-after"), until);
            // One request beyond the limit shows that it is reached.
            expected.push(("all", "acme", 0));
            expected.extend(is_first.then_some(("requests", "acme", 1)));
            expected.push(("tokens", "acme", 0));
            server.expect_asked(&expected);
        }
    }
}

#[test]
fn a_budget_of_a_model_is_charged_by_what_the_body_names() {
    let server = RateLimitServer::start(&plenty());
    let charge = "hits_addend: {format: \"%FILTER_STATE(wasm.tollgate.charge_tokens:PLAIN)%\"}";
    let by_model = format!(
        "- extension:
                          name: envoy.rate_limit_descriptors.expr
                          typed_config:
                            \"@type\": type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor
                            descriptor_key: model
                            text: \"filter_state['wasm.tollgate.model']\"
                      {charge}"
    );
    let gateway = Gateway::builder()
        .shipped(shipped(server.address).replacing(charge, &by_model))
        .start();
    for model in [LLAMA, QWEN] {
        let answer = gateway
            .connect()
            .exchange(&chat_with(Some(ACME_KEY), &[], model));
        assert_eq!(answer.status, 200, "{model}");
        let entries = [("limit", "tokens"), ("tenant", "acme"), ("model", model)];
        let charge = question_of(&entries, REPLY);
        eventually("the charge", || {
            let asked = server.asked();
            (asked.last() == Some(&charge))
                .then_some(())
                .ok_or_else(|| format!("{asked:#?}"))
        });
    }
}

//! `envoy/rate-limit.yaml`: what a tenant spends is charged to its budget, and to nobody else's.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::json;
use tollgate_rate_limit::Budgets;

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat, streamed_chat};
use crate::harness::{
    Answer, Gateway, Piece, RateLimitServer, Reply, Shipped, Wire, eventually, question, send,
    series,
};

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
            "a stream without usage: an estimate",
            eight_tokens(false, None),
            None,
            8,
        ),
        (
            "a stream that the client leaves: an estimate",
            eight_tokens(false, Some(Piece::UntilClosed)),
            Some(": eight"),
            8,
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
            8,
        ),
        (
            "a server's error: nothing",
            Reply::fixed(500, "application/json", "{}"),
            None,
            0,
        ),
    ];
    let replies: Vec<Reply> = rows.iter().map(|(_, reply, ..)| reply.clone()).collect();
    let server = RateLimitServer::start(Budgets::new(1_000_000));
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
        expected.extend([("acme", 0), ("acme", *tokens)]);
        server.expect_asked(&expected);
    }
    gateway.stop();
    server.expect_asked(&expected);
}

#[test]
fn a_spent_budget_is_429_for_its_tenant_alone_and_nothing_more_is_charged() {
    let server = RateLimitServer::start(Budgets::new(2 * u32::try_from(REPLY).unwrap() + 1));
    let gateway = Gateway::builder().shipped(shipped(server.address)).start();
    let mut expected = Vec::new();
    for remaining in ["37", "19", "1"] {
        let answer = ask(&gateway, ACME_KEY, "/v1/chat/completions");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit"), Some("37, 37;w=60"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(remaining));
        expected.extend([("acme", 0), ("acme", REPLY)]);
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
            ("x-ratelimit-limit", "37, 37;w=60"),
            ("x-ratelimit-remaining", "0"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {name}");
        }
        let reset = answer.header("x-ratelimit-reset").unwrap();
        assert!((1..=60).contains(&reset.parse().unwrap()), "{reset}");
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
                    "message": format!("The tokens of your budget are spent. It is renewed in {reset} seconds.")
                },
                "request_id": id
            })
        );
        expected.extend([("acme", 0), ("acme", 0)]);
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
    expected.extend([("globex", 0), ("globex", REPLY)]);
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
    let server = RateLimitServer::start(Budgets::new(1_000));
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
    server.expect_asked(&[("acme", 0), ("acme", REPLY)]);
    gateway.stop();
    server.expect_asked(&[("acme", 0), ("acme", REPLY)]);
}

#[test]
fn what_is_denied_in_its_body_is_charged_nothing() {
    let server = RateLimitServer::start(Budgets::new(1_000));
    let gateway = Gateway::builder().shipped(shipped(server.address)).start();
    let forged = [("x-tollgate-tenant", "acme")];
    for _ in 0..3 {
        let answer = gateway
            .connect()
            .exchange(&chat_with(Some(GLOBEX_KEY), &forged, QWEN));
        assert_eq!(answer.verdict(), (403, Some("model_not_allowed")));
    }
    assert_eq!(ask(&gateway, ACME_KEY, "/v1/chat/completions").status, 200);
    let spent = [question("acme", 0), question("acme", REPLY)];
    eventually("the charge", || {
        let asked = server.asked();
        asked
            .ends_with(&spent)
            .then_some(())
            .ok_or_else(|| format!("{asked:#?}"))
    });
    gateway.stop();
    // Whether the server is asked before the body is refused is a matter of time.
    let mut asked = server.asked();
    asked.retain(|asked| *asked != question("globex", 0));
    assert_eq!(asked, spent);
}

#[test]
fn a_forged_tenant_is_never_the_one_who_is_charged() {
    let server = RateLimitServer::start(Budgets::new(1_000));
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
            expected.extend([("globex", 0), ("globex", REPLY)]);
        }
        server.expect_asked(&expected);
    }
    // Whatever the anonymous one had asked would have come before this.
    assert_eq!(ask(&gateway, ACME_KEY, "/v1/chat/completions").status, 200);
    expected.extend([("acme", 0), ("acme", REPLY)]);
    server.expect_asked(&expected);
    gateway.stop();
    server.expect_asked(&expected);
}

#[test]
fn without_the_rate_limit_server_requests_pass_and_are_counted_unless_told_otherwise() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    for (name, address, deny, status, counted) in [
        (
            "nobody listens",
            closed,
            "false",
            200,
            &["error", "failure_mode_allowed"][..],
        ),
        (
            "nobody answers",
            silent.local_addr().unwrap(),
            "false",
            200,
            &["error", "failure_mode_allowed"],
        ),
        ("told to deny", closed, "true", 500, &["error"]),
    ] {
        let deny = format!("failure_mode_deny: {deny}\n");
        let shipped = shipped(address).replacing("failure_mode_deny: false\n", &deny);
        let gateway = Gateway::builder().shipped(shipped).start();
        let denied = gateway.connect().exchange(&chat_with(None, &[], LLAMA));
        assert_eq!(denied.status, 401, "{name}");
        let answer = ask(&gateway, ACME_KEY, "/v1/chat/completions");
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.header("x-ratelimit-limit"), None, "{name}");
        let counters = gateway.admin_text("/stats/prometheus?filter=inference.ratelimit");
        let counters: Vec<String> = series(&counters)
            .iter()
            .map(|(series, value)| format!("{series} {value}"))
            .collect();
        let expected: Vec<String> = counted
            .iter()
            .map(|counter| {
                format!("envoy_cluster_ratelimit_{counter}{{envoy_cluster_name=\"inference\"}} 1")
            })
            .collect();
        assert_eq!(counters, expected, "{name}");
    }
}

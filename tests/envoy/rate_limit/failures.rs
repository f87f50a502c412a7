//! The rate limit server fails, or Envoy ends.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use super::{ask, chat_with, eight_tokens, plenty, shipped};
use crate::harness::demo::{ACME_KEY, LLAMA, streamed_chat};
use crate::harness::{
    Connection, Gateway, Piece, RateLimitServer, Wire, eventually, question, series,
};

/// So many streams, once the upstream has begun to answer them.
fn begin(gateway: &Gateway, count: usize) -> Vec<Connection> {
    let streamed = Wire::new("POST", "/v1/chat/completions")
        .header("x-api-key", ACME_KEY)
        .body(streamed_chat(LLAMA).to_string());
    let connections = (0..count).map(|_| {
        let mut connection = gateway.connect();
        connection.start(&streamed);
        connection
    });
    let connections = connections.collect();
    eventually("all streams at the upstream", || {
        let seen = gateway.seen().len();
        (seen == count)
            .then_some(())
            .ok_or_else(|| seen.to_string())
    });
    connections
}

#[test]
fn without_the_rate_limit_server_requests_pass_and_are_counted_unless_told_otherwise() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    for (name, address, denies, status, counted) in [
        (
            "nobody listens",
            closed,
            false,
            200,
            &["error} 2", "failure_mode_allowed} 2"][..],
        ),
        (
            "nobody answers",
            silent.local_addr().unwrap(),
            false,
            200,
            &["error} 2", "failure_mode_allowed} 2"],
        ),
        ("told to deny", closed, true, 503, &["error} 1"]),
    ] {
        let mut shipped = shipped(address);
        if denies {
            shipped = shipped.replacing_all("failure_mode_deny: false", "failure_mode_deny: true");
        }
        let gateway = Gateway::builder().shipped(shipped).start();
        let denied = gateway.connect().exchange(&chat_with(None, &[], LLAMA));
        assert_eq!(denied.status, 401, "{name}");
        let answer = ask(&gateway, ACME_KEY, "/v1/chat/completions");
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.header("x-ratelimit-limit"), None, "{name}");
        if denies {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
            let id = answer.header("x-request-id").unwrap();
            assert_eq!(
                answer.json(),
                json!({
                    "type": "error",
                    "error": {
                        "type": "api_error",
                        "code": "rate_limit_unavailable",
                        "message": "The rate limit of the gateway is unavailable."
                    },
                    "request_id": id
                }),
                "{name}"
            );
        }
        let counters = gateway.admin_text("/stats/prometheus?filter=inference.ratelimit");
        let counters: Vec<String> = series(&counters)
            .iter()
            .map(|(series, value)| format!("{series} {value}"))
            .collect();
        let expected: Vec<String> = counted
            .iter()
            .map(|counter| {
                let (counter, value) = counter.split_once("} ").unwrap();
                format!(
                    "envoy_cluster_ratelimit_{counter}{{envoy_cluster_name=\"inference\"}} {value}"
                )
            })
            .collect();
        assert_eq!(counters, expected, "{name}");
    }
}

#[test]
fn charges_that_find_no_server_are_lost_and_show_as_its_5xx_alone() {
    const STREAMS: usize = 5;
    let server = RateLimitServer::start(&plenty());
    let reply = eight_tokens(true, Some(Piece::Pause(Duration::from_millis(800))));
    let gateway = Gateway::builder()
        .shipped(shipped(server.address))
        .reply(reply)
        .start();
    let connections = begin(&gateway, STREAMS);
    drop(server);
    for connection in connections {
        assert_eq!(connection.finish().status, 200);
    }
    let counter = |filter: &str, name: &str| {
        let text = gateway.admin_text(&format!("/stats?filter={filter}"));
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim_start_matches(": ").parse().ok())
            .unwrap_or(0)
    };
    eventually("the lost charges", || {
        let lost: usize = counter("cluster.rate-limit", "cluster.rate-limit.upstream_rq_5xx");
        (lost == STREAMS)
            .then_some(())
            .ok_or_else(|| format!("{lost} of {STREAMS}"))
    });
    for name in ["error", "failure_mode_allowed"] {
        let name = format!("cluster.inference.ratelimit.{name}");
        assert_eq!(counter("inference.ratelimit", &name), 0, "{name}");
    }
}

#[test]
fn an_envoy_that_is_drained_before_it_ends_charges_all() {
    const STREAMS: usize = 20;
    let server = RateLimitServer::start(&plenty());
    let reply = eight_tokens(true, Some(Piece::Pause(Duration::from_millis(500))));
    let gateway = Gateway::builder()
        .shipped(shipped(server.address))
        .reply(reply)
        .start();
    let connections = begin(&gateway, STREAMS);
    gateway.admin_post("/drain_listeners?graceful");
    for connection in connections {
        assert_eq!(connection.finish().status, 200);
    }
    eventually("the end of all requests", || {
        let active = gateway.admin_text("/stats?filter=http.inference.downstream_rq_active");
        active.contains(": 0\n").then_some(()).ok_or(active)
    });
    gateway.stop();
    let charged = server.asked();
    let charged = charged
        .iter()
        .filter(|asked| **asked == question("tokens", "acme", 17));
    assert_eq!(charged.count(), STREAMS);
}

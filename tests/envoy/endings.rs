//! However a request ends, it is counted once: one line in the access log, one step of `tollgate_requests_total`.
//!
//! Endings of streams are in [`streaming`](crate::streaming).

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, chat};
use crate::harness::{Gateway, Piece, Reply, Wire, filters, route};

type Amend = fn(&mut Value);

/// What a request came to: status, outcome, source, input and output in the access log, and the labels of its step.
struct Ending {
    entry: [&'static str; 5],
    tenant: &'static str,
    model: &'static str,
    operation: &'static str,
}

impl Ending {
    const fn chat(entry: [&'static str; 5]) -> Self {
        Self {
            entry,
            tenant: "acme",
            model: LLAMA,
            operation: "chat",
        }
    }

    /// A chat of which only the headers were read.
    const fn no_model(entry: [&'static str; 5]) -> Self {
        Self {
            model: "unknown",
            ..Self::chat(entry)
        }
    }

    const fn list(entry: [&'static str; 5]) -> Self {
        Self {
            entry,
            tenant: "acme",
            model: "unknown",
            operation: "list_models",
        }
    }

    /// One that the filter was told of only when it was over.
    const fn unseen(entry: [&'static str; 5]) -> Self {
        Self {
            entry,
            tenant: "unknown",
            model: "unknown",
            operation: "none",
        }
    }

    /// The access log's only entry and the only step of the metric.
    fn check(&self, name: &str, gateway: &Gateway) {
        println!("{name}");
        let line = format!(
            "tollgate_requests_total{{tenant=\"{}\",model=\"{}\",operation=\"{}\",outcome=\"{}\"}} 1\n",
            self.tenant, self.model, self.operation, self.entry[1]
        );
        gateway.expect_counted(&["tollgate_requests_total"], &line);
        let entries = gateway.access_log(1);
        let fields = [
            "status",
            "outcome",
            "usage_source",
            "input_tokens",
            "output_tokens",
        ];
        let found = fields.map(|field| match &entries[0][field] {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        });
        assert_eq!(found, self.entry, "{name}: {entries:?}");
    }
}

fn by_acme(method: &str, target: &str) -> Wire {
    Wire::new(method, target).header("x-api-key", ACME_KEY)
}

fn chat_request() -> Wire {
    by_acme("POST", "/v1/chat/completions").body(chat(LLAMA).to_string())
}

fn completion() -> Reply {
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18});
    Reply::json(&json!({"choices": [], "usage": usage}))
}

fn as_it_is(_: &mut Value) {}

#[test]
fn a_reply_without_a_body_is_counted_once() {
    let empty = |status| Reply::fixed(status, "application/json", "");
    for (name, request, reply, ending) in [
        (
            "a list",
            by_acme("GET", "/v1/models"),
            Reply::json(&json!({"data": []})),
            Ending::list(["200", "ok", "not_applicable", "-", "-"]),
        ),
        (
            "the head of a list",
            by_acme("HEAD", "/v1/models"),
            empty(200),
            Ending::list(["200", "ok", "not_applicable", "-", "-"]),
        ),
        (
            "a list that has not changed",
            by_acme("GET", "/v1/models"),
            empty(304),
            Ending::list(["304", "ok", "not_applicable", "-", "-"]),
        ),
        (
            "no content",
            chat_request(),
            empty(204),
            Ending::chat(["204", "ok", "none", "-", "-"]),
        ),
        (
            "nothing new",
            chat_request(),
            empty(304),
            Ending::chat(["304", "ok", "not_applicable", "-", "-"]),
        ),
        (
            "an empty 200",
            chat_request(),
            empty(200),
            Ending::chat(["200", "ok", "none", "-", "-"]),
        ),
    ] {
        let gateway = Gateway::builder().reply(reply).start();
        let mut connection = gateway.connect();
        connection.start(&request);
        connection.read_until("\r\n\r\n");
        ending.check(name, &gateway);
    }
}

#[test]
fn trailers_after_the_reply_change_nothing() {
    for (name, reply) in [
        ("none", completion()),
        ("after a document", completion().trailers()),
        (
            "after a stream",
            Reply::stream(vec![Piece::Bytes(
                b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}\n\ndata: [DONE]\n\n"
                    .to_vec(),
            )])
            .trailers(),
        ),
    ] {
        let gateway = Gateway::builder().http2_upstream().reply(reply).start();
        let answer = gateway.connect().exchange(&chat_request());
        assert_eq!((answer.status, answer.complete), (200, true), "{name}");
        Ending::chat(["200", "ok", "reported", "11", "7"]).check(name, &gateway);
    }
}

#[test]
fn a_request_that_gets_no_reply_is_counted_once() {
    let silent = || Gateway::builder().reply(Reply::none(Piece::UntilClosed));
    let gone = silent().start();
    let mut connection = gone.connect();
    connection.start(&chat_request());
    crate::harness::eventually("the request at the upstream", || {
        let seen = gone.seen();
        let complete = seen.first().is_some_and(|seen| seen.complete);
        complete.then_some(()).ok_or_else(|| format!("{seen:?}"))
    });
    drop(connection);
    Ending::chat(["0", "client_aborted", "none", "-", "-"]).check("the client is gone", &gone);

    let cut = Gateway::builder().reply(Reply::none(Piece::Cut)).start();
    let answer = cut.connect().exchange(&chat_request());
    assert_eq!(answer.status, 503);
    Ending::chat(["503", "upstream_reset", "not_applicable", "-", "-"])
        .check("the upstream hangs up", &cut);

    let slow = silent().route_timeout(Duration::from_millis(200)).start();
    let answer = slow.connect().exchange(&chat_request());
    assert_eq!(answer.status, 504);
    Ending::chat(["504", "timeout", "not_applicable", "-", "-"])
        .check("the upstream is too slow", &slow);
}

#[test]
fn what_envoy_answers_behind_the_filter_is_counted_once() {
    let rows: [(&str, Amend, u16, Ending); 4] = [
        (
            "no route",
            |bootstrap| route(bootstrap)["match"] = json!({"path": "/elsewhere"}),
            404,
            Ending::no_model(["404", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
        (
            "a route that answers by itself",
            |bootstrap| {
                let route = route(bootstrap);
                route.as_object_mut().unwrap().remove("route");
                route["direct_response"] =
                    json!({"status": 418, "body": {"inline_string": "teapot"}});
            },
            418,
            Ending::no_model(["418", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
        (
            "a body that a later filter finds too large",
            |bootstrap| {
                filters(bootstrap).insert(2, json!({
                    "name": "envoy.filters.http.buffer",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
                        "max_request_bytes": 10
                    }
                }));
            },
            413,
            Ending::chat(["413", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
        (
            "a later filter that refuses",
            |bootstrap| filters(bootstrap).insert(2, fault()),
            429,
            Ending::no_model(["429", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
    ];
    for (name, amend, status, ending) in rows {
        let gateway = Gateway::builder().amended(amend).start();
        let answer = gateway.connect().exchange(&chat_request());
        assert_eq!(answer.status, status, "{name}");
        ending.check(name, &gateway);
    }
}

/// A filter that answers every request by itself.
fn fault() -> Value {
    json!({
        "name": "envoy.filters.http.fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "abort": {"http_status": 429, "percentage": {"numerator": 100}}
        }
    })
}

/// Tokens without exception: what has none is answered by `jwt_authn`.
fn only_tokens(bootstrap: &mut Value) {
    filters(bootstrap)[0]["typed_config"]["rules"][0]["requires"] =
        json!({"provider_name": "demo"});
}

#[test]
fn what_is_answered_before_the_filter_is_counted_once_and_under_no_name() {
    let large = Wire::new("POST", "/v1/chat/completions").header("x-large", "x".repeat(100_000));
    let upgrade = by_acme("GET", "/v1/models")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    let not_http = Wire::new("POST", "/v1/chat/completions").header("content-length", "nonsense");
    let rows: [(&str, Amend, Wire, Ending); 6] = [
        (
            "an earlier filter that refuses",
            |bootstrap| filters(bootstrap).insert(1, fault()),
            chat_request(),
            Ending::unseen(["429", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
        (
            "jwt_authn that refuses",
            only_tokens,
            chat_request(),
            Ending::unseen(["401", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
        (
            "headers that are too large",
            as_it_is,
            large,
            Ending::unseen(["431", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
        (
            "an upgrade",
            as_it_is,
            upgrade,
            Ending::unseen(["403", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
        (
            "a request that is no HTTP",
            as_it_is,
            not_http,
            Ending::unseen(["400", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
        (
            "a path that is none",
            as_it_is,
            by_acme("GET", "nonsense"),
            Ending::unseen(["400", "upstream_4xx", "not_applicable", "-", "-"]),
        ),
    ];
    for (name, amend, request, ending) in rows {
        let gateway = Gateway::builder().amended(amend).start();
        assert!(gateway.connect().exchange(&request).complete, "{name}");
        ending.check(name, &gateway);
    }
}

//! The requests whose cost is pinned, each run in a VM that has served the same request before.

use crate::fixtures::{
    ACME_KEY, ISSUER, JSON_REPLY, MODEL, STREAM_REPLY, chat_body, chat_headers, chat_reply,
    configuration, stream,
};
use crate::host::{Host, flags, pairs};
use crate::world::Stream;

/// A whole stream of traffic, by the name it has in the tables.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    run: fn(&mut Host) -> Stream,
}

impl Scenario {
    pub(crate) fn run(&self, host: &mut Host) -> Stream {
        (self.run)(host)
    }

    /// The cost once caches are warm.
    pub(crate) fn warm(&self) -> Stream {
        self.run(&mut warm_host(self))
    }
}

/// A VM that has served the scenario twice.
pub(crate) fn warm_host(scenario: &Scenario) -> Host {
    let mut host = Host::configured(&configuration().to_string());
    scenario.run(&mut host);
    scenario.run(&mut host);
    host
}

pub(crate) const ALL: [Scenario; 6] = [
    Scenario {
        name: "allowed chat",
        run: allowed,
    },
    Scenario {
        name: "allowed chat with token",
        run: allowed_with_token,
    },
    Scenario {
        name: "allowed streamed chat",
        run: streamed,
    },
    Scenario {
        name: "denied by key",
        run: denied_by_key,
    },
    Scenario {
        name: "denied by model",
        run: denied_by_model,
    },
    Scenario {
        name: "public path",
        run: public,
    },
];

fn allowed(host: &mut Host) -> Stream {
    host.request(&chat_headers(ACME_KEY))
        .body(&[chat_body(MODEL, false)])
        .response(&JSON_REPLY)
        .reply(&[chat_reply()])
        .log(flags::NONE)
}

fn allowed_with_token(host: &mut Host) -> Stream {
    let headers = [
        (":method", "POST"),
        (":path", "/v1/chat/completions"),
        ("content-type", "application/json"),
        ("authorization", "Bearer header.payload.signature"),
    ];
    let claims = serde_json::json!({"iss": ISSUER, "exp": 1_900_000_000, "sub": "u1", "tenant": "acme", "groups": ["staff", "research"]});
    host.prepared(|stream| {
        stream.metadata = serde_json::json!({"envoy.filters.http.jwt_authn": {"payload": claims}})
    })
    .request_headers(pairs(&headers), false)
    .body(&[chat_body(MODEL, false)])
    .response(&JSON_REPLY)
    .reply(&[chat_reply()])
    .log(flags::NONE)
}

fn streamed(host: &mut Host) -> Stream {
    host.request(&chat_headers(ACME_KEY))
        .body(&[chat_body(MODEL, true)])
        .response(&STREAM_REPLY)
        .reply(&stream())
        .log(flags::NONE)
}

fn denied_by_key(host: &mut Host) -> Stream {
    host.request(&chat_headers("sk-unknown"))
        .body(&[chat_body(MODEL, false)])
        .log(flags::NONE)
}

fn denied_by_model(host: &mut Host) -> Stream {
    host.request(&chat_headers(ACME_KEY))
        .body(&[chat_body("gpt-6", false)])
        .log(flags::NONE)
}

fn public(host: &mut Host) -> Stream {
    host.request_without_body(&[
        (":method", "GET"),
        (":path", "/health"),
        (":authority", "llm.example"),
    ])
    .response(&JSON_REPLY)
    .reply(&["ok"])
    .log(flags::NONE)
}

//! What is counted, for whom, and under which outcome.

use std::collections::BTreeMap;

use crate::fixtures::{
    ACME_KEY, JSON_REPLY, MODEL, STREAM_REPLY, chat_body, chat_headers, chat_reply, configuration,
    stream,
};
use crate::host::{Host, flags};

#[test]
fn counts_a_good_request_under_tenant_and_model() {
    for (name, reply_headers, reply) in [
        ("json", JSON_REPLY, vec![chat_reply()]),
        ("stream", STREAM_REPLY, stream()),
    ] {
        let mut host = Host::configured(&configuration().to_string());
        let before = host.world().metrics.numbers().clone();
        let ended = host
            .request(&chat_headers(ACME_KEY))
            .body(&[chat_body(MODEL, name == "stream")])
            .response(&reply_headers)
            .reply(&reply)
            .log(flags::NONE);
        let expected = [
            (
                "tenant=.=acme;.;model=.=llama-3.1-8b;.;operation=.=chat;.;outcome=.=ok;.;tollgate_requests_total",
                1,
            ),
            (
                "tenant=.=acme;.;model=.=llama-3.1-8b;.;type=.=input;.;tollgate_tokens_total",
                7,
            ),
            (
                "tenant=.=acme;.;model=.=llama-3.1-8b;.;type=.=output;.;tollgate_tokens_total",
                5,
            ),
        ];
        assert_eq!(moved(&before, &host), table(&expected), "{name}");
        assert_eq!(
            ended.filter_state,
            [
                ("wasm.tollgate.tenant", "acme"),
                ("wasm.tollgate.key", "acme-demo"),
                ("wasm.tollgate.model", MODEL),
                ("wasm.tollgate.input_tokens", "7"),
                ("wasm.tollgate.output_tokens", "5"),
                ("wasm.tollgate.charge_tokens", "12"),
                ("wasm.tollgate.usage_source", "reported"),
                ("wasm.tollgate.outcome", "ok"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            "{name}"
        );
    }
}

#[test]
fn measures_duration_and_time_to_first_token_in_milliseconds() {
    let mut host = Host::configured(&configuration().to_string());
    let events = stream();
    host.request(&chat_headers(ACME_KEY))
        .body(&[chat_body(MODEL, true)])
        .after_milliseconds(40)
        .response(&STREAM_REPLY)
        .after_milliseconds(60)
        .unfinished_reply(&events[..1])
        .after_milliseconds(400)
        .reply(&events[1..])
        .log(flags::NONE);
    let labels = "tenant=.=acme;.;model=.=llama-3.1-8b;.;";
    let samples = |name: &str| {
        host.world()
            .metrics
            .samples()
            .get(&format!("{labels}{name}"))
            .cloned()
    };
    assert_eq!(
        samples("tollgate_time_to_first_token_milliseconds"),
        Some(vec![100])
    );
    assert_eq!(
        samples("tollgate_request_duration_milliseconds"),
        Some(vec![500])
    );
    assert_eq!(
        samples("tollgate_time_per_output_token_milliseconds"),
        Some(vec![100])
    );
}

#[test]
fn names_the_outcome_by_how_the_stream_ended() {
    let rows = [
        ("answered", "200", flags::NONE, "ok"),
        (
            "client gone",
            "200",
            flags::CLIENT_DISCONNECTED,
            "client_aborted",
        ),
        (
            "upstream reset",
            "200",
            flags::UPSTREAM_PROTOCOL_ERROR,
            "upstream_reset",
        ),
        (
            "upstream too slow",
            "504",
            flags::UPSTREAM_TIMEOUT,
            "timeout",
        ),
        ("upstream refuses", "422", flags::NONE, "upstream_4xx"),
        ("upstream fails", "500", flags::NONE, "upstream_5xx"),
    ];
    for (name, status, response_flags, outcome) in rows {
        let mut host = Host::configured(&configuration().to_string());
        let ended = host
            .request(&chat_headers(ACME_KEY))
            .body(&[chat_body(MODEL, false)])
            .response(&[(":status", status), ("content-type", "application/json")])
            .log(response_flags);
        assert_eq!(
            ended
                .filter_state
                .get("wasm.tollgate.outcome")
                .map(String::as_str),
            Some(outcome),
            "{name}"
        );
        let metric = format!(
            "tenant=.=acme;.;model=.={MODEL};.;operation=.=chat;.;outcome=.={outcome};.;tollgate_requests_total"
        );
        assert_eq!(host.number(&metric), 1, "{name}");
    }
}

#[test]
fn counts_a_denial_under_its_code() {
    let mut host = Host::configured(&configuration().to_string());
    let before = host.world().metrics.numbers().clone();
    let ended = host.request(&chat_headers("sk-unknown")).log(flags::NONE);
    let expected = [
        (
            "tenant=.=unknown;.;code=.=invalid_credential;.;tollgate_denials_total",
            1,
        ),
        (
            "tenant=.=unknown;.;model=.=unknown;.;operation=.=chat;.;outcome=.=denied;.;tollgate_requests_total",
            1,
        ),
    ];
    assert_eq!(moved(&before, &host), table(&expected));
    assert_eq!(
        ended
            .filter_state
            .get("wasm.tollgate.denial")
            .map(String::as_str),
        Some("invalid_credential")
    );
}

/// Counters that are no longer what they were.
fn moved(before: &BTreeMap<String, u64>, host: &Host) -> BTreeMap<String, u64> {
    let now = host.world().metrics.numbers();
    now.iter()
        .map(|(name, value)| {
            (
                name.clone(),
                value - before.get(name).copied().unwrap_or_default(),
            )
        })
        .filter(|(_, difference)| *difference != 0)
        .collect()
}

fn table(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
    rows.iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

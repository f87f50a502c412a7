//! A server is asked for the usage of a stream, and the client does not notice.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::demo::{self, ACME_KEY, LLAMA};
use crate::harness::{Answer, Frames, Gateway, Piece, Reply, Wire, send};

const PATH: &str = "/v1/chat/completions";
const USAGE: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":18,"completion_tokens":40,"total_tokens":58,"prompt_tokens_details":null}}"#;

/// What a server sends: with the event that carries usage only if the body asked for it as servers read it.
fn events(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).expect("one JSON document");
    let asked = body["stream_options"]["include_usage"] == json!(true);
    let delta = r#"data: {"choices":[{"index":0,"delta":{"content":"\"usage\":{}"}}]}"#;
    let finish = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let mut events = vec![": ping", delta, delta, finish];
    events.extend(asked.then_some(USAGE));
    events.push("data: [DONE]");
    events.iter().map(|event| format!("{event}\n\n")).collect()
}

/// What the client would get without a filter in between.
fn without_a_filter(body: &str) -> String {
    events(body.as_bytes()).concat()
}

/// A server that writes its stream in pieces of `size` bytes.
fn server(size: usize) -> Reply {
    Reply::to_body(move |body| {
        let stream = events(body).concat();
        let pieces = stream.as_bytes().chunks(size);
        let paced = pieces.flat_map(|piece| {
            let moment = Piece::Pause(Duration::from_micros(300));
            [Piece::Bytes(piece.to_vec()), moment]
        });
        Reply::stream(paced.collect())
    })
}

/// Each way to say, or not to say, that the usage is wanted; and what the server then reads of it.
fn bodies() -> [(&'static str, String); 8] {
    let with = |members: &str| {
        format!(r#"{{"messages":[{{"role":"user","content":"Hi"}}],{members}"model":"{LLAMA}"}}"#)
    };
    [
        ("no options", with(r#""stream":true,"#)),
        (
            "a no",
            with(r#""stream":true,"stream_options":{"include_usage":false},"#),
        ),
        (
            "a no before the stream",
            with(r#""stream_options":{"include_usage":false},"stream":true,"#),
        ),
        (
            "null options before the stream",
            with(r#""stream_options":null,"stream":true,"#),
        ),
        (
            "empty options",
            with(r#""stream":true,"stream_options":{},"#),
        ),
        (
            "another option",
            with(r#""stream":true,"stream_options":{"include_obfuscation":false},"#),
        ),
        (
            "a yes",
            with(r#""stream":true,"stream_options":{"include_usage":true},"#),
        ),
        (
            "white space at the end",
            with(r#""stream":true,"#) + "\r\n  \n",
        ),
    ]
}

/// The ways in which a client can send a body.
fn ways(gateway: &Gateway, body: &str) -> Vec<(String, Answer)> {
    let wire = || Wire::new("POST", PATH).header("x-api-key", ACME_KEY);
    let mut ways = vec![
        (
            "HTTP/1.1 at once".to_owned(),
            gateway.connect().exchange(&wire().body(body)),
        ),
        (
            "HTTP/1.1 byte by byte".to_owned(),
            gateway.connect().exchange_in_frames(&wire().body(body), 1),
        ),
    ];
    for size in [1, 7, 1000] {
        let request = wire().chunked(body, size);
        let answer = gateway.connect().exchange(&request);
        ways.push((format!("HTTP/1.1 in chunks of {size}"), answer));
    }
    let length = body.len().to_string();
    for (announced, size) in [(false, 1), (true, 1), (false, 50), (true, 50)] {
        let mut headers = vec![("x-api-key", ACME_KEY)];
        if announced {
            headers.push(("content-length", &length));
        }
        for trailers in [false, true] {
            let answer = gateway.exchange_http2(&Frames {
                method: "POST",
                path: PATH,
                headers: &headers,
                frames: body.as_bytes().chunks(size).collect(),
                trailers,
            });
            ways.push((
                format!("HTTP/2 in frames of {size}, announced: {announced}, trailers: {trailers}"),
                answer,
            ));
        }
    }
    ways
}

#[test]
fn every_stream_is_counted_and_looks_to_the_client_as_if_nobody_had_asked() {
    let gateways = [
        ("HTTP/1.1", Gateway::builder()),
        ("HTTP/2", Gateway::builder().http2_upstream()),
        ("small buffers", Gateway::builder().buffer_limit(32 * 1024)),
    ];
    for (upstream, gateway) in gateways {
        let gateway = gateway.reply(server(1000)).start();
        let mut requests = 0;
        for (name, body) in bodies() {
            for (way, answer) in ways(&gateway, &body) {
                requests += 1;
                assert_eq!(
                    (answer.status, answer.complete, answer.body.as_slice()),
                    (200, true, without_a_filter(&body).as_bytes()),
                    "{name}, {way}, upstream {upstream}"
                );
            }
        }
        for entry in gateway.access_log(requests) {
            assert_eq!(
                ["outcome", "usage_source", "input_tokens", "output_tokens"]
                    .map(|field| &entry[field]),
                ["ok", "reported", "18", "40"],
                "upstream {upstream}"
            );
        }
        for seen in gateway.stop() {
            assert!(seen.complete);
            let announced = seen.values("content-length");
            let whole = announced
                .iter()
                .all(|length| *length == seen.body.len().to_string());
            assert!(whole, "{announced:?}, not {}", seen.body.len());
        }
    }
}

#[test]
fn the_usage_is_hidden_wherever_the_reply_is_cut() {
    let [(_, body), ..] = bodies();
    let expected = without_a_filter(&body);
    for http2 in [false, true] {
        let mut builder = Gateway::builder();
        if http2 {
            builder = builder.http2_upstream();
        }
        let gateway = builder
            .script(|seen| server(seen.values("x-size")[0].parse().unwrap()))
            .start();
        let sizes: Vec<usize> = (1..=40).chain([97, 113, 200]).collect();
        for size in &sizes {
            let request = gateway.post(PATH).bearer_auth(ACME_KEY);
            let request = request.header("content-type", "application/json");
            let answer = send(request.header("x-size", *size).body(body.clone()));
            assert_eq!(
                (answer.complete, String::from_utf8(answer.body).unwrap()),
                (true, expected.clone()),
                "pieces of {size}, upstream HTTP/2: {http2}"
            );
        }
        for entry in gateway.access_log(sizes.len()) {
            assert_eq!(entry["usage_source"], "reported", "{entry}");
        }
    }
}

#[test]
fn a_body_above_the_buffer_limit_is_completed_while_it_passes() {
    let gateway = Gateway::builder()
        .buffer_limit(32 * 1024)
        .reply(server(1000))
        .start();
    let content = "x".repeat(5_000_000);
    let body =
        format!(r#"{{"messages":[{{"content":"{content}"}}],"stream":true,"model":"{LLAMA}"}}"#);
    for (way, request) in [
        (
            "announced",
            Wire::new("POST", PATH)
                .header("x-api-key", ACME_KEY)
                .body(&body),
        ),
        (
            "chunked",
            Wire::new("POST", PATH)
                .header("x-api-key", ACME_KEY)
                .chunked(&body, 65_536),
        ),
    ] {
        let answer = gateway.connect().exchange(&request);
        assert_eq!(answer.status, 200, "{way}");
        assert_eq!(answer.body, without_a_filter(&body).as_bytes(), "{way}");
    }
    for entry in gateway.access_log(2) {
        assert_eq!(entry["usage_source"], "reported", "{entry}");
    }
}

#[test]
fn a_reply_with_an_announced_length_is_hidden_from_as_well() {
    let gateway = Gateway::builder()
        .reply(Reply::to_body(|body| {
            Reply::fixed(200, "text/event-stream", events(body).concat())
        }))
        .start();
    let [(_, body), ..] = bodies();
    let request = gateway.post(PATH).bearer_auth(ACME_KEY).body(body.clone());
    let answer = send(request);
    assert_eq!(
        (answer.complete, answer.header("content-length")),
        (true, None)
    );
    assert_eq!(answer.body, without_a_filter(&body).as_bytes());
}

#[test]
fn only_what_could_have_been_asked_for_is_changed() {
    let mut observing = demo::config();
    observing["metering"]["streamUsage"] = json!("observe");
    let mut observing_one = demo::config();
    observing_one["models"][LLAMA]["streamUsage"] = json!("observe");
    let streamed = json!({"model": LLAMA, "stream": true}).to_string();
    let unstreamed = json!({"model": LLAMA, "stream": false}).to_string();
    let spaces = " ".repeat(40);
    for (name, config, path, body, expected) in [
        (
            "not a stream",
            demo::config(),
            PATH,
            &unstreamed,
            unstreamed.clone() + &spaces,
        ),
        (
            "an API that always reports",
            demo::config(),
            "/v1/messages",
            &streamed,
            streamed.clone(),
        ),
        ("observed", observing, PATH, &streamed, streamed.clone()),
        (
            "observed for this model",
            observing_one,
            PATH,
            &streamed,
            streamed.clone() + &spaces,
        ),
    ] {
        let gateway = Gateway::builder().config(config).start();
        let request = gateway.post(path).bearer_auth(ACME_KEY);
        let answer = send(request.body(body.clone()));
        assert_eq!(answer.status, 200, "{name}");
        let seen = gateway.stop();
        assert_eq!(String::from_utf8_lossy(&seen[0].body), expected, "{name}");
    }
}

#[test]
fn an_unasked_stream_that_is_only_observed_is_estimated() {
    let mut config = demo::config();
    config["metering"]["streamUsage"] = json!("observe");
    let gateway = Gateway::builder()
        .config(config)
        .reply(server(1000))
        .start();
    let [(_, body), ..] = bodies();
    let answer = send(gateway.post(PATH).bearer_auth(ACME_KEY).body(body));
    assert_eq!(answer.status, 200);
    let labels = format!(r#"tenant="acme",model="{LLAMA}""#);
    gateway.expect_counted(
        &[
            "tollgate_tokens_total",
            "tollgate_estimated_tokens_total",
            "tollgate_usage_missing_total",
        ],
        &format!(
            "tollgate_estimated_tokens_total{{{labels},type=\"input\"}} 5\ntollgate_estimated_tokens_total{{{labels},type=\"output\"}} 3\ntollgate_usage_missing_total{{{labels},reason=\"no_usage\"}} 1\n"
        ),
    );
}

#[test]
fn what_cannot_be_told_or_counted_is_refused() {
    let gateway = Gateway::start();
    for (name, path, members, expected) in [
        (
            "stream as a text",
            PATH,
            json!({"stream": "true"}),
            (400, Some("ambiguous_stream")),
        ),
        (
            "two readings of one name",
            PATH,
            json!({"stream": true, "Stream": false}),
            (400, Some("ambiguous_stream")),
        ),
        (
            "in the background",
            "/v1/responses",
            json!({"background": true}),
            (403, Some("background_not_allowed")),
        ),
        (
            "not in the background",
            "/v1/responses",
            json!({"background": false}),
            (200, None),
        ),
    ] {
        let mut body = members;
        body["model"] = json!(LLAMA);
        let answer = send(gateway.post(path).bearer_auth(ACME_KEY).json(&body));
        assert_eq!(answer.verdict(), expected, "{name}");
    }
    let whole = gateway.stop().iter().filter(|seen| seen.complete).count();
    assert_eq!(whole, 1, "complete requests at the upstream");
}

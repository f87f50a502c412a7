//! Input that no well-behaved client or host sends. A trap ends the test; beyond that, nothing hostile is let pass.

use crate::abi::{Callback, Pairs};
use crate::fixtures::{
    ACME_KEY, JSON_REPLY, MODEL, STREAM_REPLY, chat_body, chat_headers, configuration,
};
use crate::host::{Host, flags, pairs, readable};
use crate::world::LocalReply;

#[test]
fn stands_hostile_headers() {
    let good = || pairs(&chat_headers(ACME_KEY));
    let with = |name: &[u8], value: &[u8]| {
        let mut headers = good();
        headers.push((name.to_vec(), value.to_vec()));
        headers
    };
    let without = |name: &str| {
        let mut headers = good();
        headers.retain(|(other, _)| other != name.as_bytes());
        headers
    };
    let changed = |name: &str, value: &[u8]| {
        let mut headers = without(name);
        headers.push((name.as_bytes().to_vec(), value.to_vec()));
        headers
    };
    let long = vec![b'a'; 60_000];
    let rows: Vec<(&str, Pairs, bool)> = vec![
        ("no headers", Pairs::new(), false),
        ("no path", without(":path"), false),
        ("no method", without(":method"), false),
        ("empty path", changed(":path", b""), false),
        ("path of 0xFF", changed(":path", b"\xff\xff"), false),
        ("method of 0xFF", changed(":method", b"\xff"), false),
        (
            "long path",
            changed(":path", &[b"/v1/".as_slice(), &long].concat()),
            false,
        ),
        (
            "credential of 0xFF",
            changed("authorization", b"\xff"),
            false,
        ),
        (
            "bearer of 0xFF",
            changed("authorization", b"Bearer \xff\xfe"),
            false,
        ),
        (
            "empty credential next to a good one",
            changed("x-api-key", b""),
            true,
        ),
        (
            "long credential",
            changed("authorization", &[b"Bearer ".as_slice(), &long].concat()),
            false,
        ),
        ("value of 0xFF", with(b"x-whatever", b"\xff\x80\xc0"), true),
        ("name of 0xFF", with(b"x-\xff", b"v"), true),
        ("empty name", with(b"", b"v"), true),
        (
            "model header of 0xFF",
            with(b"x-ai-eg-model", b"\xff"),
            false,
        ),
        (
            "two model headers",
            [
                with(b"x-ai-eg-model", MODEL.as_bytes()),
                with(b"x-ai-eg-model", b"gpt-6")[16..].to_vec(),
            ]
            .concat(),
            false,
        ),
        ("empty model header", with(b"x-ai-eg-model", b""), false),
        (
            "content-length of 0xFF",
            with(b"content-length", b"\xff"),
            true,
        ),
        (
            "content-length above 64 bits",
            with(b"content-length", b"99999999999999999999999"),
            true,
        ),
        ("request id of 0xFF", changed("x-request-id", b"\xff"), true),
        (
            "five thousand headers",
            [good(), vec![(b"x-a".to_vec(), b"1".to_vec()); 5000]].concat(),
            true,
        ),
    ];
    for (name, headers, may_pass) in rows {
        let mut host = Host::configured(&configuration().to_string());
        let id = host.open();
        let ended = host
            .resume(id)
            .request_headers(headers, false)
            .body(&[chat_body(MODEL, false)])
            .response(&JSON_REPLY)
            .reply(&["{}"])
            .log(flags::NONE);
        assert_eq!(
            ended.upstream_complete,
            may_pass,
            "{name}: {:?}",
            ended.local_reply.as_ref().map(LocalReply::text)
        );
        for (header, value) in ended.upstream_headers.iter().flatten() {
            assert_ne!(
                value,
                b"vip",
                "{name}: the upstream sees {}",
                String::from_utf8_lossy(header)
            );
        }
    }
}

/// Envoy's own codecs let no such name through; a filter before this one might.
#[test]
fn strips_an_owned_name_that_is_no_utf8() {
    let mut headers = pairs(&chat_headers(ACME_KEY));
    headers.push((b"x-llm-d-\xff".to_vec(), b"vip".to_vec()));
    let mut host = Host::configured(&configuration().to_string());
    let id = host.open();
    let ended = host
        .resume(id)
        .request_headers(headers, false)
        .log(flags::NONE);
    let upstream = ended.upstream_headers.as_deref().map(readable);
    assert!(
        !upstream.iter().flatten().any(|line| line.ends_with("vip")),
        "{upstream:#?}"
    );
}

#[test]
fn stands_hostile_replies() {
    let json = JSON_REPLY.as_slice();
    let rows: [(&str, Pairs, &[&[u8]]); 9] = [
        ("no headers", Pairs::new(), &[b"{}"]),
        (
            "status of 0xFF",
            pairs(&[(":status".as_bytes(), b"\xff".as_slice())]),
            &[b"{}"],
        ),
        (
            "status above 32 bits",
            pairs(&[(":status", "99999999999")]),
            &[b"{}"],
        ),
        (
            "content type of 0xFF",
            pairs(&[
                (":status".as_bytes(), b"200".as_slice()),
                (b"content-type", b"\xff/\xfe"),
            ]),
            &[b"{}"],
        ),
        (
            "encoded",
            pairs(&[
                (":status", "200"),
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ]),
            &[b"\x1f\x8b\xff"],
        ),
        ("body of 0xFF", pairs(json), &[b"\xff\xff", b"\xff"]),
        (
            "negative usage",
            pairs(json),
            &[br#"{"usage":{"prompt_tokens":-1,"completion_tokens":1e300}}"#],
        ),
        (
            "endless line",
            pairs(&STREAM_REPLY),
            &[b"data: ", &[b'x'; 300_000], b"\n\n"],
        ),
        ("deep nesting", pairs(json), &[&[b'['; 200_000]]),
    ];
    for (name, headers, frames) in rows {
        let mut host = Host::configured(&configuration().to_string());
        let ended = host
            .request(&chat_headers(ACME_KEY))
            .body(&[chat_body(MODEL, false)])
            .response(&headers)
            .reply(frames)
            .log(flags::NONE);
        assert_eq!(
            ended.downstream_headers.as_deref().map(readable),
            Some(readable(&headers)),
            "{name}"
        );
        assert_eq!(ended.downstream_body, frames.concat(), "{name}");
    }
}

#[test]
fn stands_bodies_in_every_cut() {
    let body = chat_body(MODEL, false);
    let forbidden = chat_body("gpt-6", false);
    for at in 0..=body.len() {
        let mut host = Host::configured(&configuration().to_string());
        let ended = host
            .request(&chat_headers(ACME_KEY))
            .body(&[&body[..at], &body[at..]])
            .log(flags::NONE);
        assert!(
            ended.upstream_complete,
            "cut at {at}: {:?}",
            ended.local_reply
        );
        assert_eq!(ended.upstream_body, body.as_bytes(), "cut at {at}");
        let at = at.min(forbidden.len());
        let ended = host
            .request(&chat_headers(ACME_KEY))
            .body(&[&forbidden[..at], &forbidden[at..]])
            .log(flags::NONE);
        assert!(ended.local_reply.is_some(), "forbidden model, cut at {at}");
        assert!(
            ended.upstream_body.len() < forbidden.len(),
            "forbidden model, cut at {at}"
        );
    }
}

#[test]
fn stands_empty_bodies() {
    let none: [&str; 0] = [];
    let rows: [(&str, &[&str]); 3] = [
        ("only the end", &none),
        ("one empty frame", &[""]),
        ("spaces", &[" ", "\n"]),
    ];
    for (name, frames) in rows {
        let mut host = Host::configured(&configuration().to_string());
        let ended = host
            .request(&chat_headers(ACME_KEY))
            .body(frames)
            .log(flags::NONE);
        assert!(!ended.upstream_complete, "{name}: passed");
        assert!(ended.local_reply.is_some(), "{name}: no reply");
    }
    let mut host = Host::configured(&configuration().to_string());
    let ended = host
        .request_without_body(&chat_headers(ACME_KEY))
        .log(flags::NONE);
    assert!(!ended.upstream_complete, "no body at all: passed");
}

/// Envoy makes none of these orders for a request, but other filters, resets and local replies come near.
#[test]
fn stands_callbacks_out_of_order() {
    use Callback::{
        RequestBody, RequestHeaders, RequestTrailers, ResponseBody, ResponseHeaders,
        ResponseTrailers,
    };
    let rows: [(&str, &[Callback]); 10] = [
        ("on_log alone", &[]),
        ("body without headers", &[RequestBody]),
        ("request trailers without headers", &[RequestTrailers]),
        ("response without request", &[ResponseHeaders, ResponseBody]),
        ("response body alone", &[ResponseBody]),
        ("response trailers alone", &[ResponseTrailers]),
        (
            "response before body",
            &[RequestHeaders, ResponseHeaders, RequestBody, ResponseBody],
        ),
        (
            "headers twice",
            &[RequestHeaders, RequestHeaders, RequestBody],
        ),
        (
            "response headers twice",
            &[
                RequestHeaders,
                RequestBody,
                ResponseHeaders,
                ResponseHeaders,
                ResponseBody,
            ],
        ),
        (
            "all backwards",
            &[
                ResponseTrailers,
                ResponseBody,
                ResponseHeaders,
                RequestTrailers,
                RequestBody,
                RequestHeaders,
            ],
        ),
    ];
    for (name, callbacks) in rows {
        let mut host = Host::configured(&configuration().to_string());
        let id = host.open();
        let stream = host.stream(id);
        stream.request_headers = Some(pairs(&chat_headers(ACME_KEY)));
        stream.request_trailers = Some(pairs(&[("x-llm-d-slo-ttft-ms", "1")]));
        stream.response_headers = Some(pairs(&JSON_REPLY));
        stream.response_trailers = Some(pairs(&[("grpc-status", "0")]));
        for callback in callbacks {
            let stream = host.stream(id);
            stream.frame = match callback {
                RequestBody => chat_body(MODEL, false).into_bytes(),
                _ => b"{}".to_vec(),
            };
            let size = u32::try_from(stream.frame.len()).expect("a short frame");
            let arguments = match callback {
                RequestTrailers | ResponseTrailers => vec![1],
                _ => vec![size, 0],
            };
            host.callback(id, *callback, &arguments);
        }
        host.resume(id).log(flags::CLIENT_DISCONNECTED);
        let counted = host.world().metrics.requests();
        assert_eq!(counted, 1, "{name}: requests counted");
    }
}

/// A request body that reaches the filter without its headers was never authorised.
#[test]
fn lets_no_body_pass_that_no_headers_came_before() {
    let mut host = Host::configured(&configuration().to_string());
    let id = host.open();
    let ended = host
        .resume(id)
        .body(&[chat_body(MODEL, false)])
        .log(flags::NONE);
    assert!(!ended.upstream_complete);
}

/// With trailers there is no body callback that says "end".
#[test]
fn refuses_an_unfinished_document_that_trailers_end() {
    let mut host = Host::configured(&configuration().to_string());
    let id = host
        .request(&chat_headers(ACME_KEY))
        .unfinished_body(&[r#"{"model":"#])
        .keep_open();
    host.stream(id).request_trailers = Some(pairs(&[("x-trailer", "1")]));
    host.callback(id, Callback::RequestTrailers, &[1]);
    let ended = host.resume(id).log(flags::NONE);
    assert_eq!(
        ended
            .local_reply
            .expect("a denial")
            .header("x-tollgate-code")
            .as_deref(),
        Some("malformed_body")
    );
}

#[test]
fn strips_owned_names_from_trailers_too() {
    let mut host = Host::configured(&configuration().to_string());
    let id = host
        .request(&chat_headers(ACME_KEY))
        .unfinished_body(&[chat_body(MODEL, false)])
        .keep_open();
    let trailers = pairs(&[
        ("x-llm-d-inference-fairness-id", "vip"),
        ("x-checksum", "1"),
        ("authorization", "Bearer x"),
    ]);
    host.stream(id).request_trailers = Some(trailers);
    host.callback(id, Callback::RequestTrailers, &[3]);
    let trailers = host.stream(id).request_trailers.as_deref().map(readable);
    assert_eq!(trailers, Some(vec!["x-checksum: 1".to_owned()]));
}

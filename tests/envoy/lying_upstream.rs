//! Replies that are not what they say: the client gets what Envoy alone would give it, and no number is made up.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, chat, streamed_chat};
use crate::harness::{Builder, Framing, Gateway, Piece, Reply, Wire, filters};

const DOCUMENT: &str = r#"{"object":"chat.completion","choices":[{"index":0,"message":{"content":"Hi."}}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;
const EVENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n";
const ENDLESS_EVENT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"";
/// What a head may hold by Envoy's defaults for replies: 60 KiB and 100 lines.
const MOST_HEADER_BYTES: usize = 60 * 1024;
const MOST_HEADERS: usize = 100;

/// Status and whether the reply is whole; outcome, source, input and output in the access log.
type End = (u16, bool, [&'static str; 4]);
type Row = (&'static str, fn() -> Reply, End);

/// Bytes as they are, head and all.
fn raw(head: &str, body: impl AsRef<[u8]>) -> Reply {
    let bytes = [b"HTTP/1.1 ", head.as_bytes(), b"\r\n\r\n", body.as_ref()].concat();
    Reply::framed(200, Framing::NoReply, vec![Piece::Bytes(bytes)])
}

/// A JSON document with more lines in its head.
fn with_lines(lines: &str) -> Reply {
    let length = DOCUMENT.len();
    raw(
        &format!("200 OK\r\n{lines}content-type: application/json\r\ncontent-length: {length}"),
        DOCUMENT,
    )
}

fn chunked(content_type: &str, pieces: &[&[u8]]) -> Reply {
    let pieces = pieces.iter().map(|piece| Piece::Bytes(piece.to_vec()));
    Reply::chunked(content_type, pieces.collect())
}

/// So many MiB without an end of line, after some first bytes.
fn endless(content_type: &str, start: &str, size: usize) -> Reply {
    let more = vec![Piece::Bytes(vec![b'x'; 1 << 20]); size];
    let pieces = [vec![Piece::Bytes(start.as_bytes().to_vec())], more].concat();
    Reply::chunked(content_type, pieces)
}

/// The first bytes of a gzip stream of stored bytes, which promises more.
const CUT_GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\xff\0\0\xff{\"usage\":";

const REPORTED: [&str; 4] = ["ok", "reported", "11", "7"];
const NONE: [&str; 4] = ["ok", "none", "-", "-"];
const STREAMED: [&str; 4] = ["ok", "reported", "3", "2"];
const CUT_ESTIMATED: [&str; 4] = ["truncated", "estimated", "-", "-"];
const CUT_NONE: [&str; 4] = ["truncated", "none", "-", "-"];
const NO_REPLY: [&str; 4] = ["ok", "not_applicable", "-", "-"];
const RESET: [&str; 4] = ["upstream_reset", "none", "-", "-"];
const REFUSED: [&str; 4] = ["upstream_reset", "not_applicable", "-", "-"];

const ROWS: &[Row] = &[
    (
        "a document that is called a stream",
        || Reply::fixed(200, "text/event-stream", DOCUMENT),
        (200, true, REPORTED),
    ),
    (
        "a stream that is called a document",
        || chunked("application/json", &[EVENT.as_bytes(), USAGE.as_bytes()]),
        (200, true, STREAMED),
    ),
    (
        "a stream that turns into a document",
        || {
            chunked(
                "text/event-stream",
                &[EVENT.as_bytes(), DOCUMENT.as_bytes()],
            )
        },
        (200, true, CUT_ESTIMATED),
    ),
    (
        "a document that turns into a stream",
        || chunked("application/json", &[DOCUMENT.as_bytes(), USAGE.as_bytes()]),
        (200, true, REPORTED),
    ),
    (
        "a stream with two usages",
        || {
            chunked(
                "text/event-stream",
                &[EVENT.as_bytes(), USAGE.as_bytes(), USAGE.as_bytes()],
            )
        },
        (200, true, STREAMED),
    ),
    (
        "an event without an end",
        || endless("text/event-stream", ENDLESS_EVENT, 2),
        (200, true, CUT_NONE),
    ),
    (
        "a line without an end that is no field",
        || endless("text/event-stream", "", 2),
        (200, true, CUT_NONE),
    ),
    (
        "a string without an end",
        || {
            endless(
                "application/json",
                "{\"choices\":[{\"message\":{\"content\":\"",
                2,
            )
        },
        (200, true, CUT_NONE),
    ),
    (
        "a name without an end",
        || endless("application/json", "{\"usage\":{\"", 2),
        (200, true, CUT_NONE),
    ),
    (
        "gzip that is cut",
        || Reply::fixed(200, "application/json", CUT_GZIP).header("content-encoding", "gzip"),
        (200, true, NONE),
    ),
    (
        "gzip that is none, in a stream",
        || {
            chunked("text/event-stream", &[EVENT.as_bytes(), USAGE.as_bytes()])
                .header("content-encoding", "gzip")
        },
        (200, true, NONE),
    ),
    (
        "gzip that is not said to be",
        || Reply::fixed(200, "application/json", CUT_GZIP),
        (200, true, NONE),
    ),
    (
        "a length that is too long",
        || {
            let pieces = vec![Piece::Bytes(DOCUMENT.into()), Piece::Cut];
            Reply::framed(200, Framing::Length { missing: 5 }, pieces)
                .header("content-type", "application/json")
        },
        (200, false, ["upstream_reset", "reported", "11", "7"]),
    ),
    (
        "a length that is too short",
        || {
            let head = format!(
                "200 OK\r\ncontent-type: application/json\r\ncontent-length: {}",
                DOCUMENT.len() - 2
            );
            raw(&head, DOCUMENT)
        },
        (200, true, CUT_ESTIMATED),
    ),
    (
        "two lengths",
        || with_lines("content-length: 3\r\n"),
        (502, true, REFUSED),
    ),
    (
        "a length and chunks",
        || with_lines("transfer-encoding: chunked\r\n"),
        (502, true, REFUSED),
    ),
    (
        "a length that is no number",
        || with_lines("content-length: ten\r\n"),
        (502, true, REFUSED),
    ),
    (
        "a chunk that is no number",
        || {
            raw(
                "200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked",
                "zz\r\n{}",
            )
        },
        (200, false, RESET),
    ),
    (
        "announcements before the reply",
        || {
            raw(
                "103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2",
                "{}",
            )
        },
        (200, true, NONE),
    ),
    (
        "an upgrade that nobody asked for",
        || {
            raw(
                "101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade",
                "",
            )
        },
        (101, true, NO_REPLY),
    ),
    (
        "a body where none may be",
        || {
            raw(
                "204 No Content\r\ncontent-type: application/json\r\ncontent-length: 2",
                "{}",
            )
        },
        (502, true, REFUSED),
    ),
    (
        "a status that is none",
        || raw("999 Who Knows\r\ncontent-length: 2", "{}"),
        (999, true, NO_REPLY),
    ),
    (
        "a status below all",
        || raw("099 Nothing\r\ncontent-length: 2", "{}"),
        (502, true, REFUSED),
    ),
    (
        "a reply that is no HTTP",
        || {
            Reply::framed(
                200,
                Framing::NoReply,
                vec![Piece::Bytes(b"nonsense\r\n\r\n".to_vec())],
            )
        },
        (502, true, REFUSED),
    ),
    (
        "a NUL in a header",
        || with_lines("x-zero: a\0b\r\n"),
        (502, true, REFUSED),
    ),
    (
        "bytes beyond ASCII in headers",
        || with_lines("x-high: \u{ff}\u{fe}\r\nx-request-id: \u{ff}\r\n"),
        (200, true, REPORTED),
    ),
    (
        "a header just below the limit",
        || {
            with_lines(&format!(
                "x-large: {}\r\n",
                "v".repeat(MOST_HEADER_BYTES - 1024)
            ))
        },
        (200, true, REPORTED),
    ),
    (
        "a header of twice the limit",
        || {
            with_lines(&format!(
                "x-large: {}\r\n",
                "v".repeat(2 * MOST_HEADER_BYTES)
            ))
        },
        (502, true, REFUSED),
    ),
    (
        "as many headers as Envoy takes",
        || with_lines(&"x-line: 1\r\n".repeat(MOST_HEADERS - 2)),
        (200, true, REPORTED),
    ),
    (
        "one header more",
        || with_lines(&"x-line: 1\r\n".repeat(MOST_HEADERS - 1)),
        (502, true, REFUSED),
    ),
    (
        "trailers that look like usage",
        || {
            raw(
                "200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\ntrailer: usage",
                "2\r\n{}\r\n0\r\nusage: {\"prompt_tokens\":999,\"completion_tokens\":999}\r\nprompt_tokens: 999\r\nx-tollgate-tenant: globex\r\n\r\n",
            )
        },
        (200, true, NONE),
    ),
    (
        "trailers behind a document with usage",
        || {
            let body = format!(
                "{:x}\r\n{DOCUMENT}\r\n0\r\nusage: {{\"prompt_tokens\":999}}\r\n\r\n",
                DOCUMENT.len()
            );
            raw(
                "200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked",
                body,
            )
        },
        (200, true, REPORTED),
    ),
    (
        "headers that look like the filter's own",
        || with_lines("x-tollgate-code: unknown_credential\r\nx-tollgate-tenant: globex\r\n"),
        (200, true, REPORTED),
    ),
];

/// Trailers of HTTP/1.1 reach filters and client.
pub(crate) fn with_trailers(bootstrap: &mut Value) {
    // The filters' list is a member of the connection manager, whose options are beside it.
    filters(bootstrap);
    let manager = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
        [0]["typed_config"];
    manager["http_protocol_options"] = json!({"enable_trailers": true});
    bootstrap["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}}
        }
    });
}

/// A gateway before an upstream that gives the reply of which `x-reply` says the number.
fn lied_to(builder: Builder) -> Gateway {
    builder
        .script(|seen| match seen.values("x-reply").first() {
            Some(index) => ROWS[index.parse::<usize>().unwrap()].1(),
            None => Reply::json(&json!({})),
        })
        .amended(with_trailers)
        .start()
}

const HIDDEN: &str = "a stream whose usage is hidden";

/// What a client may have asked for when it is lied to, and whether the filter leaves every reply to it as it is.
fn requests(index: usize) -> [(&'static str, Wire, bool); 4] {
    let by_acme = |method, target| {
        Wire::new(method, target)
            .header("x-api-key", ACME_KEY)
            .header("x-reply", index.to_string())
    };
    let post = |body: Value| by_acme("POST", "/v1/chat/completions").body(body.to_string());
    let mut unasked = streamed_chat(LLAMA);
    unasked.as_object_mut().unwrap().remove("stream_options");
    [
        ("a document", post(chat(LLAMA)), true),
        ("a stream", post(streamed_chat(LLAMA)), true),
        (HIDDEN, post(unasked), false),
        ("the list of models", by_acme("GET", "/v1/models"), false),
    ]
}

fn logged(entry: &Value) -> [String; 4] {
    ["outcome", "usage_source", "input_tokens", "output_tokens"].map(|field| match &entry[field] {
        Value::String(text) => text.clone(),
        _ => "-".to_owned(),
    })
}

#[test]
fn a_lie_is_passed_on_as_envoy_alone_passes_it_on_and_no_number_is_made_up() {
    let gateway = lied_to(Gateway::builder());
    let alone = lied_to(Gateway::builder().without_filter());
    let mut faults = Vec::new();
    for (index, (name, _, (status, complete, end))) in ROWS.iter().enumerate() {
        let answers = requests(index).map(|(asked, request, untouched)| {
            let answers = [&gateway, &alone].map(|one| one.connect().exchange(&request));
            (asked, untouched, answers)
        });
        let log = gateway.access_log((index + 1) * answers.len());
        let entries = &log[index * answers.len()..];
        for ((asked, untouched, [answer, without]), entry) in answers.iter().zip(entries) {
            let mut fault =
                |what: String| faults.push(format!("{name}, asked for {asked}: {what}"));
            let [ends, others] = [answer, without].map(|answer| (answer.status, answer.complete));
            if ends != others {
                fault(format!("{ends:?}, without the filter {others:?}"));
            }
            let hidden =
                String::from_utf8_lossy(&without.body).contains("\"choices\":[],\"usage\"");
            let same = *untouched || (*asked == HIDDEN && !hidden);
            if same && answer.body != without.body {
                fault("another body than without the filter".to_owned());
            }
            let logged = logged(entry);
            if *untouched && (ends != (*status, *complete) || logged != *end) {
                fault(format!(
                    "{ends:?} {logged:?}, expected {status} {complete} {end:?}"
                ));
            }
        }
        gateway.assert_alive(name);
    }
    gateway.assert_sound("all rows");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[cfg(target_os = "linux")]
#[test]
fn an_event_of_fifty_megabytes_passes_and_leaves_no_memory_behind() {
    const SIZE: usize = 50;
    let gateway = Gateway::builder()
        .script(|seen| match seen.values("x-reply").as_slice() {
            [] => Reply::json(&json!({})),
            _ => endless("text/event-stream", ENDLESS_EVENT, SIZE),
        })
        .start();
    let [_, (_, asked, _), (_, unasked, _), _] = requests(0);
    let mut before = gateway.resident_memory();
    for round in 1..=3 {
        for request in [&asked, &unasked] {
            let answer = gateway.connect().exchange(request);
            assert_eq!((answer.status, answer.complete), (200, true));
            assert_eq!(answer.body.len(), ENDLESS_EVENT.len() + (SIZE << 20));
        }
        gateway.assert_sound("an endless event");
        let after = gateway.resident_memory();
        println!("{before} bytes of memory grew to {after} in round {round}");
        // The first round may take what it needs for chunks of a megabyte, later ones no more.
        assert!(after < before + if round == 1 { 24 << 20 } else { 4 << 20 });
        before = after;
    }
}

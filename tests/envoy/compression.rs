//! Compressed replies: Envoy's own filters do that work, and the filter counts what it sees between them.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, chat};
use crate::harness::{Gateway, Piece, Reply, filters, send};

/// Recorded from vLLM behind a compressing Envoy: 18 tokens in, 300 out.
const UNARY: &[u8] = include_bytes!("../fixtures/recordings/compressed/envoy_gzip_chat_unary.body");
/// The same, streamed.
const STREAM: &[u8] =
    include_bytes!("../fixtures/recordings/compressed/envoy_gzip_chat_stream.body");

const COUNTED: &[&str] = &["tollgate_tokens_total", "tollgate_usage_missing_total"];

/// In front of the filter: compresses what the client gets, if the client asked for that.
fn compressor() -> Value {
    json!({
        "name": "envoy.filters.http.compressor",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor",
            "response_direction_config": {"common_config": {
                "min_content_length": 30,
                "content_type": ["application/json", "text/event-stream"]
            }},
            "compressor_library": {
                "name": "gzip",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"}
            }
        }
    })
}

/// Behind the filter: decompresses what the server sends, and tells the server that it may.
fn decompressor() -> Value {
    json!({
        "name": "envoy.filters.http.decompressor",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.decompressor.v3.Decompressor",
            "decompressor_library": {
                "name": "gzip",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.compression.gzip.decompressor.v3.Gzip",
                    // Servers compress with windows up to this size.
                    "window_bits": 15
                }
            }
        }
    })
}

fn tokens(input: u32, output: u32) -> String {
    let labels = format!("tenant=\"acme\",model=\"{LLAMA}\"");
    format!(
        "tollgate_tokens_total{{{labels},type=\"input\"}} {input}\ntollgate_tokens_total{{{labels},type=\"output\"}} {output}\n"
    )
}

/// A reply in two pieces, so that a compressed event stream is cut somewhere.
fn in_two(content_type: &str, body: &[u8]) -> Reply {
    let (first, second) = body.split_at(body.len() / 2);
    let pieces = [first, second].map(|piece| Piece::Bytes(piece.to_vec()));
    Reply::chunked(content_type, pieces.to_vec())
}

fn decompressed(content_type: &'static str, body: &[u8]) -> (Gateway, Vec<u8>) {
    let gateway = Gateway::builder()
        .amended(|bootstrap| filters(bootstrap).insert(2, decompressor()))
        .reply(in_two(content_type, body).header("content-encoding", "gzip"))
        .start();
    let answer = send(gateway.chat(LLAMA));
    assert_eq!((answer.status, answer.complete), (200, true));
    assert_eq!(answer.header("content-encoding"), None);
    (gateway, answer.body)
}

#[test]
fn a_decompressor_behind_the_filter_lets_it_count_what_a_server_compressed_unasked() {
    for (name, content_type, body, mark) in [
        ("json", "application/json", UNARY, &b"{\"id\""[..]),
        ("stream", "text/event-stream", STREAM, b"data: {"),
    ] {
        println!("{name}");
        let (gateway, plain) = decompressed(content_type, body);
        assert!(plain.starts_with(mark), "{name}");
        gateway.expect_counted(COUNTED, &tokens(18, 300));
    }
}

#[test]
fn a_compressor_in_front_of_the_filter_compresses_what_the_filter_counts() {
    let events: Vec<String> = [
        json!({"choices": [{"index": 0, "delta": {"content": "Hello from the server."}, "finish_reason": "stop"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}),
    ]
    .iter()
    .map(|event| format!("data: {event}\n\n"))
    .collect();
    let json = json!({
        "choices": [{"index": 0, "message": {"content": "Hello from the server."}}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    })
    .to_string();
    for (name, content_type, body, decompress) in [
        ("json", "application/json", json, false),
        ("stream", "text/event-stream", events.concat(), false),
        (
            "stream, with a decompressor behind",
            "text/event-stream",
            events.concat(),
            true,
        ),
    ] {
        println!("{name}");
        let gateway = Gateway::builder()
            .amended(move |bootstrap| {
                if decompress {
                    filters(bootstrap).insert(2, decompressor());
                }
                filters(bootstrap).insert(1, compressor());
            })
            .reply(in_two(content_type, body.as_bytes()))
            .start();
        let request = gateway
            .post("/v1/chat/completions")
            .bearer_auth(ACME_KEY)
            .header("accept-encoding", "gzip");
        let answer = send(request.json(&chat(LLAMA)));
        assert_eq!((answer.status, answer.complete), (200, true), "{name}");
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{name}");
        gateway.expect_counted(COUNTED, &tokens(11, 7));
        let asked = gateway.seen()[0].values("accept-encoding");
        if decompress {
            // What the client accepts is no longer there; this is what the decompressor takes.
            assert_eq!(asked, ["gzip"], "{name}");
        } else {
            assert!(asked.is_empty(), "{name}: {asked:?}");
        }
        // Taken apart by the other of Envoy's filters, it is what the server sent.
        let (_, plain) = decompressed(content_type, &answer.body);
        assert_eq!(String::from_utf8(plain).unwrap(), body, "{name}");
    }
}

//! Replies that are nested deeper than any request may be: their tokens are counted like those of others.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, chat, streamed_chat};
use crate::harness::{Gateway, Piece, Reply, Wire};

const USAGE: &str = r#""usage":{"prompt_tokens":3000,"completion_tokens":7,"total_tokens":3007}"#;

/// A member as a server writes it that echoes what it was asked, so many levels deep.
fn echo(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!(r#""request":{open}"]}}"{close}"#)
}

fn document(depth: usize) -> Reply {
    let echo = echo(depth);
    let choices = r#""choices":[{"index":0,"message":{"content":"Hi."}}]"#;
    let body = format!("{{{echo},{choices},{USAGE}}}");
    Reply::fixed(200, "application/json", body)
}

fn stream(depth: usize) -> Reply {
    let echo = echo(depth);
    let choices = r#""choices":[{"index":0,"delta":{"content":"Hi."}}]"#;
    let events = [
        format!("{{{echo},{choices}}}"),
        format!(r#"{{{echo},"choices":[],{USAGE}}}"#),
        "[DONE]".to_owned(),
    ];
    let pieces = events.map(|event| Piece::Bytes(format!("data: {event}\n\n").into_bytes()));
    Reply::stream(pieces.to_vec())
}

#[test]
fn the_tokens_of_a_deep_reply_are_counted_and_its_bytes_pass() {
    let gateway = Gateway::builder()
        .script(|seen| {
            let depth = |name| {
                seen.values(name)
                    .first()
                    .map(|depth| depth.parse().unwrap())
            };
            match (depth("x-document"), depth("x-stream")) {
                (Some(depth), _) => document(depth),
                (_, Some(depth)) => stream(depth),
                _ => Reply::json(&json!({})),
            }
        })
        .start();
    let mut unasked = streamed_chat(LLAMA);
    unasked.as_object_mut().unwrap().remove("stream_options");
    let mut requests = 0;
    for depth in [1, 127, 128, 129, 1000, 100_000] {
        let ways: [(&str, &str, Value); 3] = [
            ("a document", "x-document", chat(LLAMA)),
            ("a stream", "x-stream", streamed_chat(LLAMA)),
            (
                "a stream that was not asked for usage",
                "x-stream",
                unasked.clone(),
            ),
        ];
        for (name, header, body) in ways {
            let case = format!("{name}, {depth} deep");
            let request = Wire::new("POST", "/v1/chat/completions")
                .header("x-api-key", ACME_KEY)
                .header(header, depth.to_string())
                .body(body.to_string());
            let answer = gateway.connect().exchange(&request);
            assert_eq!((answer.status, answer.complete), (200, true), "{case}");
            let body = String::from_utf8_lossy(&answer.body);
            assert!(body.contains(&echo(depth)), "{case}");
            requests += 1;
            let entry = gateway.access_log(requests).remove(requests - 1);
            let counts = [
                "input_tokens",
                "output_tokens",
                "charge_tokens",
                "usage_source",
            ]
            .map(|field| entry[field].as_str().unwrap_or("-").to_owned());
            assert_eq!(counts, ["3000", "7", "3007", "reported"], "{case}");
        }
    }
    gateway.expect_counted(
        &["tollgate_tokens_total", "tollgate_usage_missing_total"],
        &format!(
            r#"
            tollgate_tokens_total{{tenant="acme",model="{LLAMA}",type="input"}} {}
            tollgate_tokens_total{{tenant="acme",model="{LLAMA}",type="output"}} {}
            "#,
            requests * 3000,
            requests * 7
        ),
    );
    gateway.assert_sound("deep replies");
}

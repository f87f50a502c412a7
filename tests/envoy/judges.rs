//! The promise that the design rests on: no server ever holds a complete document whose model is not the one that was
//! authorised, however it reads, however the bytes travel, and whether the request ends well or not.

use crate::harness::demo::{GLOBEX_KEY, LLAMA, QWEN};
use crate::harness::{Answer, Frames, Gateway, Readers, Wire};

/// How a row must end, and whether it is dangerous: some reader takes another model from the whole body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Passes,
    Refused,
    Dangerous,
}
use Row::{Dangerous, Passes, Refused};

/// `globex` may use `llama-3.1-8b` and nothing else.
const BODIES: &[(&str, &[u8], Row)] = &[
    (
        "plain",
        br#"{"model":"llama-3.1-8b","messages":[]}"#,
        Passes,
    ),
    (
        "the model last",
        br#"{"messages":[{"role":"user"}],"model":"llama-3.1-8b"}"#,
        Passes,
    ),
    (
        "white space around",
        b" \r\n{\"model\" : \"llama-3.1-8b\"}\r\n\t ",
        Passes,
    ),
    (
        "an escaped value",
        br#"{"model":"llama\u002d3.1-8b"}"#,
        Passes,
    ),
    (
        "an escaped name",
        br#"{"\u006dodel":"llama-3.1-8b"}"#,
        Passes,
    ),
    (
        "a nested decoy",
        br#"{"a":{"model":"qwen-3-32b","Model":"x"},"model":"llama-3.1-8b"}"#,
        Passes,
    ),
    (
        "a decoy in a list",
        br#"{"a":[{"model":"qwen-3-32b"}],"model":"llama-3.1-8b","b":[]}"#,
        Passes,
    ),
    (
        "a decoy in a string",
        br#"{"a":"\"},\"model\":\"qwen-3-32b\"}","model":"llama-3.1-8b"}"#,
        Passes,
    ),
    (
        "a name that begins alike",
        br#"{"model":"llama-3.1-8b","model_id":"qwen-3-32b"}"#,
        Passes,
    ),
    ("another model", br#"{"model":"qwen-3-32b"}"#, Dangerous),
    (
        "another model with an escape",
        br#"{"model":"qwen\u002d3-32b"}"#,
        Dangerous,
    ),
    (
        "a nested decoy of the own model",
        br#"{"a":{"model":"llama-3.1-8b"},"model":"qwen-3-32b"}"#,
        Dangerous,
    ),
    (
        "twice, the own first",
        br#"{"model":"llama-3.1-8b","model":"qwen-3-32b"}"#,
        Dangerous,
    ),
    (
        "twice, the own last",
        br#"{"model":"qwen-3-32b","model":"llama-3.1-8b"}"#,
        Dangerous,
    ),
    (
        "three times",
        br#"{"model":"llama-3.1-8b","model":"qwen-3-32b","model":"llama-3.1-8b"}"#,
        Refused,
    ),
    (
        "twice the same",
        br#"{"model":"llama-3.1-8b","model":"llama-3.1-8b"}"#,
        Refused,
    ),
    (
        "an escaped name second",
        br#"{"model":"llama-3.1-8b","\u006dodel":"qwen-3-32b"}"#,
        Dangerous,
    ),
    (
        "an escaped name first",
        br#"{"mod\u0065l":"qwen-3-32b","model":"llama-3.1-8b"}"#,
        Dangerous,
    ),
    (
        "another case second",
        br#"{"model":"llama-3.1-8b","Model":"qwen-3-32b"}"#,
        Dangerous,
    ),
    (
        "another case first",
        br#"{"MODEL":"qwen-3-32b","model":"llama-3.1-8b"}"#,
        Dangerous,
    ),
    (
        "another case with an escape",
        br#"{"model":"llama-3.1-8b","\u004dODEL":"qwen-3-32b"}"#,
        Dangerous,
    ),
    (
        "another case alone",
        br#"{"mODEl":"qwen-3-32b"}"#,
        Dangerous,
    ),
    (
        "a second document",
        br#"{"model":"llama-3.1-8b"}{"model":"qwen-3-32b"}"#,
        Refused,
    ),
    (
        "a second document on a new line",
        b"{\"model\":\"llama-3.1-8b\"}\n{\"model\":\"qwen-3-32b\"}\n",
        Refused,
    ),
    (
        "the other document first",
        br#"{"model":"qwen-3-32b"} {"model":"llama-3.1-8b"}"#,
        Dangerous,
    ),
    (
        "a NUL behind the document",
        b"{\"model\":\"llama-3.1-8b\"}\0",
        Refused,
    ),
    (
        "a bracket behind the document",
        br#"{"model":"qwen-3-32b"}]"#,
        Dangerous,
    ),
    (
        "a byte order mark",
        b"\xef\xbb\xbf{\"model\":\"llama-3.1-8b\"}",
        Refused,
    ),
    (
        "a byte order mark and another model",
        b"\xef\xbb\xbf{\"model\":\"qwen-3-32b\"}",
        Dangerous,
    ),
    (
        "a comment around the own model",
        br#"{/*"model":"llama-3.1-8b",*/"model":"qwen-3-32b"}"#,
        Dangerous,
    ),
    (
        "a comment that ends the line",
        b"{//\"model\":\"llama-3.1-8b\"\n\"model\":\"qwen-3-32b\"}",
        Dangerous,
    ),
    ("a trailing comma", br#"{"model":"qwen-3-32b",}"#, Dangerous),
    (
        "no comma",
        br#"{"model":"llama-3.1-8b" "model":"qwen-3-32b"}"#,
        Dangerous,
    ),
    ("single quotes", b"{'model':'qwen-3-32b'}", Dangerous),
    ("a bare name", br#"{model:"qwen-3-32b"}"#, Dangerous),
    (
        "a bare name second",
        br#"{"model":"llama-3.1-8b",model:"qwen-3-32b"}"#,
        Dangerous,
    ),
    ("a list", br#"{"model":["qwen-3-32b"]}"#, Dangerous),
    ("an object", br#"{"model":{"id":"qwen-3-32b"}}"#, Dangerous),
    ("a number", br#"{"model":1}"#, Dangerous),
    ("null", br#"{"model":null}"#, Dangerous),
    ("an empty string", br#"{"model":""}"#, Dangerous),
    (
        "white space in the value",
        br#"{"model":" qwen-3-32b"}"#,
        Dangerous,
    ),
    (
        "a line end in the value",
        br#"{"model":"qwen-3-32b\n"}"#,
        Dangerous,
    ),
    (
        "a NUL in the value",
        br#"{"model":"qwen-3-32b\u0000"}"#,
        Dangerous,
    ),
    (
        "a control byte in the value",
        b"{\"model\":\"qwen-3-32b\x01\"}",
        Dangerous,
    ),
    (
        "invalid UTF-8 in the value",
        b"{\"model\":\"qwen-3-32b\xff\"}",
        Dangerous,
    ),
    (
        "invalid UTF-8 elsewhere",
        b"{\"a\":\"\xc3(\",\"model\":\"qwen-3-32b\"}",
        Dangerous,
    ),
    (
        "an overlong name",
        b"{\"model\":\"llama-3.1-8b\",\"mod\xc1\xa5l\":\"qwen-3-32b\"}",
        Refused,
    ),
    (
        "a lone surrogate",
        br#"{"model":"qwen-3-32b\ud800"}"#,
        Dangerous,
    ),
    (
        "a bare word",
        br#"{"a":NaN,"model":"qwen-3-32b"}"#,
        Dangerous,
    ),
    ("no model", br#"{"messages":[]}"#, Refused),
    ("an empty object", b"{}", Refused),
    (
        "a list of documents",
        br#"[{"model":"qwen-3-32b"}]"#,
        Refused,
    ),
    (
        "cut before its end",
        br#"{"model":"qwen-3-32b","messages":["#,
        Refused,
    ),
    (
        "cut before the brace",
        br#"{"model":"llama-3.1-8b""#,
        Refused,
    ),
    ("a form", b"model=qwen-3-32b", Refused),
];

/// The table, and what cannot be written down in it.
fn rows() -> Vec<(String, Vec<u8>, Row)> {
    let mut rows: Vec<_> = BODIES
        .iter()
        .map(|(name, body, row)| ((*name).to_owned(), body.to_vec(), *row))
        .collect();
    let deep = format!(
        r#"{{"a":{}{},"model":"qwen-3-32b"}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    rows.push(("deep nesting".to_owned(), deep.into_bytes(), Dangerous));
    for (model, row) in [(LLAMA, Refused), (QWEN, Dangerous)] {
        let text = format!(r#"{{"model":"{model}"}}"#);
        let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let wide = text
            .chars()
            .flat_map(|letter| u32::from(letter).to_le_bytes());
        rows.push((format!("UTF-16 LE, {model}"), little(&text), row));
        rows.push((format!("UTF-16 BE, {model}"), big(&text), row));
        rows.push((
            format!("UTF-16 with a mark, {model}"),
            little(&format!("\u{feff}{text}")),
            row,
        ));
        rows.push((format!("UTF-32, {model}"), wide.collect(), row));
    }
    rows
}

/// A way to put a body on the wire; with and without a content type.
type Framing = fn(&Gateway, &str, &[u8]) -> Answer;

const FRAMINGS: &[(&str, Framing)] = &[
    ("content-length", |gateway, case, body| {
        gateway.connect().exchange(&http1(case).body(body))
    }),
    ("content-length, byte by byte", |gateway, case, body| {
        let request = http1(case).header("content-type", "application/json");
        gateway.connect().exchange_in_frames(&request.body(body), 1)
    }),
    ("chunked", |gateway, case, body| {
        let request = http1(case).header("content-type", "text/plain; charset=utf-16");
        gateway.connect().exchange(&request.chunked(body, 7))
    }),
    ("chunked, byte by byte", |gateway, case, body| {
        gateway
            .connect()
            .exchange_in_frames(&http1(case).chunked(body, 1), 6)
    }),
    ("HTTP/2, byte by byte", |gateway, case, body| {
        http2(gateway, case, body, 1, false, None)
    }),
    ("HTTP/2 with a length", |gateway, case, body| {
        let length = body.len().to_string();
        http2(gateway, case, body, 9, false, Some(&length))
    }),
    ("HTTP/2 with trailers", |gateway, case, body| {
        http2(gateway, case, body, 5, true, None)
    }),
    (
        "HTTP/2 with a length and trailers",
        |gateway, case, body| {
            let length = body.len().to_string();
            http2(gateway, case, body, 1000, true, Some(&length))
        },
    ),
];

fn http1(case: &str) -> Wire {
    Wire::new("POST", "/v1/chat/completions")
        .header("x-api-key", GLOBEX_KEY)
        .header("x-case", case)
}

fn http2(
    gateway: &Gateway,
    case: &str,
    body: &[u8],
    size: usize,
    trailers: bool,
    length: Option<&str>,
) -> Answer {
    let mut headers = vec![("x-api-key", GLOBEX_KEY), ("x-case", case)];
    headers.extend(length.map(|length| ("content-length", length)));
    gateway.exchange_http2(&Frames {
        method: "POST",
        path: "/v1/chat/completions",
        headers: &headers,
        frames: body.chunks(size).collect(),
        trailers,
    })
}

/// Sends every row in every framing, then lets every reader read all that the upstream ever held.
fn judge(gateway: Gateway) {
    let rows = rows();
    let mut passed = Vec::new();
    for (name, body, row) in &rows {
        for (framing, exchange) in FRAMINGS {
            let case = format!("{name}, {framing}");
            let answer = exchange(&gateway, &case, body);
            if *row == Passes {
                assert_eq!(answer.verdict(), (200, None), "{case}: {answer:?}");
                passed.push(case);
            } else {
                assert!(
                    (400..500).contains(&answer.status) && answer.code().is_some(),
                    "{case}: {answer:?}"
                );
            }
        }
    }
    let seen = gateway.stop();
    let mut readers = Readers::start();
    for held in &seen {
        let case = held.values("x-case").concat();
        let models = readers.models(&held.body);
        if held.complete {
            assert_eq!(models, [LLAMA], "{case}: {held:?}");
            assert!(
                passed.contains(&case),
                "{case} was refused, and is complete"
            );
        } else {
            let others: Vec<_> = models.iter().filter(|model| *model != LLAMA).collect();
            assert!(others.is_empty(), "{case}: {others:?} in {held:?}");
        }
    }
    let complete = seen.iter().filter(|held| held.complete).count();
    assert_eq!(complete, passed.len());
}

#[test]
fn no_server_over_http1_holds_another_model() {
    judge(Gateway::start());
}

#[test]
fn no_server_over_http1_holds_another_model_behind_small_buffers() {
    judge(Gateway::builder().buffer_limit(32 * 1024).start());
}

#[test]
fn no_server_over_http2_holds_another_model() {
    judge(Gateway::builder().http2_upstream().start());
}

#[test]
fn no_server_over_http2_holds_another_model_behind_small_buffers() {
    judge(
        Gateway::builder()
            .http2_upstream()
            .buffer_limit(32 * 1024)
            .start(),
    );
}

#[test]
fn no_server_holds_another_model_behind_twenty_megabytes() {
    let content = "x".repeat(20 * 1024 * 1024);
    let messages = format!(r#""messages":[{{"role":"user","content":"{content}"}}]"#);
    let mut readers = Readers::start();
    for http2_upstream in [false, true] {
        let mut builder = Gateway::builder().buffer_limit(32 * 1024);
        if http2_upstream {
            builder = builder.http2_upstream();
        }
        let gateway = builder.start();
        for (name, body, passes) in [
            ("own", format!(r#"{{{messages},"model":"{LLAMA}"}}"#), true),
            (
                "other",
                format!(r#"{{{messages},"model":"{QWEN}"}}"#),
                false,
            ),
            (
                "own, then other",
                format!(r#"{{"model":"{LLAMA}",{messages},"model":"{QWEN}"}}"#),
                false,
            ),
            (
                "own, then another document",
                format!(r#"{{"model":"{LLAMA}",{messages}}}{{"model":"{QWEN}"}}"#),
                false,
            ),
        ] {
            let answers = [
                gateway.connect().exchange(&http1(name).body(&body)),
                gateway
                    .connect()
                    .exchange(&http1(name).chunked(&body, 60_000)),
                http2(&gateway, name, body.as_bytes(), 16_000, false, None),
                http2(&gateway, name, body.as_bytes(), 16_000, true, None),
            ];
            for (index, answer) in answers.iter().enumerate() {
                assert_eq!(
                    answer.status == 200,
                    passes,
                    "{name}, way {index}, HTTP/2 upstream {http2_upstream}: {}",
                    answer.status
                );
            }
        }
        for held in gateway.stop() {
            let case = held.values("x-case").concat();
            assert_eq!(held.complete, case == "own", "{case}");
            let models = readers.models(&held.body);
            let expected: &[&str] = if held.complete { &[LLAMA] } else { &[] };
            // The first of two documents may be there whole, without the second.
            if case != "own, then another document" {
                assert_eq!(models, expected, "{case}");
            }
            assert!(!models.contains(&QWEN.to_owned()), "{case}");
        }
    }
}

/// The readers are no straw men: what must not pass is read by one of them as something else.
#[test]
fn the_readers_take_another_model_from_what_is_refused() {
    let mut readers = Readers::start();
    for (name, body, row) in rows() {
        let models = readers.models(&body);
        match row {
            Passes => assert_eq!(models, [LLAMA], "{name}"),
            Dangerous => assert!(
                models.iter().any(|model| model != LLAMA),
                "{name}: {models:?}"
            ),
            Refused => {}
        }
    }
}

//! Bytes that no honest client sends: each gets an answer below 500, and the worker lives on.

use crate::harness::demo::{ACME_KEY, LLAMA, chat};
use crate::harness::{Gateway, Piece, Reply, Wire, send};

type Verdict = (u16, Option<&'static str>);
type MakeReply = fn() -> Reply;

const OK: Verdict = (200, None);
const INVALID: Verdict = (401, Some("invalid_credential"));
const AMBIGUOUS: Verdict = (400, Some("ambiguous_model"));
const ENCODING: Verdict = (415, Some("unsupported_encoding"));

/// Headers that the filter reads or writes, and the verdict on garbage in each when the rest of the request is good.
/// A header of a credential replaces the good one.
const HEADERS: &[(&str, Verdict)] = &[
    ("authorization", INVALID),
    ("x-api-key", INVALID),
    ("api-key", INVALID),
    ("x-ai-eg-model", AMBIGUOUS),
    ("content-encoding", ENCODING),
    ("accept-encoding", OK),
    ("accept", OK),
    ("origin", OK),
    ("access-control-request-method", OK),
    ("x-request-id", OK),
    ("x-llm-d-inference-fairness-id", OK),
    ("x-gateway-model-name", AMBIGUOUS),
    ("x-gateway-base-model-name", AMBIGUOUS),
    ("x-gateway-destination-endpoint", OK),
    ("x-tollgate-tenant", OK),
    ("x-envoy-retry-on", OK),
    ("x-forwarded-for", OK),
    ("user-agent", OK),
    ("cookie", OK),
    ("x-unrelated", OK),
    ("x_unrelated", OK),
];

/// Panics if a VM died: Envoy would go on with a new one and the test would not notice.
fn assert_unharmed(gateway: &Gateway, case: &str) {
    let answer = send(gateway.chat(LLAMA));
    assert_eq!(
        answer.verdict(),
        OK,
        "the next request after {case}: {answer:?}"
    );
    let log = gateway.log();
    for sign in [
        "Uncaught RuntimeError",
        "panicked at",
        "wasm_fail",
        "VM failure",
    ] {
        assert!(!log.contains(sign), "{sign} in Envoy's log after {case}");
    }
}

#[test]
fn garbage_in_any_header_is_answered_and_harms_nothing() {
    let long = vec![b'a'; 60 * 1024];
    let values: &[(&str, &[u8])] = &[
        ("0xFF", b"\xff"),
        ("0x80 in the middle", b"a\x80b"),
        ("a bearer of 0xFF", b"Bearer \xff\xfe"),
        ("an overlong encoding", b"\xc0\xaf"),
        ("60 KB", &long),
    ];
    let gateway = Gateway::start();
    for (header, verdict) in HEADERS {
        for (name, value) in values {
            let case = format!("{name} in {header}");
            let mut request = Wire::new("POST", "/v1/chat/completions").header(header, value);
            if *verdict != INVALID {
                request = request.header("x-api-key", ACME_KEY);
            }
            let answer = gateway
                .connect()
                .exchange(&request.body(chat(LLAMA).to_string()));
            assert_eq!(answer.verdict(), *verdict, "{case}: {answer:?}");
            assert_unharmed(&gateway, &case);
        }
    }
}

#[test]
fn garbage_over_http2_is_answered_and_harms_nothing() {
    let gateway = Gateway::start();
    for (header, verdict) in HEADERS {
        let mut request = gateway
            .post_http2("/v1/chat/completions")
            .header(*header, b"a\xff".as_slice());
        if *verdict != INVALID {
            request = request.header("x-api-key", ACME_KEY);
        }
        let answer = send(request.json(&chat(LLAMA)));
        assert_eq!(answer.verdict(), *verdict, "{header}: {answer:?}");
        assert_unharmed(&gateway, header);
    }
}

#[test]
fn garbage_in_the_content_type_or_the_path_is_no_server_error() {
    let gateway = Gateway::start();
    let long = "a".repeat(60 * 1024);
    let long_path = format!("/{long}");
    for value in [
        b"\xff".as_slice(),
        b"application/json; charset=\x80",
        long.as_bytes(),
        b"multipart/form-data; boundary=\xff",
    ] {
        let request = Wire::new("POST", "/v1/chat/completions").header("x-api-key", ACME_KEY);
        let request = request
            .header("content-type", value)
            .body(chat(LLAMA).to_string());
        let answer = gateway.connect().exchange(&request);
        assert!(answer.status < 500, "content-type {value:?}: {answer:?}");
        assert_unharmed(&gateway, "a hostile content type");
    }
    for target in [
        b"/v1/chat/completions\xff".as_slice(),
        b"/\x80",
        long_path.as_bytes(),
        b"/v1/models/\xff?\xfe",
    ] {
        let request = Wire::new("POST", target)
            .header("x-api-key", ACME_KEY)
            .body("{}");
        let answer = gateway.connect().exchange(&request);
        assert!(
            (400..500).contains(&answer.status),
            "{target:?}: {answer:?}"
        );
        assert_unharmed(&gateway, "a hostile path");
    }
}

#[test]
fn garbage_in_the_reply_passes_and_harms_nothing() {
    let replies: &[(&str, MakeReply)] = &[
        ("a content type of garbage", || {
            Reply::fixed(200, "\u{ff}\u{fe}", "{}")
        }),
        ("an event stream that is none", || {
            Reply::stream(vec![Piece::Bytes(vec![0xff; 5000])])
        }),
        ("an event of broken JSON", || {
            Reply::stream(vec![Piece::Bytes(b"data: {\"usage\":{\n\n".to_vec())])
        }),
        ("a usage of wrong types", || {
            Reply::fixed(
                200,
                "application/json",
                r#"{"usage":{"prompt_tokens":"7","completion_tokens":-1e400}}"#,
            )
        }),
        ("a usage beyond any counter", || {
            Reply::fixed(
                200,
                "application/json",
                r#"{"usage":{"prompt_tokens":18446744073709551616,"completion_tokens":9007199254740993}}"#,
            )
        }),
        ("deep nesting", || {
            Reply::fixed(
                200,
                "application/json",
                format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
            )
        }),
        ("an encoding that nobody asked for", || {
            Reply::fixed(200, "application/json", b"\x1f\x8b\x08garbage".to_vec())
                .header("content-encoding", "gzip")
        }),
    ];
    let gateway = Gateway::builder()
        .script(|seen| {
            let index: Option<usize> = seen
                .values("x-reply")
                .first()
                .map(|index| index.parse().unwrap());
            index.map_or_else(
                || Reply::fixed(200, "application/json", "{}"),
                |index| replies[index].1(),
            )
        })
        .start();
    for (index, (name, _)) in replies.iter().enumerate() {
        let answer = send(gateway.chat(LLAMA).header("x-reply", index));
        assert_eq!(
            (answer.status, answer.complete),
            (200, true),
            "{name}: {answer:?}"
        );
        assert_unharmed(&gateway, name);
    }
}

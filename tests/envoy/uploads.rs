//! Audio and images: the form names one model, and no server gets a form whole that names another.

use serde_json::json;

use crate::harness::demo::{GLOBEX_KEY, LLAMA, QWEN};
use crate::harness::{Answer, Frames, Gateway, Wire, send};

type Verdict = (u16, Option<&'static str>);

const OK: Verdict = (200, None);
const NOT_ALLOWED: Verdict = (403, Some("model_not_allowed"));
const MISSING: Verdict = (400, Some("missing_model"));
const AMBIGUOUS: Verdict = (400, Some("ambiguous_model"));
const MALFORMED: Verdict = (400, Some("malformed_body"));

const PATHS: [&str; 4] = [
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/images/edits",
    "/v1/images/variations",
];

const CONTENT_TYPE: &str = "multipart/form-data; boundary=b-1";

fn field(name: &str, value: &str) -> String {
    format!("--b-1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn file(size: usize) -> String {
    let noise = "RIFF\r\n--b-\r\n".repeat(size / 12);
    format!(
        "--b-1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n{noise}\r\n"
    )
}

/// `globex` may use `llama-3.1-8b` and not `qwen-3-32b`.
fn cases() -> Vec<(&'static str, String, Verdict)> {
    let end = "--b-1--\r\n";
    let model = field("model", LLAMA);
    vec![
        ("model first", format!("{model}{}{end}", file(600)), OK),
        ("model last", format!("{}{model}{end}", file(600)), OK),
        (
            "a model of another group",
            format!("{}{}{end}", field("model", QWEN), file(60)),
            NOT_ALLOWED,
        ),
        (
            "two models, the allowed one first",
            format!("{model}{}{end}", field("model", QWEN)),
            AMBIGUOUS,
        ),
        (
            "two models, the other letter case last",
            format!("{model}{}{end}", field("Model", QWEN)),
            AMBIGUOUS,
        ),
        ("no model", format!("{}{end}", file(60)), MISSING),
        ("not closed", format!("{model}{}", file(60)), MALFORMED),
        ("a preamble", format!("x\r\n{model}{end}"), MALFORMED),
        (
            "a second form",
            format!("{model}{end}{}{end}", field("model", QWEN)),
            MALFORMED,
        ),
        ("JSON", json!({"model": LLAMA}).to_string(), MALFORMED),
        ("a query string", format!("model={LLAMA}"), MALFORMED),
    ]
}

fn by_globex(path: &str) -> Wire {
    Wire::new("POST", path)
        .header("x-api-key", GLOBEX_KEY)
        .header("content-type", CONTENT_TYPE)
}

#[test]
fn a_form_is_judged_before_it_is_whole_at_the_upstream_however_it_is_framed() {
    for http2_upstream in [false, true] {
        let mut builder = Gateway::builder();
        if http2_upstream {
            builder = builder.http2_upstream();
        }
        let gateway = builder.start();
        let mut served = Vec::new();
        for (index, (name, body, verdict)) in cases().into_iter().enumerate() {
            let path = PATHS[index % PATHS.len()];
            let request = |way: &str| by_globex(path).header("x-case", format!("{name}, {way}"));
            let over_http2 = |way: &str, size: usize, trailers: bool| -> Answer {
                let case = format!("{name}, {way}");
                gateway.exchange_http2(&Frames {
                    method: "POST",
                    path,
                    headers: &[
                        ("x-api-key", GLOBEX_KEY),
                        ("content-type", CONTENT_TYPE),
                        ("x-case", &case),
                    ],
                    frames: body.as_bytes().chunks(size).collect(),
                    trailers,
                })
            };
            let answers = [
                (
                    "with a length",
                    gateway
                        .connect()
                        .exchange(&request("with a length").body(&body)),
                ),
                (
                    "chunked",
                    gateway
                        .connect()
                        .exchange(&request("chunked").chunked(&body, 7)),
                ),
                (
                    "byte by byte",
                    gateway
                        .connect()
                        .exchange_in_frames(&request("byte by byte").chunked(&body, 1), 6),
                ),
                ("HTTP/2", over_http2("HTTP/2", 5, false)),
                ("trailers", over_http2("trailers", 64, true)),
            ];
            for (way, answer) in answers {
                // Where bytes come singly, another model is refused before a second one is seen.
                assert_eq!(
                    answer.verdict(),
                    verdict,
                    "{name}, {way}, HTTP/2 upstream {http2_upstream}: {answer:?}"
                );
                if verdict == OK {
                    served.push(format!("{name}, {way}"));
                }
            }
        }
        let seen = gateway.stop();
        let other = format!("{QWEN}\r\n--b-1");
        for held in &seen {
            let text = String::from_utf8_lossy(&held.body);
            // Not even a reader that takes each part as it ends has been given another model.
            assert!(
                !text.contains(&other),
                "{:?}: {text}",
                held.values("x-case")
            );
        }
        let whole: Vec<String> = seen
            .iter()
            .filter(|seen| seen.complete)
            .flat_map(|seen| seen.values("x-case"))
            .collect();
        assert_eq!(
            whole, served,
            "over HTTP/2 to the upstream: {http2_upstream}"
        );
    }
}

#[test]
fn a_large_upload_passes_a_small_buffer_and_is_refused_at_its_end() {
    let gateway = Gateway::builder().buffer_limit(32 * 1024).start();
    for (model, verdict) in [(LLAMA, OK), (QWEN, NOT_ALLOWED)] {
        let body = format!("{}{}--b-1--", file(20_000_000), field("model", model));
        let request = gateway
            .post(PATHS[0])
            .header("x-api-key", GLOBEX_KEY)
            .header("content-type", CONTENT_TYPE);
        assert_eq!(send(request.body(body)).verdict(), verdict, "{model}");
    }
    let whole = gateway.stop().iter().filter(|seen| seen.complete).count();
    assert_eq!(whole, 1);
}

#[test]
fn the_boundary_reaches_the_upstream_without_quotes_and_no_other_content_type_passes() {
    let gateway = Gateway::start();
    let body = format!("{}--b-1--\r\n", field("model", LLAMA));
    for (content_types, verdict) in [
        (&["multipart/form-data; boundary=\"b-1\""][..], OK),
        (&["application/json"], MALFORMED),
        (&["application/x-www-form-urlencoded"], MALFORMED),
        (
            &["multipart/form-data; boundary=b-1; boundary=c"],
            MALFORMED,
        ),
        (
            &[CONTENT_TYPE, "multipart/form-data; boundary=c"],
            MALFORMED,
        ),
        (&[], MALFORMED),
    ] {
        let mut request = Wire::new("POST", PATHS[0]).header("x-api-key", GLOBEX_KEY);
        for content_type in content_types {
            request = request.header("content-type", content_type);
        }
        let answer = gateway.connect().exchange(&request.body(&body));
        assert_eq!(answer.verdict(), verdict, "{content_types:?}: {answer:?}");
    }
    let seen = gateway.stop();
    let whole: Vec<_> = seen.iter().filter(|seen| seen.complete).collect();
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].values("content-type"), [CONTENT_TYPE]);
    assert_eq!(whole[0].body, body.as_bytes());
}

#[test]
fn speech_and_new_images_are_asked_for_in_json() {
    let gateway = Gateway::start();
    for path in ["/v1/audio/speech", "/v1/images/generations"] {
        for (model, verdict) in [(LLAMA, OK), (QWEN, NOT_ALLOWED)] {
            let request = gateway.post(path).header("x-api-key", GLOBEX_KEY);
            let answer = send(request.json(&json!({"model": model, "input": "hi"})));
            assert_eq!(answer.verdict(), verdict, "{path} {model}: {answer:?}");
        }
    }
    gateway.expect_counted(
        &["tollgate_requests_total"],
        r#"
        tollgate_requests_total{tenant="globex",model="llama-3.1-8b",operation="speech",outcome="ok"} 1
        tollgate_requests_total{tenant="globex",model="qwen-3-32b",operation="speech",outcome="denied"} 1
        tollgate_requests_total{tenant="globex",model="llama-3.1-8b",operation="generate_images",outcome="ok"} 1
        tollgate_requests_total{tenant="globex",model="qwen-3-32b",operation="generate_images",outcome="denied"} 1
        "#,
    );
}

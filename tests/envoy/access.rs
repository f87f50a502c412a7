//! Which model is asked for: the body is the truth, the header must agree, and nothing unjudged reaches a server whole.

use serde_json::json;

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat};
use crate::harness::{Answer, Gateway, Reply, Wire, send};

type Verdict = (u16, Option<&'static str>);

const OK: Verdict = (200, None);
const NOT_ALLOWED: Verdict = (403, Some("model_not_allowed"));
const MISSING: Verdict = (400, Some("missing_model"));
const AMBIGUOUS: Verdict = (400, Some("ambiguous_model"));
const MALFORMED: Verdict = (400, Some("malformed_body"));

/// Bodies by themselves; `globex` may use `llama-3.1-8b` and not `qwen-3-32b`.
const BODIES: &[(&str, &[u8], Verdict)] = &[
    (
        "an allowed model",
        br#"{"model":"llama-3.1-8b","messages":[]}"#,
        OK,
    ),
    (
        "the model as the last member",
        br#"{"messages":[{"role":"user"}],"model":"llama-3.1-8b"}"#,
        OK,
    ),
    (
        "white space around the document",
        b" \r\n{\"model\" : \"llama-3.1-8b\"}\r\n ",
        OK,
    ),
    ("an escaped value", br#"{"model":"llama\u002d3.1-8b"}"#, OK),
    ("an escaped name", br#"{"\u006dodel":"llama-3.1-8b"}"#, OK),
    (
        "a nested decoy",
        br#"{"metadata":{"model":"qwen-3-32b"},"model":"llama-3.1-8b"}"#,
        OK,
    ),
    (
        "a decoy in a string",
        br#"{"user":"\"model\":\"qwen-3-32b\"","model":"llama-3.1-8b"}"#,
        OK,
    ),
    (
        "a model of another group",
        br#"{"model":"qwen-3-32b","messages":[]}"#,
        NOT_ALLOWED,
    ),
    (
        "an escaped model of another group",
        br#"{"model":"qwen\u002d3-32b"}"#,
        NOT_ALLOWED,
    ),
    (
        "a nested decoy of the own group",
        br#"{"metadata":{"model":"llama-3.1-8b"},"model":"qwen-3-32b"}"#,
        NOT_ALLOWED,
    ),
    (
        "a model without a rule",
        br#"{"model":"gpt-5"}"#,
        NOT_ALLOWED,
    ),
    (
        "two models, the allowed one first",
        br#"{"model":"llama-3.1-8b","model":"qwen-3-32b"}"#,
        AMBIGUOUS,
    ),
    (
        "the same model twice",
        br#"{"model":"llama-3.1-8b","model":"llama-3.1-8b"}"#,
        AMBIGUOUS,
    ),
    (
        "a second model with an escaped name",
        br#"{"model":"llama-3.1-8b","\u006dodel":"qwen-3-32b"}"#,
        AMBIGUOUS,
    ),
    (
        "a second model in another case",
        br#"{"model":"llama-3.1-8b","Model":"qwen-3-32b"}"#,
        AMBIGUOUS,
    ),
    ("no model", br#"{"messages":[]}"#, MISSING),
    ("an empty object", b"{}", MISSING),
    ("an empty model", br#"{"model":""}"#, MISSING),
    (
        "a second document",
        br#"{"model":"llama-3.1-8b"}{"model":"qwen-3-32b"}"#,
        MALFORMED,
    ),
    (
        "bytes after the document",
        br#"{"model":"llama-3.1-8b"}x"#,
        MALFORMED,
    ),
    (
        "a truncated document",
        br#"{"model":"llama-3.1-8b","messages":["#,
        MALFORMED,
    ),
    ("a list", br#"[{"model":"llama-3.1-8b"}]"#, MALFORMED),
    ("no JSON", b"model=llama-3.1-8b", MALFORMED),
    (
        "a byte order mark",
        b"\xef\xbb\xbf{\"model\":\"llama-3.1-8b\"}",
        MALFORMED,
    ),
    ("UTF-16", b"{\0\"\0m\0o\0d\0e\0l\0\"\0", MALFORMED),
];

/// A way to put a body on the wire.
type Framing = fn(&Gateway, Wire, &[u8]) -> Answer;

const FRAMINGS: &[(&str, Framing)] = &[
    ("content-length, at once", |gateway, request, body| {
        gateway.connect().exchange(&request.body(body))
    }),
    ("content-length, byte by byte", |gateway, request, body| {
        gateway.connect().exchange_in_frames(&request.body(body), 1)
    }),
    ("chunked, at once", |gateway, request, body| {
        gateway.connect().exchange(&request.chunked(body, 7))
    }),
    ("chunked, byte by byte", |gateway, request, body| {
        gateway
            .connect()
            .exchange_in_frames(&request.chunked(body, 1), 6)
    }),
];

fn by_globex() -> Wire {
    Wire::new("POST", "/v1/chat/completions").header("x-api-key", GLOBEX_KEY)
}

/// Fails if a refused case reached the upstream whole, or an allowed one did not.
fn expect_served(gateway: Gateway, cases: &[(String, Verdict)]) {
    let served: Vec<String> = gateway
        .stop()
        .iter()
        .filter(|seen| seen.complete)
        .flat_map(|seen| seen.values("x-case"))
        .collect();
    for (case, verdict) in cases {
        let times = served.iter().filter(|served| *served == case).count();
        assert_eq!(
            times,
            usize::from(*verdict == OK),
            "{case}: whole requests at the upstream"
        );
    }
}

#[test]
fn the_body_is_judged_before_it_is_whole_at_the_upstream_however_it_is_framed() {
    let gateway = Gateway::start();
    let mut cases = Vec::new();
    for (name, body, verdict) in BODIES {
        for (framing, exchange) in FRAMINGS {
            let case = format!("{name}, {framing}");
            let answer = exchange(&gateway, by_globex().header("x-case", &case), body);
            assert_eq!(answer.verdict(), *verdict, "{case}: {answer:?}");
            cases.push((case, *verdict));
        }
    }
    expect_served(gateway, &cases);
}

#[test]
fn a_model_of_another_group_is_refused_as_soon_as_it_is_seen_and_with_a_second_one_in_any_case() {
    let body = br#"{"model":"qwen-3-32b","model":"llama-3.1-8b"}"#;
    let gateway = Gateway::start();
    let mut cases = Vec::new();
    for ((framing, exchange), verdict) in
        FRAMINGS
            .iter()
            .zip([AMBIGUOUS, NOT_ALLOWED, AMBIGUOUS, NOT_ALLOWED])
    {
        let answer = exchange(&gateway, by_globex().header("x-case", framing), body);
        assert_eq!(answer.verdict(), verdict, "{framing}: {answer:?}");
        cases.push(((*framing).to_owned(), verdict));
    }
    expect_served(gateway, &cases);
}

#[test]
fn the_models_of_an_upstream_are_shown_only_to_those_who_may_use_them() {
    let gateway = Gateway::start();
    for (path, key, verdict) in [
        ("/v1/models", None, (401, Some("missing_credential"))),
        ("/v1/models", Some(GLOBEX_KEY), OK),
        ("/v1/models/llama-3.1-8b", Some(GLOBEX_KEY), OK),
        ("/openai/v1/models/qwen-3-32b", Some(ACME_KEY), OK),
        ("/v1/models/qwen-3-32b", Some(GLOBEX_KEY), NOT_ALLOWED),
        ("/v1/models/gpt-5", Some(GLOBEX_KEY), NOT_ALLOWED),
        (
            "/v1/models/llama-3.1-8b",
            None,
            (401, Some("missing_credential")),
        ),
    ] {
        let mut request = gateway.get(path);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let answer = send(request);
        assert_eq!(answer.verdict(), verdict, "{path} by {key:?}: {answer:?}");
    }
}

#[test]
fn the_body_is_judged_over_http2_too() {
    let gateway = Gateway::start();
    let mut cases = Vec::new();
    for (name, body, verdict) in BODIES {
        let request = gateway
            .post_http2("/v1/chat/completions")
            .header("x-api-key", GLOBEX_KEY);
        let answer = send(request.header("x-case", *name).body(body.to_vec()));
        assert_eq!(answer.verdict(), *verdict, "{name}: {answer:?}");
        cases.push(((*name).to_owned(), *verdict));
    }
    expect_served(gateway, &cases);
}

#[test]
fn the_model_header_is_single_and_agrees_with_the_body() {
    let rows: &[(&str, &[&str], &str, Verdict)] = &[
        ("agrees", &[LLAMA], LLAMA, OK),
        (
            "names another model than the body",
            &[LLAMA],
            QWEN,
            AMBIGUOUS,
        ),
        (
            "names the model of another group",
            &[QWEN],
            QWEN,
            NOT_ALLOWED,
        ),
        ("twice the same", &[LLAMA, LLAMA], LLAMA, AMBIGUOUS),
        (
            "two models, the allowed one first",
            &[LLAMA, QWEN],
            LLAMA,
            AMBIGUOUS,
        ),
        (
            "two models, the allowed one last",
            &[QWEN, LLAMA],
            LLAMA,
            AMBIGUOUS,
        ),
        (
            "a list in one header",
            &["llama-3.1-8b,qwen-3-32b"],
            LLAMA,
            AMBIGUOUS,
        ),
    ];
    let gateway = Gateway::start();
    let mut cases = Vec::new();
    for (name, headers, model, verdict) in rows {
        let mut request = by_globex().header("x-case", name);
        for value in *headers {
            request = request.header("x-ai-eg-model", value);
        }
        let answer = gateway
            .connect()
            .exchange(&request.body(chat(model).to_string()));
        assert_eq!(answer.verdict(), *verdict, "{name}: {answer:?}");
        cases.push(((*name).to_owned(), *verdict));
    }
    expect_served(gateway, &cases);
}

#[test]
fn a_model_header_of_another_group_is_refused_before_any_body_arrives() {
    let gateway = Gateway::start();
    let request = by_globex()
        .header("x-ai-eg-model", QWEN)
        .header("content-length", "100")
        .body("");
    assert_eq!(gateway.connect().exchange(&request).verdict(), NOT_ALLOWED);
}

#[test]
fn a_body_that_the_client_cuts_never_reaches_the_upstream_whole() {
    let gateway = Gateway::start();
    let cut = br#"{"model":"llama-3.1-8b""#;
    for request in [
        by_globex().header("content-length", "100").body(cut),
        by_globex()
            .header("transfer-encoding", "chunked")
            .body("17\r\n{\"model\":\"llama-3.1-8b\"\r\n"),
    ] {
        gateway.connect().start(&request);
    }
    gateway.access_log(2);
    assert!(gateway.stop().iter().all(|seen| !seen.complete));
}

#[test]
fn a_request_without_a_body_lacks_its_model() {
    let gateway = Gateway::start();
    for header in [None, Some(LLAMA)] {
        let mut request = by_globex().header("content-length", "0");
        if let Some(model) = header {
            request = request.header("x-ai-eg-model", model);
        }
        assert_eq!(
            gateway.connect().exchange(&request).verdict(),
            MISSING,
            "model header {header:?}"
        );
    }
    assert!(gateway.stop().is_empty());
}

#[test]
fn an_encoded_body_is_refused_with_415() {
    let gateway = Gateway::start();
    for (encoding, verdict) in [
        ("gzip", (415, Some("unsupported_encoding"))),
        ("br", (415, Some("unsupported_encoding"))),
        ("identity, gzip", (415, Some("unsupported_encoding"))),
        ("identity", OK),
    ] {
        let request = by_globex()
            .header("content-encoding", encoding)
            .body(chat(LLAMA).to_string());
        assert_eq!(
            gateway.connect().exchange(&request).verdict(),
            verdict,
            "{encoding}"
        );
    }
}

#[test]
fn a_body_larger_than_the_buffer_limit_passes_with_the_model_at_its_end() {
    let gateway = Gateway::builder().buffer_limit(32 * 1024).start();
    let content = "x".repeat(2_000_000);
    for (model, verdict) in [(LLAMA, OK), (QWEN, NOT_ALLOWED)] {
        let body = format!(r#"{{"messages":[{{"content":"{content}"}}],"model":"{model}"}}"#);
        let answer = gateway.connect().exchange(&by_globex().body(&body));
        assert_eq!(answer.verdict(), verdict, "{model}");
    }
    let whole: Vec<usize> = gateway
        .stop()
        .iter()
        .filter(|seen| seen.complete)
        .map(|seen| seen.body.len())
        .collect();
    // The model came last, and 40 bytes were announced for what might have had to be added.
    assert_eq!(whole, [content.len() + 52 + 40]);
}

#[test]
fn an_early_answer_of_the_upstream_reaches_the_client() {
    let gateway = Gateway::builder()
        .reply(Reply::fixed(413, "application/json", "{}").early())
        .start();
    let mut body = json!({"model": LLAMA}).to_string();
    body.insert_str(1, &" ".repeat(300_000));
    let request = Wire::new("POST", "/v1/chat/completions")
        .header("x-api-key", ACME_KEY)
        .body(body);
    let answer = gateway.connect().exchange(&request);
    assert_eq!(answer.verdict(), (413, None), "{answer:?}");
}

//! What a reply cost, however it arrives and however it ends.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, streamed_chat};
use crate::harness::{Gateway, Piece, Reply, Wire, send};

/// Recorded from vLLM: 18 tokens in, 40 out.
const STREAM: &[u8] = include_bytes!("../fixtures/recordings/vllm/chat_stream_usage.body");
/// The same, not streamed.
const UNARY: &[u8] = include_bytes!("../fixtures/recordings/vllm/chat_unary.body");

const COUNTED: &[&str] = &[
    "tollgate_requests_total",
    "tollgate_tokens_total",
    "tollgate_usage_missing_total",
];

/// The metrics of `count` requests with this outcome and these tokens; no tokens, no lines of tokens.
fn lines(outcome: &str, count: usize, input: usize, output: usize) -> String {
    let mut lines = format!(
        "tollgate_requests_total{{tenant=\"acme\",model=\"{LLAMA}\",operation=\"chat\",outcome=\"{outcome}\"}} {count}\n"
    );
    for (kind, tokens) in [("input", input), ("output", output)] {
        if tokens > 0 {
            let total = tokens * count;
            lines.push_str(&format!("tollgate_tokens_total{{tenant=\"acme\",model=\"{LLAMA}\",type=\"{kind}\"}} {total}\n"));
        }
    }
    lines
}

fn missing(reason: &str) -> String {
    format!(
        "tollgate_usage_missing_total{{tenant=\"acme\",model=\"{LLAMA}\",reason=\"{reason}\"}} 1\n"
    )
}

/// What the access log says of metering: outcome, source, input, output; absent values are null.
fn metered(entry: &Value) -> [&Value; 4] {
    ["outcome", "usage_source", "input_tokens", "output_tokens"].map(|field| &entry[field])
}

fn streamed_request() -> Wire {
    Wire::new("POST", "/v1/chat/completions")
        .header("x-api-key", ACME_KEY)
        .body(streamed_chat(LLAMA).to_string())
}

/// The events of a stream, each with its blank line.
fn events(stream: &[u8]) -> Vec<Vec<u8>> {
    let text = std::str::from_utf8(stream).unwrap();
    text.split_inclusive("\n\n")
        .map(|event| event.as_bytes().to_vec())
        .collect()
}

/// One chunk for each event, and a moment between them.
fn paced(events: &[Vec<u8>]) -> Vec<Piece> {
    let moment = Piece::Pause(Duration::from_millis(2));
    events
        .iter()
        .flat_map(|event| [Piece::Bytes(event.clone()), moment.clone()])
        .collect()
}

#[test]
fn a_recorded_stream_passes_byte_for_byte_and_is_counted() {
    let gateway = Gateway::builder()
        .reply(Reply::stream(paced(&events(STREAM))))
        .start();
    for request in [
        gateway.post("/v1/chat/completions"),
        gateway.post_http2("/v1/chat/completions"),
    ] {
        let answer = send(request.bearer_auth(ACME_KEY).json(&streamed_chat(LLAMA)));
        assert_eq!(
            answer.header("content-type"),
            Some("text/event-stream; charset=utf-8")
        );
        assert!(answer.complete);
        assert_eq!(answer.body, STREAM);
    }
    gateway.expect_counted(COUNTED, &lines("ok", 2, 18, 40));
    for entry in gateway.access_log(2) {
        assert_eq!(metered(&entry), ["ok", "reported", "18", "40"], "{entry}");
    }
}

#[test]
fn a_recorded_unstreamed_reply_is_counted() {
    let gateway = Gateway::builder()
        .reply(Reply::fixed(200, "application/json", UNARY))
        .start();
    let answer = send(gateway.chat(LLAMA));
    assert_eq!(answer.body, UNARY);
    gateway.expect_counted(COUNTED, &lines("ok", 1, 18, 40));
    assert_eq!(
        metered(&gateway.access_log(1)[0]),
        ["ok", "reported", "18", "40"]
    );
}

#[test]
fn usage_is_counted_wherever_the_stream_is_split() {
    let last_event = STREAM
        .windows(6)
        .rposition(|window| window == b"data: ")
        .unwrap();
    let usage_event = STREAM[..last_event]
        .windows(6)
        .rposition(|window| window == b"data: ")
        .unwrap();
    let splits: Vec<usize> = (usage_event - 2..=STREAM.len()).collect();
    let gateway = Gateway::builder()
        .script(|seen| {
            let (first, second) = STREAM.split_at(seen.values("x-split")[0].parse().unwrap());
            let pieces = [first, second].map(|part| Piece::Bytes(part.to_vec()));
            let [first, second] = pieces;
            // A chunk of no bytes would end the reply.
            if matches!(&second, Piece::Bytes(bytes) if bytes.is_empty()) {
                return Reply::stream(vec![first]);
            }
            Reply::stream(vec![first, Piece::Pause(Duration::from_millis(1)), second])
        })
        .start();
    for split in &splits {
        let request = gateway
            .post("/v1/chat/completions")
            .bearer_auth(ACME_KEY)
            .header("x-split", *split);
        let answer = send(request.header("x-case", *split).json(&streamed_chat(LLAMA)));
        assert_eq!(
            (answer.complete, answer.body.as_slice()),
            (true, STREAM),
            "split at {split}"
        );
    }
    for entry in gateway.access_log(splits.len()) {
        assert_eq!(
            metered(&entry),
            ["ok", "reported", "18", "40"],
            "split at {}",
            entry["case"]
        );
    }
    gateway.expect_counted(COUNTED, &lines("ok", splits.len(), 18, 40));
}

/// Starts a stream, reads until `mark`, hangs up, and gives the access log's entry.
fn hang_up_after(gateway: &Gateway, mark: &str) -> Value {
    let mut connection = gateway.connect();
    connection.start(&streamed_request());
    connection.read_until(mark);
    drop(connection);
    gateway.access_log(1).remove(0)
}

#[test]
fn a_stream_that_the_client_leaves_is_counted_once_as_aborted_without_usage() {
    let mut pieces = paced(&events(STREAM)[..5]);
    pieces.push(Piece::UntilClosed);
    let gateway = Gateway::builder().reply(Reply::stream(pieces)).start();
    let entry = hang_up_after(&gateway, r#""content":"into""#);
    assert_eq!(entry["outcome"], "client_aborted", "{entry}");
    gateway.expect_counted(
        COUNTED,
        &(lines("client_aborted", 1, 0, 0) + &missing("aborted")),
    );
}

#[test]
fn a_stream_left_after_its_usage_is_reported_and_aborted() {
    let events = events(STREAM);
    let mut pieces = paced(&events[..events.len() - 1]);
    pieces.push(Piece::UntilClosed);
    let gateway = Gateway::builder().reply(Reply::stream(pieces)).start();
    let entry = hang_up_after(&gateway, r#""total_tokens":58"#);
    assert_eq!(
        metered(&entry),
        ["client_aborted", "reported", "18", "40"],
        "{entry}"
    );
    gateway.expect_counted(COUNTED, &lines("client_aborted", 1, 18, 40));
}

#[test]
fn the_last_running_count_of_an_aborted_stream_is_partial_usage() {
    let running = |output: u32| {
        let event = json!({
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": "x"}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": output, "total_tokens": 9 + output}
        });
        format!("data: {event}\n\n").into_bytes()
    };
    let mut pieces = paced(&[running(1), running(2), running(3)]);
    pieces.push(Piece::UntilClosed);
    let gateway = Gateway::builder().reply(Reply::stream(pieces)).start();
    let entry = hang_up_after(&gateway, r#""completion_tokens":3"#);
    assert_eq!(
        metered(&entry),
        ["client_aborted", "partial", "9", "3"],
        "{entry}"
    );
    gateway.expect_counted(
        &["tollgate_requests_total", "tollgate_tokens_total"],
        &lines("client_aborted", 1, 9, 3),
    );
}

#[test]
fn a_stream_that_the_upstream_cuts_is_counted_as_reset() {
    let mut pieces = paced(&events(STREAM)[..5]);
    pieces.push(Piece::Cut);
    let gateway = Gateway::builder().reply(Reply::stream(pieces)).start();
    let answer = gateway.connect().exchange(&streamed_request());
    assert_eq!((answer.status, answer.complete), (200, false));
    assert_eq!(answer.body, events(STREAM)[..5].concat());
    gateway.expect_counted(
        COUNTED,
        &(lines("upstream_reset", 1, 0, 0) + &missing("aborted")),
    );
    assert_eq!(gateway.access_log(1)[0]["outcome"], "upstream_reset");
}

#[test]
fn a_stream_that_outlasts_the_route_is_counted_as_timeout() {
    let mut pieces = paced(&events(STREAM)[..5]);
    pieces.push(Piece::UntilClosed);
    let gateway = Gateway::builder()
        .route_timeout(Duration::from_millis(300))
        .reply(Reply::stream(pieces))
        .start();
    let answer = gateway.connect().exchange(&streamed_request());
    assert_eq!((answer.status, answer.complete), (200, false));
    gateway.expect_counted(COUNTED, &(lines("timeout", 1, 0, 0) + &missing("aborted")));
}

#[test]
fn an_answer_without_usage_is_counted_by_its_status_and_missed_only_when_it_is_2xx() {
    let empty = |status| Reply::fixed(status, "application/json", "{}");
    let gzip = Reply::fixed(200, "application/json", b"\x1f\x8b\x08".to_vec())
        .header("content-encoding", "gzip");
    let unfinished = Reply::stream(paced(&events(STREAM)[..5]));
    let mut silent = events(STREAM);
    silent.retain(|event| !String::from_utf8_lossy(event).contains("prompt_tokens"));
    let silent = Reply::stream(paced(&silent));
    let dropped = empty(429).header("x-llm-d-request-dropped-reason", "saturated");
    for (name, reply, expected) in [
        (
            "2xx without usage",
            empty(200),
            lines("ok", 1, 0, 0) + &missing("no_usage"),
        ),
        (
            "a stream without usage",
            silent,
            lines("ok", 1, 0, 0) + &missing("no_usage"),
        ),
        (
            "a stream that ends in good order without its end",
            unfinished,
            lines("truncated", 1, 0, 0) + &missing("truncated"),
        ),
        (
            "a stream of nothing",
            Reply::stream(Vec::new()),
            lines("truncated", 1, 0, 0) + &missing("truncated"),
        ),
        (
            "an encoded reply",
            gzip,
            lines("ok", 1, 0, 0) + &missing("encoded"),
        ),
        (
            "a client's error",
            empty(404),
            lines("upstream_4xx", 1, 0, 0),
        ),
        (
            "an overloaded server",
            empty(503),
            lines("upstream_5xx", 1, 0, 0),
        ),
        (
            "dropped by the scheduler",
            dropped,
            lines("dropped_by_scheduler", 1, 0, 0),
        ),
    ] {
        let gateway = Gateway::builder().reply(reply).start();
        let answer = gateway.connect().exchange(&streamed_request());
        assert!(answer.complete, "{name}");
        println!("{name}");
        gateway.expect_counted(COUNTED, &expected);
    }
}

//! The harness against Envoy alone: what the other files rely on.

use std::time::Duration;

use crate::harness::{Gateway, Piece, Reply, Wire, send, series};

#[test]
fn upstream_records_header_lines_and_body_as_they_arrive() {
    let gateway = Gateway::builder().without_filter().start();
    let request = Wire::new("POST", "/v1/echo?a=1")
        .header("X-Twice", "one")
        .header("x-twice", b"t\xffo")
        .chunked("hello", 2);
    let answer = gateway.connect().exchange_in_frames(&request, 1);
    assert_eq!(answer.status, 200);
    assert!(answer.complete);

    let seen = gateway.stop();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].request, "POST /v1/echo?a=1");
    let twice: Vec<&[u8]> = seen[0]
        .headers
        .iter()
        .filter(|(name, _)| name == "x-twice")
        .map(|(_, value)| value.as_slice())
        .collect();
    assert_eq!(twice, [b"one".as_slice(), b"t\xffo"]);
    assert_eq!(seen[0].body, b"hello");
    assert!(seen[0].complete);
}

#[test]
fn a_request_cut_by_the_client_never_counts_as_complete() {
    let gateway = Gateway::builder().without_filter().start();
    for request in [
        Wire::new("POST", "/length")
            .header("content-length", "10")
            .body("hello"),
        Wire::new("POST", "/chunks")
            .header("transfer-encoding", "chunked")
            .body("5\r\nhello\r\n"),
    ] {
        let mut connection = gateway.connect();
        connection.start(&request);
    }
    assert_eq!(send(gateway.post("/whole").body("hello")).status, 200);
    let complete: Vec<_> = gateway
        .stop()
        .into_iter()
        .filter(|seen| seen.complete)
        .map(|seen| seen.request)
        .collect();
    assert_eq!(complete, ["POST /whole"]);
}

#[test]
fn a_paced_stream_arrives_whole_over_http1_and_http2() {
    let events = ["data: one\n\n", "data: two\n\n", "data: [DONE]\n\n"];
    let pieces = events
        .iter()
        .flat_map(|event| {
            [
                Piece::Bytes(event.as_bytes().to_vec()),
                Piece::Pause(Duration::from_millis(5)),
            ]
        })
        .collect();
    let gateway = Gateway::builder()
        .without_filter()
        .workers(2)
        .reply(Reply::stream(pieces))
        .start();
    for request in [gateway.post("/"), gateway.post_http2("/")] {
        let answer = send(request.body("{}"));
        assert!(answer.complete);
        assert_eq!(String::from_utf8(answer.body).unwrap(), events.concat());
    }
}

#[test]
fn a_cut_stream_is_seen_as_cut_and_an_early_answer_as_early() {
    let gateway = Gateway::builder()
        .without_filter()
        .script(|seen| match seen.request.as_str() {
            "POST /cut" => Reply::stream(vec![Piece::Bytes(b"data: one\n\n".to_vec()), Piece::Cut]),
            _ => Reply::fixed(413, "text/plain", "too much").early(),
        })
        .start();
    let answer = gateway
        .connect()
        .exchange(&Wire::new("POST", "/cut").body("{}"));
    assert_eq!((answer.status, answer.complete), (200, false));
    assert_eq!(answer.body, b"data: one\n\n");

    let unfinished = Wire::new("POST", "/early")
        .header("content-length", "10")
        .body("hello");
    let answer = gateway.connect().exchange(&unfinished);
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (413, b"too much".as_slice())
    );
    let log = gateway.access_log(2);
    assert_eq!(
        (&log[0]["status"], &log[1]["status"]),
        (&200.into(), &413.into())
    );
    assert!(
        gateway
            .stop()
            .iter()
            .any(|seen| seen.request == "POST /early" && !seen.complete)
    );
}

#[test]
fn prometheus_text_is_read_into_sorted_series() {
    let text = "# TYPE a counter\na{z=\"1,2\",b=\"x/y\"} 3\n\nb{} 2.5\nc 1\n";
    let read: Vec<String> = series(text)
        .iter()
        .map(|(series, value)| format!("{series} {value}"))
        .collect();
    assert_eq!(read, ["a{b=\"x/y\",z=\"1,2\"} 3", "b{} 2.5", "c{} 1"]);
}

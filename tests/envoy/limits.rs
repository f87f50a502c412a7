//! Requests at the limits of what Envoy takes, and requests that take their time: the filter draws no line of its own
//! before Envoy's.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, chat};
use crate::harness::{Frames, Gateway, Reply, Wire, send};

/// The bootstrap of the tests has `max_request_headers_kb: 96`.
const MOST_HEADER_BYTES: usize = 96 * 1024;
/// Envoy's default for `max_headers_count`.
const MOST_HEADERS: usize = 100;

fn chat_request() -> Wire {
    Wire::new("POST", "/v1/chat/completions").header("x-api-key", ACME_KEY)
}

/// A good request with so many header lines.
fn with_lines(lines: usize) -> Wire {
    // `host`, the key and the length make three.
    let more = (3..lines).map(|index| format!("x-line-{index}"));
    let request = more.fold(chat_request(), |request, name| request.header(&name, "1"));
    request.body(chat(LLAMA).to_string())
}

/// A good request with about so many bytes of headers, in four lines.
fn with_bytes(bytes: usize) -> Wire {
    let names = ["x-one", "x-two", "x-three", "x-four"];
    let request = names.iter().fold(chat_request(), |request, name| {
        request.header(name, "v".repeat(bytes / 4))
    });
    request.body(chat(LLAMA).to_string())
}

#[test]
fn headers_are_taken_up_to_envoys_own_limits() {
    let gateway = Gateway::start();
    let alone = Gateway::builder().without_filter().start();
    let rows = [
        (
            "as many headers as Envoy takes",
            with_lines(MOST_HEADERS),
            200,
        ),
        ("one header more", with_lines(MOST_HEADERS + 1), 431),
        ("60 KiB of headers", with_bytes(60 * 1024), 200),
        (
            "a little less than the limit",
            with_bytes(MOST_HEADER_BYTES - 1024),
            200,
        ),
        (
            "a little more than the limit",
            with_bytes(MOST_HEADER_BYTES + 1024),
            431,
        ),
    ];
    for (name, request, status) in rows {
        for gateway in [&gateway, &alone] {
            let answer = gateway.connect().exchange(&request);
            assert_eq!(answer.verdict(), (status, None), "{name}: {answer:?}");
        }
        gateway.assert_sound(name);
    }
}

#[test]
fn ten_megabytes_pass_whole_however_they_are_framed() {
    const SIZE: usize = 10_000_000;
    let mut body = chat(LLAMA);
    body["messages"][0]["content"] = json!("x".repeat(SIZE));
    let body = body.to_string();
    let gateway = Gateway::start();
    let headers = [("x-api-key", ACME_KEY), ("x-case", "large")];
    let wire = || chat_request().header("x-case", "large");
    let level = || {
        let exchanges = [
            gateway.connect().exchange(&wire().body(&body)),
            gateway.connect().exchange(&wire().chunked(&body, 5_000)),
            gateway.exchange_http2(&Frames {
                method: "POST",
                path: "/v1/chat/completions",
                headers: &headers,
                frames: body.as_bytes().chunks(16_000).collect(),
                trailers: false,
            }),
        ];
        for answer in exchanges {
            assert_eq!(answer.verdict(), (200, None), "{answer:?}");
        }
        gateway.assert_sound("10 MB");
        #[cfg(target_os = "linux")]
        return gateway.resident_memory();
        #[cfg(not(target_os = "linux"))]
        0
    };
    let levels = [level(), level()];
    println!("resident memory after each round: {levels:?}");
    assert!(levels[1] < levels[0] + (8 << 20), "{levels:?}");
    let seen = gateway.stop();
    let large = seen
        .iter()
        .filter(|seen| seen.values("x-case") == ["large"]);
    // Where the filter might have to add to a body it pads it, so that its length stays.
    let whole = large.filter(|seen| seen.complete && seen.body.trim_ascii_end() == body.as_bytes());
    assert_eq!(whole.count(), 6);
}

/// How slow clients hand their bytes over.
const BEAT: Duration = Duration::from_millis(10);

#[test]
fn slow_clients_are_served_and_hold_nobody_up() {
    const EACH: usize = 60;
    let gateway = Gateway::builder()
        .script(|seen| Reply::json(&json!({"echo": seen.values("x-case").concat()})))
        .start();
    let body = chat(LLAMA).to_string();
    let rows = [
        (
            "length",
            chat_request().header("x-case", "length").body(&body),
        ),
        (
            "chunks",
            chat_request().header("x-case", "chunks").chunked(&body, 1),
        ),
    ];
    let mut levels = Vec::new();
    let mut met = 0;
    for _ in 0..2 {
        let mut clients = Vec::new();
        for (name, request) in &rows {
            for number in 0..EACH {
                // Every third one leaves before its last byte.
                let bytes = request.bytes();
                let last = bytes.len() - usize::from(number % 3 == 0);
                let leaves = last < bytes.len();
                let mut connection = gateway.connect();
                // The head comes at once for some, and slowly too for the others.
                let at_once = if number % 2 == 0 {
                    bytes.len() - body.len().min(last)
                } else {
                    20
                };
                connection.trickle(&bytes[..at_once]);
                clients.push((*name, connection, bytes[at_once..last].to_vec(), leaves));
            }
        }
        let longest = clients.iter().map(|client| client.2.len()).max().unwrap();
        let mut slowest = Duration::ZERO;
        for at in 0..longest {
            let next = Instant::now() + BEAT;
            for (_, connection, bytes, _) in &mut clients {
                if let Some(byte) = bytes.get(at) {
                    connection.trickle(&[*byte]);
                }
            }
            if at % 20 == 0 {
                let begin = Instant::now();
                assert_eq!(send(gateway.chat(LLAMA)).status, 200);
                slowest = slowest.max(begin.elapsed());
                met += 1;
            }
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        for (name, connection, _, leaves) in clients {
            met += 1;
            if !leaves {
                let answer = connection.finish();
                assert_eq!((answer.status, answer.json()), (200, json!({"echo": name})));
            }
        }
        println!("the slowest of the others took {slowest:?}");
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        gateway.assert_sound("slow clients");
        met += 1;
        #[cfg(target_os = "linux")]
        levels.push(gateway.resident_memory());
    }
    let log = gateway.access_log(met);
    let ended = |name: &str, outcome: &str| {
        let is = |entry: &&Value| entry["case"] == name && entry["outcome"] == outcome;
        log.iter().filter(is).count()
    };
    for (name, _) in rows {
        let found = [ended(name, "ok"), ended(name, "client_aborted")];
        assert_eq!(found, [2 * EACH / 3 * 2, 2 * EACH / 3], "{name}");
    }
    println!("resident memory after each round: {levels:?}");
    if let [first, second] = levels[..] {
        assert!(second < first + (8 << 20), "{levels:?}");
    }
}

//! Keys that change with the whole listener, as Envoy Gateway changes them: connections from before the change are
//! drained, and closed when the drain time (`--drain-time-s`, 600 s by default) is over.

use std::iter;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{NEW_KEY, served_during, with_keys};
use crate::harness::demo::{ACME_KEY, LLAMA, chat, streamed_chat};
use crate::harness::{Gateway, Piece, Reply, Seen, Wire, eventually};

const OLD_KEY: &str = "sk-tollgate-acme-past";
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// From one event of a stream to the next.
const BEAT: Duration = Duration::from_millis(100);

/// A gateway that knows [`ACME_KEY`] and [`OLD_KEY`].
fn gateway() -> Gateway {
    Gateway::builder()
        .config(with_keys(&[ACME_KEY, OLD_KEY]))
        .listener_discovered(DRAIN_TIME)
        .workers(2)
        .script(reply)
        .start()
}

/// A stream of as many events as the request's `x-case` says.
fn reply(seen: &Seen) -> Reply {
    let Some(events) = seen.values("x-case").first().cloned() else {
        return Reply::json(&json!({"reply": "whole"}));
    };
    let event = br#"data: {"choices":[{"index":0,"delta":{"content":"word"}}]}"#;
    let event = Piece::Bytes([&event[..], b"\n\n"].concat());
    let beat = [event, Piece::Pause(BEAT)];
    let beats = iter::repeat_n(beat, events.parse().unwrap());
    let mut pieces: Vec<_> = beats.flatten().collect();
    let usage = br#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
    pieces.push(Piece::Bytes([&usage[..], b"\n\ndata: [DONE]\n\n"].concat()));
    Reply::stream(pieces)
}

fn request(key: &str) -> Wire {
    Wire::new("POST", "/v1/chat/completions")
        .header("x-api-key", key)
        .body(chat(LLAMA).to_string())
}

/// Puts [`NEW_KEY`] in the place of [`OLD_KEY`] and waits until new connections know.
fn change(gateway: &Gateway) {
    let keys = with_keys(&[ACME_KEY, NEW_KEY]);
    assert_eq!(gateway.publish(&keys, 1), 0, "refused");
    eventually("the change", || {
        let found = [OLD_KEY, NEW_KEY].map(|key| gateway.connect().exchange(&request(key)).status);
        (found == [401, 200])
            .then_some(())
            .ok_or_else(|| format!("{found:?}"))
    });
}

#[test]
fn a_key_is_changed_with_the_listener_and_no_request_fails() {
    let gateway = gateway();
    let mut kept = gateway.connect();
    let served = served_during(&gateway, 4, Duration::ZERO, || {
        kept.start(&request(OLD_KEY));
        kept.read_until("whole");
        change(&gateway);
        // A connection goes on with the keys that it began with.
        kept.start(&request(OLD_KEY));
        kept.read_until("whole");
        kept.read_to_close();
        // The load outlives all old connections.
        thread::sleep(DRAIN_TIME);
    });
    for (key, status) in [(ACME_KEY, 200), (OLD_KEY, 401), (NEW_KEY, 200)] {
        assert_eq!(super::status(&gateway, key), status, "{key}");
    }
    println!("{served} requests served");
    assert!(served > 100, "only {served} requests met the change");
}

#[test]
fn a_listener_update_cuts_only_the_streams_that_outlast_the_drain_time() {
    let gateway = gateway();
    let stream = |events: &str| {
        let mut connection = gateway.connect();
        let request = Wire::new("POST", "/v1/chat/completions")
            .header("x-api-key", OLD_KEY)
            .header("x-case", events)
            .body(streamed_chat(LLAMA).to_string());
        connection.start(&request);
        connection.read_until("word");
        connection
    };
    let [mut short, mut long] = ["8", "50"].map(stream);
    let begin = Instant::now();
    change(&gateway);
    let changed = begin.elapsed();
    short.read_until("[DONE]");
    let ended = begin.elapsed();
    let rest = long.read_to_close();
    let cut = begin.elapsed();
    println!(
        "changed after {changed:?}, short stream over after {ended:?}, long stream cut after {cut:?} and {} events",
        rest.matches("word").count()
    );
    assert!(
        changed < ended && ended < DRAIN_TIME,
        "{changed:?} {ended:?}"
    );
    assert!(rest.contains("word") && !rest.contains("[DONE]"), "{rest}");
    assert!(cut > DRAIN_TIME * 9 / 10, "{cut:?}");
    let logged = |events: &str| {
        eventually("the stream's end in the access log", || {
            let log = gateway.access_log_so_far();
            let entry = log.iter().find(|entry| entry["case"] == events);
            let entry = entry.ok_or_else(|| format!("{log:?}"))?;
            Ok(["outcome", "usage_source"].map(|field| entry[field].clone()))
        })
    };
    assert_eq!(logged("8"), ["ok", "reported"]);
    // To the filter a connection that Envoy closes is a client that left.
    assert_eq!(logged("50"), ["client_aborted", "estimated"]);
}

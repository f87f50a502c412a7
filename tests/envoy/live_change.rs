//! Keys come and go while requests are served.

mod listener;
#[cfg(target_os = "linux")]
mod memory;
mod module;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, chat, config, key_hash, streamed_chat};
use crate::harness::{Gateway, Piece, Reply, Wire, eventually, send};

const NEW_KEY: &str = "sk-tollgate-acme-next";

/// The demo configuration with these keys for acme.
fn with_keys(keys: &[&str]) -> Value {
    let mut config = config();
    let entry = |(index, key): (usize, &&str)| json!({"id": format!("acme-{index}"), "tenant": "acme", "keyHash": key_hash(key)});
    config["keys"] = keys.iter().enumerate().map(entry).collect();
    config
}

fn status(gateway: &Gateway, key: &str) -> u16 {
    send(
        gateway
            .post("/v1/chat/completions")
            .bearer_auth(key)
            .json(&chat(LLAMA)),
    )
    .status
}

/// Waits until requests with [`ACME_KEY`] and [`NEW_KEY`] get these statuses: workers take a change over one by one.
fn expect(gateway: &Gateway, statuses: [u16; 2]) {
    eventually("the change in every worker", || {
        let found = [ACME_KEY, NEW_KEY].map(|key| status(gateway, key));
        (found == statuses)
            .then_some(())
            .ok_or_else(|| format!("{found:?}"))
    });
}

/// Ends the load when it goes, so that a change that fails does not leave the clients running.
struct EndOfLoad<'a>(&'a AtomicBool);

impl Drop for EndOfLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Has clients send requests with [`ACME_KEY`], each after this pause, while `change` runs; panics if one fails. Returns
/// how many were served.
fn served_during(
    gateway: &Gateway,
    clients: usize,
    pause: Duration,
    change: impl FnOnce(),
) -> usize {
    let done = AtomicBool::new(false);
    let served = || {
        let mut served = 0_usize;
        while !done.load(Ordering::Relaxed) {
            assert_eq!(status(gateway, ACME_KEY), 200, "after {served} requests");
            served += 1;
            thread::sleep(pause);
        }
        served
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(served)).collect();
        let end = EndOfLoad(&done);
        change();
        drop(end);
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum()
    })
}

#[test]
fn a_key_is_rotated_with_an_overlap_and_no_request_fails() {
    let gateway = Gateway::builder()
        .config(with_keys(&[ACME_KEY]))
        .discovered()
        .workers(2)
        .start();
    let served = served_during(&gateway, 4, Duration::ZERO, || {
        for version in 1..=20 {
            let keys = if version % 2 == 0 {
                &[ACME_KEY][..]
            } else {
                &[NEW_KEY, ACME_KEY]
            };
            assert_eq!(gateway.publish(&with_keys(keys), version), 0, "refused");
        }
    });
    assert!(served > 100, "only {served} requests met the changes");
}

#[test]
fn an_added_key_works_and_a_removed_key_stops_working() {
    let gateway = Gateway::builder()
        .config(with_keys(&[ACME_KEY]))
        .discovered()
        .start();
    expect(&gateway, [200, 401]);
    gateway.publish(&with_keys(&[ACME_KEY, NEW_KEY]), 1);
    expect(&gateway, [200, 200]);
    gateway.publish(&with_keys(&[NEW_KEY]), 2);
    expect(&gateway, [401, 200]);
}

#[test]
fn a_bad_change_is_refused_and_the_old_keys_go_on_working() {
    let gateway = Gateway::builder()
        .config(with_keys(&[ACME_KEY]))
        .discovered()
        .start();
    let mut bad = with_keys(&[NEW_KEY]);
    bad["keys"][0]["keyHash"] = json!(NEW_KEY);
    assert_eq!(gateway.publish(&bad, 1), 1, "refused");
    expect(&gateway, [200, 401]);
    let log = gateway.log();
    assert!(
        log.contains("config rejected: keys[0].keyHash: expected"),
        "{log}"
    );
    assert!(!log.contains(NEW_KEY), "{log}");
    assert_eq!(
        gateway.publish(&with_keys(&[NEW_KEY]), 2),
        1,
        "refused in all"
    );
    expect(&gateway, [401, 200]);
}

#[test]
fn a_stream_in_flight_ends_whole_after_its_key_is_removed() {
    let pause = Piece::Pause(Duration::from_secs(1));
    let begin = Piece::Bytes(
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"begin\"}}]}\n\n".to_vec(),
    );
    let end = br#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
    let end = Piece::Bytes([&end[..], b"\n\ndata: [DONE]\n\n"].concat());
    let gateway = Gateway::builder()
        .config(with_keys(&[ACME_KEY]))
        .discovered()
        .script(move |seen| match seen.values("x-case").as_slice() {
            [] => Reply::json(&json!({})),
            _ => Reply::stream(vec![begin.clone(), pause.clone(), end.clone()]),
        })
        .start();
    let request = Wire::new("POST", "/v1/chat/completions")
        .header("x-api-key", ACME_KEY)
        .header("x-case", "stream")
        .body(streamed_chat(LLAMA).to_string());
    let mut connection = gateway.connect();
    connection.start(&request);
    connection.read_until("begin");
    gateway.publish(&with_keys(&[NEW_KEY]), 1);
    expect(&gateway, [401, 200]);
    connection.read_until("[DONE]");
    gateway.expect_counted(
        &["tollgate_tokens_total"],
        "tollgate_tokens_total{tenant=\"acme\",model=\"llama-3.1-8b\",type=\"input\"} 3\n\
         tollgate_tokens_total{tenant=\"acme\",model=\"llama-3.1-8b\",type=\"output\"} 2\n",
    );
}

//! Another build of the filter takes the place of the one that runs, as in an upgrade. Each comes with a configuration of
//! its own, by which it is known which of the two answers.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{EndOfLoad, NEW_KEY, expect, served_during, status, with_keys};
use crate::harness::demo::{ACME_KEY, LLAMA, streamed_chat};
use crate::harness::{Gateway, Piece, Reply, Wire, eventually, filters};

fn build() -> Vec<u8> {
    fs::read(tollgate_tests::filter()).unwrap()
}

/// The filter with an empty custom section at its end: the same to all but Envoy.
fn other_build() -> Vec<u8> {
    let section = [0, 2, 1, b'x'];
    [build(), section.into()].concat()
}

/// Runs `change` while a client asks with a key that nobody has; panics if it is ever answered otherwise than with 401.
fn refused_during(gateway: &Gateway, change: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(status(gateway, "sk-nobody"), 401);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let end = EndOfLoad(&done);
        change();
        drop(end);
    });
}

#[test]
fn a_module_is_exchanged_and_put_back_and_no_request_fails_or_gets_past() {
    let [old, new] = [with_keys(&[ACME_KEY]), with_keys(&[ACME_KEY, NEW_KEY])];
    let gateway = Gateway::builder()
        .config(old.clone())
        .discovered()
        .workers(2)
        .start();
    let served = served_during(&gateway, 4, Duration::from_millis(5), || {
        refused_during(&gateway, || {
            assert_eq!(gateway.publish_module(&other_build(), &new, 1), 0);
            expect(&gateway, [200, 200]);
            assert_eq!(gateway.publish_module(&build(), &old, 2), 0);
            expect(&gateway, [200, 401]);
        });
    });
    assert!(served > 20, "only {served} requests met the changes");
}

#[test]
fn a_stream_in_flight_ends_whole_in_the_module_that_it_began_in() {
    let event = |text: &str| Piece::Bytes(format!("data: {text}\n\n").into_bytes());
    let gateway = Gateway::builder()
        .config(with_keys(&[ACME_KEY]))
        .discovered()
        .script(move |seen| match seen.values("x-case").as_slice() {
            [] => Reply::json(&json!({})),
            _ => Reply::stream(vec![
                event(r#"{"choices":[{"index":0,"delta":{"content":"begin"}}]}"#),
                Piece::Pause(Duration::from_secs(5)),
                event(r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#),
                event("[DONE]"),
            ]),
        })
        .start();
    let mut connection = gateway.connect();
    connection.start(
        &Wire::new("POST", "/v1/chat/completions")
            .header("x-api-key", ACME_KEY)
            .header("x-case", "stream")
            .body(streamed_chat(LLAMA).to_string()),
    );
    connection.read_until("begin");
    let new = with_keys(&[NEW_KEY]);
    assert_eq!(gateway.publish_module(&other_build(), &new, 1), 0);
    expect(&gateway, [401, 200]);
    connection.read_until("[DONE]");

    // Not in the metrics: those that only the old module has moved may go with it.
    eventually("the stream in the access log", || {
        let log = gateway.access_log_so_far();
        let whole = |entry: &Value| entry["input_tokens"] == "3" && entry["output_tokens"] == "2";
        log.iter()
            .any(whole)
            .then_some(())
            .ok_or_else(|| format!("{log:#?}"))
    });
}

#[test]
fn a_file_that_is_no_module_is_refused_and_the_old_one_goes_on() {
    let gateway = Gateway::builder()
        .config(with_keys(&[ACME_KEY]))
        .discovered()
        .start();
    let new = with_keys(&[NEW_KEY]);
    assert_eq!(
        gateway.publish_module(&build()[..1000], &new, 1),
        1,
        "refused"
    );
    expect(&gateway, [200, 401]);
}

/// Why the documentation says never to do that: Envoy neither fetches the module nor refuses it, and skips the filter.
#[test]
fn envoy_lets_everybody_in_where_a_running_filter_is_told_to_fetch_its_module() {
    let gateway = Gateway::builder()
        .config(with_keys(&[ACME_KEY]))
        .discovered()
        .start();
    expect(&gateway, [200, 401]);
    assert_eq!(
        gateway.publish_code(fetched(), &with_keys(&[ACME_KEY]), 1),
        0,
        "taken"
    );
    expect(&gateway, [200, 200]);
}

/// A module that is yet to be fetched.
fn fetched() -> Value {
    json!({"remote": {
        "http_uri": {"uri": "http://127.0.0.1/tollgate.wasm", "cluster": "upstream", "timeout": "5s"},
        "sha256": "0".repeat(64)
    }})
}

#[test]
fn behind_a_second_lock_nobody_gets_in_there() {
    let mut config = with_keys(&[ACME_KEY]);
    config["admittedHeader"] = json!({"name": "x-tollgate-admitted", "value": "yes"});
    // The lock of the bootstrap that users copy.
    let live = include_str!("../../../envoy/live.yaml");
    let live = &tollgate_tests::manifest::documents(live).unwrap()[0];
    let manager =
        &live["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let lock = manager["http_filters"][1].clone();
    assert_eq!(lock["name"], "envoy.filters.http.rbac");
    let gateway = Gateway::builder()
        .config(config.clone())
        .amended(|bootstrap| filters(bootstrap).insert(2, lock))
        .discovered()
        .start();
    expect(&gateway, [200, 401]);
    assert_eq!(gateway.publish_code(fetched(), &config, 1), 0, "taken");
    expect(&gateway, [403, 403]);
}

//! Another build of the filter takes the place of the one that runs, as in an upgrade.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::{served_during, status};
use crate::harness::demo::{ACME_KEY, LLAMA, streamed_chat};
use crate::harness::{Gateway, Piece, Reply, Wire, eventually};

/// The filter with an empty custom section at its end: the same to all but Envoy.
fn other_build() -> Vec<u8> {
    let section = [0, 2, 1, b'x'];
    [fs::read(tollgate_tests::filter()).unwrap(), section.into()].concat()
}

/// Waits until all VMs of Envoy have been configured this often: one for each worker, the main thread's, and one that
/// only checks.
fn configured(gateway: &Gateway, workers: usize, times: usize) {
    eventually("the module in every worker", || {
        let log = gateway.log();
        let found = log.matches("tollgate: configured").count();
        (found >= (workers + 2) * times).then_some(()).ok_or(log)
    });
}

#[test]
fn a_module_is_exchanged_and_put_back_and_no_request_fails() {
    let gateway = Gateway::builder().discovered().workers(2).start();
    let served = served_during(&gateway, 4, Duration::from_millis(5), || {
        assert_eq!(gateway.publish_module(&other_build(), 1), 0, "refused");
        configured(&gateway, 2, 2);
        let module = fs::read(tollgate_tests::filter()).unwrap();
        assert_eq!(gateway.publish_module(&module, 2), 0, "refused");
        configured(&gateway, 2, 3);
    });
    assert!(served > 100, "only {served} requests met the changes");
}

#[test]
fn a_stream_in_flight_ends_whole_in_the_module_that_it_began_in() {
    let event = |text: &str| Piece::Bytes(format!("data: {text}\n\n").into_bytes());
    let gateway = Gateway::builder()
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
    assert_eq!(gateway.publish_module(&other_build(), 1), 0, "refused");
    configured(&gateway, 1, 2);
    assert_eq!(status(&gateway, ACME_KEY), 200, "in the new module");
    connection.read_until("[DONE]");

    // Not in the metrics: those that only the old module has moved go with it.
    let tokens = |entry: &Value| {
        [
            entry["input_tokens"].clone(),
            entry["output_tokens"].clone(),
        ]
    };
    let logged: Vec<_> = gateway.access_log(2).iter().map(tokens).collect();
    assert_eq!(
        logged,
        [[json!(null), json!(null)], [json!("3"), json!("2")]]
    );
}

#[test]
fn a_file_that_is_no_module_is_refused_and_the_old_one_goes_on() {
    let gateway = Gateway::builder().discovered().start();
    let module = fs::read(tollgate_tests::filter()).unwrap();
    assert_eq!(gateway.publish_module(&module[..1000], 1), 1, "refused");
    assert_eq!(status(&gateway, ACME_KEY), 200);
}

//! Requests that Envoy sends to the upstream more than once.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::harness::demo::LLAMA;
use crate::harness::{Gateway, Reply, route, send};

#[test]
fn a_retried_request_is_counted_once_with_the_tokens_of_its_last_attempt() {
    let labels = format!("tenant=\"acme\",model=\"{LLAMA}\"");
    for (name, failures, status, expected) in [
        ("no retry", 0, 200, ["ok", "", "11", "7"]),
        ("one retry", 1, 200, ["ok", "1", "11", "7"]),
        ("two retries", 2, 200, ["ok", "1", "11", "7"]),
        ("none of them good", 9, 503, ["upstream_5xx", "1", "", ""]),
    ] {
        let attempts = AtomicUsize::new(0);
        let gateway = Gateway::builder()
            .amended(|bootstrap| {
                route(bootstrap)["route"]["retry_policy"] = json!({
                    "retry_on": "5xx",
                    "num_retries": 3,
                    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}
                });
            })
            .script(move |_| {
                // The tokens of an attempt that failed are not seen, whatever it says.
                let usage =
                    json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18});
                let reply = json!({"choices": [], "usage": usage});
                if attempts.fetch_add(1, Ordering::SeqCst) < failures {
                    Reply::fixed(503, "application/json", "{}")
                } else {
                    Reply::json(&reply)
                }
            })
            .start();
        assert_eq!(send(gateway.chat(LLAMA)).status, status, "{name}");
        let [outcome, retried, input, output] = expected;
        let mut lines = format!(
            "tollgate_requests_total{{{labels},operation=\"chat\",outcome=\"{outcome}\"}} 1\n"
        );
        for (count, series) in [
            (
                retried,
                format!("tollgate_retried_requests_total{{{labels}}}"),
            ),
            (
                input,
                format!("tollgate_tokens_total{{{labels},type=\"input\"}}"),
            ),
            (
                output,
                format!("tollgate_tokens_total{{{labels},type=\"output\"}}"),
            ),
        ] {
            if !count.is_empty() {
                lines.push_str(&format!("{series} {count}\n"));
            }
        }
        println!("{name}");
        gateway.expect_counted(
            &[
                "tollgate_requests_total",
                "tollgate_retried_requests_total",
                "tollgate_tokens_total",
            ],
            &lines,
        );
    }
}

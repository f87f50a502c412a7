//! Clients that reset their streams, in every phase of a request and many times over.

use std::time::Duration;

use serde_json::json;

use crate::harness::demo::{ACME_KEY, LLAMA, streamed_chat};
use crate::harness::{Crowd, Gateway, Leave, Piece, Reply, Seen, Tally};

const TIMES: usize = 200;

/// A first event, and nothing more while the client is there.
fn endless(_: &Seen) -> Reply {
    let event = br#"data: {"choices":[{"index":0,"delta":{"content":"word"}}]}"#;
    Reply::stream(vec![
        Piece::Bytes([&event[..], b"\n\n"].concat()),
        Piece::UntilClosed,
    ])
}

/// Name; phase; model in the access log, and the sources that may stand there.
const PHASES: &[(&str, Leave, Option<&str>, &[&str])] = &[
    ("after the headers", Leave::AfterHeaders, None, &["none"]),
    ("within the body", Leave::MidBody, None, &["none"]),
    // The reply may be on its way by then.
    (
        "after the body",
        Leave::AfterBody,
        Some(LLAMA),
        &["none", "estimated"],
    ),
    (
        "within the reply",
        Leave::MidReply(Duration::from_millis(1)),
        Some(LLAMA),
        &["estimated"],
    ),
];

#[test]
fn a_reset_in_any_phase_is_counted_once_and_harms_nothing() {
    let body = streamed_chat(LLAMA).to_string();
    for http2_upstream in [false, true] {
        let script = |seen: &Seen| match seen.values("x-case").as_slice() {
            [] => Reply::json(&json!({})),
            _ => endless(seen),
        };
        let mut builder = Gateway::builder().script(script);
        if http2_upstream {
            builder = builder.http2_upstream();
        }
        let gateway = builder.start();
        let mut logged = 0;
        for (name, leave, model, sources) in PHASES {
            let case = format!("{name}, HTTP/2 upstream {http2_upstream}");
            let tally = gateway.crowd(&Crowd {
                connections: 4,
                streams: TIMES / 4,
                path: "/v1/chat/completions",
                headers: &[("x-api-key", ACME_KEY), ("x-case", name)],
                body: body.as_bytes(),
                leave: &|_| *leave,
            });
            assert_eq!(tally, Tally::from([("left".to_owned(), TIMES)]), "{case}");
            gateway.assert_sound(&case);
            logged += TIMES + 1;
            let log = gateway.access_log(logged);
            let ends: Vec<_> = log.iter().filter(|entry| entry["case"] == *name).collect();
            assert_eq!(ends.len(), TIMES, "{case}");
            for entry in ends {
                let end = ["outcome", "model"].map(|field| &entry[field]);
                assert_eq!(
                    end,
                    [&json!("client_aborted"), &json!(model)],
                    "{case}: {entry}"
                );
                let source = entry["usage_source"].as_str().unwrap();
                assert!(sources.contains(&source), "{case}: {entry}");
            }
        }
    }
}

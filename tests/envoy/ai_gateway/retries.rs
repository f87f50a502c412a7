//! Retries: AI Gateway prepares each from what it saw before Tollgate did.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::manifests::Manifests;
use super::xds::Attachment;
use super::{is_too_old, start_with};
use crate::harness::demo::{ACME_KEY, LLAMA};
use crate::harness::{Reply, Seen, send};

const FORGED: [&str; 3] = [
    "x-llm-d-inference-fairness-id",
    "x-llm-d-inference-objective",
    "x-tollgate-tenant",
];

/// The two attempts of a request whose first one fails: of each the key and the headers that the client has forged.
fn attempts(manifests: &Manifests) -> Value {
    let attempts = AtomicUsize::new(0);
    let running = start_with(manifests, Attachment::Gateway, |builder| {
        builder.script(move |_| match attempts.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::fixed(503, "application/json", "{}"),
            _ => Reply::json(&json!({"choices": []})),
        })
    });
    let mut request = running.gateway.chat(LLAMA);
    for name in FORGED {
        request = request.header(name, "forged");
    }
    assert_eq!(send(request).status, 200);
    let seen = running.gateway.seen();
    let body = &seen[0].body;
    assert!(seen.iter().all(|attempt| attempt.body == *body));
    let told = |attempt: &Seen| {
        let names = ["authorization"].into_iter().chain(FORGED);
        let values = names.map(|name| attempt.values(name).join(","));
        json!(values.collect::<Vec<_>>())
    };
    json!(seen.iter().map(told).collect::<Vec<_>>())
}

#[test]
fn a_retry_brings_back_what_was_stripped_unless_it_is_removed_before_or_after() {
    if is_too_old() {
        return;
    }
    let key = format!("Bearer {ACME_KEY}");
    let shipped = Manifests::shipped();
    let mut nothing_removed = Manifests::shipped();
    nothing_removed.spec_mut("ClientTrafficPolicy")["headers"] = json!({});
    nothing_removed.spec_mut("AIServiceBackend")["headerMutation"] = json!({});
    let mut only_before = Manifests::shipped();
    only_before.spec_mut("AIServiceBackend")["headerMutation"] = json!({});
    let mut only_after = Manifests::shipped();
    only_after.spec_mut("ClientTrafficPolicy")["headers"] = json!({});
    let mut names = vec!["authorization"];
    names.extend(FORGED);
    only_after.spec_mut("AIServiceBackend")["headerMutation"]["remove"] = json!(names);
    let first = json!(["", "acme", "", "acme"]);
    for (name, manifests, expected) in [
        (
            "nothing is removed",
            &nothing_removed,
            json!([first, [key, "forged", "forged", "forged"]]),
        ),
        // Nor are the headers there that Tollgate has added.
        (
            "before only",
            &only_before,
            json!([first, [key, "", "", ""]]),
        ),
        // On the first attempt too.
        (
            "after only",
            &only_after,
            json!([["", "", "", ""], ["", "", "", ""]]),
        ),
        ("as shipped", &shipped, json!([first, ["", "", "", ""]])),
    ] {
        assert_eq!(attempts(manifests), expected, "{name}");
    }
}

//! Events that list generated tokens, and say nothing else of them.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const LISTED: &str = r#"{"choices":[{"index":0,"logprobs":{"tokens":["ab"]}}]}"#;

#[wasm_bindgen_test(unsupported = test)]
fn a_listed_token_is_no_text_however_often_it_comes_and_however_it_is_cut() {
    for (name, events, estimate) in [
        ("a text first", vec![TEXT, LISTED, LISTED, LISTED], 3),
        (
            "a text between",
            vec![LISTED, LISTED, TEXT, LISTED, TEXT, LISTED, LISTED],
            5,
        ),
    ] {
        let body: String = events
            .iter()
            .map(|event| format!("data: {event}\n\n"))
            .collect();
        for step in (1..=60).chain([body.len()]) {
            let mut meter = meter(Work::Generate, "text/event-stream");
            for chunk in body.as_bytes().chunks(step) {
                meter.push(chunk);
            }
            let metered = meter.finish(End::Complete);
            assert_eq!(
                metered.estimate,
                Some(estimate),
                "{name}, chunks of {step} bytes"
            );
        }
    }
}

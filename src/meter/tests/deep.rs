//! Replies that echo a request as deep as may be, or are deeper of themselves.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const DEPTHS: [usize; 7] = [1, 125, 126, 127, 128, 1000, 50_000];

/// What a server echoes, with numbers in it that are nobody's usage.
fn echo(depth: usize) -> String {
    let usage = r#"{"usage":{"prompt_tokens":999,"completion_tokens":999},"x":"#;
    let open = if depth < 2000 { usage } else { "{\"x\":" };
    format!(
        r#""request":{}"}}\"]"{}"#,
        open.repeat(depth),
        "}".repeat(depth)
    )
}

fn expect_seven_and_five(name: &str, content_type: &str, body: &str) {
    for step in [1, 13, 4096, body.len()] {
        let mut meter = meter(Work::Generate, content_type);
        for chunk in body.as_bytes().chunks(step) {
            meter.push(chunk);
        }
        assert!(meter.reading.heap_bytes() <= MAX_MEMORY, "{name}");
        let metered = meter.finish(End::Complete);
        assert_eq!(
            (tokens(&metered), metered.missing),
            ((Worth::Reported, Some(7), Some(5)), None),
            "{name}, chunks of {step} bytes"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_usage_behind_something_deep_is_read() {
    let usage = r#""usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}"#;
    for depth in DEPTHS {
        let echo = echo(depth);
        let document =
            format!(r#"{{{echo},"choices":[{{"index":0,"message":{{"content":"hi"}}}}],{usage}}}"#);
        let name = format!("{depth} deep");
        expect_seven_and_five(&name, "application/json", &document);
        let lines = format!(
            "{{{echo},\"response\":\"hi\"}}\n{{{echo},\"done\":true,\"prompt_eval_count\":7,\"eval_count\":5}}\n"
        );
        expect_seven_and_five(&name, "application/x-ndjson", &lines);
        let stream = format!(
            "data: {{{echo},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"hi\"}}}}]}}\n\ndata: {FINISH}\n\ndata: {{{echo},\"choices\":[],{usage}}}\n\ndata: [DONE]\n\n"
        );
        expect_seven_and_five(&name, "text/event-stream", &stream);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_usage_object_with_something_deep_in_it_is_read_up_to_its_cap() {
    for (depth, fits) in [(200, true), (900, true), (1100, false)] {
        let document = format!(
            r#"{{"usage":{{"x":{}{},"prompt_tokens":7,"completion_tokens":5}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let metered = generate("application/json", &document, End::Complete);
        let missing = (!fits).then_some(Missing::TooLarge);
        assert_eq!(metered.missing, missing, "{depth}");
        assert_eq!(metered.usage.input, fits.then_some(7), "{depth}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_deep_document_that_is_cut_counts_nothing() {
    let document = format!("{{{}", echo(1000));
    for end in [5_000, document.len() - 500, document.len()] {
        let metered = generate(
            "application/json",
            document.get(..end).unwrap(),
            End::UpstreamReset,
        );
        assert_eq!(tokens(&metered), (Worth::None, None, None), "{end}");
        assert_eq!(metered.missing, Some(Missing::Aborted), "{end}");
    }
}

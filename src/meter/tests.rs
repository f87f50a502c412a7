use serde::Deserialize;
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

mod cut;
mod deep;
#[cfg(not(target_family = "wasm"))]
mod estimates;
mod frames;
mod kinds;
mod listed;
mod media;
mod metadata;
mod recordings;
mod vendors;

fn meter(work: Work, content_type: &str) -> Meter {
    Meter::new(work, Some(content_type.as_bytes()), None, 200)
}

fn generate(content_type: &str, body: &str, ended: End) -> Metered {
    let mut meter = meter(Work::Generate, content_type);
    meter.push(body.as_bytes());
    meter.finish(ended)
}

fn stream(events: &[&str], ended: End) -> Metered {
    let body: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    generate("text/event-stream", &body, ended)
}

fn tokens(metered: &Metered) -> (Worth, Option<u64>, Option<u64>) {
    (metered.source, metered.usage.input, metered.usage.output)
}

const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}"#;
const OTHER_TEXT: &str =
    r#"{"choices":[{"index":1,"delta":{"content":"ho"},"finish_reason":null}]}"#;
const FINISH: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const OTHER_FINISH: &str = r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}"#;
/// As llama.cpp counts each choice.
const TIMED: &str = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12},"timings":{"prompt_n":7,"predicted_n":5}}"#;
const ERROR: &str = r#"{"error":{"message":"engine died"}}"#;

#[wasm_bindgen_test(unsupported = test)]
fn says_what_is_final_and_what_is_a_lower_bound() {
    let running = |output: u64| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"a"}}}}],"usage":{{"prompt_tokens":7,"completion_tokens":{output}}}}}"#
        )
    };
    let (three, nine) = (running(3), running(9));
    let done = "[DONE]";
    let reported = |output| (Worth::Reported, Some(7), Some(output));
    let partial = |output| (Worth::Partial, Some(7), Some(output));
    let table: &[(&str, &[&str], End, _)] = &[
        (
            "usage, then the end",
            &[TEXT, FINISH, USAGE, done],
            End::Complete,
            reported(5),
        ),
        (
            "usage, then an abort",
            &[TEXT, FINISH, USAGE],
            End::ClientAborted,
            reported(5),
        ),
        (
            "usage, then a reset",
            &[TEXT, FINISH, USAGE],
            End::UpstreamReset,
            reported(5),
        ),
        (
            "the same usage twice",
            &[TEXT, FINISH, USAGE, USAGE, done],
            End::Complete,
            reported(5),
        ),
        (
            "one usage for each of two choices",
            &[TEXT, OTHER_TEXT, FINISH, TIMED, OTHER_FINISH, TIMED, done],
            End::Complete,
            reported(10),
        ),
        (
            "the first of two choices, then an abort",
            &[TEXT, OTHER_TEXT, FINISH, USAGE, OTHER_TEXT],
            End::ClientAborted,
            partial(5),
        ),
        (
            "running usage",
            &[&three, &nine, done],
            End::Complete,
            reported(9),
        ),
        (
            "running usage, aborted",
            &[&three, &nine],
            End::ClientAborted,
            partial(9),
        ),
        (
            "running usage, ended without a mark",
            &[&three, &nine],
            End::Complete,
            partial(9),
        ),
        (
            "running usage, then an error",
            &[&three, ERROR, done],
            End::Complete,
            partial(3),
        ),
        (
            "no usage",
            &[TEXT, FINISH, done],
            End::Complete,
            (Worth::Estimated, None, None),
        ),
        (
            "an error after text",
            &[TEXT, ERROR, done],
            End::Complete,
            (Worth::Estimated, None, None),
        ),
        (
            "an error at once",
            &[ERROR],
            End::Complete,
            (Worth::NotApplicable, None, None),
        ),
        ("nothing", &[], End::Complete, (Worth::None, None, None)),
        (
            "broken events between",
            &[
                TEXT,
                "{\"a\":",
                "}{",
                "null",
                "[1,\"a\"]",
                "",
                FINISH,
                USAGE,
            ],
            End::Complete,
            reported(5),
        ),
    ];
    for (name, events, ended, expected) in table {
        let metered = stream(events, *ended);
        assert_eq!(tokens(&metered), *expected, "{name}");
        let final_or_error = matches!(metered.source, Worth::Reported | Worth::NotApplicable);
        assert_eq!(metered.missing.is_none(), final_or_error, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn names_why_a_usage_is_missing() {
    let json = "application/json";
    let large = format!(
        r#"{{"usage":{{"x":"{}","prompt_tokens":1}}}}"#,
        "a".repeat(5000)
    );
    let cut = r#"{"choices":[{"message":{"content":"abc"#;
    let table = [
        (
            "no usage",
            json,
            r#"{"choices":[{"message":{"content":"abcdefgh"}}]}"#,
            End::Complete,
            Missing::NoUsage,
        ),
        (
            "empty body",
            "text/event-stream",
            "",
            End::Complete,
            Missing::Truncated,
        ),
        ("cut", json, cut, End::UpstreamReset, Missing::Aborted),
        (
            "cut in silence",
            json,
            cut,
            End::Complete,
            Missing::Truncated,
        ),
        (
            "not JSON",
            json,
            "{oops}",
            End::Complete,
            Missing::ParseError,
        ),
        (
            "usage too large",
            json,
            large.as_str(),
            End::Complete,
            Missing::TooLarge,
        ),
        (
            "in the background",
            json,
            r#"{"status":"queued","background":true,"usage":null}"#,
            End::Complete,
            Missing::Background,
        ),
    ];
    for (name, content_type, body, ended, missing) in table {
        let metered = generate(content_type, body, ended);
        assert_eq!(metered.missing, Some(missing), "{name}");
    }
    let mut encoded = Meter::new(
        Work::Generate,
        Some(b"application/json"),
        Some(b"GZIP"),
        200,
    );
    encoded.push(b"\x1f\x8b");
    let encoded = encoded.finish(End::Complete);
    assert_eq!(
        (encoded.source, encoded.missing),
        (Worth::None, Some(Missing::Encoded))
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn only_successful_requests_of_which_tokens_are_counted_can_miss_a_usage() {
    let no_usage = Some(Missing::NoUsage);
    let table = [
        (Work::Generate, 200, Worth::None, no_usage),
        (Work::Generate, 400, Worth::NotApplicable, None),
        (Work::Generate, 500, Worth::NotApplicable, None),
        (Work::Other, 200, Worth::NotApplicable, None),
        (Work::Media, 200, Worth::NotApplicable, None),
        (Work::Embed, 200, Worth::None, no_usage),
        (Work::Embed, 400, Worth::NotApplicable, None),
    ];
    for (work, status, source, missing) in table {
        let mut meter = Meter::new(work, Some(b"application/json"), None, status);
        meter.push(br#"{"error":null,"object":"list"}"#);
        let metered = meter.finish(End::Complete);
        assert_eq!(
            (metered.source, metered.missing),
            (source, missing),
            "{work:?} {status}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn embeddings_without_usage_say_why() {
    for (name, content_type, body, missing) in [
        (
            "no usage",
            "application/json",
            r#"{"data":[{"embedding":[0.5]}]}"#,
            Missing::NoUsage,
        ),
        (
            "a bare list, as TEI's",
            "application/json",
            r#"[{"index":0,"score":0.5}]"#,
            Missing::NoUsage,
        ),
        (
            "search units alone",
            "application/json",
            r#"{"results":[],"meta":{"billed_units":{"search_units":1}}}"#,
            Missing::NoUsage,
        ),
        (
            "bare bytes",
            "application/octet-stream",
            "\0\0",
            Missing::NoUsage,
        ),
        (
            "cut",
            "application/json",
            r#"{"data":[{"embedding":[0.5"#,
            Missing::Truncated,
        ),
        (
            "not JSON",
            "application/json",
            "{oops}",
            Missing::ParseError,
        ),
        (
            "a negative count",
            "application/json",
            r#"{"usage":{"prompt_tokens":-9,"total_tokens":-9}}"#,
            Missing::Contradiction,
        ),
    ] {
        let mut meter = meter(Work::Embed, content_type);
        meter.push(body.as_bytes());
        let metered = meter.finish(End::Complete);
        assert_eq!(
            (metered.source, metered.missing, metered.estimate),
            (Worth::None, Some(missing), None),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn embeddings_have_no_output_and_a_lone_total_is_input() {
    for body in [
        r#"{"data":[],"usage":{"total_tokens":9}}"#,
        r#"{"usage":{"prompt_tokens":9,"total_tokens":9},"data":[]}"#,
        r#"{"usage":{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}}"#,
    ] {
        let mut meter = meter(Work::Embed, "application/json");
        meter.push(body.as_bytes());
        let metered = meter.finish(End::Complete);
        assert_eq!(
            tokens(&metered),
            (Worth::Reported, Some(9), Some(0)),
            "{body}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn reads_the_shapes_of_a_whole_reply() {
    let json = "application/json";
    let lines = "application/x-ndjson";
    let table = [
        (
            "native llama.cpp",
            json,
            r#"{"content":"a","tokens_predicted":5,"tokens_evaluated":7,"stop":true}"#,
        ),
        (
            "Ollama",
            json,
            r#"{"response":"a","done":true,"prompt_eval_count":7,"eval_count":5}"#,
        ),
        (
            "Ollama stream",
            lines,
            "{\"response\":\"a\",\"done\":false}\n{\"done\":true,\"prompt_eval_count\":7,\"eval_count\":5}",
        ),
        (
            "Groq",
            json,
            r#"{"x_groq":{"usage":{"prompt_tokens":7,"completion_tokens":5}}}"#,
        ),
        (
            "Anthropic",
            json,
            r#"{"usage":{"input_tokens":1,"cache_read_input_tokens":4,"cache_creation_input_tokens":2,"output_tokens":5}}"#,
        ),
        (
            "Responses",
            json,
            r#"{"usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":3},"output_tokens":5}}"#,
        ),
        (
            "Gemini",
            json,
            r#"{"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"thoughtsTokenCount":2}}"#,
        ),
        (
            "timings",
            json,
            r#"{"choices":[{}],"timings":{"prompt_n":3,"cache_n":4,"predicted_n":5}}"#,
        ),
        (
            "last of two usages",
            json,
            r#"{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":7,"completion_tokens":5}}"#,
        ),
        (
            "Moonshot",
            "text/event-stream",
            "data:{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}]}\n\n",
        ),
    ];
    for (name, content_type, body) in table {
        let metered = generate(content_type, body, End::Complete);
        assert_eq!(
            tokens(&metered),
            (Worth::Reported, Some(7), Some(5)),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn one_of_several_choices_is_a_lower_bound() {
    let body = r#"{"choices":[{"index":0},{"index":1}],"usage":{"prompt_tokens":7,"completion_tokens":5},"timings":{"prompt_n":7,"predicted_n":5}}"#;
    let metered = generate("application/json", body, End::Complete);
    assert_eq!(tokens(&metered), (Worth::Partial, Some(7), Some(5)));
}

#[wasm_bindgen_test(unsupported = test)]
fn the_first_text_of_a_stream_is_its_first_token() {
    let mut meter = meter(Work::Generate, "text/event-stream");
    meter.push(b": ping\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n");
    assert!(!meter.first_token_seen());
    meter.push(b"data: {\"choices\":[{\"delta\":{\"content\":\"a");
    assert!(!meter.first_token_seen());
    meter.push(b"\"");
    assert!(meter.first_token_seen());
}

#[wasm_bindgen_test(unsupported = test)]
fn a_reply_that_is_not_streamed_has_no_first_token() {
    let mut meter = meter(Work::Generate, "application/json");
    meter.push(br#"{"choices":[{"message":{"content":"all at once"}}]}"#);
    assert!(!meter.first_token_seen());
}

#[wasm_bindgen_test(unsupported = test)]
fn charges_the_estimate_where_nothing_is_reported() {
    let start =
        r#"{"type":"message_start","message":{"usage":{"input_tokens":18,"output_tokens":1}}}"#;
    let delta = r#"{"type":"content_block_delta","delta":{"text":"0123456789abcdef"}}"#;
    let metered = stream(&[start, delta], End::ClientAborted);
    assert_eq!(tokens(&metered), (Worth::Partial, Some(18), Some(1)));
    assert_eq!(metered.estimate, Some(3));
    assert_eq!(metered.charge_tokens(), 21);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_text_is_a_token_unless_it_is_long_or_outside_ascii() {
    for (name, texts, estimate) in [
        ("short ones", &["one", " two", " three"][..], 3),
        ("one that is as long as a long token", &[" identif"], 1),
        (
            "ten tokens at once",
            &["Tokens that a server sends together, ten."],
            9,
        ),
        ("Chinese, a character each", &["你", "好", "吗", "我"], 4),
        (
            "characters of several tokens",
            &["👩", "\u{200D}💻", "🇩🇪"],
            4,
        ),
    ] {
        for escaped in [false, true] {
            let events = texts.iter().map(|text| {
                let mut text = serde_json::to_string(text).unwrap();
                if escaped {
                    text = text
                        .encode_utf16()
                        .map(|unit| match u8::try_from(unit) {
                            Ok(ascii @ 0..0x80) => char::from(ascii).to_string(),
                            _ => format!("\\u{unit:04x}"),
                        })
                        .collect();
                }
                format!(r#"{{"choices":[{{"index":0,"delta":{{"content":{text}}}}}]}}"#)
            });
            let events: Vec<String> = events.collect();
            let events: Vec<&str> = events.iter().map(String::as_str).collect();
            let metered = stream(&events, End::ClientAborted);
            assert_eq!(
                metered.estimate,
                Some(estimate),
                "{name}, escaped: {escaped}"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn lists_with_one_entry_for_each_token_make_the_estimate_exact() {
    for (name, choice) in [
        ("ids", r#""delta":{"content":"abc"},"token_ids":[1,2,3]"#),
        (
            "chat",
            r#""delta":{"content":"abc"},"logprobs":{"content":[{},{},{}]}"#,
        ),
        (
            "completions",
            r#""text":"abc","logprobs":{"tokens":["a","b","c"]}"#,
        ),
    ] {
        let event = format!(r#"{{"choices":[{{"index":0,{choice}}}]}}"#);
        let metered = stream(&[&event, &event], End::Complete);
        assert_eq!(
            (metered.source, metered.estimate),
            (Worth::Estimated, Some(6)),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_there_for_the_asking_is_noticed_alike_however_its_event_is_cut() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(3000));
    for (name, usage, expected) in [
        ("none", "null", 0),
        ("no counts", "{}", 0),
        ("counts", r#"{"prompt_tokens":1}"#, 2),
        ("counts that cannot be", r#"{"prompt_tokens":-1}"#, 2),
        ("too large", long.as_str(), 2),
    ] {
        let event = format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n");
        for size in [event.len() * 2, event.len(), 1, 7] {
            let mut meter = meter(Work::Generate, "text/event-stream");
            let mut ends = Vec::new();
            let mut pushed = 0;
            for chunk in event.repeat(2).as_bytes().chunks(size) {
                meter.push(chunk);
                ends.extend(
                    meter
                        .extras()
                        .documents()
                        .iter()
                        .map(|document| pushed + document.end),
                );
                pushed += chunk.len();
            }
            let all = [event.len() - 2, event.len() * 2 - 2];
            assert_eq!(ends, all[..expected], "{name} in chunks of {size}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn an_event_that_repeats_a_frame_counts_as_one_that_is_read() {
    let events = [
        r#"{"choices":[{"index":0,"delta":{"content":"one"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"two, three"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":""}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a\nb \u20ac"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"\u0041bc"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"\u004xyz"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1}]}"#,
        r#"{"content":"a","usage":{"prompt_tokens":7,"completion_tokens":2}}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a\"}},{"delta":{"text":\"b"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"b"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a","usage":{"prompt_tokens":1},"x":"b"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":7}}"#,
        r#"{"choices":[{"index":0,"token_ids":[1],"delta":{"content":"a"}}]}"#,
        r#"{"choices":[{"index":0,"token_ids":[2],"delta":{"content":"b"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"four"}}]} and more"#,
        r#"{"choices":[{"index":0,"delta":{"content":"five"}}]"#,
        r#"{"choices":[{"index":1,"delta":{"content":"six"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"seven","reasoning":"eight"}}]}"#,
    ];
    for first in events {
        for second in events {
            let body = format!("data: {first}\n\ndata: {second}\n\ndata: {second}\ndata: x\n\n");
            for ended in [End::Complete, End::ClientAborted] {
                let mut meter = meter(Work::Generate, "text/event-stream");
                for byte in body.bytes() {
                    meter.push(&[byte]);
                }
                let whole = generate("text/event-stream", &body, ended);
                assert_eq!(whole, meter.finish(ended), "{body}");
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn memory_has_a_cap() {
    let usage = format!(r#"{{"a":"{}"}}"#, "x".repeat(900));
    let mut meter = meter(Work::Generate, "text/event-stream");
    for index in 0..500 {
        let filler = "x".repeat(index * 17);
        meter.push(format!(
            "{filler}: x\nevent: {filler}\ndata: {{\"{filler}\":\"{filler}\",\"usage\":{usage},\"response\":{{\"usage\":{usage}}},\"message\":{{\"usage\":{usage}}},\"x_groq\":{{\"usage\":{usage}}},\"timings\":{usage},\"usageMetadata\":{usage},\"choices\":[{{\"index\":{index},\"usage\":{usage}}}]}}\n\n"
        ).as_bytes());
    }
    let id = "x".repeat(400);
    meter.push(format!("data: {{\"id\":\"{id}\",\"content\":\"a\"}}\n\n").as_bytes());
    let usage = format!("data: {{\"usage\":{{\"a\":\"{}", "x".repeat(2000));
    for chunk in usage.as_bytes().chunks(7) {
        meter.push(chunk);
    }
    let memory = meter.reading.heap_bytes();
    assert!((8_000..MAX_MEMORY).contains(&memory), "{memory}");
}

//! Streams that are counted wrong by whoever takes the last number, or adds all of them up.

use super::*;
use crate::usage::Contradiction;

fn text(index: u64) -> String {
    format!(
        r#"{{"choices":[{{"index":{index},"delta":{{"content":"hi"}},"finish_reason":null}}]}}"#
    )
}

fn finish(index: u64) -> String {
    format!(r#"{{"choices":[{{"index":{index},"delta":{{}},"finish_reason":"stop"}}]}}"#)
}

fn alone(input: u64, output: u64) -> String {
    format!(
        r#"{{"choices":[],"usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{}}}}}"#,
        input + output
    )
}

/// Usage beside a choice: its text, if it has one, and its finish.
fn beside(index: u64, text: &str, finish: &str, input: u64, output: u64) -> String {
    format!(
        r#"{{"choices":[{{"index":{index},"delta":{{"content":"{text}"}},"finish_reason":{finish}}}],"usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}}}"#
    )
}

type Row<'a> = (&'a str, Vec<String>, (Worth, Option<u64>, Option<u64>));

fn expect(ended: End, rows: &[Row<'_>]) {
    for (name, events, expected) in rows {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        assert_eq!(tokens(&stream(&events, ended)), *expected, "{name}");
    }
}

const fn reported(input: u64, output: u64) -> (Worth, Option<u64>, Option<u64>) {
    (Worth::Reported, Some(input), Some(output))
}

const fn partial(input: u64, output: u64) -> (Worth, Option<u64>, Option<u64>) {
    (Worth::Partial, Some(input), Some(output))
}

fn done() -> String {
    "[DONE]".to_owned()
}

#[wasm_bindgen_test(unsupported = test)]
fn usage_without_choices_counts_all_of_them_unless_there_is_a_proof() {
    let two = || vec![text(0), text(1), finish(0), finish(1)];
    let with = |mut events: Vec<String>, more: &[String]| {
        events.extend_from_slice(more);
        events.push(done());
        events
    };
    expect(
        End::Complete,
        &[
            (
                "the same twice",
                with(two(), &[alone(12, 80), alone(12, 80)]),
                reported(12, 80),
            ),
            (
                "the same three times",
                with(two(), &[alone(12, 80), alone(12, 80), alone(12, 80)]),
                reported(12, 80),
            ),
            (
                "rising",
                with(two(), &[alone(12, 40), alone(12, 80)]),
                reported(12, 80),
            ),
            (
                "a preview",
                with([vec![alone(2000, 4)], two()].concat(), &[alone(2000, 252)]),
                reported(2000, 252),
            ),
            (
                "falling",
                with(two(), &[alone(12, 80), alone(12, 40)]),
                partial(12, 80),
            ),
            (
                "one after each choice",
                with(
                    vec![text(0), finish(0), alone(12, 40), text(1), finish(1)],
                    &[alone(12, 40)],
                ),
                reported(12, 80),
            ),
            (
                "one after each choice, the second shorter",
                with(
                    vec![text(0), finish(0), alone(12, 40), text(1), finish(1)],
                    &[alone(12, 30)],
                ),
                reported(12, 70),
            ),
            (
                "llama.cpp's",
                with(two(), &[TIMED.to_owned(), TIMED.to_owned()]),
                reported(7, 10),
            ),
        ],
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_followed_by_text_is_not_final() {
    let gemini = |text: &str, usage: &str| {
        format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}}{usage}}}"#)
    };
    let gemini_usage = r#","finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":5,"totalTokenCount":12}"#;
    expect(
        End::Complete,
        &[
            (
                "usage with the role",
                vec![beside(0, "", "null", 30, 0), text(0), finish(0), done()],
                partial(30, 0),
            ),
            (
                "usage in the middle",
                vec![beside(0, "a", "null", 30, 2), text(0), finish(0), done()],
                partial(30, 2),
            ),
            (
                "usage alone before the text",
                vec![alone(30, 2), text(0), finish(0), done()],
                partial(30, 2),
            ),
            (
                "usage with the finish, then text",
                vec![beside(0, "", "\"stop\"", 30, 2), text(0), done()],
                partial(30, 2),
            ),
            (
                "usage before the finish",
                vec![text(0), beside(0, "", "null", 30, 9), finish(0), done()],
                reported(30, 9),
            ),
            (
                "usage with each text",
                vec![
                    beside(0, "a", "null", 30, 1),
                    beside(0, "b", "null", 30, 2),
                    finish(0),
                    done(),
                ],
                reported(30, 2),
            ),
            (
                "repeated frames",
                vec![
                    text(0),
                    text(0),
                    alone(30, 2),
                    text(0),
                    text(0),
                    finish(0),
                    done(),
                ],
                partial(30, 2),
            ),
            (
                "Gemini, usage with the last text",
                vec![gemini("a", "}]"), gemini("b", gemini_usage)],
                reported(7, 5),
            ),
            (
                "Gemini, text after it",
                vec![gemini("a", gemini_usage), gemini("b", "}]")],
                partial(7, 5),
            ),
        ],
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn counts_of_each_choice_are_added_and_running_counts_of_all_are_not() {
    let end = || vec![finish(0), finish(1), done()];
    let of = |counts: &[(u64, u64)]| {
        let events = counts
            .iter()
            .map(|(index, output)| beside(*index, "a", "null", 7, *output));
        [events.collect(), end()].concat()
    };
    expect(
        End::Complete,
        &[
            (
                "of each",
                of(&[(0, 1), (1, 1), (0, 2), (1, 2)]),
                reported(7, 4),
            ),
            (
                "of all",
                of(&[(0, 1), (1, 2), (0, 3), (1, 4)]),
                partial(7, 4),
            ),
            (
                "with the finish of each",
                vec![
                    beside(0, "a", "\"stop\"", 7, 3),
                    beside(1, "a", "\"stop\"", 7, 5),
                    done(),
                ],
                reported(7, 8),
            ),
        ],
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn what_one_event_leaves_out_another_one_says() {
    let side = |name: &str, count: u64| format!(r#"{{"choices":[],"usage":{{"{name}":{count}}}}}"#);
    let zero = |input: u64, output: u64| {
        format!(
            r#"{{"choices":[],"usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}}}"#
        )
    };
    expect(
        End::Complete,
        &[
            ("prompt, then completion", vec![side("prompt_tokens", 30), text(0), finish(0), side("completion_tokens", 7), done()], reported(30, 7)),
            ("both at the end", vec![text(0), finish(0), side("completion_tokens", 7), side("prompt_tokens", 30), done()], reported(30, 7)),
            ("with zeros", vec![zero(30, 0), text(0), finish(0), zero(0, 7), done()], reported(30, 7)),
            (
                "the prompt beside a choice",
                vec![r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}],"usage":{"prompt_tokens":30}}"#.to_owned(), text(0), finish(0), side("completion_tokens", 7), done()],
                reported(30, 7),
            ),
            (
                "a null behind it",
                vec![text(0), r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":17,"completion_tokens":10}},"usage":null}"#.to_owned(), done()],
                reported(17, 10),
            ),
            (
                "a null of the same name behind it",
                vec![text(0), finish(0), r#"{"choices":[],"usage":{"prompt_tokens":17,"completion_tokens":10},"usage":null}"#.to_owned(), done()],
                reported(17, 10),
            ),
            ("the prompt only", vec![text(0), finish(0), side("prompt_tokens", 30), done()], (Worth::Partial, Some(30), None)),
        ],
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn impossible_numbers_are_never_charged() {
    let bad = r#"{"choices":[],"usage":{"prompt_tokens":1151,"completion_tokens":4294967261}}"#;
    let metered = stream(&[&text(0), &finish(0), bad, "[DONE]"], End::Complete);
    assert_eq!(tokens(&metered), (Worth::Estimated, None, None));
    assert_eq!(metered.missing, Some(Missing::Contradiction));
    assert_eq!(metered.contradiction, Some(Contradiction::ImpossibleCount));
    assert_eq!(metered.charge_tokens(), 1);
    expect(
        End::Complete,
        &[
            (
                "good ones before",
                vec![beside(0, "a", "\"stop\"", 7, 5), bad.to_owned(), done()],
                partial(7, 5),
            ),
            (
                "good ones behind",
                vec![bad.to_owned(), text(0), finish(0), alone(7, 5), done()],
                reported(7, 5),
            ),
        ],
    );
    for (work, body) in [
        (
            Work::Generate,
            r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":-1}}"#,
        ),
        (
            Work::Generate,
            r#"{"type":"message","usage":{"input_tokens":9,"output_tokens":-1}}"#,
        ),
        (
            Work::Generate,
            r#"{"output":[],"usage":{"input_tokens":9,"output_tokens":5,"total_tokens":3}}"#,
        ),
        (
            Work::Generate,
            r#"{"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":-1}}"#,
        ),
        (
            Work::Generate,
            r#"{"done":true,"prompt_eval_count":9,"eval_count":-1}"#,
        ),
        (
            Work::Embed,
            r#"{"usage":{"prompt_tokens":-9,"total_tokens":-9}}"#,
        ),
        (Work::Embed, r#"{"usage":{"total_tokens":4294967290}}"#),
        (
            Work::Embed,
            r#"{"usage":{"prompt_tokens":9,"total_tokens":5}}"#,
        ),
        (
            Work::Embed,
            r#"{"meta":{"billed_units":{"input_tokens":-3}}}"#,
        ),
    ] {
        let mut meter = meter(work, "application/json");
        meter.push(body.as_bytes());
        let metered = meter.finish(End::Complete);
        assert_eq!(tokens(&metered), (Worth::None, None, None), "{body}");
        assert!(metered.contradiction.is_some(), "{body}");
        assert_eq!(metered.charge_tokens(), 0, "{body}");
    }
}

fn message(id: &str, input: u64) -> String {
    format!(
        r#"{{"type":"message_start","message":{{"id":"{id}","usage":{{"input_tokens":{input},"output_tokens":1}}}}}}"#
    )
}

const SAID: &str = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hello"}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn delta(output: u64, reason: &str) -> String {
    format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":{reason}}},"usage":{{"output_tokens":{output}}}}}"#
    )
}

#[wasm_bindgen_test(unsupported = test)]
fn messages_of_one_stream_are_told_apart() {
    let said = || SAID.to_owned();
    let stop = || STOP.to_owned();
    let turn = r#""end_turn""#;
    expect(
        End::Complete,
        &[
            (
                "one",
                vec![message("a", 100), said(), delta(40, turn), stop()],
                reported(100, 40),
            ),
            (
                "two whole ones",
                vec![
                    message("a", 100),
                    said(),
                    delta(40, turn),
                    stop(),
                    message("b", 150),
                    said(),
                    delta(60, turn),
                    stop(),
                ],
                reported(250, 100),
            ),
            (
                "two of one name",
                vec![
                    message("a", 100),
                    said(),
                    delta(40, turn),
                    stop(),
                    message("a", 150),
                    said(),
                    delta(60, turn),
                    stop(),
                ],
                reported(250, 100),
            ),
            (
                "announced twice",
                vec![
                    message("a", 100),
                    message("a", 100),
                    said(),
                    delta(40, turn),
                    stop(),
                ],
                reported(100, 40),
            ),
            (
                "one spliced into the other",
                vec![
                    message("a", 100),
                    said(),
                    message("b", 150),
                    said(),
                    delta(60, turn),
                    stop(),
                ],
                partial(250, 61),
            ),
            (
                "text behind the last count",
                vec![message("a", 100), delta(4, "null"), said(), stop()],
                partial(100, 4),
            ),
        ],
    );
    let spliced = [
        &message("a", 100),
        SAID,
        &message("b", 150),
        SAID,
        &delta(60, turn),
        STOP,
    ];
    let metered = stream(&spliced, End::Complete);
    assert_eq!(metered.contradiction, Some(Contradiction::MessageCut));
    assert_eq!(metered.missing, Some(Missing::Contradiction));
}

#[wasm_bindgen_test(unsupported = test)]
fn responses_of_one_stream_are_told_apart() {
    let created = |id: &str| {
        format!(r#"{{"type":"response.created","response":{{"id":"{id}","usage":null}}}}"#)
    };
    let completed = |id: &str, input: u64, output: u64| {
        format!(
            r#"{{"type":"response.completed","response":{{"id":"{id}","usage":{{"input_tokens":{input},"output_tokens":{output}}}}}}}"#
        )
    };
    let said = || r#"{"type":"response.output_text.delta","delta":"Hello"}"#.to_owned();
    // As long as OpenAI's.
    let [one, other] = ["a", "b"].map(|last| format!("resp_{}{last}", "0".repeat(47)));
    expect(
        End::Complete,
        &[
            (
                "two",
                vec![completed(&one, 10, 5), said(), completed(&other, 20, 7)],
                reported(30, 12),
            ),
            (
                "the same twice",
                vec![said(), completed(&one, 10, 5), completed(&one, 10, 5)],
                reported(10, 5),
            ),
            (
                "another begins",
                vec![completed(&one, 10, 5), created(&other)],
                partial(10, 5),
            ),
            (
                "another begins to speak",
                vec![completed(&one, 10, 5), said()],
                partial(10, 5),
            ),
        ],
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_message_beside_a_delta_is_not_counted() {
    let message = r#""message":{"role":"assistant","content":"one two three four five"}"#;
    let delta = r#""delta":{"content":" five"}"#;
    for (name, choice, estimate) in [
        ("delta first", format!("{delta},{message}"), 2),
        ("message first", format!("{message},{delta}"), 2),
        ("no delta", message.to_owned(), 9),
        ("delta null", format!("{message},\"delta\":null"), 9),
    ] {
        let event = format!(r#"{{"choices":[{{"index":0,{choice}}}]}}"#);
        let metered = stream(&[&event, &event], End::Complete);
        assert_eq!(metered.estimate, Some(estimate), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn embeddings_and_rerank_are_counted_by_their_meta() {
    for (body, input) in [
        (r#"{"meta":{"billed_units":{"input_tokens":23}}}"#, 23),
        (
            r#"{"meta":{"billed_units":null,"tokens":{"input_tokens":31,"output_tokens":31}}}"#,
            31,
        ),
        (
            r#"{"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":31}}}"#,
            31,
        ),
        (r#"{"usage":{"total_tokens":9},"meta":{"tokens":null}}"#, 9),
    ] {
        let mut meter = meter(Work::Embed, "application/json");
        meter.push(body.as_bytes());
        let metered = meter.finish(End::Complete);
        assert_eq!(tokens(&metered), reported(input, 0), "{body}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_finish_that_is_none_is_no_finish() {
    for none in ["\"null\"", "\"None\"", "\"\"", "null"] {
        let event = beside(0, "a", none, 20, 3);
        let metered = stream(&[&event], End::UpstreamReset);
        assert_eq!(tokens(&metered), partial(20, 3), "{none}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_body_is_read_as_what_it_is_whatever_it_is_called() {
    let streamed = format!(
        "data: {}\n\ndata: {}\n\ndata: {}\n\n",
        text(0),
        finish(0),
        alone(7, 5)
    );
    let document = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}"#;
    for content_type in [
        None,
        Some("text/event-stream"),
        Some("application/json"),
        Some("text/plain; charset=utf-8"),
        Some("application/octet-stream"),
        Some("application/x-ndjson"),
        Some("binary/octet-stream"),
    ] {
        for encoding in ["", "identity", "none", "utf-8", "NONE, identity"] {
            for (body, is_stream) in [(streamed.as_str(), true), (document, false)] {
                let mut meter = Meter::new(
                    Work::Generate,
                    content_type.map(str::as_bytes),
                    Some(encoding.as_bytes()),
                    200,
                );
                assert_eq!(meter.is_event_stream(), None);
                meter.push(body.as_bytes());
                assert_eq!(meter.is_event_stream(), Some(is_stream));
                let lines = content_type == Some("application/x-ndjson");
                if !lines || is_stream {
                    let metered = meter.finish(End::Complete);
                    assert_eq!(
                        tokens(&metered),
                        reported(7, 5),
                        "{content_type:?} {encoding}"
                    );
                }
            }
        }
    }
    for encoding in ["gzip", "br", "identity, zstd", "snappy"] {
        let mut meter = Meter::new(Work::Generate, None, Some(encoding.as_bytes()), 200);
        meter.push(b"\x1f\x8b\x08");
        let metered = meter.finish(End::Complete);
        assert_eq!(metered.missing, Some(Missing::Encoded), "{encoding}");
    }
}

mod recordings;

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::meter::{Meter, Work};

const USAGE: &str = r#"data: {"id":"1","choices":[],"usage":{"prompt_tokens":18,"completion_tokens":40,"total_tokens":58}}"#;

/// A stream and the meter that reads it.
struct Stream {
    meter: Meter,
    hide: Hide,
}

impl Stream {
    fn new() -> Self {
        Self {
            meter: Meter::new(Work::Generate, Some(b"text/event-stream"), None, 200),
            hide: Hide::default(),
        }
    }

    fn pass(&mut self, chunk: &[u8], last: bool) -> Option<Vec<u8>> {
        self.meter.push(chunk);
        self.hide.pass(chunk, &self.meter.extras(), last)
    }

    /// What goes on.
    fn shows(&mut self, chunk: &str) -> String {
        let instead = self.pass(chunk.as_bytes(), false);
        instead.map_or_else(
            || chunk.to_owned(),
            |bytes| String::from_utf8(bytes).unwrap(),
        )
    }
}

/// What the client gets of chunks, and the most that was held between two of them.
fn pass<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, ended: bool) -> (String, usize) {
    let mut stream = Stream::new();
    let mut passed = Vec::new();
    let mut held = 0;
    for chunk in chunks {
        match stream.pass(chunk, false) {
            Some(instead) => passed.extend(instead),
            None => passed.extend_from_slice(chunk),
        }
        held = held.max(stream.hide.held.len());
    }
    if ended {
        passed.extend(stream.pass(b"", true).unwrap_or_default());
    }
    (String::from_utf8(passed).unwrap(), held)
}

fn at_every_cut(name: &str, stream: &str, expected: &str) {
    let bytes = stream.as_bytes();
    assert_eq!(pass([bytes], true).0, expected, "{name}, whole");
    assert_eq!(
        pass(bytes.chunks(1), true).0,
        expected,
        "{name}, byte by byte"
    );
    for first in 0..=bytes.len() {
        let (head, rest) = bytes.split_at(first);
        assert_eq!(
            pass([head, rest], true).0,
            expected,
            "{name}, cut at {first}"
        );
        for second in (0..=rest.len()).step_by(7) {
            let (middle, tail) = rest.split_at(second);
            let cut = first + second;
            assert_eq!(
                pass([head, middle, tail], true).0,
                expected,
                "{name}, cut at {first} and {cut}"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_extra_event_is_taken_out_wherever_the_stream_is_cut() {
    let delta = r#"data: {"choices":[{"index":0,"delta":{"content":"\"usage\":"}}]}"#;
    let last = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    for (name, extra, left) in [
        ("no choices", USAGE, ""),
        (
            "an idle choice",
            r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":null}],"usage":{"completion_tokens":1}}"#,
            "",
        ),
        (
            "no list of choices",
            r#"data:{"usage":{"total_tokens":3},"object":"chat.completion.chunk"}"#,
            "",
        ),
        (
            "names of another API",
            r#"data: {"choices":[],"usage":{"input_tokens":3,"output_tokens":1}}"#,
            "",
        ),
        (
            "an escaped name",
            r#"data: {"choices":[],"us\u0061ge":{"prompt_tokens":3}}"#,
            "",
        ),
        (
            "a finish that is none",
            r#"data: {"choices":[{"delta":{},"finish_reason":"null"}],"usage":{"prompt_tokens":3}}"#,
            "",
        ),
        (
            "fields behind",
            "data: {\"usage\":{\"prompt_tokens\":3}}\nid: 7",
            "",
        ),
        (
            "a comment and an event type",
            ": ping\nevent: message\ndata: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1}}",
            ": ping\n",
        ),
    ] {
        for line_end in ["\n", "\r\n", "\r"] {
            let stream = |events: &[&str]| {
                let events = events.iter().map(|event| format!("{event}\n\n"));
                events.collect::<String>().replace('\n', line_end)
            };
            at_every_cut(
                &format!("{name}, {line_end:?}"),
                &stream(&[delta, last, extra, "data: [DONE]"]),
                &(stream(&[delta, last])
                    + &(left.to_owned() + "data: [DONE]\n\n").replace('\n', line_end)),
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn each_of_several_extra_events_is_taken_out() {
    let stream = format!("data: 1\n\n{USAGE}\n\n{USAGE}\n\ndata: [DONE]\n\n");
    at_every_cut("two", &stream, "data: 1\n\ndata: [DONE]\n\n");
}

#[wasm_bindgen_test(unsupported = test)]
fn an_extra_event_without_its_blank_line_is_taken_out_at_the_end() {
    for end in ["", "\n"] {
        let stream = format!("data: 1\n\n{USAGE}{end}");
        at_every_cut("last", &stream, "data: 1\n\n");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn everything_else_passes_byte_for_byte() {
    let long = format!(
        "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":1}},\"pad\":\"{}\"}}\n\n",
        "x".repeat(MAX_HELD)
    );
    for (name, stream) in [
        ("an empty stream", ""),
        ("line ends", "\n\r\n\r\r\n\n"),
        ("no event ends", "data: {\"choices\""),
        ("a byte order mark", "\u{FEFF}data: 1\n\n"),
        ("no JSON", "data: \"usage\" and more\n\n"),
        (
            "usage that is null",
            "data: {\"choices\":[],\"usage\":null}\n\n",
        ),
        (
            "usage without a count",
            "data: {\"choices\":[],\"usage\":{}}\n\n",
        ),
        (
            "an error",
            "data: {\"error\":{\"message\":\"x\"},\"usage\":{\"prompt_tokens\":1}}\n\n",
        ),
        (
            "the first event of Azure",
            "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: [DONE]\n\n",
        ),
        (
            "usage with the finish",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"completion_tokens\":2}}\n\n",
        ),
        (
            "usage with a text",
            "data: {\"choices\":[{\"text\":\"a\"}],\"usage\":{\"completion_tokens\":2}}\n\n",
        ),
        (
            "usage with a text that is none",
            "data: {\"choices\":[{\"text\":[\"a\"]}],\"usage\":{\"completion_tokens\":2}}\n\n",
        ),
        (
            "usage deeper down",
            "data: {\"choices\":[],\"x\":{\"usage\":{\"prompt_tokens\":1}}}\n\n",
        ),
    ] {
        at_every_cut(name, stream, stream);
    }
    // A server that reports on every event does so unasked.
    let volunteer = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}],\"usage\":{{\"completion_tokens\":1}}}}\n\n{USAGE}\n\n"
    );
    at_every_cut("a volunteer", &volunteer, &volunteer);
    for step in [1, 100, MAX_HELD, long.len()] {
        let (passed, held) = pass(long.as_bytes().chunks(step), true);
        assert_eq!(passed, long, "too long, chunks of {step}");
        assert!(held <= MAX_HELD, "{held}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn whole_events_are_never_copied_nor_kept_waiting() {
    let mut stream = Stream::new();
    for event in [
        "data: {\"choices\":[]}\n\n",
        ": ping\n\n",
        "data: [DONE]\r\n\r\n",
    ] {
        assert_eq!(stream.pass(event.as_bytes(), false), None, "{event}");
        assert_eq!(stream.hide.held.len(), 0, "{event}");
    }
    let two_and_a_half = "data: 1\n\ndata: 2\n\ndata: {\"choices\":";
    assert_eq!(stream.shows(two_and_a_half), "data: 1\n\ndata: 2\n\n");
    assert_eq!(stream.shows("[]}\n\n"), "data: {\"choices\":[]}\n\n");
    assert_eq!(stream.pass(b"", true), None);
}

#[wasm_bindgen_test(unsupported = test)]
fn nothing_waits_that_cannot_become_the_extra_event_any_more() {
    for (name, chunk) in [
        ("a line of a comment", ": keep-alive\n"),
        ("half a comment", ": keep-"),
        ("the first byte of one", ":"),
        ("the end of the stream", "data: [DONE]"),
        ("half of it", "data: [D"),
        ("no JSON", "data: oops"),
        ("no field", "{\"error\":"),
        (
            "half a text",
            r#"data: {"choices":[{"index":0,"delta":{"content":"He"#,
        ),
        ("a role", r#"data: {"choices":[{"delta":{"role":"#),
        ("half a text completion", r#"data: {"choices":[{"text":"H"#),
        ("a finish", r#"data: {"choices":[{"finish_reason":"stop""#),
        ("half an error", r#"data: {"error":{"me"#),
        (
            "an event that ends with one line feed",
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n",
        ),
        ("a document without its line end", "data: {\"choices\":[]}"),
    ] {
        let mut stream = Stream::new();
        assert_eq!(
            stream.shows("data: {\"choices\":[]}\n\n: a\n"),
            "data: {\"choices\":[]}\n\n: a\n"
        );
        assert_eq!(stream.shows(chunk), chunk, "{name}");
        let after = format!("\n\n{USAGE}\n\ndata: [DONE]\n\n");
        assert_eq!(stream.shows(&after), "\n\ndata: [DONE]\n\n", "{name}");
    }
    for (name, chunk) in [
        ("half a name", "da"),
        ("a field", "event: message\n"),
        ("a field and a comment", "id: 1\n: ping\n"),
        (
            "half an event",
            r#"data: {"id":"1","choices":[{"index":0,"delta":"#,
        ),
        ("an empty delta", r#"data: {"choices":[{"delta":{"#),
        (
            "a text that has not begun",
            r#"data: {"choices":[{"text":""#,
        ),
        ("half of several lines", "data: {\"choices\":[],\n"),
    ] {
        let mut stream = Stream::new();
        assert_eq!(stream.shows(chunk), "", "{name}");
        assert_eq!(stream.hide.release(), chunk.as_bytes(), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn events_that_end_with_one_line_feed_are_told_apart() {
    let text = r#"data: {"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    at_every_cut(
        "one line feed",
        &format!("{text}\n{text}\n{USAGE}\ndata: [DONE]\n"),
        &format!("{text}\n{text}\ndata: [DONE]\n"),
    );
    at_every_cut(
        "the last of two lines",
        &format!("{text}\n{USAGE}\n\ndata: [DONE]\n\n"),
        &format!("{text}\n\ndata: [DONE]\n\n"),
    );
    let mut stream = Stream::new();
    for line in [format!("{text}\n"), format!("{text}\n")] {
        assert_eq!(stream.shows(&line), line);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn usage_on_the_finish_stays_and_the_same_alone_is_taken_out() {
    let finish = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"completion_tokens":7}}"#;
    let text_and_finish = r#"data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"completion_tokens":7}}"#;
    for (name, last) in [("finish", finish), ("text and finish", text_and_finish)] {
        at_every_cut(
            name,
            &format!("data: 1\n\n{last}\n\n{USAGE}\n\ndata: [DONE]\n\n"),
            &format!("data: 1\n\n{last}\n\ndata: [DONE]\n\n"),
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_was_held_is_released_when_a_chunk_cannot_be_read() {
    let mut stream = Stream::new();
    assert_eq!(stream.shows("data: {"), "");
    assert_eq!(stream.hide.release(), b"data: {");
}

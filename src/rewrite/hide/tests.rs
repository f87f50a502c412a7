mod recordings;

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const USAGE: &str = r#"data: {"id":"1","choices":[],"usage":{"prompt_tokens":18,"completion_tokens":40,"total_tokens":58}}"#;

/// What the client gets of chunks, and the most that was held between two of them.
fn pass<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, ended: bool) -> (String, usize) {
    let mut hide = Hide::default();
    let mut passed = Vec::new();
    let mut held = 0;
    for chunk in chunks {
        match hide.pass(chunk, true, false) {
            Some(instead) => passed.extend(instead),
            None => passed.extend_from_slice(chunk),
        }
        held = held.max(hide.held.len());
    }
    if ended {
        passed.extend(hide.pass(b"", true, true).unwrap_or_default());
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
    for (name, extra) in [
        ("no choices", USAGE),
        (
            "an idle choice",
            r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":null}],"usage":{"completion_tokens":1}}"#,
        ),
        (
            "no list of choices",
            r#"data:{"usage":{"total_tokens":3},"object":"chat.completion.chunk"}"#,
        ),
        (
            "a comment and an event type",
            ": ping\nevent: message\ndata: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1}}",
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
                &stream(&[delta, last, "data: [DONE]"]),
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
    let mut hide = Hide::default();
    for event in [
        "data: {\"choices\":[]}\n\n",
        ": ping\n\n",
        "data: [DONE]\r\n\r\n",
    ] {
        assert_eq!(hide.pass(event.as_bytes(), true, false), None, "{event}");
        assert_eq!(hide.held.len(), 0, "{event}");
    }
    let two_and_a_half = b"data: 1\n\ndata: 2\n\ndata: 3";
    assert_eq!(
        hide.pass(two_and_a_half, true, false).as_deref(),
        Some(&b"data: 1\n\ndata: 2\n\n"[..])
    );
    assert_eq!(
        hide.pass(b"3\n\n", true, false).as_deref(),
        Some(&b"data: 33\n\n"[..])
    );
    assert_eq!(hide.pass(b"", true, true), None);
}

#[wasm_bindgen_test(unsupported = test)]
fn what_was_held_is_released_when_a_chunk_cannot_be_read() {
    let mut hide = Hide::default();
    assert_eq!(hide.pass(b"data: 1", true, false), Some(Vec::new()));
    assert_eq!(hide.release(), b"data: 1");
}

#[wasm_bindgen_test(unsupported = test)]
fn an_event_says_the_same_to_a_table_in_another_order() {
    let content = |usage, generated, other| Content {
        usage,
        generated,
        other,
    };
    let members = MEMBERS.reversed();
    let paths = Rc::new(Paths::new(&members.wanted));
    for (data, expected) in [
        (
            r#"{"usage":{"completion_tokens":4}}"#,
            content(true, true, false),
        ),
        (
            r#"{"usage":{"completion_tokens":0}}"#,
            content(true, false, false),
        ),
        (
            r#"{"usage":{"prompt_tokens":4}}"#,
            content(true, false, false),
        ),
        (
            r#"{"usage":{"total_tokens":4}}"#,
            content(true, false, false),
        ),
        (
            r#"{"choices":[{"finish_reason":"stop"}]}"#,
            content(false, false, true),
        ),
        (
            r#"{"choices":[{"delta":{"content":"a"}}]}"#,
            content(false, false, true),
        ),
        (
            r#"{"choices":[{"delta":{},"text":""}]}"#,
            content(false, false, false),
        ),
        (r#"{"choices":[{"text":"a"}]}"#, content(false, false, true)),
        (r#"{"error":{"code":500}}"#, content(false, false, true)),
    ] {
        let event = format!("data: {data}\n\n");
        assert_eq!(Content::of(event.as_bytes()), expected, "{data}");
        let reversed = Content::read(event.as_bytes(), members, Rc::clone(&paths));
        assert_eq!(reversed, expected, "{data}, rows reversed");
    }
}

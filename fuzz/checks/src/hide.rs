//! [`tollgate::rewrite::hide::Hide`]: lines are taken out, of which a client could make nothing but usage.

use serde_json::Value;
use tollgate::meter::{Meter, Work};
use tollgate::rewrite::hide::{Hide, MAX_HELD};

use crate::cuts::cuts;
use crate::memory::held;

/// The output does not depend on the cut, and is the input without some lines that say nothing but usage.
pub fn check(input: &[u8]) {
    // What all streams of a thread share is there from now on.
    pass(&[b"data: {\"usage\":{\"prompt_tokens\":1}}\n\n"], false);
    let whole = pass(&[input], false);
    check_lines(input, &whole);
    for chunks in cuts(input) {
        for last_is_empty in [false, true] {
            let cut = pass(&chunks, last_is_empty);
            assert_eq!(cut, whole, "cut as {chunks:?}");
        }
    }
}

fn pass(chunks: &[&[u8]], last_is_empty: bool) -> Vec<u8> {
    let mut output = Vec::with_capacity(chunks.concat().len());
    let mut meter = Meter::new(Work::Generate, Some(b"text/event-stream"), None, 200);
    let mut hide = Hide::default();
    let end: &[&[u8]] = if last_is_empty || chunks.is_empty() {
        &[b""]
    } else {
        &[]
    };
    let count = chunks.len() + end.len();
    let mut kept: usize = 0;
    for (index, chunk) in chunks.iter().chain(end).enumerate() {
        meter.push(chunk);
        if meter.is_event_stream() != Some(true) {
            output.extend_from_slice(chunk);
            continue;
        }
        let before = held();
        match hide.pass(chunk, &meter.extras(), index + 1 == count) {
            None => output.extend_from_slice(chunk),
            Some(bytes) => {
                assert!(bytes.len() <= chunk.len() + MAX_HELD, "more than was held");
                output.extend(bytes);
            }
        }
        kept = kept.wrapping_add(held()).wrapping_sub(before);
        // A vector grows by doubling.
        assert!(kept <= 2 * MAX_HELD, "{kept} bytes are kept");
    }
    output
}

/// What is taken out is a line of an event with usage, or one of fields or blank beside it.
fn check_lines(input: &[u8], output: &[u8]) {
    // White space and a byte order mark before the stream are no part of its first line.
    let is_before = |byte: &&u8| byte.is_ascii_whitespace() || b"\xEF\xBB\xBF".contains(byte);
    let before = input.iter().take_while(is_before).count();
    let (before, input) = input.split_at(before);
    let mut rest = output.strip_prefix(before).expect("what is before stays");
    for line in lines(input) {
        if let Some(after) = rest.strip_prefix(line) {
            rest = after;
            continue;
        }
        let text = String::from_utf8_lossy(line);
        assert!(line.len() <= MAX_HELD + 2, "took out {} bytes", line.len());
        assert!(!text.starts_with(':'), "took out the comment {text:?}");
        assert_says_nothing_else(&text);
    }
    assert!(
        rest.is_empty(),
        "put in {:?}",
        String::from_utf8_lossy(rest)
    );
}

/// A `data` line that is a document: it has counts, and no text for anybody.
fn assert_says_nothing_else(line: &str) {
    let data = line.trim_end().strip_prefix("data:").unwrap_or_default();
    // Equal names: the filter looks at each, `Value` at the last.
    let Ok(value @ Value::Object(_)) = serde_json::from_str::<Value>(data) else {
        return;
    };
    assert!(value["usage"].is_object(), "took out {line:?}");
    assert!(value["error"].is_null() || is_empty(&value["error"]));
    for choice in value["choices"].as_array().into_iter().flatten() {
        for name in ["delta", "finish_reason", "text"] {
            let member = &choice[name];
            assert!(member.is_null() || is_empty(member), "took out {line:?}");
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        // Some servers spell out what is none.
        Value::String(text) => ["", "null", "None", "none"].contains(&text.as_str()),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(says) => !says,
        Value::Null | Value::Number(_) => false,
    }
}

/// The lines with their ends; what follows the last is one too.
fn lines(input: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < input.len() {
        at += match &input[at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => {
                at += 1;
                continue;
            }
        };
        lines.push(&input[start..at]);
        start = at;
    }
    lines.push(&input[start..]);
    lines
}

//! [`tollgate::rewrite::hide::Hide`]: whole events are taken out, of which a client could make nothing but usage.

use serde_json::Value;
use tollgate::meter::{Meter, Work};
use tollgate::rewrite::hide::{Hide, MAX_HELD};

use crate::cuts::cuts;
use crate::memory::held;

/// What says that a chunk has usage, in the words of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It may always have.
    Always,
    /// The meter, as in the filter.
    ByMeter,
}

/// The output does not depend on the cut, and is the input without some whole events that say nothing but usage.
pub fn check(input: &[u8]) {
    // What all streams of a thread share is there from now on.
    Hide::default().pass(b"data: {\"usage\":1}\n\n", true, true);
    let whole = pass(Told::Always, &[input], false);
    check_events(input, &whole);
    let mut all = cuts(input);
    all.push(vec![input]);
    for chunks in all {
        for last_is_empty in [false, true] {
            assert_eq!(
                pass(Told::Always, &chunks, last_is_empty),
                whole,
                "cut as {chunks:?}"
            );
            let told = pass(Told::ByMeter, &chunks, last_is_empty);
            check_events(input, &told);
            if is_read_alike(input) {
                assert_eq!(told, whole, "as the meter says, cut as {chunks:?}");
            }
        }
    }
}

fn pass(told: Told, chunks: &[&[u8]], last_is_empty: bool) -> Vec<u8> {
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
        let usages = meter.usages();
        meter.push(chunk);
        let has_usage = told == Told::Always || meter.usages() != usages;
        let before = held();
        match hide.pass(chunk, has_usage, index + 1 == count) {
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

fn check_events(input: &[u8], output: &[u8]) {
    let mut rest = output;
    for event in events(input) {
        if let Some(after) = rest.strip_prefix(event) {
            rest = after;
            continue;
        }
        let text = String::from_utf8_lossy(event);
        assert!(text.contains("usage\""), "took out {text:?}");
        assert!(event.len() <= MAX_HELD, "took out {} bytes", event.len());
        assert_says_nothing_else(&text);
    }
    assert!(
        rest.is_empty(),
        "put in {:?}",
        String::from_utf8_lossy(rest)
    );
}

/// An event of one `data` line that is JSON: it has counts, and no text for anybody.
fn assert_says_nothing_else(event: &str) {
    let event = event.trim_start_matches('\u{FEFF}');
    let data = event.trim_end().strip_prefix("data:").unwrap_or_default();
    // Equal names: the filter looks at each, `Value` at the last.
    let Ok(value) = serde_json::from_str::<Value>(data) else {
        return;
    };
    assert!(value["error"].is_null() || is_empty(&value["error"]));
    for choice in value["choices"].as_array().into_iter().flatten() {
        for name in ["delta", "finish_reason", "text"] {
            let member = &choice[name];
            assert!(member.is_null() || is_empty(member), "took out {event:?}");
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Whether the meter reads the events that are looked at here: it takes for JSON what begins so, and an event behind a byte
/// order mark for none, as clients do.
fn is_read_alike(input: &[u8]) -> bool {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    let begin = input.trim_ascii_start();
    let rest = input.strip_prefix(MARK).unwrap_or(input);
    !matches!(begin.first(), Some(b'{' | b'['))
        && !rest.windows(MARK.len()).any(|part| part == MARK)
}

/// The events with their blank lines; what follows the last is one too.
fn events(input: &[u8]) -> Vec<&[u8]> {
    let mut events = Vec::new();
    let (mut start, mut at, mut line_is_empty) = (0, 0, true);
    while at < input.len() {
        let length = match &input[at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => {
                line_is_empty = false;
                at += 1;
                continue;
            }
        };
        at += length;
        if line_is_empty {
            events.push(&input[start..at]);
            start = at;
        }
        line_is_empty = true;
    }
    events.push(&input[start..]);
    events
}

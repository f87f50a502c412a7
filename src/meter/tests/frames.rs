//! Bedrock's streams, in messages of Amazon's encoding.

use super::*;
use crate::eventstream::tests::message;

const AMAZON: &str = "application/vnd.amazon.eventstream";

const ANTHROPIC: &[&str] = &[
    r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":1}}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello >>> ???"}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"there"}}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#,
    r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":5,"cacheReadInputTokenCount":4,"cacheWriteInputTokenCount":0,"invocationLatency":1,"firstByteLatency":1}}"#,
];

const LLAMA: &[&str] = &[
    r#"{"generation":"Hello","prompt_token_count":7,"generation_token_count":1,"stop_reason":null}"#,
    r#"{"generation":"","prompt_token_count":null,"generation_token_count":5,"stop_reason":"stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":7,"outputTokenCount":5,"invocationLatency":1,"firstByteLatency":1}}"#,
];

const STOP: (&str, &str) = ("messageStop", r#"{"p":"abcd","stopReason":"end_turn"}"#);
const METADATA: (&str, &str) = (
    "metadata",
    r#"{"metrics":{"latencyMs":1},"p":"ab","usage":{"cacheReadInputTokenCount":4,"cacheReadInputTokens":4,"inputTokens":3,"outputTokens":5,"totalTokens":12}}"#,
);

fn text(text: &str) -> Vec<u8> {
    let payload = format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}},"p":"abc"}}"#);
    message("event", "contentBlockDelta", &payload)
}

/// Text in two parts, its stop and its counts, as Converse sends them.
fn converse() -> Vec<Vec<u8>> {
    vec![
        message(
            "event",
            "messageStart",
            r#"{"p":"abcdef","role":"assistant"}"#,
        ),
        text("Hello"),
        text("there"),
        message(
            "event",
            "contentBlockStop",
            r#"{"contentBlockIndex":0,"p":"a"}"#,
        ),
        message("event", STOP.0, STOP.1),
        message("event", METADATA.0, METADATA.1),
    ]
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut bits = 0_u32;
        for place in 0..3 {
            bits = (bits << 8) | u32::from(three.get(place).copied().unwrap_or(0));
        }
        for place in 0..4 {
            let digit = usize::try_from((bits >> (18 - 6 * place)) & 63).unwrap();
            let padded = place > u32::try_from(three.len()).unwrap();
            text.push(if padded {
                '='
            } else {
                char::from(DIGITS[digit])
            });
        }
    }
    text
}

/// What a model says, as Bedrock passes it on.
fn invoked(events: &[&str]) -> Vec<Vec<u8>> {
    let wrap = |event: &&str| {
        format!(
            r#"{{"bytes":"{}","p":"abcdefgh"}}"#,
            base64(event.as_bytes())
        )
    };
    let messages = events.iter().map(wrap);
    messages
        .map(|payload| message("event", "chunk", &payload))
        .collect()
}

/// What comes of a stream that ends so, however it is cut.
fn told(stream: &[u8], ended: End) -> Metered {
    let read = |chunks: &[&[u8]]| {
        let mut meter = meter(Work::Generate, AMAZON);
        for chunk in chunks {
            meter.push(chunk);
        }
        meter.finish(ended)
    };
    let whole = read(&[stream]);
    for split in 0..stream.len() {
        let (head, tail) = stream.split_at(split);
        assert_eq!(read(&[head, tail]), whole, "split at {split}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read(&bytes), whole, "byte by byte");
    whole
}

const fn reported(input: u64, output: u64) -> (Worth, Option<u64>, Option<u64>) {
    (Worth::Reported, Some(input), Some(output))
}

#[wasm_bindgen_test(unsupported = test)]
fn bedrock_counts_whichever_operation_streams() {
    for (name, messages) in [
        ("ConverseStream", converse()),
        (
            "InvokeModelWithResponseStream of Claude",
            invoked(ANTHROPIC),
        ),
        ("the same of Llama", invoked(LLAMA)),
    ] {
        let stream = messages.concat();
        let metered = told(&stream, End::Complete);
        assert_eq!(tokens(&metered), reported(7, 5), "{name}");
        assert_eq!(
            (metered.truncated, metered.missing),
            (false, None),
            "{name}"
        );
        // All was said before the client left.
        let aborted = told(&stream, End::ClientAborted);
        assert_eq!(tokens(&aborted), reported(7, 5), "{name}");
    }
    let metered = told(&converse().concat(), End::Complete);
    assert_eq!(metered.usage.cached_input, Some(4));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_stream_of_bedrock_that_is_cut_is_estimated() {
    let messages = converse();
    let estimated = |parts: &[Vec<u8>], ended| {
        let metered = told(&parts.concat(), ended);
        (
            metered.source,
            metered.estimate,
            metered.missing,
            metered.truncated,
        )
    };
    let truncated = Some(Missing::Truncated);
    let two_texts = &messages[..3];
    assert_eq!(
        estimated(two_texts, End::Complete),
        (Worth::Estimated, Some(2), truncated, true)
    );
    assert_eq!(
        estimated(two_texts, End::ClientAborted),
        (Worth::Estimated, Some(2), Some(Missing::Aborted), false)
    );
    assert_eq!(
        estimated(&messages[..1], End::Complete),
        (Worth::None, None, truncated, true)
    );
    assert_eq!(
        estimated(&[], End::Complete),
        (Worth::None, None, truncated, true)
    );
    assert_eq!(
        estimated(&messages[..5], End::Complete),
        (Worth::Estimated, Some(2), Some(Missing::NoUsage), false)
    );
    // The last byte of the counts is missing.
    let mut stream = messages.concat();
    stream.pop();
    let metered = told(&stream, End::Complete);
    assert_eq!(
        (metered.source, metered.missing),
        (Worth::Estimated, truncated)
    );
    // Anthropic's counts at the start are a lower bound.
    let metered = told(&invoked(&ANTHROPIC[..2]).concat(), End::Complete);
    assert_eq!(tokens(&metered), (Worth::Partial, Some(7), Some(1)));
    assert_eq!(metered.estimate, Some(2));
}

#[wasm_bindgen_test(unsupported = test)]
fn what_a_wrong_checksum_spoils_costs_nothing() {
    for (name, spoilt, estimate) in [
        ("the counts", 5, Some(2)),
        ("the second text", 2, Some(1)),
        ("the first text", 1, None),
    ] {
        let mut messages = converse();
        let last = messages[spoilt].last_mut().unwrap();
        *last ^= 1;
        let metered = told(&messages.concat(), End::Complete);
        let worth = if estimate.is_some() {
            Worth::Estimated
        } else {
            Worth::None
        };
        assert_eq!(
            (metered.source, metered.estimate, metered.missing),
            (worth, estimate, Some(Missing::ParseError)),
            "{name}"
        );
        assert!(!metered.truncated, "{name}");
        assert_eq!(metered.charge_tokens(), estimate.unwrap_or(0), "{name}");
    }
    let chunk = message("event", "chunk", r#"{"bytes":"e30=!"}"#);
    let metered = told(
        &[invoked(ANTHROPIC).concat(), chunk].concat(),
        End::Complete,
    );
    assert_eq!(tokens(&metered), reported(7, 5), "no base64 behind the end");
}

#[wasm_bindgen_test(unsupported = test)]
fn an_exception_of_bedrock_is_an_error() {
    let exception = message(
        "exception",
        "throttlingException",
        r#"{"message":"Too many tokens"}"#,
    );
    let alone = told(&exception, End::Complete);
    assert_eq!(
        (alone.source, alone.error_event, alone.missing),
        (Worth::NotApplicable, true, None)
    );
    let after_text = told(&[text("Hello"), exception].concat(), End::Complete);
    assert_eq!(
        (after_text.source, after_text.truncated, after_text.missing),
        (Worth::Estimated, true, Some(Missing::Truncated))
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn bytes_elsewhere_are_no_document() {
    let inner = base64(br#"{"usage":{"prompt_tokens":1,"completion_tokens":1}}"#);
    for payload in [
        format!(r#"{{"x":{{"bytes":"{inner}"}}}}"#),
        format!(r#"{{"byte":"{inner}","bytes2":"{inner}"}}"#),
        format!(r#"{{"p":"bytes","q":"{inner}"}}"#),
        format!(r#"{{"p\"bytes":"{inner}"}}"#),
        format!(r#"["bytes","{inner}"]"#),
    ] {
        let metered = told(&message("event", "chunk", &payload), End::ClientAborted);
        assert_eq!(tokens(&metered), (Worth::None, None, None), "{payload}");
    }
    let spaced = format!("{{\n \"p\" : [\"a\"], \"bytes\" : \"{inner}\"}}");
    let metered = told(&message("event", "chunk", &spaced), End::ClientAborted);
    assert_eq!(metered.usage.input, Some(1));
}

#[wasm_bindgen_test(unsupported = test)]
fn messages_are_read_whatever_the_reply_is_called() {
    let stream = converse().concat();
    for content_type in [
        None,
        Some(AMAZON),
        Some("application/json"),
        Some("application/octet-stream"),
    ] {
        let mut meter = Meter::new(Work::Generate, content_type.map(str::as_bytes), None, 200);
        assert!(!meter.first_token_seen());
        meter.push(&stream);
        assert!(meter.first_token_seen());
        assert_eq!(meter.is_event_stream(), Some(false));
        let metered = meter.finish(End::Complete);
        assert_eq!(tokens(&metered), reported(7, 5), "{content_type:?}");
    }
}

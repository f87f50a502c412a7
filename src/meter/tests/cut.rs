//! Replies that HTTP ends in good order, and whose own end never comes.

use super::*;

const ROLE: &str =
    r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
const START: &str =
    r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":7,"output_tokens":1}}}"#;
const SAID: &str = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"hi"}}"#;
const DELTA: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#;
const NO_REASON: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":5}}"#;
const CREATED: &str = r#"{"type":"response.created","response":{"id":"r","usage":null}}"#;
const PART: &str = r#"{"type":"response.output_text.delta","delta":"hi"}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"r","usage":{"input_tokens":7,"output_tokens":5}}}"#;
const INCOMPLETE: &str = r#"{"type":"response.incomplete","response":{"id":"r","usage":{"input_tokens":7,"output_tokens":5}}}"#;
const FAILED: &str =
    r#"{"type":"response.failed","response":{"id":"r","error":{"code":"x"},"usage":null}}"#;
const GEMINI: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hi"}]}}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":2}}"#;
const GEMINI_END: &str = r#"{"candidates":[{"content":{"parts":[{"text":"ho"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":5}}"#;
const BLOCKED: &str = r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}"#;
const PING: &str = r#"{"type":"ping"}"#;

/// Whether the reply is found cut, what its numbers are worth, and why they are not final.
fn told(body: &str, content_type: &str, ended: End) -> (bool, Worth, Option<Missing>) {
    let mut told = Vec::new();
    for size in [1, 7, body.len().max(1)] {
        let mut meter = meter(Work::Generate, content_type);
        for chunk in body.as_bytes().chunks(size) {
            meter.push(chunk);
        }
        let metered = meter.finish(ended);
        told.push((metered.truncated, metered.source, metered.missing));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{body}");
    told[0]
}

fn events(documents: &[&str]) -> String {
    let events = documents.iter().map(|event| format!("data: {event}\n\n"));
    events.collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn a_stream_without_its_end_is_cut_whatever_its_api() {
    const CUT: Option<Missing> = Some(Missing::Truncated);
    let running = r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#;
    let broken = r#"{"choices":[{"index":0,"delta":{"content":"a"#;
    let ollama = r#"{"message":{"content":"a"},"done":false}"#;
    let llama = r#"{"content":"a","stop":false}"#;
    let tool = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]}"#;
    for (name, documents, worth) in [
        ("the role alone", &[ROLE][..], Worth::None),
        ("text", &[ROLE, TEXT, TEXT], Worth::Estimated),
        ("a tool", &[ROLE, tool], Worth::Estimated),
        ("running usage", &[running, running], Worth::Partial),
        ("usage before the text", &[USAGE, TEXT], Worth::Partial),
        (
            "an event that breaks off",
            &[TEXT, broken],
            Worth::Estimated,
        ),
        (
            "one of two choices",
            &[TEXT, OTHER_TEXT, FINISH],
            Worth::Estimated,
        ),
        (
            "an error in its place",
            &[TEXT, ERROR, "[DONE]"],
            Worth::Estimated,
        ),
        ("messages, their start alone", &[START], Worth::Partial),
        ("messages, text", &[START, PING, SAID], Worth::Partial),
        (
            "messages, no stop reason",
            &[START, SAID, NO_REASON],
            Worth::Partial,
        ),
        (
            "messages, a second one",
            &[START, SAID, DELTA, START, SAID],
            Worth::Partial,
        ),
        ("responses, their start alone", &[CREATED], Worth::None),
        ("responses, text", &[CREATED, PART], Worth::Estimated),
        (
            "responses, failed",
            &[CREATED, PART, FAILED],
            Worth::Estimated,
        ),
        ("Gemini", &[GEMINI, GEMINI], Worth::Partial),
        ("Ollama", &[ollama, ollama], Worth::Estimated),
        ("llama.cpp's own API", &[llama, llama], Worth::Estimated),
    ] {
        let body = events(documents);
        assert_eq!(
            told(&body, "text/event-stream", End::Complete),
            (true, worth, CUT),
            "{name}"
        );
        let (truncated, _, missing) = told(&body, "text/event-stream", End::UpstreamReset);
        assert_eq!(
            (truncated, missing),
            (false, Some(Missing::Aborted)),
            "{name}"
        );
    }
    for (name, body) in [
        ("nothing", ""),
        ("heartbeats", ": keep-alive\n\n: keep-alive\n\n"),
    ] {
        assert_eq!(
            told(body, "text/event-stream", End::Complete),
            (true, Worth::None, CUT),
            "{name}"
        );
    }
    let lines = format!("{ollama}\n{ollama}\n");
    assert_eq!(
        told(&lines, "application/x-ndjson", End::Complete),
        (true, Worth::Estimated, CUT)
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_stream_with_its_end_is_whole_whatever_its_api() {
    let no_usage = (false, Worth::Estimated, Some(Missing::NoUsage));
    let reported = (false, Worth::Reported, None);
    let ollama = r#"{"message":{"content":"a"},"done":true,"prompt_eval_count":7,"eval_count":5}"#;
    let unknown = r#"{"token":{"id":1},"generated_text":null}"#;
    for (name, documents, expected) in [
        ("a finish", &[TEXT, FINISH][..], no_usage),
        ("[DONE]", &[TEXT, "[DONE]"], no_usage),
        ("both and usage", &[TEXT, FINISH, USAGE, "[DONE]"], reported),
        (
            "two finishes",
            &[TEXT, OTHER_TEXT, FINISH, OTHER_FINISH],
            no_usage,
        ),
        ("a stop reason", &[START, SAID, DELTA], reported),
        (
            "message_stop",
            &[START, SAID, NO_REASON, r#"{"type":"message_stop"}"#],
            reported,
        ),
        ("completed", &[CREATED, PART, COMPLETED], reported),
        ("incomplete", &[CREATED, PART, INCOMPLETE], reported),
        ("Gemini", &[GEMINI, GEMINI_END], reported),
        ("a prompt that Gemini refuses", &[BLOCKED], reported),
        ("Ollama", &[ollama], reported),
        (
            "what has no known end",
            &[unknown],
            (false, Worth::None, Some(Missing::NoUsage)),
        ),
        (
            "an error alone",
            &[ERROR],
            (false, Worth::NotApplicable, None),
        ),
    ] {
        let body = events(documents);
        assert_eq!(
            told(&body, "text/event-stream", End::Complete),
            expected,
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_document_that_is_not_closed_is_cut() {
    for (name, body, expected) in [
        (
            "in its text",
            r#"{"choices":[{"message":{"content":"abc"#,
            (true, Worth::None, Some(Missing::Truncated)),
        ),
        (
            "behind its text",
            r#"{"choices":[{"message":{"content":"abc"}"#,
            (true, Worth::Estimated, Some(Missing::Truncated)),
        ),
        (
            "behind its usage",
            r#"{"usage":{"prompt_tokens":7,"completion_tokens":5},"choices":["#,
            (true, Worth::Reported, None),
        ),
        (
            "broken",
            "{oops}",
            (false, Worth::None, Some(Missing::ParseError)),
        ),
        (
            "closed",
            r#"{"usage":{"prompt_tokens":7,"completion_tokens":5}}"#,
            (false, Worth::Reported, None),
        ),
    ] {
        assert_eq!(
            told(body, "application/json", End::Complete),
            expected,
            "{name}"
        );
    }
}

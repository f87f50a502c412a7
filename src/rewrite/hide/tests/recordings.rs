//! Streams of real servers that were asked for their usage, against what they are without the events that say nothing
//! else.

use serde_json::Value;

use super::*;

macro_rules! recordings {
    ($($file:literal: $extra:literal,)*) => {
        &[$((
            $file,
            include_str!(concat!("../../../../tests/fixtures/recordings/", $file)),
            $extra,
        ),)*]
    };
}

/// Each with the number of events that are to be hidden.
const STREAMS: &[(&str, &str, usize)] = recordings![
    "vllm/chat_stream_usage.body": 1,
    "vllm/chat_stream_n2_usage.body": 1,
    "vllm/chat_stream_logprobs_usage.body": 1,
    "vllm/chat_stream_fakeusage_echo_prompt.body": 1,
    "vllm/chat_stream_tools_named_usage.body": 1,
    "vllm/chat_stream_stopstring_usage.body": 1,
    "vllm/compl_stream_usage.body": 1,
    "vllm/compl_stream_2prompts_usage.body": 1,
    "vllm/compl_stream_echo_max0.body": 1,
    "llamacpp/chat_stream_n2_usage.body": 2,
    "llamacpp/chat_stream_fakeusage_in_text.body": 1,
    "litellm/mock_chat_stream_usage.body": 1,
    "litellm/llama_chat_stream_usage.body": 1,
    "litellm/vllm_chat_stream_usage.body": 1,
    "litellm/vllm_compl_stream_usage.body": 1,
    // These report in every chunk, or with the finish, and would do so unasked.
    "vllm/chat_stream_n2_continuous.body": 0,
    "llamacpp/compl_stream_usage.body": 0,
    // These were not asked, or died.
    "vllm/chat_stream.body": 0,
    "vllm/midstream_engine_death.body": 0,
    "llamacpp/chat_stream.body": 0,
];

/// Whether an event has usage, and of its choices nothing but their index.
fn is_extra(event: &str) -> bool {
    let data: String = event
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    let Ok(event) = serde_json::from_str::<Value>(&data) else {
        return false;
    };
    let idle = |choice: &Value| {
        let mut members = choice.as_object().unwrap().clone();
        members.remove("index");
        members.retain(|_, value| !value.is_null() && *value != serde_json::json!({}));
        members.is_empty()
    };
    event["usage"].is_object() && event["choices"].as_array().unwrap().iter().all(idle)
}

#[wasm_bindgen_test(unsupported = test)]
fn of_recorded_streams_the_extra_events_are_hidden_and_nothing_else() {
    for (file, stream, extra) in STREAMS {
        let events: Vec<&str> = stream.split_inclusive("\n\n").collect();
        let (hidden, mut shown): (Vec<&str>, Vec<&str>) =
            events.iter().partition(|event| is_extra(event));
        if *extra == 0 {
            shown = events;
        } else {
            assert_eq!(hidden.len(), *extra, "{file}");
        }
        let expected = shown.concat();
        for size in [stream.len(), 1, 61] {
            let chunks = stream.as_bytes().chunks(size);
            assert!(
                pass(chunks, true).0 == expected,
                "{file} in chunks of {size}"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_client_that_did_not_ask_gets_what_the_recording_says() {
    macro_rules! pairs {
        ($($name:literal,)*) => {
            [$((
                $name,
                include_str!(concat!("../../../../tests/fixtures/recordings/derived/", $name, ".sse")),
                include_str!(concat!("../../../../tests/fixtures/recordings/derived/", $name, ".seen.sse")),
            ),)*]
        };
    }
    for (name, stream, seen) in pairs![
        "unasked",
        "unasked_as_json",
        "unasked_encoding_none",
        "unasked_heartbeat_lines",
        "unasked_single_newline_events",
        "unasked_usage_on_finish_and_alone",
    ] {
        at_every_cut(name, stream, seen);
    }
}

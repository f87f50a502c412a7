//! What other vendors report, each in its own words, whole and at every split.

use super::*;
use crate::usage::Contradiction;

/// What comes of a body, however it is cut.
fn metered(work: Work, content_type: &str, body: &str) -> Metered {
    let read = |chunks: &[&[u8]]| {
        let mut meter = meter(work, content_type);
        for chunk in chunks {
            meter.push(chunk);
        }
        meter.finish(End::Complete)
    };
    let whole = read(&[body.as_bytes()]);
    for split in 0..body.len() {
        let (head, tail) = body.as_bytes().split_at(split);
        assert_eq!(read(&[head, tail]), whole, "split at {split}: {body}");
    }
    whole
}

const fn reported(input: u64, output: u64) -> (Worth, Option<u64>, Option<u64>) {
    (Worth::Reported, Some(input), Some(output))
}

#[wasm_bindgen_test(unsupported = test)]
fn input_is_counted_in_the_words_of_each_vendor() {
    for (name, body, expected) in [
        (
            "Titan",
            r#"{"embedding":[0.5,0.25],"inputTextTokenCount":9}"#,
            reported(9, 0),
        ),
        (
            "Titan, of two types",
            r#"{"embedding":[0.5],"embeddingsByType":{"float":[0.5]},"inputTextTokenCount":9}"#,
            reported(9, 0),
        ),
        (
            "Vertex AI, one text",
            r#"{"predictions":[{"embeddings":{"statistics":{"truncated":false,"token_count":6},"values":[0.5]}}]}"#,
            reported(6, 0),
        ),
        (
            "Vertex AI, three texts and a fraction",
            r#"{"predictions":[{"embeddings":{"values":[],"statistics":{"token_count":6}}},{"embeddings":{"statistics":{"token_count":3.0},"values":[]}},{"embeddings":{"statistics":{"token_count":4}}}],"metadata":{"billableCharacterCount":20}}"#,
            reported(13, 0),
        ),
        (
            "Gemini",
            r#"{"embedding":{"values":[0.5]},"usageMetadata":{"promptTokenCount":5,"totalTokenCount":5}}"#,
            reported(5, 0),
        ),
        (
            "Cohere, tokens before what is billed",
            r#"{"embeddings":[[0.5]],"meta":{"billed_units":{"input_tokens":20},"tokens":{"input_tokens":23}}}"#,
            reported(23, 0),
        ),
        (
            "Cohere, what is billed",
            r#"{"id":"x","embeddings":{"float":[[0.5]]},"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":20}}}"#,
            reported(20, 0),
        ),
        (
            "Cohere's rerank",
            r#"{"results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":31,"output_tokens":0}}}"#,
            reported(31, 0),
        ),
        (
            "Azure OpenAI",
            r#"{"object":"list","data":[],"model":"","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
            reported(8, 0),
        ),
    ] {
        let metered = metered(Work::Embed, "application/json", body);
        assert_eq!(tokens(&metered), expected, "{name}");
        assert_eq!(metered.missing, None, "{name}");
    }
    for body in [
        r#"{"embedding":[],"inputTextTokenCount":-1}"#,
        r#"{"predictions":[{"embeddings":{"statistics":{"token_count":6}}},{"embeddings":{"statistics":{"token_count":-6}}}]}"#,
        r#"{"predictions":[{"embeddings":{"statistics":{"token_count":4294967290}}}]}"#,
    ] {
        let metered = metered(Work::Embed, "application/json", body);
        assert_eq!(tokens(&metered), (Worth::None, None, None), "{body}");
        assert_eq!(
            metered.contradiction,
            Some(Contradiction::ImpossibleCount),
            "{body}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn generated_text_is_counted_in_the_words_of_each_vendor() {
    for (name, body, expected) in [
        (
            "Converse",
            r#"{"metrics":{"latencyMs":551},"output":{"message":{"content":[{"text":"Hi"}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":30,"outputTokens":628,"totalTokens":658}}"#,
            reported(30, 628),
        ),
        (
            "Converse, a cache that is read",
            r#"{"usage":{"cacheReadInputTokenCount":0,"cacheReadInputTokens":10789,"cacheWriteInputTokenCount":0,"cacheWriteInputTokens":0,"inputTokens":12,"outputTokens":265,"totalTokens":11066}}"#,
            reported(10801, 265),
        ),
        (
            "Converse, a cache that is written and no total",
            r#"{"usage":{"inputTokens":4,"outputTokens":5,"cacheWriteInputTokens":1000}}"#,
            reported(1004, 5),
        ),
        (
            "Titan's text",
            r#"{"inputTextTokenCount":5,"results":[{"tokenCount":32,"outputText":"Hi","completionReason":"FINISH"}]}"#,
            reported(5, 32),
        ),
        (
            "Cohere's first API",
            r#"{"text":"Hi","finish_reason":"COMPLETE","meta":{"billed_units":{"input_tokens":5,"output_tokens":4},"tokens":{"input_tokens":71,"output_tokens":5}}}"#,
            reported(71, 5),
        ),
        (
            "Cohere's second API",
            r#"{"id":"x","message":{"role":"assistant","content":[{"type":"text","text":"Hi"}]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":5,"output_tokens":4},"tokens":{"input_tokens":71,"output_tokens":5}}}"#,
            reported(71, 5),
        ),
        (
            "Cohere's second API, what is billed",
            r#"{"usage":{"billed_units":{"input_tokens":5,"output_tokens":4}}}"#,
            reported(5, 4),
        ),
        (
            "Gemini, thoughts, tools and a cache",
            r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":60,"toolUsePromptTokenCount":20,"candidatesTokenCount":7,"thoughtsTokenCount":30,"totalTokenCount":157}}"#,
            reported(120, 37),
        ),
        (
            "Gemini's stream as one array",
            "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":1,\"totalTokenCount\":8}}\n,\r\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":5,\"totalTokenCount\":12}}\n]",
            reported(7, 5),
        ),
        (
            "Azure OpenAI",
            r#"{"choices":[{"content_filter_results":{},"finish_reason":"stop","index":0,"message":{"content":"Hi"}}],"model":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}],"usage":{"completion_tokens":5,"prompt_tokens":7,"total_tokens":12}}"#,
            reported(7, 5),
        ),
    ] {
        let metered = metered(Work::Generate, "application/json", body);
        assert_eq!(tokens(&metered), expected, "{name}");
        assert_eq!(
            (metered.missing, metered.truncated),
            (None, false),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn streams_are_counted_in_the_words_of_each_vendor() {
    for (name, documents, expected) in [
        (
            "Azure OpenAI, its filter first",
            &[
                r#"{"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}"#,
                TEXT,
                FINISH,
                USAGE,
                "[DONE]",
            ][..],
            reported(7, 5),
        ),
        (
            "Gemini",
            &[
                r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}"#,
                r#"{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"thoughtsTokenCount":2,"totalTokenCount":12}}"#,
            ],
            reported(7, 5),
        ),
        (
            "Cohere's second API",
            &[
                r#"{"id":"x","type":"message-start","delta":{"message":{"role":"assistant"}}}"#,
                r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hi"}}}}"#,
                r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":5,"output_tokens":4},"tokens":{"input_tokens":71,"output_tokens":5}}}}"#,
            ],
            reported(71, 5),
        ),
        (
            "Cohere's first API",
            &[
                r#"{"is_finished":false,"event_type":"text-generation","text":"Hi"}"#,
                r#"{"is_finished":true,"event_type":"stream-end","finish_reason":"COMPLETE","response":{"text":"Hi","meta":{"billed_units":{"input_tokens":5,"output_tokens":4},"tokens":{"input_tokens":71,"output_tokens":5}}}}"#,
            ],
            reported(71, 5),
        ),
    ] {
        let body: String = documents
            .iter()
            .map(|event| format!("data: {event}\n\n"))
            .collect();
        let metered = metered(Work::Generate, "text/event-stream", &body);
        assert_eq!(tokens(&metered), expected, "{name}");
        assert_eq!(
            (metered.missing, metered.truncated),
            (None, false),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn an_array_that_breaks_off_is_a_lower_bound() {
    let array = "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":1}}\n";
    let metered = metered(Work::Generate, "application/json", array);
    assert_eq!(tokens(&metered), (Worth::Partial, Some(7), Some(1)));
    assert_eq!(metered.missing, Some(Missing::Truncated));
}

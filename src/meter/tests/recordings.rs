//! Replies of real servers, and variations of them, against what is known of their cost.

use super::*;

macro_rules! recordings {
    ($($file:literal,)*) => {
        &[$(($file, include_bytes!(concat!("../../../tests/fixtures/recordings/", $file)).as_slice()),)*]
    };
}

const BODIES: &[(&str, &[u8])] = recordings![
    "vllm/chat_unary.body",
    "vllm/chat_stream.body",
    "vllm/chat_stream_usage.body",
    "vllm/chat_unary_n2.body",
    "vllm/chat_stream_n2_usage.body",
    "vllm/chat_stream_n2_continuous.body",
    "vllm/chat_stream_max1_nousage.body",
    "vllm/chat_unary_unicode.body",
    "vllm/chat_unary_tools_named.body",
    "vllm/chat_unary_cache_warm.body",
    "vllm/err_empty_messages.body",
    "vllm/err_empty_messages_stream.body",
    "vllm/err_stream_options_without_stream.body",
    "vllm/compl_unary.body",
    "vllm/compl_stream.body",
    "vllm/compl_stream_usage.body",
    "vllm/compl_unary_n2.body",
    "vllm/compl_stream_2prompts_usage.body",
    "vllm/compl_unary_2prompts.body",
    "vllm/compl_stream_logprobs_usage.body",
    "vllm/compl_stream_max1_nousage.body",
    "vllm/compl_stream_echo_max0.body",
    "vllm/compl_empty_list.body",
    "vllm/anthropic_unary.body",
    "vllm/anthropic_stream_cache_warm.body",
    "vllm/anthropic_count_tokens.body",
    "vllm/anthropic_stream_abort.body",
    "vllm/responses_unary.body",
    "vllm/responses_stream_eos.body",
    "vllm/responses_stream_abort.body",
    "vllm/midstream_engine_death.body",
    "llamacpp/chat_stream.body",
    "llamacpp/chat_stream_n2_usage.body",
    "llamacpp/chat_stream_fakeusage_in_text.body",
    "llamacpp/chat_stream_cache_warm.body",
    "llamacpp/err_empty_messages.body",
    "llamacpp/err_too_long.body",
    "llamacpp/compl_unary.body",
    "llamacpp/compl_stream_usage.body",
    "llamacpp/native_completion_stream.body",
    "llamacpp/native_completion_unary.body",
    "llamacpp/anthropic_unary.body",
    "llamacpp/anthropic_stream.body",
    "llamacpp/anthropic_stream_cache_warm.body",
    "llamacpp/anthropic_count.body",
    "llamacpp/responses_unary.body",
    "llamacpp/responses_stream.body",
    "llama-cpp-python/chat_stream.body",
    "llama-cpp-python/chat_stream_max1.body",
    "llama-cpp-python/err_empty_messages.body",
    "llama-cpp-python/err_too_long_stream.body",
    "llama-cpp-python/err_too_long.body",
    "llama-cpp-python/chat_stream_abort.body",
    "vllm-embed/emb_one.body",
    "vllm-embed/emb_batch.body",
    "vllm-embed/emb_base64.body",
    "vllm-embed/emb_bytes.body",
    "vllm-embed/emb_too_long.body",
    "vllm-embed/emb_tokenids.body",
    "litellm/mock_chat_stream_usage.body",
    "litellm/mock_compl_unary.body",
    "litellm/mock_anthropic_unary.body",
    "litellm/mock_anthropic_stream.body",
    "litellm/mock_responses_unary.body",
    "litellm/err_401_anthropic.body",
    "litellm/llama_chat_stream_usage.body",
    "litellm/llama_anthropic_unary.body",
    "litellm/vllm_chat_stream_usage.body",
    "litellm/vllm_anthropic_unary.body",
    "litellm/vllm_anthropic_stream.body",
    "litellm/vllm_responses_unary.body",
    "litellm/vllm_compl_stream_usage.body",
    "compressed/envoy_gzip_chat_stream.body",
    "compressed/envoy_gzip_chat_unary.body",
    "compressed/envoy_zstd_chat_stream.body",
    "compressed/nginx_gzip_buffered_chat_stream.body",
    "compressed/nginx_gzip_buffered_chat_unary.body",
    "derived/no_final_blank_line.sse",
    "derived/truncated_in_usage.sse",
    "derived/usage_zero_each.sse",
    "derived/usage_zero_only.sse",
    "derived/usage_duplicate.sse",
    "derived/usage_in_last_choice_chunk.sse",
    "derived/data_null.sse",
    "derived/azure_first_chunk.sse",
    "derived/deepseek_cache.sse",
    "derived/completion_tokens_null.sse",
    "derived/usage_escaped_key.sse",
    "derived/nested_fake_usage.sse",
    "derived/responses_completed_200k.sse",
    "derived/anthropic_native_cumulative.sse",
    "derived/anthropic_delta_repeats_cache.sse",
    "derived/anthropic_delta_input_zero.sse",
    "derived/anthropic_then_done.sse",
    "derived/responses_incomplete.sse",
    "derived/responses_failed_no_usage.sse",
    "derived/gemini_native_cumulative.sse",
    "derived/gemini_openai_compat_cumulative.sse",
    "derived/deepseek_unary_leading_blank_lines.json",
    "derived/gzip_multi_member.sse.gz",
    "derived/wrong_ct_sse_as_json.sse",
    "derived/xai_reasoning_outside.sse",
    "derived/completion_zero_reasoning.sse",
    "derived/thoughts_in_total_only.sse",
    "derived/cache_outside_prompt.sse",
    "derived/responses_cached_top_level.json",
    "derived/predicted_outputs.json",
    "derived/n2_preview_and_final.sse",
    "derived/n2_usage_duplicate.sse",
    "derived/n3_usage_duplicate.sse",
    "derived/usage_first_chunk_only.sse",
    "derived/usage_mid_only.sse",
    "derived/usage_each_then_null.sse",
    "derived/usage_before_finish.sse",
    "derived/anthropic_compaction.json",
    "derived/anthropic_spliced_second_message.sse",
    "derived/anthropic_two_messages.sse",
    "derived/anthropic_message_start_twice.sse",
    "derived/unasked_as_json.sse",
    "derived/unasked.sse",
    "derived/unasked_encoding_none.sse",
    "derived/encoding_identity.sse",
    "derived/delta_beside_message.sse",
    "derived/delta_beside_message_cut.sse",
    "derived/cohere_embed_billed_units.json",
    "derived/rerank_meta_tokens.json",
    "derived/negative_completion.json",
    "derived/completion_wrapped_around.sse",
    "derived/responses_image_tool.sse",
    "derived/x_groq_then_usage_null.sse",
    "derived/finish_null_string_cut.sse",
    "derived/finish_null_string.sse",
    "derived/unasked_heartbeat_lines.sse",
    "derived/single_newline_events.sse",
    "derived/unasked_single_newline_events.sse",
    "derived/prompt_and_completion_apart.sse",
    "derived/unasked_usage_on_finish_and_alone.sse",
    "derived/responses_two_completed.sse",
    "derived/gemini_tool_prompt.json",
    "derived/bedrock_converse.eventstream",
    "derived/bedrock_invoked_claude.eventstream",
    "derived/bedrock_converse_cut.eventstream",
    "derived/bedrock_converse.json",
    "derived/gemini_array.json",
    "derived/evicted.sse",
    "derived/titan_embed.json",
    "derived/vertex_embed.json",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Truth {
    file: String,
    operation: String,
    content_type: String,
    content_encoding: Option<String>,
    status: u16,
    ended: String,
    source: String,
    missing: Option<String>,
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    /// How many whole replies the stream is the sum of.
    #[serde(default = "one")]
    replies: u8,
}

const fn one() -> u8 {
    1
}

impl Truth {
    fn measure<'a>(&self, chunks: impl IntoIterator<Item = &'a [u8]>) -> Metered {
        let operation = match self.operation.as_str() {
            "generate" => Work::Generate,
            "embed" => Work::Embed,
            _ => Work::Other,
        };
        let mut meter = Meter::new(
            operation,
            Some(self.content_type.as_bytes()),
            self.content_encoding.as_deref().map(str::as_bytes),
            self.status,
        );
        for chunk in chunks {
            meter.push(chunk);
        }
        meter.finish(if self.ended == "complete" {
            End::Complete
        } else {
            End::ClientAborted
        })
    }

    fn check(&self, metered: &Metered, how: &str) {
        let source = match metered.source {
            Worth::Reported => "reported",
            Worth::Partial => "partial",
            Worth::Estimated => "estimated",
            Worth::None => "none",
            Worth::NotApplicable => "not_applicable",
        };
        let missing = metered.missing.map(|missing| match missing {
            Missing::NoUsage => "no_usage",
            Missing::Aborted => "aborted",
            Missing::Truncated => "truncated",
            Missing::Encoded => "encoded",
            Missing::ParseError => "parse_error",
            Missing::TooLarge => "too_large",
            Missing::Contradiction => "contradiction",
            Missing::Background => "background",
        });
        let usage = metered.usage;
        let name = &self.file;
        assert_eq!(
            (source, missing),
            (self.source.as_str(), self.missing.as_deref()),
            "{name} {how}"
        );
        assert_eq!(
            (usage.input, usage.output),
            (self.input, self.output),
            "{name} {how}"
        );
        assert_eq!(
            usage.cached_input.unwrap_or(0),
            self.cached.unwrap_or(0),
            "{name} {how}"
        );
    }
}

fn each(test: impl Fn(&Truth, &[u8])) {
    let truths = include_str!("../../../tests/fixtures/recordings/truth.jsonl");
    let truths: Vec<Truth> = truths
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(truths.len(), BODIES.len());
    for (truth, (file, body)) in truths.iter().zip(BODIES) {
        assert_eq!(truth.file, *file);
        test(truth, body);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn whole_and_byte_by_byte() {
    each(|truth, body| {
        truth.check(&truth.measure([body]), "whole");
        truth.check(&truth.measure(body.chunks(1)), "byte by byte");
    });
}

#[wasm_bindgen_test(unsupported = test)]
fn at_every_split_of_the_small_ones() {
    each(|truth, body| {
        if body.len() < 1000 {
            for split in 0..=body.len() {
                let (head, tail) = body.split_at(split);
                truth.check(&truth.measure([head, tail]), &format!("split at {split}"));
            }
        }
    });
}

#[wasm_bindgen_test(unsupported = test)]
fn with_other_line_ends() {
    each(|truth, body| {
        if let (Ok(text), "generate") = (std::str::from_utf8(body), truth.operation.as_str()) {
            for line_end in ["\r\n", "\r"] {
                let text = text
                    .replace("\r\n", "\n")
                    .replace('\r', "\n")
                    .replace('\n', line_end);
                let chunks = text.as_bytes().chunks(61);
                truth.check(&truth.measure(chunks), &format!("line end {line_end:?}"));
            }
        }
    });
}

#[wasm_bindgen_test(unsupported = test)]
fn a_cut_stream_never_claims_more_than_the_whole_one() {
    each(|truth, body| {
        // A stream that is cut behind its first reply has reported that.
        if truth.source != "reported" || truth.replies > 1 {
            return;
        }
        for part in 0..50 {
            let cut = Truth {
                ended: "aborted".into(),
                file: truth.file.clone(),
                operation: truth.operation.clone(),
                content_type: truth.content_type.clone(),
                content_encoding: None,
                source: String::new(),
                missing: None,
                ..*truth
            };
            let metered = cut.measure([&body[..body.len() * part / 50]]);
            let (input, output) = (metered.usage.input, metered.usage.output);
            if metered.source == Worth::Reported {
                assert_eq!(
                    (input, output),
                    (truth.input, truth.output),
                    "{} {part}",
                    truth.file
                );
            } else {
                assert!(
                    input <= truth.input && output <= truth.output,
                    "{} {part}",
                    truth.file
                );
            }
        }
    });
}

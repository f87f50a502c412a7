//! Where a reply says what the meter wants to know.

use crate::json::Wanted;

/// A usage object of the reply as a whole; the details of some servers hold a number per turn.
pub(crate) const USAGE_CAP: usize = 2048;
/// A usage object of a part of the reply.
pub(crate) const PART_CAP: usize = 1024;
/// Numbers, literals and type names.
const WORD_CAP: usize = 48;

const fn keep(path: &'static [&'static str], cap: usize) -> Wanted {
    Wanted { path, cap }
}

/// Only whether it occurs, and how long its text is.
const fn see(path: &'static [&'static str]) -> Wanted {
    Wanted { path, cap: 0 }
}

pub(super) const USAGE: usize = 0;
pub(super) const RESPONSE_USAGE: usize = 1;
pub(super) const MESSAGE_USAGE: usize = 2;
pub(super) const GROQ_USAGE: usize = 3;
pub(super) const TIMINGS: usize = 5;
pub(super) const GEMINI_USAGE: usize = 6;
pub(super) const LAST_USAGE: usize = GEMINI_USAGE;
pub(super) const TYPE: usize = 7;
pub(super) const STATUS: usize = 8;
pub(super) const ERROR: usize = 9;
pub(super) const RESPONSE_ERROR: usize = 10;
pub(super) const CHOICE: usize = 11;
pub(super) const CHOICE_INDEX: usize = 12;
pub(super) const CHOICE_FINISH: usize = 13;
pub(super) const STOP_REASON: usize = 14;
pub(super) const TOKENS_EVALUATED: usize = 15;
pub(super) const TOKENS_PREDICTED: usize = 16;
pub(super) const STOP: usize = 17;
pub(super) const PROMPT_EVAL_COUNT: usize = 18;
pub(super) const EVAL_COUNT: usize = 19;
pub(super) const DONE: usize = 20;
pub(super) const END_MARK: usize = 21;
pub(super) const FIRST_TOKEN: usize = 22;
pub(super) const CHOICE_TEXT: usize = 26;
pub(super) const FIRST_TEXT: usize = CHOICE_TEXT;

pub(super) const MEMBERS: &[Wanted] = &[
    keep(&["usage"], USAGE_CAP),
    keep(&["response", "usage"], USAGE_CAP),
    keep(&["message", "usage"], PART_CAP),
    keep(&["x_groq", "usage"], PART_CAP),
    keep(&["choices", "[]", "usage"], PART_CAP),
    keep(&["timings"], PART_CAP),
    keep(&["usageMetadata"], USAGE_CAP),
    keep(&["type"], WORD_CAP),
    keep(&["status"], WORD_CAP),
    keep(&["error"], WORD_CAP),
    keep(&["response", "error"], WORD_CAP),
    see(&["choices", "[]"]),
    keep(&["choices", "[]", "index"], WORD_CAP),
    keep(&["choices", "[]", "finish_reason"], WORD_CAP),
    keep(&["delta", "stop_reason"], WORD_CAP),
    // llama.cpp's own API.
    keep(&["tokens_evaluated"], WORD_CAP),
    keep(&["tokens_predicted"], WORD_CAP),
    keep(&["stop"], WORD_CAP),
    // Ollama's own API.
    keep(&["prompt_eval_count"], WORD_CAP),
    keep(&["eval_count"], WORD_CAP),
    keep(&["done"], WORD_CAP),
    // `data: [DONE]` reads as an array with one bare word.
    keep(&["[]"], WORD_CAP),
    // From here: one value for each generated token.
    see(&["choices", "[]", "token_ids", "[]"]),
    see(&["choices", "[]", "logprobs", "content", "[]"]),
    see(&["choices", "[]", "logprobs", "tokens", "[]"]),
    see(&["tokens", "[]"]),
    // From here: generated text, wherever a reply has it.
    see(&["choices", "[]", "text"]),
    see(&["choices", "[]", "delta", "content"]),
    see(&["choices", "[]", "delta", "reasoning_content"]),
    see(&["choices", "[]", "delta", "reasoning"]),
    see(&["choices", "[]", "delta", "refusal"]),
    see(&[
        "choices",
        "[]",
        "delta",
        "tool_calls",
        "[]",
        "function",
        "name",
    ]),
    see(&[
        "choices",
        "[]",
        "delta",
        "tool_calls",
        "[]",
        "function",
        "arguments",
    ]),
    see(&["choices", "[]", "message", "content"]),
    see(&["choices", "[]", "message", "reasoning_content"]),
    see(&["choices", "[]", "message", "reasoning"]),
    see(&[
        "choices",
        "[]",
        "message",
        "tool_calls",
        "[]",
        "function",
        "name",
    ]),
    see(&[
        "choices",
        "[]",
        "message",
        "tool_calls",
        "[]",
        "function",
        "arguments",
    ]),
    see(&["delta"]),         // Responses
    see(&["delta", "text"]), // Anthropic, and the next two
    see(&["delta", "thinking"]),
    see(&["delta", "partial_json"]),
    see(&["content"]),               // llama.cpp's own API
    see(&["content", "[]", "text"]), // Anthropic
    see(&["content", "[]", "thinking"]),
    see(&["output", "[]", "content", "[]", "text"]), // Responses
    see(&["output", "[]", "arguments"]),
    see(&["response"]), // Ollama, and the next one
    see(&["message", "content"]),
    see(&["candidates", "[]", "content", "parts", "[]", "text"]), // Gemini
];

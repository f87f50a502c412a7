//! Where a reply says what the meter wants to know.

use crate::json::{Paths, Table, Wanted};

/// A usage object of the reply as a whole; the details of some servers hold a number per turn.
pub(crate) const USAGE_CAP: usize = 2048;
/// A usage object of a part of the reply.
pub(crate) const PART_CAP: usize = 1024;
/// Numbers, literals and type names.
const WORD_CAP: usize = 48;

/// What a member tells the meter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member {
    /// A usage object.
    Usage(Whose),
    Word(Word),
    /// What the hosted tools of a response took.
    Tools,
    /// One of the choices is over.
    Choice,
    /// What is new of a choice.
    Delta,
    /// One value for each generated token.
    Token(List),
    /// Generated text.
    Text,
    /// The same, unless its choice has a delta as well.
    MessageText,
    /// The same, of a text completion, of which one request may hold several prompts.
    CompletionText,
}

/// Where a usage object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Top,
    Response,
    Message,
    Groq,
    Choice,
    Timings,
    Gemini,
    /// The same in one of several elements, which count while they generate.
    GeminiElement,
    MetaTokens,
    MetaBilled,
    /// Cohere, at the end of a stream.
    Delta,
    /// What Bedrock adds to the last event of any model.
    Invocation,
}

/// A number, a literal or a short text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    Type,
    Status,
    Error,
    /// The identifier of a message or a response.
    Id,
    ChoiceIndex,
    ChoiceFinish,
    StopReason,
    /// Counts of the APIs that have no usage object.
    NativeInput,
    NativeOutput,
    /// Whether their reply is over.
    NativeStop,
    /// One of several parts of them.
    PartInput,
    PartOutput,
    /// Why a reply is over, in an API that says so for the reply as a whole.
    Finish,
    EndMark,
}

/// A list that has one value for each generated token. One reply may have several.
#[derive(Clone, Copy, Debug)]
pub(super) enum List {
    Ids,
    Content,
    Tokens,
    NativeTokens,
}

const fn usage(whose: Whose, path: &'static [&'static str], cap: usize) -> (Member, Wanted) {
    (Member::Usage(whose), Wanted { path, cap })
}

const fn tools(path: &'static [&'static str]) -> (Member, Wanted) {
    let cap = PART_CAP;
    (Member::Tools, Wanted { path, cap })
}

const fn word(word: Word, path: &'static [&'static str]) -> (Member, Wanted) {
    let cap = WORD_CAP;
    (Member::Word(word), Wanted { path, cap })
}

/// Identifiers of OpenAI's responses have 53 characters.
const fn id(path: &'static [&'static str]) -> (Member, Wanted) {
    let cap = 128;
    (Member::Word(Word::Id), Wanted { path, cap })
}

/// Only whether it occurs, and how long its text is.
const fn see(member: Member, path: &'static [&'static str]) -> (Member, Wanted) {
    (member, Wanted { path, cap: 0 })
}

const fn token(list: List, path: &'static [&'static str]) -> (Member, Wanted) {
    see(Member::Token(list), path)
}

/// No two rows have one path, and their order means nothing.
const ROWS: [(Member, Wanted); 51] = [
    usage(Whose::Top, &["usage"], USAGE_CAP),
    usage(Whose::Response, &["response", "usage"], USAGE_CAP),
    usage(Whose::Message, &["message", "usage"], PART_CAP),
    usage(Whose::Groq, &["x_groq", "usage"], PART_CAP),
    usage(Whose::Choice, &["choices", "[]", "usage"], PART_CAP),
    usage(Whose::Timings, &["timings"], PART_CAP),
    usage(Whose::Gemini, &["usageMetadata"], USAGE_CAP),
    // Cohere's embeddings and rerank: what the model read, and what is billed of it.
    usage(Whose::MetaTokens, &["meta", "tokens"], PART_CAP),
    usage(Whose::MetaBilled, &["meta", "billed_units"], PART_CAP),
    usage(Whose::MetaTokens, &["response", "meta", "tokens"], PART_CAP),
    usage(
        Whose::MetaBilled,
        &["response", "meta", "billed_units"],
        PART_CAP,
    ),
    usage(Whose::Delta, &["delta", "usage"], PART_CAP),
    // Gemini's streams are one array unless `alt=sse` is asked for.
    usage(Whose::GeminiElement, &["[]", "usageMetadata"], USAGE_CAP),
    usage(
        Whose::Invocation,
        &["amazon-bedrock-invocationMetrics"],
        PART_CAP,
    ),
    tools(&["tool_usage"]),
    tools(&["response", "tool_usage"]),
    word(Word::Type, &["type"]),
    word(Word::Status, &["status"]),
    word(Word::Error, &["error"]),
    word(Word::Error, &["response", "error"]),
    id(&["message", "id"]),
    id(&["response", "id"]),
    see(Member::Choice, &["choices", "[]"]),
    see(Member::Delta, &["choices", "[]", "delta"]),
    word(Word::ChoiceIndex, &["choices", "[]", "index"]),
    word(Word::ChoiceFinish, &["choices", "[]", "finish_reason"]),
    word(Word::StopReason, &["delta", "stop_reason"]),
    // llama.cpp's own API.
    word(Word::NativeInput, &["tokens_evaluated"]),
    word(Word::NativeOutput, &["tokens_predicted"]),
    word(Word::NativeStop, &["stop"]),
    // Ollama's own API.
    word(Word::NativeInput, &["prompt_eval_count"]),
    word(Word::NativeOutput, &["eval_count"]),
    word(Word::NativeStop, &["done"]),
    // Cohere's first API.
    word(Word::NativeStop, &["is_finished"]),
    // Bedrock's Titan.
    word(Word::NativeInput, &["inputTextTokenCount"]),
    word(Word::PartOutput, &["results", "[]", "tokenCount"]),
    // Vertex AI's embeddings.
    word(
        Word::PartInput,
        &[
            "predictions",
            "[]",
            "embeddings",
            "statistics",
            "token_count",
        ],
    ),
    // Gemini: "if empty, the model has not stopped generating tokens" (Google's page on `GenerateContentResponse`).
    word(Word::Finish, &["candidates", "[]", "finishReason"]),
    word(Word::Finish, &["promptFeedback", "blockReason"]),
    word(Word::Finish, &["[]", "candidates", "[]", "finishReason"]),
    word(Word::Finish, &["[]", "promptFeedback", "blockReason"]),
    // Cohere's second API, and Bedrock's Converse.
    word(Word::Finish, &["delta", "finish_reason"]),
    word(Word::Finish, &["stopReason"]),
    // `data: [DONE]` reads as an array with one bare word.
    word(Word::EndMark, &["[]"]),
    token(List::Ids, &["choices", "[]", "token_ids", "[]"]),
    token(
        List::Content,
        &["choices", "[]", "logprobs", "content", "[]"],
    ),
    token(List::Tokens, &["choices", "[]", "logprobs", "tokens", "[]"]),
    token(List::NativeTokens, &["tokens", "[]"]),
    // Generated text; the other places of each are below.
    see(Member::CompletionText, &["choices", "[]", "text"]),
    see(Member::Text, TEXT),
    see(Member::MessageText, MESSAGE_TEXT),
];

const TEXT: &[&str] = &["choices", "[]", "delta", "content"];
const MESSAGE_TEXT: &[&str] = &["choices", "[]", "message", "content"];

/// Generated text, wherever a reply has it.
const TEXTS_TOO: &[&[&str]] = &[
    &["choices", "[]", "delta", "reasoning_content"],
    &["choices", "[]", "delta", "reasoning"],
    &["choices", "[]", "delta", "refusal"],
    &[
        "choices",
        "[]",
        "delta",
        "tool_calls",
        "[]",
        "function",
        "name",
    ],
    &[
        "choices",
        "[]",
        "delta",
        "tool_calls",
        "[]",
        "function",
        "arguments",
    ],
    &["delta"],         // Responses
    &["delta", "text"], // Anthropic and Bedrock's Converse, and the next two Anthropic
    &["delta", "thinking"],
    &["delta", "partial_json"],
    &["delta", "toolUse", "input"], // Converse, and the next two
    &["delta", "reasoningContent", "text"],
    &["output", "message", "content", "[]", "text"],
    &["delta", "message", "content", "text"], // Cohere
    &["content"],                             // llama.cpp's own API
    &["content", "[]", "text"],               // Anthropic, and the next one
    &["content", "[]", "thinking"],
    &["output", "[]", "content", "[]", "text"], // Responses, and the next one
    &["output", "[]", "arguments"],
    &["response"], // Ollama, and the next one
    &["message", "content"],
    &["candidates", "[]", "content", "parts", "[]", "text"], // Gemini, and the next one
    &["[]", "candidates", "[]", "content", "parts", "[]", "text"],
];

/// The same of what a delta may say again.
const MESSAGE_TEXTS_TOO: &[&[&str]] = &[
    &["choices", "[]", "message", "reasoning_content"],
    &["choices", "[]", "message", "reasoning"],
    &[
        "choices",
        "[]",
        "message",
        "tool_calls",
        "[]",
        "function",
        "name",
    ],
    &[
        "choices",
        "[]",
        "message",
        "tool_calls",
        "[]",
        "function",
        "arguments",
    ],
];

/// All places of all members.
pub(super) fn paths() -> Paths {
    Paths::new(&MEMBERS.wanted)
        .also(TEXT, TEXTS_TOO)
        .also(MESSAGE_TEXT, MESSAGE_TEXTS_TOO)
}

pub(super) static MEMBERS: Table<Member, { ROWS.len() }> = Table::new(&ROWS);

/// A bit for each row whose member is of this kind.
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would refuse what panics"
)]
const fn rows_of(texts: bool) -> u64 {
    let mut rows = 0;
    let mut index = 0;
    while index < ROWS.len() {
        let (is_text, is_object) = match ROWS[index].0 {
            Member::Text | Member::MessageText => (true, false),
            Member::CompletionText => (true, true),
            Member::Delta | Member::Word(Word::Error) => (false, true),
            _ => (false, false),
        };
        if (texts && is_text) || (!texts && is_object) {
            rows |= 1 << index;
        }
        index += 1;
    }
    rows
}

/// The texts of which one character shows that their event has something beside counts.
pub(super) const TEXTS: u64 = rows_of(true);

/// The objects and arrays of which one member or element shows it.
pub(super) const OBJECTS: u64 = rows_of(false);

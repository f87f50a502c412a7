//! Where a reply says what the meter wants to know.

use crate::json::{Table, Wanted};

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
    MetaTokens,
    MetaBilled,
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
    /// Why a reply of Gemini's is over; "if empty, the model has not stopped generating tokens" (Google's page on
    /// `GenerateContentResponse`).
    GeminiFinish,
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

const fn text(path: &'static [&'static str]) -> (Member, Wanted) {
    see(Member::Text, path)
}

const fn message_text(path: &'static [&'static str]) -> (Member, Wanted) {
    see(Member::MessageText, path)
}

/// No two rows have one path, and their order means nothing.
const ROWS: [(Member, Wanted); 59] = [
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
    word(Word::GeminiFinish, &["candidates", "[]", "finishReason"]),
    word(Word::GeminiFinish, &["promptFeedback", "blockReason"]),
    // `data: [DONE]` reads as an array with one bare word.
    word(Word::EndMark, &["[]"]),
    token(List::Ids, &["choices", "[]", "token_ids", "[]"]),
    token(
        List::Content,
        &["choices", "[]", "logprobs", "content", "[]"],
    ),
    token(List::Tokens, &["choices", "[]", "logprobs", "tokens", "[]"]),
    token(List::NativeTokens, &["tokens", "[]"]),
    // Generated text, wherever a reply has it.
    see(Member::CompletionText, &["choices", "[]", "text"]),
    text(&["choices", "[]", "delta", "content"]),
    text(&["choices", "[]", "delta", "reasoning_content"]),
    text(&["choices", "[]", "delta", "reasoning"]),
    text(&["choices", "[]", "delta", "refusal"]),
    text(&[
        "choices",
        "[]",
        "delta",
        "tool_calls",
        "[]",
        "function",
        "name",
    ]),
    text(&[
        "choices",
        "[]",
        "delta",
        "tool_calls",
        "[]",
        "function",
        "arguments",
    ]),
    message_text(&["choices", "[]", "message", "content"]),
    message_text(&["choices", "[]", "message", "reasoning_content"]),
    message_text(&["choices", "[]", "message", "reasoning"]),
    message_text(&[
        "choices",
        "[]",
        "message",
        "tool_calls",
        "[]",
        "function",
        "name",
    ]),
    message_text(&[
        "choices",
        "[]",
        "message",
        "tool_calls",
        "[]",
        "function",
        "arguments",
    ]),
    text(&["delta"]),         // Responses
    text(&["delta", "text"]), // Anthropic, and the next two
    text(&["delta", "thinking"]),
    text(&["delta", "partial_json"]),
    text(&["content"]),               // llama.cpp's own API
    text(&["content", "[]", "text"]), // Anthropic
    text(&["content", "[]", "thinking"]),
    text(&["output", "[]", "content", "[]", "text"]), // Responses
    text(&["output", "[]", "arguments"]),
    text(&["response"]), // Ollama, and the next one
    text(&["message", "content"]),
    text(&["candidates", "[]", "content", "parts", "[]", "text"]), // Gemini
];

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

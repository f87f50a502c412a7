//! Words, and how they are counted: one word is one token.

use serde_json::Value;

/// What every answer says, over and over if more is asked for.
const ANSWER: &str = "Hello from the simulated inference server. \
                      Every word here is one token, and nothing was learned.";

/// Tokens of an answer that `max_tokens` does not limit: the words of `ANSWER`.
pub(crate) const DEFAULT_TOKENS: u64 = 16;

/// The token at `position` of an answer, with the space that parts it from the one before.
pub(crate) fn token(position: u64) -> String {
    let mut words = ANSWER.split(' ').zip(0..);
    let word = words.find(|(_, place)| *place == position % DEFAULT_TOKENS);
    let space = if position == 0 { "" } else { " " };
    format!("{space}{}", word.map_or("", |(word, _)| word))
}

/// The first `tokens` tokens of an answer.
pub(crate) fn answer(tokens: u64) -> String {
    (0..tokens).map(token).collect()
}

/// Counts the tokens of a prompt, in any of the shapes that the APIs allow.
///
/// A string has one for each of its whitespace-separated words, a number is a token id and so is one, a list has the sum
/// of its items, and an object (a message, a content part) has those of its `content` and `text`. Anything else has none.
pub(crate) fn count(prompt: &Value) -> u64 {
    match prompt {
        Value::String(text) => text.split_whitespace().count() as u64,
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => ["content", "text"]
            .iter()
            .filter_map(|name| members.get(*name))
            .map(count)
            .sum(),
        Value::Null | Value::Bool(_) => 0,
    }
}

/// The tokens of each prompt: a string or a list of token ids is one prompt, a list of either is several.
pub(crate) fn count_each(prompt: &Value) -> Vec<u64> {
    match prompt {
        Value::Array(items) if !items.iter().all(Value::is_number) => {
            items.iter().map(count).collect()
        }
        one => vec![count(one)],
    }
}

//! Every known shape of a usage object, read into one [`Usage`], and the sum of them over one reply.
//!
//! Numbers are read as leniently as they are sent: `18`, `18.0`, `"18"` and `1.8e1` are eighteen; `null`, negative numbers
//! and everything else are as good as absent. It must never take a number from another place than the documented ones:
//! texts and tool arguments contain counts as well.

pub(crate) mod tally;

pub(crate) use self::tally::{Finality, Tally};

use std::rc::Rc;

use crate::json::{Grammar, Paths, Scanner, Wanted};

thread_local! {
    static PATHS: Rc<Paths> = Rc::new(Paths::new(FIELDS));
}

/// Counts above this are taken for this: no request has four billion tokens, and one absurd number must not drown a
/// counter for good.
pub const MAX_COUNT: u64 = u32::MAX as u64;

/// Tokens of one request. `None` is unknown, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens of the prompt, including `cached_input` and `cache_creation_input`.
    pub input: Option<u64>,
    /// All generated tokens, including `reasoning`.
    pub output: Option<u64>,
    /// The part of `input` that was read from a cache.
    pub cached_input: Option<u64>,
    /// The part of `input` that was written to a cache.
    pub cache_creation_input: Option<u64>,
    /// The part of `output` that is reasoning.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Nothing is known.
    pub const NONE: Self = Self {
        input: None,
        output: None,
        cached_input: None,
        cache_creation_input: None,
        reasoning: None,
    };

    /// Whether nothing is counted: the usage object that some servers put on every chunk until the last.
    pub fn is_zero(&self) -> bool {
        self.input.unwrap_or(0) == 0 && self.output.unwrap_or(0) == 0
    }
}

/// One usage object as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    pub(crate) cache_creation: Option<u64>,
    pub(crate) reasoning: Option<u64>,
    pub(crate) total: Option<u64>,
    /// Anthropic's shape: the cache counts are not contained in `input`.
    pub(crate) cache_is_extra: bool,
}

impl Counts {
    /// In the inclusive meaning of [`Usage`]. A missing side is the total less the other side.
    pub(crate) fn usage(&self) -> Usage {
        let mut input = self.input;
        if self.cache_is_extra {
            input = sum([self.input, self.cache_read, self.cache_creation]);
        }
        let rest = |known: Option<u64>| Some(self.total?.saturating_sub(known?));
        Usage {
            input: input.or_else(|| rest(self.output)),
            output: self.output.or_else(|| rest(input)),
            cached_input: self.cache_read,
            cache_creation_input: self.cache_creation,
            reasoning: self.reasoning,
        }
    }
}

const fn field(path: &'static [&'static str]) -> Wanted {
    Wanted { path, cap: 40 }
}

/// In each group the first one that is not zero counts, else the first.
const FIELDS: &[Wanted] = &[
    field(&["prompt_tokens"]),
    field(&["promptTokenCount"]), // Gemini
    field(&["input_tokens"]),
    field(&["completion_tokens"]),
    field(&["output_tokens"]),
    field(&["total_tokens"]),
    field(&["totalTokenCount"]),
    field(&["prompt_tokens_details", "cached_tokens"]),
    field(&["input_tokens_details", "cached_tokens"]),
    field(&["cache_read_input_tokens"]), // Anthropic
    field(&["prompt_cache_hit_tokens"]), // DeepSeek
    field(&["cached_tokens"]),           // Moonshot
    field(&["cachedContentTokenCount"]),
    field(&["prompt_tokens_details", "created_cache_tokens"]), // vLLM
    field(&["prompt_tokens_details", "cache_creation_tokens"]), // LiteLLM
    field(&["input_tokens_details", "cache_write_tokens"]),
    field(&["cache_creation_input_tokens"]), // Anthropic
    field(&["completion_tokens_details", "reasoning_tokens"]),
    field(&["output_tokens_details", "reasoning_tokens"]),
    field(&["reasoning_tokens"]), // SGLang
    field(&["thoughtsTokenCount"]),
    field(&["candidatesTokenCount"]),
    field(&["prompt_n"]), // llama.cpp `timings`
    field(&["cache_n"]),
    field(&["predicted_n"]),
    field(&["input_tokens_details"]),
];
const INPUT_TOKENS: usize = 2;
const THOUGHTS: usize = 20;
const CANDIDATES: usize = 21;
const PROMPT_N: usize = 22;
const CACHE_N: usize = 23;
const PREDICTED_N: usize = 24;
const INPUT_DETAILS: usize = 25;

/// Reads `usage`, `timings` or `usageMetadata`. `None` for anything that holds no count, such as `null`.
pub(crate) fn read(raw: &[u8]) -> Option<Counts> {
    if !raw.starts_with(b"{") {
        return None;
    }
    let mut scanner = Scanner::with_paths(PATHS.with(Rc::clone), Grammar::Lenient);
    scanner.push(raw).ok()?;
    let number = |index| number(scanner.found(index)?.value()?);
    let first = |indexes: std::ops::Range<usize>| {
        let known = || indexes.clone().filter_map(number);
        known().find(|&count| count > 0).or_else(|| known().next())
    };
    let prompt = first(0..2).or_else(|| sum([number(PROMPT_N), number(CACHE_N)]));
    let has_details = scanner
        .found(INPUT_DETAILS)
        .is_some_and(|details| details.exact > 0);
    let counts = Counts {
        input: prompt
            .filter(|&count| count > 0)
            .or_else(|| number(INPUT_TOKENS))
            .or(prompt),
        output: first(3..5)
            .or_else(|| sum([number(CANDIDATES), number(THOUGHTS)]))
            .or_else(|| number(PREDICTED_N)),
        total: first(5..7),
        cache_read: first(7..13).or_else(|| number(CACHE_N)),
        cache_creation: first(13..17),
        reasoning: first(17..21),
        cache_is_extra: prompt.unwrap_or(0) == 0 && !has_details,
    };
    (counts
        != Counts {
            cache_is_extra: counts.cache_is_extra,
            ..Counts::default()
        })
    .then_some(counts)
}

/// A count from raw JSON, see the [module](self); at most [`MAX_COUNT`]. A fraction is cut off.
pub(crate) fn number(raw: &[u8]) -> Option<u64> {
    let text = raw
        .strip_prefix(b"\"")
        .and_then(|text| text.strip_suffix(b"\""))
        .unwrap_or(raw)
        .trim_ascii();
    let (whole, rest) = digits(text);
    if whole.is_empty() {
        return None;
    }
    if rest.is_empty() {
        return Some(count(whole.iter()));
    }
    let (fraction, rest) = rest.strip_prefix(b".").map_or((&[][..], rest), digits);
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', exponent @ ..] => std::str::from_utf8(exponent).ok()?.parse::<i16>().ok()?,
        _ => return None,
    };
    let length = isize::try_from(whole.len()).ok()?;
    let length = length.saturating_add(exponent.into());
    // Ten more digits take any number but zero above the highest count.
    let zeros = std::iter::repeat_n(&b'0', 10);
    let digits = whole.iter().chain(fraction).chain(zeros);
    Some(count(digits.take(length.try_into().unwrap_or(0))))
}

/// The digits at the start of a text, and what follows them.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, b""))
}

fn count<'a>(digits: impl Iterator<Item = &'a u8>) -> u64 {
    digits.fold(0, |count: u64, digit| {
        let digit = u64::from(digit.saturating_sub(b'0'));
        count
            .saturating_mul(10)
            .saturating_add(digit)
            .min(MAX_COUNT)
    })
}

/// The sum of what is known; `None` if nothing is.
pub(crate) fn sum(counts: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    counts
        .into_iter()
        .flatten()
        .reduce(|sum, count| sum.saturating_add(count).min(MAX_COUNT))
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails, as it should"
)]
mod tests;

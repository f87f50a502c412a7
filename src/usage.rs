//! Every known shape of a usage object, read into one [`Usage`], and the sum of them over one reply.
//!
//! Numbers are read as leniently as they are sent: `18`, `18.0`, `"18"` and `1.8e1` are eighteen; `null` and everything else
//! that is no number are as good as absent. A number that cannot be a count, because it is negative or has wrapped around,
//! spoils its object. It must never take a number from another place than the documented ones: texts and tool arguments
//! contain counts as well.

mod beside;
mod messages;
pub(crate) mod tally;
mod witness;

pub(crate) use self::beside::{Beside, hosted_tools};
pub(crate) use self::tally::{Finality, Place, Tally};
pub use self::witness::Contradiction;
pub(crate) use self::witness::Settled;

use std::rc::Rc;

use crate::json::{Grammar, Paths, Scanner, Table, Wanted};

thread_local! {
    static PATHS: Rc<Paths> = Rc::new(Paths::new(&FIELDS.wanted));
}

/// Makes what all readers share.
pub fn prepare() {
    PATHS.with(|_| {});
    beside::prepare();
}

/// What is above this is no count: no request has two billion tokens. Servers send such numbers where a small one has
/// wrapped around.
pub const MAX_COUNT: u64 = i32::MAX as u64;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    pub(crate) cache_creation: Option<u64>,
    pub(crate) reasoning: Option<u64>,
    pub(crate) total: Option<u64>,
    /// Anthropic's shape: the cache counts are not contained in `input`.
    pub(crate) cache_is_extra: bool,
    /// Gemini's shape: `reasoning` is not contained in `output`.
    pub(crate) reasoning_is_extra: bool,
    /// Gemini: what its tools put into the prompt, which `input` does not contain.
    pub(crate) tool_input: Option<u64>,
    /// One of the numbers cannot be a count.
    pub(crate) impossible: bool,
    /// What the server lists beside all of these.
    pub(crate) beside: Option<Box<Beside>>,
}

impl Counts {
    /// Whether nothing is known but a total: for embeddings that is the input.
    pub(crate) fn lone_total(&self) -> Option<u64> {
        let sides = [self.input, self.output];
        let lone = !self.impossible && sides.iter().all(|side| side.unwrap_or(0) == 0);
        self.total.filter(|&total| lone && total > 0)
    }

    /// Whether neither side is said, nor anything that would spoil one.
    pub(crate) const fn says_nothing(&self) -> bool {
        self.input.is_none() && self.output.is_none() && !self.impossible
    }
}

/// What a member of a usage object counts.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// All tokens of the prompt.
    Prompt,
    /// The same, or in Anthropic's shape without those of the cache.
    Input,
    /// Whose presence tells that the shape is not Anthropic's.
    InputDetails,
    Output,
    /// Cohere: what is billed, where it does not say what was read and written.
    BilledInput,
    BilledOutput,
    Total,
    CacheRead,
    CacheCreation,
    /// The same by the names of Anthropic, whose `input_tokens` leaves them out, and of Bedrock, whose `inputTokens` does
    /// (AWS's page on prompt caching: the input is the sum of the three).
    ExtraCacheRead,
    ExtraCacheCreation,
    Reasoning,
    /// Gemini: reasoning that its count of the output leaves out (Google's page on `UsageMetadata`, as the next two).
    Thoughts,
    /// Gemini: the output without its reasoning.
    Candidates,
    /// Gemini: input that its count of the prompt leaves out.
    ToolPrompt,
    /// Anthropic: the samplings that one reply took.
    Iterations,
    /// llama.cpp `timings`: the prompt without what was cached.
    PromptN,
    CacheN,
    PredictedN,
}

const fn row(field: Field, path: &'static [&'static str]) -> (Field, Wanted) {
    (field, Wanted { path, cap: 40 })
}

/// Of the rows of one field the first that is not zero counts, else the first. No other order means anything.
static FIELDS: Table<Field, 41> = Table::new(&[
    row(Field::Prompt, &["prompt_tokens"]),
    row(Field::Prompt, &["promptTokenCount"]), // Gemini
    row(Field::Input, &["input_tokens"]),
    row(Field::Input, &["inputTokens"]), // Bedrock's Converse; `outputTokens` and `totalTokens` too
    row(Field::Input, &["inputTokenCount"]), // Bedrock's metrics of an invocation; `outputTokenCount` too
    row(Field::Input, &["tokens", "input_tokens"]), // Cohere's second API; `output_tokens` too
    row(Field::BilledInput, &["billed_units", "input_tokens"]),
    row(Field::InputDetails, &["input_tokens_details"]),
    row(Field::Output, &["completion_tokens"]),
    row(Field::Output, &["output_tokens"]),
    row(Field::Output, &["outputTokens"]),
    row(Field::Output, &["outputTokenCount"]),
    row(Field::Output, &["tokens", "output_tokens"]),
    row(Field::BilledOutput, &["billed_units", "output_tokens"]),
    row(Field::Total, &["total_tokens"]),
    row(Field::Total, &["totalTokenCount"]),
    row(Field::Total, &["totalTokens"]),
    row(
        Field::CacheRead,
        &["prompt_tokens_details", "cached_tokens"],
    ),
    row(Field::CacheRead, &["input_tokens_details", "cached_tokens"]),
    row(Field::ExtraCacheRead, &["cache_read_input_tokens"]), // Anthropic
    row(Field::ExtraCacheRead, &["cacheReadInputTokens"]),    // Bedrock, and the next one
    row(Field::ExtraCacheRead, &["cacheReadInputTokenCount"]),
    row(Field::CacheRead, &["prompt_cache_hit_tokens"]), // DeepSeek
    row(Field::CacheRead, &["cached_tokens"]),           // Moonshot
    row(Field::CacheRead, &["cachedContentTokenCount"]),
    // vLLM
    row(
        Field::CacheCreation,
        &["prompt_tokens_details", "created_cache_tokens"],
    ),
    // LiteLLM
    row(
        Field::CacheCreation,
        &["prompt_tokens_details", "cache_creation_tokens"],
    ),
    row(
        Field::CacheCreation,
        &["input_tokens_details", "cache_write_tokens"],
    ),
    row(Field::ExtraCacheCreation, &["cache_creation_input_tokens"]), // Anthropic
    row(Field::ExtraCacheCreation, &["cacheWriteInputTokens"]),       // Bedrock, and the next one
    row(Field::ExtraCacheCreation, &["cacheWriteInputTokenCount"]),
    row(
        Field::Reasoning,
        &["completion_tokens_details", "reasoning_tokens"],
    ),
    row(
        Field::Reasoning,
        &["output_tokens_details", "reasoning_tokens"],
    ),
    row(Field::Reasoning, &["reasoning_tokens"]), // SGLang
    row(Field::Thoughts, &["thoughtsTokenCount"]),
    row(Field::Candidates, &["candidatesTokenCount"]),
    row(Field::ToolPrompt, &["toolUsePromptTokenCount"]),
    row(Field::Iterations, &["iterations"]),
    row(Field::PromptN, &["prompt_n"]),
    row(Field::CacheN, &["cache_n"]),
    row(Field::PredictedN, &["predicted_n"]),
]);

/// Reads `usage`, `timings` or `usageMetadata`. `None` for anything that holds no count, such as `null`.
pub(crate) fn read(raw: &[u8]) -> Option<Counts> {
    read_fields(raw, &FIELDS, PATHS.with(Rc::clone))
}

/// `paths` are those of `fields`.
fn read_fields<const ROWS: usize>(
    raw: &[u8],
    fields: &Table<Field, ROWS>,
    paths: Rc<Paths>,
) -> Option<Counts> {
    if !raw.starts_with(b"{") {
        return None;
    }
    let mut scanner = Scanner::with_paths(paths, Grammar::Lenient);
    scanner.push(raw).ok()?;
    let mut counts = Counts::default();
    let (mut prompt, mut input) = (None, None);
    let (mut thoughts, mut candidates) = (None, None);
    let (mut prompt_n, mut cache_n, mut predicted_n) = (None, None, None);
    let (mut extra_read, mut extra_creation) = (None, None);
    let (mut billed_input, mut billed_output) = (None, None);
    let (mut has_details, mut has_iterations) = (false, false);
    for (index, field) in fields.tags().iter().enumerate() {
        let Some(found) = scanner.found(index).filter(|found| found.exact > 0) else {
            continue;
        };
        let group = match field {
            Field::Prompt => &mut prompt,
            Field::Input => &mut input,
            Field::InputDetails => {
                has_details = true;
                continue;
            }
            Field::Iterations => {
                has_iterations = found.first == b'[' && !found.empty;
                continue;
            }
            Field::Output => &mut counts.output,
            Field::BilledInput => &mut billed_input,
            Field::BilledOutput => &mut billed_output,
            Field::Total => &mut counts.total,
            Field::CacheRead => &mut counts.cache_read,
            Field::CacheCreation => &mut counts.cache_creation,
            Field::ExtraCacheRead => &mut extra_read,
            Field::ExtraCacheCreation => &mut extra_creation,
            Field::Reasoning => &mut counts.reasoning,
            Field::Thoughts => &mut thoughts,
            Field::Candidates => &mut candidates,
            Field::ToolPrompt => &mut counts.tool_input,
            Field::PromptN => &mut prompt_n,
            Field::CacheN => &mut cache_n,
            Field::PredictedN => &mut predicted_n,
        };
        match found.value().map_or(Number::None, numeral) {
            Number::Count(count) => *group = first(*group, Some(count)),
            // A part that cannot be says nothing of the whole that contains it.
            Number::Impossible => counts.impossible |= field.is_summed(),
            Number::None => {}
        }
    }
    let prompt = prompt.or_else(|| sum([prompt_n, cache_n]));
    let input = input.or(billed_input);
    counts.input = prompt.filter(|&count| count > 0).or(input).or(prompt);
    counts.output = counts.output.or(billed_output);
    if counts.output.is_none() {
        counts.reasoning_is_extra = thoughts.is_some() && candidates.is_some();
        counts.output = candidates.or(thoughts).or(predicted_n);
    }
    counts.reasoning = first(counts.reasoning, thoughts);
    let inside = counts.cache_read.unwrap_or(0) > 0 || counts.cache_creation.unwrap_or(0) > 0;
    counts.cache_is_extra = prompt.unwrap_or(0) == 0 && !has_details && !inside;
    counts.cache_read = first(counts.cache_read, extra_read).or(cache_n);
    counts.cache_creation = first(counts.cache_creation, extra_creation);
    if has_iterations {
        counts.beside = Some(Box::new(beside::iterations(raw, &counts)));
    }
    let known = [
        counts.input,
        counts.output,
        counts.total,
        counts.cache_read,
        counts.cache_creation,
        counts.reasoning,
        counts.tool_input,
    ];
    (counts.impossible || known.iter().any(Option::is_some)).then_some(counts)
}

impl Field {
    /// Whether the number is a part of a sum, or the sum, so that without it nothing is known.
    const fn is_summed(self) -> bool {
        match self {
            Self::Prompt
            | Self::Input
            | Self::Output
            | Self::BilledInput
            | Self::BilledOutput
            | Self::Total
            | Self::ExtraCacheRead
            | Self::ExtraCacheCreation
            | Self::Thoughts
            | Self::Candidates
            | Self::ToolPrompt
            | Self::PromptN
            | Self::CacheN
            | Self::PredictedN => true,
            Self::InputDetails
            | Self::CacheRead
            | Self::CacheCreation
            | Self::Reasoning
            | Self::Iterations => false,
        }
    }
}

/// The first of two counts that is not zero, else the first that is known.
fn first(count: Option<u64>, next: Option<u64>) -> Option<u64> {
    match (count, next) {
        (None | Some(0), Some(1..)) | (None, _) => next,
        _ => count,
    }
}

/// What raw JSON is as a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Count(u64),
    /// A number, but negative or above [`MAX_COUNT`].
    Impossible,
    /// No number.
    None,
}

/// A count from raw JSON, see the [module](self). A fraction is cut off.
pub(crate) fn number(raw: &[u8]) -> Option<u64> {
    match numeral(raw) {
        Number::Count(count) => Some(count),
        Number::Impossible | Number::None => None,
    }
}

/// As [`number`], and tells what cannot be a count from what is no number.
pub(crate) fn numeral(raw: &[u8]) -> Number {
    let text = raw
        .strip_prefix(b"\"")
        .and_then(|text| text.strip_suffix(b"\""))
        .unwrap_or(raw)
        .trim_ascii();
    let (text, negative) = text
        .strip_prefix(b"-")
        .map_or((text, false), |text| (text, true));
    match magnitude(text) {
        Some(0) => Number::Count(0),
        Some(count) if !negative && count <= MAX_COUNT => Number::Count(count),
        Some(_) => Number::Impossible,
        None => Number::None,
    }
}

/// A number without its sign; above [`MAX_COUNT`] any that is.
fn magnitude(text: &[u8]) -> Option<u64> {
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
            .min(MAX_COUNT + 1)
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

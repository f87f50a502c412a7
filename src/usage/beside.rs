//! Tokens that a server lists beside its usage, because they are not in it.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::witness::Settled;
use super::{Counts, Number, Usage, numeral, sum};
use crate::json::{Found, Grammar, Paths, Scanner, Table, Wanted};

thread_local! {
    static PATHS: Rc<Paths> = Rc::new(Paths::new(&ITERATIONS.wanted));
}

/// Makes what all readers share.
pub(super) fn prepare() {
    PATHS.with(|_| {});
}

/// What is to be added to a usage object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    pub(crate) cache_creation: Option<u64>,
    /// There is more that cannot be added, such as the tokens of another model.
    pub(crate) incomplete: bool,
}

impl Beside {
    /// There is something, and nobody knows how much.
    pub(crate) const INCOMPLETE: Self = Self {
        input: None,
        output: None,
        cache_read: None,
        cache_creation: None,
        incomplete: true,
    };
}

impl Settled {
    pub(super) fn add(&mut self, beside: &Beside) {
        let usage = &mut self.usage;
        if *usage != Usage::NONE {
            usage.input = sum([usage.input, beside.input]);
            usage.output = sum([usage.output, beside.output]);
            usage.cached_input = sum([usage.cached_input, beside.cache_read]);
            usage.cache_creation_input = sum([usage.cache_creation_input, beside.cache_creation]);
        }
        self.firm &= !beside.incomplete;
    }
}

#[derive(Clone, Copy, Debug)]
enum Iteration {
    End,
    Type,
    Input,
    Output,
    CacheRead,
    CacheCreation,
}

const fn row(member: Iteration, cap: usize, path: &'static [&'static str]) -> (Iteration, Wanted) {
    (member, Wanted { path, cap })
}

static ITERATIONS: Table<Iteration, 6> = Table::new(&[
    row(Iteration::End, 0, &["iterations", "[]"]),
    row(Iteration::Type, 40, &["iterations", "[]", "type"]),
    row(Iteration::Input, 40, &["iterations", "[]", "input_tokens"]),
    row(
        Iteration::Output,
        40,
        &["iterations", "[]", "output_tokens"],
    ),
    row(
        Iteration::CacheRead,
        40,
        &["iterations", "[]", "cache_read_input_tokens"],
    ),
    row(
        Iteration::CacheCreation,
        40,
        &["iterations", "[]", "cache_creation_input_tokens"],
    ),
]);

/// One sampling, or several.
#[derive(Clone, Copy, Debug, Default)]
struct Sampled {
    /// Input, output, read from the cache, written to it.
    counts: [Option<u64>; 4],
}

impl Sampled {
    fn add(&mut self, other: Self) {
        for (sum_so_far, count) in self.counts.iter_mut().zip(other.counts) {
            *sum_so_far = sum([*sum_so_far, count]);
        }
    }
}

/// Anthropic's `usage.iterations`: the top level has the sum of the type `message`, and leaves out `compaction`, which the
/// same model did (Anthropic's page on compaction). Those of other types are another model's, such as the advisor's (its page
/// on the advisor tool).
pub(super) fn iterations(raw: &[u8], top: &Counts) -> Beside {
    let mut scanner = Scanner::with_paths(PATHS.with(Rc::clone), Grammar::Lenient);
    let (mut messages, mut compactions, mut current) =
        (Sampled::default(), Sampled::default(), Sampled::default());
    let (mut is_message, mut is_compaction) = (false, false);
    let mut incomplete = false;
    let mut value = |index: usize, found: &mut Found| {
        let place = match ITERATIONS.tag(index) {
            None => return,
            Some(Iteration::End) => {
                let sampled = std::mem::take(&mut current);
                match (is_message, is_compaction) {
                    (true, _) => messages.add(sampled),
                    (_, true) => compactions.add(sampled),
                    _ => incomplete = true,
                }
                (is_message, is_compaction) = (false, false);
                return;
            }
            Some(Iteration::Type) => {
                is_message = found.value() == Some(b"\"message\"");
                is_compaction = found.value() == Some(b"\"compaction\"");
                return;
            }
            Some(Iteration::Input) => 0,
            Some(Iteration::Output) => 1,
            Some(Iteration::CacheRead) => 2,
            Some(Iteration::CacheCreation) => 3,
        };
        match found.value().map_or(Number::None, numeral) {
            Number::Count(count) => {
                if let Some(slot) = current.counts.get_mut::<usize>(place) {
                    *slot = Some(count);
                }
            }
            Number::Impossible => incomplete = true,
            Number::None => {}
        }
    };
    let whole = scanner.push_each(raw, |index, found, _| value(index, found));
    let mut all = messages;
    all.add(compactions);
    let is_top = |sampled: &Sampled| {
        let [input, output, ..] = sampled.counts;
        output.unwrap_or(0) == top.output.unwrap_or(0)
            && top.input.is_none_or(|top| input.unwrap_or(0) == top)
    };
    let mut beside = Beside {
        incomplete: incomplete || whole.is_err(),
        ..Beside::default()
    };
    let none = messages.counts.iter().all(Option::is_none);
    if none || is_top(&messages) {
        [
            beside.input,
            beside.output,
            beside.cache_read,
            beside.cache_creation,
        ] = compactions.counts;
        // All that is read has the inclusive meaning.
        beside.input = sum([beside.input, beside.cache_read, beside.cache_creation]);
    } else if !is_top(&all) {
        beside.incomplete = true;
    }
    beside
}

/// OpenAI's `tool_usage` of a response: for each hosted tool what it took, in a usage object of its own where it was tokens
/// (`image_gen`). The response's usage does not contain it: no page says so, `LiteLLM`'s tests of `ChatGPT`'s images have it.
pub(crate) fn hosted_tools(raw: &[u8]) -> Beside {
    let mut beside = Beside::default();
    let Ok(tools) = serde_json::from_slice::<Map<String, Value>>(raw) else {
        beside.incomplete = raw != b"null";
        return beside;
    };
    for tool in tools.values().filter(|tool| tool.is_object()) {
        let Some(counts) = super::read(tool.to_string().as_bytes()) else {
            continue;
        };
        let Settled { usage, firm, .. } = counts.settle(false);
        beside.input = sum([beside.input, usage.input]);
        beside.output = sum([beside.output, usage.output]);
        beside.cache_read = sum([beside.cache_read, usage.cached_input]);
        beside.incomplete |= !firm;
    }
    beside
}

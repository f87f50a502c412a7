//! The usage objects of one reply, added up as their shapes demand.

use super::{Counts, Usage, sum};

/// Choices with a larger position in the stream are not told apart, and what is reported is a lower bound.
pub(crate) const MAX_CHOICES: usize = 64;

/// When a usage is the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finality {
    /// Whatever comes after it.
    Now,
    /// If the reply goes on to its proper end.
    AtCleanEnd,
    /// It was followed by more.
    Never,
}

#[derive(Debug)]
struct Choice {
    index: u64,
    finished: bool,
    /// Cumulative.
    usage: Option<Usage>,
    /// `usage` came with the finish or after it.
    usage_is_last: bool,
}

/// Events that carry usage and no choice.
#[derive(Debug, Default)]
struct Totals {
    events: usize,
    last: Usage,
    output: Option<u64>,
    reasoning: Option<u64>,
    input: Option<u64>,
    cached_input: Option<u64>,
    /// llama.cpp: each counts one choice.
    timed: bool,
    /// All choices seen had finished when the last one came.
    settled: bool,
}

/// Anthropic's two places: `message_start` and `message_delta`.
#[derive(Debug, Default)]
pub(crate) struct Anthropic {
    counts: Option<Counts>,
    has_delta: bool,
    stopped: bool,
}

impl Anthropic {
    pub(crate) fn start(&mut self, counts: Counts) {
        self.counts = Some(counts);
    }

    /// Each is cumulative. Its input side takes the place of the start's if it counts anything: servers differ in what
    /// they send where, and one (vLLM) changes the meaning of `input_tokens` in between.
    pub(crate) fn delta(&mut self, delta: Counts) {
        self.has_delta |= delta.output.is_some();
        let counts = self.counts.get_or_insert_with(|| Counts {
            cache_is_extra: true,
            ..Counts::default()
        });
        if delta.usage().input.unwrap_or(0) > 0 {
            counts.input = delta.input.or(counts.input);
            counts.cache_read = delta.cache_read.or(counts.cache_read);
            counts.cache_creation = delta.cache_creation.or(counts.cache_creation);
            counts.cache_is_extra = delta.cache_is_extra;
        }
        counts.output = delta.output.or(counts.output);
        counts.reasoning = delta.reasoning.or(counts.reasoning);
    }

    /// The message has its stop reason.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }
}

/// Adds up one reply.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    choices: Vec<Choice>,
    too_many_choices: bool,
    totals: Totals,
    /// Usage on an event with several choices.
    shared: Option<Usage>,
    pub(crate) anthropic: Anthropic,
    whole: Option<(Usage, Finality)>,
    zero: Option<Usage>,
    /// Text completions: each choice may have a prompt of its own.
    pub(crate) texts: bool,
    /// `[DONE]` was seen.
    pub(crate) done: bool,
}

impl Tally {
    /// A choice was in an event, with its own usage if it has one.
    pub(crate) fn choice(&mut self, index: u64, finished: bool, usage: Option<Usage>) {
        let position = self.choices.iter().position(|choice| choice.index == index);
        if position.is_none() && self.choices.len() < MAX_CHOICES {
            // Most replies have one.
            self.choices.reserve_exact(1);
            self.choices.push(Choice {
                index,
                finished: false,
                usage: None,
                usage_is_last: false,
            });
        }
        let position = position.unwrap_or_else(|| self.choices.len().saturating_sub(1));
        match self.choices.get_mut(position) {
            Some(choice) if choice.index == index => {
                choice.finished |= finished;
                if let Some(usage) = usage.filter(|usage| !usage.is_zero()) {
                    choice.usage = Some(usage);
                    choice.usage_is_last = choice.finished;
                }
            }
            _ => self.too_many_choices = true,
        }
    }

    /// Usage of an event that has these many choices, the last of them with this index. `idle` says that the event
    /// brought no text and no finish. `timed` says that it is from a server that counts each choice on its own.
    pub(crate) fn event(
        &mut self,
        usage: Usage,
        choices: usize,
        index: u64,
        idle: bool,
        timed: bool,
    ) {
        if usage.is_zero() {
            self.zero = Some(usage);
            return;
        }
        let all_finished = self.all_finished();
        if choices == 0 || (idle && all_finished) {
            let totals = &mut self.totals;
            totals.events = totals.events.saturating_add(1);
            totals.last = usage;
            totals.output = sum([totals.output, usage.output]);
            totals.reasoning = sum([totals.reasoning, usage.reasoning]);
            totals.input = totals.input.max(usage.input);
            totals.cached_input = totals.cached_input.max(usage.cached_input);
            totals.timed |= timed;
            totals.settled = all_finished;
        } else if choices == 1 {
            self.choice(index, false, Some(usage));
        } else {
            self.shared = Some(usage);
        }
    }

    /// Usage of the whole reply, in one place. What was final stays.
    pub(crate) fn whole(&mut self, usage: Usage, finality: Finality) {
        if usage.is_zero() {
            self.zero = Some(usage);
        } else if !matches!(self.whole, Some((_, Finality::Now))) || finality == Finality::Now {
            self.whole = Some((usage, finality));
        }
    }

    /// The sum, and whether it is final. `clean` says that the reply came to its end without an error; `content`, that it
    /// had any.
    pub(crate) fn total(&self, clean: bool, content: bool) -> Option<(Usage, bool)> {
        let whole = self.whole.map(|(usage, finality)| {
            let last = match finality {
                Finality::Now => true,
                Finality::AtCleanEnd => clean,
                Finality::Never => false,
            };
            (usage, last)
        });
        whole
            .or_else(|| self.anthropic_total(clean))
            .or_else(|| self.totals_total(clean))
            .or_else(|| self.choices_total(clean))
            .or_else(|| Some((self.shared?, clean && (self.done || self.all_finished()))))
            // Zeros are believed only where nothing was generated.
            .or_else(|| {
                self.zero
                    .filter(|_| clean && !content)
                    .map(|zero| (zero, true))
            })
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.choices.capacity().saturating_mul(size_of::<Choice>())
    }

    fn anthropic_total(&self, clean: bool) -> Option<(Usage, bool)> {
        let Anthropic {
            counts,
            has_delta,
            stopped,
        } = self.anthropic;
        let usage = counts?.usage();
        (!usage.is_zero()).then_some((usage, has_delta && (stopped || clean)))
    }

    fn totals_total(&self, clean: bool) -> Option<(Usage, bool)> {
        let totals = &self.totals;
        if totals.events == 0 {
            return None;
        }
        let choices = self.choices.len();
        let settled = totals.settled || (clean && (self.done || self.choices.is_empty()));
        if choices > 1 && totals.events == choices {
            let usage = Usage {
                input: totals.input,
                output: totals.output,
                cached_input: totals.cached_input,
                cache_creation_input: totals.last.cache_creation_input,
                reasoning: totals.reasoning,
            };
            return Some((usage, settled));
        }
        let some_missing = totals.timed && choices > totals.events;
        Some((totals.last, settled && !some_missing))
    }

    fn choices_total(&self, clean: bool) -> Option<(Usage, bool)> {
        let known: Vec<Usage> = self
            .choices
            .iter()
            .filter_map(|choice| choice.usage)
            .collect();
        let first = known.first()?;
        let all = known.len() == self.choices.len() && !self.too_many_choices;
        let finished = self.choices.iter().all(|choice| choice.usage_is_last);
        let ended = if known.len() == 1 {
            finished || (clean && self.done)
        } else {
            clean && (finished || self.done)
        };
        let mut inputs: Vec<Option<u64>> = known.iter().map(|usage| usage.input).collect();
        inputs.sort_unstable();
        inputs.dedup();
        let one_prompt = inputs.len() == 1;
        let cached = known.iter().map(|usage| usage.cached_input);
        let created = known.iter().map(|usage| usage.cache_creation_input);
        // Equal inputs are one prompt with several answers, or several prompts of one length: only texts can be either.
        // Some equal and some not cannot be told apart at all.
        let ambiguous = known.len() > 1
            && if one_prompt {
                self.texts
            } else {
                inputs.len() < known.len()
            };
        let usage = Usage {
            input: sum(inputs),
            output: sum(known.iter().map(|usage| usage.output)),
            cached_input: if one_prompt {
                first.cached_input
            } else {
                sum(cached)
            },
            cache_creation_input: if one_prompt {
                first.cache_creation_input
            } else {
                sum(created)
            },
            reasoning: sum(known.iter().map(|usage| usage.reasoning)),
        };
        Some((usage, all && ended && !ambiguous))
    }

    fn all_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished)
    }
}

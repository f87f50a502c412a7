//! The usage objects of one reply, added up as their shapes demand.

use super::messages::{Messages, plus};
use super::witness::{Contradiction, Settled};
use super::{Usage, sum};

/// Choices with a larger position in the stream are not told apart, and what is reported is a lower bound.
pub(crate) const MAX_CHOICES: usize = 64;

/// When a usage is the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finality {
    /// Unless text comes after it.
    Now,
    /// If the reply goes on to its proper end.
    AtCleanEnd,
    /// It was followed by more.
    Never,
}

/// Where in a stream of choices a usage object stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// How many choices its event has.
    pub(crate) choices: usize,
    /// The index of the last of them.
    pub(crate) index: u64,
    /// The event brought no text and no finish.
    pub(crate) idle: bool,
    /// The reply has said that it is over.
    pub(crate) ended: bool,
    /// It is from a server that counts each choice on its own (llama.cpp).
    pub(crate) timed: bool,
    /// How many texts the reply had so far.
    pub(crate) texts: u64,
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
    /// Over all of them.
    sum: Usage,
    most_output: Option<u64>,
    most_input: Option<u64>,
    /// How many were llama.cpp's: each counts one choice.
    timed: usize,
    /// Text came between two of them, and the count of the output did not rise: they count one choice each.
    restarted: bool,
    /// The count of the output fell.
    fell: bool,
    /// The reply was over, or all choices seen had finished, when the last one came.
    settled: bool,
}

/// The usage of a whole reply in one place.
#[derive(Debug)]
struct Whole {
    usage: Usage,
    finality: Finality,
    /// A mark of the reply's identifier.
    id: u64,
}

/// What a server counts with each choice.
#[derive(Debug, Default)]
struct Running {
    /// The choice and the output of the last one.
    last: Option<(u64, u64)>,
    /// How often the next choice had a higher count than the one before.
    rises: usize,
    /// Once it had not.
    restarted: bool,
}

/// Adds up one reply.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    choices: Vec<Choice>,
    too_many_choices: bool,
    running: Running,
    totals: Option<Box<Totals>>,
    /// Usage on an event with several choices.
    shared: Option<Box<Usage>>,
    messages: Option<Box<Messages>>,
    whole: Option<Box<Whole>>,
    /// Replies that were over before `whole`.
    earlier: Option<Box<Usage>>,
    /// One reply has begun behind a whole one.
    begun: bool,
    zero: Option<Box<Usage>>,
    /// The last that was said of each side, wherever.
    sides: Usage,
    /// How many texts there were when the output was told last.
    texts: u64,
    /// The last usage object is not believed, or no more than a lower bound.
    unfirm: bool,
    contradiction: Option<Contradiction>,
    /// Text completions: each choice may have a prompt of its own.
    pub(crate) completions: bool,
    /// Nothing is generated.
    pub(crate) embeds: bool,
    /// `[DONE]` was seen.
    pub(crate) done: bool,
}

impl Tally {
    /// A choice was in an event, with its own usage if it has one.
    pub(crate) fn choice(
        &mut self,
        index: u64,
        finished: bool,
        settled: Option<&Settled>,
        texts: u64,
    ) {
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
        let heard = settled.filter(|settled| self.hear(settled, texts));
        let position = position.unwrap_or_else(|| self.choices.len().saturating_sub(1));
        match self.choices.get_mut(position) {
            Some(choice) if choice.index == index => {
                choice.finished |= finished;
                if let Some(settled) = heard {
                    choice.usage = Some(settled.usage);
                    choice.usage_is_last = choice.finished;
                } else if settled.is_some_and(|settled| !settled.is_believed()) {
                    choice.usage = None;
                }
            }
            _ => self.too_many_choices = true,
        }
    }

    /// Usage of an event of a stream of choices.
    pub(crate) fn event(&mut self, settled: &Settled, place: &Place) {
        let all_finished = self.all_finished();
        if place.choices == 0 || (place.idle && all_finished) {
            let texts_between = place.texts > self.texts;
            if self.hear(settled, place.texts) {
                let totals = self.totals.get_or_insert_default();
                totals.add(&settled.usage, place.timed, texts_between);
                totals.settled = all_finished || place.ended;
            }
        } else if place.choices == 1 {
            if let Some(output) = settled.usage.output {
                self.running.add(place.index, output);
            }
            self.choice(place.index, false, Some(settled), place.texts);
        } else if self.hear(settled, place.texts) {
            self.shared = Some(Box::new(settled.usage));
        }
    }

    /// Usage of the whole reply, in one place, after so many texts; `id` is a mark of the reply's identifier. What was
    /// final stays, and what is final of another reply is added to it.
    pub(crate) fn whole(&mut self, settled: &Settled, finality: Finality, id: u64, texts: u64) {
        let was_final = |whole: &Whole| whole.finality == Finality::Now;
        if self.whole.as_deref().is_some_and(was_final) && finality != Finality::Now {
            return;
        }
        if !self.hear(settled, texts) {
            return;
        }
        let usage = settled.usage;
        let whole = Box::new(Whole {
            usage,
            finality,
            id,
        });
        if let Some(other) = self.whole.replace(whole)
            && was_final(&other)
            && other.id != id
        {
            let earlier = self.earlier.take();
            let earlier = earlier.map_or(other.usage, |earlier| plus(&earlier, &other.usage));
            self.earlier = Some(Box::new(earlier));
        }
        self.begun = false;
    }

    /// Anthropic's messages.
    pub(crate) fn messages(&mut self) -> &mut Messages {
        self.messages.get_or_insert_default()
    }

    /// Anthropic's message has its stop reason.
    pub(crate) fn stop(&mut self) {
        if let Some(messages) = &mut self.messages {
            messages.stop();
        }
    }

    /// Whether a choice, a message or the usage of a reply has come.
    pub(crate) const fn has_begun(&self) -> bool {
        !self.choices.is_empty() || self.messages.is_some() || self.whole.is_some()
    }

    /// Whether one of Anthropic's messages has begun.
    pub(crate) const fn has_messages(&self) -> bool {
        self.messages.is_some()
    }

    /// Whether each choice has its finish, or the last message its stop reason.
    pub(crate) fn has_ended(&self) -> bool {
        let stopped = self.messages.as_ref().is_some_and(|it| it.is_stopped());
        stopped || self.all_finished()
    }

    /// A reply of the Responses API has begun.
    pub(crate) fn begin(&mut self) {
        self.begun = self.whole.is_some();
    }

    /// Takes notice of a usage object. Whether it counts anything, and is believed.
    fn hear(&mut self, settled: &Settled, texts: u64) -> bool {
        let usage = &settled.usage;
        if !settled.is_believed() {
            self.contradiction = settled.contradiction.or(self.contradiction);
            self.unfirm |= settled.contradiction.is_some();
            return false;
        }
        if usage.is_zero() {
            self.zero = Some(Box::new(*usage));
            return false;
        }
        self.contradiction = settled.contradiction;
        self.unfirm = !settled.firm;
        if usage.input.unwrap_or(0) > 0 {
            self.sides.input = usage.input;
            self.sides.cached_input = usage.cached_input;
            self.sides.cache_creation_input = usage.cache_creation_input;
        }
        if usage.output.is_some() {
            self.sides.output = usage.output;
            self.sides.reasoning = usage.reasoning;
            self.texts = texts;
        }
        true
    }

    /// The sum, and whether it is final: `clean` says that the reply came to its end without an error, `texts` how many
    /// texts it had. `None` where nothing is known; then a contradiction may say why.
    pub(crate) fn total(
        &self,
        clean: bool,
        texts: u64,
    ) -> (Option<Usage>, bool, Option<Contradiction>) {
        if let Some(whole) = &self.whole {
            let last = match whole.finality {
                Finality::Now => !self.begun,
                Finality::AtCleanEnd => clean,
                Finality::Never => false,
            };
            let earlier = self.earlier.as_ref();
            let usage = earlier.map_or(whole.usage, |earlier| plus(earlier, &whole.usage));
            return self.judged(usage, last, texts);
        }
        if let Some(messages) = &self.messages
            && let Some(messages) = messages.total(clean, texts)
        {
            let usage = Some(messages.usage).filter(|usage| !usage.is_zero());
            return (
                usage,
                messages.firm && usage.is_some(),
                messages.contradiction,
            );
        }
        if let Some(totals) = &self.totals {
            return self.totals_total(totals, clean, texts);
        }
        if let Some((usage, last)) = self.choices_total(clean) {
            return self.judged(usage, last, texts);
        }
        if let Some(shared) = self.shared.as_deref().copied() {
            return self.judged(shared, clean && (self.done || self.all_finished()), texts);
        }
        // Zeros are believed only where nothing was generated.
        let zero = self.zero.as_deref().copied();
        let zero = zero.filter(|_| clean && texts == 0 && !self.unfirm);
        (zero, zero.is_some(), self.contradiction)
    }

    /// A side that is missing is what was last said of it. What was followed by text is not final.
    fn judged(
        &self,
        mut usage: Usage,
        last: bool,
        texts: u64,
    ) -> (Option<Usage>, bool, Option<Contradiction>) {
        let sides = &self.sides;
        if usage.input.unwrap_or(0) == 0 && sides.input.is_some() {
            usage.input = sides.input;
            usage.cached_input = sides.cached_input;
            usage.cache_creation_input = sides.cache_creation_input;
        }
        if usage.output.is_none() {
            usage.output = sides.output;
            usage.reasoning = sides.reasoning;
        }
        let firm = last && !self.unfirm && self.texts == texts;
        (Some(usage), firm, self.contradiction)
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.choices.capacity().saturating_mul(size_of::<Choice>())
    }

    fn totals_total(
        &self,
        totals: &Totals,
        clean: bool,
        texts: u64,
    ) -> (Option<Usage>, bool, Option<Contradiction>) {
        let choices = self.choices.len();
        let settled = totals.settled || (clean && (self.done || self.choices.is_empty()));
        // A usage without choices counts them all, the last the most. Of one for each choice there has to be a proof.
        let one_each = totals.timed == totals.events || totals.restarted;
        if choices > 1 && totals.events == choices && one_each {
            let usage = Usage {
                input: totals.most_input,
                output: totals.sum.output,
                cached_input: totals.last.cached_input,
                cache_creation_input: totals.last.cache_creation_input,
                reasoning: totals.sum.reasoning,
            };
            return self.judged(usage, settled, texts);
        }
        let some_missing = totals.timed > 0 && choices > totals.events;
        if totals.fell && totals.timed == 0 {
            let mut usage = totals.last;
            usage.output = totals.most_output;
            let (usage, _, _) = self.judged(usage, false, texts);
            return (usage, false, Some(Contradiction::CountFell));
        }
        self.judged(totals.last, settled && !some_missing, texts)
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
        if known.len() > 1 && one_prompt && self.running.is_of_all() {
            // The highest is a lower bound, whichever way they count.
            let most = known.iter().max_by_key(|usage| usage.output)?;
            return Some((*most, false));
        }
        let cached = known.iter().map(|usage| usage.cached_input);
        let created = known.iter().map(|usage| usage.cache_creation_input);
        // Equal inputs are one prompt with several answers, or several prompts of one length: only texts can be either.
        // Some equal and some not cannot be told apart at all.
        let ambiguous = known.len() > 1
            && if one_prompt {
                self.completions
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

impl Totals {
    /// `texts_between` says that text came between this one and the one before.
    fn add(&mut self, usage: &Usage, timed: bool, texts_between: bool) {
        let rose = usage.output > self.last.output;
        if self.events > 0 && usage.output.is_some() {
            self.restarted |= texts_between && !rose;
            self.fell |= usage.output < self.most_output;
        }
        self.events = self.events.saturating_add(1);
        self.timed = self.timed.saturating_add(timed.into());
        self.last = *usage;
        self.sum = plus(&self.sum, usage);
        self.most_input = self.most_input.max(usage.input);
        self.most_output = self.most_output.max(usage.output);
    }
}

impl Running {
    fn add(&mut self, index: u64, output: u64) {
        if let Some((other, before)) = self.last.replace((index, output))
            && other != index
        {
            if output > before {
                self.rises = self.rises.saturating_add(1);
            } else {
                self.restarted = true;
            }
        }
    }

    /// Whether the counts look like running counts of all choices: they rose from each choice to the next, more than once.
    const fn is_of_all(&self) -> bool {
        self.rises > 1 && !self.restarted
    }
}

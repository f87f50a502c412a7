//! Anthropic's messages: their counts stand in two places, `message_start` and `message_delta`.

use super::witness::{Contradiction, Settled};
use super::{Counts, Usage};

/// The messages of one stream: one, or several, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    counts: Option<Counts>,
    /// A mark of the identifier of the open message.
    id: u64,
    has_delta: bool,
    stopped: bool,
    /// How many texts there were when the counts came.
    texts: u64,
    /// Those that are over.
    earlier: Option<Box<Settled>>,
}

impl Messages {
    /// A message begins. The same one may be announced again; another one ends the one ahead, whose last counts may not
    /// have come: gateways that try again splice the second reply into the first.
    pub(crate) fn start(&mut self, counts: Option<Counts>, id: u64, texts: u64) {
        let is_again = !self.stopped && self.id == id;
        if self.counts.is_some() && !is_again {
            let mut over = self.sum(texts);
            if !self.stopped {
                over.firm = false;
                over.contradiction = Some(Contradiction::MessageCut);
            }
            self.earlier = Some(Box::new(over));
        }
        if counts.is_some() || !is_again {
            self.counts = counts;
        }
        self.id = id;
        self.has_delta &= is_again;
        self.stopped = false;
        self.texts = texts;
    }

    /// Each is cumulative (Anthropic's page on streaming messages). Its input side takes the place of the start's if it counts anything: servers differ in what
    /// they send where, and one (vLLM) changes the meaning of `input_tokens` in between.
    pub(crate) fn delta(&mut self, delta: Counts, texts: u64) {
        self.has_delta |= delta.output.is_some();
        self.texts = texts;
        let counts = self.counts.get_or_insert_with(|| Counts {
            cache_is_extra: true,
            ..Counts::default()
        });
        if delta.by_shape().input.unwrap_or(0) > 0 {
            counts.input = delta.input.or(counts.input);
            counts.cache_read = delta.cache_read.or(counts.cache_read);
            counts.cache_creation = delta.cache_creation.or(counts.cache_creation);
            counts.cache_is_extra = delta.cache_is_extra;
            counts.impossible = false;
        }
        counts.output = delta.output.or(counts.output);
        counts.reasoning = delta.reasoning.or(counts.reasoning);
        counts.total = delta.total;
        counts.impossible |= delta.impossible;
        counts.beside = delta.beside;
    }

    /// The message has its stop reason.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether the last one has its stop reason.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What all of them took. `clean` says that the reply came to its end, `texts` how many texts it had.
    pub(crate) fn total(&self, clean: bool, texts: u64) -> Option<Settled> {
        self.counts.as_ref()?;
        let mut total = self.sum(texts);
        total.firm &= self.stopped || clean;
        (!total.usage.is_zero() || total.contradiction.is_some()).then_some(total)
    }

    /// Those that are over and the open one.
    fn sum(&self, texts: u64) -> Settled {
        let mut settled = match &self.counts {
            Some(counts) => counts.settle(false),
            None => Counts::default().settle(false),
        };
        settled.firm &= self.has_delta && self.texts == texts;
        if let Some(earlier) = &self.earlier {
            settled.usage = plus(&settled.usage, &earlier.usage);
            settled.firm &= earlier.firm;
            settled.contradiction = earlier.contradiction.or(settled.contradiction);
        }
        settled
    }
}

/// The sum of two replies.
pub(super) fn plus(one: &Usage, other: &Usage) -> Usage {
    let sum = |part: fn(&Usage) -> Option<u64>| super::sum([part(one), part(other)]);
    Usage {
        input: sum(|usage| usage.input),
        output: sum(|usage| usage.output),
        cached_input: sum(|usage| usage.cached_input),
        cache_creation_input: sum(|usage| usage.cache_creation_input),
        reasoning: sum(|usage| usage.reasoning),
    }
}

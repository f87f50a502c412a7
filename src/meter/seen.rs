//! What the documents of one reply have said, each read for its usage and its text.

use super::members;
use crate::json::Found;
use crate::usage::{Counts, Finality, Reader, Tally, Usage, number};

/// What one event, or the one document of an unstreamed reply, has said.
#[derive(Debug, Default)]
struct Event {
    usage: Option<Counts>,
    response_usage: Option<Counts>,
    message_usage: Option<Counts>,
    timings: Option<Counts>,
    gemini: Option<Counts>,
    native: Counts,
    /// `stop` of llama.cpp or `done` of Ollama.
    native_stop: bool,
    kind: Kind,
    stop_reason: bool,
    pending: bool,
    choices: usize,
    choice: Choice,
    last_index: u64,
    finished: bool,
    text: bool,
}

#[derive(Debug, Default)]
struct Choice {
    index: u64,
    finished: bool,
    usage: Option<Usage>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Other,
    MessageStart,
    MessageDelta,
    MessageStop,
    ResponseEnd,
}

/// Signs of generated tokens.
#[derive(Debug, Default)]
struct Signals {
    deltas: u64,
    text: u64,
    /// For each list that has one value for each token, how many it had.
    tokens: [u64; members::FIRST_TEXT - members::FIRST_TOKEN],
}

/// Everything that one reply has said.
#[derive(Debug, Default)]
pub(super) struct Seen {
    reader: Reader,
    event: Event,
    signals: Signals,
    pub(super) tally: Tally,
    /// The answer comes later, elsewhere.
    pub(super) background: bool,
    /// `total_tokens` without any other count.
    pub(super) lone_total: Option<u64>,
    /// A usage object exceeded its cap.
    pub(super) oversized: bool,
    pub(super) error: bool,
}

impl Seen {
    /// Forgets what the current document has said of usage.
    pub(super) fn drop_event(&mut self) {
        self.event = Event::default();
    }

    /// The only document is over; `whole` says that it was closed.
    pub(super) fn add_document(&mut self, whole: bool) {
        let event = std::mem::take(&mut self.event);
        self.background = event.pending;
        let counts = event
            .usage
            .or(event.response_usage)
            .or(event.message_usage)
            .or(event.gemini)
            .or(event.timings);
        if let Some(counts) = counts {
            // llama.cpp reports one of its choices only, and is known by its timings.
            let one_of_several = event.timings.is_some() && event.choices > 1;
            self.whole(
                counts,
                if one_of_several {
                    Finality::Never
                } else {
                    Finality::Now
                },
            );
        } else if event.native != Counts::default() {
            // Two members far apart: one of them may have been cut off.
            self.whole(
                event.native,
                if whole {
                    Finality::Now
                } else {
                    Finality::Never
                },
            );
        }
    }

    /// Whether any text has been seen.
    pub(super) fn content_seen(&self) -> bool {
        self.signals.deltas > 0
    }

    /// See [`super::Metered::estimate`].
    pub(super) fn estimate(&self) -> u64 {
        let exact = self.signals.tokens.iter().copied().max().unwrap_or(0);
        if exact > 0 {
            return exact;
        }
        self.signals.deltas.max(self.signals.text.div_ceil(4))
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.reader
            .heap_bytes()
            .saturating_add(self.tally.heap_bytes())
    }

    fn whole(&mut self, counts: Counts, finality: Finality) {
        if counts.input.is_none() && counts.output.is_none() {
            self.lone_total = counts.total;
        } else {
            self.tally.whole(counts.usage(), finality);
        }
    }

    /// One document of several is over.
    pub(super) fn add_event(&mut self) {
        let event = std::mem::take(&mut self.event);
        if event.stop_reason || event.kind == Kind::MessageStop {
            self.tally.anthropic.stop();
        }
        if let Some(counts) = event.message_usage {
            self.tally.anthropic.start(counts);
        }
        if let Some(counts) = event.response_usage {
            let finality = match event.kind {
                Kind::ResponseEnd => Finality::Now,
                _ => Finality::Never,
            };
            self.whole(counts, finality);
        }
        if let Some(counts) = event.gemini {
            self.whole(counts, Finality::AtCleanEnd);
        }
        match (event.kind, event.usage) {
            (Kind::MessageDelta, Some(counts)) => self.tally.anthropic.delta(counts),
            (_, Some(counts)) => self.add_usage(&event, counts, event.timings.is_some()),
            (_, None) => {
                if let Some(counts) = event.timings.filter(|_| event.native == Counts::default()) {
                    self.add_usage(&event, counts, true);
                }
            }
        }
        if event.native != Counts::default() {
            let finality = if event.native_stop {
                Finality::Now
            } else {
                Finality::Never
            };
            self.whole(event.native, finality);
        }
    }

    fn add_usage(&mut self, event: &Event, counts: Counts, timed: bool) {
        if counts.input.is_none() && counts.output.is_none() {
            return;
        }
        let idle = !event.finished && !event.text;
        self.tally
            .event(counts.usage(), event.choices, event.last_index, idle, timed);
    }

    /// A wanted value has been read, see [`members`].
    pub(super) fn value(&mut self, index: usize, found: &Found) {
        if index >= members::FIRST_TEXT {
            self.tally.texts |= index == members::CHOICE_TEXT;
            if found.text > 0 {
                self.event.text = true;
                self.signals.deltas = self.signals.deltas.saturating_add(1);
                self.signals.text = self.signals.text.saturating_add(found.text);
            }
            return;
        }
        if let Some(tokens) = index
            .checked_sub(members::FIRST_TOKEN)
            .and_then(|list| self.signals.tokens.get_mut(list))
        {
            *tokens = tokens.saturating_add(1);
            return;
        }
        let event = &mut self.event;
        if index == members::CHOICE {
            let choice = std::mem::take(&mut event.choice);
            event.choices = event.choices.saturating_add(1);
            event.last_index = choice.index;
            event.finished |= choice.finished;
            self.tally
                .choice(choice.index, choice.finished, choice.usage);
            return;
        }
        let Some(raw) = found.value() else {
            self.oversized |= index <= members::GEMINI_USAGE;
            self.error |= matches!(index, members::ERROR | members::RESPONSE_ERROR);
            return;
        };
        let says_something = !matches!(raw, b"null" | b"false" | b"\"\"");
        match index {
            members::USAGE => event.usage = self.reader.read(raw),
            members::GROQ_USAGE => event.usage = event.usage.or_else(|| self.reader.read(raw)),
            members::RESPONSE_USAGE => event.response_usage = self.reader.read(raw),
            members::MESSAGE_USAGE => event.message_usage = self.reader.read(raw),
            members::GEMINI_USAGE => event.gemini = self.reader.read(raw),
            members::TIMINGS => event.timings = self.reader.read(raw),
            members::CHOICE_USAGE => {
                event.choice.usage = self.reader.read(raw).map(|counts| counts.usage());
            }
            members::CHOICE_INDEX => event.choice.index = number(raw).unwrap_or(0),
            members::CHOICE_FINISH => event.choice.finished = says_something,
            members::TYPE => {
                event.kind = match raw {
                    b"\"message_start\"" => Kind::MessageStart,
                    b"\"message_delta\"" => Kind::MessageDelta,
                    b"\"message_stop\"" => Kind::MessageStop,
                    b"\"response.completed\""
                    | b"\"response.incomplete\""
                    | b"\"response.failed\"" => Kind::ResponseEnd,
                    _ => Kind::Other,
                };
            }
            members::STATUS => {
                event.pending = matches!(raw, b"\"queued\"" | b"\"in_progress\"");
            }
            members::STOP_REASON => event.stop_reason = says_something,
            members::ERROR | members::RESPONSE_ERROR => self.error |= says_something,
            members::TOKENS_EVALUATED | members::PROMPT_EVAL_COUNT => {
                event.native.input = number(raw);
            }
            members::TOKENS_PREDICTED | members::EVAL_COUNT => event.native.output = number(raw),
            members::STOP | members::DONE => event.native_stop |= raw == b"true",
            members::END_MARK => self.tally.done |= raw == b"DONE",
            _ => {}
        }
    }
}

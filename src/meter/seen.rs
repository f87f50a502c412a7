//! What the documents of one reply have said, each read for its usage and its text.

use super::members::{List, Member, Whose, Word};
use crate::json::Found;
use crate::usage::{Counts, Finality, Tally, Usage, number, read};

/// What one event, or the one document of an unstreamed reply, has said.
#[derive(Debug, Default)]
struct Event {
    /// Most events count nothing.
    counted: Option<Box<Counted>>,
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
struct Counted {
    usage: Option<Counts>,
    response_usage: Option<Counts>,
    message_usage: Option<Counts>,
    timings: Option<Counts>,
    gemini: Option<Counts>,
    native: Counts,
    /// Of the choice that is open.
    choice: Option<Usage>,
}

#[derive(Debug, Default)]
struct Choice {
    index: u64,
    finished: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Other,
    MessageStart,
    MessageDelta,
    MessageStop,
    ResponseEnd,
    MediaEnd,
}

/// Signs of generated tokens.
#[derive(Debug, Default)]
struct Signals {
    deltas: u64,
    text: u64,
    /// For each list that has one value for each token, how many it had.
    tokens: Tokens,
}

#[derive(Debug, Default)]
struct Tokens {
    ids: u64,
    content: u64,
    tokens: u64,
    native: u64,
}

/// Everything that one reply has said.
#[derive(Debug, Default)]
pub(super) struct Seen {
    event: Event,
    signals: Signals,
    pub(super) tally: Tally,
    /// The answer comes later, elsewhere.
    pub(super) background: bool,
    /// `total_tokens` without any other count.
    pub(super) lone_total: Option<u64>,
    /// How many usage objects have been read that count something, or are too large to tell.
    pub(super) usages: u64,
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
        let counted = event.counted.unwrap_or_default();
        let counts = counted
            .usage
            .or(counted.response_usage)
            .or(counted.message_usage)
            .or(counted.gemini)
            .or(counted.timings);
        if let Some(counts) = counts {
            // llama.cpp reports one of its choices only, and is known by its timings.
            let one_of_several = counted.timings.is_some() && event.choices > 1;
            self.whole(
                counts,
                if one_of_several {
                    Finality::Never
                } else {
                    Finality::Now
                },
            );
        } else if counted.native != Counts::default() {
            // Two members far apart: one of them may have been cut off.
            self.whole(
                counted.native,
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

    /// One more text of this many bytes.
    pub(super) fn add_text(&mut self, length: u64) {
        self.signals.deltas = self.signals.deltas.saturating_add(1);
        self.signals.text = self.signals.text.saturating_add(length);
    }

    /// Whether the current document has no usage, so far.
    pub(super) fn counts_nothing(&self) -> bool {
        self.event.counted.is_none()
    }

    /// See [`super::Metered::estimate`].
    pub(super) fn estimate(&self) -> u64 {
        let exact = self.signals.tokens.most();
        if exact > 0 {
            return exact;
        }
        self.signals.deltas.max(self.signals.text.div_ceil(4))
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let counted = self
            .event
            .counted
            .as_ref()
            .map_or(0, |_| size_of::<Counted>());
        self.tally.heap_bytes().saturating_add(counted)
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
        let mut event = std::mem::take(&mut self.event);
        if event.stop_reason || event.kind == Kind::MessageStop {
            self.tally.anthropic.stop();
        }
        let Some(counted) = event.counted.take() else {
            return;
        };
        if let Some(counts) = counted.message_usage {
            self.tally.anthropic.start(counts);
        }
        if let Some(counts) = counted.response_usage {
            let finality = match event.kind {
                Kind::ResponseEnd => Finality::Now,
                _ => Finality::Never,
            };
            self.whole(counts, finality);
        }
        if let Some(counts) = counted.gemini {
            self.whole(counts, Finality::AtCleanEnd);
        }
        match (event.kind, counted.usage) {
            (Kind::MessageDelta, Some(counts)) => self.tally.anthropic.delta(counts),
            (Kind::MediaEnd, Some(counts)) => self.whole(counts, Finality::Now),
            (_, Some(counts)) => self.add_usage(&event, counts, counted.timings.is_some()),
            (_, None) => {
                if let Some(counts) = counted
                    .timings
                    .filter(|_| counted.native == Counts::default())
                {
                    self.add_usage(&event, counts, true);
                }
            }
        }
        if counted.native != Counts::default() {
            let finality = if event.native_stop {
                Finality::Now
            } else {
                Finality::Never
            };
            self.whole(counted.native, finality);
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

    /// A wanted value has been read.
    pub(super) fn value(&mut self, member: Member, found: &mut Found) {
        match member {
            Member::Text | Member::CompletionText => {
                self.tally.texts |= matches!(member, Member::CompletionText);
                if found.text > 0 {
                    self.event.text = true;
                    self.add_text(found.text);
                }
            }
            Member::Token(list) => {
                let tokens = self.signals.tokens.of(list);
                *tokens = tokens.saturating_add(1);
            }
            Member::Choice => {
                let event = &mut self.event;
                let choice = std::mem::take(&mut event.choice);
                event.choices = event.choices.saturating_add(1);
                event.last_index = choice.index;
                event.finished |= choice.finished;
                let usage = event.counted.as_mut();
                let usage = usage.and_then(|counted| counted.choice.take());
                self.tally.choice(choice.index, choice.finished, usage);
            }
            Member::Usage(whose) => {
                let Some(raw) = found.value() else {
                    self.oversized = true;
                    self.usages = self.usages.saturating_add(1);
                    return;
                };
                let counts = read(raw);
                self.usages = self.usages.saturating_add(counts.is_some().into());
                self.event.usage(whose, counts);
                // They are large and seldom: no stream has to hold one until the next.
                found.raw = Vec::new();
            }
            Member::Word(word) => match found.value() {
                Some(raw) => self.word(word, raw),
                None => self.error |= matches!(word, Word::Error),
            },
        }
    }

    fn word(&mut self, word: Word, raw: &[u8]) {
        let event = &mut self.event;
        let says_something = !matches!(raw, b"null" | b"false" | b"\"\"");
        match word {
            Word::ChoiceIndex => event.choice.index = number(raw).unwrap_or(0),
            Word::ChoiceFinish => event.choice.finished = says_something,
            Word::Type => {
                event.kind = match raw {
                    b"\"message_start\"" => Kind::MessageStart,
                    b"\"message_delta\"" => Kind::MessageDelta,
                    b"\"message_stop\"" => Kind::MessageStop,
                    b"\"response.completed\""
                    | b"\"response.incomplete\""
                    | b"\"response.failed\"" => Kind::ResponseEnd,
                    b"\"image_generation.completed\""
                    | b"\"image_edit.completed\""
                    | b"\"transcript.text.done\""
                    | b"\"speech.audio.done\"" => Kind::MediaEnd,
                    _ => Kind::Other,
                };
            }
            Word::Status => {
                event.pending = matches!(raw, b"\"queued\"" | b"\"in_progress\"");
            }
            Word::StopReason => event.stop_reason = says_something,
            Word::Error => self.error |= says_something,
            Word::NativeInput => event.counted().native.input = number(raw),
            Word::NativeOutput => event.counted().native.output = number(raw),
            Word::NativeStop => event.native_stop |= raw == b"true",
            Word::EndMark => self.tally.done |= raw == b"DONE",
        }
    }
}

impl Tokens {
    const fn of(&mut self, list: List) -> &mut u64 {
        match list {
            List::Ids => &mut self.ids,
            List::Content => &mut self.content,
            List::Tokens => &mut self.tokens,
            List::NativeTokens => &mut self.native,
        }
    }

    /// That of the longest list.
    fn most(&self) -> u64 {
        let most = self.ids.max(self.content);
        most.max(self.tokens).max(self.native)
    }
}

impl Event {
    fn counted(&mut self) -> &mut Counted {
        self.counted.get_or_insert_default()
    }

    fn usage(&mut self, whose: Whose, counts: Option<Counts>) {
        if counts.is_none() && self.counted.is_none() {
            return;
        }
        let counted = self.counted();
        match whose {
            Whose::Top => counted.usage = counts,
            Whose::Groq => counted.usage = counted.usage.or(counts),
            Whose::Response => counted.response_usage = counts,
            Whose::Message => counted.message_usage = counts,
            Whose::Gemini => counted.gemini = counts,
            Whose::Timings => counted.timings = counts,
            Whose::Choice => counted.choice = counts.map(|counts| counts.usage()),
        }
    }
}

//! What the documents of one reply have said, each read for its usage and its text.

use super::event::{Counted, Event, Kind, mark, says_something};
use super::members::{List, Member, Whose, Word};
use crate::json::Found;
use crate::usage::{Beside, Counts, Finality, Place, Tally, hosted_tools, number, read};

/// Signs of generated tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signals {
    deltas: u64,
    /// Bytes of text.
    text: u64,
    /// How many of them belong to characters outside ASCII.
    wide: u64,
    /// For each list that has one value for each token, how many it had.
    tokens: Tokens,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tokens {
    ids: u64,
    content: u64,
    tokens: u64,
    native: u64,
}

/// Texts of the `message` of the choice that is open, and their bytes: beside a `delta` they say again what earlier events
/// have said.
#[derive(Clone, Copy, Debug, Default)]
struct Message {
    texts: u64,
    bytes: u64,
    wide: u64,
}

/// Everything that one reply has said.
#[derive(Debug, Default)]
pub(super) struct Seen {
    event: Event,
    signals: Signals,
    message: Message,
    pub(super) tally: Tally,
    /// The answer comes later, elsewhere.
    pub(super) background: bool,
    /// `total_tokens` without any other count.
    pub(super) lone_total: Option<u64>,
    /// The server counts beside each text, so that it also would have counted unasked.
    volunteers: bool,
    /// A usage object exceeded its cap.
    pub(super) oversized: bool,
    pub(super) error: bool,
    /// A reply has begun that ends with an event of its own.
    begun: bool,
    /// The last one that has begun has ended.
    ended: bool,
    /// There was text that is not believed.
    was_seen: bool,
}

impl Seen {
    /// Forgets what the current document has said of usage.
    pub(super) fn drop_event(&mut self) {
        self.event = Event::default();
        if self.message.texts > 0 {
            self.message = Message::default();
        }
    }

    /// The only document is over; `whole` says that it was closed.
    pub(super) fn add_document(&mut self, whole: bool) {
        self.add_message();
        self.background = self.event.pending;
        let Some(mut counted) = self.event.counted.take() else {
            return;
        };
        // llama.cpp reports one of its choices only, and is known by its timings.
        let one_of_several = counted.timings.is_some() && self.event.choices > 1;
        let placed = counted.placed.as_ref().map(|(whose, _)| *whose);
        let is_running = placed == Some(Whose::GeminiElement) && !whole;
        let placed = counted.placed.take().map(|(_, counts)| counts);
        let counts = counted.usage.take().or(placed);
        if let Some(mut counts) = counts.or_else(|| counted.timings.take()) {
            counts.beside = counts.beside.or_else(|| counted.tools.take());
            let finality = if one_of_several || is_running {
                Finality::Never
            } else {
                Finality::Now
            };
            self.whole(&counts, finality, 0);
        } else if let Some(native) = &counted.native {
            // Two members far apart: one of them may have been cut off.
            let finality = if whole {
                Finality::Now
            } else {
                Finality::Never
            };
            self.whole(native, finality, 0);
        }
    }

    /// How many texts there were.
    pub(super) const fn texts(&self) -> u64 {
        self.signals.deltas
    }

    /// What text has been seen.
    pub(super) const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Takes back what has been seen since.
    pub(super) fn take_back(&mut self, before: Signals) {
        self.was_seen |= self.content_seen();
        self.signals = before;
    }

    /// Whether any text has been seen, believed or not.
    pub(super) fn has_spoken(&self) -> bool {
        self.was_seen || self.content_seen()
    }

    /// Whether any text has been seen.
    pub(super) fn content_seen(&self) -> bool {
        self.signals.deltas > 0
    }

    /// Whether a stream has begun to answer.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun || self.signals.deltas > 0 || self.tally.has_begun()
    }

    /// Whether a stream has come to its end, as its API marks it. Servers send `[DONE]` behind an error as well.
    pub(super) fn has_ended(&self) -> bool {
        self.ended || self.tally.has_ended() || (self.tally.done && !self.error)
    }

    /// One more text of `length` bytes, of which `wide` belong to characters outside ASCII.
    pub(super) fn add_text(&mut self, length: u64, wide: u32) {
        self.signals.add(1, length, wide.into());
    }

    /// Whether the current document has no usage, so far.
    pub(super) fn counts_nothing(&self) -> bool {
        self.event.counted.is_none()
    }

    /// See [`super::Metered::estimate`].
    pub(super) fn estimate(&self) -> u64 {
        match self.signals.tokens.most() {
            0 => self.signals.guess(),
            exact => exact,
        }
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

    /// Texts of a `message` that was not beside a `delta`.
    fn add_message(&mut self) {
        let Message { texts, bytes, wide } = self.message;
        if texts > 0 {
            self.message = Message::default();
            self.event.text = true;
            self.signals.add(texts, bytes, wide);
        }
    }

    fn whole(&mut self, counts: &Counts, finality: Finality, id: u64) {
        if let Some(total) = counts.lone_total() {
            self.lone_total = Some(total);
        } else if !counts.says_nothing() {
            let settled = counts.settle(self.tally.embeds);
            self.tally
                .whole(&settled, finality, id, self.signals.deltas);
        }
    }

    /// One document of several is over.
    pub(super) fn add_event(&mut self) {
        self.add_message();
        let event = &self.event;
        // Most events are no more than a text.
        if event.counted.is_none() && event.kind == Kind::Other && !event.stop_reason {
            return;
        }
        let mut event = std::mem::take(&mut self.event);
        let texts = self.signals.deltas;
        let mut counted = event.counted.take();
        match event.kind {
            Kind::MessageStart => {
                let placed = counted.as_mut().and_then(|counted| counted.placed.take());
                let counts = placed.map(|(_, counts)| counts);
                self.tally.messages().start(counts, event.id, texts);
            }
            Kind::ResponseStart => {
                self.tally.begin();
                (self.begun, self.ended) = (true, false);
            }
            Kind::ResponseEnd | Kind::MediaEnd => self.ended = true,
            Kind::ResponseFailed | Kind::Begun => self.begun = true,
            _ => {}
        }
        if let Some(counted) = &mut counted {
            self.add_counted(&event, counted);
        }
        // The event with the counts comes behind all text. Some gateways leave the stop reason out of it.
        let counts = event.kind == Kind::MessageDelta && counted.is_some() && !event.goes_on;
        if counts || event.stop_reason || event.kind == Kind::MessageStop {
            self.tally.stop();
        }
    }

    fn add_counted(&mut self, event: &Event, counted: &mut Counted) {
        match &mut counted.placed {
            Some((Whose::Response, counts)) => {
                counts.beside = counted.tools.take();
                let finality = match event.kind {
                    Kind::ResponseEnd | Kind::ResponseFailed => Finality::Now,
                    _ => Finality::Never,
                };
                self.whole(counts, finality, event.id);
            }
            Some((Whose::Gemini, counts)) => self.whole(counts, Finality::AtCleanEnd, 0),
            Some((Whose::Delta | Whose::MetaTokens | Whose::MetaBilled, counts)) => {
                self.whole(counts, Finality::Now, 0);
            }
            Some((Whose::Invocation, counts)) => {
                self.ended = true;
                // Anthropic's own counts say more.
                if !self.tally.has_messages() {
                    self.whole(counts, Finality::Now, 0);
                }
            }
            _ => {}
        }
        match (event.kind, &counted.usage) {
            (Kind::MessageDelta, Some(_)) => {
                if let Some(counts) = counted.usage.take() {
                    self.tally.messages().delta(counts, self.signals.deltas);
                }
            }
            (Kind::MediaEnd, Some(counts)) => self.whole(counts, Finality::Now, 0),
            (_, Some(counts)) => self.add_usage(event, counts, counted.timings.is_some()),
            (_, None) => {
                if let Some(counts) = counted
                    .timings
                    .as_ref()
                    .filter(|_| counted.native.is_none())
                {
                    self.add_usage(event, counts, true);
                }
            }
        }
        if let Some(native) = &counted.native {
            let finality = if event.native_stop {
                Finality::Now
            } else {
                Finality::Never
            };
            self.whole(native, finality, 0);
        }
    }

    fn add_usage(&mut self, event: &Event, counts: &Counts, timed: bool) {
        if counts.says_nothing() || counts.lone_total().is_some() {
            return;
        }
        let place = Place {
            choices: event.choices,
            index: event.last_index,
            idle: !event.finished && !event.text,
            ended: self.ended,
            timed,
            texts: self.signals.deltas,
        };
        self.volunteers |= event.text && !event.finished && counts.output > Some(0);
        let settled = counts.settle(self.tally.embeds);
        self.tally.event(&settled, &place);
    }

    /// Whether the current document has nothing but the usage that is there for the asking, and the server would not have
    /// sent it unasked, as one does that counts beside each text.
    pub(super) fn is_extra(&self) -> bool {
        !self.volunteers && self.event.is_extra()
    }

    /// Whether the current document has something beside counts, so far.
    pub(super) const fn says_more(&self) -> bool {
        self.event.says_more()
    }

    /// A wanted value has been read.
    pub(super) fn value(&mut self, member: Member, found: &mut Found) {
        match member {
            Member::Text | Member::CompletionText => {
                if matches!(member, Member::CompletionText) {
                    self.tally.completions = true;
                    // What is no text is something all the same.
                    self.event.other |= !matches!(found.first, b'"' | b'n');
                }
                if found.text > 0 {
                    self.event.text = true;
                    self.add_text(found.text, found.wide);
                }
            }
            Member::MessageText => {
                if found.text > 0 {
                    let Message { texts, bytes, wide } = &mut self.message;
                    *texts = texts.saturating_add(1);
                    *bytes = bytes.saturating_add(found.text);
                    *wide = wide.saturating_add(found.wide.into());
                    self.event.other = true;
                }
            }
            Member::Delta => {
                let is_object = found.first == b'{';
                self.event.choice.has_delta |= is_object;
                self.event.other |= found.first != b'n' && !(is_object && found.empty);
            }
            Member::Token(list) => {
                let tokens = self.signals.tokens.of(list);
                *tokens = tokens.saturating_add(1);
            }
            Member::Choice => {
                if self.event.choice.has_delta {
                    self.message = Message::default();
                }
                self.add_message();
                let event = &mut self.event;
                let choice = std::mem::take(&mut event.choice);
                event.choices = event.choices.saturating_add(1);
                event.last_index = choice.index;
                event.finished |= choice.finished;
                let usage = event.counted.as_mut();
                let usage = usage.and_then(|counted| counted.choice.take());
                let (settled, texts) = (usage.as_ref(), self.signals.deltas);
                self.tally
                    .choice(choice.index, choice.finished, settled, texts);
            }
            Member::Usage(whose) => {
                let Some(raw) = found.value() else {
                    self.oversized = true;
                    self.event.counted().asked_for |= matches!(whose, Whose::Top);
                    return;
                };
                let counts = read(raw);
                self.event.usage(whose, counts, self.tally.embeds);
                // They are large and seldom: no stream has to hold one until the next.
                found.raw = Vec::new();
            }
            Member::Tools => {
                let tools = found.value().map_or(Beside::INCOMPLETE, hosted_tools);
                if tools != Beside::default() {
                    self.event.counted().tools = Some(Box::new(tools));
                }
            }
            Member::Word(word) => match found.value() {
                Some(raw) => self.word(word, raw, found.empty),
                None if matches!(word, Word::Error) => {
                    self.error = true;
                    self.event.other = true;
                }
                None => {}
            },
        }
    }

    fn word(&mut self, word: Word, raw: &[u8], is_empty: bool) {
        let event = &mut self.event;
        match word {
            Word::ChoiceIndex => event.choice.index = number(raw).unwrap_or(0),
            Word::ChoiceFinish => event.choice.finished = says_something(raw),
            Word::Type => event.kind = Kind::of(raw),
            Word::Status => {
                event.pending = matches!(raw, b"\"queued\"" | b"\"in_progress\"");
            }
            Word::StopReason => {
                event.stop_reason = says_something(raw);
                event.goes_on = !event.stop_reason;
            }
            Word::Error => {
                self.error |= says_something(raw);
                event.other |= says_something(raw) && !is_empty;
            }
            Word::Id => event.id = mark(raw),
            Word::NativeInput => event.native(raw, |native| &mut native.input),
            Word::NativeOutput => event.native(raw, |native| &mut native.output),
            Word::NativeStop => {
                event.native_stop |= raw == b"true";
                self.ended |= raw == b"true";
            }
            Word::PartInput => event.part(raw, |native| &mut native.input),
            Word::PartOutput => event.part(raw, |native| &mut native.output),
            Word::Finish => self.ended |= says_something(raw),
            Word::EndMark => self.tally.done |= raw == b"DONE",
        }
    }
}

impl Signals {
    fn add(&mut self, texts: u64, bytes: u64, wide: u64) {
        // Each counts what has been sent, so that none can overflow.
        self.deltas = self.deltas.wrapping_add(texts);
        self.text = self.text.wrapping_add(bytes);
        self.wide = self.wide.wrapping_add(wide);
    }

    /// How many tokens the texts may be. Most servers send a text for each token, and few tokens are longer than eight
    /// bytes; longer texts have several, of about four bytes each. A text outside ASCII that is held back until its
    /// characters are whole has several as well, of about four bytes each.
    fn guess(&self) -> u64 {
        let long = self.text.saturating_sub(self.deltas.saturating_mul(8));
        let texts = self.deltas.saturating_add(long / 4);
        texts.max(self.wide / 4)
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

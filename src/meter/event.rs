//! What one event of a stream has said, or the one document of a reply that is not streamed.

use super::members::Whose;
use crate::usage::{Beside, Counts, Number, Settled, numeral, sum};

/// What one event, or the one document of an unstreamed reply, has said.
#[derive(Debug, Default)]
pub(super) struct Event {
    /// Most events count nothing.
    pub(super) counted: Option<Box<Counted>>,
    /// `stop` of llama.cpp or `done` of Ollama.
    pub(super) native_stop: bool,
    pub(super) kind: Kind,
    pub(super) stop_reason: bool,
    /// It says that there is no stop reason yet.
    pub(super) goes_on: bool,
    pub(super) pending: bool,
    pub(super) choices: usize,
    pub(super) choice: Choice,
    pub(super) last_index: u64,
    pub(super) finished: bool,
    pub(super) text: bool,
    /// It has something that is neither text nor finish nor count.
    pub(super) other: bool,
    /// A mark of the identifier of the message or the response.
    pub(super) id: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counted {
    /// `usage`, or else Groq's (the type `XGroq` of its client).
    pub(super) usage: Option<Counts>,
    /// There is the usage that is there for the asking.
    pub(super) asked_for: bool,
    /// In a place of its own, and whose.
    pub(super) placed: Option<(Whose, Counts)>,
    pub(super) timings: Option<Counts>,
    pub(super) native: Option<Counts>,
    /// Of the hosted tools.
    pub(super) tools: Option<Box<Beside>>,
    /// Of the choice that is open.
    pub(super) choice: Option<Settled>,
}

#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) index: u64,
    pub(super) finished: bool,
    pub(super) has_delta: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Other,
    MessageStart,
    MessageDelta,
    MessageStop,
    ResponseStart,
    ResponseEnd,
    /// An end all the same, with an error in place of the rest.
    ResponseFailed,
    /// The first event, or one of many, of a reply that ends with another one.
    Begun,
    MediaEnd,
}

impl Kind {
    /// By the raw `type`.
    pub(super) fn of(raw: &[u8]) -> Self {
        match raw {
            b"\"message_start\"" => Self::MessageStart,
            b"\"message_delta\"" => Self::MessageDelta,
            b"\"message_stop\"" => Self::MessageStop,
            b"\"response.created\"" => Self::ResponseStart,
            b"\"response.completed\"" | b"\"response.incomplete\"" => Self::ResponseEnd,
            b"\"response.failed\"" => Self::ResponseFailed,
            b"\"image_generation.partial_image\""
            | b"\"image_edit.partial_image\""
            | b"\"speech.audio.delta\""
            | b"\"message-start\"" => Self::Begun,
            b"\"image_generation.completed\""
            | b"\"image_edit.completed\""
            | b"\"transcript.text.done\""
            | b"\"speech.audio.done\"" => Self::MediaEnd,
            _ => Self::Other,
        }
    }
}

impl Event {
    pub(super) fn counted(&mut self) -> &mut Counted {
        self.counted.get_or_insert_default()
    }

    /// A usage object has been read. One that is null takes nothing back.
    pub(super) fn usage(&mut self, whose: Whose, counts: Option<Counts>, embeds: bool) {
        let Some(counts) = counts else {
            return;
        };
        let counted = self.counted();
        match whose {
            Whose::Top => {
                counted.usage = Some(counts);
                counted.asked_for = true;
            }
            Whose::Groq => {
                if !counted.asked_for {
                    counted.usage = Some(counts);
                }
            }
            Whose::Timings => counted.timings = Some(counts),
            Whose::Choice => counted.choice = Some(counts.settle(embeds)),
            // What the model read is before what is billed of it (Cohere's API reference).
            Whose::MetaBilled if counted.placed.is_some() => {}
            Whose::Response
            | Whose::Message
            | Whose::Gemini
            | Whose::GeminiElement
            | Whose::MetaTokens
            | Whose::MetaBilled
            | Whose::Delta
            | Whose::Invocation => counted.placed = Some((whose, counts)),
        }
    }

    /// One side of the counts of an API that has no usage object.
    pub(super) fn native(&mut self, raw: &[u8], side: fn(&mut Counts) -> &mut Option<u64>) {
        let number = numeral(raw);
        if number == Number::None {
            return;
        }
        let native = self.counted().native.get_or_insert_default();
        match number {
            Number::Count(count) => *side(native) = Some(count),
            Number::Impossible | Number::None => native.impossible = true,
        }
    }

    /// The same of one of several parts, which are added up.
    pub(super) fn part(&mut self, raw: &[u8], side: fn(&mut Counts) -> &mut Option<u64>) {
        let native = self.counted.as_mut().and_then(|it| it.native.as_mut());
        let before = native.and_then(|native| side(native).take());
        self.native(raw, side);
        if let Some(native) = self.counted.as_mut().and_then(|it| it.native.as_mut()) {
            let side = side(native);
            *side = sum([before, *side]);
        }
    }

    /// Whether it has the usage that is there for the asking, and nothing else.
    pub(super) fn is_extra(&self) -> bool {
        let says_more = self.says_more() || self.kind != Kind::Other || self.stop_reason;
        !says_more && self.counted.as_ref().is_some_and(|it| it.asked_for)
    }

    /// Whether it has something beside counts.
    pub(super) const fn says_more(&self) -> bool {
        self.text || self.finished || self.choice.finished || self.other
    }
}

/// Whether a member that says how something ended says that it did. Some servers spell their null out (`KoboldCpp`).
pub(super) fn says_something(raw: &[u8]) -> bool {
    let nothing: [&[u8]; 6] = [
        b"null",
        b"false",
        b"\"\"",
        b"\"null\"",
        b"\"None\"",
        b"\"none\"",
    ];
    !nothing.contains(&raw)
}

/// A mark of an identifier; zero is none.
pub(super) fn mark(raw: &[u8]) -> u64 {
    // FNV-1a.
    let mix = |mark: u64, byte: &u8| (mark ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    if raw == b"null" {
        0
    } else {
        raw.iter().fold(0xcbf2_9ce4_8422_2325, mix) | 1
    }
}

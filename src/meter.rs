//! The bytes of one reply in, its token usage out: what the server said, whether that is final, and if not, why not.
//!
//! It only looks: whatever the bytes, they pass; a fault stops the reading (of one event, or of a whole document) and is
//! named in [`Metered::missing`]. It has no clock, and keeps at most [`MAX_MEMORY`] bytes, however long the reply.
//!
//! A reply is read as what it is, not only as what it calls itself: JSON where an event stream was announced and the
//! reverse are recognised by their first byte.

mod event;
mod format;
mod frames;
pub(crate) mod members;
mod reading;
mod repeat;
mod seen;

use memchr::memchr;

use self::format::{Body, Format};
use self::frames::Frames;
use self::reading::Reading;
pub use self::reading::Span;
use crate::rows::named;
use crate::sse::{Decoder, Piece};
use crate::usage::{self, Contradiction, Usage, sum};

/// Bytes on the heap that one meter may hold between two pushes, for the worst reply there is. A usual one needs an
/// eighth; nearly half is for the numbers of 64 choices.
pub const MAX_MEMORY: usize = 16 * 1024;

/// The longest `metadata` header that is read. Envoy takes 60 KiB of reply headers unless told otherwise.
pub(crate) const MAX_METADATA: usize = 64 * 1024;

/// What the request asked for, as far as metering cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Tokens come out: chat, completions, messages, responses.
    Generate,
    /// Only input is counted, output is 0: embeddings, rerank, score.
    Embed,
    /// Images and audio. Some servers report tokens for them; that none are reported is no fault.
    Media,
    /// Costs no tokens of its own: lists, counting, replays.
    Other,
}

impl Work {
    /// Whether a successful reply has to say how many tokens it took.
    pub(crate) const fn must_be_counted(self) -> bool {
        matches!(self, Self::Generate | Self::Embed)
    }
}

/// How the reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The upstream ended it properly.
    Complete,
    /// The client went away.
    ClientAborted,
    /// The upstream, or the way to it, broke.
    UpstreamReset,
}

named! {
    /// Where the numbers in [`Metered::usage`] come from.
    pub enum Worth {
        /// The server's final numbers, also if the client left afterwards.
        Reported = "reported",
        /// The server's numbers, but not its last: a lower bound.
        Partial = "partial",
        /// The server said nothing; `charge_tokens` is a guess from the text that passed.
        Estimated = "estimated",
        /// Tokens were to be expected, and nothing is known. Not zero.
        None = "none",
        /// No tokens were to be expected: denied, lists, token counting, errors, images and audio without reported
        /// tokens.
        NotApplicable = "not_applicable",
    }
    /// The value of the filter state entry.
    fn as_str;
}

named! {
    /// Why a successful request of which tokens are counted has no final numbers.
    pub enum Missing {
        /// The reply was whole, and did not say.
        NoUsage = "no_usage",
        /// The client, the server or the way to it cut the reply before it said.
        Aborted = "aborted",
        /// The reply ended as HTTP has it, and its end is missing: a stream without `[DONE]`, finish or stop event, or
        /// with an error in its place; a document that is not closed.
        Truncated = "truncated",
        /// The body is encoded.
        Encoded = "encoded",
        /// The body, or an event of it, is broken JSON.
        ParseError = "parse_error",
        /// A usage object is longer than what is read of one.
        TooLarge = "too_large",
        /// The numbers contradict each other, and nothing decides between them.
        Contradiction = "contradiction",
        /// The server answers later, elsewhere (`background: true` of the Responses API).
        Background = "background",
    }
    /// The value of the `reason` label.
    fn as_str;
}

/// What one reply did cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metered {
    /// Empty unless the source is [`Worth::Reported`] or [`Worth::Partial`].
    pub usage: Usage,
    /// What `usage` is worth.
    pub source: Worth,
    /// Set only for [`Work::Generate`] and [`Work::Embed`] answered with 2xx whose source is `Partial`, `Estimated` or
    /// `None`.
    pub missing: Option<Missing>,
    /// Output tokens by what was seen, unless the source is [`Worth::Reported`]. If the server listed token ids or
    /// log probabilities, their number; else the larger of the number of non-empty deltas (servers merge tokens, so
    /// that it is too low by up to ten times) and a quarter of the bytes of text (0.35 to 1.6 of the truth). It is fit
    /// for a chart, not for a bill.
    pub estimate: Option<u64>,
    /// How the numbers contradict each other, also where it is known what they mean.
    pub contradiction: Option<Contradiction>,
    /// The stream or the document carried an error.
    pub error_event: bool,
    /// The reply ended properly as far as HTTP can tell, and its own end never came ([`Missing::Truncated`]).
    pub truncated: bool,
}

impl Metered {
    /// Tokens to charge: what was reported, else the lower bound and the estimate.
    pub fn charge_tokens(&self) -> u64 {
        let output = self.usage.output.max(self.estimate);
        sum([self.usage.input, output]).unwrap_or(0)
    }
}

/// Makes what the readers of all replies share, so that no request has to.
pub fn prepare() {
    reading::prepare();
    usage::prepare();
}

/// Reads one reply.
#[derive(Debug)]
pub struct Meter {
    work: Work,
    success: bool,
    body: Body,
    decoder: Decoder,
    /// Few replies have any.
    frames: Option<Box<Frames>>,
    reading: Reading,
}

impl Meter {
    /// A meter for a reply with these headers and this status; several `content-encoding` headers are to be joined by
    /// commas, as Envoy does. An absent or `text/…` content type is taken for JSON until its first byte says otherwise.
    pub fn new(
        work: Work,
        content_type: Option<&[u8]>,
        content_encoding: Option<&[u8]>,
        status: u16,
    ) -> Self {
        let mut meter = Self {
            work,
            success: (200..300).contains(&status),
            body: Body::announced(work, content_type, content_encoding),
            decoder: Decoder::default(),
            frames: None,
            reading: Reading::default(),
        };
        meter.reading.seen.tally.embeds = work == Work::Embed;
        meter
    }

    /// Whether the body is an event stream; `None` before its first byte that tells.
    pub const fn is_event_stream(&self) -> Option<bool> {
        match self.body {
            Body::Announced(_) | Body::Unknown(_) => None,
            Body::Is(format) => Some(matches!(format, Format::EventStream)),
            Body::Encoded | Body::Opaque => Some(false),
        }
    }

    /// Reads the reply's `metadata` header, if need be: where vLLM answers embeddings as bytes, their usage is there, and
    /// final.
    pub fn metadata<'a>(&mut self, header: impl FnOnce() -> Option<&'a [u8]>) {
        if self.work != Work::Embed || self.body != Body::Opaque {
            return;
        }
        if let Some(header) = header().filter(|header| header.len() <= MAX_METADATA) {
            self.reading.data(header, 0);
            self.reading.end_document();
        }
    }

    /// Whether the body can tell anything; if not, it need not be pushed.
    pub fn reads_body(&self) -> bool {
        !matches!(self.body, Body::Encoded | Body::Opaque)
    }

    /// Reads the next bytes of the body; chunks may end anywhere.
    pub fn push(&mut self, mut bytes: &[u8]) {
        let whole = bytes;
        if matches!(self.body, Body::Announced(_) | Body::Unknown(_)) {
            // White space and a byte order mark mean nothing in any of the formats.
            let start = bytes
                .iter()
                .position(|byte| !byte.is_ascii_whitespace() && !b"\xEF\xBB\xBF".contains(byte));
            bytes = start
                .and_then(|start| bytes.get(start..))
                .unwrap_or_default();
            let Some(&first) = bytes.first() else {
                return;
            };
            self.body = self.body.with_first(first);
        }
        let reading = &mut self.reading;
        let offset = |part: &[u8]| part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        match self.body {
            Body::Is(Format::Json) => reading.data(bytes, 0),
            Body::Is(Format::EventStream) => {
                reading.begin_push();
                self.decoder
                    .push(bytes, |piece| read(reading, piece, offset));
            }
            Body::Is(Format::Lines) => {
                while let Some((line, rest)) =
                    memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end))
                {
                    reading.data(line, 0);
                    reading.end_event();
                    bytes = rest.get(1..).unwrap_or_default();
                }
                reading.data(bytes, 0);
            }
            Body::Is(Format::Frames) => {
                reading.begin_push();
                let frames = self.frames.get_or_insert_default();
                frames.push(bytes, reading);
            }
            Body::Announced(_) | Body::Unknown(_) | Body::Encoded | Body::Opaque => {}
        }
    }

    /// Of the bytes pushed last, those that are nothing but the usage that is there for the asking, as JSON documents.
    pub fn extras(&self) -> Extras<'_> {
        Extras {
            reading: &self.reading,
        }
    }

    /// Whether the first token of a stream has passed. A reply that is not streamed has no such moment: its text comes
    /// when all of it is generated.
    pub fn first_token_seen(&self) -> bool {
        let streams = matches!(self.body, Body::Is(format) if format != Format::Json);
        streams && self.reading.seen.has_spoken()
    }

    /// The reply is over.
    pub fn finish(mut self, ended: End) -> Metered {
        let reading = &mut self.reading;
        let breaks_off = reading.is_open();
        match self.body {
            Body::Is(Format::Json) => reading.end_document(),
            Body::Is(Format::EventStream) => {
                self.decoder.finish(|piece| read(reading, piece, |_| 0));
            }
            Body::Is(Format::Lines) => reading.end_event(),
            // A message without its end may be anything.
            Body::Is(Format::Frames)
            | Body::Announced(_)
            | Body::Unknown(_)
            | Body::Encoded
            | Body::Opaque => {}
        }
        let truncated = self.success
            && ended == End::Complete
            && match self.body {
                Body::Announced(Format::EventStream | Format::Lines | Format::Frames) => true,
                Body::Is(Format::Frames) => self.frames.as_ref().is_some_and(|frames| {
                    frames.is_within() || (!frames.is_lost() && !reading.seen.has_ended())
                }),
                Body::Is(Format::EventStream | Format::Lines) => {
                    breaks_off || reading.is_stream_cut()
                }
                Body::Is(Format::Json) => breaks_off,
                Body::Announced(Format::Json) | Body::Unknown(_) | Body::Encoded | Body::Opaque => {
                    false
                }
            };
        let seen = &reading.seen;
        let error_event = seen.error;
        let clean = ended == End::Complete && !error_event && !truncated;
        let content = seen.content_seen();
        let (total, last, contradiction) = seen.tally.total(clean, seen.texts());
        let estimate = content.then(|| seen.estimate());
        let mut metered = Metered {
            usage: Usage::default(),
            source: Worth::NotApplicable,
            missing: None,
            estimate: None,
            contradiction: contradiction.filter(|_| self.work != Work::Other),
            error_event,
            truncated,
        };
        let generates = self.work == Work::Generate;
        let embeds = self.work == Work::Embed;
        metered.source = match total {
            _ if self.work == Work::Other => Worth::NotApplicable,
            Some(usage) => {
                metered.usage = usage;
                if embeds {
                    metered.usage.input = usage.input.or(seen.lone_total);
                    metered.usage.output = Some(0);
                }
                let one_sided = usage.input.is_none() || usage.output.is_none();
                if last && !(generates && one_sided) {
                    Worth::Reported
                } else {
                    Worth::Partial
                }
            }
            None if embeds && seen.lone_total.is_some() => {
                metered.usage.input = seen.lone_total;
                metered.usage.output = Some(0);
                Worth::Reported
            }
            None if self.work == Work::Media => Worth::NotApplicable,
            None if !self.success || (error_event && !content) => Worth::NotApplicable,
            None if generates && content => Worth::Estimated,
            None => Worth::None,
        };
        if matches!(metered.source, Worth::Reported | Worth::NotApplicable) {
            return metered;
        }
        metered.estimate = estimate.filter(|_| generates);
        if self.success && self.work.must_be_counted() {
            metered.missing = Some(match self.body {
                Body::Encoded => Missing::Encoded,
                _ if seen.background => Missing::Background,
                _ if seen.oversized => Missing::TooLarge,
                Body::Is(Format::Json) if reading.is_broken() => Missing::ParseError,
                _ if contradiction.is_some() && !last => Missing::Contradiction,
                _ if ended != End::Complete => Missing::Aborted,
                _ if truncated => Missing::Truncated,
                _ if reading.faulted => Missing::ParseError,
                _ => Missing::NoUsage,
            });
        }
        metered
    }
}

/// What [`Meter::extras`] tells.
#[derive(Clone, Copy, Debug)]
pub struct Extras<'m> {
    reading: &'m Reading,
}

impl<'m> Extras<'m> {
    /// In their order.
    pub fn documents(&self) -> &'m [Span] {
        self.reading.extras()
    }

    /// Where the last document begins, if it is still open and can still come to be one.
    pub fn open(&self) -> Option<usize> {
        self.reading.open()
    }
}

fn read(reading: &mut Reading, piece: Piece<'_>, offset: impl Fn(&[u8]) -> usize) {
    match piece {
        Piece::Data(data) => reading.data(data, offset(data)),
        Piece::NewLine => reading.end_line(),
        Piece::End { event_type } => {
            reading.seen.error |= event_type == b"error";
            reading.end_event();
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails, as it should"
)]
mod tests;

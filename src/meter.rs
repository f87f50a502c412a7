//! The bytes of one reply in, its token usage out: what the server said, whether that is final, and if not, why not.
//!
//! It only looks: whatever the bytes, they pass; a fault stops the reading (of one event, or of a whole document) and is
//! named in [`Metered::missing`]. It has no clock, and keeps at most [`MAX_MEMORY`] bytes, however long the reply.
//!
//! A reply is read as what it is, not only as what it calls itself: JSON where an event stream was announced and the
//! reverse are recognised by their first byte.

pub(crate) mod members;
mod reading;
mod repeat;
mod seen;

use memchr::memchr;

use self::reading::Reading;
use crate::headers::trimmed;
use crate::rows::named;
use crate::sse::{Decoder, Piece};
use crate::usage::{Usage, sum};

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
    pub enum Source {
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
    /// Why a successful generating request has no final numbers.
    pub enum Missing {
        /// The reply was whole, and did not say.
        NoUsage = "no_usage",
        /// The reply was cut before it said.
        Aborted = "aborted",
        /// The body is encoded.
        Encoded = "encoded",
        /// The body, or an event of it, is broken JSON.
        ParseError = "parse_error",
        /// A usage object is longer than what is read of one.
        TooLarge = "too_large",
        /// The server answers later, elsewhere (`background: true` of the Responses API).
        Background = "background",
    }
    /// The value of the `reason` label.
    fn as_str;
}

/// What one reply did cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metered {
    /// Empty unless the source is [`Source::Reported`] or [`Source::Partial`].
    pub usage: Usage,
    /// What `usage` is worth.
    pub source: Source,
    /// Set only for [`Work::Generate`] answered with 2xx whose source is `Partial`, `Estimated` or `None`.
    pub missing: Option<Missing>,
    /// Output tokens by what was seen, unless the source is [`Source::Reported`]. If the server listed token ids or
    /// log probabilities, their number; else the larger of the number of non-empty deltas (servers merge tokens, so
    /// that it is too low by up to ten times) and a quarter of the bytes of text (0.35 to 1.6 of the truth). It is fit
    /// for a chart, not for a bill.
    pub estimate: Option<u64>,
    /// The stream or the document carried an error.
    pub error_event: bool,
}

impl Metered {
    /// Tokens to charge: what was reported, else the lower bound and the estimate.
    pub fn charge_tokens(&self) -> u64 {
        let output = self.usage.output.max(self.estimate);
        sum([self.usage.input, output]).unwrap_or(0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    EventStream,
    /// One JSON document on each line.
    Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// Nothing but white space so far.
    Announced(Format),
    Is(Format),
    Encoded,
    /// Of a kind that carries no usage.
    Opaque,
}

/// Reads one reply.
#[derive(Debug)]
pub struct Meter {
    work: Work,
    success: bool,
    body: Body,
    decoder: Decoder,
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
        let encoded = content_encoding
            .unwrap_or_default()
            .split(|&byte| byte == b',')
            .map(trimmed)
            .any(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity"));
        let body = if work == Work::Other {
            Body::Opaque
        } else if encoded {
            Body::Encoded
        } else {
            announced(content_type)
        };
        Self {
            work,
            success: (200..300).contains(&status),
            body,
            decoder: Decoder::default(),
            reading: Reading::default(),
        }
    }

    /// Whether the reply calls itself an event stream, and is one that can be read.
    pub const fn is_of_stream(&self) -> bool {
        matches!(self.body, Body::Announced(Format::EventStream))
    }

    /// Reads the reply's `metadata` header, if need be: where vLLM answers embeddings as bytes, their usage is there, and
    /// final.
    pub fn metadata<'a>(&mut self, header: impl FnOnce() -> Option<&'a [u8]>) {
        if self.work != Work::Embed || self.body != Body::Opaque {
            return;
        }
        if let Some(header) = header().filter(|header| header.len() <= MAX_METADATA) {
            self.reading.data(header);
            self.reading.end_document();
        }
    }

    /// Whether the body can tell anything; if not, it need not be pushed.
    pub fn reads_body(&self) -> bool {
        !matches!(self.body, Body::Encoded | Body::Opaque)
    }

    /// Reads the next bytes of the body; chunks may end anywhere.
    pub fn push(&mut self, mut bytes: &[u8]) {
        if let Body::Announced(format) = self.body {
            // White space and a byte order mark mean nothing in any of the formats.
            let start = bytes
                .iter()
                .position(|byte| !byte.is_ascii_whitespace() && !b"\xEF\xBB\xBF".contains(byte));
            bytes = start
                .and_then(|start| bytes.get(start..))
                .unwrap_or_default();
            self.body = match (format, bytes.first()) {
                (_, None) => return,
                (Format::Lines, _) => Body::Is(Format::Lines),
                (_, Some(b'{' | b'[')) => Body::Is(Format::Json),
                // The first letters of `data`, `event`, `id` and `retry`, and of a comment: no JSON starts so.
                (_, Some(b'd' | b'e' | b'i' | b'r' | b':')) => Body::Is(Format::EventStream),
                (format, Some(_)) => Body::Is(format),
            };
        }
        let reading = &mut self.reading;
        match self.body {
            Body::Is(Format::Json) => reading.data(bytes),
            Body::Is(Format::EventStream) => self.decoder.push(bytes, |piece| read(reading, piece)),
            Body::Is(Format::Lines) => {
                while let Some((line, rest)) =
                    memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end))
                {
                    reading.data(line);
                    reading.end_event();
                    bytes = rest.get(1..).unwrap_or_default();
                }
                reading.data(bytes);
            }
            Body::Announced(_) | Body::Encoded | Body::Opaque => {}
        }
    }

    /// How many usage objects have been read that count something, or are too large to tell.
    pub const fn usages(&self) -> u64 {
        self.reading.seen.usages
    }

    /// Whether the first token of a stream has passed. A reply that is not streamed has no such moment: its text comes
    /// when all of it is generated.
    pub fn first_token_seen(&self) -> bool {
        let streamed = matches!(self.body, Body::Is(Format::EventStream | Format::Lines));
        streamed && self.reading.seen.content_seen()
    }

    /// The reply is over.
    pub fn finish(mut self, ended: End) -> Metered {
        let reading = &mut self.reading;
        match self.body {
            Body::Is(Format::Json) => reading.end_document(),
            Body::Is(Format::EventStream) => self.decoder.finish(|piece| read(reading, piece)),
            Body::Is(Format::Lines) => reading.end_event(),
            Body::Announced(_) | Body::Encoded | Body::Opaque => {}
        }
        let seen = &reading.seen;
        let error_event = seen.error;
        let clean = ended == End::Complete && !error_event;
        let content = seen.content_seen();
        let total = seen.tally.total(clean, content);
        let estimate = content.then(|| seen.estimate());
        let mut metered = Metered {
            usage: Usage::default(),
            source: Source::NotApplicable,
            missing: None,
            estimate: None,
            error_event,
        };
        let generates = self.work == Work::Generate;
        let embeds = self.work == Work::Embed;
        metered.source = match total {
            _ if self.work == Work::Other => Source::NotApplicable,
            Some((usage, last)) => {
                metered.usage = usage;
                if embeds {
                    metered.usage.input = usage.input.or(seen.lone_total);
                    metered.usage.output = Some(0);
                }
                if last {
                    Source::Reported
                } else {
                    Source::Partial
                }
            }
            None if embeds && seen.lone_total.is_some() => {
                metered.usage.input = seen.lone_total;
                metered.usage.output = Some(0);
                Source::Reported
            }
            None if self.work == Work::Media => Source::NotApplicable,
            None if !self.success || (error_event && !content) => Source::NotApplicable,
            None if generates && content => Source::Estimated,
            None => Source::None,
        };
        if !generates || matches!(metered.source, Source::Reported | Source::NotApplicable) {
            return metered;
        }
        metered.estimate = estimate;
        if self.success {
            metered.missing = Some(match self.body {
                Body::Encoded => Missing::Encoded,
                _ if seen.background => Missing::Background,
                _ if seen.oversized => Missing::TooLarge,
                Body::Is(Format::Json) if reading.is_broken() => Missing::ParseError,
                _ if ended != End::Complete => Missing::Aborted,
                _ if reading.faulted => Missing::ParseError,
                _ => Missing::NoUsage,
            });
        }
        metered
    }
}

fn read(reading: &mut Reading, piece: Piece<'_>) {
    match piece {
        Piece::Data(data) => reading.data(data),
        Piece::NewLine => reading.data(b"\n"),
        Piece::End { event_type } => {
            reading.seen.error |= event_type == b"error";
            reading.end_event();
        }
    }
}

fn announced(content_type: Option<&[u8]>) -> Body {
    let media_type = content_type
        .and_then(|value| value.split(|&byte| byte == b';').next())
        .map(|value| trimmed(value).to_ascii_lowercase())
        .unwrap_or_default();
    match media_type.as_slice() {
        b"text/event-stream" => Body::Announced(Format::EventStream),
        b"application/x-ndjson" | b"application/jsonl" => Body::Announced(Format::Lines),
        b"" | b"application/json" => Body::Announced(Format::Json),
        other if other.starts_with(b"text/") || other.ends_with(b"+json") => {
            Body::Announced(Format::Json)
        }
        _ => Body::Opaque,
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails, as it should"
)]
mod tests;

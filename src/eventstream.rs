//! Decoder of `application/vnd.amazon.eventstream`: takes bytes in any chunking, gives the pieces of each message, and
//! buffers nothing.
//!
//! A message is two lengths and their CRC, headers, a payload, and the CRC of all of it ([AWS's page on the encoding][page]).
//! The payload is passed on as it arrives, so it is known to be right only at [`Piece::End`]. Behind a wrong CRC or an impossible
//! length nobody can tell where the next message begins, and nothing more is read.
//!
//! [page]: https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html

use crc32fast::Hasher;

/// The longest message that is read, as in AWS's SDKs.
pub const MAX_MESSAGE: u32 = 16 * 1024 * 1024;

/// The longest headers that are read, as in AWS's SDKs.
pub const MAX_HEADERS: u32 = 128 * 1024;

/// The two lengths and their CRC.
const PRELUDE: u32 = 12;
/// A CRC.
const CHECKSUM: u32 = 4;

/// A part of a message, in the order of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A payload begins, which may be empty.
    Begin {
        /// The `:event-type` is `chunk`: what Bedrock calls the parts of a reply that it only passes on.
        is_chunk: bool,
    },
    /// Bytes of the payload; never empty.
    Data(&'a [u8]),
    /// The message ended.
    End {
        /// Its CRC is right.
        is_intact: bool,
        /// The `:message-type` is not `event`: it is an error or an exception.
        is_error: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Prelude,
    Headers,
    Payload,
    Checksum,
    /// Nothing more is read.
    Lost,
}

/// The decoder of one stream.
#[derive(Debug)]
pub struct Decoder {
    part: Part,
    /// The bytes of the current part that are still to come.
    left: u32,
    /// The last four bytes as a number.
    number: u32,
    total: u32,
    headers: u32,
    crc: Hasher,
    header: Header,
    is_error: bool,
    is_chunk: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            part: Part::Prelude,
            left: PRELUDE,
            number: 0,
            total: 0,
            headers: 0,
            crc: Hasher::new(),
            header: Header::default(),
            is_error: false,
            is_chunk: false,
        }
    }
}

impl Decoder {
    /// Decodes the next bytes of the stream, which may end anywhere.
    pub fn push(&mut self, mut bytes: &[u8], mut sink: impl FnMut(Piece<'_>)) {
        while !bytes.is_empty() && self.part != Part::Lost {
            let length = usize::try_from(self.left).unwrap_or(usize::MAX);
            let (run, rest) = bytes.split_at_checked(length).unwrap_or((bytes, b""));
            bytes = match self.part {
                // Their few bytes are read one by one.
                Part::Prelude | Part::Checksum => {
                    let Some((&byte, rest)) = bytes.split_first() else {
                        return;
                    };
                    self.number = (self.number << 8) | u32::from(byte);
                    self.left = self.left.saturating_sub(1);
                    self.read_number();
                    rest
                }
                Part::Headers => {
                    self.take(run);
                    for &byte in run {
                        self.read_header(byte);
                    }
                    rest
                }
                Part::Payload => {
                    self.take(run);
                    if !run.is_empty() {
                        sink(Piece::Data(run));
                    }
                    rest
                }
                Part::Lost => return,
            };
            self.go_on(&mut sink);
        }
    }

    /// Whether a message has begun and not ended.
    pub fn is_within(&self) -> bool {
        self.part != Part::Lost && !(self.part == Part::Prelude && self.left == PRELUDE)
    }

    /// Whether the stream cannot be read any more.
    pub fn is_lost(&self) -> bool {
        self.part == Part::Lost
    }

    fn take(&mut self, run: &[u8]) {
        self.crc.update(run);
        let length = u32::try_from(run.len()).unwrap_or(u32::MAX);
        self.left = self.left.saturating_sub(length);
    }

    /// One of the numbers of the prelude may be complete.
    fn read_number(&mut self) {
        if self.part != Part::Prelude {
            return;
        }
        match self.left {
            8 => self.total = self.number,
            4 => {
                self.headers = self.number;
                self.crc.update(&self.total.to_be_bytes());
                self.crc.update(&self.headers.to_be_bytes());
            }
            0 => {
                let least = PRELUDE.saturating_add(CHECKSUM);
                let is_possible = self.headers <= MAX_HEADERS
                    && self.total <= MAX_MESSAGE
                    && self.total >= self.headers.saturating_add(least);
                if !is_possible || self.crc.clone().finalize() != self.number {
                    self.part = Part::Lost;
                }
                self.crc.update(&self.number.to_be_bytes());
            }
            _ => {}
        }
    }

    /// Goes on to the next parts while the current one is complete.
    fn go_on(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        while self.left == 0 {
            match self.part {
                Part::Prelude => {
                    (self.part, self.left) = (Part::Headers, self.headers);
                    self.header = Header::default();
                    (self.is_error, self.is_chunk) = (false, false);
                }
                Part::Headers => {
                    if self.header.at != At::NameLength {
                        self.part = Part::Lost;
                        return;
                    }
                    let around = PRELUDE.saturating_add(CHECKSUM);
                    let around = around.saturating_add(self.headers);
                    (self.part, self.left) = (Part::Payload, self.total.saturating_sub(around));
                    sink(Piece::Begin {
                        is_chunk: self.is_chunk,
                    });
                }
                Part::Payload => (self.part, self.left) = (Part::Checksum, CHECKSUM),
                Part::Checksum => {
                    let crc = std::mem::take(&mut self.crc).finalize();
                    let is_intact = crc == self.number;
                    sink(Piece::End {
                        is_intact,
                        is_error: self.is_error,
                    });
                    (self.part, self.left) = (Part::Prelude, PRELUDE);
                    if !is_intact {
                        self.part = Part::Lost;
                    }
                }
                Part::Lost => return,
            }
        }
    }

    fn read_header(&mut self, byte: u8) {
        match self.header.read(byte) {
            Read::More => {}
            Read::Value(Name::EventType, is_chunk) => self.is_chunk = is_chunk,
            Read::Value(Name::MessageType, is_event) => self.is_error = !is_event,
            Read::Broken => {
                self.part = Part::Lost;
                self.left = u32::MAX;
            }
        }
    }
}

/// A header that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    EventType,
    MessageType,
}

/// What a byte of the headers completes.
enum Read {
    More,
    /// A header that is looked for, and whether it has the value that is looked for.
    Value(Name, bool),
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    NameLength,
    Name,
    Type,
    /// The first and the second byte of the length of a value.
    Length,
    Length2,
    Value,
}

/// The reader of one header after the other.
#[derive(Debug)]
struct Header {
    at: At,
    /// Bytes of the name or the value that are still to come.
    left: u16,
    event_type: Match,
    message_type: Match,
    value: Match,
}

/// How much of a text has been as expected; `None` once it was not.
type Match = Option<usize>;

const EVENT_TYPE: &[u8] = b":event-type";
const MESSAGE_TYPE: &[u8] = b":message-type";
const CHUNK: &[u8] = b"chunk";
const EVENT: &[u8] = b"event";

impl Default for Header {
    fn default() -> Self {
        Self {
            at: At::NameLength,
            left: 0,
            event_type: Some(0),
            message_type: Some(0),
            value: Some(0),
        }
    }
}

impl Header {
    fn read(&mut self, byte: u8) -> Read {
        match self.at {
            At::NameLength => {
                *self = Self {
                    at: At::Name,
                    left: u16::from(byte),
                    ..Self::default()
                };
                if byte == 0 {
                    return Read::Broken;
                }
            }
            At::Name => {
                self.left = self.left.saturating_sub(1);
                self.event_type = compared(self.event_type, EVENT_TYPE, byte);
                self.message_type = compared(self.message_type, MESSAGE_TYPE, byte);
                if self.left == 0 {
                    self.at = At::Type;
                }
            }
            At::Type => {
                // Two booleans without a value, numbers of one, two, four and eight bytes, bytes, text, a time, a UUID.
                (self.at, self.left) = match byte {
                    0 | 1 => (At::NameLength, 0),
                    2 => (At::Value, 1),
                    3 => (At::Value, 2),
                    4 => (At::Value, 4),
                    5 | 8 => (At::Value, 8),
                    6 | 7 => (At::Length, 0),
                    9 => (At::Value, 16),
                    _ => return Read::Broken,
                };
            }
            At::Length => (self.at, self.left) = (At::Length2, u16::from(byte) << 8),
            At::Length2 => {
                self.left |= u16::from(byte);
                self.at = At::Value;
                return self.value();
            }
            At::Value => {
                self.left = self.left.saturating_sub(1);
                let expected = match self.name() {
                    Some(Name::EventType) => CHUNK,
                    Some(Name::MessageType) => EVENT,
                    None => b"",
                };
                self.value = compared(self.value, expected, byte);
                return self.value();
            }
        }
        Read::More
    }

    fn name(&self) -> Option<Name> {
        if self.event_type == Some(EVENT_TYPE.len()) {
            Some(Name::EventType)
        } else if self.message_type == Some(MESSAGE_TYPE.len()) {
            Some(Name::MessageType)
        } else {
            None
        }
    }

    /// The value may be complete.
    fn value(&mut self) -> Read {
        if self.left > 0 {
            return Read::More;
        }
        self.at = At::NameLength;
        match self.name() {
            Some(Name::EventType) => Read::Value(Name::EventType, self.value == Some(CHUNK.len())),
            Some(Name::MessageType) => {
                Read::Value(Name::MessageType, self.value == Some(EVENT.len()))
            }
            None => Read::More,
        }
    }
}

fn compared(so_far: Match, expected: &[u8], byte: u8) -> Match {
    let at = so_far?;
    (expected.get(at) == Some(&byte)).then(|| at.saturating_add(1))
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
pub(crate) mod tests;

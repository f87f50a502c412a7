//! Replies of Amazon Bedrock in `application/vnd.amazon.eventstream`: each message has one document.
//!
//! `ConverseStream` puts the document into the payload. `InvokeModelWithResponseStream` passes on what the model says, as base64
//! in `{"bytes":"…"}`, in messages of the type `chunk` (AWS's pages on both operations).

use super::reading::Reading;
use super::seen::Signals;
use crate::eventstream::{Decoder, Piece};

/// Decoded bytes are handed on in pieces of this size, which most events fit into.
const PIECE: usize = 1024;

/// The messages of one reply.
#[derive(Debug, Default)]
pub(super) struct Frames {
    decoder: Decoder,
    /// The wrapping of the current message, if it has one.
    chunk: Option<Chunk>,
    /// The text that was seen before the current message.
    before: Signals,
}

impl Frames {
    /// Reads the next bytes of the reply. What a message says counts once its CRC is right.
    pub(super) fn push(&mut self, bytes: &[u8], reading: &mut Reading) {
        let Self {
            decoder,
            chunk,
            before,
        } = self;
        decoder.push(bytes, |piece| match piece {
            Piece::Begin { is_chunk } => {
                *chunk = is_chunk.then(Chunk::default);
                *before = *reading.seen.signals();
            }
            Piece::Data(data) => match chunk {
                Some(chunk) => chunk.push(data, |document| reading.data(document, 0)),
                None => reading.data(data, 0),
            },
            Piece::End {
                is_intact: true,
                is_error,
            } => {
                reading.seen.error |= is_error;
                let is_broken = chunk.as_ref().is_some_and(|chunk| chunk.is_broken);
                if is_broken {
                    reading.drop_event(*before);
                } else {
                    reading.end_event();
                }
            }
            Piece::End { .. } => reading.drop_event(*before),
        });
        reading.faulted |= decoder.is_lost();
    }

    /// Whether the reply breaks off within a message.
    pub(super) fn is_within(&self) -> bool {
        self.decoder.is_within()
    }

    /// Whether what comes cannot be read any more.
    pub(super) fn is_lost(&self) -> bool {
        self.decoder.is_lost()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Between,
    Text,
    Escape,
    /// In the base64.
    Bytes,
}

/// Reads the base64 at the member `bytes` of one object.
#[derive(Debug, Default)]
struct Chunk {
    at: At,
    depth: u32,
    /// How many bytes of the current string are those of the name; more than it has if one is not.
    alike: usize,
    /// The last string was the name.
    is_named: bool,
    /// A colon came after it.
    is_value: bool,
    /// Bits of the base64 that make no byte yet, and how many.
    bits: u32,
    count: u32,
    /// It is no base64.
    is_broken: bool,
}

const NAME: &[u8] = b"bytes";

impl Chunk {
    fn push(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) {
        let mut piece = [0; PIECE];
        let mut length = 0_usize;
        for &byte in bytes {
            let Some(decoded) = self.read(byte) else {
                continue;
            };
            if let Some(slot) = piece.get_mut(length) {
                *slot = decoded;
            }
            length = length.saturating_add(1);
            if length == PIECE {
                sink(&piece);
                length = 0;
            }
        }
        let rest = piece.get(..length).unwrap_or_default();
        if !rest.is_empty() {
            sink(rest);
        }
    }

    /// The byte that this one completes.
    fn read(&mut self, byte: u8) -> Option<u8> {
        match (self.at, byte) {
            (At::Between, b'"') if self.is_value => self.at = At::Bytes,
            (At::Between, b'"') => {
                self.at = At::Text;
                self.alike = 0;
            }
            (At::Between, b':') => self.is_value = self.is_named,
            (At::Between, b' ' | b'\t' | b'\n' | b'\r') => {}
            (At::Between, _) => {
                match byte {
                    b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                (self.is_named, self.is_value) = (false, false);
            }
            (At::Text, b'"') => {
                self.at = At::Between;
                self.is_named = self.depth == 1 && self.alike == NAME.len();
            }
            (At::Text, b'\\') => self.at = At::Escape,
            (At::Text, _) => {
                let same = NAME.get(self.alike) == Some(&byte);
                self.alike = if same {
                    self.alike.saturating_add(1)
                } else {
                    usize::MAX
                };
            }
            (At::Escape, _) => {
                self.at = At::Text;
                self.alike = usize::MAX;
            }
            (At::Bytes, b'"') => {
                self.at = At::Between;
                (self.is_named, self.is_value) = (false, false);
            }
            // JSON may write a slash as `\/`, and the padding says nothing.
            (At::Bytes, b'\\' | b'=') => {}
            (At::Bytes, _) => return self.decode(byte),
        }
        None
    }

    /// Of the base64 (RFC 4648 section 4).
    fn decode(&mut self, byte: u8) -> Option<u8> {
        let value = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'+' => 62,
            b'/' => 63,
            _ => {
                self.is_broken = true;
                return None;
            }
        };
        self.bits = (self.bits << 6) | u32::from(value);
        self.count = self.count.wrapping_add(6);
        if self.count < 8 {
            return None;
        }
        self.count = self.count.wrapping_sub(8);
        let [.., decoded] = (self.bits >> self.count).to_be_bytes();
        Some(decoded)
    }
}

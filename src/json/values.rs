//! The part of the scanner that begins and ends values, and keeps the wanted ones.

use super::number::Number;
use super::strings::scaled;
use super::words::is_bare;
use super::{Fault, Found, Grammar, Scanner, State, bit, bits};

impl Scanner {
    pub(super) fn begin_value(&mut self, bytes: &[u8], at: usize, byte: u8) -> Result<(), Fault> {
        let ending = self.paths.node(self.place).map_or(0, |node| node.ends);
        if ending != 0 {
            self.flush(bytes, at);
            self.touched |= ending;
            self.wide = 0;
            let in_array = self.depth > 0 && !self.in_object();
            for index in bits(ending) {
                if let (Some(found), Some(want)) =
                    (self.found.get_mut(index), self.paths.wanted.get(index))
                {
                    found.forget_value();
                    found.first = byte;
                    if in_array {
                        found.exact = found.exact.saturating_add(1);
                    }
                    if want.cap == 0 {
                        found.overflow = true;
                    } else {
                        self.capturing |= bit(index);
                    }
                }
            }
        }
        self.text = 0;
        self.empty = false;
        self.state = match (byte, self.grammar) {
            (b'{', _) => return self.open(true),
            (b'[', _) => return self.open(false),
            (b'"', _) => State::Text,
            (_, Grammar::Lenient) if is_bare(byte) => State::Bare,
            (b't', Grammar::Strict) => State::Literal(b"rue"),
            (b'f', Grammar::Strict) => State::Literal(b"alse"),
            (b'n', Grammar::Strict) => State::Literal(b"ull"),
            _ => State::Number(Number::start(byte).ok_or(Fault::Malformed)?),
        };
        Ok(())
    }

    pub(super) fn end_value(
        &mut self,
        bytes: &[u8],
        end: usize,
        on_value: &mut impl FnMut(usize, &mut Found, usize),
    ) {
        let ended = self.paths.node(self.place).map_or(0, |node| node.ends);
        if ended != 0 {
            self.flush(bytes, end);
            self.capturing &= !ended;
            for index in bits(ended) {
                if let Some(found) = self.found.get_mut(index) {
                    found.complete = true;
                    found.text = self.text;
                    if self.text > 0 {
                        found.wide = scaled(self.wide, self.text);
                    }
                    found.empty = self.empty;
                    on_value(index, found, end);
                }
            }
        }
        self.state = if self.depth == 0 {
            State::Closed
        } else {
            State::AfterValue
        };
    }

    /// Copies this push, from where the last copy ended, to every value that is being copied.
    pub(super) fn flush(&mut self, bytes: &[u8], end: usize) {
        if self.capturing != 0 {
            let part = bytes.get(self.flushed..end).unwrap_or_default();
            for index in bits(self.capturing) {
                if let (Some(found), Some(want)) =
                    (self.found.get_mut(index), self.paths.wanted.get(index))
                {
                    if found.overflow || found.raw.len().saturating_add(part.len()) > want.cap {
                        found.overflow = true;
                        found.raw.clear();
                    } else {
                        found.raw.extend_from_slice(part);
                    }
                }
            }
        }
        self.flushed = end;
    }
}

//! Event stream decoder: takes bytes in any chunking, gives the pieces of each event, and buffers nothing.
//!
//! It follows [WHATWG HTML section 9.2.6][spec]: lines end in LF, CRLF or CR, a byte order mark may come first, `:`
//! starts a comment, the `data` lines of one event are joined by a line feed. It differs in two points. The data of an
//! event is passed on as it arrives, so that an event of a megabyte takes no memory. A last event without its blank
//! line is reported by [`Decoder::finish`], although the standard drops it, because its tokens were generated.
//!
//! It does not parse JSON.
//!
//! [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The longest event type that is recognised. A longer one counts as no type.
pub const MAX_EVENT_TYPE: usize = 32;

/// A part of an event, in the order of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of a `data` line; never empty.
    Data(&'a [u8]),
    /// The line feed between two `data` lines of one event.
    NewLine,
    /// The event ended. It had at least one `data` line, which may have been empty.
    End {
        /// The value of its last `event` line, at most [`MAX_EVENT_TYPE`] bytes; empty if there was none.
        event_type: &'a [u8],
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Data,
    EventType,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// At the start of the stream, with the number of bytes read of the byte order mark.
    ByteOrderMark(usize),
    LineStart,
    /// Within a field name.
    Name,
    /// After the colon, where one space is dropped.
    ValueStart(Field),
    Value(Field),
    /// A comment, or a field that is not used.
    Skip,
}

/// A short string in place.
#[derive(Debug, Default)]
struct Short {
    bytes: [u8; MAX_EVENT_TYPE],
    length: usize,
}

impl Short {
    fn clear(&mut self) {
        self.length = 0;
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.length.saturating_add(part.len());
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(part);
        }
        // A value beyond the limit stays too long, and reads as empty.
        self.length = end;
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The decoder of one stream.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    field_name: Short,
    event_type: Short,
    /// The last line ended in CR: an LF right after it belongs to that line end.
    after_carriage_return: bool,
    has_data: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: State::ByteOrderMark(0),
            field_name: Short::default(),
            event_type: Short::default(),
            after_carriage_return: false,
            has_data: false,
        }
    }
}

impl Decoder {
    /// Decodes the next bytes of the stream, which may end anywhere.
    pub fn push(&mut self, mut bytes: &[u8], mut sink: impl FnMut(Piece<'_>)) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.after_carriage_return) && byte == b'\n' {
                bytes = rest;
                continue;
            }
            if let State::ByteOrderMark(read) = self.state {
                if BYTE_ORDER_MARK.get(read) == Some(&byte) {
                    self.state = State::ByteOrderMark(read.wrapping_add(1));
                    bytes = rest;
                    continue;
                }
                // An incomplete mark is the start of an unknown field name.
                let whole = read == 0 || read == BYTE_ORDER_MARK.len();
                self.state = if whole { State::LineStart } else { State::Skip };
            }
            if matches!(byte, b'\n' | b'\r') {
                self.after_carriage_return = byte == b'\r';
                self.end_line(&mut sink);
                bytes = rest;
                continue;
            }
            bytes = match self.state {
                State::LineStart => match bytes.strip_prefix(b"data:") {
                    Some(value) => {
                        self.begin_data(&mut sink);
                        value
                    }
                    None => {
                        self.field_name.clear();
                        self.state = State::Name;
                        bytes
                    }
                },
                State::Name => {
                    if byte == b':' {
                        self.begin_value(&mut sink);
                    } else {
                        self.field_name.push(&[byte]);
                    }
                    rest
                }
                State::ValueStart(field) => {
                    self.state = State::Value(field);
                    if byte == b' ' { rest } else { bytes }
                }
                State::Value(_) | State::Skip | State::ByteOrderMark(_) => {
                    let end = memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len());
                    let (value, rest) = bytes.split_at_checked(end).unwrap_or((bytes, b""));
                    match self.state {
                        State::Value(Field::Data) => sink(Piece::Data(value)),
                        State::Value(Field::EventType) => self.event_type.push(value),
                        _ => {}
                    }
                    rest
                }
            };
        }
    }

    /// Ends the stream, and an event that lacks its blank line.
    pub fn finish(&mut self, mut sink: impl FnMut(Piece<'_>)) {
        if !matches!(self.state, State::LineStart | State::ByteOrderMark(_)) {
            self.end_line(&mut sink);
        }
        self.end_event(&mut sink);
    }

    fn begin_value(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        match self.field_name.as_bytes() {
            b"data" => self.begin_data(sink),
            b"event" => {
                self.event_type.clear();
                self.state = State::ValueStart(Field::EventType);
            }
            _ => self.state = State::Skip,
        }
    }

    fn begin_data(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        if std::mem::replace(&mut self.has_data, true) {
            sink(Piece::NewLine);
        }
        self.state = State::ValueStart(Field::Data);
    }

    fn end_line(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        match self.state {
            State::LineStart | State::ByteOrderMark(_) => self.end_event(sink),
            // A line without a colon is a field with an empty value.
            State::Name => self.begin_value(sink),
            State::ValueStart(_) | State::Value(_) | State::Skip => {}
        }
        self.state = State::LineStart;
    }

    fn end_event(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        if std::mem::take(&mut self.has_data) {
            sink(Piece::End {
                event_type: self.event_type.as_bytes(),
            });
        }
        self.event_type.clear();
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;

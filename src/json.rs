//! Push scanner over one JSON document: bytes in any chunking, constant memory, the values of a few wanted members out.
//!
//! It never holds the document: what it keeps is a bit per open bracket, one member name and the capped raw text of the
//! wanted values. [`Grammar::Strict`] accepts exactly the documents of [RFC 8259] whose top is an object, so that no
//! reader behind us can read another document than the one that was judged here. [`Grammar::Lenient`] is for replies,
//! where losing count of the structure is the only fault worth giving up for.
//!
//! It must never panic, whatever the bytes, and must never need a byte twice.
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259

mod found;
mod name;
mod number;
mod strings;
mod utf8;

pub use self::found::{Fault, Found, Grammar, Progress, Wanted, decode_string};
use self::name::Name;
use self::number::Number;
use self::utf8::Utf8;

/// The most arrays and objects that may be open at once, as in `serde_json`. Deeper is [`Fault::TooDeep`].
pub const MAX_DEPTH: usize = 128;

/// The most segments that the path of a [`Wanted`] may have; a longer path never matches.
pub const MAX_PATH: usize = 8;

/// The most members that one scanner can look for; those after it are never found.
pub const MAX_WANTED: usize = 64;

#[derive(Clone, Copy, Debug)]
enum State {
    Start,
    /// After `{`.
    NameOrEnd,
    /// After a comma in an object.
    NameStart,
    Name,
    Colon,
    /// After `[`.
    ValueOrEnd,
    /// After a colon, or after a comma in an array.
    Value,
    AfterValue,
    Text,
    Escape {
        in_name: bool,
    },
    Hex {
        in_name: bool,
        digits_left: u8,
        unit: u16,
    },
    Number(Number),
    Literal(&'static [u8]),
    /// Lenient: any number or bare word.
    Bare,
    Closed,
    Faulted(Fault),
}

/// The scanner. One document per [`Scanner::new`] or [`Scanner::reset`].
#[derive(Debug)]
pub struct Scanner {
    wanted: &'static [Wanted],
    grammar: Grammar,
    state: State,
    depth: usize,
    /// One bit per open bracket, the innermost lowest: 1 is an object.
    brackets: u128,
    /// For each depth: which wanted members have a path that leads through the container open at that depth.
    /// For an array, only those that go on with `"[]"`.
    live: [u64; MAX_PATH + 1],
    /// For each depth: which wanted members end there.
    ends_at: [u64; MAX_PATH + 1],
    /// Which wanted members go through, or end at, the value that comes next.
    matched: u64,
    /// Which wanted values are being read.
    capturing: u64,
    /// Up to where this push has been copied into the captured values.
    flushed: usize,
    name: Name,
    utf8: Utf8,
    /// Unescaped length of the string value being read.
    text: u64,
    found: Vec<Found>,
}

impl Scanner {
    /// A scanner at the start of a document. Allocates one [`Found`] for each wanted member (at most [`MAX_WANTED`]).
    pub fn new(wanted: &'static [Wanted], grammar: Grammar) -> Self {
        debug_assert!(wanted.len() <= MAX_WANTED, "too many wanted members");
        let wanted = wanted.get(..MAX_WANTED).unwrap_or(wanted);
        let mut ends_at = [0_u64; MAX_PATH + 1];
        for (index, want) in wanted.iter().enumerate() {
            debug_assert!(
                want.path.len() <= MAX_PATH,
                "path too long: {:?}",
                want.path
            );
            if let Some(ends) = ends_at.get_mut(want.path.len()) {
                *ends |= bit(index);
            }
        }
        Self {
            wanted,
            grammar,
            state: State::Start,
            depth: 0,
            brackets: 0,
            live: [0; MAX_PATH + 1],
            ends_at,
            matched: ends_at.iter().fold(0, |all, ends| all | ends),
            capturing: 0,
            flushed: 0,
            name: Name::default(),
            utf8: Utf8::default(),
            text: 0,
            found: vec![Found::default(); wanted.len()],
        }
    }

    /// Back to the start, for the next document; allocated memory is kept.
    pub fn reset(&mut self) {
        self.state = State::Start;
        self.depth = 0;
        self.brackets = 0;
        self.matched = self.ends_at.iter().fold(0, |all, ends| all | ends);
        self.capturing = 0;
        self.utf8 = Utf8::default();
        for found in &mut self.found {
            found.forget_value();
            found.exact = 0;
            found.lookalikes = 0;
        }
    }

    /// Reads the next bytes of the document; chunks may end anywhere, also within a character or an escape.
    ///
    /// # Errors
    /// The first fault of the document, again for every push after it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Progress, Fault> {
        self.push_each(bytes, |_, _| ())
    }

    /// As [`Scanner::push`], and calls `on_value` with the index of a wanted member and its state each time that one of
    /// its values has been read to the end: the way to see every value of a path that goes through an array.
    ///
    /// # Errors
    /// The first fault of the document, again for every push after it.
    pub fn push_each(
        &mut self,
        bytes: &[u8],
        mut on_value: impl FnMut(usize, &Found),
    ) -> Result<Progress, Fault> {
        self.flushed = 0;
        let mut at = 0;
        let mut closed_at = 0;
        while at < bytes.len() {
            let was_closed = matches!(self.state, State::Closed);
            match self.step(bytes, at, &mut on_value) {
                Ok(next) => at = next,
                Err(fault) => {
                    self.state = State::Faulted(fault);
                    return Err(fault);
                }
            }
            if !was_closed && matches!(self.state, State::Closed) {
                closed_at = at;
            }
        }
        self.flush(bytes, bytes.len());
        match self.state {
            State::Closed => Ok(Progress::Closed { at: closed_at }),
            State::Faulted(fault) => Err(fault),
            _ => Ok(Progress::Open),
        }
    }

    /// Whether the document is whole, if no more bytes come. (Only a lenient scalar at the top needs this question.)
    pub fn finish(&self) -> bool {
        match self.state {
            State::Closed => true,
            State::Bare => self.depth == 0,
            _ => false,
        }
    }

    /// What is known so far of `wanted[index]`; `None` only for an index out of range.
    pub fn found(&self, index: usize) -> Option<&Found> {
        self.found.get(index)
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        let raw: usize = self.found.iter().map(|found| found.raw.capacity()).sum();
        raw.saturating_add(self.found.capacity().saturating_mul(size_of::<Found>()))
    }

    /// Reads at least one byte, or ends a number before the byte that follows it. Gives the offset to go on at.
    #[inline]
    fn step(
        &mut self,
        bytes: &[u8],
        at: usize,
        on_value: &mut impl FnMut(usize, &Found),
    ) -> Result<usize, Fault> {
        let Some(&byte) = bytes.get(at) else {
            return Ok(at);
        };
        let next = at.wrapping_add(1);
        match self.state {
            State::Text => return self.string_run(bytes, at, false, on_value),
            State::Name => return self.string_run(bytes, at, true, on_value),
            State::Escape { in_name } => self.escape(byte, in_name)?,
            State::Hex {
                in_name,
                digits_left,
                unit,
            } => self.hex(byte, in_name, digits_left, unit)?,
            State::Number(number) => match number.step(byte) {
                Some(number) => self.state = State::Number(number),
                None if number.may_end() => {
                    self.end_value(bytes, at, on_value);
                    return Ok(at);
                }
                None => return Err(Fault::Malformed),
            },
            State::Bare => {
                if !is_bare(byte) {
                    self.end_value(bytes, at, on_value);
                    return Ok(at);
                }
            }
            State::Literal(rest) => match rest.split_first() {
                Some((&expected, rest)) if expected == byte => {
                    if rest.is_empty() {
                        self.end_value(bytes, next, on_value);
                    } else {
                        self.state = State::Literal(rest);
                    }
                }
                _ => return Err(Fault::Malformed),
            },
            State::Closed if self.grammar == Grammar::Lenient => return Ok(bytes.len()),
            State::Faulted(fault) => return Err(fault),
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
            State::Start => self.start(bytes, at, byte)?,
            State::NameOrEnd | State::NameStart if byte == b'"' => {
                self.name.clear();
                self.state = State::Name;
            }
            State::NameOrEnd if byte == b'}' => self.close(bytes, next, on_value),
            State::Colon if byte == b':' => self.state = State::Value,
            State::ValueOrEnd if byte == b']' => self.close(bytes, next, on_value),
            State::Value | State::ValueOrEnd => self.begin_value(bytes, at, byte)?,
            State::AfterValue => match (byte, self.in_object()) {
                (b',', true) => self.state = State::NameStart,
                (b',', false) => {
                    self.matched = self.live_here();
                    self.state = State::Value;
                }
                (b'}', true) | (b']', false) => self.close(bytes, next, on_value),
                _ => return Err(Fault::Malformed),
            },
            State::Closed => return Err(Fault::TrailingBytes),
            State::NameOrEnd | State::NameStart | State::Colon => return Err(Fault::Malformed),
        }
        Ok(next)
    }

    fn start(&mut self, bytes: &[u8], at: usize, byte: u8) -> Result<(), Fault> {
        match (self.grammar, byte) {
            // The byte order mark: RFC 8259 section 8.1 lets a reader ignore it.
            (Grammar::Lenient, 0xEF | 0xBB | 0xBF) => Ok(()),
            (Grammar::Lenient, _) | (Grammar::Strict, b'{') => self.begin_value(bytes, at, byte),
            (Grammar::Strict, b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                Err(Fault::NotAnObject)
            }
            (Grammar::Strict, _) => Err(Fault::Malformed),
        }
    }

    fn begin_value(&mut self, bytes: &[u8], at: usize, byte: u8) -> Result<(), Fault> {
        let ending = self.matched & self.ends_at.get(self.depth).copied().unwrap_or(0);
        if ending != 0 {
            self.flush(bytes, at);
            self.capturing |= ending;
            let in_array = self.depth > 0 && !self.in_object();
            for index in bits(ending) {
                if let Some(found) = self.found.get_mut(index) {
                    found.forget_value();
                    if in_array {
                        found.exact = found.exact.saturating_add(1);
                    }
                }
            }
        }
        self.text = 0;
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

    fn open(&mut self, object: bool) -> Result<(), Fault> {
        if self.depth >= MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        // Paths that end above this container do not go through it.
        let ended = self.ends_at.get(self.depth).copied().unwrap_or(u64::MAX);
        let mut live = self.matched & !ended;
        if !object {
            live = self.select(live, self.depth, |segment| segment == "[]");
        }
        self.depth = self.depth.wrapping_add(1);
        self.brackets = (self.brackets << 1) | u128::from(object);
        if let Some(here) = self.live.get_mut(self.depth) {
            *here = live;
        }
        self.matched = self.live_here();
        self.state = if object {
            State::NameOrEnd
        } else {
            State::ValueOrEnd
        };
        Ok(())
    }

    fn close(&mut self, bytes: &[u8], end: usize, on_value: &mut impl FnMut(usize, &Found)) {
        self.depth = self.depth.saturating_sub(1);
        self.brackets >>= 1;
        self.text = 0;
        self.end_value(bytes, end, on_value);
    }

    fn end_value(&mut self, bytes: &[u8], end: usize, on_value: &mut impl FnMut(usize, &Found)) {
        let ended = self.capturing & self.ends_at.get(self.depth).copied().unwrap_or(0);
        if ended != 0 {
            self.flush(bytes, end);
            self.capturing &= !ended;
            for index in bits(ended) {
                if let Some(found) = self.found.get_mut(index) {
                    found.complete = true;
                    found.text = self.text;
                    on_value(index, found);
                }
            }
        }
        self.state = if self.depth == 0 {
            State::Closed
        } else {
            State::AfterValue
        };
    }

    /// Copies this push, from where the last copy ended, to every value that is being read.
    fn flush(&mut self, bytes: &[u8], end: usize) {
        if self.capturing != 0 {
            let part = bytes.get(self.flushed..end).unwrap_or_default();
            for index in bits(self.capturing) {
                if let (Some(found), Some(want)) =
                    (self.found.get_mut(index), self.wanted.get(index))
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

    /// Those of `set` whose path has a segment at `depth` that passes.
    fn select(&self, set: u64, depth: usize, pass: impl Fn(&str) -> bool) -> u64 {
        bits(set)
            .filter(|&index| {
                self.wanted
                    .get(index)
                    .and_then(|want| want.path.get(depth))
                    .is_some_and(|segment| pass(segment))
            })
            .fold(0, |chosen, index| chosen | bit(index))
    }

    fn live_here(&self) -> u64 {
        self.live.get(self.depth).copied().unwrap_or(0)
    }

    fn in_object(&self) -> bool {
        self.brackets & 1 == 1
    }
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn bit(index: usize) -> u64 {
    u32::try_from(index)
        .ok()
        .and_then(|index| 1_u64.checked_shl(index))
        .unwrap_or(0)
}

fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = usize::try_from(set.trailing_zeros())
            .ok()
            .filter(|&index| index < MAX_WANTED)?;
        set &= set.wrapping_sub(1);
        Some(index)
    })
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails, as it should"
)]
mod tests;

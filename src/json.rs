//! Push scanner over one JSON document: takes bytes in any chunking, gives the values of a few wanted members, in
//! constant memory.
//!
//! It never holds the document. It keeps a bit for each of the first [`MAX_DEPTH`] open brackets, one member name and
//! the capped raw text of the wanted values. [`Grammar::Strict`] accepts exactly the documents of [RFC 8259] whose top
//! is an object and that are no deeper, so that no later reader can read a document that differs from the one judged
//! here. [`Grammar::Lenient`] is for replies, and only gives up if it loses the structure. Deeper levels are only
//! counted, bracket by bracket, and the text after them is read.
//!
//! It must never panic for any bytes, and must never need a byte twice.
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259

mod deep;
mod found;
mod name;
mod names;
mod number;
mod paths;
mod strings;
mod table;
mod texts;
mod utf8;
mod values;
mod words;

use std::rc::Rc;

use self::deep::Text;
pub use self::found::{Fault, Found, Grammar, Progress, Wanted, decode_string};
use self::name::Name;
pub use self::names::NameSet;
use self::number::Number;
pub use self::paths::{MAX_PATH, MAX_WANTED, Paths};
use self::paths::{NOWHERE, Place, ROOT};
pub(crate) use self::strings::outside_ascii;
pub(crate) use self::table::Table;
pub(crate) use self::texts::Texts;
use self::utf8::Utf8;
use self::words::is_bare;
use self::words::is_space;

/// The most arrays and objects that may be open at once, as in `serde_json`. A deeper level is [`Fault::TooDeep`] in
/// [`Grammar::Strict`], and is skipped in [`Grammar::Lenient`].
pub const MAX_DEPTH: usize = 128;

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
    /// Lenient: below [`MAX_DEPTH`].
    Deep(Text),
    Closed,
    Faulted(Fault),
}

/// The scanner. One document per [`Scanner::new`] or [`Scanner::reset`].
#[derive(Debug)]
pub struct Scanner {
    paths: Rc<Paths>,
    grammar: Grammar,
    state: State,
    depth: usize,
    /// One bit per open bracket, the innermost lowest: 1 is an object.
    brackets: u128,
    /// Lenient: the number of open brackets below [`MAX_DEPTH`]. Any bracket may close another.
    below: u64,
    /// For each depth that a wanted path can reach: the place of the open container.
    open: [Place; MAX_PATH + 2],
    /// The place of the current or next value.
    place: Place,
    /// The wanted members that this document has mentioned.
    touched: u64,
    /// The wanted values that are being copied.
    capturing: u64,
    /// The offset up to which this push has been copied into the captured values.
    flushed: usize,
    name: Name,
    utf8: Utf8,
    /// The unescaped length of the current string value.
    text: u64,
    /// How many of these bytes belong to characters outside ASCII, if the value is wanted.
    wide: u32,
    /// True if the array or object that was closed last was empty.
    empty: bool,
    found: Vec<Found>,
    /// How much text the document holds; `None` where nobody asks.
    texts: Option<Texts>,
}

impl Scanner {
    /// A scanner at the start of a document. Allocates one [`Found`] for each wanted member (at most [`MAX_WANTED`]).
    pub fn new(wanted: &'static [Wanted], grammar: Grammar) -> Self {
        Self::with_paths(Rc::new(Paths::new(wanted)), grammar)
    }

    /// As [`Scanner::new`], for members whose paths are prepared.
    pub fn with_paths(paths: Rc<Paths>, grammar: Grammar) -> Self {
        let found = std::iter::repeat_with(Found::default);
        let found = found.take(paths.len()).collect();
        Self {
            paths,
            grammar,
            state: State::Start,
            depth: 0,
            brackets: 0,
            below: 0,
            open: [NOWHERE; MAX_PATH + 2],
            place: ROOT,
            touched: 0,
            capturing: 0,
            flushed: 0,
            name: Name::default(),
            utf8: Utf8::default(),
            text: 0,
            wide: 0,
            empty: false,
            found,
            texts: None,
        }
    }

    /// Has the scanner [count the text](Self::texts) of its document as well.
    pub(crate) fn count_texts(&mut self) {
        self.texts = Some(Texts::default());
    }

    /// The strings of the document so far, names aside; `None` unless it [counts](Self::count_texts).
    pub(crate) const fn texts(&self) -> Option<&Texts> {
        self.texts.as_ref()
    }

    /// Resets the scanner for the next document. Allocated memory is kept.
    pub fn reset(&mut self) {
        self.state = State::Start;
        self.depth = 0;
        self.brackets = 0;
        self.place = ROOT;
        self.capturing = 0;
        self.utf8 = Utf8::default();
        for index in bits(std::mem::take(&mut self.touched)) {
            if let Some(found) = self.found.get_mut(index) {
                found.forget_value();
                found.exact = 0;
                found.lookalikes = 0;
                found.name = 0;
            }
        }
    }

    /// Reads the next bytes of the document; chunks may end anywhere, also within a character or an escape.
    ///
    /// # Errors
    /// The first fault of the document, again for every push after it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Progress, Fault> {
        self.push_each(bytes, |_, _, _| ())
    }

    /// As [`Scanner::push`], and calls `on_value` with the index of a wanted member, its state and the offset in
    /// `bytes` just past its value each time one of its values ends. This shows every value of a path through an array.
    /// The callback may take the raw text.
    ///
    /// # Errors
    /// The first fault of the document, again for every push after it.
    pub fn push_each(
        &mut self,
        bytes: &[u8],
        mut on_value: impl FnMut(usize, &mut Found, usize),
    ) -> Result<Progress, Fault> {
        self.flushed = 0;
        match self.scan(bytes, &mut on_value) {
            Err(fault) => {
                self.state = State::Faulted(fault);
                Err(fault)
            }
            Ok(Progress::Open) => {
                self.flush(bytes, bytes.len());
                Ok(Progress::Open)
            }
            closed => closed,
        }
    }

    /// Returns true if the document is complete without further bytes. (Only a lenient scalar at the top needs this.)
    pub fn finish(&self) -> bool {
        match self.state {
            State::Closed => true,
            State::Bare => self.depth == 0,
            _ => false,
        }
    }

    /// The state of `wanted[index]` so far; `None` only for an index out of range.
    pub fn found(&self, index: usize) -> Option<&Found> {
        self.found.get(index)
    }

    /// Whether one of these wanted members (a bit each) is being read and has something in it so far: a text a character,
    /// an object or array a member or element.
    pub(crate) fn is_within(&self, texts: u64, objects: u64) -> bool {
        if self.touched & (texts | objects) == 0 {
            return false;
        }
        let ends_at = |place: Place| self.paths.node(place).map_or(0, |node| node.ends);
        if matches!(self.state, State::Text) && self.text > 0 && ends_at(self.place) & texts != 0 {
            return true;
        }
        // The innermost container may have nothing in it yet.
        let is_new = matches!(self.state, State::NameOrEnd | State::ValueOrEnd);
        let depth = self.depth.saturating_sub(is_new.into());
        let last = depth.clamp(1, self.open.len().saturating_sub(1));
        let containers = self.open.get(2..=last).unwrap_or_default();
        containers
            .iter()
            .any(|&place| ends_at(place) & objects != 0)
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        let raw: usize = self.found.iter().map(|found| found.raw.capacity()).sum();
        raw.saturating_add(self.found.capacity().saturating_mul(size_of::<Found>()))
    }

    fn scan(
        &mut self,
        bytes: &[u8],
        on_value: &mut impl FnMut(usize, &mut Found, usize),
    ) -> Result<Progress, Fault> {
        let mut at = 0;
        while !matches!(self.state, State::Closed) {
            let Some(&byte) = bytes.get(at) else {
                return match self.state {
                    State::Faulted(fault) => Err(fault),
                    _ => Ok(Progress::Open),
                };
            };
            at = self.step(bytes, at, byte, on_value)?;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        if self.grammar == Grammar::Strict && !rest.iter().copied().all(is_space) {
            return Err(Fault::TrailingBytes);
        }
        Ok(Progress::Closed { at })
    }

    /// Reads `byte`, which is at `at`, and possibly more, or ends a number before it. Returns the next offset.
    #[inline]
    fn step(
        &mut self,
        bytes: &[u8],
        at: usize,
        byte: u8,
        on_value: &mut impl FnMut(usize, &mut Found, usize),
    ) -> Result<usize, Fault> {
        let next = at.wrapping_add(1);
        match self.state {
            State::Text => return self.text_run(bytes, at, on_value),
            State::Name => return self.name_run(bytes, at),
            State::AfterValue => match byte {
                b',' if self.in_object() => self.state = State::NameStart,
                b',' => {
                    self.place = self.element();
                    self.state = State::Value;
                }
                b'}' if self.in_object() => self.close(bytes, next, on_value),
                b']' if !self.in_object() => self.close(bytes, next, on_value),
                _ if is_space(byte) => {}
                _ => return Err(Fault::Malformed),
            },
            State::NameStart | State::NameOrEnd => match (byte, self.state) {
                (b'"', _) => return self.begin_name(bytes, next),
                (b'}', State::NameOrEnd) => self.close(bytes, next, on_value),
                _ if is_space(byte) => {}
                _ => return Err(Fault::Malformed),
            },
            State::Colon => match byte {
                b':' => self.state = State::Value,
                _ if is_space(byte) => {}
                _ => return Err(Fault::Malformed),
            },
            State::Value | State::ValueOrEnd => match (byte, self.state) {
                (b']', State::ValueOrEnd) => self.close(bytes, next, on_value),
                _ if is_space(byte) => {}
                _ => {
                    if let Some(end) = self.skip_elements(bytes, at) {
                        self.state = State::AfterValue;
                        return Ok(end);
                    }
                    self.begin_value(bytes, at, byte)?;
                    if byte == b'"' {
                        return self.text_run(bytes, next, on_value);
                    }
                }
            },
            State::Bare => {
                let rest = bytes.get(at..).unwrap_or_default();
                let length = rest.iter().position(|&byte| !is_bare(byte));
                let end = length.map_or(bytes.len(), |length| at.wrapping_add(length));
                if length.is_some() {
                    self.end_value(bytes, end, on_value);
                }
                return Ok(end);
            }
            State::Deep(text) => return Ok(self.step_over(text, bytes, at, on_value)),
            State::Number(number) => match number.step(byte) {
                Some(number) => self.state = State::Number(number),
                None if number.may_end() => {
                    self.end_value(bytes, at, on_value);
                    return Ok(at);
                }
                None => return Err(Fault::Malformed),
            },
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
            State::Escape { in_name } => self.escape(byte, in_name)?,
            State::Hex {
                in_name,
                digits_left,
                unit,
            } => self.hex(byte, in_name, digits_left, unit)?,
            State::Start if is_space(byte) => {}
            State::Start => self.start(bytes, at, byte)?,
            State::Closed => {}
            State::Faulted(fault) => return Err(fault),
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

    fn open(&mut self, object: bool) -> Result<(), Fault> {
        if self.depth >= MAX_DEPTH {
            if self.grammar == Grammar::Strict {
                return Err(Fault::TooDeep);
            }
            self.state = State::Deep(Text::Outside);
            self.below = 1;
            return Ok(());
        }
        self.depth = self.depth.wrapping_add(1);
        self.brackets = (self.brackets << 1) | u128::from(object);
        if let Some(here) = self.open.get_mut(self.depth) {
            *here = self.place;
        }
        if object {
            self.state = State::NameOrEnd;
        } else {
            self.place = self.element();
            self.state = State::ValueOrEnd;
        }
        Ok(())
    }

    fn close(
        &mut self,
        bytes: &[u8],
        end: usize,
        on_value: &mut impl FnMut(usize, &mut Found, usize),
    ) {
        self.empty = matches!(self.state, State::NameOrEnd | State::ValueOrEnd);
        self.place = self.container();
        self.depth = self.depth.saturating_sub(1);
        self.brackets >>= 1;
        self.text = 0;
        self.end_value(bytes, end, on_value);
    }

    /// The place of the innermost open container.
    fn container(&self) -> Place {
        self.open.get(self.depth).copied().unwrap_or(NOWHERE)
    }

    /// The place of its elements, if it is an array.
    fn element(&self) -> Place {
        let container = self.paths.node(self.container());
        container.map_or(NOWHERE, |node| node.element)
    }

    fn in_object(&self) -> bool {
        self.brackets & 1 == 1
    }
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
    reason = "a test that overflows should fail"
)]
mod tests;

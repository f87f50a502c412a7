//! The part of the scanner that reads strings: member names and values.

use memchr::memchr2;

use super::name::is_like;
use super::paths::{NOWHERE, Place};
use super::words::is_bare;
use super::{Fault, Found, Grammar, Scanner, State, bits};

/// How much of a text is looked at for characters outside ASCII: looking at all of a long one would cost as much as reading
/// it.
const SAMPLE: u64 = 4096;

impl Scanner {
    /// Reads a string value up to its end, its next escape or the end of the push.
    pub(super) fn text_run(
        &mut self,
        bytes: &[u8],
        at: usize,
        on_value: &mut impl FnMut(usize, &mut Found, usize),
    ) -> Result<usize, Fault> {
        let (run, stop) = self.run(bytes, at)?;
        let length = u64::try_from(run.len()).unwrap_or(u64::MAX);
        let before = self.text;
        self.text = before.saturating_add(length);
        if let Some(texts) = &mut self.texts {
            texts.run(run, before, stop == Some(b'"'));
        } else if self.place != NOWHERE && self.capturing == 0 {
            let sample = if self.text <= SAMPLE {
                run
            } else {
                start_of(run, SAMPLE.saturating_sub(before))
            };
            self.wide = self.wide.wrapping_add(high_bits(sample));
        }
        let end = at.wrapping_add(run.len());
        let next = end.wrapping_add(1);
        match stop {
            None => return Ok(end),
            Some(b'"') => {
                if let Some(texts) = &mut self.texts {
                    texts.end(self.text);
                }
                self.end_value(bytes, next, on_value);
            }
            Some(_) => self.state = State::Escape { in_name: false },
        }
        Ok(next)
    }

    /// Reads a member name up to its end, its next escape or the end of the push.
    pub(super) fn name_run(&mut self, bytes: &[u8], at: usize) -> Result<usize, Fault> {
        let (run, stop) = self.run(bytes, at)?;
        let end = at.wrapping_add(run.len());
        if stop == Some(b'"') {
            self.end_name(run);
            self.state = State::Colon;
            return Ok(end.wrapping_add(1));
        }
        if self.container() != NOWHERE {
            self.name.push(run);
        }
        if stop.is_none() {
            return Ok(end);
        }
        self.state = State::Escape { in_name: true };
        Ok(end.wrapping_add(1))
    }

    /// Reads a name that begins at `at`.
    ///
    /// Most members of a reply are not wanted, have no escapes and are complete in this push. All of these in a row are
    /// skipped at once.
    pub(super) fn begin_name(&mut self, bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
        if self.grammar == Grammar::Lenient {
            let container = self.container();
            while let Some((name, after)) = plain_string(bytes.get(at..).unwrap_or_default()) {
                let place = self.paths.child(container, name);
                let skipped = match after.strip_prefix(b":") {
                    Some(value) if place == NOWHERE => plain_value(value),
                    _ => None,
                };
                let Some(rest) = skipped else {
                    self.enter(place);
                    self.state = State::Colon;
                    return Ok(bytes.len().wrapping_sub(after.len()));
                };
                let Some(next) = rest.strip_prefix(b",\"") else {
                    self.state = State::AfterValue;
                    return Ok(bytes.len().wrapping_sub(rest.len()));
                };
                at = bytes.len().wrapping_sub(next.len());
            }
        }
        self.name.clear();
        self.state = State::Name;
        self.name_run(bytes, at)
    }

    /// Skips unwanted elements of an array, as [`Self::begin_name`] does. `at` is where one may begin. Returns the
    /// offset just past the last one, if there was any.
    pub(super) fn skip_elements(&self, bytes: &[u8], at: usize) -> Option<usize> {
        if self.grammar == Grammar::Strict || self.place != NOWHERE || self.in_object() {
            return None;
        }
        let mut rest = plain_value(bytes.get(at..)?)?;
        while let Some(next) = rest.strip_prefix(b",").and_then(plain_value) {
            rest = next;
        }
        Some(bytes.len().wrapping_sub(rest.len()))
    }

    /// The bytes up to the next quote or backslash, and that byte. `None` is the end of the push.
    fn run<'a>(&mut self, bytes: &'a [u8], at: usize) -> Result<(&'a [u8], Option<u8>), Fault> {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let (run, rest) = rest.split_at_checked(length).unwrap_or((rest, b""));
        let stop = rest.first().copied();
        if self.grammar == Grammar::Strict {
            // Without an early exit, this compiles to vector instructions.
            if run
                .iter()
                .fold(false, |control, &byte| control | (byte < 0x20))
            {
                return Err(Fault::Malformed);
            }
            self.utf8
                .check(run, stop.is_some())
                .ok_or(Fault::InvalidUtf8)?;
        }
        Ok((run, stop))
    }

    pub(super) fn escape(&mut self, byte: u8, in_name: bool) -> Result<(), Fault> {
        let unescaped = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.state = State::Hex {
                    in_name,
                    digits_left: 4,
                    unit: 0,
                };
                return Ok(());
            }
            _ if self.grammar == Grammar::Lenient => byte,
            _ => return Err(Fault::Malformed),
        };
        if in_name {
            self.name.push(&[unescaped]);
            self.state = State::Name;
        } else {
            self.text = self.text.saturating_add(1);
            self.state = State::Text;
        }
        Ok(())
    }

    pub(super) fn hex(
        &mut self,
        byte: u8,
        in_name: bool,
        digits_left: u8,
        unit: u16,
    ) -> Result<(), Fault> {
        let digit = char::from(byte).to_digit(16).ok_or(Fault::Malformed)?;
        let unit = (unit << 4) | u16::try_from(digit).unwrap_or_default();
        let digits_left = digits_left.saturating_sub(1);
        if digits_left > 0 {
            self.state = State::Hex {
                in_name,
                digits_left,
                unit,
            };
        } else if in_name {
            self.name.push_unit(unit);
            self.state = State::Name;
        } else {
            let length = match unit {
                0..0x80 => 1,
                // Half of a surrogate pair, which is four bytes in UTF-8.
                0x80..0x800 | 0xD800..0xE000 => 2,
                _ => 3,
            };
            self.text = self.text.saturating_add(length.into());
            if length > 1 && self.text <= SAMPLE {
                self.wide = self.wide.wrapping_add(length);
            }
            self.state = State::Text;
        }
        Ok(())
    }

    /// Ends the name. `run` is its last part.
    fn end_name(&mut self, run: &[u8]) {
        let container = self.container();
        self.place = NOWHERE;
        if container == NOWHERE {
            return;
        }
        let name = if self.name.is_empty() {
            run
        } else {
            self.name.push(run);
            self.name.end();
            self.name.kept()
        };
        let cut = self.name.is_cut();
        let place = if cut {
            NOWHERE
        } else {
            self.paths.child(container, name)
        };
        // Only a verdict needs lookalikes. For each name of a reply they would cost more than all other steps.
        if self.grammar == Grammar::Strict && !self.name.is_too_long() {
            let plain = name.is_ascii();
            let alike = self.paths.within(container, |wanted| {
                let alike = if plain {
                    name.eq_ignore_ascii_case(wanted.as_bytes())
                } else {
                    is_like(name, wanted)
                };
                alike && (cut || wanted.as_bytes() != name)
            });
            self.touched |= alike;
            for index in bits(alike) {
                if let Some(found) = self.found.get_mut(index) {
                    found.lookalikes = found.lookalikes.saturating_add(1);
                }
            }
        }
        let watched = self.paths.watched(container, name);
        self.enter(watched.map_or(place, |(place, _)| place));
        if let Some((place, number)) = watched {
            let ends = self.paths.node(place).map_or(0, |node| node.ends);
            for index in bits(ends) {
                if let Some(found) = self.found.get_mut(index) {
                    found.name = number;
                }
            }
        }
    }

    /// Sets the place of the next value.
    fn enter(&mut self, place: Place) {
        self.place = place;
        let Some(node) = self.paths.node(place) else {
            return;
        };
        // The last of equal names wins, including the members that it has or lacks.
        for index in bits(node.within & !node.ends & self.touched) {
            if let Some(found) = self.found.get_mut(index) {
                found.forget_value();
            }
        }
        self.touched |= node.ends;
        for index in bits(node.ends) {
            if let Some(found) = self.found.get_mut(index) {
                found.exact = found.exact.saturating_add(1);
            }
        }
    }
}

/// The number of bytes of a text that belong to characters outside ASCII, by what it begins with. Saturates.
pub(crate) fn outside_ascii(text: &[u8]) -> u32 {
    let length = text.len().try_into().unwrap_or(u64::MAX);
    scaled(high_bits(start_of(text, SAMPLE)), length)
}

/// So many of `length` bytes, if the start of the text has `count`. Saturates.
#[inline]
pub(super) fn scaled(count: u32, length: u64) -> u32 {
    if length <= SAMPLE {
        return count;
    }
    let scaled = u64::from(count).saturating_mul(length) / SAMPLE;
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// At most so many bytes of a text.
fn start_of(text: &[u8], length: u64) -> &[u8] {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    text.get(..length).unwrap_or(text)
}

/// How many bytes have their highest bit set.
fn high_bits(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let words = words
        .iter()
        .map(|word| u32::from_le_bytes(*word) & 0x8080_8080);
    let words: u32 = words.map(u32::count_ones).sum();
    let rest: u32 = rest.iter().map(|byte| u32::from(byte >> 7)).sum();
    words.wrapping_add(rest)
}

/// Splits what follows the opening quote of a string into its text and what follows its closing quote. `None` if it has
/// an escape, or no end.
fn plain_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr2(b'"', b'\\', bytes)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    Some((text, rest.strip_prefix(b"\"")?))
}

/// Skips a string, number or word, and returns the rest. `None` if it is anything else or may continue in the next
/// push.
fn plain_value(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'"', text @ ..] => plain_string(text).map(|(_, rest)| rest),
        word => {
            let length = word.iter().position(|&byte| !is_bare(byte))?;
            word.get(length..).filter(|_| length > 0)
        }
    }
}

//! The part of the scanner that reads strings: member names and values.

use memchr::memchr2;

use super::{Fault, Found, Grammar, Scanner, State, bit, bits};

impl Scanner {
    /// Reads a string up to its end, its next escape or the end of the push.
    pub(super) fn string_run(
        &mut self,
        bytes: &[u8],
        at: usize,
        in_name: bool,
        on_value: &mut impl FnMut(usize, &Found),
    ) -> Result<usize, Fault> {
        let rest = bytes.get(at..).unwrap_or_default();
        let stop = memchr2(b'"', b'\\', rest);
        let run = rest.get(..stop.unwrap_or(rest.len())).unwrap_or(rest);
        if self.grammar == Grammar::Strict {
            // No early exit: this way it is compiled to vector instructions.
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
        if !in_name {
            self.text = self
                .text
                .saturating_add(u64::try_from(run.len()).unwrap_or(u64::MAX));
        } else if self.live_here() != 0 {
            self.name.push(run);
        }
        let end = at.wrapping_add(run.len());
        if stop.is_none() {
            return Ok(end);
        }
        let next = end.wrapping_add(1);
        if bytes.get(end) == Some(&b'\\') {
            self.state = State::Escape { in_name };
        } else if in_name {
            self.end_name();
        } else {
            self.end_value(bytes, next, on_value);
        }
        Ok(next)
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
            self.text = self.text.saturating_add(match unit {
                0..0x80 => 1,
                // Half of a surrogate pair, which makes four bytes of UTF-8.
                0x80..0x800 | 0xD800..0xE000 => 2,
                _ => 3,
            });
            self.state = State::Text;
        }
        Ok(())
    }

    fn end_name(&mut self) {
        self.state = State::Colon;
        let live = self.live_here();
        self.matched = 0;
        if live == 0 {
            return;
        }
        self.name.end();
        let segment = self.depth.saturating_sub(1);
        let exact = self.select(live, segment, |segment| {
            segment != "[]" && self.name.is(segment)
        });
        // Only a verdict asks for lookalikes; for each name of a reply they would cost more than all the rest.
        let alike = match self.grammar {
            Grammar::Strict => self.select(live & !exact, segment, |segment| {
                segment != "[]" && self.name.is_like(segment)
            }),
            Grammar::Lenient => 0,
        };
        let ending = self.ends_at.get(self.depth).copied().unwrap_or(0);
        for index in bits(exact | alike) {
            let Some(found) = self.found.get_mut(index) else {
                continue;
            };
            if alike & bit(index) != 0 {
                found.lookalikes = found.lookalikes.saturating_add(1);
            } else if ending & bit(index) != 0 {
                found.exact = found.exact.saturating_add(1);
            } else {
                // The last one of equal names wins, and with it what it holds or lacks.
                found.forget_value();
            }
        }
        self.matched = exact;
    }
}

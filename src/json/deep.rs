//! Levels below the depth limit: their brackets are counted, and nothing else is read.

use memchr::memchr2;

use super::{Found, Scanner, State};

/// The position of a byte in a value that was opened at [`MAX_DEPTH`](super::MAX_DEPTH).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Outside,
    Inside,
    /// After a backslash.
    Escape,
}

impl Scanner {
    /// Reads from `at` to the end of the deep value or of the push. Returns the next offset.
    pub(super) fn step_over(
        &mut self,
        mut text: Text,
        bytes: &[u8],
        mut at: usize,
        on_value: &mut impl FnMut(usize, &mut Found, usize),
    ) -> usize {
        while let Some(&byte) = bytes.get(at) {
            let next = at.saturating_add(1);
            match (text, byte) {
                (Text::Escape, _) => text = Text::Inside,
                (Text::Inside, b'\\') => text = Text::Escape,
                (Text::Inside, b'"') => text = Text::Outside,
                (Text::Inside, _) => {
                    let rest = bytes.get(next..).unwrap_or_default();
                    at = next.saturating_add(memchr2(b'"', b'\\', rest).unwrap_or(rest.len()));
                    continue;
                }
                (Text::Outside, b'"') => text = Text::Inside,
                (Text::Outside, b'[' | b'{') => self.below = self.below.saturating_add(1),
                (Text::Outside, b']' | b'}') => {
                    self.below = self.below.saturating_sub(1);
                    if self.below == 0 {
                        self.end_value(bytes, next, on_value);
                        return next;
                    }
                }
                (Text::Outside, _) => {}
            }
            at = next;
        }
        self.state = State::Deep(text);
        at
    }
}

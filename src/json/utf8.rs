//! UTF-8 validation across chunk borders.

/// The unfinished character at the end of the last chunk.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    partial: [u8; 4],
    /// Invariant: below 4.
    length: usize,
}

impl Utf8 {
    /// Checks that `run` continues valid text. With `ends`, no further byte belongs to it. `None` if it is invalid.
    pub(super) fn check(&mut self, mut run: &[u8], ends: bool) -> Option<()> {
        while self.length > 0 {
            let Some((&byte, rest)) = run.split_first() else {
                return (!ends).then_some(());
            };
            run = rest;
            *self.partial.get_mut(self.length)? = byte;
            self.length = self.length.wrapping_add(1);
            match std::str::from_utf8(self.partial.get(..self.length)?) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_some() => return None,
                Err(_) => {}
            }
        }
        let Err(error) = std::str::from_utf8(run) else {
            return Some(());
        };
        if ends || error.error_len().is_some() {
            return None;
        }
        let tail = run.get(error.valid_up_to()..)?;
        self.partial.get_mut(..tail.len())?.copy_from_slice(tail);
        self.length = tail.len();
        Some(())
    }
}

//! One unescaped member name, and two ways to compare it.

/// Of a longer name only the beginning is kept, and it is equal to no name. Three times the longest wanted name: a
/// lookalike may use the three bytes of U+212A for each letter.
pub(super) const CAP: usize = 96;

#[derive(Debug)]
pub(super) struct Name {
    bytes: [u8; CAP],
    /// Invariant: at most `CAP`, unless `too_long`.
    length: usize,
    too_long: bool,
    /// The name contains a NUL, at which a reader with C strings would end it. The rest is not kept.
    cut: bool,
    /// The first half of a surrogate pair whose second half may follow.
    high_surrogate: Option<u16>,
}

impl Default for Name {
    fn default() -> Self {
        Self {
            bytes: [0; CAP],
            length: 0,
            too_long: false,
            cut: false,
            high_surrogate: None,
        }
    }
}

impl Name {
    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.too_long = false;
        self.cut = false;
        self.high_surrogate = None;
    }

    /// Adds unescaped text.
    pub(super) fn push(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.end();
            self.append(text);
        }
    }

    /// Adds one UTF-16 unit from a `\u` escape. Half a pair alone becomes U+FFFD, which is in no wanted name.
    pub(super) fn push_unit(&mut self, unit: u16) {
        match (self.high_surrogate.take(), unit) {
            (Some(high), 0xDC00..=0xDFFF) => {
                let pair = char::decode_utf16([high, unit]).next().and_then(Result::ok);
                self.append_char(pair.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            (high, _) => {
                if high.is_some() {
                    self.append_char(char::REPLACEMENT_CHARACTER);
                }
                match char::from_u32(u32::from(unit)) {
                    Some('\0') => self.cut = true,
                    Some(letter) => self.append_char(letter),
                    None if unit < 0xDC00 => self.high_surrogate = Some(unit),
                    None => self.append_char(char::REPLACEMENT_CHARACTER),
                }
            }
        }
    }

    /// Ends the name, or at least any pending surrogate pair.
    pub(super) fn end(&mut self) {
        if self.high_surrogate.take().is_some() {
            self.append_char(char::REPLACEMENT_CHARACTER);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0 && !self.too_long && !self.cut && self.high_surrogate.is_none()
    }

    /// Returns true if [`Name::kept`] is only the part before a NUL.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Returns true if [`Name::kept`] is only the beginning of a name that is longer than any wanted name.
    pub(super) fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// The name, or the kept part of it.
    pub(super) fn kept(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn append_char(&mut self, letter: char) {
        self.append(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn append(&mut self, text: &[u8]) {
        if self.cut {
            return;
        }
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        for (kept, byte) in room.iter_mut().zip(text) {
            *kept = *byte;
        }
        self.too_long |= text.len() > room.len();
        self.length = self.length.saturating_add(text.len()).min(CAP);
    }
}

/// The name after case folding, in `room`, as far as it fits. In text that is not UTF-8, only ASCII letters are folded.
pub(super) fn fold<'a>(name: &[u8], room: &'a mut [u8; CAP]) -> &'a [u8] {
    let mut length = 0_usize;
    let mut append = |bytes: &[u8]| {
        let end = length.saturating_add(bytes.len());
        let Some(place) = room.get_mut(length..end) else {
            return false;
        };
        place.copy_from_slice(bytes);
        place.make_ascii_lowercase();
        length = end;
        true
    };
    if name.is_ascii() {
        append(name.get(..CAP).unwrap_or(name));
    } else {
        let mut bytes = [0; 4];
        'fitting: for chunk in name.utf8_chunks() {
            for letter in chunk.valid().chars() {
                let folded = fold_letter(letter).encode_utf8(&mut bytes);
                if !append(folded.as_bytes()) {
                    break 'fitting;
                }
            }
            append(chunk.invalid());
        }
    }
    room.get(..length).unwrap_or_default()
}

const fn fold_letter(letter: char) -> char {
    match letter {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        letter => letter.to_ascii_lowercase(),
    }
}

/// Returns true if `name` is equal to a wanted ASCII name after case folding.
pub(super) fn is_like(name: &[u8], wanted: &str) -> bool {
    if name.len() == wanted.len() {
        return name.eq_ignore_ascii_case(wanted.as_bytes());
    }
    // Other characters that fold to ASCII have more bytes.
    let longer = (wanted.len()..=CAP).contains(&name.len()) && !name.is_ascii();
    let Some(name) = std::str::from_utf8(name).ok().filter(|_| longer) else {
        return false;
    };
    name.chars()
        .map(fold_letter)
        .eq(wanted.chars().map(fold_letter))
}

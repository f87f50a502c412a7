//! How much text a document holds.

/// The strings of a document. One that looks like a file, whose length says nothing about its tokens, is told apart: it is
/// long, and begins as base64 or a `data:` URL does, without a space.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// Bytes of all that are no files.
    pub(crate) bytes: u64,
    /// How many are files.
    pub(crate) files: u64,
    /// How many bytes of the current string are as in a file, from its start.
    like_a_file: u64,
}

/// The shortest file.
const FILE: u64 = 1024;
/// How much of it is looked at.
const START: u64 = 512;

impl Texts {
    /// The next bytes of a string of which `before` have been seen; the `last` ones may be.
    pub(super) fn run(&mut self, run: &[u8], before: u64, last: bool) {
        if before == 0 {
            self.like_a_file = 0;
            if last && u64::try_from(run.len()).is_ok_and(|length| length < START) {
                return;
            }
        }
        if self.like_a_file == before && before < START {
            let left = usize::try_from(START.saturating_sub(before)).unwrap_or_default();
            let start = run.get(..left).unwrap_or(run);
            let alike = start.iter().take_while(|byte| is_of_file(**byte)).count();
            self.like_a_file = before.saturating_add(alike.try_into().unwrap_or(u64::MAX));
        }
    }

    /// The string is over, and so long.
    pub(super) fn end(&mut self, length: u64) {
        if length >= FILE && self.like_a_file >= START {
            self.files = self.files.saturating_add(1);
        } else {
            self.bytes = self.bytes.saturating_add(length);
        }
    }
}

/// Base64, its variant for URLs, and what stands before it in a `data:` URL (RFC 2397, RFC 4648).
const fn is_of_file(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'+' | b'/' | b'=' | b'-' | b'_' | b':' | b';' | b',' | b'.'
        )
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use crate::json::{Grammar, Scanner};

    #[wasm_bindgen_test(unsupported = test)]
    fn text_is_counted_and_files_are_told_apart_however_the_document_is_cut() {
        let base64 = "aGVsbG8+".repeat(200);
        let words = "lorem ipsum ".repeat(200);
        for (name, document, bytes, files) in [
            ("a name is no text", r#"{"content":1}"#.to_owned(), 0, 0),
            (
                "texts",
                r#"{"a":"one","b":["two","four"]}"#.to_owned(),
                10,
                0,
            ),
            ("an escape", r#"{"a":"1\n\u00e9"}"#.to_owned(), 4, 0),
            ("long text", format!(r#"{{"a":"{words}"}}"#), 2400, 0),
            ("base64", format!(r#"{{"data":"{base64}"}}"#), 0, 1),
            (
                "a data URL beside text",
                format!(r#"{{"text":"hello","url":"data:image/png;base64,{base64}"}}"#),
                5,
                1,
            ),
            ("short base64", r#"{"data":"aGVsbG8+"}"#.to_owned(), 8, 0),
            (
                "text after a beginning as of a file",
                format!(r#"{{"a":"{} {base64}"}}"#, "x".repeat(511)),
                2112,
                0,
            ),
        ] {
            for step in [1, 2, 7, 100, document.len()] {
                let mut scanner = Scanner::new(&[], Grammar::Strict);
                scanner.count_texts();
                for chunk in document.as_bytes().chunks(step) {
                    scanner.push(chunk).unwrap();
                }
                let texts = scanner.texts().unwrap();
                assert_eq!(
                    (texts.bytes, texts.files),
                    (bytes, files),
                    "{name}, chunks of {step}"
                );
            }
        }
    }
}

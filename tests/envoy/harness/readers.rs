//! Servers' ways to read a body: each tells every model that it could take from the bytes that have reached it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

/// All readers together. Python's own `json` runs in a process of its own.
pub(crate) struct Readers {
    python: Child,
}

/// Reads a body as a Python server would: the whole of it in any encoding that `json.loads` detects, and the first
/// document in it; the last and the first of several members. Gives one line of JSON for each body.
const PYTHON: &str = r#"
import json, struct, sys

def first_wins(pairs):
    document = {}
    for name, value in pairs:
        document.setdefault(name, value)
    return document

def whole(body, hook):
    return json.loads(body, object_pairs_hook=hook)

def first_document(body, hook):
    text = body.decode("utf-8-sig", "replace").lstrip()
    return json.JSONDecoder(object_pairs_hook=hook, strict=False).raw_decode(text)[0]

def models(body):
    for read in (whole, first_document):
        for hook in (None, first_wins):
            try:
                document = read(body, hook)
            except (ValueError, RecursionError):
                continue
            if isinstance(document, dict) and "model" in document:
                model = document["model"]
                text = model if isinstance(model, str) else json.dumps(model)
                yield text.encode("utf-8", "replace").decode()

while size := sys.stdin.buffer.read(4):
    body = sys.stdin.buffer.read(struct.unpack("<I", size)[0])
    print(json.dumps(list(models(body))), flush=True)
"#;

impl Readers {
    pub(crate) fn start() -> Self {
        let python = Command::new("python3")
            .args(["-c", PYTHON])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 on the PATH");
        Self { python }
    }

    /// Every model that some reader takes from these bytes. Values that are no strings are given as JSON text.
    pub(crate) fn models(&mut self, body: &[u8]) -> Vec<String> {
        let mut models = self.python(body);
        for folds_case in [false, true] {
            let members = first_document(body, folds_case);
            models.extend(members.first().cloned());
            models.extend(members.last().cloned());
        }
        models.sort();
        models.dedup();
        models
    }

    fn python(&mut self, body: &[u8]) -> Vec<String> {
        let size = u32::try_from(body.len()).unwrap().to_le_bytes();
        let stdin = self.python.stdin.as_mut().unwrap();
        stdin.write_all(&size).unwrap();
        stdin.write_all(body).unwrap();
        stdin.flush().unwrap();
        let stdout = self.python.stdout.as_mut().unwrap();
        let mut line = String::new();
        // One answer for each question, so nothing is ever left in this reader's buffer.
        BufReader::new(stdout.by_ref())
            .read_line(&mut line)
            .unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.python.kill();
        let _ = self.python.wait();
    }
}

/// The members `model` of the first complete document, in order, read as forgivingly as any reader of Go or C++ does:
/// behind a byte order mark, with comments, trailing commas, bare words, invalid UTF-8 and control bytes, whatever
/// follows. Empty as long as the document is not complete. `folds_case` compares names as Go's `encoding/json` does.
fn first_document(body: &[u8], folds_case: bool) -> Vec<String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut cursor = Cursor { body, at: 0 };
    cursor.object(folds_case).unwrap_or_default()
}

struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// The next byte that is neither white space nor part of a comment.
    fn next_token(&mut self) -> Option<u8> {
        loop {
            match self.peek()? {
                byte if byte.is_ascii_whitespace() => self.at += 1,
                b'/' => {
                    let rest = &self.body[self.at..];
                    let end: &[u8] = if rest.starts_with(b"/*") {
                        b"*/"
                    } else {
                        b"\n"
                    };
                    let length = rest.windows(end.len()).position(|window| window == end)?;
                    self.at += length + end.len();
                }
                byte => return Some(byte),
            }
        }
    }

    /// The models of an object at the top, once it is closed.
    fn object(&mut self, folds_case: bool) -> Option<Vec<String>> {
        let mut models = Vec::new();
        if self.next_token()? != b'{' {
            return None;
        }
        self.at += 1;
        loop {
            match self.next_token()? {
                b'}' => {
                    self.at += 1;
                    return Some(models);
                }
                b',' => self.at += 1,
                _ => {
                    let name = self.text()?;
                    if self.next_token()? != b':' {
                        return None;
                    }
                    self.at += 1;
                    let value = self.value()?;
                    let same = if folds_case {
                        name.to_lowercase() == "model"
                    } else {
                        name == "model"
                    };
                    if same {
                        models.push(value);
                    }
                }
            }
        }
    }

    /// Any value: the text of a string, the bytes of everything else.
    fn value(&mut self) -> Option<String> {
        let start = self.at;
        match self.next_token()? {
            b'"' | b'\'' => return self.text(),
            b'{' | b'[' => {
                let mut depth = 0_usize;
                loop {
                    match self.next_token()? {
                        b'"' | b'\'' => {
                            self.text()?;
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            _ => {
                while !matches!(self.peek()?, b',' | b'}' | b']') {
                    self.at += 1;
                }
            }
        }
        let raw = String::from_utf8_lossy(&self.body[start..self.at]);
        Some(raw.trim().to_owned())
    }

    /// A string in either kind of quotes, or a bare word.
    fn text(&mut self) -> Option<String> {
        let quote = self.peek()?;
        if quote != b'"' && quote != b'\'' {
            let start = self.at;
            while self.peek()?.is_ascii_alphanumeric() {
                self.at += 1;
            }
            let word = &self.body[start..self.at];
            return (!word.is_empty()).then(|| String::from_utf8_lossy(word).into_owned());
        }
        let start = self.at + 1;
        self.at = start;
        while self.peek()? != quote {
            self.at += if self.peek()? == b'\\' { 2 } else { 1 };
        }
        let raw = String::from_utf8_lossy(&self.body[start..self.at]).into_owned();
        self.at += 1;
        // Control bytes, which strict readers refuse, are kept out of the unescaping.
        let plain: String = raw.chars().filter(|letter| !letter.is_control()).collect();
        Some(serde_json::from_str(&format!("\"{plain}\"")).unwrap_or(raw))
    }
}

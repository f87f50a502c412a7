//! What the command says, and how it ends.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

/// What came of looking at something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
}

/// Why the command could not do its work. It never holds a key.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Several as one; `None` for none.
    pub(crate) fn all(failures: Vec<Self>) -> Option<Self> {
        let messages: Vec<String> = failures.into_iter().map(|failure| failure.0).collect();
        (!messages.is_empty()).then(|| Self(messages.join("\ntollgate: ")))
    }

    /// Says it on standard error. If that cannot be written to, the exit code has to do.
    pub(crate) fn report(&self) {
        let _ = writeln!(io::stderr(), "tollgate: {}", self.0);
    }
}

/// Says something on standard error that is to be known beside the answer. If that cannot be written to, the answer has
/// to do.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "tollgate: {text}");
}

/// Standard output: text for people, or JSON for programs.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes one answer: `answer` as JSON where that is asked for, else as its text.
    pub(crate) fn say<T: Serialize + fmt::Display>(&mut self, answer: &T) -> Result<(), Failure> {
        let text = if self.json {
            serde_json::to_string(answer).map_err(|error| Failure::new(error.to_string()))?
        } else {
            answer.to_string()
        };
        if text.is_empty() {
            return Ok(());
        }
        match writeln!(io::stdout(), "{text}") {
            // Who closes the pipe has read enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "cannot write to standard output: {error}"
            ))),
            _ => Ok(()),
        }
    }
}

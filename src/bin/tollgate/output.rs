//! The output of the command, and its result.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
}

/// The reason why the command could not do its work. It never contains a key.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Joins several failures; `None` for none.
    pub(crate) fn all(failures: Vec<Self>) -> Option<Self> {
        let messages: Vec<String> = failures.into_iter().map(|failure| failure.0).collect();
        (!messages.is_empty()).then(|| Self(messages.join("\ntollgate: ")))
    }

    /// Prints it to standard error. If that fails, the exit code must be enough.
    pub(crate) fn report(&self) {
        let _ = writeln!(io::stderr(), "tollgate: {}", self.0);
    }
}

/// Standard output: text for people, or JSON for programs.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes one answer, as JSON if requested, else as text.
    pub(crate) fn say<T: Serialize + fmt::Display>(&mut self, answer: &T) -> Result<(), Failure> {
        let text = if self.json {
            serde_json::to_string(answer).map_err(|error| Failure::new(error.to_string()))?
        } else {
            answer.to_string()
        };
        if text.is_empty() {
            return Ok(());
        }
        self.write(&format!("{text}\n"))
    }

    /// Writes text that is never JSON.
    #[expect(
        clippy::unused_self,
        reason = "the only place that writes to standard output"
    )]
    pub(crate) fn write(&mut self, text: &str) -> Result<(), Failure> {
        match io::stdout().write_all(text.as_bytes()) {
            // A closed pipe means that the reader has enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "cannot write to standard output: {error}"
            ))),
            _ => Ok(()),
        }
    }

    /// Writes a key to standard error, so that it is not in a file with the answer.
    pub(crate) fn confide(&mut self, key: &str) -> Result<(), Failure> {
        writeln!(
            io::stderr(),
            "The key, which is not stored and not shown again:\n{key}"
        )
        .map_err(|error| Failure::new(format!("cannot write to standard error: {error}")))
    }

    /// Prints to standard error why there is no answer.
    pub(crate) fn fault(&mut self, message: &str) {
        let _ = writeln!(io::stderr(), "tollgate: {message}");
    }

    /// Prints a remark to standard error.
    pub(crate) fn warn(&mut self, message: &str) {
        let _ = writeln!(io::stderr(), "tollgate: warning: {message}");
    }
}

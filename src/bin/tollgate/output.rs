//! The output of the command, and its result.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

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

    /// A file that cannot be read. What may be a key in the place of a file's name is not repeated.
    pub(crate) fn of_file(file: &Path, error: &io::Error) -> Self {
        Self(format!("{}: cannot read: {error}", shown(file)))
    }

    /// Several as one; `None` for none.
    pub(crate) fn all(failures: Vec<Self>) -> Option<Self> {
        let messages: Vec<String> = failures.into_iter().map(|failure| failure.0).collect();
        (!messages.is_empty()).then(|| Self(messages.join("\ntollgate: ")))
    }

    /// Prints it to standard error. If that fails, the exit code must be enough.
    pub(crate) fn report(&self) {
        let _ = writeln!(io::stderr(), "tollgate: {}", self.0);
    }
}

/// The name of a file, unless it may be a key that was given in its place.
pub(crate) fn shown(file: &Path) -> String {
    let name = file.display().to_string();
    let is_short = name.len() < 16 && !name.starts_with("sk-");
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let is_path = file
        .extension()
        .is_some_and(|extension| extension.len() <= 5)
        || folder.is_some_and(Path::exists);
    if is_short || is_path || file.exists() {
        name
    } else {
        "a file whose name is not repeated, as it may be a key (give a key on standard input)"
            .to_owned()
    }
}

/// Whether standard error is `/dev/null`, or closed. Whoever says `2>/dev/null` does not see this either, but has the exit
/// code, and no entry of a key that is lost.
#[cfg(unix)]
pub(crate) fn errors_go_nowhere() -> bool {
    use std::os::unix::fs::MetadataExt;

    let device = |path: &str| std::fs::metadata(path).map(|about| about.rdev());
    match (device("/dev/stderr"), device("/dev/null")) {
        (Ok(errors), Ok(nowhere)) => errors == nowhere,
        // Whether the system has these paths is not the question here.
        _ => false,
    }
}

/// The same where there is no such device.
#[cfg(not(unix))]
pub(crate) const fn errors_go_nowhere() -> bool {
    false
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

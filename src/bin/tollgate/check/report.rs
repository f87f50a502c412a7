//! The findings of `check`, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::source::File;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// The filter will refuse the configuration.
    Fault,
    /// The filter will accept the configuration, but it may not be what was intended.
    Warning,
    /// Something was not checked.
    Note,
}

#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) file: String,
    pub(crate) line: usize,
    /// The path in the configuration, or in the document that contains it; empty for the whole.
    pub(crate) path: String,
    pub(crate) severity: Severity,
    pub(crate) message: String,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    files: Vec<Looked>,
    findings: Vec<Finding>,
}

/// One checked file.
#[derive(Debug, Serialize)]
struct Looked {
    file: String,
    configurations: Vec<String>,
    faults: usize,
    warnings: usize,
}

impl Report {
    pub(crate) fn add(&mut self, file: &File, mut findings: Vec<Finding>) {
        findings.sort_by_key(|finding| finding.line);
        let count = |severity| {
            findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .count()
        };
        self.files.push(Looked {
            file: file.name.clone(),
            configurations: file
                .configurations
                .iter()
                .map(|found| found.origin.clone())
                .collect(),
            faults: count(Severity::Fault),
            warnings: count(Severity::Warning),
        });
        self.findings.append(&mut findings);
    }

    /// Returns true if there are no faults and, if `strict`, no warnings.
    pub(crate) fn is_good(&self, strict: bool) -> bool {
        let good = |file: &Looked| file.faults == 0 && !(strict && file.warnings > 0);
        self.files.iter().all(good)
    }
}

impl Finding {
    pub(crate) fn new(
        severity: Severity,
        file: &File,
        line: usize,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            file: file.name.clone(),
            line,
            path: path.into(),
            severity,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: ", self.file, self.line)?;
        match self.severity {
            Severity::Fault => {}
            Severity::Warning => formatter.write_str("warning: ")?,
            Severity::Note => formatter.write_str("note: ")?,
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = self.findings.iter().map(Finding::to_string);
        let looked_at = self.files.iter().filter(|looked| !looked.is_empty());
        let lines: Vec<String> = findings.chain(looked_at.map(Looked::to_string)).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl Looked {
    /// Returns true if there was nothing to check.
    fn is_empty(&self) -> bool {
        self.configurations.is_empty() && self.faults == 0
    }
}

impl fmt::Display for Looked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = count(self.faults, "fault");
        let warnings = count(self.warnings, "warning");
        write!(formatter, "{}: {faults}, {warnings}", self.file)
    }
}

fn count(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

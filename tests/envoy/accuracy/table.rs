//! The table: one row for each recording, and what they come to.

use super::counted::Counted;
use super::index::Recording;
use super::splits::KINDS;
use super::verdict::{Passage, Verdict, number};

/// All replays of one recording.
pub(super) struct Row<'a> {
    pub(super) recording: &'a Recording,
    /// The kind of each replay's split, and its number of writes.
    pub(super) writes: Vec<(&'static str, usize)>,
    pub(super) counted: Counted,
    pub(super) verdict: Verdict,
    pub(super) passage: Passage,
}

impl Row<'_> {
    /// Why the command fails, if this is a reason.
    pub(super) fn fault(&self) -> Option<String> {
        let file = &self.recording.file;
        match (&self.verdict, &self.passage) {
            (Verdict::Wrong(_), _) => Some(format!("{file}: {}", self.verdict.name())),
            (_, Passage::Differs(what)) => Some(format!(
                "{file}: differs from what passes without the filter: {what}"
            )),
            _ => None,
        }
    }

    fn cells(&self) -> [String; 9] {
        let Row {
            recording, counted, ..
        } = self;
        let writes: Vec<String> = KINDS
            .iter()
            .map(|kind| {
                let writes = self.writes.iter().find(|(name, _)| name == kind);
                writes.map_or_else(|| "-".to_owned(), |(_, writes)| writes.to_string())
            })
            .collect();
        let reason = counted.missing.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(", {reason}"));
        let output = match self.verdict {
            // With nothing reported, what is charged is the estimate.
            Verdict::Estimated => format!("~{}", counted.charge),
            _ => told(counted.output),
        };
        let truth = recording.truth.as_ref();
        let true_number = |of: fn(&super::index::Tokens) -> Option<u64>| number(truth.and_then(of));
        [
            recording.file.clone(),
            recording
                .endpoint
                .clone()
                .unwrap_or_else(|| format!("({})", recording.target())),
            writes.join("+"),
            format!("{}{reason}", counted.source),
            format!("{}/{output}", told(counted.input)),
            counted.cached.to_string(),
            format!(
                "{}/{}",
                true_number(|truth| truth.prompt),
                true_number(|truth| truth.completion)
            ),
            true_number(|truth| truth.cached),
            self.verdict.name(),
        ]
    }
}

/// A number that was counted; `-` where none was.
fn told(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

const HEADINGS: [&str; 10] = [
    "recording",
    "endpoint",
    "writes",
    "source",
    "in/out",
    "cached",
    "true in/out",
    "cached",
    "verdict",
    "bytes",
];

/// The rows as aligned text.
pub(super) fn table(rows: &[Row<'_>]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned).to_vec()];
    for row in rows {
        let mut cells = row.cells().to_vec();
        cells.push(match &row.passage {
            Passage::Same => "same".to_owned(),
            Passage::Edited => "edited".to_owned(),
            Passage::Differs(what) => format!("DIFFERS: {what}"),
        });
        lines.push(cells);
    }
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| lines.iter().map(|line| line[column].len()).max().unwrap())
        .collect();
    let mut text = String::new();
    for line in lines {
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// How often each verdict was given.
pub(super) fn summary(rows: &[Row<'_>]) -> String {
    let count = |matches: fn(&Row<'_>) -> bool| rows.iter().filter(|row| matches(row)).count();
    let verdicts = [
        ("exact", count(|row| row.verdict == Verdict::Exact)),
        (
            "reported, truth not known",
            count(|row| row.verdict == Verdict::Unverified),
        ),
        (
            "lower bound",
            count(|row| row.verdict == Verdict::LowerBound),
        ),
        ("estimated", count(|row| row.verdict == Verdict::Estimated)),
        ("none", count(|row| row.verdict == Verdict::Unknown)),
        ("n/a", count(|row| row.verdict == Verdict::NotApplicable)),
        (
            "not metered",
            count(|row| row.verdict == Verdict::NotMetered),
        ),
        (
            "wrong",
            count(|row| matches!(row.verdict, Verdict::Wrong(_))),
        ),
    ];
    let verdicts = verdicts.map(|(name, count)| format!("{count} {name}"));
    format!(
        "{} recordings: {}; bytes: {} same, {} edited, {} differ",
        rows.len(),
        verdicts.join(", "),
        count(|row| row.passage == Passage::Same),
        count(|row| row.passage == Passage::Edited),
        count(|row| matches!(row.passage, Passage::Differs(_))),
    )
}

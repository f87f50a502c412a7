//! The table: one row for each recording, and what they come to.

use std::sync::Arc;

use super::counted::{Counted, told};
use super::index::{Recording, Tokens};
use super::replay::Arrival;
use super::splits::KINDS;
use super::verdict::{Passage, Verdict, compare, judge, number};

/// One replay of a recording.
pub(super) struct Replay<'a> {
    /// The kind of its split, and the number of writes that made.
    pub(super) kind: &'static str,
    pub(super) writes: usize,
    pub(super) counted: &'a Counted,
    pub(super) filtered: &'a Arrival,
    pub(super) plain: &'a Arrival,
}

/// What all replays of one recording come to.
pub(super) struct Row {
    pub(super) recording: Arc<Recording>,
    writes: Vec<(&'static str, usize)>,
    counted: Counted,
    pub(super) verdict: Verdict,
    pub(super) passage: Passage,
}

impl Row {
    /// The first replay is judged; the others have to agree with it.
    pub(super) fn new(recording: &Arc<Recording>, replays: &[Replay<'_>]) -> Self {
        let (first, others) = replays.split_first().unwrap();
        let other = others.iter().find(|replay| replay.counted != first.counted);
        let verdict = match (judge(recording, first.counted), other) {
            (Verdict::Wrong(why), _) => Verdict::Wrong(why),
            (_, Some(other)) => Verdict::Wrong(format!(
                "{} differs from {}: {}; {}",
                other.kind, first.kind, other.counted, first.counted
            )),
            (verdict, None) => verdict,
        };
        let passages = replays
            .iter()
            .map(|replay| compare(recording, replay.filtered, replay.plain));
        // The last is the worst.
        let passage = passages.max().unwrap();
        Self {
            recording: Arc::clone(recording),
            writes: replays
                .iter()
                .map(|replay| (replay.kind, replay.writes))
                .collect(),
            counted: first.counted.clone(),
            verdict,
            passage,
        }
    }

    /// Why the command fails, if this is a reason.
    pub(super) fn fault(&self) -> Option<String> {
        let file = &self.recording.file;
        match (&self.verdict, &self.passage) {
            (Verdict::Wrong(_), _) => Some(format!("{file}: {}", self.verdict.name())),
            (_, Passage::Differs(what)) => Some(format!("{file}: passes differently: {what}")),
            _ => None,
        }
    }

    fn cells(&self) -> [String; 9] {
        let Self {
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
        let true_number = |of: fn(&Tokens) -> Option<u64>| number(truth.and_then(of));
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

const LEGEND: &str =
    "writes: whole + one byte each + cut inside line ends, usage names and their numbers + random
endpoint in brackets: the reply is from no server, and is replayed where its shape belongs
in/out: as counted; -: not told; ~: estimated    true: ?: not known";

/// The rows as aligned text.
pub(super) fn table(rows: &[Row]) -> String {
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
    let mut text = format!("{LEGEND}\n\n");
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
pub(super) fn summary(rows: &[Row]) -> String {
    let count = |matches: fn(&Row) -> bool| rows.iter().filter(|row| matches(row)).count();
    let verdicts = [
        ("exact", count(|row| row.verdict == Verdict::Exact)),
        (
            "unverified",
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
        "{} recordings: {}; their bytes: {} the same as without the filter, {} edited (lists of models, usage that was not asked for), {} different",
        rows.len(),
        verdicts.join(", "),
        count(|row| row.passage == Passage::Same),
        count(|row| row.passage == Passage::Edited),
        count(|row| matches!(row.passage, Passage::Differs(_))),
    )
}

//! The table that is printed, and the samples that are kept.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// What was measured again and again.
#[derive(Clone, Default)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The value below which this part of the samples is.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len().max(1) - 1) as f64 * part;
        let at = |index: f64| sorted.get(index as usize).copied().unwrap_or(f64::NAN);
        let (low, high) = (at(place.floor()), at(place.ceil()));
        low + (high - low) * place.fract()
    }

    /// Round by round, what these are more than those: what disturbs a round disturbs both.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a - b).collect())
    }

    /// Median and the middle half of the samples.
    pub(crate) fn show(&self, digits: usize) -> String {
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|part| self.quantile(part));
        format!("{middle:.digits$} [{low:.digits$} … {high:.digits$}]")
    }
}

/// All that one run has to say.
#[derive(Default)]
pub(crate) struct Report {
    text: String,
    raw: Map<String, Value>,
    aims: Vec<[String; 4]>,
}

impl Report {
    /// A part of the table. Prints it at once, so that one sees how far the run is.
    pub(crate) fn table(&mut self, title: &str, columns: &[&str], rows: &[Vec<String>]) {
        let mut text = format!("\n{title}\n");
        let header: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let all: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
        let widths: Vec<usize> = (0..columns.len())
            .map(|column| {
                let cells = all.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in all {
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
                // Names to the left, numbers to the right.
                let _ = if index == 0 {
                    write!(text, "  {cell}{fill}")
                } else {
                    write!(text, "  {fill}{cell}")
                };
            }
            text.push('\n');
        }
        self.say(&text);
    }

    /// A line below a part of the table.
    pub(crate) fn note(&mut self, text: &str) {
        self.say(&format!("  {text}\n"));
    }

    /// Keeps samples.
    pub(crate) fn keep(&mut self, name: &str, value: impl Into<Value>) {
        self.raw.insert(name.to_owned(), value.into());
    }

    /// Keeps the samples of a variant.
    pub(crate) fn keep_samples(&mut self, name: &str, variant: &str, samples: &Samples) {
        let entry = self.raw.entry(name.to_owned()).or_insert_with(|| json!({}));
        entry[variant] = json!(samples.0);
    }

    /// An aim, and what came of it. `why` says where the cost is; it is shown if the aim was missed.
    pub(crate) fn aim(&mut self, aim: &str, result: &str, met: bool, why: &str) {
        let verdict = if met { "met" } else { "MISSED" };
        let why = if met { "" } else { why };
        self.aims
            .push([aim, result, verdict, why].map(str::to_owned));
    }

    /// Prints the aims; returns all that was printed and all that was kept.
    pub(crate) fn finish(mut self) -> (String, Value) {
        let aims = std::mem::take(&mut self.aims);
        let rows: Vec<Vec<String>> = aims.iter().map(|aim| aim[..3].to_vec()).collect();
        self.table("Aims", &["aim", "result", ""], &rows);
        for [aim, _, _, why] in aims.iter().filter(|aim| !aim[3].is_empty()) {
            self.note(&format!("Missed: {aim}. Where it goes: {why}."));
        }
        let aims = aims.iter().map(
            |[aim, result, verdict, _]| json!({"aim": aim, "result": result, "verdict": verdict}),
        );
        self.raw.insert("aims".to_owned(), aims.collect());
        (self.text, Value::Object(self.raw))
    }

    fn say(&mut self, text: &str) {
        print!("{text}");
        self.text.push_str(text);
    }
}

//! Prometheus text, read into series.

use std::collections::BTreeMap;
use std::fmt;

/// One series: its name and its labels in alphabetical order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    /// Without labels.
    pub(crate) name: String,
    /// Label to value, without quotes.
    pub(crate) labels: BTreeMap<String, String>,
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<String> = self
            .labels
            .iter()
            .map(|(label, value)| format!("{label}={value:?}"))
            .collect();
        write!(formatter, "{}{{{}}}", self.name, labels.join(","))
    }
}

/// Reads lines such as `tollgate_tokens_total{tenant="acme",type="input"} 7`; comments and blank lines say nothing.
pub(crate) fn series(text: &str) -> BTreeMap<Series, f64> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (one_series(series), value.parse().unwrap())
        })
        .collect()
}

fn one_series(text: &str) -> Series {
    let Some((name, labels)) = text.split_once('{') else {
        return Series {
            name: text.to_owned(),
            labels: BTreeMap::new(),
        };
    };
    // No label value in these tests holds a quote, so `",` only ever ends one.
    let labels = labels
        .trim_end_matches('}')
        .split("\",")
        .filter(|label| !label.is_empty())
        .map(|label| {
            let (label, value) = label.split_once("=\"").unwrap();
            (label.to_owned(), value.trim_end_matches('"').to_owned())
        })
        .collect();
    Series {
        name: name.to_owned(),
        labels,
    }
}

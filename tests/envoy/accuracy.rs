//! Replies of real servers, replayed through Envoy with the filter and without it: what is counted against what is known
//! of their cost, and what arrives against what was sent. `make accuracy` prints the table.
//!
//! `$TOLLGATE_RECORDINGS` is a folder with an `INDEX.jsonl` like that of `tests/fixtures/recordings`, which is the
//! default. Everything is decided by the index and by the bytes, nothing by the name of a file.

mod counted;
mod index;
mod replay;
mod splits;
mod table;
mod tests;
mod verdict;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::replay::{Arrival, Case, Replayer};
use self::splits::splits;
use self::table::{Replay, Row, summary, table};

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/recordings");

/// What came of all recordings of a folder.
struct Measured {
    rows: Vec<Row>,
    steps: String,
    /// Everything that makes the command fail.
    faults: Vec<String>,
}

fn measure(folder: &Path) -> Measured {
    let (recordings, mut faults) = index::load(folder);
    let recordings: Vec<_> = recordings.into_iter().map(Arc::new).collect();
    let mut cases = Vec::new();
    for recording in &recordings {
        for split in splits(&recording.body) {
            cases.push(Case {
                number: cases.len(),
                recording: Arc::clone(recording),
                split,
            });
        }
    }
    let cases = Arc::new(cases);
    let filter = Replayer::with_filter(&cases);
    let filtered = filter.replay();
    let counted = filter.counted();
    let plain = Replayer::without_filter(&cases).replay();
    let rows: Vec<Row> = cases
        .chunk_by(|one, next| Arc::ptr_eq(&one.recording, &next.recording))
        .map(|cases| {
            let replays = cases.iter().map(|case| Replay {
                kind: case.split.kind,
                writes: case.split.parts(&case.recording.body).len(),
                counted: &counted[case.number],
                filtered: &filtered[case.number],
                plain: &plain[case.number],
            });
            Row::new(&cases[0].recording, &replays.collect::<Vec<_>>())
        })
        .collect();
    faults.extend(rows.iter().filter_map(Row::fault));
    Measured {
        steps: steps(&cases, &filtered),
        rows,
        faults,
    }
}

/// How many writes of the split replies Envoy's filters saw by themselves.
fn steps(cases: &[Case], arrivals: &[Arrival]) -> String {
    let (mut writes, mut late, mut chunked, mut chunks) = (0, 0, 0, 0);
    for (case, arrival) in cases.iter().zip(arrivals) {
        let parts = case.split.parts(&case.recording.body).len();
        // A list of models leaves the filter at its end only.
        if parts > 1 && !case.recording.is_list_of_models() {
            writes += parts;
            late += arrival.out_of_step;
            if arrival.chunks > 0 {
                chunked += parts;
                chunks += arrival.chunks;
            }
        }
    }
    format!(
        "{} replays; {writes} writes where split, {late} of them before the one ahead had passed Envoy; those in chunks, \
         {chunked}, left Envoy as {chunks} chunks",
        cases.len()
    )
}

#[test]
fn every_recording_is_counted_as_its_truth_allows_and_passes_as_without_the_filter() {
    let folder = env::var_os("TOLLGATE_RECORDINGS");
    let folder = folder.map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from);
    let measured = measure(&folder);
    println!("\n{}", table(&measured.rows));
    for fault in &measured.faults {
        println!("FAULT {fault}");
    }
    println!("{}\n{}\n", measured.steps, summary(&measured.rows));
    let faults = measured.faults.len();
    assert_eq!(faults, 0, "faults, which stand below the table");
}

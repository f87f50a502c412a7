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
mod verdict;

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use self::replay::{Arrival, Case, Replayer};
use self::splits::splits;
use self::table::{Row, summary, table};
use self::verdict::{Passage, Verdict, compare, judge};

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/recordings");

#[test]
fn every_recording_is_counted_as_its_truth_allows_and_passes_as_without_the_filter() {
    let folder = env::var_os("TOLLGATE_RECORDINGS");
    let folder = folder.map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from);
    let (recordings, mut faults) = index::load(&folder);
    let recordings: Vec<_> = recordings.into_iter().map(Arc::new).collect();
    let mut cases = Vec::new();
    for recording in &recordings {
        for split in splits(&recording.body) {
            let number = cases.len();
            cases.push(Case {
                recording: Arc::clone(recording),
                split,
                number,
            });
        }
    }
    let cases = Arc::new(cases);
    let filtered = Replayer::with_filter(&cases);
    let arrivals = filtered.replay();
    let counted = filtered.counted();
    let plain = Replayer::without_filter(&cases).replay();

    let mut rows = Vec::new();
    let mut start = 0;
    for recording in &recordings {
        let of_recording = cases[start..].iter();
        let end = start
            + of_recording
                .take_while(|case| Arc::ptr_eq(&case.recording, recording))
                .count();
        let mut row = Row {
            recording,
            writes: Vec::new(),
            counted: counted[start].clone(),
            verdict: judge(recording, &counted[start]),
            passage: Passage::Same,
        };
        for case in &cases[start..end] {
            let writes = case.split.parts(&recording.body).len();
            row.writes.push((case.split.kind, writes));
            if counted[case.number] != row.counted && !matches!(row.verdict, Verdict::Wrong(_)) {
                row.verdict = Verdict::Wrong(format!(
                    "sent as {}, {:?}; but whole, {:?}",
                    case.split.kind, counted[case.number], row.counted
                ));
            }
            let passage = compare(recording, &arrivals[case.number], &plain[case.number]);
            if matches!(row.passage, Passage::Same | Passage::Edited) {
                row.passage = passage;
            }
        }
        rows.push(row);
        start = end;
    }
    println!("{}", table(&rows));
    println!("{}", steps(&cases, &arrivals));
    println!("{}", summary(&rows));
    faults.extend(rows.iter().filter_map(Row::fault));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// How many writes of the split replies reached Envoy's filters by themselves.
fn steps(cases: &[Case], arrivals: &[Arrival]) -> String {
    let (mut writes, mut late, mut chunked, mut chunks) = (0, 0, 0, 0);
    for (case, arrival) in cases.iter().zip(arrivals) {
        let parts = case.split.parts(&case.recording.body).len();
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
        "{} replays; {writes} writes in the split ones, {late} of them before the one ahead had passed Envoy; \
         {chunked} of them in chunks, which left Envoy as {chunks} chunks",
        cases.len()
    )
}

//! Inputs: the corpora, the recordings, and mutations of both.

use std::fs;
use std::path::{Path, PathBuf};

use crate::random::Random;

const CORPORA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus");
const RECORDINGS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/fixtures/recordings"
);

/// What the grammars are made of, so that a mutation has a chance to mean something.
const WORDS: [&[u8]; 40] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\r",
    b" ",
    b"\0",
    b"\xFF",
    b"\xEF\xBB\xBF",
    b"data:",
    b"data: {}\n\n",
    b"event: error\n",
    b": comment\n",
    b"\"model\":\"m\",",
    b"\"Model\":1,",
    b"\\u006dodel",
    b"\\ud83d",
    b"\"stream\":true,",
    b"\"stream_options\":{},",
    b"\"stream_options\":null,",
    b"\"include_usage\":false,",
    b"true",
    b"false",
    b"null",
    b"1e999",
    b"-0",
    b"\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}",
    b"\"choices\":[],",
    b"\"choices\":[{\"index\":0,\"delta\":{}}]",
    b"--x",
    b"--x--",
    b"\ncontent-length: 5",
];

/// The inputs of a check: its corpus, and replies that servers gave where it reads replies. Sorted by name.
///
/// # Panics
/// When there is no corpus.
#[must_use]
pub fn seeds(check: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut seeds = Vec::new();
    read(&Path::new(CORPORA).join(check), &mut seeds);
    assert!(!seeds.is_empty(), "no corpus of {check}");
    if ["hide", "meter", "sse"].contains(&check) {
        read(Path::new(RECORDINGS), &mut seeds);
    }
    seeds.sort();
    seeds
}

fn read(folder: &Path, seeds: &mut Vec<(PathBuf, Vec<u8>)>) {
    let entries = fs::read_dir(folder);
    for entry in entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, seeds);
        } else {
            let bytes = fs::read(&path);
            seeds.push((path, bytes.expect("a file that can be read")));
        }
    }
}

/// The bytes with one to four changes.
#[must_use]
pub fn mutated(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let start = random.below(bytes.len() + 1);
        let end = bytes.len().min(start + random.below(16));
        match random.below(7) {
            0 => drop(bytes.drain(start..end)),
            1 => bytes.truncate(start),
            2 => drop(bytes.splice(start..start, random.one_of(&WORDS).iter().copied())),
            3 => drop(bytes.splice(start..end, random.one_of(&WORDS).iter().copied())),
            4 => {
                let again = bytes[start..end].to_vec();
                bytes.splice(start..start, again);
            }
            5 => {
                let from = random.below(other.len() + 1);
                let to = other.len().min(from + random.below(64));
                bytes.splice(start..end, other[from..to].iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(start) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

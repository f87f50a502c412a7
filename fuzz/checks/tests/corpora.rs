//! Every check on its corpus, on the recordings, and on mutations of them that are the same in every run. `make fuzz` looks
//! further.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that fails loudly is what is wanted"
)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tollgate_checks::ALL;
use tollgate_checks::corpus::{mutated, seeds};
use tollgate_checks::random::Random;

/// Bytes that the mutations of one check may come to, so that the time is bounded on a slow machine.
const MUTATED: usize = 300_000;
/// Longer seeds are run as they are, and not mutated.
const SHORT: usize = 4 * 1024;
/// Longer seeds are not run: a test of the core or an Envoy test reads them.
const LONG: usize = 32 * 1024;

#[test]
fn ask() {
    run("ask");
}

#[test]
fn config() {
    run("config");
}

#[test]
fn eventstream() {
    run("eventstream");
}

#[test]
fn form() {
    run("form");
}

#[test]
fn hide() {
    run("hide");
}

#[test]
fn json() {
    run("json");
}

#[test]
fn meter() {
    run("meter");
}

#[test]
fn request() {
    run("request");
}

#[test]
fn sse() {
    run("sse");
}

fn run(name: &str) {
    let found = ALL.iter().find(|(other, _)| *other == name);
    let (_, check) = found.expect("a check");
    let mut seeds = seeds(name);
    seeds.retain(|(_, bytes)| bytes.len() <= LONG);
    for (path, bytes) in &seeds {
        on(&path.display().to_string(), *check, bytes);
    }
    seeds.retain(|(_, bytes)| bytes.len() <= SHORT);
    let mut random = Random::of(name.as_bytes());
    let (mut bytes, mut runs) = (0, 0);
    while bytes < MUTATED && runs < 5000 {
        let (path, seed) = random.one_of(&seeds);
        let (_, other) = random.one_of(&seeds);
        let mutation = mutated(seed, other, &mut random);
        bytes += mutation.len();
        runs += 1;
        on(
            &format!("mutation {runs} of {}", path.display()),
            *check,
            &mutation,
        );
    }
}

/// Runs a check, and shows the input that it fails on.
fn on(name: &str, check: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        let file = std::env::temp_dir().join("tollgate-check-failed-on");
        let kept = std::fs::write(&file, input).map(|()| file);
        let text = input.escape_ascii();
        println!("failed on {name}, kept as {kept:?}:\n{text}");
        resume_unwind(panic);
    }
}

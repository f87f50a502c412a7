//! What Tollgate costs: one run, one table. `make bench`; see `benches/README.md`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "the numbers and lists of a measurement are small and our own"
)]
#![allow(
    clippy::expect_used,
    reason = "what is expected here is written a line above"
)]
#![allow(clippy::print_stdout, reason = "the table is what this prints")]

mod bootstrap;
mod chance;
mod envoy;
mod load;
mod machine;
mod parts;
mod report;
mod upstream;
mod wire;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use parts::{Effort, Run};

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "quick");
    let chosen: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !["quick", "full"].contains(word))
        .collect();
    if let Some(unknown) = chosen.iter().find(|part| !parts::NAMES.contains(part)) {
        let names = parts::NAMES.join(", ");
        return Err(io::Error::other(format!(
            "no part {unknown}: there are {names}"
        )));
    }
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (text, mut raw) = tokio::task::LocalSet::new().block_on(&runtime, async {
        Run::start(effort).await?.parts(&chosen).await
    })?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(io::Error::other)?
        .as_secs();
    raw["time"] = json!(now);
    let file = target().join(format!("{now}.json"));
    fs::write(&file, serde_json::to_string_pretty(&raw)?)?;
    fs::write(target().join(format!("{now}.txt")), text)?;
    println!("\nSamples: {}", file.display());
    Ok(())
}

/// Where samples are kept: `target/bench`.
fn target() -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    );
    let folder = folder.join("bench");
    let _ = fs::create_dir_all(&folder);
    folder.canonicalize().unwrap_or(folder)
}

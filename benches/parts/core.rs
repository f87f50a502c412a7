//! How fast the core reads, natively: event streams and prompts, at any chunking.

use std::hint::black_box;
use std::rc::Rc;

use tollgate::body::{Also, Judge};
use tollgate::meter::{End, Meter, Work};
use tollgate::rewrite::ask::Ask;
use tollgate_tests::demo;

use super::Run;
use crate::machine;
use crate::report::Samples;
use crate::upstream;

/// As the network may cut a body.
const CHUNKS: [(&str, usize); 4] = [("1", 1), ("16", 16), ("1 k", 1 << 10), ("64 k", 1 << 16)];
const LARGEST: usize = 1 << 16;
const ROUNDS: usize = 7;

type Read = fn(&[u8], usize) -> bool;

pub(super) fn measure(run: &mut Run) {
    let inputs: [(&str, Vec<u8>, Read); 4] = [
        (
            "event stream without usage, 1 MB",
            events(1_000_000),
            read_events,
        ),
        (
            "the same, no two events alike",
            differing_events(1_000_000),
            read_events,
        ),
        ("prompt, 100 kB", prompt(100_000), read_prompt),
        ("prompt, 10 MB", prompt(10_000_000), read_prompt),
    ];
    let mut rows = Vec::new();
    for (name, input, read) in &inputs {
        let mut row = vec![(*name).to_owned()];
        for (label, chunk) in CHUNKS {
            let speed = speed(run, input, chunk, *read);
            run.report.keep_samples(name, label, &speed);
            row.push(speed.show(3));
            if chunk == LARGEST {
                let median = speed.median();
                let why = if name.starts_with("prompt") {
                    "each stretch between two escapes is passed over three times (its end, control characters, UTF-8), and \
                     escapes are read byte by byte; the text has one about every 40 bytes"
                } else {
                    "an event that repeats no frame is scanned like any JSON, and is mostly short strings"
                };
                run.report.aim(
                    &format!("the core reads 1 GB/s natively: {name}"),
                    &format!("{median:.2} GB/s"),
                    median >= 1.0,
                    why,
                );
            }
        }
        rows.push(row);
    }
    let columns: Vec<String> = CHUNKS
        .iter()
        .map(|(label, _)| format!("GB/s, chunks of {label}"))
        .collect();
    let columns: Vec<&str> = std::iter::once("")
        .chain(columns.iter().map(String::as_str))
        .collect();
    run.report.table("The core, natively", &columns, &rows);
    linear(run);
}

/// Whether a byte of a long body costs what a byte of a short one costs.
fn linear(run: &mut Run) {
    let mut rows = Vec::new();
    for (name, make, read) in [
        (
            "event stream without usage",
            events as fn(usize) -> Vec<u8>,
            read_events as Read,
        ),
        ("prompt", prompt, read_prompt),
    ] {
        let [short, long] = [1_000_000, 100_000_000].map(|size| {
            let speed = speed(run, &make(size), LARGEST, read);
            run.report
                .keep_samples(&format!("{name} by size"), &size.to_string(), &speed);
            speed
        });
        let growth = short.median() / long.median();
        rows.push(vec![
            name.to_owned(),
            short.show(2),
            long.show(2),
            format!("{growth:.2}"),
        ]);
        run.report.aim(
            &format!("time is linear in the size up to 100 MB: {name}"),
            &format!("a byte costs {growth:.2} times that of 1 MB"),
            growth < 1.25,
            "1 MB stays in a cache that 100 MB do not fit in",
        );
    }
    run.report.table(
        "Linearity, chunks of 64 k",
        &[
            "",
            "GB/s, 1 MB",
            "GB/s, 100 MB",
            "time per byte, 100 MB ÷ 1 MB",
        ],
        &rows,
    );
}

/// Gigabytes in a second of CPU time, round by round.
fn speed(run: &Run, input: &[u8], chunk: usize, read: Read) -> Samples {
    let budget = run.effort.core * 1_000_000;
    let rounds = (0..ROUNDS).map(|_| {
        let (start, mut bytes) = (machine::own_cpu(), 0);
        loop {
            assert!(
                read(black_box(input), chunk),
                "the input is read as it should be"
            );
            bytes += input.len();
            let spent = machine::own_cpu() - start;
            if spent > budget {
                return bytes as f64 / spent as f64;
            }
        }
    });
    Samples(rounds.collect())
}

fn read_events(bytes: &[u8], chunk: usize) -> bool {
    let mut meter = Meter::new(Work::Generate, Some(b"text/event-stream"), None, 200);
    for chunk in bytes.chunks(chunk) {
        meter.push(chunk);
    }
    let metered = meter.finish(End::Complete);
    metered.estimate.is_some() && !metered.error_event
}

fn read_prompt(bytes: &[u8], chunk: usize) -> bool {
    let length = u64::try_from(bytes.len()).ok();
    let ask = Ask::new(length, true);
    let mut judge = Judge::new(None, length, Also::Usage(ask), &Rc::default());
    let mut named = false;
    for chunk in bytes.chunks(chunk) {
        let Ok(frame) = judge.frame(chunk, false) else {
            return false;
        };
        named |= frame.model.is_some();
        let _ = black_box(judge.edit(chunk));
    }
    named
}

fn events(size: usize) -> Vec<u8> {
    let words = [" the", " gateway", " a", ",", " counts", " tokens"];
    let mut bytes = Vec::with_capacity(size + 256);
    for word in words.iter().cycle() {
        if bytes.len() >= size {
            break;
        }
        bytes.extend(upstream::delta(word).into_bytes());
    }
    bytes.extend(b"data: [DONE]\n\n");
    bytes
}

/// The same with a number in each, as of servers that tell the time of each token: the meter cannot take it for a repetition.
fn differing_events(size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 256);
    for number in 1_795_234_168_u32.. {
        if bytes.len() >= size {
            break;
        }
        let event = upstream::delta(" the").replace("1795234168", &number.to_string());
        bytes.extend(event.into_bytes());
    }
    bytes.extend(b"data: [DONE]\n\n");
    bytes
}

/// Lines of text as a prompt has them, with an escape about every 60 bytes.
fn prompt(size: usize) -> Vec<u8> {
    let line = r#"The gateway reads each frame of a \u201cbody\u201d before it lets the frame pass.\nIt keeps none of them, whatever their size, and says \"no\" early.\n"#;
    let content = line.repeat(size / line.len() + 1);
    format!(
        r#"{{"model":"{}","stream":true,"messages":[{{"role":"user","content":"{content}"}}]}}"#,
        demo::LLAMA
    )
    .into_bytes()
}

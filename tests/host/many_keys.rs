//! A hundred thousand keys: a request costs what it costs with ten, and a key takes few bytes.
//!
//! `cargo test -p tollgate-tests --test host many_keys -- --nocapture` shows the numbers.

use std::fmt::Write as _;
use std::time::Instant;

use crate::fixtures::{
    JSON_REPLY, MODEL, chat_body, chat_headers, chat_reply, configuration, key_hash,
};
use crate::host::{Host, flags};
use crate::world::Step;

const FEW: usize = 10;
const MANY: usize = 100_000;

/// What a configured key may take of the linear memory, its part of the JSON text included, which the memory once held.
const BYTES_PER_KEY: usize = 300;

/// The demo with so many keys.
fn with_keys(count: usize) -> String {
    let mut list = String::new();
    for number in 0..count {
        let hash = key_hash(&key(number));
        write!(
            list,
            r#"{{"id":"key-{number}","tenant":"acme","keyHash":"{hash}"}},"#
        )
        .expect("memory");
    }
    list.pop();
    let mut config = configuration();
    config["keys"] = serde_json::json!("KEYS");
    config
        .to_string()
        .replace(r#""KEYS""#, &format!("[{list}]"))
}

fn key(number: usize) -> String {
    format!("sk-team-{number}")
}

/// A VM with so many keys, after how many seconds, and how many bytes larger than it was without a configuration.
fn load(count: usize) -> (Host, f64, usize) {
    let config = with_keys(count);
    let mut host = Host::new();
    let before = host.memory_size();
    let start = Instant::now();
    assert!(host.configure(&config), "{:#?}", host.logs());
    let seconds = start.elapsed().as_secs_f64();
    let grown = host.memory_size() - before;
    (host, seconds, grown)
}

/// Instructions of the whole exchange with this key; the least of many, since the allocator adds a little at times.
fn instructions(host: &mut Host, key: &str) -> u64 {
    let mut exchange = || -> u64 {
        let stream = host
            .request(&chat_headers(key))
            .body(&[chat_body(MODEL, false)])
            .response(&JSON_REPLY)
            .reply(&[chat_reply()])
            .log(flags::NONE);
        let count = |step: &Step| step.instructions;
        stream.steps.iter().map(count).sum()
    };
    (0..20).map(|_| exchange()).min().expect("twenty")
}

#[test]
#[allow(
    clippy::print_stdout,
    reason = "the numbers are of interest even when they are good"
)]
fn cost_a_request_no_more_than_ten_do() {
    let (mut few, ..) = load(FEW);
    let (mut many, seconds, grown) = load(MANY);
    let each = grown / MANY;
    println!("{MANY} keys: loaded in {seconds:.2} s here, {each} bytes of linear memory for each");
    assert!(each <= BYTES_PER_KEY, "{each} bytes for each key");
    assert_eq!(many.number("tollgate_configured_keys"), 100_000);
    for (name, few_key, many_key) in [
        ("the first key", key(0), key(0)),
        ("the last key", key(FEW - 1), key(MANY - 1)),
        ("a key in the middle", key(FEW / 2), key(MANY / 2)),
        ("an unknown key", key(MANY), key(MANY)),
    ] {
        let with_few = instructions(&mut few, &few_key);
        let with_many = instructions(&mut many, &many_key);
        println!("{name}: {with_few} instructions with {FEW} keys, {with_many} with {MANY}");
        assert!(
            with_many.abs_diff(with_few) <= with_few / 20,
            "{name}: {with_few} instructions with {FEW} keys, {with_many} with {MANY}"
        );
    }
}

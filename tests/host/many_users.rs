//! What limits keep of many users and keys, in the store that all VMs share.
//!
//! `cargo test -p tollgate-tests --test host many_users -- --ignored --nocapture` shows the numbers of a
//! hundred thousand keys. A million users are counted natively, in `src/exchange/tests/limits.rs`.

use serde_json::{Value, json};

use crate::fixtures::{
    ISSUER, JSON_REPLY, MODEL, chat_body, chat_headers, chat_reply, configuration, key_hash,
};
use crate::host::{Host, flags, pairs};

/// What an entry of its own may take: that of a key.
const BYTES_PER_ENTRY: usize = 128;

/// What is in the store.
struct Kept {
    entries: usize,
    /// Keys and values.
    bytes: usize,
}

fn with_limit(limit: Value) -> Value {
    let mut config = configuration();
    config["limits"] = json!([limit]);
    config
}

/// A limit for each user of a token.
fn per_user() -> Host {
    let limit =
        json!({"id": "day", "per": "user", "requests": 5, "window": "day", "failure": "closed"});
    let mut config = with_limit(limit);
    config["jwt"][0]["userClaim"] = json!("sub");
    Host::configured(&config.to_string())
}

/// One request of this user. Returns whether it was admitted.
fn ask(host: &mut Host, user: usize) -> bool {
    let claims = json!({"iss": ISSUER, "groups": ["research"], "sub": format!("user-{user}@example.com"), "exp": 1_900_000_000});
    let mut headers = chat_headers("");
    headers.retain(|(name, _)| !matches!(*name, "x-api-key" | "authorization"));
    headers.push((
        "authorization",
        "Bearer header.payload.signature".to_owned(),
    ));
    let ended = host
        .prepared(|stream| {
            stream.metadata = json!({"envoy.filters.http.jwt_authn": {"payload": claims}});
        })
        .request_headers(pairs(&headers), false)
        .body(&[chat_body(MODEL, false)])
        .response(&JSON_REPLY)
        .reply(&[chat_reply()])
        .log(flags::NONE);
    ended.local_reply.is_none()
}

fn kept(host: &Host) -> Kept {
    let shared = &host.world().shared;
    let sizes = shared
        .iter()
        .map(|(key, (value, _))| key.len() + value.len());
    Kept {
        entries: shared.len(),
        bytes: sizes.sum(),
    }
}

/// So many users, each once: how many were admitted, and what is kept of them.
fn users(count: usize) -> (usize, Kept) {
    let mut host = per_user();
    let admitted = (0..count).filter(|user| ask(&mut host, *user)).count();
    (admitted, kept(&host))
}

#[test]
fn a_user_takes_few_bytes_and_is_counted_apart() {
    const USERS: usize = 3_000;
    let mut host = per_user();
    for round in 0..6 {
        for user in [0, 1, USERS - 1] {
            assert_eq!(
                ask(&mut host, user),
                round < 5,
                "user {user}, request {round}"
            );
        }
    }
    let (admitted, kept) = users(USERS);
    assert_eq!(admitted, USERS);
    let each = kept.bytes / USERS;
    // Hardly two share an entry: this is the most that a user takes.
    assert!(each <= BYTES_PER_ENTRY, "{each} bytes");
}

#[test]
#[ignore = "takes minutes"]
#[allow(
    clippy::print_stdout,
    reason = "the numbers are of interest even when they are good"
)]
fn a_hundred_thousand_keys_fit() {
    const KEYS: usize = 100_000;
    let key = |number: usize| format!("sk-team-{number}");
    let limit =
        json!({"id": "day", "per": "key", "tokens": 100, "window": "day", "failure": "closed"});
    let mut config = with_limit(limit);
    let entries = (0..KEYS).map(|number| {
        json!({"id": format!("key-{number}"), "tenant": "acme", "keyHash": key_hash(&key(number))})
    });
    config["keys"] = entries.collect();
    let mut host = Host::configured(&config.to_string());
    let admitted = (0..KEYS)
        .filter(|number| {
            let ended = host
                .request(&chat_headers(&key(*number)))
                .body(&[chat_body(MODEL, false)])
                .response(&JSON_REPLY)
                .reply(&[chat_reply()])
                .log(flags::NONE);
            ended.local_reply.is_none()
        })
        .count();
    let Kept { entries, bytes } = kept(&host);
    println!(
        "{KEYS} keys: {admitted} admitted, {entries} entries, {bytes} bytes, {} for each",
        bytes / KEYS
    );
    assert_eq!(admitted, KEYS);
    assert!(bytes / KEYS <= BYTES_PER_ENTRY);
}

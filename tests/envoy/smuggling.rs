//! HTTP/1 that two servers could read in two ways: the filter changes nothing about how Envoy takes it, neither for the
//! client nor for the server behind, and no request gets by in the shadow of another.

use crate::harness::demo::{ACME_KEY, LLAMA, chat};
use crate::harness::{Gateway, Seen};

/// Each is written with a good request behind it, which is answered last where the bytes before are over; `{post}` is the
/// head of a good request without its framing.
const ROWS: &[(&str, &str, &[u16])] = &[
    (
        "a length",
        "{post}content-length: {length}\r\n\r\n{body}",
        &[200, 200],
    ),
    (
        "chunks",
        "{post}transfer-encoding: chunked\r\n\r\n{chunks}",
        &[200, 200],
    ),
    (
        "a length and chunks",
        "{post}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}",
        &[400],
    ),
    (
        "chunks and a length of zero",
        "{post}transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n{chunks}",
        &[400],
    ),
    (
        "two lengths alike",
        "{post}content-length: {length}\r\ncontent-length: {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "two lengths",
        "{post}content-length: {length}\r\ncontent-length: 2\r\n\r\n{body}",
        &[400],
    ),
    (
        "two lengths in one line",
        "{post}content-length: {length}, {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "a length with a sign",
        "{post}content-length: +{length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "a length below zero",
        "{post}content-length: -1\r\n\r\n{body}",
        &[400],
    ),
    (
        "a length in hexadecimal digits",
        "{post}content-length: 0x10\r\n\r\n{body}",
        &[400],
    ),
    (
        "a length beyond 64 bits",
        "{post}content-length: 18446744073709551616\r\n\r\n{body}",
        &[400],
    ),
    (
        "a coding that is none",
        "{post}transfer-encoding: xchunked\r\n\r\n{chunks}",
        &[501],
    ),
    (
        "chunks twice",
        "{post}transfer-encoding: chunked, chunked\r\n\r\n{chunks}",
        &[501],
    ),
    (
        "chunks in two lines",
        "{post}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n{chunks}",
        &[501],
    ),
    (
        "chunks behind a vertical tab",
        "{post}transfer-encoding: \x0bchunked\r\n\r\n{chunks}",
        &[400],
    ),
    (
        "chunks in another case",
        "{post}Transfer-Encoding: CHUNKED\r\n\r\n{chunks}",
        &[200, 200],
    ),
    (
        "a folded line",
        "{post}x-folded: one\r\n two\r\ncontent-length: {length}\r\n\r\n{body}",
        &[200, 200],
    ),
    (
        "a folded length",
        "{post}content-length:\r\n {length}\r\n\r\n{body}",
        &[200, 200],
    ),
    (
        "bare line feeds",
        "{post}content-length: {length}\n\n{body}",
        &[200, 200],
    ),
    (
        "a bare carriage return in a value",
        "{post}x-return: one\rtransfer-encoding: chunked\r\ncontent-length: {length}\r\n\r\n{body}",
        &[200, 200],
    ),
    (
        "a space before the colon",
        "{post}content-length : {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "a line without a colon",
        "{post}nonsense\r\ncontent-length: {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "a name that is empty",
        "{post}: value\r\ncontent-length: {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "a NUL in a value",
        "{post}x-zero: a\0b\r\ncontent-length: {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "a NUL in a name",
        "{post}x-\0zero: a\r\ncontent-length: {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "a NUL in the target",
        "POST /v1/chat/completions\0 HTTP/1.1\r\n{common}content-length: {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "chunks with extensions",
        "{post}transfer-encoding: chunked\r\n\r\n{size};name=value;\"x\"\r\n{body}\r\n0;last\r\n\r\n",
        &[200, 200],
    ),
    (
        "chunks with a long extension",
        "{post}transfer-encoding: chunked\r\n\r\n{size};{long}\r\n{body}\r\n0\r\n\r\n",
        &[200, 200],
    ),
    (
        "a chunk beyond 64 bits",
        "{post}transfer-encoding: chunked\r\n\r\n10000000000000000\r\n{body}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a chunk that overflows to its size",
        "{post}transfer-encoding: chunked\r\n\r\n100000000000000{size}\r\n{body}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a chunk below zero",
        "{post}transfer-encoding: chunked\r\n\r\n-1\r\n{body}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a chunk with 0x",
        "{post}transfer-encoding: chunked\r\n\r\n0x{size}\r\n{body}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a chunk that is longer than its size",
        "{post}transfer-encoding: chunked\r\n\r\n{size}\r\n{body}more\r\n0\r\n\r\n",
        &[200, 200],
    ),
    (
        "trailers that name a length",
        "{post}transfer-encoding: chunked\r\n\r\n{size}\r\n{body}\r\n0\r\ncontent-length: 5\r\n\r\n",
        &[200, 200],
    ),
    (
        "garbage behind the request",
        "{post}content-length: {length}\r\n\r\n{body}\x01\x02garbage\r\n\r\n",
        &[200, 400],
    ),
    (
        "empty lines behind the request",
        "{post}content-length: {length}\r\n\r\n{body}\r\n\r\n",
        &[200, 200],
    ),
    (
        "a second request behind a length of zero",
        "{post}content-length: 0\r\n\r\n{post}content-length: {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "a target in absolute form",
        "POST http://gateway/v1/chat/completions HTTP/1.1\r\n{common}content-length: {length}\r\n\r\n{body}",
        &[200, 200],
    ),
    (
        "a target elsewhere",
        "POST http://elsewhere/v1/chat/completions HTTP/1.1\r\n{common}content-length: {length}\r\n\r\n{body}",
        &[200, 200],
    ),
    (
        "a target with a fragment",
        "POST /v1/chat/completions#x HTTP/1.1\r\n{common}content-length: {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "a tab behind the method",
        "POST\t/v1/chat/completions HTTP/1.1\r\n{common}content-length: {length}\r\n\r\n{body}",
        &[200, 200],
    ),
    (
        "a method in small letters",
        "post /v1/chat/completions HTTP/1.1\r\n{common}content-length: {length}\r\n\r\n{body}",
        &[400],
    ),
    (
        "two hosts",
        "{post}host: elsewhere\r\ncontent-length: {length}\r\n\r\n{body}",
        &[200, 200],
    ),
    (
        "HTTP/1.0",
        "POST /v1/chat/completions HTTP/1.0\r\n{common}content-length: {length}\r\n\r\n{body}",
        &[426],
    ),
    (
        "HTTP/1.2",
        "POST /v1/chat/completions HTTP/1.2\r\n{common}content-length: {length}\r\n\r\n{body}",
        &[426],
    ),
    (
        "HTTP/0.9",
        "POST /v1/chat/completions\r\n{common}content-length: {length}\r\n\r\n{body}",
        &[426],
    ),
    (
        "a client that waits to continue",
        "{post}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n{body}",
        &[200, 200],
    ),
    (
        "a length that no body follows",
        "{post}content-length: 100000\r\n\r\n{body}",
        &[400],
    ),
];

/// Refused by the filter for their bodies: one is empty, the other begins with the next request. Envoy alone would not.
const REFUSED: &[&str] = &[
    "a second request behind a length of zero",
    "a length that no body follows",
];

/// The bytes of a row, and of the good request behind it.
fn bytes(name: &str, row: &str) -> Vec<u8> {
    let body = chat(LLAMA).to_string();
    let size = format!("{:x}", body.len());
    let common = format!("host: gateway\r\nx-api-key: {ACME_KEY}\r\nx-case: {name}\r\n");
    let last = format!("GET /v1/models HTTP/1.1\r\n{common}connection: close\r\n\r\n");
    let row = row
        .replace("{post}", "POST /v1/chat/completions HTTP/1.1\r\n{common}")
        .replace("{chunks}", "{size}\r\n{body}\r\n0\r\n\r\n")
        .replace("{common}", &common)
        .replace("{length}", &body.len().to_string())
        .replace("{size}", &size)
        .replace("{long}", &"x".repeat(20_000))
        .replace("{body}", &body);
    (row + &last).into_bytes()
}

/// What a server got of a row: requests, their bodies, and whether they were whole.
fn arrived(seen: &[Seen], row: &str) -> Vec<(String, String, bool)> {
    let of_row = seen.iter().filter(|seen| seen.values("x-case") == [row]);
    of_row
        .map(|seen| {
            // Where the filter might have to add to a body it pads it, so that its length stays.
            let body = String::from_utf8_lossy(seen.body.trim_ascii_end());
            (seen.request.clone(), body.into_owned(), seen.complete)
        })
        .collect()
}

#[test]
fn what_could_be_read_in_two_ways_is_taken_as_envoy_alone_takes_it() {
    let gateway = Gateway::start();
    let alone = Gateway::builder().without_filter().start();
    let mut faults = Vec::new();
    for (name, row, expected) in ROWS {
        let bytes = bytes(name, row);
        let found = gateway.connect().statuses(&bytes);
        let without = alone.connect().statuses(&bytes);
        let differs = found != without && !REFUSED.contains(name);
        if found != *expected || differs {
            faults.push(format!(
                "{name}: {found:?}, without the filter {without:?}, expected {expected:?}"
            ));
        }
        gateway.assert_alive(name);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    gateway.assert_sound("all rows");
    let [with, without] = [gateway, alone].map(Gateway::stop);
    for (name, ..) in ROWS.iter().filter(|(name, ..)| !REFUSED.contains(name)) {
        assert_eq!(arrived(&with, name), arrived(&without, name), "{name}");
    }
}

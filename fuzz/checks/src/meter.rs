//! [`tollgate::meter::Meter`]: the same numbers whatever the cut, in bounded memory.

use tollgate::meter::{self, End, MAX_MEMORY, Meter, Metered, Work, Worth};

use crate::cuts::cuts;
use crate::memory::{held, held_since};

/// How a reply is announced.
type Announced = (Work, Option<&'static [u8]>, u16, End);

const ALL: [Announced; 6] = [
    (
        Work::Generate,
        Some(b"text/event-stream"),
        200,
        End::Complete,
    ),
    (
        Work::Generate,
        Some(b"application/json"),
        200,
        End::ClientAborted,
    ),
    (
        Work::Generate,
        Some(b"application/x-ndjson"),
        200,
        End::Complete,
    ),
    (Work::Generate, None, 500, End::UpstreamReset),
    (Work::Embed, Some(b"application/json"), 200, End::Complete),
    (Work::Media, Some(b"text/plain"), 200, End::Complete),
];

/// What a reply came to.
#[derive(Debug, PartialEq)]
struct Read {
    metered: Metered,
    first_token_seen: bool,
}

/// The numbers do not depend on the cut, nor does memory on the reply; and what a document echoes before the rest, however
/// deep, changes none of them.
pub fn check(input: &[u8]) {
    for announced in ALL {
        let whole = read(announced, &[input]);
        check_one(announced, &whole.metered);
        for chunks in cuts(input) {
            assert_eq!(
                read(announced, &chunks),
                whole,
                "{announced:?}, cut as {chunks:?}"
            );
        }
    }
    check_echo(input);
}

/// An object that begins with something deep costs what it costs without it.
fn check_echo(input: &[u8]) {
    const DEPTH: usize = 200;
    let announced = ALL[1];
    let Some(members) = input.strip_prefix(b"{\"") else {
        return;
    };
    let (open, close) = ("[{\"usage\":".repeat(DEPTH), "}]".repeat(DEPTH));
    let echo = format!("{{\"echo\":{open}7{close},\"");
    let document = [echo.as_bytes(), members].concat();
    let expected = read(announced, &[input]);
    for chunks in [vec![&document[..]], document.chunks(61).collect()] {
        assert_eq!(read(announced, &chunks), expected, "behind an echo");
    }
}

fn read((operation, content_type, status, end): Announced, chunks: &[&[u8]]) -> Read {
    meter::prepare();
    let before = held();
    let mut meter = Meter::new(operation, content_type, None, status);
    let mut seen = false;
    for chunk in chunks {
        meter.push(chunk);
        assert!(!seen || meter.first_token_seen(), "a token is unseen again");
        seen = meter.first_token_seen();
        let memory = held_since(before);
        assert!(memory <= MAX_MEMORY, "{memory} bytes are held");
    }
    Read {
        first_token_seen: seen,
        metered: meter.finish(end),
    }
}

fn check_one((operation, _, status, _): Announced, metered: &Metered) {
    let success = (200..300).contains(&status);
    let counts = matches!(metered.source, Worth::Reported | Worth::Partial);
    let usage = &metered.usage;
    assert_eq!(
        usage.input.or(usage.output).is_some(),
        counts,
        "{metered:?}"
    );
    let uncertain = !matches!(metered.source, Worth::Reported | Worth::NotApplicable);
    assert_eq!(
        metered.missing.is_some(),
        uncertain && success && matches!(operation, Work::Generate | Work::Embed),
        "{metered:?}"
    );
    assert!(metered.charge_tokens() >= usage.input.unwrap_or_default());
}

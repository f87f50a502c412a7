//! [`tollgate::json::Scanner`] against `serde_json`.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use tollgate::json::{Found, Grammar, MAX_DEPTH, Progress, Scanner, Wanted};

use crate::cuts::cuts;

const WANTED: &[Wanted] = &[
    Wanted {
        path: &["model"],
        cap: 64,
    },
    Wanted {
        path: &["stream_options", "include_usage"],
        cap: 8,
    },
    Wanted {
        path: &["stream_options"],
        cap: 0,
    },
    Wanted {
        path: &["choices", "[]", "index"],
        cap: 8,
    },
];
const MODEL: usize = 0;
const INCLUDE_USAGE: usize = 1;

/// What a scan tells.
#[derive(Debug, PartialEq)]
struct Outcome {
    accepted: bool,
    /// What was found, and the values in their order; empty if the document was refused, as how far it was read then
    /// depends on the chunks.
    found: Vec<Found>,
    values: Vec<(usize, Vec<u8>)>,
    /// Where the document ended.
    closed_at: Option<usize>,
}

/// Deeper than the scanner remembers.
const DEEP: usize = MAX_DEPTH + 72;

/// Strict takes what `serde_json` takes for an object and finds what `serde_json` finds in it; lenient finds the same in
/// it, also behind a deep copy of itself; and no cut changes anything.
pub fn check(input: &[u8]) {
    let strict = scan(Grammar::Strict, &[input]);
    let lenient = scan(Grammar::Lenient, &[input]);
    for chunks in cuts(input) {
        assert_eq!(scan(Grammar::Strict, &chunks), strict, "cut as {chunks:?}");
        assert_eq!(
            scan(Grammar::Lenient, &chunks),
            lenient,
            "cut as {chunks:?}"
        );
    }
    assert_eq!(strict.accepted, is_object(input), "against serde_json");
    if !strict.accepted {
        return;
    }
    check_deep(input, &lenient);
    assert!(lenient.accepted, "lenient is stricter than strict");
    assert_eq!(lenient.values, strict.values, "lenient against strict");
    assert_eq!(lenient.closed_at, strict.closed_at);
    for (lenient, strict) in lenient.found.iter().zip(&strict.found) {
        let without_lookalikes = Found {
            lookalikes: 0,
            ..strict.clone()
        };
        assert_eq!(*lenient, without_lookalikes, "lenient against strict");
    }
    // The scanner takes numbers that fit no type of Rust, and half a pair of UTF-16; a `Value` does not.
    if let Ok(value) = serde_json::from_slice::<Value>(input) {
        assert_found(&strict.found[MODEL], value.get("model"));
        let include_usage = value.pointer("/stream_options/include_usage");
        assert_found(&strict.found[INCLUDE_USAGE], include_usage);
        assert_names(&strict.found[MODEL], input);
    }
}

/// What is too deep to be looked at changes nothing of what comes after it: the document is put before its own members,
/// below many arrays.
fn check_deep(object: &[u8], expected: &Outcome) {
    let Some(members) = object.trim_ascii_start().strip_prefix(b"{") else {
        return;
    };
    let comma = if members.trim_ascii_start().starts_with(b"}") {
        b"".as_slice()
    } else {
        b","
    };
    let (open, close) = (vec![b'['; DEEP], vec![b']'; DEEP]);
    let start: [&[u8]; 6] = [b"{\"deep\":", &open, object, &close, comma, members];
    let document = start.concat();
    assert!(
        !scan(Grammar::Strict, &[&document]).accepted,
        "strict takes what is too deep"
    );
    let mut all = cuts(&document);
    all.push(vec![&document]);
    for chunks in all {
        let deep = scan(Grammar::Lenient, &chunks);
        assert!(deep.accepted, "lost behind something deep: {chunks:?}");
        assert_eq!(deep.found, expected.found, "cut as {chunks:?}");
        assert_eq!(deep.values, expected.values, "cut as {chunks:?}");
    }
}

/// Whether every reader takes this for one JSON object.
pub(crate) fn is_object(input: &[u8]) -> bool {
    // It reads no numbers into a type, and no text.
    let is_json = serde_json::from_slice::<IgnoredAny>(input).is_ok();
    let begins = input.trim_ascii_start().first() == Some(&b'{');
    is_json && begins && std::str::from_utf8(input).is_ok() && depth(input) <= MAX_DEPTH
}

/// How many arrays and objects of a JSON document are open at once.
fn depth(document: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in document {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn scan(grammar: Grammar, chunks: &[&[u8]]) -> Outcome {
    let mut scanner = Scanner::new(WANTED, grammar);
    let mut outcome = Outcome {
        accepted: false,
        found: Vec::new(),
        values: Vec::new(),
        closed_at: None,
    };
    let mut read = 0;
    for chunk in chunks {
        let values = &mut outcome.values;
        let progress = scanner.push_each(chunk, |index, found, end| {
            assert!(end <= chunk.len(), "a value ends outside its chunk");
            values.push((index, found.raw.clone()));
        });
        match progress {
            Err(fault) => {
                assert_eq!(scanner.push(b" "), Err(fault), "a fault is final");
                outcome.values.clear();
                outcome.closed_at = None;
                return outcome;
            }
            Ok(Progress::Closed { at }) if outcome.closed_at.is_none() => {
                outcome.closed_at = Some(read + at);
            }
            Ok(Progress::Closed { at }) => assert_eq!(at, 0, "only one push closes"),
            Ok(Progress::Open) => assert_eq!(outcome.closed_at, None, "closed stays closed"),
        }
        read += chunk.len();
    }
    outcome.accepted = scanner.finish();
    outcome.found = (0..WANTED.len())
        .filter_map(|index| scanner.found(index).cloned())
        .collect();
    for (found, wanted) in outcome.found.iter().zip(WANTED) {
        assert!(found.raw.len() <= wanted.cap, "more than its cap is kept");
    }
    outcome
}

fn assert_found(found: &Found, value: Option<&Value>) {
    let Some(value) = value else {
        assert_eq!(found.value(), None, "found what is not there");
        assert!(!found.complete);
        return;
    };
    assert!(
        found.exact > 0 && found.complete,
        "not found: {value}, {found:?}"
    );
    if let Some(raw) = found.value() {
        assert_eq!(
            serde_json::from_slice::<Value>(raw).ok().as_ref(),
            Some(value)
        );
        assert_eq!(found.string().as_deref(), value.as_str());
    }
    assert_eq!(found.text, value.as_str().map_or(0, str::len) as u64);
    let is_empty = match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    assert_eq!(found.empty, is_empty);
}

/// How often a member's name is `model`, and how often some reader takes it for that.
fn assert_names(found: &Found, document: &[u8]) {
    let names = names(document);
    let exact = names.iter().filter(|name| *name == "model").count();
    let is_like = |name: &&String| *name != "model" && folded(name) == "model";
    let alike = names.iter().filter(is_like).count();
    assert_eq!(
        (found.exact as usize, found.lookalikes as usize),
        (exact, alike)
    );
}

/// As Go compares names, and C ends them.
fn folded(name: &str) -> String {
    let name = name.split('\0').next().unwrap_or_default();
    let fold = |letter: char| match letter {
        'ſ' => 's',
        '\u{212A}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
}

/// The names of the members at the top of a document, in their order.
fn names(document: &[u8]) -> Vec<String> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Vec<String>, M::Error> {
            let mut names = Vec::new();
            while let Some((name, _)) = members.next_entry::<String, IgnoredAny>()? {
                names.push(name);
            }
            Ok(names)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_slice(document);
    deserializer.deserialize_map(Names).expect("an object")
}

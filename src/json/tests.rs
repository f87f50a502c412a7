use serde::de::IgnoredAny;
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

mod deep;

const WANTED: &[Wanted] = &[
    Wanted {
        path: &["model"],
        cap: 32,
    },
    Wanted {
        path: &["stream_options", "include_usage"],
        cap: 8,
    },
    Wanted {
        path: &["choices", "[]", "index"],
        cap: 8,
    },
    Wanted {
        path: &["stream_options"],
        cap: 0,
    },
    Wanted {
        path: &["choices", "[]"],
        cap: 64,
    },
];
const MODEL: usize = 0;
const INCLUDE_USAGE: usize = 1;
const INDEX: usize = 2;
const STREAM_OPTIONS: usize = 3;
const CHOICE: usize = 4;

/// Everything that a scan reports, to compare scans of different chunks.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    verdict: Result<bool, Fault>,
    /// Offset in the document.
    closed_at: Option<usize>,
    found: Vec<Found>,
    values: Vec<(usize, Vec<u8>)>,
}

fn scan<'a>(grammar: Grammar, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut scanner = Scanner::new(WANTED, grammar);
    let mut values = Vec::new();
    let mut read = 0;
    let mut closed_at = None;
    let mut verdict = Ok(false);
    for chunk in chunks {
        let progress = scanner.push_each(chunk, |index, found, _| {
            values.push((index, found.raw.clone()));
        });
        match progress {
            Err(fault) => {
                verdict = Err(fault);
                break;
            }
            Ok(Progress::Closed { at }) if closed_at.is_none() => closed_at = Some(read + at),
            Ok(Progress::Closed { at }) => assert_eq!(at, 0, "only the closing push has an offset"),
            Ok(Progress::Open) => assert_eq!(closed_at, None, "closed stays closed"),
        }
        read += chunk.len();
    }
    if verdict.is_ok() {
        verdict = Ok(scanner.finish());
    }
    let found = match verdict {
        Ok(_) => scanner.found.clone(),
        // How much of a broken document's values was read depends on the chunks.
        Err(_) => Vec::new(),
    };
    if verdict.is_err() {
        closed_at = None;
    }
    Outcome {
        verdict,
        closed_at,
        found,
        values,
    }
}

fn whole(grammar: Grammar, document: &[u8]) -> Outcome {
    scan(grammar, [document])
}

fn strict(document: &str) -> Outcome {
    whole(Grammar::Strict, document.as_bytes())
}

fn value(outcome: &Outcome, index: usize) -> Option<&str> {
    outcome.found[index]
        .value()
        .map(|raw| std::str::from_utf8(raw).unwrap())
}

/// Valid values, each in the place of a member's value.
const GOOD: &[(&str, &[u8])] = &[
    ("null", b"null"),
    ("true", b"true"),
    ("false", b"false"),
    ("zero", b"0"),
    ("minus zero", b"-0"),
    ("integer", b"1234567890"),
    (
        "huge integer",
        b"123456789012345678901234567890123456789012345678901234567890",
    ),
    ("fraction", b"-12.50"),
    ("exponent", b"1e5"),
    ("exponent with zeros", b"0e00"),
    ("exponent with plus", b"1.5E+05"),
    ("exponent with minus", b"1e-2"),
    ("out of range for a double", b"1e999999"),
    ("empty string", b"\"\""),
    ("every escape", br#""\"\\\/\b\f\n\r\t\u00e9\uABCD""#),
    ("surrogate pair", br#""\ud83d\ude00""#),
    ("lone high surrogate", br#""\ud83d""#),
    ("lone low surrogate", br#""\ude00 \ud800x""#),
    ("escaped NUL", br#""\u0000""#),
    ("delete character", b"\"\x7f\""),
    ("two bytes", "\"é\"".as_bytes()),
    ("three bytes", "\"漢字\"".as_bytes()),
    ("four bytes", "\"😀🦀\"".as_bytes()),
    ("last code point", "\"\u{10FFFF}\"".as_bytes()),
    (
        "U+FFFE and U+FEFF within a string",
        "\"\u{FFFE}\u{FEFF}\"".as_bytes(),
    ),
    ("empty array", b"[]"),
    ("empty object", b"{}"),
    (
        "white space everywhere",
        b" \t\r\n[ 1 , { \"a\" : [ ] } , \"b\" ] \n",
    ),
    ("equal names", br#"{"a":1,"a":2}"#),
    ("empty name", br#"{"":{"":[{}]}}"#),
    ("escaped name", br#"{"\u0061\n":0}"#),
    (
        "array of everything",
        br#"[null,true,false,-0.1e+1,"",[],{}]"#,
    ),
];

/// Invalid values of a member.
const BAD: &[(&str, &[u8])] = &[
    ("nothing", b""),
    ("capital literal", b"True"),
    ("cut literal", b"tru"),
    ("long literal", b"nulll"),
    ("NaN", b"NaN"),
    ("Infinity", b"-Infinity"),
    ("plus sign", b"+1"),
    ("leading zero", b"01"),
    ("minus leading zero", b"-01"),
    ("minus alone", b"-"),
    ("two minus signs", b"--1"),
    ("point first", b".5"),
    ("point last", b"1."),
    ("point before exponent", b"1.e5"),
    ("two points", b"1.2.3"),
    ("empty exponent", b"1e"),
    ("exponent with a sign alone", b"1e+"),
    ("exponent with a point", b"1e1.0"),
    ("hexadecimal", b"0x10"),
    ("number and letter", b"1a"),
    ("two numbers", b"1 2"),
    ("full-width digit", "１".as_bytes()),
    ("single quotes", b"'a'"),
    ("bare word", b"abc"),
    ("open string", b"\"abc"),
    ("open string after backslash", b"\"abc\\\""),
    ("unknown escape", br#""\a""#),
    ("escaped quote sign", br#""\'""#),
    ("hexadecimal escape", br#""\x41""#),
    ("short unicode escape", br#""\u12""#),
    ("unicode escape with a bad digit", br#""\u12G4""#),
    ("unicode escape with a sign", br#""\u+123""#),
    ("capital unicode escape", br#""\U0041""#),
    ("line feed in a string", b"\"a\nb\""),
    ("tab in a string", b"\"\t\""),
    ("NUL in a string", b"\"\0\""),
    ("unit separator in a string", b"\"\x1f\""),
    ("lone continuation byte", b"\"\x80\""),
    ("overlong slash", b"\"\xC0\xAF\""),
    ("encoded surrogate", b"\"\xED\xA0\x80\""),
    ("above the last code point", b"\"\xF4\x90\x80\x80\""),
    ("cut character", b"\"\xE6\xBC\""),
    ("cut character before an escape", b"\"\xE6\xBC\\n\""),
    ("Latin-1", b"\"caf\xE9\""),
    ("byte FF", b"\"\xFF\""),
    ("UTF-16 character", b"\"\x00a\""),
    ("comma in an empty array", b"[,]"),
    ("trailing comma in an array", b"[1,]"),
    ("two commas", b"[1,,2]"),
    ("missing comma", b"[1 2]"),
    ("colon in an array", b"[1:2]"),
    ("wrong bracket", b"[1}"),
    ("wrong brace", br#"{"a":1]"#),
    ("open array", b"[1"),
    ("open object", br#"{"a":1"#),
    ("closed too often", b"[]]"),
    ("trailing comma in an object", br#"{"a":1,}"#),
    ("comma in an empty object", b"{,}"),
    ("bare name", b"{a:1}"),
    ("number as a name", b"{1:1}"),
    ("name without value", br#"{"a"}"#),
    ("colon without value", br#"{"a":}"#),
    ("two colons", br#"{"a"::1}"#),
    ("missing colon", br#"{"a" 1}"#),
    ("control byte in a name", b"{\"a\x01\":1}"),
    ("bad UTF-8 in a name", b"{\"a\xFF\":1}"),
    ("unknown escape in a name", br#"{"\q":1}"#),
    ("line comment", b"1 // one\n"),
    ("block comment", b"/* one */ 1"),
    ("form feed as white space", b"\x0C1"),
    ("vertical tab as white space", b"\x0B1"),
    ("no-break space", b"\xC2\xA01"),
    ("byte order mark within", b"\xEF\xBB\xBF1"),
    ("NUL after the value", b"1\0"),
];

fn member(value: &[u8]) -> Vec<u8> {
    [br#"{"first":0,"model":"#, value, br#","last":[]}"#].concat()
}

/// The verdict of `serde_json` on a document whose top is an object.
fn judge(document: &[u8]) -> bool {
    std::str::from_utf8(document).is_ok() && serde_json::from_slice::<IgnoredAny>(document).is_ok()
}

#[wasm_bindgen_test(unsupported = test)]
fn strict_accepts_what_rfc_8259_accepts() {
    for (name, value) in GOOD {
        let document = member(value);
        assert!(judge(&document), "serde_json: {name}");
        let outcome = whole(Grammar::Strict, &document);
        assert_eq!(outcome.verdict, Ok(true), "{name}");
        assert_eq!(outcome.closed_at, Some(document.len()), "{name}");
        let raw = outcome.found[MODEL].value();
        if value.trim_ascii().len() <= WANTED[MODEL].cap {
            assert_eq!(raw, Some(value.trim_ascii()), "{name}");
        } else {
            assert_eq!(raw, None, "{name}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn strict_refuses_what_rfc_8259_refuses() {
    for (name, value) in BAD {
        let document = member(value);
        assert!(!judge(&document), "serde_json: {name}");
        let outcome = whole(Grammar::Strict, &document);
        assert_ne!(outcome.verdict, Ok(true), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn every_split_of_a_document_reads_the_same() {
    let tables = GOOD.iter().chain(BAD).map(|(_, value)| member(value));
    let documents = tables.chain([
        r#" {"choices":[{"index":0,"x":"é😀"},{"index":12}],"MODEL":"b","\u006dodel":"a\u00e9\ud83d\ude00"} "#
            .as_bytes()
            .to_vec(),
        br#"{"stream_options":{"include_usage":true},"stream_options":{}}  x"#.to_vec(),
    ]);
    for document in documents {
        for grammar in [Grammar::Strict, Grammar::Lenient] {
            let expected = whole(grammar, &document);
            let shown = String::from_utf8_lossy(&document);
            assert_eq!(
                scan(grammar, document.chunks(1)),
                expected,
                "bytes: {shown}"
            );
            for split in 0..=document.len() {
                let (head, tail) = document.split_at(split);
                let outcome = scan(grammar, [head, b"".as_slice(), tail]);
                assert_eq!(outcome, expected, "{grammar:?} at {split}: {shown}");
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn strict_wants_one_object_and_white_space_after_it() {
    let table: &[(&str, &[u8], Result<bool, Fault>)] = &[
        ("empty", b"", Ok(false)),
        ("white space only", b" \r\n\t", Ok(false)),
        ("object", b"{}", Ok(true)),
        ("object in white space", b"\n {} \n", Ok(true)),
        ("open object", b"{\"a\":1", Ok(false)),
        ("array", b"[]", Err(Fault::NotAnObject)),
        ("string", b"\"\"", Err(Fault::NotAnObject)),
        ("number", b"1", Err(Fault::NotAnObject)),
        ("negative number", b"-1", Err(Fault::NotAnObject)),
        ("literal", b"null", Err(Fault::NotAnObject)),
        ("byte order mark", b"\xEF\xBB\xBF{}", Err(Fault::Malformed)),
        ("UTF-16 little endian", b"{\0}\0", Err(Fault::Malformed)),
        ("UTF-16 big endian", b"\0{\0}", Err(Fault::Malformed)),
        ("second object", b"{}{}", Err(Fault::TrailingBytes)),
        (
            "second object on a line",
            b"{}\n{}",
            Err(Fault::TrailingBytes),
        ),
        ("NUL after it", b"{}\0", Err(Fault::TrailingBytes)),
        ("brace after it", b"{}}", Err(Fault::TrailingBytes)),
        ("comma after it", b"{},", Err(Fault::TrailingBytes)),
        ("bad UTF-8", b"{\"a\":\"\xFF\"}", Err(Fault::InvalidUtf8)),
        ("not JSON", b"model=a", Err(Fault::Malformed)),
    ];
    for (name, document, expected) in table {
        assert_eq!(
            whole(Grammar::Strict, document).verdict,
            *expected,
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_fault_is_final() {
    let mut scanner = Scanner::new(WANTED, Grammar::Strict);
    assert_eq!(scanner.push(b"{]"), Err(Fault::Malformed));
    assert_eq!(scanner.push(b"}"), Err(Fault::Malformed));
    assert_eq!(scanner.push(b""), Err(Fault::Malformed));
    assert!(!scanner.finish());
    scanner.reset();
    assert_eq!(scanner.push(b"{}"), Ok(Progress::Closed { at: 2 }));
}

#[wasm_bindgen_test(unsupported = test)]
fn lenient_gives_up_only_when_structure_is_lost() {
    let table: &[(&str, &[u8], Result<bool, Fault>)] = &[
        (
            "NaN and infinities",
            b"{\"a\":NaN,\"b\":[Infinity,-Infinity]}",
            Ok(true),
        ),
        ("odd numbers", b"[+1,.5,1.,0x10,007]", Ok(true)),
        ("bad UTF-8", b"{\"\xFF\":\"\xE6\"}", Ok(true)),
        ("control bytes", b"[\"a\nb\0\"]", Ok(true)),
        ("unknown escape", br#"["\x41\'"]"#, Ok(true)),
        ("array at the top", b"[[]]", Ok(true)),
        ("string at the top", b"\"a\"", Ok(true)),
        ("null at the top", b"null", Ok(true)),
        ("the end of an OpenAI stream", b"[DONE]", Ok(true)),
        ("byte order mark", b"\xEF\xBB\xBF{}", Ok(true)),
        ("bytes after it", b"{} and {more", Ok(true)),
        ("open", b"{\"a\":[", Ok(false)),
        ("wrong bracket", b"[}", Err(Fault::Malformed)),
        ("missing comma", b"[1 2]", Err(Fault::Malformed)),
        ("missing colon", b"{\"a\" 1}", Err(Fault::Malformed)),
        ("bare name", b"{a:1}", Err(Fault::Malformed)),
        (
            "bad unicode escape",
            br#"["\u00zz"]"#,
            Err(Fault::Malformed),
        ),
        ("HTML", b"<html>", Err(Fault::Malformed)),
    ];
    for (name, document, expected) in table {
        assert_eq!(
            whole(Grammar::Lenient, document).verdict,
            *expected,
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn nesting_is_capped_in_strict_documents() {
    for (name, open, close) in [("arrays", "[", "]"), ("objects", r#"{"a":"#, "}")] {
        let innermost = if name == "arrays" { "" } else { "1" };
        let nested = |depth: usize| {
            let inner = depth - 1;
            format!(
                "{{\"x\":{}{innermost}{}}}",
                open.repeat(inner),
                close.repeat(inner)
            )
        };
        assert_eq!(strict(&nested(MAX_DEPTH)).verdict, Ok(true), "{name}");
        let outcome = strict(&nested(MAX_DEPTH + 1));
        assert_eq!(outcome.verdict, Err(Fault::TooDeep), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn names_are_unescaped_before_they_are_compared() {
    // (member name as written, exact, lookalikes)
    let table = [
        ("model", 1, 0),
        (r"\u006dodel", 1, 0),
        (r"\u006D\u006f\u0064\u0065\u006C", 1, 0),
        ("Model", 0, 1),
        ("MODEL", 0, 1),
        (r"mode\u004c", 0, 1),
        ("model ", 0, 0),
        ("mod", 0, 0),
        ("", 0, 0),
        // A reader with C strings ends the name at the NUL.
        (r"model\u0000", 0, 1),
        (r"model\u0000x", 0, 1),
        (r"M\u006fdel\u0000\ud83d\ude00", 0, 1),
        (r"mode\u0000l", 0, 0),
        (r"\u0000model", 0, 0),
        (r"mo\/del", 0, 0),
        (r"mo\ud83d\ude00del", 0, 0),
        (r"model\ud83d", 0, 0),
        (r"\ud83dmodel", 0, 0),
        (r"\ud83d\u006dodel", 0, 0),
        ("mоdel", 0, 0), // a Cyrillic o, which nobody folds
    ];
    for (name, exact, lookalikes) in table {
        let outcome = strict(&format!(r#"{{"{name}":"a"}}"#));
        let found = &outcome.found[MODEL];
        assert_eq!(
            (found.exact, found.lookalikes),
            (exact, lookalikes),
            "{name}"
        );
        assert_eq!(found.complete, exact == 1, "{name}");
    }
    let long = format!(r#"{{"model\u0000{}":"a"}}"#, "x".repeat(1000));
    assert_eq!(
        strict(&long).found[MODEL].lookalikes,
        1,
        "a long name after the NUL"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn lookalikes_fold_as_go_folds() {
    const KELVIN: &[Wanted] = &[Wanted {
        path: &["tasks"],
        cap: 8,
    }];
    let table = [
        ("tasks", 1, 0),
        ("TASKS", 0, 1),
        ("ta\u{17F}k\u{17F}", 0, 1),
        ("tas\u{212A}s", 0, 1),
        (r"ta\u017f\u212A\u017F", 0, 1),
        ("taßks", 0, 0),
        ("tásks", 0, 0),
    ];
    for (name, exact, lookalikes) in table {
        let mut scanner = Scanner::new(KELVIN, Grammar::Strict);
        let document = format!(r#"{{"{name}":1}}"#);
        scanner.push(document.as_bytes()).unwrap();
        let found = scanner.found(0).unwrap();
        assert_eq!(
            (found.exact, found.lookalikes),
            (exact, lookalikes),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_lookalike_of_a_parent_counts_for_what_it_may_hold() {
    let outcome = strict(r#"{"Stream_Options":{"include_usage":true}}"#);
    assert_eq!(outcome.found[STREAM_OPTIONS].lookalikes, 1);
    assert_eq!(outcome.found[INCLUDE_USAGE].lookalikes, 1);
    assert_eq!(outcome.found[INCLUDE_USAGE].exact, 0);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_name_longer_than_any_wanted_one_matches_nothing() {
    let long = "model".repeat(1000);
    let outcome = strict(&format!(r#"{{"{long}":"a","model":"b"}}"#));
    assert_eq!(outcome.found[MODEL].exact, 1);
    assert_eq!(value(&outcome, MODEL), Some(r#""b""#));
}

#[wasm_bindgen_test(unsupported = test)]
fn the_last_of_equal_names_wins_and_all_are_counted() {
    let outcome = strict(r#"{"model":"a","x":1,"model":{"model":"b"},"model" : "c" }"#);
    assert_eq!(outcome.found[MODEL].exact, 3);
    assert_eq!(value(&outcome, MODEL), Some(r#""c""#));

    let outcome = strict(r#"{"stream_options":{"include_usage":true},"stream_options":null}"#);
    assert_eq!(outcome.found[STREAM_OPTIONS].exact, 2);
    assert_eq!(outcome.found[INCLUDE_USAGE].exact, 1);
    assert_eq!(value(&outcome, INCLUDE_USAGE), None);
}

#[wasm_bindgen_test(unsupported = test)]
fn only_the_whole_path_matches() {
    let decoys = [
        r#"{"a":{"model":"x"}}"#,
        r#"{"a":[{"model":"x"}]}"#,
        r#"{"a":"\"model\":\"x\""}"#,
        r#"{"a":"model"}"#,
        r#"{"model.x":1,"stream_options":[{"include_usage":true}],"include_usage":true}"#,
        r#"{"choices":{"[]":{"index":1},"index":2},"[]":{"index":3}}"#,
        r#"{"choices":[[{"index":1}],"index",{"a":{"index":1}}]}"#,
        r#"{"stream_options":{"include_usage.":{"include_usage":1}}}"#,
    ];
    for decoy in decoys {
        let outcome = strict(decoy);
        assert_eq!(outcome.verdict, Ok(true), "{decoy}");
        for index in [MODEL, INCLUDE_USAGE, INDEX] {
            assert_eq!(outcome.found[index], Found::default(), "{index} in {decoy}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn every_value_of_an_array_path_is_handed_on() {
    let outcome = strict(r#"{"choices":[{"index":0},{"x":1},{"index": 17 }],"choices":[3]}"#);
    let values: Vec<_> = outcome
        .values
        .iter()
        .map(|(index, raw)| (*index, std::str::from_utf8(raw).unwrap()))
        .collect();
    assert_eq!(
        values,
        [
            (INDEX, "0"),
            (CHOICE, r#"{"index":0}"#),
            (CHOICE, r#"{"x":1}"#),
            (INDEX, "17"),
            (CHOICE, r#"{"index": 17 }"#),
            (CHOICE, "3"),
        ]
    );
    assert_eq!(outcome.found[CHOICE].exact, 4);
    assert_eq!(outcome.found[INDEX].exact, 2);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_value_above_its_cap_is_not_kept() {
    let fits = format!(r#"{{"model":"{}"}}"#, "a".repeat(30));
    assert_eq!(value(&strict(&fits), MODEL).unwrap().len(), 32);
    let too_long = format!(r#"{{"model":"{}"}}"#, "a".repeat(31));
    for chunk in [1, 7, 1000] {
        let outcome = scan(Grammar::Strict, too_long.as_bytes().chunks(chunk));
        let found = &outcome.found[MODEL];
        assert!(found.overflow && found.complete && found.raw.is_empty());
        assert_eq!(found.value(), None);
        assert_eq!(found.text, 31, "the length is known all the same");
    }
    let then_short = format!(r#"{{"model":"{}","model":"b"}}"#, "a".repeat(1000));
    assert_eq!(value(&strict(&then_short), MODEL), Some(r#""b""#));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_value_that_was_not_read_to_its_end_is_no_value() {
    let mut scanner = Scanner::new(WANTED, Grammar::Strict);
    assert_eq!(scanner.push(br#"{"model":"a"#), Ok(Progress::Open));
    assert_eq!(scanner.found(MODEL).unwrap().value(), None);
    assert_eq!(scanner.push(br#"bc"#), Ok(Progress::Open));
    assert_eq!(scanner.found(MODEL).unwrap().value(), None);
    assert_eq!(scanner.push(br#""}"#), Ok(Progress::Closed { at: 2 }));
    assert_eq!(
        scanner.found(MODEL).unwrap().string().as_deref(),
        Some("abc")
    );
    assert_eq!(scanner.found(WANTED.len()), None);
}

#[wasm_bindgen_test(unsupported = test)]
fn strings_are_unescaped_and_measured() {
    let table = [
        (r#""""#, Some(""), 0),
        (r#""a\n\"\\""#, Some("a\n\"\\"), 4),
        (r#""\u0041\u00e9\u20ac\ud83d\ude00""#, Some("Aé€😀"), 10),
        (r#""é€😀""#, Some("é€😀"), 9),
        (r#""\ud83d""#, None, 2),
        ("17", None, 0),
        ("null", None, 0),
        (r#"["a"]"#, None, 0),
    ];
    for (raw, string, text) in table {
        let outcome = strict(&format!(r#"{{"a":"abc","model":{raw}}}"#));
        let found = &outcome.found[MODEL];
        assert_eq!(found.string().as_deref(), string, "{raw}");
        assert_eq!(found.text, text, "{raw}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_reset_scanner_remembers_nothing() {
    let mut scanner = Scanner::new(WANTED, Grammar::Strict);
    scanner
        .push(br#"{"model":"a","Model":1,"choices":[{"index":1}],"open":{"#)
        .unwrap();
    scanner.reset();
    assert_eq!(scanner.push(b" {}"), Ok(Progress::Closed { at: 3 }));
    for index in 0..WANTED.len() {
        assert_eq!(scanner.found(index), Some(&Found::default()));
    }
}

/// Marsaglia's xorshift: the same documents on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn pick<'a>(&mut self, from: &[&'a [u8]]) -> &'a [u8] {
        from[self.below(from.len())]
    }
}

const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"u",
    b"00e9",
    b"ud83d",
    b"0",
    b"1",
    b"-",
    b".",
    b"e",
    b"E",
    b"+",
    b"true",
    b"null",
    b"nul",
    b" ",
    b"\n",
    b"\"a\"",
    b"\"a\":",
    b"{}",
    b"[]",
    b"\x00",
    b"\x1f",
    b"\x7f",
    b"\xC3",
    b"\xA9",
    b"\xE2\x82\xAC",
    b"\xF0\x9F",
    b"\xFF",
];

fn grow(random: &mut Random, depth: usize, document: &mut Vec<u8>) {
    match random.below(if depth > 5 { 5 } else { 7 }) {
        0 => document.extend_from_slice(random.pick(&[b"true", b"false", b"null"])),
        1 => document.extend_from_slice(random.pick(&[b"0", b"-1.5e3", b"12", b"1E+2", b"0.0"])),
        2..=4 => document.extend_from_slice(random.pick(&[
            b"\"\"",
            b"\"\\u00e9\\n\"",
            "\"é😀\"".as_bytes(),
            b"\"\\ud83d\\ude00\"",
            b"\"abc\"",
        ])),
        kind => {
            document.push(if kind == 5 { b'[' } else { b'{' });
            for index in 0..random.below(4) {
                if index > 0 {
                    document.extend_from_slice(random.pick(&[b",", b" , ", b",\n"]));
                }
                if kind == 6 {
                    document.extend_from_slice(random.pick(&[b"\"a\":", b"\"\\u0061\" : "]));
                }
                grow(random, depth + 1, document);
            }
            document.push(if kind == 5 { b']' } else { b'}' });
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn strict_agrees_with_serde_json_on_random_documents() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut accepted = 0;
    for round in 0..20_000 {
        let mut value = Vec::new();
        grow(&mut random, 0, &mut value);
        for _ in 0..random.below(3) {
            let from = random.below(value.len() + 1);
            let to = (from + random.below(3)).min(value.len());
            let token = random.pick(TOKENS);
            value.splice(from..to, token.iter().copied());
        }
        let document = [b"{\"v\":", value.as_slice(), b"}"].concat();
        let chunk = 1 + random.below(document.len());
        let outcome = scan(Grammar::Strict, document.chunks(chunk));
        let expected = judge(&document);
        assert_eq!(
            outcome.verdict == Ok(true),
            expected,
            "round {round}: {:?} {}",
            outcome.verdict,
            document.escape_ascii()
        );
        accepted += usize::from(expected);
    }
    assert!(
        (5_000..15_000).contains(&accepted),
        "both verdicts are exercised: {accepted}"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_stepped_over_changes_nothing_in_random_documents() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut whole_ones = 0;
    for round in 0..20_000 {
        let mut document = b"{".to_vec();
        for part in [
            "\"x\":",
            ",\"choices\":[{\"index\":",
            ",\"y\":",
            "},",
            "],\"model\":",
        ] {
            document.extend_from_slice(part.as_bytes());
            grow(&mut random, 3, &mut document);
        }
        document.extend_from_slice(b",\"z\":[1,\"2\",x]}");
        for _ in 0..random.below(3) {
            let from = random.below(document.len() + 1);
            let to = (from + random.below(3)).min(document.len());
            document.splice(from..to, random.pick(TOKENS).iter().copied());
        }
        let at_once = whole(Grammar::Lenient, &document);
        let split = scan(Grammar::Lenient, document.chunks(1));
        let shown = document.escape_ascii();
        assert_eq!(at_once, split, "round {round}: {shown}");
        whole_ones += usize::from(at_once.verdict == Ok(true));
    }
    assert!(
        (5_000..15_000).contains(&whole_ones),
        "both verdicts are exercised: {whole_ones}"
    );
}

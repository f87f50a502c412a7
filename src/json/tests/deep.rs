//! Replies that are nested deeper than the scanner's limit.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// The text around and within the deep part of a document.
struct Shape {
    name: &'static str,
    open: &'static str,
    innermost: &'static str,
    close: &'static str,
}

const SHAPES: [Shape; 6] = [
    Shape {
        name: "arrays",
        open: "[",
        innermost: "",
        close: "]",
    },
    Shape {
        name: "objects",
        open: r#"{"a":"#,
        innermost: "1",
        close: "}",
    },
    Shape {
        name: "both, with white space",
        open: "[ 1 , { \"\\u0061\" : ",
        innermost: "null",
        close: " , \"b\" : [ ] } ]\n",
    },
    Shape {
        name: "objects that repeat the wanted names",
        open: r#"{"model":"x","choices":[{"index":9}],"stream_options":"#,
        innermost: r#""model""#,
        close: r#","include_usage":0}"#,
    },
    Shape {
        name: "brackets and quotes within texts",
        open: r#"["]}\"]", "#,
        innermost: r#""\\""#,
        close: r#", "{[\\\"" ]"#,
    },
    Shape {
        name: "invalid bytes and bare words",
        open: "[NaN,\"\u{0}\\x\",",
        innermost: "[]",
        close: ",+1]",
    },
];

fn deep(shape: &Shape, depth: usize) -> Vec<u8> {
    below(0, shape, depth)
}

/// The shape, repeated this often, below this many arrays.
fn below(arrays: usize, shape: &Shape, depth: usize) -> Vec<u8> {
    [
        br#"{"model":"a","x":"#.as_slice(),
        &vec![b'['; arrays],
        shape.open.repeat(depth).as_bytes(),
        shape.innermost.as_bytes(),
        shape.close.repeat(depth).as_bytes(),
        &vec![b']'; arrays],
        br#","choices":[{"index":0},{"index":1}],"stream_options":{"include_usage":true}}"#,
    ]
    .concat()
}

fn expect_found(name: &str, outcome: &Outcome, length: usize) {
    assert_eq!(outcome.verdict, Ok(true), "{name}");
    assert_eq!(outcome.closed_at, Some(length), "{name}");
    assert_eq!(value(outcome, MODEL), Some(r#""a""#), "{name}");
    assert_eq!(value(outcome, INCLUDE_USAGE), Some("true"), "{name}");
    assert_eq!(outcome.found[INDEX].exact, 2, "{name}");
    assert_eq!(outcome.found[CHOICE].exact, 2, "{name}");
    assert_eq!(outcome.found[MODEL].exact, 1, "{name}");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_lenient_document_may_be_as_deep_as_it_likes() {
    for shape in &SHAPES {
        for depth in [1, 64, 126, 127, 128, 129, 130, 1000, 100_000] {
            let document = deep(shape, depth);
            let name = format!("{}, {depth} deep", shape.name);
            for step in [1, 7, document.len()] {
                let outcome = scan(Grammar::Lenient, document.chunks(step));
                expect_found(&name, &outcome, document.len());
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn every_split_of_a_deep_document_reads_the_same() {
    for shape in &SHAPES {
        let document = below(MAX_DEPTH - 3, shape, 4);
        let expected = whole(Grammar::Lenient, &document);
        expect_found(shape.name, &expected, document.len());
        for split in 0..=document.len() {
            let (head, tail) = document.split_at(split);
            let outcome = scan(Grammar::Lenient, [head, b"".as_slice(), tail]);
            assert_eq!(outcome, expected, "{} at {split}", shape.name);
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_deep_document_without_its_end_is_not_whole() {
    let document = deep(&SHAPES[0], 1000);
    for end in [200, 1017, 1100, document.len() - 1] {
        let outcome = whole(Grammar::Lenient, &document[..end]);
        assert_eq!(outcome.verdict, Ok(false), "{end}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_wanted_value_with_something_deep_in_it_is_kept_as_far_as_it_fits() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    // The cap of an element of `choices` is 64 bytes, and its container is two levels deep.
    for (depth, fits) in [(32, true), (33, false), (1000, false)] {
        let document = format!(r#"{{"choices":[{}],"model":"a"}}"#, nested(depth));
        for step in [1, document.len()] {
            let outcome = scan(Grammar::Lenient, document.as_bytes().chunks(step));
            assert_eq!(outcome.verdict, Ok(true), "{depth}");
            assert_eq!(outcome.found[CHOICE].overflow, !fits, "{depth}");
            assert_eq!(value(&outcome, MODEL), Some(r#""a""#), "{depth}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_reset_scanner_is_not_deep() {
    let mut scanner = Scanner::new(WANTED, Grammar::Lenient);
    for cut in ["[".repeat(500), format!("{}\"", "[".repeat(500))] {
        assert_eq!(scanner.push(cut.as_bytes()), Ok(Progress::Open));
        scanner.reset();
        assert_eq!(scanner.push(b"[]"), Ok(Progress::Closed { at: 2 }));
        scanner.reset();
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn depth_takes_no_memory() {
    let mut scanner = Scanner::new(WANTED, Grammar::Lenient);
    let before = scanner.heap_bytes();
    for _ in 0..100 {
        assert_eq!(scanner.push(&[b'['; 10_000]), Ok(Progress::Open));
        assert_eq!(scanner.heap_bytes(), before);
    }
}

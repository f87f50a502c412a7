use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

fn read(raw: &str) -> Option<Usage> {
    super::read(raw.as_bytes()).map(|counts| counts.usage())
}

#[wasm_bindgen_test(unsupported = test)]
fn numbers_are_read_leniently() {
    let table: &[(&str, Option<u64>)] = &[
        ("18", Some(18)),
        ("18.0", Some(18)),
        ("18.9", Some(18)),
        ("1.8e1", Some(18)),
        ("\"18\"", Some(18)),
        ("0", Some(0)),
        ("4294967295", Some(MAX_COUNT)),
        ("4294967296", Some(MAX_COUNT)),
        ("99999999999999999999999999", Some(MAX_COUNT)),
        ("1e999", Some(MAX_COUNT)),
        ("-1", None),
        ("null", None),
        ("true", None),
        ("NaN", None),
        ("Infinity", None),
        ("\"inf\"", None),
        ("\"\"", None),
        ("[18]", None),
        ("{}", None),
    ];
    for (raw, expected) in table {
        assert_eq!(number(raw.as_bytes()), *expected, "{raw}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn every_shape_gives_inclusive_counts() {
    // (name, raw, [input, output, cached, created, reasoning])
    let table: &[(&str, &str, [Option<u64>; 5])] = &[
        (
            "OpenAI",
            r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":3}}"#,
            [Some(10), Some(4), Some(6), None, Some(3)],
        ),
        (
            "details null",
            r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":null}"#,
            [Some(10), Some(4), None, None, None],
        ),
        (
            "SGLang",
            r#"{"prompt_tokens":10,"completion_tokens":4,"reasoning_tokens":2}"#,
            [Some(10), Some(4), None, None, Some(2)],
        ),
        (
            "DeepSeek",
            r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_cache_hit_tokens":6,"prompt_cache_miss_tokens":4}"#,
            [Some(10), Some(4), Some(6), None, None],
        ),
        (
            "Responses",
            r#"{"input_tokens":10,"input_tokens_details":{"cached_tokens":6},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":1}}"#,
            [Some(10), Some(4), Some(6), None, Some(1)],
        ),
        (
            "Anthropic",
            r#"{"input_tokens":1,"cache_read_input_tokens":6,"cache_creation_input_tokens":3,"output_tokens":4}"#,
            [Some(10), Some(4), Some(6), Some(3), None],
        ),
        (
            "OpenAI with Anthropic's names beside",
            r#"{"prompt_tokens":10,"completion_tokens":4,"cache_read_input_tokens":6}"#,
            [Some(10), Some(4), Some(6), None, None],
        ),
        (
            "timings",
            r#"{"prompt_n":4,"cache_n":6,"predicted_n":4}"#,
            [Some(10), Some(4), Some(6), None, None],
        ),
        (
            "completion null",
            r#"{"prompt_tokens":10,"completion_tokens":null,"total_tokens":10}"#,
            [Some(10), Some(0), None, None, None],
        ),
        (
            "zeros of the other API",
            r#"{"prompt_tokens":0,"completion_tokens":0,"input_tokens":10,"output_tokens":4}"#,
            [Some(10), Some(4), None, None, None],
        ),
        (
            "counts elsewhere",
            r#"{"x":{"prompt_tokens":99},"prompt_tokens":10,"completion_tokens":4}"#,
            [Some(10), Some(4), None, None, None],
        ),
    ];
    for (name, raw, [input, output, cached_input, cache_creation_input, reasoning]) in table {
        let expected = Usage {
            input: *input,
            output: *output,
            cached_input: *cached_input,
            cache_creation_input: *cache_creation_input,
            reasoning: *reasoning,
        };
        assert_eq!(read(raw), Some(expected), "{name}");
        assert_eq!(read_reversed(raw), Some(expected), "{name}, rows reversed");
    }
}

/// As [`read`], but the table stands upside down. No object here has two different counts for one field, whose order
/// would count.
fn read_reversed(raw: &str) -> Option<Usage> {
    let fields = FIELDS.reversed();
    let paths = Rc::new(Paths::new(&fields.wanted));
    read_fields(raw.as_bytes(), fields, paths).map(|counts| counts.usage())
}

#[wasm_bindgen_test(unsupported = test)]
fn of_the_rows_of_one_field_the_first_that_is_not_zero_counts() {
    let raw = r#"{"totalTokenCount":9,"total_tokens":8,"completion_tokens":0,"output_tokens":0}"#;
    let counts = super::read(raw.as_bytes()).unwrap();
    assert_eq!((counts.total, counts.output), (Some(8), Some(0)));
    let raw =
        r#"{"totalTokenCount":9,"total_tokens":0,"thoughtsTokenCount":3,"reasoning_tokens":0}"#;
    let counts = super::read(raw.as_bytes()).unwrap();
    assert_eq!((counts.total, counts.reasoning), (Some(9), Some(3)));
}

#[wasm_bindgen_test(unsupported = test)]
fn what_holds_no_count_is_no_usage() {
    for raw in [
        "null",
        "{}",
        "[]",
        "17",
        "\"prompt_tokens\"",
        r#"{"prompt_tokens":null}"#,
        r#"{"prompt_tokens":-1}"#,
    ] {
        assert_eq!(read(raw), None, "{raw}");
    }
}

fn texts(inputs: &[(u64, u64)]) -> Option<(Option<u64>, Option<u64>, bool)> {
    let mut tally = Tally::default();
    tally.texts = true;
    for (index, (input, output)) in (0..).zip(inputs) {
        tally.choice(
            index,
            true,
            Some(Usage {
                input: Some(*input),
                output: Some(*output),
                ..Usage::default()
            }),
        );
    }
    let (usage, last) = tally.total(true, true)?;
    Some((usage.input, usage.output, last))
}

#[wasm_bindgen_test(unsupported = test)]
fn choices_of_several_prompts_are_added_and_doubts_are_said() {
    assert_eq!(texts(&[(4, 3)]), Some((Some(4), Some(3), true)));
    assert_eq!(texts(&[(4, 3), (6, 5)]), Some((Some(10), Some(8), true)));
    // One prompt with two answers, or two prompts of one length: at least this much.
    assert_eq!(texts(&[(4, 3), (4, 5)]), Some((Some(4), Some(8), false)));
    assert_eq!(
        texts(&[(4, 3), (6, 5), (4, 1)]),
        Some((Some(10), Some(9), false))
    );
    assert_eq!(texts(&[]), None);
}

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

fn read(raw: &str) -> Option<Usage> {
    super::read(raw.as_bytes()).map(|counts| counts.settle(false).usage)
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
        ("-0", Some(0)),
        ("2147483647", Some(MAX_COUNT)),
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
        assert_ne!(numeral(raw.as_bytes()), Number::Impossible, "{raw}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_number_that_cannot_be_a_count_is_told_from_none() {
    for raw in [
        "-1",
        "-1.0",
        "\"-35\"",
        "-1e3",
        "2147483648",
        "4294967261",
        "18446744073709551581",
        "99999999999999999999999999",
        "4.3e9",
        "1e999",
    ] {
        assert_eq!(numeral(raw.as_bytes()), Number::Impossible, "{raw}");
        assert_eq!(number(raw.as_bytes()), None, "{raw}");
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
    read_fields(raw.as_bytes(), fields, paths).map(|counts| counts.settle(false).usage)
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
    ] {
        assert_eq!(read(raw), None, "{raw}");
    }
}

fn texts(inputs: &[(u64, u64)]) -> Option<(Option<u64>, Option<u64>, bool)> {
    let mut tally = Tally::default();
    tally.completions = true;
    for (index, (input, output)) in (0..).zip(inputs) {
        let counts = Counts {
            input: Some(*input),
            output: Some(*output),
            ..Counts::default()
        };
        tally.choice(index, true, Some(&counts.settle(false)), 1);
    }
    let (usage, last, _) = tally.total(true, 1);
    let usage = usage?;
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

#[wasm_bindgen_test(unsupported = test)]
fn the_total_tells_what_the_sides_leave_out() {
    use Contradiction::*;
    let known = |input, output, contradiction| (Some(input), Some(output), true, contradiction);
    let bound = |input, output, why| (Some(input), Some(output), false, Some(why));
    let unbelieved = |why| (None, None, false, Some(why));
    // (name, raw, (input, output, firm, contradiction))
    let table: &[(&str, &str, _)] = &[
        (
            "no total",
            r#"{"prompt_tokens":10,"completion_tokens":5}"#,
            known(10, 5, None),
        ),
        (
            "a total that was not filled in",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":0}"#,
            known(10, 5, None),
        ),
        (
            "the sum, whatever the details",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"cached_tokens":8,"reasoning_tokens":5}"#,
            known(10, 5, None),
        ),
        (
            "reasoning outside",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":75,"completion_tokens_details":{"reasoning_tokens":60}}"#,
            known(10, 65, Some(OutputOutside)),
        ),
        (
            "reasoning outside, Responses",
            r#"{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,"total_tokens":75,"output_tokens_details":{"reasoning_tokens":60}}"#,
            known(10, 65, Some(OutputOutside)),
        ),
        (
            "cache outside",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":95,"prompt_tokens_details":{"cached_tokens":80}}"#,
            known(90, 5, Some(InputOutside)),
        ),
        (
            "cache outside, both ways",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":98,"cache_read_input_tokens":80,"cache_creation_input_tokens":3}"#,
            known(93, 5, Some(InputOutside)),
        ),
        (
            "cache and reasoning outside",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":155,"prompt_tokens_details":{"cached_tokens":80},"reasoning_tokens":60}"#,
            known(90, 65, Some(OutputOutside)),
        ),
        (
            "either outside",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":75,"prompt_tokens_details":{"cached_tokens":60},"reasoning_tokens":60}"#,
            bound(10, 5, TotalAmbiguous),
        ),
        (
            "more than is named",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":40,"reasoning_tokens":3}"#,
            known(10, 30, Some(OutputOutside)),
        ),
        (
            "no prompt, and more than is named",
            r#"{"prompt_tokens":0,"completion_tokens":5,"total_tokens":40}"#,
            known(35, 5, Some(InputOutside)),
        ),
        (
            "no completion, and reasoning without a total",
            r#"{"prompt_tokens":10,"completion_tokens":0,"completion_tokens_details":{"reasoning_tokens":60}}"#,
            known(10, 60, Some(OutputOutside)),
        ),
        (
            "more reasoning than output, without a total",
            r#"{"prompt_tokens":10,"completion_tokens":5,"reasoning_tokens":60}"#,
            bound(10, 5, PartTooLarge),
        ),
        (
            "more cached than read, without a total",
            r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":80}}"#,
            bound(10, 5, PartTooLarge),
        ),
        (
            "Anthropic's, with a total that has the cache",
            r#"{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":80,"total_tokens":95}"#,
            known(90, 5, None),
        ),
        (
            "Anthropic's names, and a total that says that the cache is inside",
            r#"{"input_tokens":100,"output_tokens":5,"cache_read_input_tokens":80,"total_tokens":105}"#,
            known(100, 5, Some(PartInside)),
        ),
        (
            "a cache of no known API, without a total",
            r#"{"input_tokens":100,"output_tokens":5,"cached_tokens":80}"#,
            known(100, 5, None),
        ),
        (
            "Gemini",
            r#"{"promptTokenCount":10,"candidatesTokenCount":5,"toolUsePromptTokenCount":200,"thoughtsTokenCount":30,"totalTokenCount":245}"#,
            known(210, 35, None),
        ),
        (
            "Gemini, the tools' prompt inside",
            r#"{"promptTokenCount":210,"candidatesTokenCount":5,"toolUsePromptTokenCount":200,"totalTokenCount":215}"#,
            known(210, 5, Some(PartInside)),
        ),
        (
            "Gemini, thoughts inside",
            r#"{"promptTokenCount":10,"candidatesTokenCount":35,"thoughtsTokenCount":30,"totalTokenCount":45}"#,
            known(10, 35, Some(PartInside)),
        ),
        (
            "Gemini, thoughts alone",
            r#"{"promptTokenCount":10,"thoughtsTokenCount":30,"totalTokenCount":40}"#,
            known(10, 30, None),
        ),
        (
            "less than the prompt",
            r#"{"prompt_tokens":1151,"completion_tokens":5,"total_tokens":1116}"#,
            unbelieved(TotalTooSmall),
        ),
        (
            "less than the completion",
            r#"{"prompt_tokens":5,"completion_tokens":1151,"total_tokens":1116}"#,
            unbelieved(TotalTooSmall),
        ),
        (
            "less than the only side",
            r#"{"prompt_tokens":100,"total_tokens":50}"#,
            unbelieved(TotalTooSmall),
        ),
        (
            "less than the sum",
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":120}"#,
            bound(70, 20, TotalTooSmall),
        ),
        (
            "a negative side",
            r#"{"prompt_tokens":1151,"completion_tokens":-35,"total_tokens":1116}"#,
            unbelieved(ImpossibleCount),
        ),
        (
            "a negative side, Responses",
            r#"{"input_tokens":1151,"output_tokens":"-35"}"#,
            unbelieved(ImpossibleCount),
        ),
        (
            "a negative part of the input, Anthropic",
            r#"{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":-1}"#,
            unbelieved(ImpossibleCount),
        ),
        (
            "a negative side, Gemini",
            r#"{"promptTokenCount":10,"candidatesTokenCount":-5.0}"#,
            unbelieved(ImpossibleCount),
        ),
        (
            "a negative side, llama.cpp",
            r#"{"prompt_n":-1,"predicted_n":5}"#,
            unbelieved(ImpossibleCount),
        ),
        (
            "a negative total",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":-1}"#,
            unbelieved(ImpossibleCount),
        ),
        (
            "wrapped around 2^32",
            r#"{"prompt_tokens":1151,"completion_tokens":4294967261}"#,
            unbelieved(ImpossibleCount),
        ),
        (
            "wrapped around 2^64",
            r#"{"prompt_tokens":1151,"completion_tokens":18446744073709551581}"#,
            unbelieved(ImpossibleCount),
        ),
        (
            "a detail that cannot be",
            r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":-1},"completion_tokens_details":{"reasoning_tokens":4294967295}}"#,
            known(10, 5, None),
        ),
    ];
    for (name, raw, expected) in table {
        let settled = super::read(raw.as_bytes()).unwrap().settle(false);
        let usage = settled.usage;
        let found = (
            usage.input,
            usage.output,
            settled.firm,
            settled.contradiction,
        );
        assert_eq!(found, *expected, "{name}");
        assert!(usage.reasoning <= usage.output, "{name}");
        assert!(usage.cached_input <= usage.input, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn all_tokens_of_an_embedding_are_input() {
    for (raw, input) in [
        (r#"{"prompt_tokens":9,"total_tokens":9}"#, Some(9)),
        (r#"{"prompt_tokens":9,"total_tokens":12}"#, Some(12)),
        (
            r#"{"prompt_tokens":9,"completion_tokens":0,"total_tokens":12}"#,
            Some(12),
        ),
        (r#"{"prompt_tokens":9,"total_tokens":5}"#, None),
        (r#"{"prompt_tokens":-9}"#, None),
    ] {
        let settled = super::read(raw.as_bytes()).unwrap().settle(true);
        assert_eq!(settled.usage.input, input, "{raw}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn iterations_that_the_top_level_leaves_out_are_added() {
    let usage = |iterations: &str| {
        let raw = format!(
            r#"{{"input_tokens":23000,"output_tokens":1000,"cache_read_input_tokens":0,"iterations":{iterations}}}"#
        );
        let settled = super::read(raw.as_bytes()).unwrap().settle(false);
        (settled.usage.input, settled.usage.output, settled.firm)
    };
    let message = r#"{"type":"message","input_tokens":23000,"output_tokens":1000}"#;
    let compaction = r#"{"type":"compaction","input_tokens":170000,"output_tokens":3500,"cache_read_input_tokens":10000}"#;
    let advisor =
        r#"{"type":"advisor_message","model":"other","input_tokens":823,"output_tokens":1612}"#;
    let half = r#"{"input_tokens":11500,"type":"message","output_tokens":500}"#;
    let top = (Some(23000), Some(1000));
    for (name, iterations, (input, output), firm) in [
        ("none", "null".to_owned(), top, true),
        ("an empty list", "[]".to_owned(), top, true),
        ("one message", format!("[{message}]"), top, true),
        ("two messages", format!("[{half},{half}]"), top, true),
        (
            "compaction",
            format!("[{compaction},{message}]"),
            (Some(203_000), Some(4500)),
            true,
        ),
        (
            "compaction alone",
            format!("[{compaction}]"),
            (Some(203_000), Some(4500)),
            true,
        ),
        (
            "another model",
            format!("[{message},{advisor}]"),
            top,
            false,
        ),
        (
            "a type of its own",
            r#"[{"input_tokens":1}]"#.to_owned(),
            top,
            false,
        ),
        (
            "messages that are not the top level",
            format!("[{message},{message}]"),
            top,
            false,
        ),
        (
            "a negative count",
            r#"[{"type":"compaction","input_tokens":-1}]"#.to_owned(),
            top,
            false,
        ),
    ] {
        assert_eq!(usage(&iterations), (input, output, firm), "{name}");
    }
    let inside = r#"{"input_tokens":30000,"output_tokens":900,"iterations":[{"type":"compaction","input_tokens":20000,"output_tokens":400},{"type":"message","input_tokens":10000,"output_tokens":500}]}"#;
    let settled = super::read(inside.as_bytes()).unwrap().settle(false);
    assert_eq!(
        (settled.usage.input, settled.usage.output),
        (Some(30000), Some(900))
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn what_hosted_tools_took_is_added_where_it_was_tokens() {
    for (raw, input, output, incomplete) in [
        (
            r#"{"image_gen":{"input_tokens":50,"output_tokens":4160,"total_tokens":4210},"web_search":{"num_requests":2}}"#,
            Some(50),
            Some(4160),
            false,
        ),
        (
            r#"{"image_gen":{"input_tokens":50,"output_tokens":4160},"other":{"input_tokens":1,"output_tokens":2}}"#,
            Some(51),
            Some(4162),
            false,
        ),
        (r#"{"web_search":{"num_requests":0}}"#, None, None, false),
        ("{}", None, None, false),
        ("null", None, None, false),
        (
            r#"{"image_gen":{"input_tokens":50,"output_tokens":-1}}"#,
            None,
            None,
            true,
        ),
        ("[1]", None, None, true),
    ] {
        let beside = hosted_tools(raw.as_bytes());
        let found = (beside.input, beside.output, beside.incomplete);
        assert_eq!(found, (input, output, incomplete), "{raw}");
    }
}

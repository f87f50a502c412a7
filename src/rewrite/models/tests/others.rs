//! What an entry that stays may say of other models.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// What becomes of the entry of the model `a` beside one that is left out, called `x` and `x-latest`.
fn beside_x(entry: &str) -> String {
    let left_out = r#"{"id":"x","aliases":["X-latest"]}"#;
    let list = format!(r#"{{"data":[{left_out},{entry}]}}"#);
    let filtered = filter(list.as_bytes(), 64);
    let entry = filtered
        .strip_prefix(r#"{"data":["#)
        .and_then(|entries| entries.strip_suffix("]}"));
    entry.unwrap().to_owned()
}

#[wasm_bindgen_test(unsupported = test)]
fn an_entry_that_stays_names_no_model_that_the_caller_may_not_use() {
    for (name, entry, expected) in [
        (
            "vLLM, an adapter on a model that is left out",
            r#"{"id":"a","root":"/adapters/a","parent":"x","permission":[{"id":"modelperm-1","group":null}]}"#,
            r#"{"id":"a","root":"/adapters/a","parent":null,"permission":[{"id":"modelperm-1","group":null}]}"#,
        ),
        (
            "a parent that is not in the list",
            r#"{"id":"a","parent":"elsewhere"}"#,
            r#"{"id":"a","parent":null}"#,
        ),
        (
            "a root that is left out",
            r#"{"id":"a","root":"x"}"#,
            r#"{"id":"a","root":null}"#,
        ),
        (
            "a root that the configuration knows",
            r#"{"id":"a","root":"known"}"#,
            r#"{"id":"a","root":null}"#,
        ),
        (
            "llama.cpp, aliases, some of them not for this caller",
            r#"{"id":"a","aliases":["x-latest","b/1","y","a"],"tags":["x","chat"]}"#,
            r#"{"id":"a","aliases":["b/1","a"],"tags":["chat"]}"#,
        ),
        (
            "LiteLLM, fallbacks within the metadata",
            r#"{"id":"a","metadata":{"fallbacks":["x","b/1"],"mode":"chat"}}"#,
            r#"{"id":"a","metadata":{"fallbacks":["b/1"],"mode":"chat"}}"#,
        ),
        (
            "fallbacks by model",
            r#"{"id":"a","Fall_Backs":{"x":["y"],"a":["b/1","y"]},"n":1}"#,
            r#"{"id":"a","Fall_Backs":{"a":["b/1"]},"n":1}"#,
        ),
        (
            "Ollama's shape",
            r#"{"id":"a","details":{"parent_model":"y","families":["llama"]}}"#,
            r#"{"id":"a","details":{"parent_model":null,"families":["llama"]}}"#,
        ),
        (
            "another letter case",
            r#"{"id":"a","see":"X-LATEST"}"#,
            r#"{"id":"a","see":null}"#,
        ),
        (
            "an escaped name",
            r#"{"id":"a","\u0070arent":"\u0078"}"#,
            r#"{"id":"a","parent":null}"#,
        ),
        (
            "the command line of a server",
            r#"{"id":"a","status":{"args":["--alias","x","--draft","known"]}}"#,
            r#"{"id":"a","status":{"args":["--alias","--draft"]}}"#,
        ),
        (
            "a name of a member",
            r#"{"id":"a","limits":{"x":1,"b/1":2}}"#,
            r#"{"id":"a","limits":{"b/1":2}}"#,
        ),
        (
            "a text that is none",
            r#"{"id":"a","parent":"\ud800"}"#,
            r#"{"id":"a","parent":null}"#,
        ),
    ] {
        assert_eq!(beside_x(entry), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn an_entry_that_tells_nothing_of_others_stays_as_it_was_written() {
    for (name, entry) in [
        (
            "vLLM",
            r#"{"id":"a", "object":"model","owned_by":"vllm","root":"/models/llama","parent":null,"max_model_len":1e3}"#,
        ),
        ("a parent for this caller", r#"{"id":"a","parent" : "b/1"}"#),
        (
            "an empty parent",
            r#"{"id":"a","details":{"parent_model":""}}"#,
        ),
        ("no aliases", r#"{"id":"a","aliases":[ ],"tags":[]}"#),
        (
            "a name within a longer text",
            r#"{"id":"a","description":"faster than x","display_name":"A 1.0"}"#,
        ),
        (
            "a kind that is called like a model",
            r#"{"id":"a","object":"known","type":"x","owned_by":"x"}"#,
        ),
    ] {
        assert_eq!(beside_x(entry), entry, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn both_lists_of_a_reply_hide_what_either_leaves_out() {
    let list = r#"{"models":[{"name":"a","model":"a","tags":["y"]},{"name":"x","model":"x"}],"data":[{"id":"a","tags":["x"]},{"id":"y"}],"default":"x"}"#;
    assert_eq!(
        filter(list.as_bytes(), 64),
        r#"{"models":[{"name":"a","model":"a","tags":[]}],"data":[{"id":"a","tags":[]}],"default":null}"#
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn what_lies_too_deep_in_an_entry_is_not_shown() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"id":"a","deep":{open}1{close},"n":2}}"#)
    };
    assert_eq!(beside_x(&nested(7)), nested(7));
    assert_eq!(
        beside_x(&nested(8)),
        format!(
            r#"{{"id":"a","deep":{}{},"n":2}}"#,
            "[".repeat(7),
            "]".repeat(7)
        )
    );
    for depth in [128, 129, 1000, 200_000] {
        assert_eq!(
            beside_x(&nested(depth)),
            beside_x(&nested(8)),
            "{depth} deep"
        );
    }
    let around = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"deep":{open}{close},"data":[{{"id":"a"}},{{"id":"x","y":{open}{close}}}]}}"#)
    };
    for depth in [1, 200, 200_000] {
        assert_eq!(
            filter(around(depth).as_bytes(), 65_536),
            r#"{"data":[{"id":"a"}]}"#,
            "{depth} deep"
        );
    }
}

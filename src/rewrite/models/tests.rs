use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

mod others;

const EMPTY_LIST: &str = r#"{"object":"list","data":[]}"#;

/// What becomes of a list when only `a`, `b/1` and `通义 "1"` may be used, taken in chunks of `step` bytes.
fn filter(list: &[u8], step: usize) -> String {
    let mut taken = ModelList::default();
    for chunk in list.chunks(step) {
        taken.take(chunk);
    }
    taken.filtered(&ACME)
}

const ACME: Viewer<'static> = Viewer {
    may_use: &|model| ["a", "b/1", "通义 \"1\""].contains(&model.as_str()),
    is_known: &|name| ["a", "known"].contains(&name),
};

#[wasm_bindgen_test(unsupported = test)]
fn keeps_the_entries_that_may_be_used_as_they_were_written() {
    for (name, list, expected) in [
        (
            "OpenAI, unknown fields and order kept",
            r#"{"object":"list","data":[{"id":"b/1","z":1,"a":[1e2]},{"id":"x"},{"id" : "a"}]}"#,
            r#"{"object":"list","data":[{"id":"b/1","z":1,"a":[1e2]},{"id" : "a"}]}"#,
        ),
        (
            "Anthropic, edges made anew",
            r#"{"data":[{"type":"model","id":"x"},{"type":"model","id":"a"}],"has_more":false,"first_id":"x","last_id":"a"}"#,
            r#"{"data":[{"type":"model","id":"a"}],"has_more":false,"first_id":"a","last_id":"a"}"#,
        ),
        (
            "Anthropic, nothing left",
            r#"{"data":[{"id":"x"}],"first_id":"x","last_id":"x"}"#,
            r#"{"data":[],"first_id":null,"last_id":null}"#,
        ),
        (
            "llama.cpp, both lists",
            r#"{"models":[{"name":"a","model":"a"},{"name":"x","model":"x"},{"name":"a","model":"x"}],"object":"list","data":[{"id":"a"},{"id":"x"}]}"#,
            r#"{"models":[{"name":"a","model":"a"}],"object":"list","data":[{"id":"a"}]}"#,
        ),
        (
            "a name that is no word",
            r#"{"data":[{"id":"通义 \"1\""}],"first_id":"x"}"#,
            r#"{"data":[{"id":"通义 \"1\""}],"first_id":"通义 \"1\""}"#,
        ),
        (
            "an escaped id",
            r#"{"data":[{"id":"\u0061"},{"\u0069d":"x"}]}"#,
            r#"{"data":[{"id":"\u0061"}]}"#,
        ),
        (
            "an entry with two ids, one of them not for this caller",
            r#"{"data":[{"id":"a","id":"x"}]}"#,
            r#"{"data":[]}"#,
        ),
        (
            "entries that name nothing that could be asked for",
            r#"{"data":[{},{"id":1},{"id":"a\\nb"},"a",null,["id","a"],{"id":"a"}]}"#,
            r#"{"data":[{"id":"a"}]}"#,
        ),
        (
            "a further list",
            r#"{"data":[{"id":"a"}],"aliases":["x"],"by_name":{"x":1},"total":2}"#,
            r#"{"data":[{"id":"a"}],"total":2}"#,
        ),
    ] {
        for step in [1, 7, list.len()] {
            assert_eq!(
                filter(list.as_bytes(), step),
                expected,
                "{name}, in chunks of {step}"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn whatever_is_no_list_of_models_ends_as_an_empty_one() {
    for (name, reply) in [
        ("nothing", &b""[..]),
        ("no JSON", b"<html>"),
        ("a cut document", br#"{"data":[{"id":"a"}]"#),
        ("a second document", br#"{"data":[{"id":"a"}]}{}"#),
        ("a bare list", br#"[{"id":"a"}]"#),
        ("no data", br#"{"object":"list"}"#),
        ("data that is no list", br#"{"data":{"id":"a"}}"#),
        (
            "data twice",
            br#"{"data":[{"id":"a"}],"data":[{"id":"x"}]}"#,
        ),
        (
            "models that are no list",
            br#"{"data":[{"id":"a"}],"models":{}}"#,
        ),
        (
            "invalid UTF-8",
            b"{\"data\":[{\"id\":\"a\",\"x\":\"\xff\"}]}",
        ),
        ("compressed", b"\x1f\x8b\x08\0"),
    ] {
        assert_eq!(filter(reply, 5), EMPTY_LIST, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_list_beyond_the_cap_and_one_with_a_lost_chunk_end_empty() {
    let entry = br#"{"data":[{"id":"a"}]}"#;
    let padded = |size: usize| [entry.as_slice(), &vec![b' '; size - entry.len()]].concat();
    assert_eq!(
        filter(&padded(MAX_LIST), 65_536),
        r#"{"data":[{"id":"a"}]}"#,
        "at the cap"
    );
    assert_eq!(
        filter(&padded(MAX_LIST + 1), 65_536),
        EMPTY_LIST,
        "above the cap"
    );
    let mut list = ModelList::default();
    list.take(entry);
    list.spoil();
    list.take(entry);
    assert_eq!(list.filtered(&ACME), EMPTY_LIST, "a lost chunk");
}

#[wasm_bindgen_test(unsupported = test)]
fn names_the_headers_that_no_longer_hold() {
    let headers: HeaderMap = [
        (":status", "200"),
        ("etag", "\"1\""),
        ("content-length", "9"),
        ("server", "uvicorn"),
    ]
    .into_iter()
    .collect();
    assert_eq!(
        outdated(&headers).collect::<Vec<_>>(),
        ["content-length", "etag"]
    );
}

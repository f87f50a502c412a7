//! Embeddings as bytes: their usage is in a header.

use super::*;

/// As vLLM sends it.
const HEADER: &str = r#"{"id": "embd-8fce4aecc64a425a", "created": 1795217471, "model": "tiny", "data": [{"index": 0, "embed_dtype": "float32", "endianness": "native", "start": 0, "end": 512, "shape": [128]}, {"index": 1, "embed_dtype": "float32", "endianness": "native", "start": 512, "end": 1024, "shape": [128]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}"#;
const BYTES: &str = "application/octet-stream";

fn embed(work: Work, content_type: &str, header: Option<&str>, body: &[u8]) -> Metered {
    let mut meter = meter(work, content_type);
    meter.metadata(|| header.map(str::as_bytes));
    meter.push(body);
    meter.finish(End::Complete)
}

#[wasm_bindgen_test(unsupported = test)]
fn embeddings_as_bytes_are_counted_by_their_header() {
    let entry = r#"{"index": 0, "embed_dtype": "float32", "start": 0, "end": 512}"#;
    let list = |entries: usize| vec![entry; entries].join(", ");
    let large = |entries| {
        format!(
            r#"{{"data": [{}], "usage": {{"prompt_tokens": 4}}}}"#,
            list(entries)
        )
    };
    let (just, too_large) = (large(900), large(1100));
    assert!(just.len() < MAX_METADATA && too_large.len() > MAX_METADATA);
    let reported = |input| (Worth::Reported, Some(input), Some(0));
    let unknown = (Worth::None, None, None);
    let other_usage: &[u8] = br#"{"usage":{"prompt_tokens":9,"total_tokens":9}}"#;
    for (name, content_type, header, body, expected) in [
        (
            "as vLLM sends it",
            BYTES,
            Some(HEADER),
            &b"\x1d\xfb"[..],
            reported(4),
        ),
        (
            "bytes that look like usage",
            BYTES,
            Some(HEADER),
            other_usage,
            reported(4),
        ),
        ("no header", BYTES, None, b"\x1d\xfb", unknown),
        ("an empty header", BYTES, Some(""), b"\x1d\xfb", unknown),
        ("no JSON", BYTES, Some("usage: 4"), b"\x1d\xfb", unknown),
        (
            "no usage",
            BYTES,
            Some(r#"{"data": []}"#),
            b"\x1d\xfb",
            unknown,
        ),
        (
            "usage in the wrong place",
            BYTES,
            Some(r#"{"data": {"usage": {"prompt_tokens": 4}}}"#),
            b"\x1d\xfb",
            unknown,
        ),
        (
            "a long header",
            BYTES,
            Some(&just),
            b"\x1d\xfb",
            reported(4),
        ),
        (
            "a header that is too long",
            BYTES,
            Some(&too_large),
            b"\x1d\xfb",
            unknown,
        ),
        (
            "a body that says it itself",
            "application/json",
            Some(HEADER),
            other_usage,
            reported(9),
        ),
    ] {
        let metered = embed(Work::Embed, content_type, header, body);
        assert_eq!(tokens(&metered), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_header_counts_for_embeddings_only() {
    for (work, expected) in [
        (Work::Generate, (Worth::None, None, None)),
        (Work::Media, (Worth::NotApplicable, None, None)),
        (Work::Other, (Worth::NotApplicable, None, None)),
    ] {
        let metered = embed(work, BYTES, Some(HEADER), b"\x1d\xfb");
        assert_eq!(tokens(&metered), expected, "{work:?}");
    }
}

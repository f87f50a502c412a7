use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// Reads a frame that names no model but its own.
pub(crate) fn read(judge: &mut Judge, bytes: &[u8], last: bool) -> Result<Option<ModelName>, Code> {
    let named = judge.frame(bytes, last).map_err(|denial| denial.code())?;
    assert_eq!(named.others, []);
    Ok(named.model)
}

/// Judges a body whose frames are `step` bytes long. The frame that is refused, and all before it, are what a server
/// could have seen.
fn judge(body: &[u8], step: usize, expected: Option<&str>) -> Result<Option<String>, Code> {
    let mut judge = Judge::new(
        expected.and_then(ModelName::new),
        None,
        Also::Nothing,
        &crate::fixtures::members(),
    );
    let mut model = None;
    let mut frames = body.chunks(step).peekable();
    if body.is_empty() {
        read(&mut judge, b"", true)?;
    }
    while let Some(frame) = frames.next() {
        if let Some(name) = read(&mut judge, frame, frames.peek().is_none())? {
            model = Some(name.as_str().to_owned());
        }
    }
    Ok(model)
}

#[wasm_bindgen_test(unsupported = test)]
fn accepts_documents_that_every_reader_reads_alike() {
    for (name, body) in [
        ("plain", r#"{"model":"m"}"#),
        ("white space", " {\r\n\t\"model\" : \"m\" }\n "),
        (
            "the model last",
            r#"{"messages":[{"role":"user","content":"hi"}],"model":"m"}"#,
        ),
        ("escapes in the value", r#"{"model":"\u006d"}"#),
        (
            "decoys further down",
            r#"{"a":{"model":"x","Model":"y"},"b":[{"model":"z"}],"model":"m"}"#,
        ),
        (
            "a decoy in a string",
            r#"{"a":"\",\"model\":\"x\"","model":"m"}"#,
        ),
        (
            "a name that only begins alike",
            r#"{"model_name":"x","modelled":["y"],"model":"m"}"#,
        ),
    ] {
        for step in 1..=body.len() {
            assert_eq!(
                judge(body.as_bytes(), step, None),
                Ok(Some("m".to_owned())),
                "{name}, frames of {step}"
            );
            assert_eq!(
                judge(body.as_bytes(), step, Some("m")),
                Ok(Some("m".to_owned())),
                "{name}, with header"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_documents_that_readers_may_read_differently() {
    for (name, body, expected) in [
        (
            "a duplicate",
            r#"{"model":"m","model":"n"}"#,
            Code::AmbiguousModel,
        ),
        (
            "the same twice",
            r#"{"model":"m","model":"m"}"#,
            Code::AmbiguousModel,
        ),
        (
            "an escaped duplicate",
            r#"{"model":"m","\u006dodel":"n"}"#,
            Code::AmbiguousModel,
        ),
        (
            "another letter case",
            r#"{"model":"m","Model":"n"}"#,
            Code::AmbiguousModel,
        ),
        (
            "another letter case alone",
            r#"{"MODEL":"m"}"#,
            Code::AmbiguousModel,
        ),
        (
            "a name that ends early in C",
            r#"{"model":"m","model\u0000x":"n"}"#,
            Code::AmbiguousModel,
        ),
        ("no model", r#"{"messages":[]}"#, Code::MissingModel),
        ("an empty model", r#"{"model":""}"#, Code::MissingModel),
        (
            "a model that is no string",
            r#"{"model":["m"]}"#,
            Code::MissingModel,
        ),
        ("null", r#"{"model":null}"#, Code::MissingModel),
        (
            "a model with a space behind it",
            r#"{"model":"m "}"#,
            Code::InvalidModelName,
        ),
        (
            "a model with a NUL",
            r#"{"model":"m\u0000n"}"#,
            Code::InvalidModelName,
        ),
        (
            "a lone surrogate",
            r#"{"model":"m\ud800"}"#,
            Code::InvalidModelName,
        ),
        ("nothing", "", Code::MalformedBody),
        ("no object", r#"["model","m"]"#, Code::MalformedBody),
        (
            "a second document",
            r#"{"model":"m"}{"model":"n"}"#,
            Code::MalformedBody,
        ),
        (
            "bytes after the document",
            "{\"model\":\"m\"}\0",
            Code::MalformedBody,
        ),
        (
            "a byte order mark",
            "\u{feff}{\"model\":\"m\"}",
            Code::MalformedBody,
        ),
        (
            "a comment",
            r#"{/* "model":"n", */"model":"m"}"#,
            Code::MalformedBody,
        ),
        ("single quotes", "{'model':'m'}", Code::MalformedBody),
        ("a trailing comma", r#"{"model":"m",}"#, Code::MalformedBody),
        ("cut short", r#"{"model":"m""#, Code::MalformedBody),
        ("a form", "model=m", Code::MalformedBody),
    ] {
        for step in 1..=body.len().max(1) {
            assert_eq!(
                judge(body.as_bytes(), step, None),
                Err(expected),
                "{name}, frames of {step}"
            );
        }
    }
    let utf_16: Vec<u8> = r#"{"model":"m"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(judge(&utf_16, 1, None), Err(Code::MalformedBody), "UTF-16");
    assert_eq!(
        judge(b"{\"model\":\"m\",\"a\":\"\xff\"}", 3, None),
        Err(Code::MalformedBody),
        "invalid UTF-8"
    );
    let long = format!(r#"{{"model":"{}"}}"#, "m".repeat(257));
    assert_eq!(
        judge(long.as_bytes(), 7, None),
        Err(Code::InvalidModelName),
        "a model of 257 characters"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn the_body_must_agree_with_the_header() {
    let body = br#"{"model":"m"}"#;
    assert_eq!(judge(body, 4, Some("n")), Err(Code::AmbiguousModel));
    assert_eq!(
        judge(br#"{"model":"M"}"#, 4, Some("m")),
        Err(Code::AmbiguousModel)
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn the_frame_that_reaches_the_content_length_is_the_last_chance() {
    let open = br#"{"model":"m""#;
    let mut judge = Judge::new(
        None,
        Some(open.len() as u64),
        Also::Nothing,
        &crate::fixtures::members(),
    );
    assert_eq!(read(&mut judge, &open[..4], false), Ok(None));
    assert_eq!(
        read(&mut judge, &open[4..], false),
        Err(Code::MalformedBody)
    );
}

const FORM: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n";

fn form_judge(expected: Option<&str>, length: Option<u64>) -> Judge {
    let headers = [("content-type", "multipart/form-data; boundary=b")]
        .into_iter()
        .collect();
    let boundary = Boundary::of(&headers).unwrap();
    Judge::of_form(
        &boundary,
        expected.and_then(ModelName::new),
        length,
        &crate::fixtures::members(),
    )
}

#[wasm_bindgen_test(unsupported = test)]
fn a_form_is_judged_like_a_document() {
    let m = ModelName::new("m");
    assert_eq!(read(&mut form_judge(None, None), FORM, true), Ok(m.clone()));
    assert_eq!(read(&mut form_judge(Some("m"), None), FORM, true), Ok(m));
    assert_eq!(
        read(&mut form_judge(Some("n"), None), FORM, true),
        Err(Code::AmbiguousModel),
        "the header names another model"
    );
    let (open, last) = FORM.split_at(FORM.len() - 3);
    let mut judge = form_judge(None, None);
    assert!(read(&mut judge, open, false).is_ok());
    assert_eq!(
        read(&mut judge, b"", true),
        Err(Code::MalformedBody),
        "cut before its end"
    );
    let mut judge = form_judge(None, Some(open.len() as u64));
    assert_eq!(
        read(&mut judge, open, false),
        Err(Code::MalformedBody),
        "the frame that reaches the content-length"
    );
    let mut judge = form_judge(None, None);
    assert!(read(&mut judge, open, false).is_ok());
    assert_eq!(read(&mut judge, last, false), Ok(None));
    assert_eq!(read(&mut judge, b"", true), Ok(None));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_form_without_a_model_is_refused_in_the_frame_that_closes_it() {
    let form = b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nm\r\n--b--";
    let (open, last) = form.split_at(form.len() - 1);
    let mut judge = form_judge(None, None);
    assert_eq!(read(&mut judge, open, false), Ok(None));
    assert_eq!(read(&mut judge, last, false), Err(Code::MissingModel));
}

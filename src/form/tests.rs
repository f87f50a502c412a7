use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

mod members;
mod memory;
mod names;

/// A form with boundary `b`, where `|` is a line end.
fn form(text: &str) -> Vec<u8> {
    text.replace('|', "\r\n").into_bytes()
}

/// The model of a form that arrives in frames of `step` bytes.
fn read(form: &[u8], step: usize) -> Result<Option<String>, Code> {
    let mut reader = Form::new(&Boundary("b".into()), &crate::fixtures::members());
    for frame in form.chunks(step) {
        reader.push(frame)?;
    }
    if reader.is_closed() {
        Ok(reader.model().map(|model| model.as_str().to_owned()))
    } else {
        Err(Code::MalformedBody)
    }
}

const MODEL: &str = r#"--b|Content-Disposition: form-data; name="model"||whisper-1|"#;
const FILE: &str = r#"--b|Content-Disposition: form-data; name="file"; filename="a.wav"|Content-Type: audio/wav||RIFF--a--|-|"#;

#[wasm_bindgen_test(unsupported = test)]
fn reads_the_model_of_forms_as_client_libraries_write_them() {
    for (name, text) in [
        ("the model first", format!("{MODEL}{FILE}--b--|")),
        ("the model last", format!("{FILE}{MODEL}--b--|")),
        ("no line end behind it", format!("{FILE}{MODEL}--b--")),
        ("alone", format!("{MODEL}--b--|")),
        (
            "lower-case headers, a type, a length, a binary transfer",
            "--b|content-type: text/plain; charset=UTF-8|content-transfer-encoding: binary|content-length: 9|content-disposition: form-data; name=\"model\"||whisper-1|--b--|".to_owned(),
        ),
        (
            "fields with brackets, and an empty one",
            format!("--b|Content-Disposition: form-data; name=\"timestamp_granularities[]\"||word|--b|Content-Disposition: form-data; name=\"prompt\"|||{MODEL}--b--|"),
        ),
        (
            "a file name beyond ASCII",
            format!("--b|Content-Disposition: form-data; name=\"file\"; filename=\"für.wav\"; filename*=utf-8''f%C3%BCr.wav||x|{MODEL}--b--|"),
        ),
        (
            "line ends and hyphens in the content",
            format!("--b|Content-Disposition: form-data; name=\"file\"; filename=\"a\"||||--|--a|-\r\n\n-|{MODEL}--b--|"),
        ),
        (
            "a decoy in the content",
            format!("--b|Content-Disposition: form-data; name=\"prompt\"||--c|Content-Disposition: form-data; name=\"model\"||x|{MODEL}--b--|"),
        ),
    ] {
        let body = form(&text);
        for step in 1..=body.len() {
            assert_eq!(
                read(&body, step),
                Ok(Some("whisper-1".to_owned())),
                "{name}, frames of {step}"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_forms_that_readers_may_read_differently() {
    let part = |headers: &str| format!("--b|{headers}||whisper-1|--b--|");
    let model = |parameters: &str| part(&format!("Content-Disposition: form-data; {parameters}"));
    let with = |header: &str| {
        part(&format!(
            "Content-Disposition: form-data; name=\"model\"|{header}"
        ))
    };
    let value =
        |value: &str| format!("--b|Content-Disposition: form-data; name=\"model\"||{value}|--b--|");
    for (name, text, expected) in [
        (
            "two models",
            format!("{MODEL}{MODEL}--b--|"),
            Code::AmbiguousModel,
        ),
        (
            "the boundary in the name of a file",
            format!(
                "--b|Content-Disposition: form-data; name=\"file\"; filename=\"a--b.wav\"||x|{MODEL}--b--|"
            ),
            Code::MalformedBody,
        ),
        (
            "another letter case",
            model("name=\"Model\""),
            Code::AmbiguousModel,
        ),
        (
            "a list of models",
            model("name=\"model[]\""),
            Code::AmbiguousModel,
        ),
        (
            "a model as a file",
            model("name=\"model\"; filename=\"m\""),
            Code::AmbiguousModel,
        ),
        (
            "a model as a file, extended",
            model("name=\"model\"; filename*=utf-8''m"),
            Code::AmbiguousModel,
        ),
        ("a bare name", model("name=model"), Code::MalformedBody),
        ("single quotes", model("name='model'"), Code::MalformedBody),
        (
            "an escape in the name",
            model("name=\"mo\\del\""),
            Code::MalformedBody,
        ),
        (
            "a percent escape in the name",
            model("name=\"%6dodel\""),
            Code::MalformedBody,
        ),
        (
            "an extended name",
            model("name=\"file\"; name*=utf-8''model"),
            Code::MalformedBody,
        ),
        (
            "two names",
            model("name=\"file\"; name=\"model\""),
            Code::MalformedBody,
        ),
        (
            "a name in another letter case",
            model("Name=\"model\""),
            Code::MalformedBody,
        ),
        (
            "a space before the equals sign",
            model("name =\"model\""),
            Code::MalformedBody,
        ),
        (
            "a name in the file name",
            model("name=\"file\"; filename=\"a\\\"; name=\\\"model\""),
            Code::MalformedBody,
        ),
        (
            "a separator in the file name",
            model("name=\"file\"; filename=\"a; name=model\""),
            Code::MalformedBody,
        ),
        (
            "text behind the value",
            model("name=\"file\"x; filename=\"a\""),
            Code::MalformedBody,
        ),
        (
            "no name",
            part("Content-Disposition: form-data"),
            Code::MalformedBody,
        ),
        ("an empty name", model("name=\"\""), Code::MalformedBody),
        (
            "the field that sets the charset",
            model("name=\"_charset_\""),
            Code::MalformedBody,
        ),
        (
            "an attachment",
            part("Content-Disposition: attachment; name=\"model\""),
            Code::MalformedBody,
        ),
        (
            "no disposition",
            part("Content-Type: text/plain"),
            Code::MalformedBody,
        ),
        (
            "no headers",
            "--b|||whisper-1|--b--|".to_owned(),
            Code::MalformedBody,
        ),
        (
            "two dispositions",
            with("content-disposition: form-data; name=\"file\""),
            Code::MalformedBody,
        ),
        (
            "an unknown header",
            with("Content-Encoding: gzip"),
            Code::MalformedBody,
        ),
        ("a folded header", with(" x"), Code::MalformedBody),
        (
            "a tab",
            with("Content-Type:\ttext/plain"),
            Code::MalformedBody,
        ),
        (
            "a bare line feed in the headers",
            with("Content-Type: text/plain\nX: y"),
            Code::MalformedBody,
        ),
        (
            "a space before the colon",
            part("Content-Disposition : form-data; name=\"model\""),
            Code::MalformedBody,
        ),
        (
            "a transfer encoding",
            with("Content-Transfer-Encoding: base64"),
            Code::MalformedBody,
        ),
        (
            "a length that lies",
            with("Content-Length: 4"),
            Code::MalformedBody,
        ),
        (
            "a length that is none",
            with("Content-Length: +9"),
            Code::MalformedBody,
        ),
        (
            "a model in UTF-16",
            with("Content-Type: text/plain; charset=utf-16"),
            Code::MalformedBody,
        ),
        (
            "a model in JSON",
            with("Content-Type: application/json"),
            Code::MalformedBody,
        ),
        (
            "a form within the form",
            format!(
                "--b|Content-Disposition: form-data; name=\"file\"|Content-Type: Multipart/mixed; boundary=c||x|{MODEL}--b--|"
            ),
            Code::MalformedBody,
        ),
        ("no model", format!("{FILE}--b--|"), Code::MissingModel),
        ("an empty form", "--b--|".to_owned(), Code::MissingModel),
        ("an empty model", value(""), Code::MissingModel),
        (
            "a model with a space behind it",
            value("a "),
            Code::InvalidModelName,
        ),
        (
            "a model with a line end",
            value("whisper-1|"),
            Code::InvalidModelName,
        ),
        (
            "a model of 257 bytes",
            value(&"m".repeat(257)),
            Code::InvalidModelName,
        ),
        ("nothing", String::new(), Code::MalformedBody),
        (
            "a preamble",
            format!("x|{MODEL}--b--|"),
            Code::MalformedBody,
        ),
        (
            "a line end before the form",
            format!("|{MODEL}--b--|"),
            Code::MalformedBody,
        ),
        (
            "an epilogue",
            format!("{MODEL}--b--|x"),
            Code::MalformedBody,
        ),
        (
            "a second form",
            format!("{MODEL}--b--|{MODEL}--b--|"),
            Code::MalformedBody,
        ),
        ("not closed", MODEL.to_owned(), Code::MalformedBody),
        (
            "cut in the closing delimiter",
            format!("{MODEL}--b-"),
            Code::MalformedBody,
        ),
        (
            "another boundary",
            MODEL.replace("--b", "--c"),
            Code::MalformedBody,
        ),
        (
            "a longer boundary",
            format!("{MODEL}--bc|x||{MODEL}--b--|"),
            Code::MalformedBody,
        ),
        (
            "padding behind the boundary",
            format!("{MODEL}--b |{FILE}--b--|"),
            Code::MalformedBody,
        ),
        (
            "bare line feeds",
            format!("{MODEL}--b--|").replace('|', "\n"),
            Code::MalformedBody,
        ),
        (
            "a delimiter behind a bare line feed",
            format!("--b|Content-Disposition: form-data; name=\"file\"||x\n{MODEL}--b--|"),
            Code::MalformedBody,
        ),
        (
            "the boundary within a line",
            format!("--b|Content-Disposition: form-data; name=\"file\"||x--b|{MODEL}--b--|"),
            Code::MalformedBody,
        ),
        (
            "a part without an empty line",
            format!("--b|Content-Disposition: form-data; name=\"file\"|{MODEL}--b--|"),
            Code::MalformedBody,
        ),
        (
            "headers without an end",
            with(&"x".repeat(5000)),
            Code::MalformedBody,
        ),
    ] {
        // Lines of the table are single-line text, so the verdict must not depend on where frames end.
        let body = form(&text);
        for step in (1..=9).chain([64, body.len().max(1)]) {
            let verdict = read(&body, step);
            let verdict = verdict.and_then(|model| model.ok_or(Code::MissingModel));
            assert_eq!(verdict, Err(expected), "{name}, frames of {step}");
        }
    }
    let invalid = [
        b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\xff\"\r\n\r\nx\r\n"
            .as_slice(),
        &form(MODEL),
        b"--b--",
    ];
    assert_eq!(
        read(&invalid.concat(), 7),
        Err(Code::MalformedBody),
        "invalid UTF-8 in a file name"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn takes_the_boundary_from_one_plain_content_type() {
    let boundary = |values: &[&str]| {
        let headers: HeaderMap = values
            .iter()
            .map(|value| ("content-type", *value))
            .collect();
        Boundary::of(&headers).map(|boundary| boundary.0.into_string())
    };
    for (value, expected) in [
        ("multipart/form-data; boundary=abc", "abc"),
        ("multipart/form-data;boundary=\"a-b.c_d\"", "a-b.c_d"),
        (
            "Multipart/Form-Data; Boundary=----WebKitFormBoundary7MA4",
            "----WebKitFormBoundary7MA4",
        ),
    ] {
        assert_eq!(boundary(&[value]).as_deref(), Some(expected), "{value}");
    }
    for bad in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=a b",
        "multipart/form-data; boundary=a;boundary=b",
        "multipart/form-data; charset=utf-8; boundary=a",
        "multipart/form-data; boundary=\"a\\b\"",
        "multipart/form-data; boundary=a,multipart/form-data; boundary=b",
        "multipart/mixed; boundary=a",
        "application/x-www-form-urlencoded",
        "application/json",
        &format!("multipart/form-data; boundary={}", "b".repeat(71)),
    ] {
        assert_eq!(boundary(&[bad]), None, "{bad}");
    }
    assert_eq!(boundary(&[]), None, "no content type");
    let one = "multipart/form-data; boundary=a";
    assert_eq!(boundary(&[one, one]), None, "two content types");
}

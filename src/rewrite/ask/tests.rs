use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::body::tests::read;
use crate::body::{Also, Judge};

/// The judge of a body of this length that may be made to ask.
fn asking(length: Option<u64>, wanted: bool) -> Judge {
    let also = Also::Usage(Ask::new(length, wanted));
    Judge::new(None, length, also, &crate::fixtures::members())
}

fn settle(judge: &mut Judge, wanted: bool) {
    judge.ask_mut().unwrap().settle(wanted);
}

fn hides(judge: &Judge) -> bool {
    judge.ask().is_some_and(Ask::is_hidden)
}

/// The body that a server gets, and whether the usage is to be hidden from the client.
fn ask(body: &str, step: usize, padded: bool, wanted: bool) -> Result<(String, bool), Code> {
    let length = padded.then_some(body.len() as u64);
    let mut judge = asking(length, wanted);
    let raised = judge.ask().and_then(Ask::announced);
    assert_eq!(raised, length.map(|length| length + ADDED_LENGTH));
    let mut upstream = Vec::new();
    let mut frames = body.as_bytes().chunks(step).peekable();
    while let Some(frame) = frames.next() {
        read(&mut judge, frame, frames.peek().is_none())?;
        match judge.edit(frame)? {
            Edit::Keep => upstream.extend_from_slice(frame),
            Edit::Pad(spaces) => {
                upstream.extend_from_slice(frame);
                upstream.resize(upstream.len() + spaces, b' ');
            }
            Edit::Replace(bytes) => upstream.extend(bytes),
        }
    }
    if let Some(raised) = raised {
        assert_eq!(upstream.len() as u64, raised, "the announced length");
    }
    let upstream = String::from_utf8(upstream).unwrap();
    Ok((upstream.trim_end().to_owned(), hides(&judge)))
}

#[wasm_bindgen_test(unsupported = test)]
fn a_stream_is_made_to_report_its_usage_however_the_body_is_framed() {
    for (name, body, expected, hides) in [
        (
            "no options",
            r#"{"model":"m","stream":true}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            true,
        ),
        (
            "white space around the end",
            "{\"stream\" : true , \"model\":\"m\" \r\n}\r\n",
            "{\"stream\" : true , \"model\":\"m\" \r\n,\"stream_options\":{\"include_usage\":true}}",
            true,
        ),
        (
            "a no",
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":false}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            true,
        ),
        (
            "a no before the stream",
            r#"{"model":"m","stream_options":{"include_usage": false },"stream":true}"#,
            r#"{"model":"m","stream_options":{"include_usage": true },"stream":true}"#,
            true,
        ),
        (
            "null instead of a no",
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":null,"a":1}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"a":1}}"#,
            true,
        ),
        (
            "a yes",
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            false,
        ),
        (
            "other options",
            r#"{"model":"m","stream":true,"stream_options":{"include_obfuscation":false}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}"#,
            true,
        ),
        (
            "empty options",
            r#"{"model":"m","stream":true,"stream_options":{ }}"#,
            r#"{"model":"m","stream":true,"stream_options":{ "include_usage":true}}"#,
            true,
        ),
        (
            "null options",
            r#"{"model":"m","stream":true,"stream_options":null}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            true,
        ),
        // Before it is known that there is a stream, nothing can be said for it; the later of two equal names counts.
        (
            "null options before the stream",
            r#"{"model":"m","stream_options":null,"stream":true}"#,
            r#"{"model":"m","stream_options":null,"stream":true,"stream_options":{"include_usage":true}}"#,
            true,
        ),
        (
            "empty options before the stream",
            r#"{"stream_options":{},"stream":true,"model":"m"}"#,
            r#"{"stream_options":{},"stream":true,"model":"m","stream_options":{"include_usage":true}}"#,
            true,
        ),
        (
            "names further down",
            r#"{"messages":[{"stream":false,"stream_options":{"include_usage":false}}],"model":"m","stream":true}"#,
            r#"{"messages":[{"stream":false,"stream_options":{"include_usage":false}}],"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            true,
        ),
        ("no stream", r#"{"model":"m"}"#, r#"{"model":"m"}"#, false),
        (
            "a stream refused",
            r#"{"model":"m","stream":false,"stream_options":null}"#,
            r#"{"model":"m","stream":false,"stream_options":null}"#,
            false,
        ),
        (
            "options without a stream",
            r#"{"model":"m","stream":null,"stream_options":{"include_usage":false}}"#,
            r#"{"model":"m","stream":null,"stream_options":{"include_usage":false}}"#,
            false,
        ),
    ] {
        for step in 1..=body.len() {
            for padded in [false, true] {
                assert_eq!(
                    ask(body, step, padded, true),
                    Ok((expected.to_owned(), hides)),
                    "{name}, frames of {step}, padded: {padded}"
                );
                assert_eq!(
                    ask(body, step, padded, false),
                    Ok((body.trim_end().to_owned(), false)),
                    "{name}, not asked, frames of {step}, padded: {padded}"
                );
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_readers_may_read_differently_of_a_stream_is_refused_where_usage_is_asked_for() {
    for (name, members) in [
        ("stream as a text", r#""stream":"true""#),
        ("stream as a number", r#""stream":1"#),
        ("stream as an object", r#""stream":{}"#),
        ("stream twice", r#""stream":false,"stream":true"#),
        (
            "stream in another letter case",
            r#""stream":true,"Stream":false"#,
        ),
        ("options as a list", r#""stream":true,"stream_options":[]"#),
        (
            "options as a text",
            r#""stream":true,"stream_options":"include_usage""#,
        ),
        (
            "options as a number",
            r#""stream":true,"stream_options":1234567"#,
        ),
        (
            "options twice",
            r#""stream":true,"stream_options":{},"stream_options":{}"#,
        ),
        (
            "usage as a number",
            r#""stream":true,"stream_options":{"include_usage":0}"#,
        ),
        (
            "usage as a long text",
            r#""stream":true,"stream_options":{"include_usage":"false"}"#,
        ),
        (
            "usage twice",
            r#""stream":true,"stream_options":{"include_usage":true,"include_usage":false}"#,
        ),
        (
            "usage in another letter case",
            r#""stream":true,"stream_options":{"include_usage":true,"Include_Usage":false}"#,
        ),
        (
            "a name that ends early in C",
            r#""stream":true,"stream_options":{"include_usage":true},"stream_options\u0000":{}"#,
        ),
    ] {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        for step in 1..=body.len() {
            for padded in [false, true] {
                assert_eq!(
                    ask(&body, step, padded, true),
                    Err(Code::AmbiguousStream),
                    "{name}, frames of {step}"
                );
            }
            assert_eq!(
                ask(&body, step, true, false),
                Ok((body.clone(), false)),
                "{name}, not asked, frames of {step}"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_literal_whose_start_has_gone_on_stays_as_it_is() {
    let [first, second] = [
        r#"{"stream":true,"stream_options":{"include_usage":fa"#,
        r#"lse},"model":"m"}"#,
    ];
    let mut judge = asking(None, false);
    read(&mut judge, first.as_bytes(), false).unwrap();
    assert_eq!(judge.edit(first.as_bytes()), Ok(Edit::Keep));
    settle(&mut judge, true);
    read(&mut judge, second.as_bytes(), true).unwrap();
    assert_eq!(judge.edit(second.as_bytes()), Ok(Edit::Keep));
    assert!(!hides(&judge));
}

/// A second `stream_options` would take the place of the client's in most readers.
#[wasm_bindgen_test(unsupported = test)]
fn options_that_have_gone_on_are_not_given_a_second_time() {
    let added = r#""model":"m","stream_options":{"include_usage":true}}"#;
    for (name, options, expected) in [
        ("options that say something", r#"{"a":1}"#, Edit::Keep),
        // Nothing is lost with these.
        ("null", "null", Edit::Replace(added.into())),
        ("empty options", "{ }", Edit::Replace(added.into())),
    ] {
        let first = format!(r#"{{"stream":true,"stream_options":{options},"#);
        let second = r#""model":"m"}"#;
        let mut judge = asking(None, false);
        read(&mut judge, first.as_bytes(), false).unwrap();
        assert_eq!(judge.edit(first.as_bytes()), Ok(Edit::Keep), "{name}");
        read(&mut judge, second.as_bytes(), true).unwrap();
        settle(&mut judge, true);
        let is_hidden = expected != Edit::Keep;
        assert_eq!(judge.edit(second.as_bytes()), Ok(expected), "{name}");
        assert_eq!(hides(&judge), is_hidden, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn whether_an_ambiguous_stream_is_refused_is_up_to_the_model_however_the_body_is_framed() {
    let body = r#"{"Stream":true,"stream_options":{},"stream":true,"model":"m"}"#;
    for (wanted, expected) in [(true, Err(Code::AmbiguousStream)), (false, Ok(()))] {
        for at in 0..=body.len() {
            let (first, second) = body.split_at(at);
            let mut judge = asking(None, true);
            let mut verdict = Ok(());
            for frame in [first, second].map(str::as_bytes) {
                if read(&mut judge, frame, false).unwrap().is_some() {
                    settle(&mut judge, wanted);
                }
                verdict = verdict.and_then(|()| judge.edit(frame).map(|_| ()));
            }
            assert_eq!(verdict, expected, "wanted: {wanted}, cut at {at}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn background_answers_are_refused_unless_plainly_not_wanted() {
    for (members, expected) in [
        (r#""background":false"#, Ok(())),
        (r#""background":null"#, Ok(())),
        (r#""other":{"background":true}"#, Ok(())),
        (r#""background":true"#, Err(Code::BackgroundNotAllowed)),
        (r#""background":"false""#, Err(Code::BackgroundNotAllowed)),
        (r#""background":0"#, Err(Code::BackgroundNotAllowed)),
        (
            r#""background":false,"background":false"#,
            Err(Code::BackgroundNotAllowed),
        ),
        (r#""Background":false"#, Err(Code::BackgroundNotAllowed)),
    ] {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        for step in 1..=body.len() {
            let mut judge = Judge::new(None, None, Also::Background, &crate::fixtures::members());
            let mut frames = body.as_bytes().chunks(step).peekable();
            let mut verdict = Ok(());
            while let (Some(frame), Ok(())) = (frames.next(), verdict) {
                verdict = read(&mut judge, frame, frames.peek().is_none()).map(|_| ());
            }
            assert_eq!(verdict, expected, "{members}, frames of {step}");
        }
    }
}

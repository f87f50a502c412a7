//! The memory of an open form, and that no cut changes the result.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const FILE_HEADERS: &str = "--b|Content-Disposition: form-data; name=\"file\"; filename=\"a\"||";

/// A part whose headers have this length, without their end.
fn headers(length: usize) -> String {
    let start = "Content-Disposition: form-data; name=\"file\"; filename=\"";
    format!("{start}{}\"", "x".repeat(length - start.len() - 1))
}

#[wasm_bindgen_test(unsupported = test)]
fn keeps_little_of_a_large_file() {
    for content in [
        vec![b'-'; 100_000],
        vec![b'x'; 100_000],
        b"\r\n-".repeat(33_000),
    ] {
        for step in [1, 3, 16, 1000, 100_000] {
            let mut reader = Form::new(&Boundary("b".into()), &crate::fixtures::members());
            reader.push(&form(FILE_HEADERS)).unwrap();
            for chunk in content.chunks(step) {
                reader.push(chunk).unwrap();
                assert!(reader.unread.len() <= 4, "{}", reader.unread.len());
                assert!(reader.unread.capacity() <= GROWTH);
            }
            reader.push(&form("|--b|")).unwrap();
            assert_eq!(reader.state, State::Headers, "chunks of {step}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn keeps_the_headers_of_a_part_until_they_are_whole_and_nothing_of_them_after() {
    let text = format!("--b|{}||x", headers(MAX_HEADERS));
    let body = form(&text);
    let mut reader = Form::new(&Boundary("b".into()), &crate::fixtures::members());
    let mut most = 0;
    for byte in &body {
        reader.push(&[*byte]).unwrap();
        most = most.max(reader.unread.capacity());
    }
    assert!(
        (MAX_HEADERS..=MAX_HEADERS + GROWTH).contains(&most),
        "{most}"
    );
    assert!(reader.unread.capacity() <= GROWTH);
}

#[wasm_bindgen_test(unsupported = test)]
fn the_headers_of_a_part_have_the_same_limit_however_they_are_cut() {
    for (length, fits) in [
        (MAX_HEADERS, true),
        (MAX_HEADERS + 1, false),
        (2 * MAX_HEADERS, false),
    ] {
        let body = form(&format!("--b|{}||x|{MODEL}--b--|", headers(length)));
        let expected = if fits {
            Ok(Some("whisper-1".to_owned()))
        } else {
            Err(Code::MalformedBody)
        };
        for step in (1..=9).chain([100, 4095, 4096, 4097, 4099, 4100, 4101, body.len()]) {
            assert_eq!(read(&body, step), expected, "{length}, frames of {step}");
        }
        // Every cut in and around the end of the headers.
        for cut in length - 8..length + 24 {
            let (head, tail) = body.split_at(cut);
            let mut reader = Form::new(&Boundary("b".into()), &crate::fixtures::members());
            let verdict = reader.push(head).and_then(|()| reader.push(tail));
            assert_eq!(verdict.is_ok(), fits, "{length}, cut at {cut}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_delimiter_is_found_wherever_two_frames_meet() {
    let filler = "y".repeat(300);
    let body = form(&format!(
        "{FILE_HEADERS}{filler}|-|--a--{filler}|{MODEL}--b--|"
    ));
    for first in 0..=body.len() {
        for second in [1, 2, 3, 4, 5, 8, 60] {
            let (head, rest) = body.split_at(first);
            let (middle, tail) = rest.split_at(second.min(rest.len()));
            let mut reader = Form::new(&Boundary("b".into()), &crate::fixtures::members());
            for chunk in [head, middle, tail] {
                reader.push(chunk).unwrap();
            }
            let model = reader.model().map(ModelName::as_str);
            assert_eq!(
                (model, reader.is_closed()),
                (Some("whisper-1"), true),
                "cut at {first} and {second} later"
            );
        }
    }
}

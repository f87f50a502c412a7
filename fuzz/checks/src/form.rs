//! [`tollgate::form::Form`] against a reader that has the whole form before it. The first line of an input is its boundary.

use tollgate::body::Judge;
use tollgate::denial::Code;
use tollgate::form::{Boundary, Form};
use tollgate::headers::HeaderMap;

use crate::cuts::cuts;
use crate::memory::{held, held_since};

/// The headers of a part, and a little for the rest.
const MAX_MEMORY: usize = 6 * 1024;

/// The verdict does not depend on the cut, and a form that is accepted has one field `model` to every reader.
pub fn check(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == b'\n');
    let (line, rest) = input.split_at(end.unwrap_or(input.len()));
    let body = rest.get(1..).unwrap_or_default();
    let content_type = [b"multipart/form-data; boundary=", line.trim_ascii()].concat();
    let headers: HeaderMap = [("content-type", content_type)].into_iter().collect();
    let Some(boundary) = Boundary::of(&headers) else {
        return;
    };
    let again: HeaderMap = [("content-type", boundary.content_type())]
        .into_iter()
        .collect();
    assert_eq!(Boundary::of(&again).as_ref(), Some(&boundary));
    let whole = read(&boundary, &[body]);
    for chunks in cuts(body) {
        assert_eq!(read(&boundary, &chunks), whole, "cut as {chunks:?}");
        let judged = judge(&boundary, &chunks);
        assert_eq!(
            judged.as_ref(),
            whole.as_ref(),
            "the judge, cut as {chunks:?}"
        );
    }
    if let Some(model) = whole {
        let boundary = boundary.content_type();
        let (_, boundary) = boundary.split_once('=').expect("a boundary");
        assert_eq!(
            by_hand(boundary, body),
            Some(model),
            "against another reader"
        );
    }
}

/// The model of a form that is accepted.
fn read(boundary: &Boundary, chunks: &[&[u8]]) -> Option<String> {
    let members = crate::members();
    let before = held();
    let mut form = Form::new(boundary, &members);
    for chunk in chunks {
        if let Err(fault) = form.push(chunk) {
            let refused = form.refused().is_some();
            assert_eq!(refused, fault == Code::MemberNotAllowed);
            assert!(matches!(
                fault,
                Code::MalformedBody
                    | Code::AmbiguousModel
                    | Code::MissingModel
                    | Code::InvalidModelName
                    | Code::MemberNotAllowed
            ));
            return None;
        }
        let memory = held_since(before);
        assert!(memory <= MAX_MEMORY, "{memory} bytes are held");
    }
    let model = form.model().filter(|_| form.is_closed());
    model.map(|model| model.as_str().to_owned())
}

fn judge(boundary: &Boundary, chunks: &[&[u8]]) -> Option<String> {
    let mut judge = Judge::of_form(boundary, None, None, &crate::members());
    let mut model = None;
    for chunk in chunks {
        model = judge.frame(chunk, false).ok()?.model.or(model);
    }
    model = judge.frame(b"", true).ok()?.model.or(model);
    model.map(|model| model.as_str().to_owned())
}

/// The value of the only part that says it is `model`, and that anybody could take for it, by splitting at the delimiters; `None` for what is no form.
fn by_hand(boundary: &str, body: &[u8]) -> Option<String> {
    let delimiter = format!("--{boundary}");
    let mut pieces = split(body, delimiter.as_bytes()).into_iter();
    assert_eq!(pieces.next(), Some(b"".as_slice()), "a preamble");
    let mut pieces: Vec<&[u8]> = pieces.collect();
    let last = pieces.pop()?;
    assert!(b"--\r\n".starts_with(last), "an epilogue");
    assert!(last.len() >= 2, "no end");
    let mut models = Vec::new();
    for piece in pieces {
        let part = piece.strip_prefix(b"\r\n")?.strip_suffix(b"\r\n")?;
        let at = part.windows(4).position(|four| four == b"\r\n\r\n")?;
        let headers = String::from_utf8_lossy(&part[..at]).to_ascii_lowercase();
        let disposition = headers
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-disposition:"))?;
        // No quoted value of a form that is accepted holds a semicolon.
        let name = disposition.split(';').find_map(|parameter| {
            let quoted = parameter.trim_matches(' ').strip_prefix("name=\"")?;
            quoted.strip_suffix('"')
        })?;
        if names_model(name) {
            assert_eq!(name, "model", "some reader takes it for the model");
            models.push(String::from_utf8(part[at + 4..].to_vec()).ok()?);
        }
    }
    assert!(models.len() <= 1, "{models:?}");
    models.pop()
}

/// Whether some reader takes a field of this name, in lower case, for the model: one that knows brackets and dots ends the
/// name at one, strips them, or looks for members within.
fn names_model(name: &str) -> bool {
    let bracket = |letter: char| "[].".contains(letter);
    let bare = name.trim_matches(bracket);
    let first = bare.split(bracket).next();
    let last = bare.rsplit(bracket).next();
    first == Some("model") || last == Some("model")
}

fn split<'a>(mut bytes: &'a [u8], needle: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while let Some(at) = bytes.windows(needle.len()).position(|part| part == needle) {
        pieces.push(&bytes[..at]);
        bytes = &bytes[at + needle.len()..];
    }
    pieces.push(bytes);
    pieces
}

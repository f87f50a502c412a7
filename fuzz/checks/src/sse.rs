//! [`tollgate::sse::Decoder`] against a reader that has the whole stream before it.

use tollgate::sse::{Decoder, MAX_EVENT_TYPE, Piece};

use crate::cuts::cuts;

/// One event: its type and its data.
type Event = (Vec<u8>, Vec<u8>);

/// Any cut gives the events of the whole stream, and those are the standard's.
pub fn check(input: &[u8]) {
    let whole = decode(&[input]);
    assert_eq!(whole, by_the_standard(input), "against the standard");
    for chunks in cuts(input) {
        assert_eq!(decode(&chunks), whole, "cut as {chunks:?}");
    }
}

fn decode(chunks: &[&[u8]]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut data = Vec::new();
    let mut begun = false;
    let mut sink = |piece: Piece<'_>| match piece {
        Piece::Data(part) => {
            assert!(!part.is_empty(), "a piece of nothing");
            begun = true;
            data.extend_from_slice(part);
        }
        Piece::NewLine => {
            begun = true;
            data.push(b'\n');
        }
        Piece::End { event_type } => {
            begun = false;
            events.push((event_type.to_vec(), std::mem::take(&mut data)));
        }
    };
    let mut decoder = Decoder::default();
    for chunk in chunks {
        decoder.push(chunk, &mut sink);
    }
    decoder.finish(&mut sink);
    assert!(!begun, "an event without an end");
    events
}

/// WHATWG HTML section 9.2.6, save that an event at the end of the stream needs no blank line.
fn by_the_standard(input: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut event_type = Vec::new();
    let mut data: Option<Vec<u8>> = None;
    let mut dispatch = |event_type: &mut Vec<u8>, data: &mut Option<Vec<u8>>| {
        let mut event_type = std::mem::take(event_type);
        if event_type.len() > MAX_EVENT_TYPE {
            event_type.clear();
        }
        if let Some(data) = data.take() {
            events.push((event_type, data));
        }
    };
    for line in lines(input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input)) {
        if line.is_empty() {
            dispatch(&mut event_type, &mut data);
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, b"".as_slice()),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => match &mut data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => data = Some(value.to_vec()),
            },
            b"event" => event_type = value.to_vec(),
            _ => {}
        }
    }
    dispatch(&mut event_type, &mut data);
    events
}

/// The lines, without their ends: CRLF, LF or CR. What follows the last end is a line if there is anything.
fn lines(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let length = rest.iter().position(|byte| b"\r\n".contains(byte));
        let (line, end) = rest.split_at(length.unwrap_or(rest.len()));
        lines.push(line);
        rest = match end {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => b"",
        };
    }
    lines
}

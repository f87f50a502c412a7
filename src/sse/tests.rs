use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// Each event as `type|data`.
fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut events = Vec::new();
    let mut data = Vec::new();
    let mut sink = |piece: Piece<'_>| match piece {
        Piece::Data(part) => {
            assert!(!part.is_empty(), "a piece of data is never empty");
            data.extend_from_slice(part);
        }
        Piece::NewLine => data.push(b'\n'),
        Piece::End { event_type } => {
            let event_type = String::from_utf8_lossy(event_type).into_owned();
            events.push(format!("{event_type}|{}", String::from_utf8_lossy(&data)));
            data.clear();
        }
    };
    let mut decoder = Decoder::default();
    for chunk in chunks {
        decoder.push(chunk, &mut sink);
    }
    decoder.finish(&mut sink);
    events
}

/// (name, stream, events)
const STREAMS: &[(&str, &str, &[&str])] = &[
    ("nothing", "", &[]),
    ("blank lines only", "\n\r\n\r\r\n\n", &[]),
    ("one event", "data: a\n\n", &["|a"]),
    ("no space", "data:a\n\n", &["|a"]),
    ("two spaces", "data:  a \n\n", &["| a "]),
    ("tab", "data:\ta\n\n", &["|\ta"]),
    ("colons in the value", "data: a: b:c\n\n", &["|a: b:c"]),
    ("two lines", "data: a\ndata: b\n\n", &["|a\nb"]),
    ("empty lines of data", "data:\ndata\ndata: \n\n", &["|\n\n"]),
    ("empty data", "data:\n\n", &["|"]),
    ("data without a colon", "data\n\n", &["|"]),
    ("type", "event: ping\ndata: a\n\n", &["ping|a"]),
    ("type after data", "data: a\nevent:ping\n\n", &["ping|a"]),
    (
        "last type wins",
        "event: x\nevent: y\ndata: a\n\n",
        &["y|a"],
    ),
    ("emptied type", "event: x\nevent\ndata: a\n\n", &["|a"]),
    ("type without data", "event: x\n\ndata: a\n\n", &["|a"]),
    (
        "longest type",
        "event: 0123456789abcdef0123456789abcdef\ndata: a\n\n",
        &["0123456789abcdef0123456789abcdef|a"],
    ),
    (
        "type too long",
        "event: 0123456789abcdef0123456789abcdefg\ndata: a\n\n",
        &["|a"],
    ),
    (
        "other fields",
        "id: 1\nretry: 5\nDATA: x\ndat: x\ndatas: x\n data: x\ndata : x\ndata: a\n\n",
        &["|a"],
    ),
    (
        "long field name",
        "datadatadatadatadatadatadatadatadatadata: x\ndata: a\n\n",
        &["|a"],
    ),
    (
        "comments",
        ": ping\n\n:\ndata: a\n: data: b\ndata: c\n\n: end\n\n",
        &["|a\nc"],
    ),
    (
        "no blank line at the end",
        "data: a\n\ndata: b\n",
        &["|a", "|b"],
    ),
    (
        "no line end at the end",
        "data: a\n\ndata: b",
        &["|a", "|b"],
    ),
    ("cut in a field name", "data: a\n\ndat", &["|a"]),
    ("cut after a field name", "data: a\n\ndata", &["|a", "|"]),
    ("byte order mark", "\u{FEFF}data: a\n\n", &["|a"]),
    (
        "second byte order mark",
        "\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n",
        &["|b"],
    ),
    (
        "byte order mark later",
        "data: a\n\n\u{FEFF}data: b\n\n",
        &["|a"],
    ),
    ("not UTF-8 border", "data: é😀\n\n", &["|é😀"]),
    ("NUL", "data: a\0b\n\n", &["|a\0b"]),
];

#[wasm_bindgen_test(unsupported = test)]
fn decodes_as_the_standard_says_at_every_split_and_with_every_line_end() {
    for (name, stream, events) in STREAMS {
        for line_end in ["\n", "\r\n", "\r"] {
            if stream.contains('\r') && line_end != "\n" {
                continue;
            }
            let stream = stream.replace('\n', line_end);
            let bytes = stream.as_bytes();
            assert_eq!(
                decode(bytes.chunks(1)),
                *events,
                "{name}, bytes, {line_end:?}"
            );
            for split in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(split);
                let decoded = decode([head, b"".as_slice(), tail]);
                assert_eq!(decoded, *events, "{name}, at {split}, {line_end:?}");
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn mixed_line_ends_are_line_ends() {
    let stream = b"data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\rdata: e\n\n";
    for size in 1..stream.len() {
        assert_eq!(
            decode(stream.chunks(size)),
            ["|a\nb\nc", "|d", "|e"],
            "{size}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn part_of_a_byte_order_mark_spoils_the_first_line_only() {
    assert_eq!(decode([b"\xEF\xBBdata: a\ndata: b\n\n".as_slice()]), ["|b"]);
    assert_eq!(decode([b"\xEF\xBB\ndata: b\n\n".as_slice()]), ["|b"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn data_is_handed_on_before_its_line_ends() {
    let mut seen = 0;
    let mut decoder = Decoder::default();
    for _ in 0..1000 {
        decoder.push(
            b"data: 0123456789"[if seen == 0 { 0 } else { 6 }..].as_ref(),
            |piece| {
                if let Piece::Data(part) = piece {
                    seen += part.len();
                }
            },
        );
    }
    assert_eq!(seen, 10_000);
}

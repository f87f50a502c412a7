use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// A header with a text.
fn header(name: &str, value: &str) -> Vec<u8> {
    let mut header = vec![u8::try_from(name.len()).unwrap()];
    header.extend_from_slice(name.as_bytes());
    header.push(7);
    header.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
    header.extend_from_slice(value.as_bytes());
    header
}

/// A message with these headers.
fn encoded(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = u32::try_from(headers.len() + payload.len() + 16).unwrap();
    let mut message = total.to_be_bytes().to_vec();
    message.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message.extend_from_slice(headers);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message
}

/// A message as Bedrock sends it.
pub(crate) fn message(message_type: &str, event_type: &str, payload: &str) -> Vec<u8> {
    let headers = [
        header(":event-type", event_type),
        header(":content-type", "application/json"),
        header(":message-type", message_type),
    ];
    encoded(&headers.concat(), payload.as_bytes())
}

/// What a stream says: for each message whether it is a chunk, its payload, and how it ended; and whether it is lost.
type Said = (Vec<(bool, Vec<u8>, Option<(bool, bool)>)>, bool);

fn said(chunks: &[&[u8]]) -> Said {
    let mut messages = Vec::new();
    let mut decoder = Decoder::default();
    for chunk in chunks {
        decoder.push(chunk, |piece| match piece {
            Piece::Begin { is_chunk } => messages.push((is_chunk, Vec::new(), None)),
            Piece::Data(data) => messages.last_mut().unwrap().1.extend_from_slice(data),
            Piece::End {
                is_intact,
                is_error,
            } => messages.last_mut().unwrap().2 = Some((is_intact, is_error)),
        });
    }
    (messages, decoder.is_lost())
}

/// What it says at every split.
fn at_every_split(stream: &[u8]) -> Said {
    let whole = said(&[stream]);
    for split in 0..stream.len() {
        let (head, tail) = stream.split_at(split);
        assert_eq!(said(&[head, tail]), whole, "split at {split}");
    }
    assert_eq!(
        said(&stream.chunks(1).collect::<Vec<_>>()),
        whole,
        "byte by byte"
    );
    whole
}

#[wasm_bindgen_test(unsupported = test)]
fn messages_are_told_apart_however_they_are_cut() {
    let stream = [
        message("event", "messageStart", r#"{"role":"assistant"}"#),
        message("event", "chunk", ""),
        message("event", "chunks", "a"),
        message("exception", "throttlingException", "{}"),
        encoded(b"", b"no headers"),
    ];
    let good = Some((true, false));
    let (messages, lost) = at_every_split(&stream.concat());
    assert_eq!(
        messages,
        [
            (false, br#"{"role":"assistant"}"#.to_vec(), good),
            (true, Vec::new(), good),
            (false, b"a".to_vec(), good),
            (false, b"{}".to_vec(), Some((true, true))),
            (false, b"no headers".to_vec(), good),
        ]
    );
    assert!(!lost);
}

/// The example of AWS's page on Transcribe's streams, as other decoders' tests have it.
#[wasm_bindgen_test(unsupported = test)]
fn the_encoding_is_that_of_other_encoders() {
    let known = [
        0, 0, 0, 62, 0, 0, 0, 32, 64, 93, 249, 70, 12, 99, 111, 110, 116, 101, 110, 116, 45, 116,
        121, 112, 101, 7, 0, 16, 97, 112, 112, 108, 105, 99, 97, 116, 105, 111, 110, 47, 106, 115,
        111, 110, 123, 34, 102, 111, 111, 34, 58, 32, 34, 98, 97, 114, 34, 125, 111, 162, 191, 59,
    ];
    let (messages, lost) = at_every_split(&known);
    assert_eq!(
        messages,
        [(false, br#"{"foo": "bar"}"#.to_vec(), Some((true, false)))]
    );
    assert!(!lost);
}

#[wasm_bindgen_test(unsupported = test)]
fn headers_of_every_type_are_stepped_over() {
    let typed = |kind: u8, value: &[u8]| [&[1, b'x', kind], value].concat();
    let headers = [
        typed(0, b""),
        typed(1, b""),
        typed(2, &[0; 1]),
        typed(3, &[0; 2]),
        typed(4, &[0; 4]),
        typed(5, &[0; 8]),
        typed(6, &[0, 3, 1, 2, 3]),
        typed(7, &[0, 0]),
        typed(8, &[0; 8]),
        typed(9, &[0; 16]),
        header(":event-type", "chunk"),
    ];
    let (messages, lost) = at_every_split(&encoded(&headers.concat(), b"a"));
    assert_eq!(messages, [(true, b"a".to_vec(), Some((true, false)))]);
    assert!(!lost);
}

#[wasm_bindgen_test(unsupported = test)]
fn nothing_is_read_behind_what_cannot_be() {
    let good = message("event", "metadata", "{}");
    let flipped = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    };
    let prelude = |total: u32, headers: u32| {
        let mut prelude = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
        prelude
    };
    for (name, bad, ends) in [
        ("the CRC of the lengths", flipped(8), None),
        ("a length", flipped(3), None),
        ("a header", flipped(15), Some(false)),
        ("the payload", flipped(good.len() - 5), Some(false)),
        ("the CRC", flipped(good.len() - 1), Some(false)),
        (
            "a message that is too long",
            prelude(MAX_MESSAGE + 1, 0),
            None,
        ),
        (
            "headers that are too long",
            prelude(MAX_MESSAGE, MAX_HEADERS + 1),
            None,
        ),
        ("less than nothing", prelude(15, 0), None),
        ("headers that do not fit", prelude(20, 5), None),
        (
            "a header that does not end",
            encoded(&[3, b'x'], b"a"),
            None,
        ),
        (
            "a header without a name",
            encoded(&[0, 7, 0, 0], b"a"),
            None,
        ),
        ("a header of no type", encoded(&[1, b'x', 10], b"a"), None),
    ] {
        let (messages, lost) = at_every_split(&[bad, good.clone()].concat());
        assert!(lost, "{name}");
        let ended: Vec<_> = messages
            .iter()
            .map(|(_, _, end)| end.map(|it| it.0))
            .collect();
        assert_eq!(ended, Vec::from_iter(ends.map(Some)), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_decoder_is_small() {
    let size = size_of::<Decoder>();
    assert!(size <= 128, "{size}");
}

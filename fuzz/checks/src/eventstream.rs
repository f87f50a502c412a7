//! [`tollgate::eventstream::Decoder`] against a reader that has the whole stream before it.

use tollgate::eventstream::{Decoder, MAX_HEADERS, MAX_MESSAGE, Piece};

use crate::cuts::cuts;
use crate::random::Random;

/// One message: whether it is a chunk, its payload, and where it has an end, whether it is intact and whether an error.
type Message = (bool, Vec<u8>, Option<(bool, bool)>);

/// Any cut gives the messages of the whole stream; what is no stream ends it; and what is put into messages comes out again.
pub fn check(input: &[u8]) {
    let whole = decode(&[input]);
    for chunks in cuts(input) {
        assert_eq!(decode(&chunks), whole, "cut as {chunks:?}");
    }
    let intact = |message: &&Message| message.2.is_some_and(|(is_intact, _)| is_intact);
    let read: Vec<Message> = whole.0.iter().filter(intact).cloned().collect();
    assert_eq!(read, by_the_page(input), "against AWS's page");
    check_encoded(input);
}

fn decode(chunks: &[&[u8]]) -> (Vec<Message>, bool) {
    let mut messages: Vec<Message> = Vec::new();
    let mut decoder = Decoder::default();
    for chunk in chunks {
        decoder.push(chunk, |piece| match piece {
            Piece::Begin { is_chunk } => messages.push((is_chunk, Vec::new(), None)),
            Piece::Data(part) => {
                assert!(!part.is_empty(), "a piece of nothing");
                messages
                    .last_mut()
                    .expect("a beginning")
                    .1
                    .extend_from_slice(part);
            }
            Piece::End {
                is_intact,
                is_error,
            } => messages.last_mut().expect("a beginning").2 = Some((is_intact, is_error)),
        });
    }
    (messages, decoder.is_lost())
}

/// The input as the payloads of a stream, each behind headers that follow from its bytes.
fn check_encoded(input: &[u8]) {
    let mut random = Random::of(input);
    let mut stream = Vec::new();
    let mut expected = Vec::new();
    for payload in input.chunks(1 + random.below(64)) {
        let is_chunk = random.below(2) == 0;
        let is_error = random.below(2) == 0;
        let event_type = if is_chunk { "chunk" } else { "metadata" };
        let message_type = if is_error { "exception" } else { "event" };
        let mut headers = header(":event-type", event_type);
        headers.extend(header(":message-type", message_type));
        stream.extend(message(&headers, payload));
        expected.push((is_chunk, payload.to_vec(), Some((true, is_error))));
    }
    for chunks in cuts(&stream).into_iter().chain([vec![stream.as_slice()]]) {
        assert_eq!(decode(&chunks), (expected.clone(), false));
    }
}

fn header(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).expect("a short text");
    [
        &[length(name)],
        name.as_bytes(),
        &[7, 0, length(value)],
        value.as_bytes(),
    ]
    .concat()
}

fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let number = |number: usize| {
        u32::try_from(number)
            .expect("a short message")
            .to_be_bytes()
    };
    let lengths = [
        number(headers.len() + payload.len() + 16),
        number(headers.len()),
    ]
    .concat();
    let prelude = [&lengths[..], &crc(&lengths).to_be_bytes()].concat();
    let message = [&prelude[..], headers, payload].concat();
    [&message[..], &crc(&message).to_be_bytes()].concat()
}

/// The messages up to the first that cannot be, or is cut.
fn by_the_page(mut rest: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some((message, after)) = first(rest) {
        let Some(message) = message else {
            break;
        };
        messages.push(message);
        rest = after;
    }
    messages
}

/// The first message, which may be spoilt, and what comes after it.
fn first(bytes: &[u8]) -> Option<(Option<Message>, &[u8])> {
    let number = |at: usize| -> Option<u32> {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(four.try_into().expect("four bytes")))
    };
    let (total, headers, prelude_crc) = (number(0)?, number(4)?, number(8)?);
    let is_possible = total <= MAX_MESSAGE && headers <= MAX_HEADERS && total >= headers + 16;
    if !is_possible || crc(&bytes[..8]) != prelude_crc {
        return None;
    }
    let (total, headers) = (total as usize, headers as usize);
    let message = bytes.get(..total)?;
    let (content, checksum) = message.split_at(total - 4);
    let (event_type, message_type) = values(&content[12..12 + headers])?;
    let is_chunk = event_type.is_some_and(|value| value == b"chunk");
    let is_error = message_type.is_some_and(|value| value != b"event");
    let intact = crc(content).to_be_bytes() == checksum;
    let read = (
        is_chunk,
        content[12 + headers..].to_vec(),
        Some((true, is_error)),
    );
    Some((intact.then_some(read), &bytes[total..]))
}

/// The last values of the two headers that matter.
type Values<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn values(mut headers: &[u8]) -> Option<Values<'_>> {
    let (mut event_type, mut message_type) = (None, None);
    while let Some((&length, rest)) = headers.split_first() {
        let name = rest
            .get(..usize::from(length))
            .filter(|name| !name.is_empty())?;
        let (&kind, rest) = rest[name.len()..].split_first()?;
        let (length, rest) = match kind {
            0 | 1 => (0, rest),
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            9 => (16, rest),
            6 | 7 => {
                let two = rest.get(..2)?;
                let length = u16::from_be_bytes(two.try_into().expect("two bytes"));
                (usize::from(length), &rest[2..])
            }
            _ => return None,
        };
        let value = rest.get(..length)?;
        // A boolean has no value to look at.
        match name {
            b":event-type" if kind > 1 => event_type = Some(value),
            b":message-type" if kind > 1 => message_type = Some(value),
            _ => {}
        }
        headers = &rest[length..];
    }
    Some((event_type, message_type))
}

/// CRC-32 of RFC 1952, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

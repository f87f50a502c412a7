//! A reply and an uploaded form cost the same for each of their bytes, however long they are and however they are cut.

use serde_json::json;

use crate::abi::Callback;
use crate::fixtures::{
    ACME_KEY, JSON_REPLY, MODEL, STREAM_REPLY, chat_body, chat_headers, chunk, configuration,
    last_events,
};
use crate::host::{Host, flags};

/// A reply of about so many bytes: 7 tokens in, 5 out, its usage at the end.
type Make = fn(usize) -> String;

/// Texts as a model writes them: every event differs from the one before.
fn stream(bytes: usize) -> String {
    let mut stream = String::with_capacity(bytes + 4096);
    for number in 0.. {
        if stream.len() >= bytes {
            break;
        }
        stream.push_str(&chunk(&format!(" word-{number}")));
    }
    stream.push_str(&last_events().concat());
    stream
}

/// Events none of which repeats the frame of another, so that each is read as a whole.
fn varied_stream(bytes: usize) -> String {
    let mut stream = String::with_capacity(bytes + 4096);
    for number in 0.. {
        if stream.len() >= bytes {
            break;
        }
        let choices = json!([{"index": 0, "delta": {"content": "x"}, "finish_reason": null}]);
        let event =
            json!({"id": format!("chatcmpl-{number}"), "created": number, "choices": choices});
        stream.push_str(&format!("data: {event}\n\n"));
    }
    stream.push_str(&last_events().concat());
    stream
}

/// One document with a long text.
fn text(bytes: usize) -> String {
    let content = "All work and no play. ".repeat(bytes / 22);
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12});
    json!({"choices": [{"index": 0, "message": {"content": content}}], "usage": usage}).to_string()
}

/// One document with many small values, as log probabilities are.
fn values(bytes: usize) -> String {
    let content: Vec<_> = (0..bytes / 40)
        .map(|number| json!({"token": "x", "logprob": -0.5, "bytes": [number]}))
        .collect();
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12});
    json!({"choices": [{"index": 0, "logprobs": {"content": content}}], "usage": usage}).to_string()
}

/// Instructions of all body callbacks for this reply in chunks of this size, and how many callbacks there were.
fn cost(streamed: bool, body: &str, chunk: usize) -> (u64, u64) {
    let mut host = Host::configured(&configuration().to_string());
    let headers = if streamed { STREAM_REPLY } else { JSON_REPLY };
    let chunks: Vec<&[u8]> = body.as_bytes().chunks(chunk).collect();
    let ended = host
        .request(&chat_headers(ACME_KEY))
        .body(&[chat_body(MODEL, streamed)])
        .response(&headers)
        .reply(&chunks)
        .log(flags::NONE);
    let charged = ended.filter_state.get("wasm.tollgate.charge_tokens");
    assert_eq!(charged.map(String::as_str), Some("12"), "chunks of {chunk}");
    let steps = ended
        .steps
        .iter()
        .filter(|step| step.callback == Callback::ResponseBody);
    steps.fold((0, 0), |(instructions, count), step| {
        (instructions + step.instructions, count + 1)
    })
}

/// What a byte may take where every one of them is read.
const PER_BYTE: u64 = 100;
/// What a callback may take for itself, on top of its bytes.
const PER_CHUNK: u64 = 1400;

#[test]
fn a_reply_costs_so_much_for_each_byte_and_so_much_for_each_chunk() {
    const MEGABYTE: usize = 1 << 20;
    // What a byte may take in one large buffer.
    let rows: [(&str, bool, Make, u64); 4] = [
        // Its usage is hidden, so that each event of a chunk with usage in it is looked at twice.
        ("a stream", true, stream, 18),
        ("a varied stream", true, varied_stream, PER_BYTE),
        ("a long text", false, text, 2),
        ("many values", false, values, 60),
    ];
    for (name, streamed, make, per_byte) in rows {
        let body = make(MEGABYTE);
        // Of the smallest chunks there would be too many.
        let (part, piece) = (make(MEGABYTE / 16), make(4096));
        for (body, chunk) in [
            (&body, body.len()),
            (&part, part.len()),
            (&body, 64 * 1024),
            (&body, 1024),
            (&part, 16),
            (&piece, 1),
        ] {
            let (instructions, chunks) = cost(streamed, body, chunk);
            let bytes = body.len() as u64;
            let each = instructions as f64 / bytes as f64;
            let case = format!("{name} of {bytes} bytes in chunks of {chunk}: {each:.1} a byte");
            assert!(
                instructions <= PER_BYTE * bytes + PER_CHUNK * chunks,
                "{case}"
            );
            if chunk >= 64 * 1024 {
                assert!(instructions <= per_byte * bytes, "{case}");
            }
        }
    }
}

/// A form with a file of about so many bytes, and the model behind it.
fn form(content: &str, bytes: usize) -> String {
    let file = content.repeat(bytes / content.len());
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{file}\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{MODEL}\r\n--b--\r\n"
    )
}

/// Many parts with little in them.
fn parts(bytes: usize) -> String {
    let part = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n";
    form("x", 1).replacen("--b", &format!("{}--b", part.repeat(bytes / part.len())), 1)
}

/// Instructions of all body callbacks for this form in chunks of this size, and how many callbacks there were.
fn cost_of_form(body: &str, chunk: usize) -> (u64, u64) {
    let mut host = Host::configured(&configuration().to_string());
    let mut headers = chat_headers(ACME_KEY);
    for (name, value) in &mut headers {
        match *name {
            ":path" => *value = "/v1/audio/transcriptions".to_owned(),
            "content-type" => *value = "multipart/form-data; boundary=b".to_owned(),
            _ => {}
        }
    }
    let chunks: Vec<&[u8]> = body.as_bytes().chunks(chunk).collect();
    let ended = host
        .request(&headers)
        .body(&chunks)
        .response(&JSON_REPLY)
        .reply(&["{}"])
        .log(flags::NONE);
    let model = ended.filter_state.get("wasm.tollgate.model");
    assert_eq!(model.map(String::as_str), Some(MODEL), "chunks of {chunk}");
    let steps = ended
        .steps
        .iter()
        .filter(|step| step.callback == Callback::RequestBody);
    steps.fold((0, 0), |(instructions, count), step| {
        (instructions + step.instructions, count + 1)
    })
}

#[test]
fn a_form_costs_so_much_for_each_byte_and_so_much_for_each_chunk() {
    const MEGABYTE: usize = 1 << 20;
    type MakeForm = fn(usize) -> String;
    // What a byte may take in one large buffer. Most of a small part is for its headers.
    let rows: [(&str, MakeForm, u64); 5] = [
        ("a file", |bytes| form("RIFF....WAVEfmt ", bytes), 20),
        ("hyphens", |bytes| form("-", bytes), 70),
        (
            "beginnings of delimiters",
            |bytes| form("\r\n--", bytes),
            40,
        ),
        ("many parts", parts, 250),
        (
            "long headers",
            |bytes| {
                let name = "n".repeat(4000.min(bytes));
                form("x", 1).replacen("filename=\"a\"", &format!("filename=\"{name}\""), 1)
            },
            PER_BYTE,
        ),
    ];
    for (name, make, per_byte) in rows {
        let body = make(MEGABYTE);
        let (part, piece) = (make(MEGABYTE / 16), make(4096));
        for (body, chunk) in [
            (&body, body.len()),
            (&body, 64 * 1024),
            (&body, 1024),
            (&part, 16),
            (&piece, 1),
        ] {
            let (instructions, chunks) = cost_of_form(body, chunk);
            let bytes = body.len() as u64;
            let each = instructions as f64 / bytes as f64;
            let case = format!("{name} of {bytes} bytes in chunks of {chunk}: {each:.1} a byte");
            assert!(
                instructions <= per_byte.max(PER_BYTE) * bytes + PER_CHUNK * chunks,
                "{case}"
            );
            if chunk >= 64 * 1024 {
                assert!(instructions <= per_byte * bytes, "{case}");
            }
        }
    }
}

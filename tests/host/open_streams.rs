//! Ten thousand streams open at once: what each holds, and that all of it comes back.

use serde_json::json;

use crate::fixtures::{
    ACME_KEY, MODEL, STREAM_REPLY, chat_body, chat_headers, chunk, configuration,
};
use crate::host::{Host, flags};

const MANY: usize = 10_000;

/// A state to leave a stream in.
struct State {
    name: &'static str,
    /// What each stream may take of the linear memory, allocator included.
    bytes: usize,
    open: fn(&mut Host) -> u32,
}

const USUAL: State = State {
    name: "in a usage event",
    bytes: 4 * 1024,
    open: |host| {
        let usage =
            r#"data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":7,"completion_tok"#;
        host.request(&chat_headers(ACME_KEY))
            .body(&[chat_body(MODEL, true)])
            .response(&STREAM_REPLY)
            .unfinished_reply(&[chunk("You"), chunk(" pay"), usage.to_owned()])
            .keep_open()
    },
};

const WORST: State = State {
    name: "the worst",
    bytes: 16 * 1024,
    open: worst,
};

/// The request's body is not over and as deep as may be; the reply has as many choices as are told apart, a long frame,
/// and breaks off in a usage object as long as may be.
fn worst(host: &mut Host) -> u32 {
    let request = format!(r#"{{"model":"{MODEL}","messages":{}"#, "[".repeat(126));
    let choice = |index: u32| json!({"index": index, "delta": {"content": "x"}, "usage": {"prompt_tokens": 7, "completion_tokens": index + 1}});
    let choices: Vec<_> = (0..64).map(choice).collect();
    let choices = format!("data: {}\n\n", json!({ "choices": choices }));
    let frame = format!(
        "data: {{\"id\":\"{}\",\"content\":\"x\"}}\n\n",
        "x".repeat(400)
    );
    let part = "x".repeat(1000);
    let cut = format!(
        r#"data: {{"message":{{"usage":{{"prompt_tokens":7,"x":"{part}"}}}},"{part}":{{"y":"{part}"}},"usage":{{"prompt_tokens":7,"x":"{part}{}"#,
        &part[..980]
    );
    host.request(&chat_headers(ACME_KEY))
        .unfinished_body(&[request])
        .response(&STREAM_REPLY)
        .unfinished_reply(&[choices, frame, cut])
        .keep_open()
}

const FORM: State = State {
    name: "in a file of a form",
    bytes: 4 * 1024,
    open: |host| open_form(host, &format!("{FORM_START}\r\n\r\n{}", "x".repeat(20_000))),
};

const FORM_HEADERS: State = State {
    name: "in the headers of a part of a form",
    bytes: 8 * 1024,
    open: |host| open_form(host, &format!("{FORM_START}{}", "x".repeat(4000))),
};

const FORM_START: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/";

fn open_form(host: &mut Host, form: &str) -> u32 {
    let mut headers = chat_headers(ACME_KEY);
    for (name, value) in &mut headers {
        match *name {
            ":path" => *value = "/v1/audio/transcriptions".to_owned(),
            "content-type" => *value = "multipart/form-data; boundary=b".to_owned(),
            _ => {}
        }
    }
    host.request(&headers).unfinished_body(&[form]).keep_open()
}

/// Opens ten thousand, ends them and opens ten thousand more, twice.
fn fill(state: &State) {
    let mut host = Host::configured(&configuration().to_string());
    let open = |host: &mut Host| -> Vec<u32> { (0..MANY).map(|_| (state.open)(host)).collect() };
    (state.open)(&mut host);
    let before = host.memory_size();
    let ids = open(&mut host);
    let full = host.memory_size();
    let each = (full - before) / MANY;
    assert!(each <= state.bytes, "{}: {each} bytes", state.name);
    let mut refill = |ids: Vec<u32>| {
        for id in ids {
            host.resume(id).log(flags::CLIENT_DISCONNECTED);
        }
        (open(&mut host), host.memory_size())
    };
    let (ids, settled) = refill(ids);
    // Blocks do not always come back in an order in which they fit again.
    let more = settled - full;
    assert!(more <= full / 25, "{}: {more} of {full}", state.name);
    let (_, again) = refill(ids);
    let more = again - settled;
    assert!(more <= full / 50, "{}: {more} of {settled}", state.name);
}

#[test]
fn hold_under_four_kilobytes_each_and_give_them_back() {
    fill(&USUAL);
}

#[test]
fn hold_under_sixteen_kilobytes_each_at_worst_and_give_them_back() {
    fill(&WORST);
}

#[test]
fn a_form_holds_under_four_kilobytes_and_eight_in_the_headers_of_a_part() {
    fill(&FORM);
    fill(&FORM_HEADERS);
}

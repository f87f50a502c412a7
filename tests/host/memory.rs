//! What a VM keeps: nothing of a stream that ended. What open ones hold is in [`open_streams`](crate::open_streams).

use crate::fixtures::{ACME_KEY, JSON_REPLY, MODEL, chat_body, chat_headers, configuration};
use crate::host::{Host, flags};
use crate::scenarios::ALL;

#[test]
fn does_not_grow_over_two_thousand_requests() {
    let mut host = Host::configured(&configuration().to_string());
    let serve = |host: &mut Host, rounds: usize| {
        for scenario in ALL.iter().cycle().take(rounds) {
            scenario.run(host);
        }
    };
    serve(&mut host, 200);
    let warm = host.memory_size();
    serve(&mut host, 2000);
    assert_eq!(host.memory_size(), warm);
}

#[test]
fn does_not_grow_with_the_number_of_hostile_names() {
    let mut host = Host::configured(&configuration().to_string());
    let serve = |host: &mut Host, numbers: std::ops::Range<u32>| {
        for number in numbers {
            host.request(&chat_headers(ACME_KEY))
                .body(&[chat_body(&format!("model-{number}"), false)])
                .log(flags::NONE);
            host.request(&chat_headers(&format!("sk-{number}")))
                .log(flags::NONE);
        }
    };
    serve(&mut host, 0..200);
    let (warm, series) = (host.memory_size(), host.world().metrics.numbers().len());
    serve(&mut host, 200..1200);
    assert_eq!(host.memory_size(), warm, "linear memory");
    assert_eq!(host.world().metrics.numbers().len(), series, "time series");
}

#[test]
fn does_not_grow_with_the_size_of_bodies() {
    let mut host = Host::configured(&configuration().to_string());
    let frame = "x".repeat(64 * 1024);
    let mut grown = Vec::new();
    for frames in [10, 100] {
        let mut body = vec![format!(r#"{{"model":"{MODEL}","input":""#)];
        body.extend(std::iter::repeat_n(frame.clone(), frames));
        body.push(r#""}"#.to_owned());
        let mut reply = vec![r#"{"data":""#.to_owned()];
        reply.extend(std::iter::repeat_n(frame.clone(), frames));
        reply.push(r#"","usage":{"prompt_tokens":3,"total_tokens":3}}"#.to_owned());
        let mut headers = chat_headers(ACME_KEY);
        headers[3].1 = "/v1/embeddings".to_owned();
        let ended = host
            .request(&headers)
            .body(&body)
            .response(&JSON_REPLY)
            .reply(&reply)
            .log(flags::NONE);
        assert_eq!(
            ended
                .filter_state
                .get("wasm.tollgate.input_tokens")
                .map(String::as_str),
            Some("3")
        );
        grown.push(host.memory_size());
    }
    assert_eq!(grown[0], grown[1]);
}

//! The list of models: filtered, or nothing of it reaches the client, whichever host calls fail.

use crate::faults::faults_of;
use crate::fixtures::{ACME_KEY, configuration};
use crate::host::{Host, flags};
use crate::world::Stream;

const REPLY: [(&str, &str); 4] = [
    (":status", "200"),
    ("content-type", "application/json"),
    ("content-length", "63"),
    ("etag", "\"all\""),
];
const CHUNKS: [&str; 3] = [
    r#"{"object":"list","data":[{"id":"llama-3.1-8b"}"#,
    r#",{"id":"secret"#,
    r#""}]}"#,
];
const FILTERED: &str = r#"{"object":"list","data":[{"id":"llama-3.1-8b"}]}"#;
const EMPTY: &str = r#"{"object":"list","data":[]}"#;

fn list(host: &mut Host) -> Stream {
    host.request_without_body(&[
        (":method", "GET"),
        (":path", "/v1/models"),
        ("x-api-key", ACME_KEY),
        ("if-none-match", "\"all\""),
    ])
    .response(&REPLY)
    .reply(&CHUNKS)
    .log(flags::NONE)
}

#[test]
fn emits_the_filtered_list_at_the_end() {
    let ended = list(&mut Host::configured(&configuration().to_string()));
    assert_eq!(String::from_utf8_lossy(&ended.downstream_body), FILTERED);
    assert_eq!(ended.upstream_header("if-none-match"), None);
}

#[test]
fn emits_nothing_unfiltered_whichever_call_fails() {
    let healthy = list(&mut Host::configured(&configuration().to_string()));
    let faults = faults_of(&healthy);
    assert!(faults.len() > 40, "only {} faults", faults.len());
    for fault in faults {
        let mut host = Host::configured(&configuration().to_string());
        host.fail(std::slice::from_ref(&fault));
        let ended = list(&mut host);
        let body = String::from_utf8_lossy(&ended.downstream_body).into_owned();
        assert!(!body.contains("secret"), "{fault:?}: {body}");
        let whole = [FILTERED, EMPTY].contains(&body.as_str());
        let stopped = ended.is_stopped() || ended.local_reply.is_some();
        assert!(whole || stopped, "{fault:?}: {body}");
    }
}

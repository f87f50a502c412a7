//! New configurations in a running VM, as a dynamic update brings them.

use serde_json::json;

use crate::fixtures::{
    ACME_KEY, JSON_REPLY, MODEL, chat_body, chat_headers, chat_reply, configuration, key_hash,
};
use crate::host::{Host, flags};

#[test]
fn serves_ten_configurations_one_after_the_other() {
    let mut host = Host::configured(&configuration().to_string());
    for round in 0..10 {
        let key = format!("sk-round-{round}");
        let mut next = configuration();
        next["keys"][0]["keyHash"] = json!(key_hash(&key));
        assert!(
            host.configure(&next.to_string()),
            "round {round}: {:#?}",
            host.logs()
        );
        let ended = host
            .request(&chat_headers(&key))
            .body(&[chat_body(MODEL, false)])
            .log(flags::NONE);
        assert!(ended.upstream_complete, "round {round}: the new key");
        let ended = host.request(&chat_headers(ACME_KEY)).log(flags::NONE);
        assert_eq!(
            ended.local_reply.expect("a denial").status,
            401,
            "round {round}: the old key"
        );
    }
}

#[test]
fn keeps_the_old_configuration_for_streams_in_flight() {
    let mut host = Host::configured(&configuration().to_string());
    let id = host.request(&chat_headers(ACME_KEY)).keep_open();
    let mut next = configuration();
    next["models"] = json!({"qwen-3-32b": {"groups": ["research"]}});
    assert!(host.configure(&next.to_string()), "{:#?}", host.logs());
    let ended = host
        .resume(id)
        .body(&[chat_body(MODEL, false)])
        .response(&JSON_REPLY)
        .reply(&[chat_reply()])
        .log(flags::NONE);
    assert!(
        ended.upstream_complete,
        "the stream that began before the update"
    );
    assert_eq!(
        ended
            .filter_state
            .get("wasm.tollgate.model")
            .map(String::as_str),
        Some(MODEL)
    );
    let ended = host
        .request(&chat_headers(ACME_KEY))
        .body(&[chat_body(MODEL, false)])
        .log(flags::NONE);
    assert_eq!(
        ended.local_reply.expect("a denial").status,
        403,
        "a stream that began after it"
    );
}

#[test]
fn gives_the_memory_of_old_configurations_back() {
    let mut host = Host::configured(&configuration().to_string());
    let mut large = configuration();
    large["keys"] = (0..2000)
        .map(|number| json!({"id": format!("key-{number}"), "tenant": "acme", "keyHash": key_hash(&format!("sk-{number}"))}))
        .collect();
    let large = large.to_string();
    let mut configure = |times: u32| {
        for _ in 0..times {
            assert!(host.configure(&large), "{:#?}", host.logs());
        }
        host.memory_size()
    };
    // The allocator needs a few rounds until its free blocks fit.
    let warm = configure(20);
    assert_eq!(configure(60), warm);
}

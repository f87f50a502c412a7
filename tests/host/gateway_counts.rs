//! What another filter counted, and what asking for it costs.

use serde_json::{Value, json};

use crate::abi::{Callback, status};
use crate::fixtures::{
    ACME_KEY, JSON_REPLY, MODEL, chat_body, chat_headers, chat_reply, configuration,
};
use crate::host::{Host, flags, pairs};
use crate::world::{Fault, Stream};

/// A chat with this reply, for which other filters have left metadata.
fn chat(host: &mut Host, reply: &str, prepare: impl FnOnce(&mut Stream)) -> Stream {
    host.prepared(prepare)
        .request_headers(pairs(&chat_headers(ACME_KEY)), false)
        .body(&[chat_body(MODEL, false)])
        .response(&JSON_REPLY)
        .reply(&[reply])
        .log(flags::NONE)
}

fn ai_gateway(input: Value, output: Value) -> impl FnOnce(&mut Stream) {
    move |stream| {
        stream.metadata =
            json!({"io.envoy.ai_gateway": {"llm_input_token": input, "llm_output_token": output}});
    }
}

/// Source, input, output and charge of the filter state, and how many properties `on_log` has read.
fn told(stream: &Stream) -> (String, u32) {
    let entry = |name: &str| {
        let value = stream.filter_state.get(&format!("wasm.tollgate.{name}"));
        value.cloned().unwrap_or_else(|| "-".to_owned())
    };
    let fields = [
        "usage_source",
        "input_tokens",
        "output_tokens",
        "charge_tokens",
    ];
    let log = stream
        .steps
        .iter()
        .find(|step| step.callback == Callback::Log);
    let reads = log.and_then(|step| step.calls.get("proxy_get_property"));
    (
        fields.map(entry).join(" "),
        reads.copied().unwrap_or_default(),
    )
}

/// Of each request that succeeded on_log reads the number of attempts.
const ALWAYS: u32 = 1;

#[test]
fn one_read_tells_that_there_is_nothing_and_two_read_what_there_is() {
    for (name, reply, input, output, expected, reads) in [
        (
            "reported",
            chat_reply(),
            json!(7),
            json!(5),
            "reported 7 5 12",
            2,
        ),
        (
            "reported, other",
            chat_reply(),
            json!(8),
            json!(5),
            "reported 7 5 12",
            2,
        ),
        (
            "reported, none",
            chat_reply(),
            json!("-"),
            json!(5),
            "reported 7 5 12",
            1,
        ),
        (
            "missing",
            "{}".to_owned(),
            json!(8),
            json!(6),
            "gateway 8 6 14",
            2,
        ),
        (
            "missing, half of it",
            "{}".to_owned(),
            json!(8),
            json!(null),
            "gateway 8 - 8",
            2,
        ),
        (
            "missing, none",
            "{}".to_owned(),
            json!(null),
            json!(6),
            "none - - 9",
            1,
        ),
        (
            "missing, a text",
            "{}".to_owned(),
            json!("12345678"),
            json!(6),
            "none - - 9",
            1,
        ),
        (
            "missing, negative",
            "{}".to_owned(),
            json!(-8),
            json!(6),
            "none - - 9",
            1,
        ),
        (
            "missing, huge",
            "{}".to_owned(),
            json!(1e18),
            json!(6),
            "none - - 9",
            1,
        ),
    ] {
        let mut host = Host::configured(&configuration().to_string());
        let ended = chat(&mut host, &reply, ai_gateway(input, output));
        assert_eq!(
            told(&ended),
            (expected.to_owned(), ALWAYS + reads),
            "{name}"
        );
        let disagreements =
            format!("tenant=.=acme;.;model=.={MODEL};.;tollgate_usage_disagreements_total");
        let expected = u64::from(name == "reported, other");
        assert_eq!(host.number(&disagreements), expected, "{name}");
    }
}

#[test]
fn the_ai_protocol_manager_is_asked_instead_if_the_configuration_says_so() {
    let mut config = configuration();
    config["metering"]["gatewayCounts"] = json!("aiProtocolManager");
    let typed = |fields: &'static [(&'static str, u64)]| {
        move |stream: &mut Stream| {
            for (field, number) in fields {
                let path =
                    format!("metadata\0typed_filter_metadata\0envoy.ai.token_usage\0{field}");
                let value = number.to_le_bytes().to_vec();
                stream.attributes.insert(path.into_bytes(), value);
            }
        }
    };
    const WHOLE: &[(&str, u64)] = &[
        ("extraction_status", 1),
        ("input_tokens", 8),
        ("output_tokens", 6),
    ];
    const PARTIAL: &[(&str, u64)] = &[
        ("extraction_status", 2),
        ("input_tokens", 8),
        ("output_tokens", 6),
    ];
    for (name, fields, expected, reads) in [
        ("nothing", &[][..], "none - - 9", 1),
        ("whole", WHOLE, "gateway 8 6 14", 3),
        ("partial", PARTIAL, "none - - 9", 1),
    ] {
        let mut host = Host::configured(&config.to_string());
        let ended = chat(&mut host, "{}", typed(fields));
        assert_eq!(
            told(&ended),
            (expected.to_owned(), ALWAYS + reads),
            "{name}"
        );
    }
    let mut host = Host::configured(&config.to_string());
    let ended = chat(&mut host, "{}", ai_gateway(json!(8), json!(6)));
    assert_eq!(told(&ended).0, "none - - 9", "AI Gateway is not asked");
}

#[test]
fn a_refused_read_costs_the_count_and_nothing_else() {
    let mut host = Host::configured(&configuration().to_string());
    // The first property is the peer's identity, and on_log asks for status, flags and attempts before.
    for nth in 1..=6 {
        host.fail(&[Fault {
            call: "proxy_get_property".to_owned(),
            nth: Some(nth),
            status: status::BAD_ARGUMENT,
        }]);
        let ended = chat(&mut host, &chat_reply(), ai_gateway(json!(8), json!(5)));
        if ended.local_reply.is_none() {
            assert!(
                told(&ended).0.starts_with("reported 7 5"),
                "read {nth}: {:?}",
                told(&ended)
            );
        }
    }
}

#[test]
fn more_than_one_attempt_is_a_retried_request() {
    for (attempts, retried) in [(1_u64, 0), (2, 1), (5, 1)] {
        let mut host = Host::configured(&configuration().to_string());
        chat(&mut host, &chat_reply(), |stream| {
            let path = b"upstream\0request_attempt_count".to_vec();
            stream
                .attributes
                .insert(path, attempts.to_le_bytes().to_vec());
        });
        let series = format!("tenant=.=acme;.;model=.={MODEL};.;tollgate_retried_requests_total");
        assert_eq!(host.number(&series), retried, "{attempts} attempts");
    }
}

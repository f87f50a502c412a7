//! What another filter of the same Envoy counted, where the server's own count is missing and where it is not.

use serde_json::{Value, json};

use crate::harness::demo::{self, ACME_KEY, LLAMA, chat};
use crate::harness::{Gateway, Piece, Reply, envoy_version, filters, send};

const COUNTED: &[&str] = &[
    "tollgate_tokens_total",
    "tollgate_estimated_tokens_total",
    "tollgate_usage_missing_total",
    "tollgate_usage_disagreements_total",
];

/// A filter that reads two members of a JSON reply, as AI Gateway reads usage, into AI Gateway's place in metadata.
fn json_to_metadata() -> Value {
    let rule = |member: &str, key: &str| {
        json!({
            "selectors": [{"key": "counted"}, {"key": member}],
            "on_present": {"metadata_namespace": "io.envoy.ai_gateway", "key": key, "type": "NUMBER"}
        })
    };
    json!({
        "name": "envoy.filters.http.json_to_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata",
            "response_rules": {"rules": [rule("in", "llm_input_token"), rule("out", "llm_output_token")]}
        }
    })
}

fn tokens(input: u64, output: u64) -> String {
    let line = |kind, count| {
        format!(
            "tollgate_tokens_total{{tenant=\"acme\",model=\"{LLAMA}\",type=\"{kind}\"}} {count}\n"
        )
    };
    [("input", input), ("output", output)]
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| line(kind, *count))
        .collect()
}

fn disagreement() -> String {
    format!("tollgate_usage_disagreements_total{{tenant=\"acme\",model=\"{LLAMA}\"}} 1\n")
}

fn missing() -> String {
    let labels = format!("tenant=\"acme\",model=\"{LLAMA}\"");
    // Six tokens of input, by the text of the request.
    format!(
        "tollgate_estimated_tokens_total{{{labels},type=\"input\"}} 6\ntollgate_usage_missing_total{{{labels},reason=\"no_usage\"}} 1\n"
    )
}

fn told(entry: &Value) -> [&Value; 4] {
    [
        "usage_source",
        "input_tokens",
        "output_tokens",
        "charge_tokens",
    ]
    .map(|field| &entry[field])
}

#[test]
fn counts_of_ai_gateway_stand_in_for_missing_ones_and_are_held_against_reported_ones() {
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18});
    for (name, reply, counted, entry) in [
        (
            "the server says nothing",
            json!({"choices": [], "counted": {"in": 12, "out": 8}}),
            tokens(12, 8),
            json!(["gateway", "12", "8", "20"]),
        ),
        (
            "both say the same",
            json!({"choices": [], "usage": usage, "counted": {"in": 11, "out": 7}}),
            tokens(11, 7),
            json!(["reported", "11", "7", "18"]),
        ),
        (
            "they say different things",
            json!({"choices": [], "usage": usage, "counted": {"in": 12, "out": 7}}),
            tokens(11, 7) + &disagreement(),
            json!(["reported", "11", "7", "18"]),
        ),
        (
            "zeros are no counts",
            json!({"choices": [], "counted": {"in": 0, "out": 0}}),
            missing(),
            json!(["none", null, null, "6"]),
        ),
        (
            "nobody says anything",
            json!({"choices": []}),
            missing(),
            json!(["none", null, null, "6"]),
        ),
    ] {
        let gateway = Gateway::builder()
            .amended(|bootstrap| filters(bootstrap).insert(2, json_to_metadata()))
            .reply(Reply::json(&reply))
            .start();
        assert_eq!(send(gateway.chat(LLAMA)).status, 200, "{name}");
        println!("{name}");
        gateway.expect_counted(COUNTED, &counted);
        let found = gateway.access_log(1);
        assert_eq!(json!(told(&found[0])), entry, "{name}: {found:?}");
    }
}

#[test]
fn a_client_cannot_count_for_itself() {
    let gateway = Gateway::builder()
        .reply(Reply::json(&json!({"choices": []})))
        .start();
    let request = gateway
        .post("/v1/chat/completions")
        .bearer_auth(ACME_KEY)
        .header("llm_input_token", "1")
        .header("x-llm-input-token", "1");
    assert_eq!(send(request.json(&chat(LLAMA))).status, 200);
    gateway.expect_counted(COUNTED, &missing());
}

/// The members of a usage object beyond which the filter gives up, and the manager does not.
fn large_usage() -> Value {
    json!({"padding": "x".repeat(4096), "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
}

/// Two choices with a usage event each, as llama.cpp sends them, which its timings show: added up here, the last one taken
/// there.
fn two_usages() -> Reply {
    let mut stream = String::new();
    for index in 0..2 {
        let choice = json!({"index": index, "delta": {"content": "x"}, "finish_reason": "stop"});
        let event = json!({"object": "chat.completion.chunk", "choices": [choice]});
        stream.push_str(&format!("data: {event}\n\n"));
    }
    for output in [7, 5] {
        let usage =
            json!({"prompt_tokens": 11, "completion_tokens": output, "total_tokens": 11 + output});
        let timings = json!({"cache_n": 0, "prompt_n": 11, "predicted_n": output});
        let event = json!({"object": "chat.completion.chunk", "choices": [], "usage": usage, "timings": timings});
        stream.push_str(&format!("data: {event}\n\n"));
    }
    stream.push_str("data: [DONE]\n\n");
    Reply::stream(vec![Piece::Bytes(stream.into_bytes())])
}

#[test]
fn counts_of_the_ai_protocol_manager_stand_in_and_are_held_against_reported_ones() {
    if envoy_version() < [1, 40] {
        println!("skipped: the ai_protocol_manager is in Envoy 1.40 and later");
        return;
    }
    let completion =
        |usage| json!({"object": "chat.completion", "model": LLAMA, "choices": [], "usage": usage});
    let small = json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18});
    for (name, reply, counted, source) in [
        (
            "both say the same",
            Reply::json(&completion(small)),
            tokens(11, 7),
            "reported",
        ),
        (
            "the usage object is too large for the filter",
            Reply::json(&completion(large_usage())),
            tokens(11, 7),
            "gateway",
        ),
        (
            "they say different things",
            two_usages(),
            tokens(11, 12) + &disagreement(),
            "reported",
        ),
    ] {
        let mut config = demo::config();
        config["metering"]["gatewayCounts"] = json!("aiProtocolManager");
        let gateway = Gateway::builder()
            .config(config)
            .amended(|bootstrap| filters(bootstrap).insert(2, ai_protocol_manager()))
            .reply(reply)
            .start();
        assert_eq!(send(gateway.chat(LLAMA)).status, 200, "{name}");
        println!("{name}");
        gateway.expect_counted(COUNTED, &counted);
        assert_eq!(gateway.access_log(1)[0]["usage_source"], source, "{name}");
    }
}

fn ai_protocol_manager() -> Value {
    json!({
        "name": "envoy.filters.http.ai_protocol_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ai_protocol_manager.v3.AiProtocolManager",
            "response_handling": {"token_usage": {"include_unconfigured_routes": true}}
        }
    })
}

//! What the access log can say of each request, through filter state.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat, streamed_chat};
use crate::harness::{Gateway, Piece, Reply, Wire, send};

const FIELDS: [&str; 8] = [
    "tenant",
    "model",
    "input_tokens",
    "output_tokens",
    "charge_tokens",
    "usage_source",
    "outcome",
    "denial",
];

/// The filter's fields of one entry; those that are not set are left out.
fn fields(entry: &Value) -> Value {
    let present = FIELDS.iter().filter(|field| !entry[**field].is_null());
    Value::Object(
        present
            .map(|field| ((*field).to_owned(), entry[*field].clone()))
            .collect(),
    )
}

#[test]
fn an_answered_request_logs_who_what_and_how_much() {
    let gateway = Gateway::start();
    assert_eq!(send(gateway.chat(LLAMA)).status, 200);
    let entry = gateway.access_log(1).remove(0);
    assert_eq!(entry["status"], 200);
    assert_eq!(
        fields(&entry),
        json!({
            "tenant": "acme",
            "model": LLAMA,
            "input_tokens": "11",
            "output_tokens": "7",
            "charge_tokens": "18",
            "usage_source": "reported",
            "outcome": "ok"
        })
    );
}

#[test]
fn a_denied_request_logs_the_code_and_what_was_known_of_it() {
    let gateway = Gateway::start();
    for (name, request, status, tenant, denial) in [
        (
            "nobody",
            gateway.post("/v1/chat/completions").json(&chat(LLAMA)),
            401,
            None,
            "missing_credential",
        ),
        (
            "a tenant without this model",
            gateway
                .post("/v1/chat/completions")
                .bearer_auth(GLOBEX_KEY)
                .json(&chat(QWEN)),
            403,
            Some("globex"),
            "model_not_allowed",
        ),
        (
            "an operation",
            gateway.post("/sleep").bearer_auth(ACME_KEY),
            403,
            None,
            "operation_not_allowed",
        ),
    ] {
        let before = gateway.access_log_so_far().len();
        assert_eq!(send(request).status, status, "{name}");
        let entry = gateway.access_log(before + 1).remove(before);
        assert_eq!(entry["status"], status, "{name}");
        assert_eq!(entry["denial"], denial, "{name}: {entry}");
        assert_eq!(entry["outcome"], "denied", "{name}: {entry}");
        assert_eq!(entry["usage_source"], "not_applicable", "{name}: {entry}");
        assert_eq!(entry["charge_tokens"], "0", "{name}: {entry}");
        if let Some(tenant) = tenant {
            assert_eq!(entry["tenant"], tenant, "{name}: {entry}");
        }
    }
}

#[test]
fn an_aborted_request_logs_its_outcome() {
    let pieces = vec![
        Piece::Bytes(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n".to_vec()),
        Piece::UntilClosed,
    ];
    let gateway = Gateway::builder().reply(Reply::stream(pieces)).start();
    let mut connection = gateway.connect();
    let request = Wire::new("POST", "/v1/chat/completions").header("x-api-key", ACME_KEY);
    connection.start(&request.body(streamed_chat(LLAMA).to_string()));
    connection.read_until("content");
    drop(connection);
    let entry = gateway.access_log(1).remove(0);
    assert_eq!(entry["flags"], "DC", "{entry}");
    assert_eq!(
        ["tenant", "model", "outcome"].map(|field| &entry[field]),
        ["acme", LLAMA, "client_aborted"],
        "{entry}"
    );
    assert_ne!(entry["usage_source"], "reported", "{entry}");
    assert!(entry["charge_tokens"].is_string(), "{entry}");
}

#[test]
fn filter_state_is_not_written_unless_the_operator_asks_for_it() {
    let mut config = crate::harness::demo::config();
    config.as_object_mut().unwrap().remove("metering");
    let gateway = Gateway::builder().config(config).start();
    assert_eq!(send(gateway.chat(LLAMA)).status, 200);
    assert_eq!(fields(&gateway.access_log(1)[0]), json!({}));
}

#[test]
fn a_denied_request_adds_no_line_to_the_log_of_envoy() {
    let gateway = Gateway::start();
    let before = gateway.log();
    assert!(before.contains("configured 2 keys, 2 tenants"), "{before}");
    for _ in 0..3 {
        let request = gateway
            .post("/v1/chat/completions")
            .bearer_auth("sk-unknown");
        assert_eq!(send(request.json(&chat(LLAMA))).status, 401);
    }
    gateway.access_log(3);
    assert_eq!(gateway.log(), before);
}

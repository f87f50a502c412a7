//! What a scrape shows: names, labels and values.

use serde_json::json;

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat, config, streamed_chat};
use crate::harness::{Gateway, Piece, Reply, eventually, send};

#[test]
fn a_known_sequence_gives_exactly_these_counters() {
    let gateway = Gateway::start();
    let chat_as = |key: &str, model: &str| {
        gateway
            .post("/v1/chat/completions")
            .bearer_auth(key)
            .json(&chat(model))
    };
    for (request, status) in [
        (chat_as(ACME_KEY, LLAMA), 200),
        (chat_as(ACME_KEY, LLAMA), 200),
        (chat_as(ACME_KEY, QWEN), 200),
        (chat_as(GLOBEX_KEY, LLAMA), 200),
        (chat_as(GLOBEX_KEY, QWEN), 403),
        (chat_as(GLOBEX_KEY, "made-up-by-the-client"), 403),
        (chat_as("sk-unknown", LLAMA), 401),
        (gateway.post("/v1/chat/completions").json(&chat(LLAMA)), 401),
        (gateway.get("/health"), 200),
    ] {
        assert_eq!(send(request).status, status);
    }
    gateway.expect_counted(
        &["tollgate_requests_total", "tollgate_tokens_total", "tollgate_denials_total", "tollgate_usage_missing_total"],
        r#"
        tollgate_requests_total{tenant="acme",model="llama-3.1-8b",operation="chat",outcome="ok"} 2
        tollgate_requests_total{tenant="acme",model="qwen-3-32b",operation="chat",outcome="ok"} 1
        tollgate_requests_total{tenant="globex",model="llama-3.1-8b",operation="chat",outcome="ok"} 1
        tollgate_requests_total{tenant="globex",model="qwen-3-32b",operation="chat",outcome="denied"} 1
        tollgate_requests_total{tenant="globex",model="other",operation="chat",outcome="denied"} 1
        tollgate_requests_total{tenant="unknown",model="unknown",operation="chat",outcome="denied"} 2
        tollgate_requests_total{tenant="anonymous",model="unknown",operation="public",outcome="ok"} 1
        tollgate_tokens_total{tenant="acme",model="llama-3.1-8b",type="input"} 22
        tollgate_tokens_total{tenant="acme",model="llama-3.1-8b",type="output"} 14
        tollgate_tokens_total{tenant="acme",model="qwen-3-32b",type="input"} 11
        tollgate_tokens_total{tenant="acme",model="qwen-3-32b",type="output"} 7
        tollgate_tokens_total{tenant="globex",model="llama-3.1-8b",type="input"} 11
        tollgate_tokens_total{tenant="globex",model="llama-3.1-8b",type="output"} 7
        tollgate_denials_total{tenant="globex",code="model_not_allowed"} 2
        tollgate_denials_total{tenant="unknown",code="invalid_credential"} 1
        tollgate_denials_total{tenant="unknown",code="missing_credential"} 1
        "#,
    );
}

#[test]
fn the_times_of_a_stream_are_in_histograms_by_tenant_and_model() {
    let events = [
        r#"{"choices":[{"index":0,"delta":{"content":"Hi"}}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#,
        "[DONE]",
    ];
    let pieces = events.map(|event| Piece::Bytes(format!("data: {event}\n\n").into_bytes()));
    let gateway = Gateway::builder()
        .reply(Reply::stream(pieces.to_vec()))
        .start();
    let request = gateway.post("/v1/chat/completions").bearer_auth(ACME_KEY);
    assert_eq!(send(request.json(&streamed_chat(LLAMA))).status, 200);
    for name in [
        "tollgate_request_duration_milliseconds",
        "tollgate_time_to_first_token_milliseconds",
        "tollgate_time_per_output_token_milliseconds",
    ] {
        eventually("the histogram of the next flush", || {
            let all = gateway.series();
            let line = format!("{name}_count{{model=\"{LLAMA}\",tenant=\"acme\"}} 1");
            let found = all
                .iter()
                .any(|(series, value)| format!("{series} {value}") == line);
            if found {
                Ok(())
            } else {
                Err(format!("no {line} in {:?}", all.keys()))
            }
        });
    }
}

#[test]
fn a_tenant_that_makes_up_names_takes_no_label_from_another() {
    const LABELS: usize = 100;
    let mut config = config();
    config["models"]["*"] = json!({"access": "authenticated"});
    let gateway = Gateway::builder().config(config).start();
    let ask = |key: &str, model: &str| {
        let request = gateway.post("/v1/chat/completions").bearer_auth(key);
        assert_eq!(send(request.json(&chat(model))).status, 200, "{model}");
    };
    for index in 0..LABELS + 5 {
        ask(ACME_KEY, &format!("made-up-{index}"));
    }
    ask(GLOBEX_KEY, "of-globex");
    ask(GLOBEX_KEY, "made-up-104");
    gateway.access_log(LABELS + 7);
    let names = ["tollgate_requests_total", "tollgate_label_overflow_total"];
    let mut expected = String::from("tollgate_label_overflow_total{label=\"model\"} 5\n");
    let mut line = |tenant: &str, model: &str, count: usize| {
        expected += &format!(
            "tollgate_requests_total{{tenant=\"{tenant}\",model=\"{model}\",operation=\"chat\",outcome=\"ok\"}} {count}\n"
        );
    };
    for index in 0..LABELS {
        line("acme", &format!("made-up-{index}"), 1);
    }
    line("acme", "other", 5);
    line("globex", "of-globex", 1);
    line("globex", "made-up-104", 1);
    gateway.expect_counted(&names, &expected);
}

#[test]
fn the_configuration_is_shown_in_gauges() {
    let mut config = config();
    config["keys"][0]["expiresAt"] = json!("2001-01-01T00:00:00Z");
    config["keys"][1]["expiresAt"] = json!("2099-01-01T00:00:00Z");
    let gateway = Gateway::builder().config(config).workers(2).start();
    gateway.expect_counted(
        &[
            "tollgate_configured_keys",
            "tollgate_configured_tenants",
            "tollgate_next_key_expiry_seconds",
        ],
        "tollgate_configured_keys{} 2\ntollgate_configured_tenants{} 2\n\
         tollgate_next_key_expiry_seconds{} 4070908800",
    );
}

#[test]
fn no_label_ever_holds_what_only_a_client_said() {
    let gateway = Gateway::start();
    for model in [
        "made-up",
        "a;.;code=.=1;.;b",
        "x\ny",
        "\u{fc}ber",
        &"m".repeat(10_000),
    ] {
        let answer = send(gateway.chat(model));
        assert!((400..500).contains(&answer.status), "{model}: {answer:?}");
    }
    let answer = send(gateway.get("/v1/models/made-up").bearer_auth(ACME_KEY));
    assert!(answer.status < 500, "{answer:?}");
    gateway.access_log(6);
    let known = [
        "acme",
        "globex",
        "unknown",
        "anonymous",
        "other",
        LLAMA,
        QWEN,
        "none",
        "",
    ];
    for series in gateway.counted().into_keys() {
        for label in ["tenant", "model"] {
            let value = series.labels.get(label).map_or("", String::as_str);
            assert!(known.contains(&value), "{series}");
        }
    }
}

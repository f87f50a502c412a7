//! What may be asked for: a closed table of operations, matched on the raw path.

use serde_json::json;
use tollgate_tests::manifest::{documents, repository};

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat, config};
use crate::harness::{Gateway, Wire, connection_manager};

type Verdict = (u16, Option<&'static str>);

const OK: Verdict = (200, None);
const REFUSED: Verdict = (403, Some("operation_not_allowed"));
const MALFORMED: Verdict = (400, Some("malformed_path"));

fn by_acme(method: &str, target: &str) -> Wire {
    let request = Wire::new(method, target).header("authorization", format!("Bearer {ACME_KEY}"));
    if method == "POST" {
        request.body(chat(LLAMA).to_string())
    } else {
        request
    }
}

#[test]
fn only_operations_of_the_table_pass_and_only_on_plainly_written_paths() {
    let rows = [
        ("POST", "/v1/chat/completions", OK),
        ("POST", "/openai/v1/chat/completions", OK),
        ("POST", "/v1/chat/completions?a=%2e%2e;x", OK),
        ("POST", "/v1/completions", OK),
        ("POST", "/v1/embeddings", OK),
        ("POST", "/v1/responses", OK),
        ("POST", "/v1/messages", OK),
        ("POST", "/anthropic/v1/messages", OK),
        ("POST", "/v1/messages/count_tokens", OK),
        ("POST", "/v1/rerank", OK),
        ("POST", "/v2/rerank", OK),
        ("POST", "/cohere/v2/rerank", OK),
        ("POST", "/rerank", OK),
        ("POST", "/v1/score", OK),
        ("POST", "/score", OK),
        ("GET", "/health", OK),
        ("POST", "/v1/load_lora_adapter", REFUSED),
        ("POST", "/sleep", REFUSED),
        ("POST", "/collective_rpc", REFUSED),
        ("POST", "/health", REFUSED),
        ("POST", "/tokenize", OK),
        ("POST", "/chat/completions", OK),
        (
            "POST",
            "/openai/deployments/llama-3.1-8b/chat/completions?api-version=2024-10-21",
            OK,
        ),
        ("POST", "/embeddings", REFUSED),
        ("POST", "/apply-template", REFUSED),
        ("GET", "/metrics", REFUSED),
        ("GET", "/", REFUSED),
        ("GET", "/v1/chat/completions", REFUSED),
        ("PUT", "/v1/chat/completions", REFUSED),
        ("DELETE", "/v1/models/llama-3.1-8b", REFUSED),
        ("GET", "/v1/responses/resp_1", REFUSED),
        ("POST", "/v1/chat/completions/", REFUSED),
        ("POST", "/V1/chat/completions", REFUSED),
        ("POST", "/other/v1/chat/completions", REFUSED),
        ("POST", "/openai/anthropic/v1/messages", REFUSED),
        ("POST", "/v1/chat/completions/../../../sleep", MALFORMED),
        ("POST", "/sleep/../v1/chat/completions", MALFORMED),
        ("POST", "/v1/./chat/completions", MALFORMED),
        ("POST", "/v1/chat/%63ompletions", MALFORMED),
        ("POST", "/v1/%2e%2e/sleep", MALFORMED),
        ("POST", "/v1/chat%2fcompletions", MALFORMED),
        ("POST", "//v1/chat/completions", MALFORMED),
        ("POST", "/v1//chat/completions", MALFORMED),
        ("POST", "/v1/chat/completions;x", MALFORMED),
        ("POST", "/v1\\chat\\completions", MALFORMED),
        ("GET", "/health/../metrics", MALFORMED),
        ("GET", "/health;x", MALFORMED),
    ];
    let gateway = Gateway::start();
    for (method, target, verdict) in rows {
        let case = format!("{method} {target}");
        let answer = gateway.connect().exchange(&by_acme(method, target));
        assert_eq!(answer.verdict(), verdict, "{case}: {answer:?}");
    }
    let expected: Vec<String> = rows
        .iter()
        .filter(|(_, _, verdict)| *verdict == OK)
        .map(|(method, target, _)| format!("{method} {target}"))
        .collect();
    let served: Vec<String> = gateway
        .stop()
        .into_iter()
        .filter(|seen| seen.complete)
        .map(|seen| seen.request)
        .collect();
    assert_eq!(served, expected);
}

#[test]
fn prefixes_and_deployments_are_judged_by_the_model_that_works() {
    let mut config = config();
    config["pathPrefixes"] = json!(["/*/*/v1"]);
    let gateway = Gateway::builder().config(config).start();
    let denied = (403, Some("model_not_allowed"));
    for (path, body, verdict) in [
        ("/ns/name/v1/chat/completions", chat(LLAMA), OK),
        ("/ns/name/v1/chat/completions", chat(QWEN), denied),
        ("/ns/name/v1/load_lora_adapter", chat(LLAMA), REFUSED),
        (
            "/openai/deployments/llama-3.1-8b/chat/completions",
            json!({"messages": []}),
            OK,
        ),
        (
            "/openai/deployments/qwen-3-32b/chat/completions",
            json!({"messages": []}),
            denied,
        ),
        (
            "/openai/deployments/llama-3.1-8b/chat/completions",
            chat("another"),
            (400, Some("ambiguous_model")),
        ),
    ] {
        let request = Wire::new("POST", path)
            .header("x-api-key", GLOBEX_KEY)
            .body(body.to_string());
        let answer = gateway.connect().exchange(&request);
        assert_eq!(answer.verdict(), verdict, "{path} {body}: {answer:?}");
    }
    let served = gateway.stop();
    assert_eq!(served.iter().filter(|seen| seen.complete).count(), 2);
}

#[test]
fn an_operation_outside_the_table_is_refused_to_strangers_too() {
    let gateway = Gateway::start();
    let answer = gateway
        .connect()
        .exchange(&Wire::new("POST", "/sleep").body("{}"));
    assert!([401, 403].contains(&answer.status), "{answer:?}");
    assert!(gateway.stop().is_empty());
}

#[test]
fn upgrades_and_connect_are_refused() {
    let gateway = Gateway::start();
    let upgrade = by_acme("GET", "/v1/models")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    for (name, request) in [
        ("upgrade", upgrade),
        ("connect", by_acme("CONNECT", "gateway:80")),
    ] {
        let answer = gateway.connect().exchange(&request);
        assert!((400..500).contains(&answer.status), "{name}: {answer:?}");
    }
    assert!(gateway.stop().is_empty());
}

#[test]
fn a_websocket_is_answered_so_that_the_client_takes_plain_http() {
    let file = std::fs::read_to_string(repository().join("envoy/local.yaml")).unwrap();
    let mut shipped = documents(&file).unwrap().remove(0);
    let shipped = connection_manager(&mut shipped)["local_reply_config"].take();
    let upgrades = json!([{"upgrade_type": "websocket"}]);
    for (name, member, value, expected) in [
        (
            "upgrades are configured",
            "upgrade_configs",
            upgrades,
            (426, Some("websocket_not_allowed")),
        ),
        (
            "they are not, as in the bootstraps",
            "local_reply_config",
            shipped,
            (426, None),
        ),
    ] {
        let gateway = Gateway::builder()
            .amended(move |bootstrap| connection_manager(bootstrap)[member] = value)
            .start();
        for protocol in ["websocket", "WebSocket"] {
            let upgrade = by_acme("GET", "/v1/responses")
                .header("connection", "Upgrade")
                .header("upgrade", protocol);
            let answer = gateway.connect().exchange(&upgrade);
            assert_eq!(answer.verdict(), expected, "{name}: {answer:?}");
        }
        let other = gateway.connect().exchange(&by_acme("GET", "/v1/responses"));
        assert_eq!(other.verdict(), REFUSED, "{name}: no upgrade");
        assert!(gateway.stop().is_empty(), "{name}");
    }
}

#[test]
fn a_preflight_passes_without_a_credential_and_nothing_else_looks_like_one() {
    let preflight =
        || Wire::new("OPTIONS", "/v1/chat/completions").header("origin", "https://app.example");
    let gateway = Gateway::start();
    for (name, request, served) in [
        (
            "preflight",
            preflight().header("access-control-request-method", "POST"),
            true,
        ),
        ("without a requested method", preflight(), false),
        (
            "without an origin",
            Wire::new("OPTIONS", "/v1/chat/completions")
                .header("access-control-request-method", "POST"),
            false,
        ),
        (
            "with a body",
            preflight()
                .header("access-control-request-method", "POST")
                .body("{}"),
            false,
        ),
        (
            "as a POST",
            Wire::new("POST", "/v1/chat/completions")
                .header("origin", "https://app.example")
                .header("access-control-request-method", "POST")
                .body(chat(LLAMA).to_string()),
            false,
        ),
    ] {
        let answer = gateway.connect().exchange(&request);
        assert_eq!(answer.status == 200, served, "{name}: {answer:?}");
    }
    assert_eq!(
        gateway.stop().iter().filter(|seen| seen.complete).count(),
        1
    );
}

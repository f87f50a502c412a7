//! What the upstream gets of a credential, in each mode of `credentials.forward`.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, chat, config};
use crate::harness::{Gateway, Seen, Token, Wire};

/// Every line of the upstream's request that is a credential, or looks like one.
fn credentials(seen: &Seen) -> Vec<String> {
    let sources = ["authorization", "x-api-key", "api-key"];
    let lines = seen.headers.iter().filter(|(name, value)| {
        let folded = name.to_lowercase().replace('_', "-");
        sources.contains(&folded.as_str()) || String::from_utf8_lossy(value).contains("sk-")
    });
    lines
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
        .collect()
}

/// The demo with a model for everybody and this mode.
fn gateway(forward: Value) -> Gateway {
    let mut config = config();
    config["models"]["open"] = json!({"access": "anonymous"});
    config["credentials"] = json!({"forward": forward});
    Gateway::builder()
        .config(config)
        .environment("VLLM_API_KEY", "sk-upstream\n")
        .start()
}

#[test]
fn the_upstream_gets_of_a_credential_what_the_mode_says() {
    let key = format!("Bearer {ACME_KEY}");
    let token = format!("Bearer {}", Token::with_groups(&["sales"]).sign());
    let post = || Wire::new("POST", "/v1/chat/completions");
    let sources = |request: Wire| {
        request
            .header("Authorization", &key)
            .header("X-API-Key", ACME_KEY)
            .header("x_api_key", ACME_KEY)
    };
    let requests = [
        (
            "allowed by key",
            sources(post()).body(chat(LLAMA).to_string()),
        ),
        (
            "allowed by token",
            post()
                .header("authorization", &token)
                .body(chat(LLAMA).to_string()),
        ),
        ("anonymous", post().body(chat("open").to_string())),
        ("public", sources(Wire::new("GET", "/health"))),
        (
            "preflight",
            sources(Wire::new("OPTIONS", "/v1/chat/completions"))
                .header("origin", "https://app.example")
                .header("access-control-request-method", "POST"),
        ),
    ];
    let own = || vec!["authorization: Bearer sk-upstream".to_owned()];
    let none = Vec::new;
    let rows: [(Value, [Vec<String>; 5]); 3] = [
        (json!("strip"), [none(), none(), none(), none(), none()]),
        (
            json!("keep"),
            [
                vec![format!("authorization: {key}")],
                vec![format!("authorization: {token}")],
                none(),
                none(),
                none(),
            ],
        ),
        (
            json!({"env": "VLLM_API_KEY"}),
            [own(), own(), own(), own(), none()],
        ),
    ];
    for (mode, expected) in rows {
        let gateway = gateway(mode.clone());
        for ((name, request), expected) in requests.iter().zip(expected) {
            let answer = gateway.connect().exchange(request);
            assert_eq!(answer.verdict(), (200, None), "{mode}, {name}: {answer:?}");
            let seen = gateway.seen();
            assert_eq!(
                credentials(seen.last().unwrap()),
                expected,
                "{mode}, {name}"
            );
        }
        assert_eq!(gateway.seen().len(), requests.len(), "{mode}");
        assert!(!gateway.log().contains("sk-"), "{mode}: {}", gateway.log());
    }
}

#[test]
fn envoy_does_not_start_without_the_upstreams_key() {
    let mut config = config();
    config["credentials"] = json!({"forward": {"env": "VLLM_API_KEY"}});
    let lines = Gateway::builder().config(config).start_refused();
    let complaint = "credentials.forward.env: the variable is unset or empty";
    assert!(
        lines.iter().any(|line| line.contains(complaint)),
        "{}",
        lines.join("\n")
    );
}

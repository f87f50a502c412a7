//! What comes from the gateway's environment: keys, and the upstream's own key.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, QWEN, chat, config, key_hash};
use crate::harness::{Gateway, send};

/// The demo with `TEAM_KEYS` for globex in this format.
fn config_from(format: &str) -> Value {
    let mut config = config();
    config["keysFrom"] = json!([{"env": "TEAM_KEYS", "format": format, "tenant": "globex"}]);
    config
}

#[test]
fn keys_of_the_environment_are_as_good_as_any() {
    let hashes = format!(
        "team-1={}\nteam-2={}",
        key_hash("sk-one-0123456789"),
        key_hash("sk-two-0123456789")
    );
    for (format, text) in [
        ("plain", " sk-one-0123456789,\nsk-two-0123456789,"),
        ("hashes", &hashes),
    ] {
        let gateway = Gateway::builder()
            .config(config_from(format))
            .environment("TEAM_KEYS", text)
            .start();
        for (key, model, verdict) in [
            ("sk-one-0123456789", LLAMA, (200, None)),
            ("sk-two-0123456789", LLAMA, (200, None)),
            ("sk-two-0123456789", QWEN, (403, Some("model_not_allowed"))),
            (
                "sk-three-0123456789",
                LLAMA,
                (401, Some("invalid_credential")),
            ),
            (ACME_KEY, QWEN, (200, None)),
        ] {
            let request = gateway.post("/v1/chat/completions").bearer_auth(key);
            let answer = send(request.json(&chat(model)));
            assert_eq!(
                answer.verdict(),
                verdict,
                "{format}, {key} asks for {model}"
            );
        }
        let tenants: Vec<String> = gateway
            .seen()
            .iter()
            .filter(|seen| seen.complete)
            .flat_map(|seen| seen.values("x-tollgate-tenant"))
            .collect();
        assert_eq!(tenants, ["globex", "globex", "acme"], "{format}");
    }
}

#[test]
fn envoy_does_not_start_without_the_variable_and_logs_nothing_of_a_bad_one() {
    let unset = "keysFrom[0].env: the variable is unset or empty";
    let spaced = "keysFrom[0].env[1]: expected a key of 1 to 512 visible ASCII characters";
    for (text, complaint) in [
        (None, unset),
        (Some(""), unset),
        (
            Some("sk-one-0123456789,sk-two-secret sk-three-secret"),
            spaced,
        ),
        (
            Some("sk-one-0123456789-secret,alice"),
            "keysFrom[0].env[1]: expected a key of 16 characters or more, got 5",
        ),
        (
            Some(r#""sk-one-0123456789-secret""#),
            "keysFrom[0].env[0]: expected a key, got a key in quotes",
        ),
    ] {
        let mut builder = Gateway::builder().config(config_from("plain"));
        if let Some(text) = text {
            builder = builder.environment("TEAM_KEYS", text);
        }
        let lines = builder.start_refused();
        assert!(
            lines.iter().any(|line| line.contains(complaint)),
            "{text:?}: {}",
            lines.join("\n")
        );
        assert!(
            lines.iter().all(|line| !line.contains("-secret")),
            "{text:?}: {}",
            lines.join("\n")
        );
    }
}

#[test]
fn a_key_of_models_as_a_service_is_known_by_the_hash_that_is_kept_of_it() {
    let maas_hash =
        |id: &str, secret: &str| key_hash(&format!("{id}\0{secret}")).replace("sha256:", "maas:");
    let mut config = config_from("hashes");
    config["keys"][0]["keyHash"] = json!(maas_hash("AAA", "BBB"));
    let gateway = Gateway::builder()
        .config(config)
        .environment("TEAM_KEYS", &format!("team={}", maas_hash("CCC", "DDD")))
        .start();
    for (key, model, verdict) in [
        ("sk-oai-AAA_BBB", QWEN, (200, None)),
        ("sk-oai-CCC_DDD", LLAMA, (200, None)),
        ("sk-oai-CCC_DDD", QWEN, (403, Some("model_not_allowed"))),
        ("sk-oai-AAA_DDD", LLAMA, (401, Some("invalid_credential"))),
        ("AAA_BBB", LLAMA, (401, Some("invalid_credential"))),
    ] {
        let request = gateway.post("/v1/chat/completions").bearer_auth(key);
        let answer = send(request.json(&chat(model)));
        assert_eq!(answer.verdict(), verdict, "{key} asks for {model}");
    }
}

//! Headers that only the gateway may say: whatever a client sends, the upstream sees the filter's own, once.

use serde_json::json;

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, chat, config};
use crate::harness::{Frames, Gateway, Seen, Wire, send};

/// The headers of the inference scheduler, each before its deprecated alias, and other names by which a client would steer
/// a gateway, a router or a server.
const OWNED: &[&str] = &[
    "x-llm-d-inference-fairness-id",
    "x-gateway-inference-fairness-id",
    "x-llm-d-inference-objective",
    "x-gateway-inference-objective",
    "x-llm-d-model-name-rewrite",
    "x-gateway-model-name-rewrite",
    "x-llm-d-slo-ttft-ms",
    "x-slo-ttft-ms",
    "x-llm-d-slo-tpot-ms",
    "x-slo-tpot-ms",
    "x-gateway-destination-endpoint",
    "x-gateway-destination-endpoint-subset",
    "x-gateway-destination-endpoint-served",
    "x-tollgate-tenant",
    "x-tollgate-anything",
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-alt-stat-name",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-prefiller-host-port",
    "x-prefiller-url",
    "x-encoder-hosts-ports",
    "x-kv-cache-source-host-port",
    "x-data-parallel-host-port",
    "x-data-parallel-rank",
    "epp-profile",
    "prefer",
    "test-epp-endpoint-selection",
    "x-target-worker",
    "x-body-compressed",
    "x-custom-labels",
    "x-worker-instance-id",
    "x-prefill-instance-id",
    "x-dp-rank",
    "x-prefill-dp-rank",
    "x-enable-local-updates",
    "x-priority",
    "target-pod",
    "routing-strategy",
    "external-filter",
    "config-profile",
    "user",
    "model",
    "serve-multiplexed-model-id",
    "x-request-timeout-seconds",
    "x-request-disconnect-disabled",
    "x-conversation-id",
    "x-selected-model",
    "x-label-selector",
    "x-seldon-route",
    "azureml-model-deployment",
    "x-goog-user-project",
    "x-original-method",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-original-path",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-method",
    "x-sendfile-type",
    "x-envoy-original-dst-host",
    "x-envoy-fault-abort-request",
    "x-envoy-attempt-count",
    "x-eg-internal-geo",
    "x-aigw-api-key",
    "x-vllm-priority",
    "x-override-bootstrap-host",
    "x-smg-target-worker",
    "x-sglext-ids-framed",
    "x-dynamo-request-priority",
    "x-epp-inject-nvext-token-data",
    "x-aibrix-session",
    "target-pod-ip",
    "prefill-target-pod-ip",
    "x-serve-router-kv-token-key",
    "x-litellm-priority",
    "x-pass-x-prefiller-host-port",
    "x-portkey-custom-host",
    "x-vsr-skip-processing",
    "knative-serving-revision",
    "seldon-model",
    "x-http-host-override",
    "x-accel-mapping",
];

const CREDENTIALS: &[&str] = &["authorization", "x-api-key", "api-key"];

type Lines = Vec<(String, String)>;

/// Ways to send one name; every value is `forged`.
fn spellings(name: &str) -> Vec<(&'static str, Lines)> {
    let mixed: String = name
        .char_indices()
        .map(|(index, letter)| {
            if index % 2 == 0 {
                letter.to_ascii_uppercase()
            } else {
                letter
            }
        })
        .collect();
    let underscored = name.replace('-', "_");
    let half_underscored = name.replacen('-', "_", 1);
    let line = |name: &str| (name.to_owned(), "forged".to_owned());
    vec![
        ("single", vec![line(name)]),
        ("doubled", vec![line(name), line(name)]),
        ("mixed case", vec![line(&mixed)]),
        ("doubled in two cases", vec![line(name), line(&mixed)]),
        ("underscores", vec![line(&underscored)]),
        ("one underscore", vec![line(&half_underscored)]),
        ("both spellings", vec![line(name), line(&underscored)]),
    ]
}

/// Every header of the upstream's request that is the gateway's to say, and every credential, sorted.
fn owned(seen: &Seen) -> Lines {
    let prefixes = ["x-llm-d-", "x-gateway-", "x-slo-", "x-tollgate-"];
    let mut lines: Lines = seen
        .headers
        .iter()
        .filter(|(name, value)| {
            let folded = name.to_lowercase().replace('_', "-");
            prefixes.iter().any(|prefix| folded.starts_with(prefix))
                || OWNED.contains(&folded.as_str())
                || CREDENTIALS.contains(&folded.as_str())
                || value == b"forged"
        })
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    lines.sort();
    lines
}

fn lines(expected: &[(&str, &str)]) -> Lines {
    expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn acme() -> Lines {
    lines(&[
        ("x-gateway-inference-fairness-id", "acme"),
        ("x-llm-d-inference-fairness-id", "acme"),
        ("x-tollgate-tenant", "acme"),
    ])
}

fn globex() -> Lines {
    lines(&[
        ("x-gateway-inference-fairness-id", "globex"),
        ("x-gateway-inference-objective", "batch"),
        ("x-llm-d-inference-fairness-id", "globex"),
        ("x-llm-d-inference-objective", "batch"),
        ("x-tollgate-tenant", "globex"),
    ])
}

#[test]
fn the_objective_of_a_key_comes_before_that_of_its_tenant() {
    let mut config = config();
    config["keys"][1]["objective"] = json!("urgent");
    let gateway = Gateway::builder().config(config).start();
    let chat = gateway.post("/v1/chat/completions").json(&chat(LLAMA));
    assert_eq!(send(chat.bearer_auth(GLOBEX_KEY)).status, 200);
    let seen = gateway.stop();
    for name in [
        "x-llm-d-inference-objective",
        "x-gateway-inference-objective",
    ] {
        assert_eq!(seen[0].values(name), ["urgent"], "{name}");
    }
}

/// A chat with a key, or the public path without one.
fn request(key: Option<&str>) -> Wire {
    key.map_or_else(
        || Wire::new("GET", "/health"),
        |key| {
            Wire::new("POST", "/v1/chat/completions")
                .header("Authorization", format!("Bearer {key}"))
        },
    )
}

fn with_body(request: Wire, key: Option<&str>) -> Wire {
    if key.is_some() {
        request.body(chat(LLAMA).to_string())
    } else {
        request
    }
}

/// Sends `forged` lines and gives what the upstream saw of the gateway's own headers.
fn forwarded(gateway: &Gateway, key: Option<&str>, forged: &Lines, case: &str) -> Lines {
    let before = gateway.seen().len();
    let mut wire = request(key);
    for (name, value) in forged {
        wire = wire.header(name, value);
    }
    let answer = gateway.connect().exchange(&with_body(wire, key));
    assert_eq!(answer.verdict(), (200, None), "{case}: {answer:?}");
    let seen = gateway.seen();
    assert_eq!(seen.len(), before + 1, "{case}");
    owned(&seen[before])
}

#[test]
fn the_upstream_sees_only_what_the_filter_says_whatever_the_client_forges() {
    let gateway = Gateway::start();
    for (identity, key, expected) in [
        ("acme", Some(ACME_KEY), acme()),
        ("globex", Some(GLOBEX_KEY), globex()),
        ("public path", None, lines(&[])),
    ] {
        for name in OWNED {
            for (spelling, forged) in spellings(name) {
                let case = format!("{identity}, {name}, {spelling}");
                assert_eq!(forwarded(&gateway, key, &forged, &case), expected, "{case}");
            }
        }
    }
}

#[test]
fn a_canonical_name_and_its_alias_together_change_nothing() {
    let gateway = Gateway::start();
    let pairs = OWNED.windows(2).map(|pair| {
        pair.iter()
            .map(|name| ((*name).to_owned(), "forged".to_owned()))
            .collect()
    });
    let all: Lines = OWNED
        .iter()
        .map(|name| ((*name).to_owned(), "forged".to_owned()))
        .collect();
    for forged in pairs.chain([all]) {
        let case = format!("{forged:?}");
        assert_eq!(
            forwarded(&gateway, Some(ACME_KEY), &forged, &case),
            acme(),
            "acme, {case}"
        );
        assert_eq!(
            forwarded(&gateway, Some(GLOBEX_KEY), &forged, &case),
            globex(),
            "globex, {case}"
        );
        assert_eq!(
            forwarded(&gateway, None, &forged, &case),
            lines(&[]),
            "public path, {case}"
        );
    }
}

#[test]
fn nothing_forged_passes_on_the_ways_that_ask_for_no_identity() {
    let open_model = chat("public/tiny").to_string();
    let asks = || Wire::new("POST", "/v1/chat/completions");
    let rows = [
        ("public path", "enforce", Wire::new("GET", "/health"), ""),
        (
            "preflight",
            "enforce",
            Wire::new("OPTIONS", "/v1/chat/completions")
                .header("origin", "https://app.example")
                .header("access-control-request-method", "POST"),
            "",
        ),
        ("anonymous", "enforce", asks(), open_model.as_str()),
        ("audit", "audit", asks(), &chat(LLAMA).to_string()),
        ("open", "open", asks(), &chat(LLAMA).to_string()),
    ];
    for (name, mode, wire, body) in rows {
        let mut config = config();
        config["mode"] = json!(mode);
        config["models"]["public/*"] = json!({"access": "anonymous"});
        let gateway = Gateway::builder().config(config).start();
        for owned_name in OWNED {
            for (spelling, forged) in spellings(owned_name) {
                let mut wire = wire.clone();
                for (header, value) in forged {
                    wire = wire.header(&header, value);
                }
                let wire = if body.is_empty() {
                    wire
                } else {
                    wire.body(body)
                };
                let answer = gateway.connect().exchange(&wire);
                let case = format!("{name}, {owned_name}, {spelling}");
                assert_eq!(answer.verdict(), (200, None), "{case}: {answer:?}");
            }
        }
        for seen in gateway.stop() {
            assert_eq!(owned(&seen), lines(&[]), "{name}: {seen:?}");
        }
    }
}

#[test]
fn no_credential_reaches_the_upstream() {
    let gateway = Gateway::start();
    let bearer = format!("Bearer {ACME_KEY}");
    let all = lines(&[("X-API-Key", ACME_KEY), ("Api-Key", ACME_KEY)]);
    let lone = lines(&[("aPI-kEY", ACME_KEY)]);
    for (name, key, forged, expected) in [
        ("bearer", Some(ACME_KEY), lines(&[]), acme()),
        (
            "every source with the same key",
            Some(ACME_KEY),
            all.clone(),
            acme(),
        ),
        (
            "public path with every source",
            None,
            [all, lines(&[("authorization", &bearer)])].concat(),
            lines(&[]),
        ),
        ("public path with one source", None, lone, lines(&[])),
    ] {
        assert_eq!(forwarded(&gateway, key, &forged, name), expected, "{name}");
    }
}

#[test]
fn a_client_header_of_its_own_passes_untouched() {
    let gateway = Gateway::start();
    let mine = lines(&[
        ("x-slow", "1"),
        ("x-llm", "2"),
        ("x-gate", "3"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ]);
    let mut wire = request(Some(ACME_KEY));
    for (name, value) in &mine {
        wire = wire.header(name, value);
    }
    assert_eq!(
        gateway
            .connect()
            .exchange(&with_body(wire, Some(ACME_KEY)))
            .status,
        200
    );
    let seen = gateway.seen();
    for (name, value) in &mine {
        assert_eq!(seen[0].values(name), [value.as_str()], "{name}");
    }
}

#[test]
fn a_metered_request_does_not_ask_the_upstream_for_an_encoding() {
    let gateway = Gateway::start();
    let wire = request(Some(ACME_KEY))
        .header("Accept-Encoding", "gzip, br")
        .header("accept-encoding", "zstd");
    assert_eq!(
        gateway
            .connect()
            .exchange(&with_body(wire, Some(ACME_KEY)))
            .status,
        200
    );
    assert_eq!(gateway.seen()[0].values("accept-encoding"), [""; 0]);
}

#[test]
fn trailers_carry_nothing_that_is_not_the_clients_to_say() {
    let body = chat(LLAMA).to_string();
    let ask = |gateway: &Gateway| {
        gateway.exchange_http2(&Frames {
            method: "POST",
            path: "/v1/chat/completions",
            headers: &[("x-api-key", ACME_KEY)],
            frames: vec![body.as_bytes()],
            trailers: true,
        })
    };
    let gateway = Gateway::builder().http2_upstream().start();
    assert_eq!(ask(&gateway).verdict(), (200, None));
    assert_eq!(gateway.stop()[0].trailers, ["x-checksum"]);
    // Envoy alone lets them pass.
    let gateway = Gateway::builder().without_filter().http2_upstream().start();
    assert_eq!(ask(&gateway).status, 200);
    assert_eq!(gateway.stop()[0].trailers.len(), 7);
}

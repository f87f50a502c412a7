mod admitted;
mod bodies;
mod credentials;
mod stream_usage;
mod trusted_headers;

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::attribute::Attribute;
use crate::fixtures::{self, ACME_KEY, GLOBEX_KEY, no_token, request};

/// The changes of a request that is admitted.
fn forwarded(
    policy: &Rc<Policy>,
    headers: &HeaderMap,
    claims: &dyn Fn(&[&str]) -> Attribute,
) -> Changes {
    let has_body = headers.first(":method") == Some(b"POST");
    let (exchange, host) = fixtures::begin(policy, headers, has_body, claims);
    assert_eq!(exchange.denial(), None);
    host.changes()
}

/// The changes that a request needs, as `-name`, `name: value` and the new path.
fn changes(
    policy: &Rc<Policy>,
    headers: &HeaderMap,
    claims: &dyn Fn(&[&str]) -> Attribute,
) -> Vec<String> {
    let changes = forwarded(policy, headers, claims);
    let removed = changes
        .remove
        .iter()
        .map(|name| format!("-{}", String::from_utf8_lossy(name)));
    let set = changes
        .set
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    let named = changes
        .named
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    removed
        .chain(set)
        .chain(named)
        .chain(changes.path)
        .collect()
}

fn demo_changes(key: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let policy = fixtures::policy(&fixtures::demo());
    let headers = [headers, &[("x-api-key", key)]].concat();
    changes(&policy, &fixtures::chat(&headers), &no_token)
}

const ACME: [&str; 6] = [
    "-x-api-key",
    "x-llm-d-inference-fairness-id: acme",
    "x-gateway-inference-fairness-id: acme",
    "x-llm-d-inference-objective: interactive",
    "x-gateway-inference-objective: interactive",
    "x-tollgate-tenant: acme",
];

#[wasm_bindgen_test(unsupported = test)]
fn strips_the_credential_and_sets_what_the_scheduler_trusts() {
    assert_eq!(demo_changes(ACME_KEY, &[]), ACME);
    assert_eq!(
        demo_changes(GLOBEX_KEY, &[]),
        [
            "-x-api-key",
            "x-llm-d-inference-fairness-id: globex",
            "x-gateway-inference-fairness-id: globex",
            "x-tollgate-tenant: globex",
        ],
        "no objective, no header"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn further_headers_carry_the_tenant_and_no_client_sets_them() {
    let mut config = fixtures::demo();
    config["headers"] = serde_json::json!({"tenant": ["X-AI-EG-Tenant", "x-team"]});
    config["models"]["open"] = serde_json::json!({"access": "anonymous"});
    let policy = fixtures::policy(&config);
    let forged = [("x-ai-eg-tenant", "globex"), ("x_team", "globex")];
    let with_key = [&forged[..], &[("x-api-key", ACME_KEY)]].concat();
    let mut expected = ACME.map(str::to_owned).to_vec();
    expected.insert(0, "-x_team".into());
    expected.extend(["x-ai-eg-tenant: acme".into(), "x-team: acme".into()]);
    let found = changes(&policy, &fixtures::chat(&with_key), &no_token);
    assert_eq!(found, expected);
    let anonymous = changes(&policy, &fixtures::chat(&forged), &no_token);
    assert_eq!(anonymous, ["-x-ai-eg-tenant", "-x_team"], "nobody");
}

#[wasm_bindgen_test(unsupported = test)]
fn the_objective_of_a_key_comes_before_that_of_its_tenant() {
    let mut config = fixtures::demo();
    config["keys"][0]["objective"] = "batch".into();
    config["keys"][1]["objective"] = "urgent".into();
    let policy = fixtures::policy(&config);
    let objective = |key| {
        let lines = changes(&policy, &fixtures::chat(&[("x-api-key", key)]), &no_token);
        let mut objectives = lines
            .into_iter()
            .filter(|line| line.contains("inference-objective"));
        (objectives.next(), objectives.next(), objectives.next())
    };
    let both = |value: &str| {
        let line = |name: &str| Some(format!("x-{name}-inference-objective: {value}"));
        (line("llm-d"), line("gateway"), None)
    };
    assert_eq!(
        objective(ACME_KEY),
        both("batch"),
        "in place of the tenant's"
    );
    assert_eq!(
        objective(GLOBEX_KEY),
        both("urgent"),
        "where the tenant has none"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn removes_every_owned_name_however_it_is_spelled() {
    for name in [
        "x-llm-d-model-name-rewrite",
        "x-gateway-model-name-rewrite",
        "x-llm-d-slo-ttft-ms",
        "x-slo-tpot-ms",
        "x-gateway-destination-endpoint",
        "x_gateway_destination_endpoint",
        "x_llm-d_inference_fairness_id",
        "X-LLM-D-INFERENCE-FAIRNESS-ID",
        "x-tollgate-user",
        "x-prefiller-host-port",
        "X_Prefiller-Host_Port",
        "x-envoy-original-dst-host",
        "serve_multiplexed_model_id",
        "target-pod",
        "x-pass-x-tollgate-tenant",
        "x-http-method-override",
        "x-envoy-max-retries",
        "x-envoy-upstream-rq-timeout-ms",
        "x_ai_eg_model",
        "api_key",
        "authorization_",
    ] {
        let expected = format!("-{name}");
        let kept = name == "authorization_";
        assert_eq!(
            demo_changes(ACME_KEY, &[(name, "spoofed")]).contains(&expected),
            !kept,
            "{name}"
        );
    }
    let invalid: HeaderMap = [
        (&b":method"[..], &b"POST"[..]),
        (b"x-llm-d-\xff", b"spoofed"),
    ]
    .into_iter()
    .collect();
    let policy = fixtures::policy(&fixtures::demo());
    assert_eq!(
        removals(&invalid, &policy),
        [b"x-llm-d-\xff"],
        "a name that is no text"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_header_that_is_set_is_not_removed_first() {
    let spoofed = [
        ("x-llm-d-inference-fairness-id", "vip"),
        ("x-llm-d-inference-fairness-id", "vip2"),
    ];
    assert_eq!(demo_changes(ACME_KEY, &spoofed), ACME);
    assert_eq!(
        demo_changes(GLOBEX_KEY, &[("x-llm-d-inference-objective", "critical")])[..2],
        ["-x-llm-d-inference-objective", "-x-api-key"],
        "one that is not set is"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn leaves_other_headers_and_the_agreeing_model_header_alone() {
    let others = [
        ("user-agent", "curl"),
        ("x-ai-eg-model", "llama-3.1-8b"),
        ("x-request-id", "1"),
        ("x-llm-dx", "1"),
    ];
    assert_eq!(demo_changes(ACME_KEY, &others), ACME);
}

#[wasm_bindgen_test(unsupported = test)]
fn asks_for_a_reply_that_can_be_counted() {
    assert_eq!(
        demo_changes(ACME_KEY, &[("accept-encoding", "gzip, br")])[1],
        "-accept-encoding"
    );
    let policy = fixtures::policy(&fixtures::demo());
    let health = request("GET", "/health", &[("accept-encoding", "gzip")]);
    assert_eq!(
        changes(&policy, &health, &no_token),
        Vec::<String>::new(),
        "where nothing is counted"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn spells_the_boundary_of_a_form_as_every_server_reads_it() {
    let policy = fixtures::policy(&fixtures::demo());
    for (content_type, expected) in [
        ("multipart/form-data; boundary=a-b", None),
        (
            "Multipart/form-data;boundary=\"a-b\"",
            Some("content-type: multipart/form-data; boundary=a-b"),
        ),
    ] {
        let headers = [("x-api-key", ACME_KEY), ("content-type", content_type)];
        let upload = request("POST", "/v1/audio/transcriptions", &headers);
        let changes = changes(&policy, &upload, &no_token);
        let found = changes
            .iter()
            .find(|change| change.starts_with("content-type"));
        assert_eq!(found.map(String::as_str), expected, "{content_type}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn asks_for_the_whole_list_of_models_as_it_is() {
    let policy = fixtures::policy(&fixtures::demo());
    let conditions = [
        ("accept-encoding", "gzip"),
        ("if-none-match", "\"1\""),
        ("range", "bytes=0-9"),
    ];
    let headers = [&conditions[..], &[("x-api-key", GLOBEX_KEY)]].concat();
    let list = request("GET", "/v1/models", &headers);
    let changes = changes(&policy, &list, &no_token);
    for (name, _) in conditions {
        assert!(changes.contains(&format!("-{name}")), "{name}: {changes:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_public_path_is_stripped_like_any_other_and_gets_no_identity() {
    let policy = fixtures::policy(&fixtures::demo());
    let headers = [
        ("authorization", "Bearer sk"),
        ("x-gateway-inference-fairness-id", "vip"),
        ("x-tollgate-tenant", "acme"),
    ];
    assert_eq!(
        changes(&policy, &request("GET", "/health", &headers), &no_token),
        [
            "-authorization",
            "-x-gateway-inference-fairness-id",
            "-x-tollgate-tenant"
        ]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn credentials_in_the_query_go_on_on_no_path() {
    let mut config = fixtures::demo();
    config["extraPaths"] =
        serde_json::json!([{"method": "GET", "path": "/wake", "groups": ["research"]}]);
    let policy = fixtures::policy(&config);
    let key = [("x-api-key", ACME_KEY)];
    for (method, path) in [
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
        ("GET", "/wake"),
        ("GET", "/health"),
    ] {
        let headers = request(method, &format!("{path}?a=1&key=sk"), &key);
        let changed = changes(&policy, &headers, &no_token).pop();
        assert_eq!(changed, Some(format!("{path}?a=1")));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_fairness_id_comes_from_key_or_user_and_where_there_is_none_from_the_tenant() {
    let fairness = |from: &str, headers: &[(&str, &str)], claims: &dyn Fn(&[&str]) -> Attribute| {
        let mut config = fixtures::demo();
        config["fairness"] = serde_json::json!({"from": from});
        let lines = changes(&fixtures::policy(&config), &fixtures::chat(headers), claims);
        lines
            .into_iter()
            .find(|line| line.starts_with("x-llm-d-inference-fairness-id"))
    };
    let key = [("x-api-key", ACME_KEY)];
    let bearer = [("authorization", "Bearer a.b.c")];
    let token = fixtures::token(&[("iss", fixtures::ISSUER), ("sub", "alice@example.com")]);
    let spaced = fixtures::token(&[("iss", fixtures::ISSUER), ("sub", "alice smith")]);
    let line = |value: &str| Some(format!("x-llm-d-inference-fairness-id: {value}"));
    assert_eq!(fairness("key", &key, &no_token), line("acme-demo"));
    assert_eq!(
        fairness("key", &bearer, &token),
        line("globex"),
        "a token has no key"
    );
    assert_eq!(fairness("user", &bearer, &token), line("alice@example.com"));
    assert_eq!(
        fairness("user", &bearer, &spaced),
        line("globex"),
        "a value that is no label"
    );
    assert_eq!(
        fairness("user", &key, &no_token),
        line("acme"),
        "a key has no user"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn passes_what_clients_and_filters_in_front_write() {
    for (name, value) in [
        ("x-envoy-internal", "true"),
        ("x-envoy-peer-metadata-id", "sidecar"),
        ("x-request-id", "5ad0b1e7-2b4e-4a7c-9d5b-3f1c2a7e9b10"),
        ("x-stainless-lang", "python"),
        ("anthropic-version", "2023-06-01"),
        ("traceparent", "00-1-2-00"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-session-id", "s"),
        ("users", "u"),
        ("x-team", "t"),
    ] {
        assert_eq!(demo_changes(ACME_KEY, &[(name, value)]), ACME, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn an_id_that_names_the_host_of_a_cache_is_removed() {
    let id = "cmpl-___prefill_addr_10.0.0.1:14579___decode_addr_10.0.0.2_0123456789abcdef";
    let changes = demo_changes(ACME_KEY, &[("x-request-id", id)]);
    assert_eq!(changes.first().map(String::as_str), Some("-x-request-id"));
}

#[wasm_bindgen_test(unsupported = test)]
fn the_configuration_adds_to_the_list_and_takes_from_it() {
    let mut config = fixtures::demo();
    config["headers"] = serde_json::json!({
        "strip": ["X-Team", "x-higress-*"],
        "allow": ["x-litellm-timeout", "x-portkey-*", "prefer"],
    });
    let policy = fixtures::policy(&config);
    for (name, removed) in [
        ("x-team", true),
        ("x_team", true),
        ("x-higress-llm-model", true),
        ("x-litellm-timeout", false),
        ("x-litellm-model", true),
        ("x-portkey-config", false),
        ("prefer", false),
        ("x-tollgate-tenant", true),
    ] {
        let headers = [(name, "forged")].into_iter().collect();
        assert_eq!(!removals(&headers, &policy).is_empty(), removed, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn trailers_lose_what_headers_lose_and_what_only_headers_may_say() {
    let policy = fixtures::policy(&fixtures::demo());
    let trailers = [
        "x-checksum",
        "x-prefiller-host-port",
        "x-ai-eg-model",
        "x_ai_eg_model",
        "x-api-key",
        "content-type",
        "Content_Type",
        "content-length",
        "transfer-encoding",
        "host",
        "authorization",
        "x-request-id",
        "grpc-status",
    ];
    let map = trailers.iter().map(|name| (*name, "x")).collect();
    let removed = trailer_removals(&map, &policy);
    let kept: Vec<_> = trailers
        .into_iter()
        .filter(|name| !removed.contains(&name.as_bytes().to_vec()))
        .collect();
    assert_eq!(kept, ["x-checksum", "grpc-status"]);
}

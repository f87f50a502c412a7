//! What passes of the headers of a gateway in front.

use super::*;
use crate::fixtures::key_hash;

const SECRET: &str = "a secret between two gateways";

fn policy() -> Rc<Policy> {
    let mut config = fixtures::demo();
    config["fairness"] = serde_json::json!({"from": {"attribute": "subscription"}});
    config["models"]["open"] = serde_json::json!({"access": "authenticated"});
    config["trustedHeaders"] = serde_json::json!({
        "proof": {"header": "x-front-proof", "secretHash": key_hash(SECRET)},
        "principalHeader": "x-maas-username",
        "attributesHeader": "x-gateway-attributes",
        "attributeHeaders": {"x-maas-subscription": "subscription"},
        "defaultTenant": "acme",
    });
    fixtures::policy(&config)
}

const FROM_FRONT: [(&str, &str); 6] = [
    ("x-maas-username", "alice"),
    ("x_maas_username", "mallory"),
    ("x-maas-subscription", "gold"),
    ("x-gateway-attributes", r#"{"teams":[]}"#),
    ("x-front-proof", SECRET),
    ("x_front-proof", "guess"),
];

#[wasm_bindgen_test(unsupported = test)]
fn with_the_proof_they_pass_save_the_proof_and_what_is_the_gateways_to_say() {
    assert_eq!(
        changes(&policy(), &fixtures::chat(&FROM_FRONT), &no_token),
        [
            "-x_maas_username",
            "-x-gateway-attributes",
            "-x-front-proof",
            "-x_front-proof",
            "x-llm-d-inference-fairness-id: gold",
            "x-gateway-inference-fairness-id: gold",
            "x-llm-d-inference-objective: interactive",
            "x-gateway-inference-objective: interactive",
            "x-tollgate-tenant: acme",
        ]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn without_the_proof_and_where_nobody_is_asked_none_passes() {
    let policy = policy();
    let all_but_proof = &FROM_FRONT[..4];
    let stripped = [
        "-x-maas-username",
        "-x_maas_username",
        "-x-maas-subscription",
        "-x-gateway-attributes",
    ];
    let by_key = [all_but_proof, &[("x-api-key", GLOBEX_KEY)]].concat();
    let found = changes(&policy, &fixtures::chat(&by_key), &no_token);
    assert_eq!(
        found,
        [
            &stripped[..],
            &[
                "-x-api-key",
                "x-llm-d-inference-fairness-id: globex",
                "x-gateway-inference-fairness-id: globex",
                "x-tollgate-tenant: globex"
            ]
        ]
        .concat(),
        "a key has no attribute, so the tenant is its fairness id"
    );
    let preflight = [
        ("origin", "https://app"),
        ("access-control-request-method", "POST"),
    ];
    for (name, headers) in [
        ("public", request("GET", "/health", &FROM_FRONT)),
        (
            "preflight",
            request(
                "OPTIONS",
                "/v1/models",
                &[&FROM_FRONT[..], &preflight].concat(),
            ),
        ),
    ] {
        assert_eq!(
            changes(&policy, &headers, &no_token),
            [&stripped[..], &["-x-front-proof", "-x_front-proof"]].concat(),
            "{name}"
        );
    }
    let trailers: HeaderMap = FROM_FRONT.into_iter().collect();
    assert_eq!(removals(&trailers, &policy).len(), 6, "trailers");
}

#[wasm_bindgen_test(unsupported = test)]
fn no_credential_passes_beside_them_even_where_credentials_are_kept() {
    let mut policy = policy();
    Rc::get_mut(&mut policy).unwrap().forwarding = Forwarding::Keep;
    let headers = [&FROM_FRONT[..], &[("x-api-key", GLOBEX_KEY)]].concat();
    let found = changes(&policy, &fixtures::chat(&headers), &no_token);
    assert!(found.contains(&"-x-api-key".to_owned()), "{found:?}");
}

#[wasm_bindgen_test(unsupported = test)]
fn an_attribute_that_is_no_label_leaves_the_tenant_as_the_fairness_id() {
    let long = "g".repeat(129);
    for (name, value) in [("a space", "gold plan"), ("too long", &long), ("empty", "")] {
        let headers = [
            ("x-maas-username", "alice"),
            ("x-maas-subscription", value),
            ("x-front-proof", SECRET),
        ];
        let found = changes(&policy(), &fixtures::chat(&headers), &no_token);
        let ids: Vec<_> = found
            .iter()
            .filter(|line| line.contains("fairness-id"))
            .collect();
        assert_eq!(
            ids,
            [
                "x-llm-d-inference-fairness-id: acme",
                "x-gateway-inference-fairness-id: acme"
            ],
            "{name}"
        );
    }
}

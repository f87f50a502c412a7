//! Routes that are chosen by the model, where a body-based router in front of the filter, or behind it, writes the headers.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat, config};
use crate::harness::{Gateway, Wire, connection_manager, filters, route};

/// Leaves no route but those by a header.
fn route_by(bootstrap: &mut Value, header: &str, models: &[&str]) {
    let plain = route(bootstrap).clone();
    let by_header = |model: &&str| {
        let mut route = plain.clone();
        route["match"]["headers"] = json!([{"name": header, "string_match": {"exact": model}}]);
        route
    };
    let routes: Vec<Value> = models.iter().map(by_header).collect();
    connection_manager(bootstrap)["route_config"]["virtual_hosts"][0]["routes"] = json!(routes);
}

#[test]
fn a_router_in_front_chooses_the_route_and_cannot_be_impersonated() {
    let mut config = config();
    config["models"]["sql-lora"] = json!({"groups": ["research"], "baseModel": LLAMA});
    let gateway = Gateway::builder()
        .config(config)
        .amended(|bootstrap| route_by(bootstrap, "x-gateway-base-model-name", &[LLAMA, QWEN]))
        .start();
    for (name, key, model, routed, base, verdict) in [
        ("a model", ACME_KEY, LLAMA, LLAMA, LLAMA, (200, None)),
        (
            "an adapter",
            ACME_KEY,
            "sql-lora",
            "sql-lora",
            LLAMA,
            (200, None),
        ),
        (
            "the name of another model",
            ACME_KEY,
            LLAMA,
            QWEN,
            LLAMA,
            (400, Some("ambiguous_model")),
        ),
        (
            "the base of another model",
            ACME_KEY,
            LLAMA,
            LLAMA,
            QWEN,
            (400, Some("ambiguous_model")),
        ),
        (
            "a model that is not the caller's",
            GLOBEX_KEY,
            LLAMA,
            QWEN,
            QWEN,
            (403, Some("model_not_allowed")),
        ),
    ] {
        let request = Wire::new("POST", "/v1/chat/completions")
            .header("authorization", format!("Bearer {key}"))
            .header("x-gateway-model-name", routed)
            .header("x-gateway-base-model-name", base)
            .body(chat(model).to_string());
        let answer = gateway.connect().exchange(&request);
        assert_eq!(answer.verdict(), verdict, "{name}: {answer:?}");
    }
    let served = gateway.stop();
    let whole = served.iter().filter(|seen| seen.complete);
    let names: Vec<_> = whole
        .map(|seen| {
            let value = |name| seen.values(name).join(",");
            (
                value("x-gateway-model-name"),
                value("x-gateway-base-model-name"),
            )
        })
        .collect();
    let named = |model: &str| (model.to_owned(), LLAMA.to_owned());
    assert_eq!(names, [named(LLAMA), named("sql-lora")]);
}

#[test]
fn a_router_behind_chooses_the_route_with_its_own_headers() {
    let gateway = Gateway::builder().amended(|bootstrap| {
        route_by(bootstrap, "x-gateway-model-name", &[LLAMA]);
        // In place of a router that reads the body.
        let router = json!({
            "name": "envoy.filters.http.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": {"request_mutations": [{"append": {
                    "header": {"key": "x-gateway-model-name", "value": LLAMA},
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"
                }}]}
            }
        });
        let filters = filters(bootstrap);
        filters.insert(filters.len() - 1, router);
    });
    let gateway = gateway.start();
    let request = Wire::new("POST", "/v1/chat/completions")
        .header("authorization", format!("Bearer {ACME_KEY}"))
        .body(chat(LLAMA).to_string());
    let answer = gateway.connect().exchange(&request);
    assert_eq!(answer.verdict(), (200, None), "{answer:?}");
    let seen = gateway.stop();
    assert_eq!(seen[0].values("x-gateway-model-name"), [LLAMA]);
}

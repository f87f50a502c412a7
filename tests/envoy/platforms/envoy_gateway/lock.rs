//! The second lock: `authorization` of a SecurityPolicy, and what a ClientTrafficPolicy removes before.

use serde_json::{Value, json};
use tollgate::owned_headers::OWNED;

use super::{PLUGIN, gateway, plugin, security, traffic, translate};
use crate::harness::demo::LLAMA;
use crate::harness::{filters, route, send};
use crate::platforms::lock;

pub(crate) const RBAC: &str = "envoy.filters.http.rbac";

/// The filter of `authorization`, if there is one.
pub(crate) fn authorizes(security: &Value) -> Option<Value> {
    let filter = json!({
        "name": RBAC,
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"}
    });
    security.get("authorization").map(|_| filter)
}

/// What a route says of that filter, if rules of the kind that the examples have are there: of one header each.
pub(crate) fn authorization(security: &Value) -> Option<Value> {
    let authorization = security.get("authorization")?;
    let action = |name: &Value, action: &Value| {
        let action = action.as_str().unwrap().to_uppercase();
        json!({"action": {"name": name, "typed_config": {
            "@type": "type.googleapis.com/envoy.config.rbac.v3.Action", "name": action, "action": action
        }}})
    };
    let rules = authorization["rules"].as_array().unwrap().iter();
    let matchers = rules.map(|rule| {
        assert_eq!(rule["principal"].as_object().unwrap().len(), 1, "{rule}");
        let headers = rule["principal"]["headers"].as_array().unwrap();
        let values = headers[0]["values"].as_array().unwrap();
        assert_eq!((headers.len(), values.len()), (1, 1), "{rule}");
        json!({
            "predicate": {"single_predicate": {
                "input": {"name": "http_header", "typed_config": {
                    "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                    "header_name": headers[0]["name"]
                }},
                "value_match": {"exact": values[0]}
            }},
            "on_match": action(&rule["name"], &rule["action"])
        })
    });
    Some(json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
        "rbac": {"matcher": {
            "matcher_list": {"matchers": matchers.collect::<Vec<_>>()},
            "on_no_match": action(&json!("default"), &authorization["defaultAction"])
        }}
    }))
}

/// What a ClientTrafficPolicy takes away before a route is chosen.
pub(crate) fn early_mutations(traffic: &Value) -> Value {
    let early = &traffic["headers"]["earlyRequestHeaders"];
    let exact = early["remove"].as_array().into_iter().flatten();
    let mut mutations: Vec<Value> = exact.map(|name| json!({"remove": name})).collect();
    for matched in early["removeOnMatch"].as_array().into_iter().flatten() {
        assert_eq!(matched["type"], "Prefix");
        mutations.push(json!({"remove_on_match": {"key_matcher": {"prefix": matched["value"]}}}));
    }
    if mutations.is_empty() {
        return json!([]);
    }
    json!([{
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": mutations
        }
    }])
}

/// Holds a ClientTrafficPolicy against the names that are the filter's to set.
pub(crate) fn assert_owned_names_are_removed_early(traffic: &Value) {
    let early = &traffic["headers"]["earlyRequestHeaders"];
    let names = early["remove"].as_array().unwrap();
    let prefixes = early["removeOnMatch"].as_array().unwrap();
    for owned in OWNED.iter().map(|owned| owned.name) {
        match owned.strip_suffix('*') {
            // Some that begin so are Envoy's own, so that those of the router are named one by one.
            Some("x-envoy-") => {}
            Some(prefix) => {
                let prefix = json!({"type": "Prefix", "value": prefix});
                assert!(prefixes.contains(&prefix), "{owned}");
            }
            None => assert!(names.contains(&json!(owned)), "{owned}"),
        }
    }
    for envoy in ["x-envoy-max-retries", "x-envoy-original-dst-host"] {
        assert!(names.contains(&json!(envoy)), "{envoy}");
    }
    // Other spellings of all these are refused before.
    assert_eq!(traffic["headers"]["withUnderscoresAction"], "RejectRequest");
    assert!(
        names.len() <= 64 && prefixes.len() <= 64,
        "the limit of the CRD"
    );
}

#[test]
fn early_removal_covers_every_name_that_the_filter_owns() {
    assert_owned_names_are_removed_early(&traffic());
}

/// Envoy Gateway changes routes at once, and a listener when all that it needs is there, or never if it is refused.
#[test]
fn where_tollgate_is_not_met_the_lock_lets_nothing_pass() {
    type Amend = fn(&mut Value);
    let gateway = |security: &Value, traffic: Value, amend: Amend| {
        let security = security.clone();
        gateway()
            .config(lock::with_everything_that_passes(&plugin()["config"]))
            .amended(move |bootstrap| {
                translate(bootstrap, &security, &traffic);
                amend(bootstrap);
            })
            .start()
    };
    let mut unlocked = security();
    unlocked.as_object_mut().unwrap().remove("authorization");

    lock::assert_open(&gateway(&security(), traffic(), |_| ()), "as it should be");
    let states: [(&str, Amend); 6] = [
        (
            "the policy has another name, the listener is that of before",
            |bootstrap| {
                route_enables(bootstrap, "envoyextensionpolicy/inference/renamed/wasm/0");
            },
        ),
        (
            "another plugin stands before it, the listener is that of before",
            |bootstrap| {
                route_enables(bootstrap, "envoyextensionpolicy/inference/tollgate/wasm/1");
            },
        ),
        ("the policy is gone from the routes", |bootstrap| {
            filters_of_route(bootstrap).remove(&format!("envoy.filters.http.wasm/{PLUGIN}"));
        }),
        (
            "the policy is gone from the routes and the listener",
            |bootstrap| {
                filters_of_route(bootstrap).remove(&format!("envoy.filters.http.wasm/{PLUGIN}"));
                filters(bootstrap).remove(1);
            },
        ),
        (
            "the listener has it under its new name, the routes enable the old one",
            |bootstrap| {
                filters(bootstrap)[1]["name"] =
                    json!("envoy.filters.http.wasm/envoyextensionpolicy/inference/renamed/wasm/0");
            },
        ),
        ("open where it cannot run", |bootstrap| {
            let config = &mut filters(bootstrap)[1]["typed_config"]["config"];
            config["fail_open"] = json!(true);
            config["configuration"]["value"] = json!("{}");
        }),
    ];
    for (state, amend) in states {
        lock::assert_closed(&gateway(&security(), traffic(), amend), state, "yes");
        lock::assert_nobody_asks(&gateway(&unlocked, traffic(), amend), state);
    }
}

fn filters_of_route(bootstrap: &mut Value) -> &mut serde_json::Map<String, Value> {
    let filters = &mut route(bootstrap)["typed_per_filter_config"];
    filters.as_object_mut().unwrap()
}

/// Has the route enable a plugin of another name in the place of ours.
fn route_enables(bootstrap: &mut Value, plugin: &str) {
    let filters = filters_of_route(bootstrap);
    let ours = filters
        .remove(&format!("envoy.filters.http.wasm/{PLUGIN}"))
        .unwrap();
    filters.insert(format!("envoy.filters.http.wasm/{plugin}"), ours);
}

#[test]
fn without_the_early_removal_a_client_opens_the_lock_where_tollgate_is_not_met() {
    let gateway = gateway()
        .amended(|bootstrap| {
            let mut traffic = traffic();
            traffic["headers"] = json!({});
            translate(bootstrap, &security(), &traffic);
            filters_of_route(bootstrap).remove(&format!("envoy.filters.http.wasm/{PLUGIN}"));
        })
        .start();
    let forged = gateway.chat(LLAMA).header(lock::HEADER, "yes");
    assert_eq!(send(forged).verdict(), (200, None));
}

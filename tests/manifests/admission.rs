//! The shipped admission policy, asked about policies as the API server would ask it.

use cel::Value as Cel;
use serde_json::{Value, json};
use tollgate_tests::manifest::example;

use crate::rules;

/// What the admission policy of Envoy Gateway's example says of a resource: its messages, none if it is let in.
fn refusals(object: &Value) -> Vec<String> {
    let policy = example("envoy-gateway/only-here.yaml", "ValidatingAdmissionPolicy");
    let validations = policy["spec"]["validations"].as_array().unwrap();
    let refused = validations.iter().filter(|validation| {
        let mut context = rules::context();
        context.add_variable_from_value("object", rules::to_cel(object));
        let expression = validation["expression"].as_str().unwrap();
        let verdict = rules::compile(expression).unwrap().execute(&context);
        verdict.unwrap() == Cel::Bool(false)
    });
    refused
        .map(|validation| validation["message"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn only_policies_of_whole_gateways_are_let_in() {
    let policies = [
        ("envoy-gateway/tollgate.yaml", "EnvoyExtensionPolicy"),
        ("envoy-gateway/tokens.yaml", "SecurityPolicy"),
    ];
    let gateway =
        json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "inference"});
    let with = |name: &str, value: &str| {
        let mut target = gateway.clone();
        target[name] = json!(value);
        target
    };
    let rows = [
        ("the Gateway", json!({"targetRefs": [gateway]}), true),
        ("the Gateway, as one", json!({"targetRef": gateway}), true),
        (
            "a route",
            json!({"targetRefs": [with("kind", "HTTPRoute")]}),
            false,
        ),
        (
            "a route beside the Gateway",
            json!({"targetRefs": [gateway, with("kind", "GRPCRoute")]}),
            false,
        ),
        (
            "a route, as one",
            json!({"targetRef": with("kind", "HTTPRoute")}),
            false,
        ),
        (
            "a listener",
            json!({"targetRefs": [with("sectionName", "http")]}),
            false,
        ),
        (
            "a listener, as one",
            json!({"targetRef": with("sectionName", "http")}),
            false,
        ),
        (
            "a set of listeners",
            json!({"targetRefs": [with("kind", "ListenerSet")]}),
            false,
        ),
        (
            "whatever has a label",
            json!({"targetSelectors": [{"kind": "Gateway", "matchLabels": {"a": "b"}}]}),
            false,
        ),
    ];
    for (file, kind) in policies {
        let shipped = example(file, kind);
        assert_eq!(refusals(&shipped), Vec::<String>::new(), "{file} itself");
        for (name, targets, let_in) in &rows {
            let mut policy = shipped.clone();
            policy["spec"].as_object_mut().unwrap().remove("targetRefs");
            policy["spec"]
                .as_object_mut()
                .unwrap()
                .extend(targets.as_object().unwrap().clone());
            let refusals = refusals(&policy);
            assert_eq!(refusals.is_empty(), *let_in, "{kind}, {name}: {refusals:?}");
        }
    }
}

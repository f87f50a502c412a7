//! The shipped admission policies, asked about resources as the API server would ask them.

use std::fs;

use cel::Value as Cel;
use serde_json::{Value, json};
use tollgate_tests::manifest::{documents, example, repository};

use crate::rules;

/// The resources of this kind in the file with the admission policies.
fn of_kind(kind: &str) -> Vec<Value> {
    let path = repository().join("examples/envoy-gateway/only-here.yaml");
    let mut all = documents(&fs::read_to_string(path).unwrap()).unwrap();
    all.retain(|document| document["kind"] == kind);
    all
}

/// Whether a list holds this text.
fn lists(list: &Value, text: &str) -> bool {
    let mut items = list.as_array().unwrap().iter();
    items.any(|item| item == text)
}

/// Whether a policy is asked about resources of this one's kind, in this one's namespace.
fn is_asked(policy: &Value, object: &Value) -> bool {
    let (group, _) = object["apiVersion"]
        .as_str()
        .unwrap()
        .split_once('/')
        .unwrap();
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    };
    let rules = policy["spec"]["matchConstraints"]["resourceRules"].as_array();
    let fits = |rule: &Value| {
        let operations = ["CREATE", "UPDATE"]
            .iter()
            .all(|operation| lists(&rule["operations"], operation));
        operations && lists(&rule["apiGroups"], group) && lists(&rule["resources"], &plural)
    };
    let bindings = of_kind("ValidatingAdmissionPolicyBinding");
    let mut bindings = bindings.iter().map(|binding| &binding["spec"]);
    let binding = bindings
        .find(|binding| binding["policyName"] == policy["metadata"]["name"])
        .unwrap();
    assert_eq!(binding["validationActions"], json!(["Deny"]));
    let namespaces = &binding["matchResources"]["namespaceSelector"]["matchExpressions"][0];
    assert_eq!(namespaces["operator"], "In");
    let namespace = object["metadata"]["namespace"].as_str().unwrap();
    rules.unwrap().iter().any(fits) && lists(&namespaces["values"], namespace)
}

/// What the admission policies say of a resource: their messages, none if it is let in.
fn refusals(object: &Value) -> Vec<String> {
    let policies = of_kind("ValidatingAdmissionPolicy");
    let asked = policies.iter().filter(|policy| is_asked(policy, object));
    let validations = asked.flat_map(|policy| policy["spec"]["validations"].as_array().unwrap());
    let refused = validations.filter(|validation| {
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
fn every_resource_of_the_examples_is_let_in() {
    let mut asked = 0;
    for folder in ["envoy-gateway", "envoy-ai-gateway"] {
        for file in fs::read_dir(repository().join("examples").join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            for document in documents(&fs::read_to_string(&path).unwrap()).unwrap() {
                if document["metadata"]["namespace"].is_null()
                    || !document["apiVersion"].as_str().unwrap().contains('/')
                {
                    continue;
                }
                assert_eq!(
                    refusals(&document),
                    Vec::<String>::new(),
                    "{}: {}",
                    path.display(),
                    document["kind"]
                );
                asked += usize::from(
                    of_kind("ValidatingAdmissionPolicy")
                        .iter()
                        .any(|policy| is_asked(policy, &document)),
                );
            }
        }
    }
    assert!(asked >= 8, "{asked}");
}

#[test]
fn no_grant_lets_a_policy_of_another_namespace_in() {
    let grant = |group: &str| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
            "metadata": {"name": "any", "namespace": "inference"},
            "spec": {
                "from": [
                    {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "team"},
                    {"group": group, "kind": "EnvoyExtensionPolicy", "namespace": "team"}
                ],
                "to": [{"group": "gateway.networking.k8s.io", "kind": "Gateway"}]
            }
        })
    };
    assert_eq!(refusals(&grant("gateway.envoyproxy.io")).len(), 1);
    assert_eq!(
        refusals(&grant("aigateway.envoyproxy.io")),
        Vec::<String>::new()
    );
}

#[test]
fn no_route_changes_what_was_judged() {
    let header = |place: &str, name: &str| json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {place: [{"name": name, "value": "any"}]}});
    let rewrite = |what: Value| json!({"type": "URLRewrite", "urlRewrite": what});
    let path = || {
        rewrite(
            json!({"path": {"type": "ReplaceFullPath", "replaceFullPath": "/v1/chat/completions"}}),
        )
    };
    let rows = [
        ("a path", path(), false),
        ("a host", rewrite(json!({"hostname": "vllm.example"})), true),
        ("the tenant, set", header("set", "x-tollgate-tenant"), false),
        (
            "the tenant, added",
            header("add", "X-Tollgate-Tenant"),
            false,
        ),
        (
            "the tenant, with underscores",
            header("set", "x_tollgate_tenant"),
            false,
        ),
        (
            "the fairness id",
            header("set", "x-llm-d-inference-fairness-id"),
            false,
        ),
        (
            "the objective",
            header("add", "x-gateway-inference-objective"),
            false,
        ),
        ("the model", header("set", "x-ai-eg-model"), false),
        ("the server's own key", header("set", "authorization"), true),
        (
            "what opens the lock, removed",
            json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-tollgate-admitted"]}}),
            true,
        ),
        (
            "of the reply",
            json!({"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-tollgate-code", "value": "any"}]}}),
            true,
        ),
    ];
    let shipped = example("envoy-gateway/gateway.yaml", "HTTPRoute");
    for (name, filter, let_in) in rows {
        for place in ["/spec/rules/0", "/spec/rules/0/backendRefs/0"] {
            let mut route = shipped.clone();
            route.pointer_mut(place).unwrap()["filters"] = json!([filter]);
            let refusals = refusals(&route);
            assert_eq!(refusals.is_empty(), let_in, "{name}, {place}: {refusals:?}");
        }
    }
    for (name, rewritten, let_in) in [
        ("path", path(), false),
        (
            "hostname",
            rewrite(json!({"hostname": {"type": "Backend"}})),
            true,
        ),
    ] {
        let filter = json!({
            "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "HTTPRouteFilter",
            "metadata": {"name": "any", "namespace": "default"}, "spec": {"urlRewrite": rewritten["urlRewrite"]}
        });
        assert_eq!(refusals(&filter).is_empty(), let_in, "{name}");
    }
}

#[test]
fn only_policies_of_whole_gateways_are_let_in() {
    let policies = [
        ("envoy-gateway/tollgate.yaml", "EnvoyExtensionPolicy"),
        ("envoy-gateway/tokens.yaml", "SecurityPolicy"),
        ("envoy-gateway/paths.yaml", "ClientTrafficPolicy"),
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

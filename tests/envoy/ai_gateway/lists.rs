//! What the manifests say twice, or say of what the code knows.

use serde_json::{Value, json};
use tollgate_tests::manifest::documents;

use super::manifests::Manifests;
use super::xds::rules;
use crate::platforms::envoy_gateway::lock::assert_owned_names_are_removed_early;
use crate::platforms::lock;

#[test]
fn early_removal_covers_every_name_that_the_filter_owns() {
    let manifests = Manifests::shipped();
    let traffic = manifests.spec("ClientTrafficPolicy");
    let early = &traffic["headers"]["earlyRequestHeaders"];
    assert_owned_names_are_removed_early(traffic);
    let prefixes = early["removeOnMatch"].as_array().unwrap();
    let model_header = manifests.config()["modelHeader"]["name"].as_str().unwrap();
    let removed = |name: &str| {
        let mut prefixes = prefixes
            .iter()
            .map(|prefix| prefix["value"].as_str().unwrap());
        prefixes.any(|prefix| name.starts_with(prefix))
    };
    assert!(removed(model_header), "{model_header}");
    // AI Gateway's own, by which its second filter finds what its first has kept.
    assert!(removed("x-ai-eg-internal-req-id"));
}

#[test]
fn no_credential_comes_back_with_a_retry() {
    let manifests = Manifests::shipped();
    let removed = &manifests.spec("AIServiceBackend")["headerMutation"]["remove"];
    // The configuration names none, so these are the default.
    assert_eq!(manifests.config().get("credentials"), None);
    let expected = json!(["authorization", "x-api-key", "api-key", lock::HEADER]);
    assert_eq!(removed, &expected);
}

#[test]
fn the_tags_of_the_statistics_are_those_of_the_filter() {
    let manifests = Manifests::shipped();
    let bootstrap = manifests.spec("EnvoyProxy")["bootstrap"]["value"].as_str();
    let bootstrap = documents(bootstrap.unwrap()).unwrap();
    let tags = bootstrap[0]["stats_config"]["stats_tags"].as_array();
    assert_eq!(tags, Some(&tollgate_tests::stats_tags()));
}

#[test]
fn the_list_of_models_names_those_of_the_routes() {
    let manifests = Manifests::shipped();
    let list = &manifests.spec("HTTPRouteFilter")["directResponse"]["body"]["inline"];
    let list: Value = serde_json::from_str(list.as_str().unwrap()).unwrap();
    let models = list["data"].as_array().unwrap().iter();
    let models: Vec<_> = models.map(|model| &model["id"]).collect();
    assert_eq!(json!(models), json!(rules(&manifests)));
}

#[test]
fn llm_d_serves_the_same_models_and_knows_every_objective() {
    let shipped = Manifests::shipped();
    let llm_d = Manifests::of(&["llm-d.yaml"]);
    assert_eq!(rules(&llm_d), rules(&shipped));
    let name = |resource: &&Value| resource["metadata"]["name"].clone();
    let objectives: Vec<_> = llm_d.all("InferenceObjective").iter().map(name).collect();
    let tenants = shipped.config()["tenants"].as_object().unwrap().values();
    let given: Vec<_> = tenants
        .filter_map(|tenant| tenant.get("objective"))
        .collect();
    assert_eq!(json!(objectives), json!(given));
    let pools: Vec<_> = llm_d.all("InferencePool").iter().map(name).collect();
    let route = llm_d.spec("AIGatewayRoute")["rules"].as_array().unwrap();
    let named: Vec<_> = route
        .iter()
        .map(|rule| &rule["backendRefs"][0]["name"])
        .collect();
    assert_eq!(json!(named), json!(pools));
    assert_eq!(llm_d.spec("BackendTrafficPolicy")["retry"]["numRetries"], 0);
}

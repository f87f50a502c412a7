//! `examples/envoy-gateway/`, as Envoy Gateway 1.9 makes a listener of it.
//!
//! - The plugin stands in the listener, disabled, and the routes that it is for enable it: every route of the Gateway, for
//!   a policy on the Gateway. Envoy fetches the module from Envoy Gateway's own server, and serves nothing before it is
//!   there. (`internal/xds/translator/wasm.go`)
//! - `jwt_authn` stands in front of it; which requirement holds is up to the route. (`jwt.go`, `httpfilters.go`)
//! - `authorization` is a filter behind it, which has no rules of its own; its rules are in the routes of the policy, and its
//!   name has nothing of any policy's. (`authorization.go`)
//! - Paths, headers and buffers have other defaults than Envoy's. (`listener.go`, `internal/gatewayapi/listener.go`)
//! - The bootstrap is Envoy Gateway's, with that of EnvoyProxy merged in. (`internal/xds/bootstrap/`)

pub(crate) mod lock;

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tollgate_tests::manifest::{documents, example};

use super::{assert_bucket, assert_changes, assert_gate, assert_paths, chat_at, merge, team_keys};
use crate::harness::demo::LLAMA;
use crate::harness::{
    Builder, Gateway, Reply, completion, connection_manager, filters, route, send,
};

/// What the policy's first plugin is called, and its VM.
const PLUGIN: &str = "envoyextensionpolicy/inference/tollgate/wasm/0";
pub(crate) const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
/// A provider is called by its name and a hash of what it is.
const PROVIDER: &str = "demo_0cd81fec67dbf176";
const REQUIREMENT: &str = "demo-or-missing-or-failed_3adbd87437a23687";

/// Where Envoy Gateway's server has the module; here the upstream is that server too.
const MODULE: &str = "/tollgate.wasm";

fn module() -> Vec<u8> {
    fs::read(tollgate_tests::filter()).unwrap()
}

fn plugin() -> Value {
    example("envoy-gateway/tollgate.yaml", "EnvoyExtensionPolicy")["spec"]["wasm"][0].clone()
}

fn security() -> Value {
    example("envoy-gateway/tokens.yaml", "SecurityPolicy")["spec"].clone()
}

fn traffic() -> Value {
    example("envoy-gateway/paths.yaml", "ClientTrafficPolicy")["spec"].clone()
}

/// The gateway of the example, with what these policies say of security and traffic.
fn gateway_with(security: Value, traffic: Value) -> Builder {
    Gateway::builder()
        .config(plugin()["config"].clone())
        .process_environment("TEAM_KEYS", &team_keys("envoy-gateway"))
        .buffer_limit(32768)
        .script(|seen| {
            if seen.request == format!("GET {MODULE}") {
                Reply::fixed(200, "application/wasm", module())
            } else {
                Reply::json(&completion())
            }
        })
        .amended(move |bootstrap| {
            translate(bootstrap, &security, &traffic);
        })
}

fn gateway() -> Builder {
    gateway_with(security(), traffic())
}

fn translate(bootstrap: &mut Value, security: &Value, traffic: &Value) {
    http_connection_manager(bootstrap, security, traffic);
    enable_on(route(bootstrap), security);
    bootstrap["stats_config"] = statistics();
}

fn http_connection_manager(bootstrap: &mut Value, security: &Value, traffic: &Value) {
    let plugin = plugin();
    let mut tollgate = filters(bootstrap).remove(1);
    tollgate["name"] = json!(format!("envoy.filters.http.wasm/{PLUGIN}"));
    tollgate["disabled"] = json!(true);
    let config = &mut tollgate["typed_config"]["config"];
    config["name"] = plugin["name"].clone();
    config["root_id"] = plugin["rootID"].clone();
    config["vm_config"]["vm_id"] = json!(PLUGIN);
    config["vm_config"]["code"] = json!({"remote": {
        "http_uri": {"uri": format!("http://envoy-gateway{MODULE}"), "cluster": "upstream", "timeout": "10s"},
        "sha256": hex::encode(Sha256::digest(module())),
        "retry_policy": {"num_retries": 10, "retry_back_off": {"base_interval": "1s", "max_interval": "30s"}}
    }});
    config["vm_config"]["environment_variables"] =
        json!({"host_env_keys": plugin["env"]["hostKeys"]});
    config["fail_open"] = plugin["failOpen"].clone();
    // Envoy Gateway does not set it, so that the default holds: closed, for good.
    config.as_object_mut().unwrap().remove("failure_policy");
    let jwt = &security["jwt"];
    let key_set = &jwt["providers"][0]["localJWKS"]["inline"];
    let jwt_authn = jwt_authn(jwt, &json!({"inline_string": key_set}));
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true
        }
    });
    merge(
        connection_manager(bootstrap),
        &connections(&traffic["path"]),
    );
    connection_manager(bootstrap)["early_header_mutation_extensions"] =
        lock::early_mutations(traffic);
    let mut filters = vec![jwt_authn, tollgate];
    filters.extend(lock::authorizes(security));
    filters.push(router);
    connection_manager(bootstrap)["http_filters"] = json!(filters);
}

/// What Envoy Gateway says of connections and paths, with a ClientTrafficPolicy that says this of paths.
pub(crate) fn connections(paths: &Value) -> Value {
    let slashes = match paths["escapedSlashesAction"].as_str() {
        Some("KeepUnchanged") => "KEEP_UNCHANGED",
        None => "UNESCAPE_AND_REDIRECT",
        Some(other) => panic!("{other} is not emulated"),
    };
    json!({
        "normalize_path": true,
        "merge_slashes": paths["disableMergeSlashes"] != true,
        "path_with_escaped_slashes_action": slashes,
        "use_remote_address": true,
        "server_header_transformation": "PASS_THROUGH",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "http2_protocol_options": {
            "initial_connection_window_size": 1_048_576,
            "initial_stream_window_size": 65536,
            "max_concurrent_streams": 100
        }
    })
}

/// What it makes of `jwt` in a SecurityPolicy, with the keys at hand.
pub(crate) fn jwt_authn(jwt: &Value, key_set: &Value) -> Value {
    let provider = &jwt["providers"][0];
    let headers = provider["extractFrom"]["headers"]
        .as_array()
        .unwrap()
        .iter();
    let headers: Vec<_> = headers
        .map(|header| json!({"name": header["name"], "value_prefix": header["valuePrefix"]}))
        .collect();
    let verified = json!({"provider_name": PROVIDER});
    let requirement = if jwt["failOpen"] == true {
        json!({"requires_any": {"requirements": [verified, {"allow_missing_or_failed": {}}]}})
    } else {
        verified
    };
    json!({
        "name": JWT_AUTHN,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {PROVIDER: {
                "issuer": provider["issuer"],
                "forward": true,
                "from_headers": headers,
                "local_jwks": key_set,
                "payload_in_metadata": provider["name"],
                "normalize_payload_in_metadata": {"space_delimited_claims": ["scope", "scp"]}
            }},
            "requirement_map": {REQUIREMENT: requirement}
        }
    })
}

/// What the policies on the Gateway do to each of its routes.
fn enable_on(route: &mut Value, security: &Value) {
    let rule = &example("envoy-gateway/gateway.yaml", "HTTPRoute")["spec"]["rules"][0];
    route["route"]["timeout"] = rule["timeouts"]["request"].clone();
    assert_eq!(rule["filters"][0]["type"], "RequestHeaderModifier");
    route["request_headers_to_remove"] =
        rule["filters"][0]["requestHeaderModifier"]["remove"].clone();
    let filters = &mut route["typed_per_filter_config"];
    *filters = json!({JWT_AUTHN: requires_token()});
    filters[format!("envoy.filters.http.wasm/{PLUGIN}")] = enabled();
    if let Some(authorization) = lock::authorization(security) {
        filters[lock::RBAC] = authorization;
    }
}

/// What a route says of `jwt_authn`.
pub(crate) fn requires_token() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
        "requirement_name": REQUIREMENT
    })
}

/// What a route says of a filter that stands in the listener disabled.
pub(crate) fn enabled() -> Value {
    json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}})
}

fn statistics() -> Value {
    let proxy = example("envoy-gateway/proxy.yaml", "EnvoyProxy");
    let bootstrap = &proxy["spec"]["bootstrap"];
    assert_eq!(bootstrap["type"], "Merge");
    let patch = documents(bootstrap["value"].as_str().unwrap()).unwrap();
    let mut all = json!({"stats_config": {
        "use_all_default_tags": true,
        "stats_tags": [
            {"tag_name": "from_zone", "regex": r"\.zone(\.(([^\.]+)\.))"},
            {"tag_name": "to_zone", "regex": r"\.zone\.[^\.]+\.(([^\.]+)\.)"},
            {"tag_name": "socket_match_name", "regex": r"^cluster(\..+\.(.+))\.total_match_count$"},
            {"tag_name": "priority", "regex": r"circuit_breakers\.((.+?)\.).+"}
        ]
    }});
    merge(&mut all, &patch[0]);
    all["stats_config"].clone()
}

#[test]
fn the_gate_of_the_manifests_holds() {
    let gateway = gateway().start();
    assert_gate(&gateway);
    assert_bucket(&gateway, "600000");
}

#[test]
fn without_fail_open_keys_are_refused_before_tollgate_is_asked() {
    let mut security = security();
    security["jwt"]["failOpen"] = json!(false);
    let gateway = gateway_with(security, traffic()).start();
    let answer = send(gateway.chat(LLAMA));
    assert_eq!(answer.verdict(), (401, None), "{answer:?}");
}

#[test]
fn paths_are_tidied_up_as_envoy_gateway_does_and_tollgate_judges_what_the_server_gets() {
    let tidy = [
        (
            "/v1/chat/completions",
            (200, None),
            Some("/v1/chat/completions"),
        ),
        (
            "/v1/./chat/x/../completions",
            (200, None),
            Some("/v1/chat/completions"),
        ),
        (
            "/v1/chat/completions/../../sleep",
            (403, Some("operation_not_allowed")),
            None,
        ),
    ];
    let bad = (400, Some("malformed_path"));
    let shipped = gateway().start();
    assert_paths(&shipped, &tidy);
    assert_paths(
        &shipped,
        &[
            ("//v1/chat/completions", bad, None),
            ("/v1/chat%2Fcompletions", bad, None),
            ("/v1/chat%5Ccompletions", bad, None),
        ],
    );
    let default = gateway_with(security(), json!({})).start();
    assert_paths(&default, &tidy);
    assert_paths(
        &default,
        &[
            (
                "//v1//chat/completions",
                (200, None),
                Some("/v1/chat/completions"),
            ),
            ("/v1/chat%2Fcompletions", (307, None), None),
        ],
    );
    let redirect = chat_at(&default, "/v1/chat%2Fcompletions", "sk-unknown");
    assert_eq!(redirect.header("location"), Some("/v1/chat/completions"));
}

#[test]
fn a_header_with_an_underscore_is_refused_by_envoy_gateway() {
    let gateway = gateway().start();
    let request = gateway
        .chat(LLAMA)
        .header("x_llm_d_inference_fairness_id", "globex");
    assert_eq!(send(request).verdict(), (400, None));
}

#[test]
fn a_key_is_taken_out_and_a_faulty_configuration_refused() {
    let gateway = gateway()
        .listener_discovered(Duration::from_secs(1))
        .workers(2)
        .start();
    assert_changes(&gateway, &plugin()["config"]);
}

#[test]
fn a_new_proxy_with_a_faulty_configuration_refuses_everything() {
    let mut config = plugin()["config"].clone();
    config["keys"][0]["keyHash"] = json!("sk-plain");
    let gateway = gateway().config(config).start();
    assert_eq!(send(gateway.chat(LLAMA)).verdict(), (503, None));
    let log = gateway.log();
    assert!(
        log.contains("config rejected: keys[0].keyHash: expected"),
        "{log}"
    );
}

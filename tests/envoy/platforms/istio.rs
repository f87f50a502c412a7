//! `examples/istio/`, as istiod 1.30 makes a gateway of it.
//!
//! - The plugin is discovered by itself (ECDS), and nothing is served before it is there. The agent beside Envoy fetches
//!   the module and puts a file in its place. (`pilot/pkg/model/extensions.go`, `pkg/wasm/convert.go`)
//! - A WasmPlugin becomes a TrafficExtension of another name. (`pilot/pkg/config/kube/extensions/translate.go`)
//! - Filters: metadata exchange, AUTHN plugins, `jwt_authn`, AUTHZ plugins, RBAC, STATS plugins, the inference pool's
//!   external processor, gRPC statistics, ALPN, fault, CORS, Istio's statistics, router. Three of them are only in Istio's
//!   build of Envoy and are left out here. (`pilot/pkg/networking/core/listener_builder.go`)
//! - Statistics: only those with known beginnings are kept, `wasm` among them. (`pkg/bootstrap/config.go`)

mod lock;

use serde_json::{Map, Value, json};
use tollgate_tests::manifest::{documents, example};

use super::{
    INVALID, TEAM_KEY, assert_bucket, assert_changes, assert_gate, assert_paths, merge, team_keys,
    token,
};
use crate::harness::demo::{ACME_KEY, LLAMA, QWEN, chat};
use crate::harness::{Builder, Gateway, Token, connection_manager, filters, route, send};

const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

fn plugin() -> Value {
    example("istio/tollgate.yaml", "WasmPlugin")
}

fn plugin_config() -> Value {
    plugin()["spec"]["pluginConfig"].clone()
}

/// The gateway of the example, with the tokens of this file.
fn gateway(tokens: &'static str) -> Builder {
    let filters = match tokens {
        "istio/tokens.yaml" => Some(example(tokens, "EnvoyFilter")),
        _ => None,
    };
    gateway_with(tokens, filters)
}

fn gateway_with(tokens: &str, envoy_filter: Option<Value>) -> Builder {
    gateway_of(vec![example(tokens, "RequestAuthentication")], envoy_filter)
}

fn gateway_of(tokens: Vec<Value>, envoy_filter: Option<Value>) -> Builder {
    builder()
        .amended(move |bootstrap| {
            translate(
                bootstrap,
                &tokens,
                envoy_filter.as_ref(),
                Some(&lock::policy()),
            )
        })
        .discovered()
}

/// What the Secrets of the example put into the environment.
fn builder() -> Builder {
    Gateway::builder()
        .config(plugin_config())
        .process_environment("TEAM_KEYS", &team_keys("istio"))
        .process_environment("ADMITTED", &lock::secret())
}

fn translate(
    bootstrap: &mut Value,
    tokens: &[Value],
    envoy_filter: Option<&Value>,
    lock: Option<&Value>,
) {
    http_connection_manager(bootstrap, tokens, lock);
    if let Some(envoy_filter) = envoy_filter {
        apply(envoy_filter, bootstrap);
    }
    let rule = &example("istio/gateway.yaml", "HTTPRoute")["spec"]["rules"][0];
    assert_eq!(rule["filters"][0]["type"], "RequestHeaderModifier");
    route(bootstrap)["request_headers_to_remove"] =
        rule["filters"][0]["requestHeaderModifier"]["remove"].clone();
    bootstrap["stats_config"] = statistics();
}

/// What istiod makes of Gateway, WasmPlugin, RequestAuthentication and AuthorizationPolicy.
fn http_connection_manager(bootstrap: &mut Value, tokens: &[Value], lock: Option<&Value>) {
    let plugin = plugin();
    let spec = &plugin["spec"];
    let mut tollgate = filters(bootstrap).remove(1);
    tollgate["name"] = json!(
        "extensions.istio.io/trafficextension/inference.tollgate~istio-translated-wasmplugin"
    );
    let config = &mut tollgate["typed_config"]["config"];
    config["name"] = json!("inference.tollgate~istio-translated-wasmplugin");
    config["root_id"] = spec["pluginName"].clone();
    config["failure_policy"] = match spec["failStrategy"].as_str() {
        Some("FAIL_CLOSE") => json!("FAIL_CLOSED"),
        _ => spec["failStrategy"].clone(),
    };
    let environment = spec["vmConfig"]["env"].as_array().unwrap().iter();
    let host: Vec<_> = environment
        .filter(|variable| variable["valueFrom"] == "HOST")
        .map(|variable| &variable["name"])
        .collect();
    config["vm_config"]["environment_variables"] = json!({"host_env_keys": host});
    config["vm_config"].as_object_mut().unwrap().remove("vm_id");
    let plain = |name: &str, message: &str| json!({"name": name, "typed_config": {"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{message}")}});
    let mut all = vec![jwt_authn(tokens), tollgate];
    all.extend(lock.map(lock::denies));
    all.extend([
        plain(
            "envoy.filters.http.grpc_stats",
            "grpc_stats.v3.FilterConfig",
        ),
        plain("envoy.filters.http.fault", "fault.v3.HTTPFault"),
        plain("envoy.filters.http.cors", "cors.v3.Cors"),
        plain("envoy.filters.http.router", "router.v3.Router"),
    ]);
    merge(
        connection_manager(bootstrap),
        &json!({
            "stat_prefix": "outbound_0.0.0.0_80;",
            "normalize_path": true,
            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
            "use_remote_address": true,
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"subject": true, "cert": true, "dns": true, "uri": true},
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "stream_idle_timeout": "0s"
        }),
    );
    connection_manager(bootstrap)["http_filters"] = json!(all);
}

/// Each rule of every RequestAuthentication that applies is a provider; those of the root namespace are first.
/// (`pilot/pkg/security/authn/policy_applier.go`)
fn jwt_authn(tokens: &[Value]) -> Value {
    let rules = tokens.iter().flat_map(|policy| {
        let rules = policy["spec"]["jwtRules"].as_array().unwrap();
        rules.iter()
    });
    let providers: Vec<_> = rules.map(provider).collect();
    let named = |index: usize| json!({"provider_name": format!("origins-{index}")});
    let or_missing = |index: usize| json!({"requires_any": {"requirements": [named(index), {"allow_missing": {}}]}});
    let all = 0..providers.len();
    let requires = if providers.len() == 1 {
        or_missing(0)
    } else {
        let each: Vec<_> = all.clone().map(or_missing).collect();
        let mut any: Vec<_> = all.map(named).collect();
        any.push(json!({"requires_all": {"requirements": each}}));
        json!({"requires_any": {"requirements": any}})
    };
    let providers: Map<_, _> = providers
        .into_iter()
        .enumerate()
        .map(|(index, provider)| (format!("origins-{index}"), provider))
        .collect();
    json!({
        "name": JWT_AUTHN,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "bypass_cors_preflight": true,
            "providers": providers,
            "rules": [{"match": {"prefix": "/"}, "requires": requires}]
        }
    })
}

fn provider(rule: &Value) -> Value {
    let headers = rule["fromHeaders"].as_array().into_iter().flatten();
    let headers: Vec<_> = headers
        .map(|header| json!({"name": header["name"], "value_prefix": header["prefix"].as_str().unwrap_or_default()}))
        .collect();
    json!({
        "issuer": rule["issuer"],
        "forward": rule["forwardOriginalToken"].as_bool().unwrap_or_default(),
        "from_headers": headers,
        "local_jwks": {"inline_string": rule["jwks"]},
        "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {"space_delimited_claims": ["permission", "scope"]}
    })
}

/// The patches of an EnvoyFilter, of the kinds that the example has.
fn apply(envoy_filter: &Value, bootstrap: &mut Value) {
    for patch in envoy_filter["spec"]["configPatches"].as_array().unwrap() {
        assert_eq!(patch["patch"]["operation"], "MERGE");
        let value = &patch["patch"]["value"];
        match patch["applyTo"].as_str().unwrap() {
            "HTTP_FILTER" => {
                let name =
                    &patch["match"]["listener"]["filterChain"]["filter"]["subFilter"]["name"];
                let mut filters = filters(bootstrap).iter_mut();
                merge(
                    filters.find(|filter| filter["name"] == *name).unwrap(),
                    value,
                );
            }
            "VIRTUAL_HOST" => {
                let hosts = &mut connection_manager(bootstrap)["route_config"]["virtual_hosts"];
                for host in hosts.as_array_mut().unwrap() {
                    merge(host, value);
                }
            }
            other => panic!("{other} is not emulated"),
        }
    }
}

/// `tools/packaging/common/envoy_bootstrap.json`, with what the annotations of the Gateway add.
fn statistics() -> Value {
    let gateway = example("istio/gateway.yaml", "Gateway");
    let annotations = &gateway["spec"]["infrastructure"]["annotations"];
    let annotation = |name: &str| annotations[name].as_str().unwrap();
    let proxy = documents(annotation("proxy.istio.io/config")).unwrap();
    let tag = |name: &str, regex: &str| json!({"tag_name": name, "regex": regex});
    let mut tags = vec![
        tag("cluster_name", r"^cluster(\.(.+);)"),
        tag(
            "http_conn_manager_prefix",
            r"^http\.(((?:[_.[:digit:]\w]*|[_\[\]aAbBcCdDeEfF[:digit:]\w\:]*));\.)",
        ),
        tag("response_code", r"_rq(_(\d{3}))$"),
        tag("response_code_class", r"_rq(_(\dxx))$"),
        tag(
            "http_conn_manager_listener_prefix",
            r"^listener(?=\.).*?\.http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)",
        ),
        tag(
            "listener_address",
            r"^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)",
        ),
    ];
    let labels = proxy[0]["extraStatTags"].as_array().unwrap().iter();
    let labels = labels.map(|label| label.as_str().unwrap());
    tags.extend(labels.map(|label| tag(label, &format!(r"({label}=\.=(.*?);\.;)"))));
    tags.push(tag("cache", r"(cache\.(.+?)\.)"));
    tags.push(tag("component", r"(component\.(.+?)\.)"));
    tags.push(tag("tag", r"(tag\.(.+?);\.)"));
    tags.push(tag("wasm_filter", r"(wasm_filter\.(.+?)\.)"));
    let buckets: Value =
        serde_json::from_str(annotation("sidecar.istio.io/statsHistogramBuckets")).unwrap();
    let buckets = buckets.as_object().unwrap().iter();
    let buckets: Vec<_> = buckets
        .map(|(prefix, buckets)| json!({"match": {"prefix": prefix}, "buckets": buckets}))
        .collect();
    let prefixes = [
        "reporter=",
        "cluster_manager",
        "listener_manager",
        "server",
        "cluster.xds-grpc",
        "wasm",
        "component",
        "istio",
    ];
    let mut kept: Vec<_> = prefixes
        .iter()
        .map(|prefix| json!({"prefix": prefix}))
        .collect();
    kept.push(json!({"suffix": "rbac.denied"}));
    let shown = &proxy[0]["proxyStatsMatcher"]["inclusionPrefixes"];
    let shown = shown.as_array().unwrap().iter();
    kept.extend(shown.map(|prefix| json!({"prefix": prefix})));
    json!({
        "use_all_default_tags": false,
        "stats_tags": tags,
        "histogram_bucket_settings": buckets,
        "stats_matcher": {"inclusion_list": {"patterns": kept}}
    })
}

#[test]
fn the_gate_of_the_manifests_holds() {
    let gateway = gateway("istio/tokens.yaml").start();
    assert_gate(&gateway);
    assert_bucket(&gateway, "300000");
}

#[test]
fn without_the_envoy_filter_istio_refuses_keys_before_tollgate_is_asked() {
    let gateway = gateway_with("istio/tokens.yaml", None).start();
    let answer = send(gateway.chat(LLAMA));
    assert_eq!(answer.verdict(), (401, None), "{answer:?}");
    let key_elsewhere = gateway
        .post("/v1/chat/completions")
        .header("x-api-key", ACME_KEY);
    assert_eq!(
        send(key_elsewhere.json(&chat(LLAMA))).verdict(),
        (200, None)
    );
}

#[test]
fn a_policy_for_tokens_of_the_whole_mesh_leaves_keys_and_tokens_as_they_are() {
    let tokens = example("istio/tokens.yaml", "RequestAuthentication");
    let mut of_the_mesh = tokens.clone();
    let rule = &mut of_the_mesh["spec"]["jwtRules"][0];
    rule["issuer"] = json!("https://mesh.example");
    let filter = example("istio/tokens.yaml", "EnvoyFilter");
    let gateway = gateway_of(vec![of_the_mesh, tokens], Some(filter)).start();
    assert_gate(&gateway);
    let of_the_mesh = Token::with_groups(&["sales"]).claim("iss", "https://mesh.example");
    let request = gateway.post("/v1/chat/completions").json(&chat(LLAMA));
    let answer = send(request.bearer_auth(of_the_mesh.sign_as_demo()));
    assert_eq!(
        answer.verdict(),
        (401, Some("unlisted_issuer")),
        "{answer:?}"
    );
}

#[test]
fn tokens_may_come_in_a_header_of_their_own() {
    let gateway = gateway("istio/tokens-in-another-header.yaml").start();
    let ask = || gateway.post("/v1/chat/completions").json(&chat(QWEN));
    let with_token = |groups: &[&str]| ask().header("x-inference-token", token(groups));
    let rows = [
        ("a key", ask().bearer_auth(TEAM_KEY), (200, None)),
        ("a token", with_token(&["research"]), (200, None)),
        (
            "a token for another model",
            with_token(&["sales"]),
            super::NOT_ALLOWED,
        ),
        (
            "a token that does not hold",
            ask().header("x-inference-token", "a.b.c"),
            (401, None),
        ),
        (
            "a token where keys are",
            ask().bearer_auth(token(&["research"])),
            INVALID,
        ),
        (
            "a key and a token",
            with_token(&["research"]).bearer_auth(TEAM_KEY),
            (400, Some("ambiguous_credential")),
        ),
        ("neither", ask(), super::NO_KEY),
    ];
    for (name, request, verdict) in rows {
        let answer = send(request);
        assert_eq!(answer.verdict(), verdict, "{name}: {answer:?}");
    }
    for seen in gateway.seen() {
        assert!(seen.values("x-inference-token").is_empty(), "{seen:?}");
    }
}

#[test]
fn paths_are_tidied_up_as_istio_does_and_tollgate_judges_what_the_server_gets() {
    let gateway = gateway("istio/tokens.yaml").start();
    let bad = (400, Some("malformed_path"));
    assert_paths(
        &gateway,
        &[
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
                "/v1/chat/%2e%2e/chat/completions",
                (200, None),
                Some("/v1/chat/completions"),
            ),
            (
                "/v1\\chat\\completions",
                (200, None),
                Some("/v1/chat/completions"),
            ),
            (
                "/v1/chat/completions/../../sleep",
                (403, Some("operation_not_allowed")),
                None,
            ),
            ("//v1/chat/completions", bad, None),
            ("/v1/chat%2Fcompletions", bad, None),
            ("/v1/chat%5Ccompletions", bad, None),
        ],
    );
}

#[test]
fn a_key_is_taken_out_and_a_faulty_configuration_refused() {
    let gateway = gateway("istio/tokens.yaml").workers(2).start();
    assert_changes(&gateway, &plugin_config());
}

#[test]
fn a_new_proxy_with_a_faulty_configuration_refuses_everything() {
    let mut config = plugin_config();
    config["keys"][0]["keyHash"] = json!("sk-plain");
    let gateway = gateway("istio/tokens.yaml").config(config).start();
    assert_eq!(send(gateway.chat(LLAMA)).verdict(), (500, None));
    let log = gateway.log();
    assert!(
        log.contains("config rejected: keys[0].keyHash: expected"),
        "{log}"
    );
}

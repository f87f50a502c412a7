//! What Envoy Gateway 1.9 and AI Gateway 1.1 make of the manifests: the same filters in the same order under the same names,
//! enabled where they enable them, with the same routes, metadata and clusters. The sources are `internal/xds/translator`
//! of the one and `internal/extensionserver` of the other.
//!
//! Other than there, the module comes from a file, the processor listens on a port, and the key set is at hand.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::manifests::Manifests;
use crate::platforms::envoy_gateway::{self, JWT_AUTHN, lock, requires_token};
use crate::platforms::merge;

/// AI Gateway's filter, both of them.
const AI_GATEWAY: &str = "envoy.filters.http.ext_proc/aigateway";
/// The names of policies are those of the manifests.
const WASM: &str = "envoy.filters.http.wasm/envoyextensionpolicy/default/tollgate/wasm/0";
const PROCESSOR: &str = "ai-gateway-extproc-uds";

/// Where the `EnvoyExtensionPolicy` is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attachment {
    /// To the Gateway: all routes of the Gateway enable the filter.
    Gateway,
    /// To one rule of the `HTTPRoute` that AI Gateway makes: only its route does.
    Rule(usize),
    /// To that `HTTPRoute`: all its routes do, and those of no other.
    HttpRoute,
    /// To the Gateway, under a name that the listener does not know yet: no route enables what is there.
    Renamed,
}

/// Turns the tests' own bootstrap into theirs.
pub(super) fn translate(
    bootstrap: &mut Value,
    manifests: &Manifests,
    attachment: Attachment,
    processor: SocketAddr,
) {
    let resources = &mut bootstrap["static_resources"];
    let upstream = resources["clusters"][0]["load_assignment"].take();
    let endpoint = upstream["endpoints"][0]["lb_endpoints"][0]["endpoint"].clone();
    let rules = rules(manifests);
    let mut clusters = vec![processor_cluster(processor)];
    clusters.extend((0..rules.len()).map(|rule| backend_cluster(rule, &endpoint)));
    // For what has a route of its own beside AI Gateway's.
    clusters.push(json!({
        "name": "httproute/default/other/rule/0",
        "connect_timeout": "10s",
        "load_assignment": {"cluster_name": "other", "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}
    }));
    resources["clusters"] = json!(clusters);
    let traffic = manifests.spec("ClientTrafficPolicy");
    let limit = traffic["connection"]["bufferLimit"].as_str().unwrap();
    let mebibytes: u32 = limit.strip_suffix("Mi").unwrap().parse().unwrap();
    let listener = &mut resources["listeners"][0];
    listener["per_connection_buffer_limit_bytes"] = json!(mebibytes * 1024 * 1024);
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    let own = manager["http_filters"].take();
    let [jwt_authn, tollgate, router] =
        <[Value; 3]>::try_from(own.as_array().unwrap().clone()).unwrap();
    let mut filters = vec![
        jwt_filter(manifests, &jwt_authn),
        processor_filter(),
        wasm_filter(manifests, &tollgate),
    ];
    filters.extend(lock::authorizes(manifests.spec("SecurityPolicy")));
    filters.push(router);
    manager["http_filters"] = json!(filters);
    manager["access_log"][0]["typed_config"]["log_format"]["json_format"]["ai_gateway_total"] =
        json!("%DYNAMIC_METADATA(io.envoy.ai_gateway:llm_total_token)%");
    assert_eq!(
        traffic["path"],
        json!({"escapedSlashesAction": "KeepUnchanged"})
    );
    merge(manager, &envoy_gateway::connections(&traffic["path"]));
    manager["scheme_header_transformation"] = json!({"match_upstream": true});
    manager["early_header_mutation_extensions"] = lock::early_mutations(traffic);
    manager["route_config"] = json!({
        "name": "default/ai/http",
        "ignore_port_in_host_matching": true,
        "max_direct_response_body_size_bytes": 1024 * 1024,
        "virtual_hosts": [{"name": "default/ai/http/*", "domains": ["*"], "routes": routes(manifests, attachment)}]
    });
}

/// The rules of the `AIGatewayRoute`: for each the model that it matches.
pub(super) fn rules(manifests: &Manifests) -> Vec<String> {
    let rules = manifests.spec("AIGatewayRoute")["rules"].as_array();
    let rules = rules.unwrap().iter().map(|rule| {
        let matched = &rule["matches"][0]["headers"][0];
        assert_eq!(
            (&matched["name"], &matched["type"]),
            (&json!("x-ai-eg-model"), &json!("Exact"))
        );
        matched["value"].as_str().unwrap().to_owned()
    });
    rules.collect()
}

/// The routes in the order that Envoy Gateway gives them: exact paths, more header matches, the rest.
fn routes(manifests: &Manifests, attachment: Attachment) -> Vec<Value> {
    let mut routes = Vec::new();
    for route in manifests.all("HTTPRoute") {
        for matched in route["spec"]["rules"][0]["matches"].as_array().unwrap() {
            assert_eq!(matched["path"]["type"], "Exact");
            assert_eq!(matched.as_object().unwrap().len(), 1, "{matched}");
            let mut xds = json!({
                "name": "httproute/default/models/rule/0/match/0/*",
                "match": {"path": matched["path"]["value"]},
                "typed_per_filter_config": enabled(manifests, attachment == Attachment::Gateway)
            });
            if route["spec"]["rules"][0].get("backendRefs").is_some() {
                xds["route"] = json!({"cluster": "httproute/default/other/rule/0"});
            } else {
                answer_directly(&mut xds, manifests.spec("HTTPRouteFilter"));
            }
            routes.push(xds);
        }
    }
    // A route of somebody else's on the same Gateway, as an example of what a client could choose first.
    routes.push(json!({
        "name": "httproute/default/other/rule/0/match/0/*",
        "match": {"prefix": "/", "headers": [
            {"name": "x-ai-eg-model", "string_match": {"exact": "of-another-route"}}
        ]},
        "route": {"cluster": "httproute/default/other/rule/0"},
        "typed_per_filter_config": ai_gateway(enabled(manifests, attachment == Attachment::Gateway))
    }));
    let specification = manifests.spec("AIGatewayRoute");
    let retry = &manifests.spec("BackendTrafficPolicy")["retry"];
    let triggers = retry["retryOn"]["triggers"].as_array().unwrap();
    let triggers: Vec<_> = triggers
        .iter()
        .map(|trigger| trigger.as_str().unwrap())
        .collect();
    for (index, model) in rules(manifests).iter().enumerate() {
        let covered = match attachment {
            Attachment::Gateway | Attachment::HttpRoute => true,
            Attachment::Renamed => false,
            Attachment::Rule(rule) => rule == index,
        };
        routes.push(json!({
            "name": format!("httproute/default/llm/rule/{index}/match/0/*"),
            "match": {"prefix": "/", "headers": [{"name": "x-ai-eg-model", "string_match": {"exact": model}}]},
            "route": {
                "cluster": cluster_name(index),
                "auto_host_rewrite": true,
                "timeout": specification["rules"][index]["timeouts"]["request"],
                "retry_policy": {
                    "num_retries": retry["numRetries"],
                    "retry_on": triggers.join(","),
                    "retriable_status_codes": retry["retryOn"]["httpStatusCodes"],
                    "retry_host_predicate": [{
                        "name": "envoy.retry_host_predicates.previous_hosts",
                        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}
                    }],
                    "host_selection_retry_max_attempts": "5"
                }
            },
            "typed_per_filter_config": ai_gateway(enabled(manifests, covered))
        }));
    }
    let covered = matches!(attachment, Attachment::Gateway | Attachment::HttpRoute);
    routes.push(json!({
        "name": "httproute/default/llm/rule/2/match/0/*",
        "match": {"prefix": "/"},
        "direct_response": {"status": 404, "body": {"inline_string":
            "No matching route found. It is likely because the model specified in your request is not configured in the Gateway."
        }},
        "typed_per_filter_config": ai_gateway(enabled(manifests, covered))
    }));
    routes
}

fn answer_directly(route: &mut Value, filter: &Value) {
    let response = &filter["directResponse"];
    route["direct_response"] = json!({
        "status": response["statusCode"],
        "body_format": {"text_format_source": {"inline_string": response["body"]["inline"]}}
    });
    route["response_headers_to_add"] = json!([{
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        "header": {"key": "Content-Type", "value": response["contentType"]}
    }]);
}

/// What a route says of the filters: tokens are verified on all, and the lock is asked for (the `SecurityPolicy` is at the
/// Gateway).
fn enabled(manifests: &Manifests, tollgate: bool) -> Value {
    let mut filters = json!({JWT_AUTHN: requires_token()});
    if let Some(lock) = lock::authorization(manifests.spec("SecurityPolicy")) {
        filters[lock::RBAC] = lock;
    }
    if tollgate {
        filters[WASM] = envoy_gateway::enabled();
    }
    filters
}

/// The same on a route that comes from an `AIGatewayRoute`.
fn ai_gateway(mut filters: Value) -> Value {
    filters[AI_GATEWAY] = envoy_gateway::enabled();
    filters
}

fn jwt_filter(manifests: &Manifests, own: &Value) -> Value {
    let jwt = &manifests.spec("SecurityPolicy")["jwt"];
    assert_eq!(jwt["failOpen"], true);
    envoy_gateway::jwt_authn(jwt, &own["typed_config"]["providers"]["demo"]["local_jwks"])
}

/// The first of AI Gateway's filters.
fn processor_filter() -> Value {
    json!({
        "name": AI_GATEWAY,
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
            "grpc_service": {"envoy_grpc": {"cluster_name": PROCESSOR}},
            "metadata_options": {"receiving_namespaces": {"untyped": ["io.envoy.ai_gateway"]}},
            "processing_mode": {
                "request_header_mode": "SEND",
                "request_body_mode": "BUFFERED",
                "request_trailer_mode": "SKIP",
                "response_header_mode": "SEND",
                "response_body_mode": "BUFFERED",
                "response_trailer_mode": "SKIP"
            },
            "message_timeout": "10s",
            "allow_mode_override": true
        }
    })
}

fn wasm_filter(manifests: &Manifests, own: &Value) -> Value {
    let policy = &manifests.spec("EnvoyExtensionPolicy")["wasm"][0];
    assert_eq!(policy["failOpen"], false);
    let code = &own["typed_config"]["config"]["vm_config"]["code"];
    json!({
        "name": WASM,
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": policy["name"],
                "root_id": policy["rootID"],
                "vm_config": {
                    "vm_id": WASM.strip_prefix("envoy.filters.http.wasm/"),
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": code
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": policy["config"].to_string()
                }
            }
        }
    })
}

fn processor_cluster(address: SocketAddr) -> Value {
    json!({
        "name": PROCESSOR,
        "connect_timeout": "10s",
        "per_connection_buffer_limit_bytes": 50 * 1024 * 1024,
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}
        }},
        "load_assignment": {"cluster_name": PROCESSOR, "endpoints": [{"lb_endpoints": [{"endpoint": {"address":
            {"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}}
        }}]}]}
    })
}

fn cluster_name(rule: usize) -> String {
    format!("httproute/default/llm/rule/{rule}")
}

/// The cluster of a rule, with the second of AI Gateway's filters in it.
fn backend_cluster(rule: usize, endpoint: &Value) -> Value {
    let name = cluster_name(rule);
    let backend = format!("default/vllm/route/llm/rule/{rule}/ref/0");
    let attribute = |place: &str, key: &str| {
        format!("xds.{place}.filter_metadata['aigateway.envoy.io']['{key}']")
    };
    json!({
        "name": name,
        "connect_timeout": "10s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{
            "endpoint": endpoint,
            "metadata": {"filter_metadata": {"aigateway.envoy.io": {"per_route_rule_backend_name": backend}}}
        }]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}},
            "http_filters": [
                {
                    "name": AI_GATEWAY,
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
                        "grpc_service": {"envoy_grpc": {"cluster_name": PROCESSOR}, "timeout": "30s"},
                        "metadata_options": {"receiving_namespaces": {"untyped": ["io.envoy.ai_gateway"]}},
                        "allow_mode_override": true,
                        "request_attributes": [
                            attribute("upstream_host_metadata", "per_route_rule_backend_name"),
                            attribute("cluster_metadata", "per_route_rule_backend_name"),
                            attribute("upstream_host_metadata", "upstream_host"),
                            attribute("route_metadata", "aigw_route_name")
                        ],
                        "processing_mode": {
                            "request_header_mode": "SEND",
                            "request_body_mode": "NONE",
                            "response_header_mode": "SKIP",
                            "response_body_mode": "NONE"
                        },
                        "message_timeout": "10s"
                    }
                },
                {
                    "name": "envoy.filters.http.header_mutation",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                        "mutations": {"request_mutations": [{"append": {
                            "append_action": "ADD_IF_ABSENT",
                            "header": {"key": "content-length", "value": "%DYNAMIC_METADATA(io.envoy.ai_gateway:content_length)%"}
                        }}]}
                    }
                },
                {
                    "name": "envoy.filters.http.upstream_codec",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}
                }
            ]
        }}
    })
}

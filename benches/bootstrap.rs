//! Envoy's bootstrap. All variants have the same listener, route and upstream; they differ in their HTTP filters.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_tests::demo;

/// What stands between the connection manager and the router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Variant {
    /// Nothing.
    Alone,
    /// A Wasm filter that does nothing.
    Empty,
    /// Tollgate in its demo configuration.
    Tollgate,
    /// Envoy's own filters, for as much of the same as they can.
    Native,
    /// Of these, the one that reads event streams.
    SseToMetadata,
    /// Tollgate with a limit for each tenant.
    OneLimit,
    /// The same, and two more.
    ThreeLimits,
}

impl Variant {
    /// Those that are compared with each other.
    pub(crate) const ALL: [Self; 5] = [
        Self::Alone,
        Self::Empty,
        Self::Tollgate,
        Self::Native,
        Self::SseToMetadata,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Alone => "Envoy alone",
            Self::Empty => "empty Wasm filter",
            Self::Tollgate => "Tollgate",
            Self::Native => "native filters",
            Self::SseToMetadata => "sse_to_metadata",
            Self::OneLimit => "one limit",
            Self::ThreeLimits => "three limits",
        }
    }

    /// The bootstrap. The demo's keys are replaced by `keys` numbered ones, if there is a number.
    pub(crate) fn bootstrap(self, upstream: SocketAddr, keys: Option<usize>) -> Value {
        let mut filters = self.filters(keys);
        filters.push(filter("router", "router.v3.Router", json!({})));
        let limits = json!({"thresholds": [{
            "max_connections": 1_000_000, "max_pending_requests": 1_000_000, "max_requests": 1_000_000
        }]});
        json!({
            "node": {"id": "bench", "cluster": "bench"},
            "admin": {"address": address("127.0.0.1:0".parse().expect("an address"))},
            "stats_config": {"stats_tags": tollgate_tests::stats_tags()},
            "static_resources": {
                "listeners": [{
                    "name": "bench",
                    "address": address("127.0.0.1:0".parse().expect("an address")),
                    "tcp_backlog_size": 4096,
                    "filter_chains": [{"filters": [{
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                            "stat_prefix": "bench",
                            "http_filters": filters,
                            "route_config": {"virtual_hosts": [{
                                "name": "all",
                                "domains": ["*"],
                                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}]
                            }]}
                        }
                    }]}]
                }],
                "clusters": [{
                    "name": "upstream",
                    "connect_timeout": "10s",
                    "circuit_breakers": limits,
                    "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [{
                        "endpoint": {"address": address(upstream)}
                    }]}]}
                }]
            }
        })
    }

    fn filters(self, keys: Option<usize>) -> Vec<Value> {
        match self {
            Self::Alone => Vec::new(),
            // The same configuration, which it does not read: Envoy's own work on it is no cost of Tollgate.
            Self::Empty => vec![wasm(&empty_filter(), &configuration(keys))],
            Self::Tollgate => vec![wasm(&tollgate_tests::filter(), &configuration(keys))],
            Self::Native => vec![
                jwt_authn(),
                api_key_auth(),
                rbac(),
                header_mutation(),
                sse_to_metadata(),
            ],
            Self::SseToMetadata => vec![sse_to_metadata()],
            Self::OneLimit => vec![limited(1)],
            Self::ThreeLimits => vec![limited(3)],
        }
    }
}

/// The key with this number.
pub(crate) fn key(number: usize) -> String {
    format!("sk-team-{number}")
}

/// Where the empty filter is: beside Tollgate.
pub(crate) fn empty_filter() -> PathBuf {
    tollgate_tests::filter().with_file_name("empty_filter.wasm")
}

/// The demo configuration as text, with so many numbered keys instead of its own.
fn configuration(keys: Option<usize>) -> String {
    let mut configuration = demo::config();
    if let Some(count) = keys {
        let numbered = (0..count).map(|number| {
            json!({"id": format!("key-{number}"), "tenant": "acme", "keyHash": demo::key_hash(&key(number))})
        });
        configuration["keys"] = numbered.collect();
    }
    configuration.to_string()
}

/// Tollgate with the first of these limits, none of which is ever reached.
fn limited(count: usize) -> Value {
    let limits = [
        json!({"id": "tokens", "per": "tenant", "tokens": 1_000_000_000, "window": "minute"}),
        json!({"id": "requests", "per": "key", "requests": 1_000_000_000, "window": "day"}),
        json!({"id": "flight", "per": "tenant", "concurrent": 1_000_000}),
    ];
    let mut configuration = demo::config();
    configuration["limits"] = limits.into_iter().take(count).collect();
    wasm(&tollgate_tests::filter(), &configuration.to_string())
}

fn wasm(module: &Path, configuration: &str) -> Value {
    filter(
        "wasm",
        "wasm.v3.Wasm",
        json!({"config": {
            "name": "bench",
            "vm_config": {
                "vm_id": "bench",
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": module}}
            },
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
            "failure_policy": "FAIL_RELOAD"
        }}),
    )
}

/// As in front of Tollgate, where keys and tokens share a header. The key set is made up: no token is verified here.
fn jwt_authn() -> Value {
    let keys = r#"{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"demo","x":"LZHeceaxzFfJahfSdJxvSud-qBpDBOt1KKc2qECkxgk","y":"NY19vhKqBzsPX-ZL0HufIWetR68de3hWRZ4DOYH-RGk"}]}"#;
    filter(
        "jwt_authn",
        "jwt_authn.v3.JwtAuthentication",
        json!({
            "providers": {"demo": {
                "issuer": demo::ISSUER,
                "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
                "local_jwks": {"inline_string": keys},
                "payload_in_metadata": "payload",
                "forward": true
            }},
            "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": [
                {"provider_name": "demo"}, {"allow_missing_or_failed": {}}
            ]}}}]
        }),
    )
}

fn api_key_auth() -> Value {
    filter(
        "api_key_auth",
        "api_key_auth.v3.ApiKeyAuth",
        json!({
            "credentials": [
                {"key": demo::ACME_KEY, "client": "acme"},
                {"key": demo::GLOBEX_KEY, "client": "globex"}
            ],
            "key_sources": [{"header": "authorization"}, {"header": "x-api-key"}, {"header": "api-key"}],
            "forwarding": {"header": "x-tollgate-tenant", "hide_credentials": true}
        }),
    )
}

/// Tenants by path, since these filters know no models.
fn rbac() -> Value {
    let tenant = |name: &str| json!({"header": {"name": "x-tollgate-tenant", "string_match": {"exact": name}}});
    filter(
        "rbac",
        "rbac.v3.RBAC",
        json!({"rules": {"action": "ALLOW", "policies": {"inference": {
            "permissions": [{"url_path": {"path": {"prefix": "/v1/"}}}],
            "principals": [tenant("acme"), tenant("globex")]
        }}}}),
    )
}

/// What Tollgate removes and sets, as far as names can be listed.
fn header_mutation() -> Value {
    let removed = [
        "accept-encoding",
        "x-llm-d-inference-objective",
        "x-gateway-inference-objective",
        "x-slo-ttft-ms",
        "x-slo-tpot-ms",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-envoy-max-retries",
        "x-envoy-retry-on",
        "x-envoy-upstream-rq-timeout-ms",
    ];
    let set = [
        "x-llm-d-inference-fairness-id",
        "x-gateway-inference-fairness-id",
    ];
    let mut mutations: Vec<Value> = removed.iter().map(|name| json!({"remove": name})).collect();
    mutations.extend(set.iter().map(|name| {
        json!({"append": {
            "header": {"key": name, "value": "%REQ(x-tollgate-tenant)%"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"
        }})
    }));
    filter(
        "header_mutation",
        "header_mutation.v3.HeaderMutation",
        json!({"mutations": {"request_mutations": mutations}}),
    )
}

fn sse_to_metadata() -> Value {
    let rule = |name: &str| {
        json!({"rule": {
            "selectors": [{"key": "usage"}, {"key": name}],
            "on_present": {"metadata_namespace": "tokens", "key": name, "type": "NUMBER"}
        }})
    };
    filter(
        "sse_to_metadata",
        "sse_to_metadata.v3.SseToMetadata",
        json!({"response_rules": {"content_parser": {
            "name": "envoy.content_parsers.json",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.content_parsers.json.v3.JsonContentParser",
                "rules": [rule("prompt_tokens"), rule("completion_tokens")]
            }
        }}}),
    )
}

fn filter(name: &str, kind: &str, mut settings: Value) -> Value {
    settings["@type"] = json!(format!(
        "type.googleapis.com/envoy.extensions.filters.http.{kind}"
    ));
    json!({"name": format!("envoy.filters.http.{name}"), "typed_config": settings})
}

fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

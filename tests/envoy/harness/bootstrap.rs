//! Envoy's bootstrap, made for one test.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::demo::{ISSUER, UNLISTED_ISSUER};
use super::tokens::key_set;

/// What differs from test to test.
pub(super) struct Bootstrap<'a> {
    /// The plugin configuration; `None` leaves the filter out.
    pub(super) config: Option<&'a Value>,
    /// The module to load.
    pub(super) wasm: &'a Path,
    /// Where requests go.
    pub(super) upstream: SocketAddr,
    /// Whether they go there over HTTP/2.
    pub(super) upstream_http2: bool,
    /// Where the access log is written.
    pub(super) access_log: &'a Path,
    /// `per_connection_buffer_limit_bytes` of listener and cluster; `None` is Envoy's own default of 1 MiB.
    pub(super) buffer_limit: Option<u32>,
    /// The route's timeout for a whole reply; zero is none.
    pub(super) route_timeout: Duration,
}

impl Bootstrap<'_> {
    /// The bootstrap as JSON, with every port left to the kernel.
    pub(super) fn render(&self) -> Value {
        let mut bootstrap = json!({
            "admin": {"address": any_port()},
            "stats_flush_interval": "0.1s",
            "stats_config": {"stats_tags": stats_tags()},
            "static_resources": {
                "listeners": [{
                    "name": "gateway",
                    "address": any_port(),
                    "filter_chains": [{"filters": [{
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": self.connection_manager()
                    }]}]
                }],
                "clusters": [{
                    "name": "upstream",
                    "connect_timeout": "1s",
                    "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [{
                        "endpoint": {"address": {"socket_address": {
                            "address": self.upstream.ip().to_string(),
                            "port_value": self.upstream.port()
                        }}}
                    }]}]}
                }]
            }
        });
        if self.upstream_http2 {
            bootstrap["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = json!({
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}}
                }
            });
        }
        if let Some(limit) = self.buffer_limit {
            let resources = &mut bootstrap["static_resources"];
            resources["listeners"][0]["per_connection_buffer_limit_bytes"] = json!(limit);
            resources["clusters"][0]["per_connection_buffer_limit_bytes"] = json!(limit);
        }
        bootstrap
    }

    fn connection_manager(&self) -> Value {
        let mut filters = vec![jwt_authn()];
        filters.extend(self.config.map(|config| self.tollgate(config)));
        filters.push(json!({
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
        }));
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "gateway",
            // Both HTTP/1.1 and HTTP/2 with prior knowledge.
            "codec_type": "AUTO",
            // Above the default of 60, so that a header of 60 KB reaches the filter.
            "max_request_headers_kb": 96,
            "stream_idle_timeout": "10s",
            "access_log": [{
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": self.access_log,
                    "log_format": {"json_format": access_log_fields()}
                }
            }],
            "http_filters": filters,
            "route_config": {"virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{
                    "match": {"prefix": "/"},
                    "route": {"cluster": "upstream", "timeout": format!("{}s", self.route_timeout.as_secs_f64())}
                }]
            }]}
        })
    }

    fn tollgate(&self, config: &Value) -> Value {
        json!({
            "name": "tollgate",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": "tollgate",
                    "root_id": "tollgate",
                    "vm_config": {
                        "vm_id": "tollgate",
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {"local": {"filename": self.wasm}}
                    },
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": config.to_string()
                    },
                    "failure_policy": "FAIL_RELOAD"
                }
            }
        })
    }
}

fn any_port() -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}})
}

/// Labels come first in the filter's metric names, each as `label=.=value;.;`.
fn stats_tags() -> Vec<Value> {
    [
        "tenant",
        "model",
        "operation",
        "outcome",
        "type",
        "reason",
        "code",
        "label",
    ]
    .iter()
    .map(|label| json!({"tag_name": label, "regex": format!(r"({label}=\.=(.*?);\.;)")}))
    .collect()
}

/// Every issuer leaves its payload under the same name, as Istio does; a failed token is the filter's to refuse.
fn jwt_authn() -> Value {
    let provider = |issuer: &str| {
        json!({
            "issuer": issuer,
            "local_jwks": {"inline_string": key_set()},
            "payload_in_metadata": "payload",
            "forward": true
        })
    };
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"demo": provider(ISSUER), "partner": provider(UNLISTED_ISSUER)},
            "rules": [{
                "match": {"prefix": "/"},
                "requires": {"requires_any": {"requirements": [
                    {"provider_name": "demo"},
                    {"provider_name": "partner"},
                    {"allow_missing_or_failed": {}}
                ]}}
            }]
        }
    })
}

fn access_log_fields() -> Value {
    let mut fields = json!({
        "case": "%REQ(x-case)%",
        "path": "%REQ(:path)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%"
    });
    for name in [
        "tenant",
        "model",
        "input_tokens",
        "output_tokens",
        "charge_tokens",
        "usage_source",
        "outcome",
        "denial",
        "would_deny",
    ] {
        fields[name] = json!(format!("%FILTER_STATE(wasm.tollgate.{name}:PLAIN)%"));
    }
    fields
}

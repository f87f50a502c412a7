//! Envoy's bootstrap, made for one test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::tokens::key_set;

const AUTHORITY: &str = include_str!("../../fixtures/certificates/authority.pem");
const GATEWAY: &str = include_str!("../../fixtures/certificates/gateway.pem");
/// The type of a Wasm filter's configuration.
pub(super) const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
/// The listener with the filter.
pub(super) const LISTENER: &str = "gateway";

/// What differs from test to test.
pub(super) struct Bootstrap<'a> {
    /// The plugin configuration; `None` leaves the filter out.
    pub(super) config: Option<&'a Value>,
    /// The filter's environment (`vm_config.environment_variables`).
    pub(super) environment: &'a BTreeMap<String, String>,
    /// The module to load.
    pub(super) wasm: &'a Path,
    /// Whose tokens Envoy verifies.
    pub(super) providers: &'a [Provider],
    /// The certificate, with its key, that all clients come with. `None` is HTTP without TLS.
    pub(super) client_certificate: Option<&'static str>,
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
            "node": {"id": "gateway", "cluster": "gateway"},
            "admin": {"address": any_port()},
            "stats_flush_interval": "0.1s",
            "stats_config": {"stats_tags": tollgate_tests::stats_tags()},
            "static_resources": {
                "listeners": [{
                    "name": LISTENER,
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
        if let Some(certificate) = self.client_certificate {
            self.put_behind_tls(&mut bootstrap["static_resources"], certificate);
        }
        bootstrap
    }

    /// Lets the gateway speak TLS with verified client certificates only, on a socket of its own; in front of it stands
    /// a listener that takes plain bytes and carries them there with the client's certificate.
    fn put_behind_tls(&self, resources: &mut Value, certificate: &str) {
        let socket = json!({"pipe": {"path": self.access_log.with_file_name("gateway.sock")}});
        let both_halves = |pem: &str| {
            json!({
                "tls_certificates": [{
                    "certificate_chain": {"inline_string": pem},
                    "private_key": {"inline_string": pem}
                }],
                "validation_context": {"trusted_ca": {"inline_string": AUTHORITY}}
            })
        };
        let gateway = &mut resources["listeners"][0];
        gateway["address"] = socket.clone();
        gateway["filter_chains"][0]["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": both_halves(GATEWAY),
                "require_client_certificate": true
            }
        });
        let front = json!({
            "name": "front",
            "address": any_port(),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.tcp_proxy",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefix": "front",
                    "cluster": "gateway"
                }
            }]}]
        });
        let cluster = json!({
            "name": "gateway",
            "load_assignment": {"cluster_name": "gateway", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket}}]}]},
            "transport_socket": {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    "common_tls_context": both_halves(certificate)
                }
            }
        });
        resources["listeners"]
            .as_array_mut()
            .unwrap()
            .insert(0, front);
        resources["clusters"].as_array_mut().unwrap().push(cluster);
    }

    fn connection_manager(&self) -> Value {
        let mut filters = vec![jwt_authn(self.providers)];
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

    /// The filter as Envoy is told of it.
    fn tollgate(&self, config: &Value) -> Value {
        json!({
            "name": "tollgate",
            "typed_config": {
                "@type": WASM,
                "config": {
                    "name": "tollgate",
                    "root_id": "tollgate",
                    "vm_config": {
                        "vm_id": "tollgate",
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {"local": {"filename": self.wasm}},
                        "environment_variables": {"key_values": self.environment}
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

/// The HTTP filters of a bootstrap: `jwt_authn`, the filter, the router.
pub(crate) fn filters(bootstrap: &mut Value) -> &mut Vec<Value> {
    connection_manager(bootstrap)["http_filters"]
        .as_array_mut()
        .unwrap()
}

/// The one route of a bootstrap.
pub(crate) fn route(bootstrap: &mut Value) -> &mut Value {
    &mut connection_manager(bootstrap)["route_config"]["virtual_hosts"][0]["routes"][0]
}

/// The connection manager of a bootstrap.
pub(crate) fn connection_manager(bootstrap: &mut Value) -> &mut Value {
    &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
}

fn any_port() -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}})
}

/// A provider of `jwt_authn`.
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    pub(crate) issuer: &'static str,
    /// `payload_in_metadata`.
    pub(crate) metadata_key: &'static str,
}

/// Any provider may verify the token; a failed one is the filter's to refuse.
fn jwt_authn(providers: &[Provider]) -> Value {
    let mut requirements: Vec<Value> = providers
        .iter()
        .map(|provider| json!({"provider_name": provider.name}))
        .collect();
    requirements.push(json!({"allow_missing_or_failed": {}}));
    let providers: BTreeMap<&str, Value> = providers
        .iter()
        .map(|provider| {
            let settings = json!({
                "issuer": provider.issuer,
                "local_jwks": {"inline_string": key_set()},
                "payload_in_metadata": provider.metadata_key,
                "forward": true
            });
            (provider.name, settings)
        })
        .collect();
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": providers,
            "rules": [{
                "match": {"prefix": "/"},
                "requires": {"requires_any": {"requirements": requirements}}
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

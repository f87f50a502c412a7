//! What Envoy tells a collector of OpenTelemetry about a request, with `examples/observability/opentelemetry.yaml`.

mod collector;
mod messages;

use std::fs;

use serde_json::{Value, json};
use tollgate_tests::manifest::{documents, repository};

use self::collector::{Collector, Item};
use crate::harness::demo::{self, ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat};
use crate::harness::{Gateway, connection_manager, envoy_version, eventually, send};

fn gateway(collector: &Collector) -> Gateway {
    let path = repository().join("examples/observability/opentelemetry.yaml");
    let parts = documents(&fs::read_to_string(path).unwrap())
        .unwrap()
        .remove(0);
    let (host, port) = (collector.address.ip().to_string(), collector.address.port());
    let mut config = demo::config();
    config["metering"]["filterState"] = json!(true);
    Gateway::builder()
        .config(config)
        .amended(move |bootstrap| {
            let manager = connection_manager(bootstrap);
            manager["access_log"] = parts["access_log"].clone();
            // Else Envoy keeps records for a second.
            let log = &mut manager["access_log"][0]["typed_config"];
            log["buffer_flush_interval"] = json!("0.1s");
            if envoy_version() < [1, 37] {
                in_common_config(log);
            }
            manager["tracing"] = parts["tracing"].clone();
            let mut cluster = parts["cluster"].clone();
            let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
            *cluster.pointer_mut(endpoint).unwrap() =
                json!({"socket_address": {"address": host, "port_value": port}});
            bootstrap["static_resources"]["clusters"]
                .as_array_mut()
                .unwrap()
                .push(cluster);
            // Else Envoy keeps spans for five seconds.
            bootstrap["layered_runtime"] = json!({"layers": [{
                "name": "spans",
                "static_layer": {"tracing.opentelemetry.flush_interval_ms": 100}
            }]});
        })
        .start()
}

/// As Envoy 1.36 wants it.
fn in_common_config(log: &mut Value) {
    let names = ["log_name", "grpc_service", "buffer_flush_interval"];
    let mut common = json!({"transport_api_version": "V3"});
    for name in names {
        common[name] = log.as_object_mut().unwrap().remove(name).unwrap();
    }
    log["common_config"] = common;
}

/// The attributes of these names.
fn of(item: &Item, names: &[&str]) -> Value {
    let values = names.iter().map(|name| item.attributes.get(*name));
    values.map(|value| json!(value)).collect()
}

fn two(received: Vec<Item>) -> Result<[Item; 2], String> {
    <[Item; 2]>::try_from(received).map_err(|received| format!("{received:?}"))
}

#[test]
fn a_collector_gets_model_tokens_and_tenant_of_each_request() {
    let collector = Collector::start();
    let gateway = gateway(&collector);
    let ask = |key: &str, model: &str| {
        let request = gateway.post("/v1/chat/completions").bearer_auth(key);
        send(request.json(&chat(model))).status
    };
    assert_eq!(ask(ACME_KEY, LLAMA), 200);
    assert_eq!(ask(GLOBEX_KEY, QWEN), 403);
    let names = [
        "gen_ai.request.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "tenant.id",
        "tollgate.outcome",
        "tollgate.denial",
        "tollgate.usage_source",
        "http.response.status_code",
    ];
    let records = eventually("two log records", || two(collector.records()));
    let expected = [
        json!([LLAMA, "11", "7", "acme", "ok", "-", "reported", "200"]),
        json!([
            QWEN,
            "-",
            "-",
            "globex",
            "denied",
            "model_not_allowed",
            "not_applicable",
            "403"
        ]),
    ];
    assert_eq!(
        records.each_ref().map(|record| of(record, &names)),
        expected
    );
    let spans = eventually("two spans", || two(collector.spans()));
    let names = ["tenant.id", "tollgate.details"];
    let expected = [
        json!(["acme", "via_upstream"]),
        json!(["globex", "tollgate_model_not_allowed"]),
    ];
    assert_eq!(spans.each_ref().map(|span| of(span, &names)), expected);
    for (record, span) in records.iter().zip(&spans) {
        assert_eq!((&record.trace, &record.span), (&span.trace, &span.span));
    }
}

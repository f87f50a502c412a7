//! What `tollgate limits export` has written, in two gateways with one rate limit server.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::{REPLY, chat_with};
use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN};
use crate::harness::{Gateway, RateLimitServer, eventually, filters, question_of, route};

/// A file of `tests/fixtures/limits`.
fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/limits");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// A gateway with the configuration of `fleet.yaml` without its own limits, and with the filters that were exported.
fn fleet(server: SocketAddr) -> Gateway {
    let exported = yaml(&fixture("fleet.envoy"));
    let mut config = yaml(&fixture("fleet.yaml"));
    config.as_object_mut().unwrap().remove("limits");
    Gateway::builder()
        .config(config)
        .workers(1)
        .amended(move |bootstrap| {
            for filter in exported["http_filters"].as_array().unwrap() {
                let before_router = filters(bootstrap).len() - 1;
                filters(bootstrap).insert(before_router, filter.clone());
            }
            route(bootstrap)["typed_per_filter_config"] =
                exported["typed_per_filter_config"].clone();
            let endpoint = json!({"address": {"socket_address": {
                "address": server.ip().to_string(), "port_value": server.port()
            }}});
            let cluster = json!({
                "name": "rate-limit",
                "connect_timeout": "1s",
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicit_http_config": {"http2_protocol_options": {}}
                    }
                },
                "load_assignment": {
                    "cluster_name": "rate-limit",
                    "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]
                }
            });
            let clusters = &mut bootstrap["static_resources"]["clusters"];
            clusters.as_array_mut().unwrap().push(cluster);
        })
        .start()
}

#[test]
fn exported_limits_hold_in_a_fleet() {
    let server = RateLimitServer::start(&fixture("fleet.engine"));
    let gateways = [fleet(server.address), fleet(server.address)];
    let ask = |gateway: &Gateway, key: &str, model: &str| {
        let before = server.asked().len();
        let answer =
            gateway
                .connect()
                .exchange(&chat_with(Some(key), &[("x-ai-eg-model", model)], model));
        // Its charge has come before the next one asks: an ask, a request and the tokens, or an ask and no tokens.
        let calls = before + if answer.status == 200 { 3 } else { 2 };
        eventually("the charge", || {
            let asked = server.asked().len();
            (asked == calls)
                .then_some(())
                .ok_or_else(|| format!("{asked} calls, not {calls}"))
        });
        // The nearest limit is the first number.
        let limit = answer.header("x-ratelimit-limit").unwrap_or_default();
        (answer.status, limit.split(',').next().unwrap().to_owned())
    };
    // `day` has 40 tokens and an answer costs 18: the fourth finds 54 spent, whichever gateway it comes to. In
    // between the shadow of `qwen` refuses nobody.
    for (gateway, model, expected) in [
        (0, LLAMA, 200),
        (1, QWEN, 200),
        (0, QWEN, 200),
        (1, LLAMA, 429),
        (0, QWEN, 429),
    ] {
        let (status, limit) = ask(&gateways[gateway], ACME_KEY, model);
        assert_eq!(status, expected, "{model}, {limit}");
        if status == 429 {
            assert_eq!(limit, "40", "{model}");
        }
    }
    // `shared` is charged by what globex asks of a model, and by nobody else.
    assert_eq!(ask(&gateways[0], GLOBEX_KEY, LLAMA).0, 200);
    let of_shared = |model: &str| {
        let entries = [
            ("limit", "shared"),
            ("tenants", "selected"),
            ("model", model),
        ];
        let asked = server.asked().into_iter();
        let descriptors = asked.flat_map(|asked| asked.descriptors);
        let wanted = question_of(&entries, REPLY).descriptors;
        descriptors
            .filter(|descriptor| wanted.contains(descriptor))
            .count()
    };
    assert_eq!((of_shared(LLAMA), of_shared(QWEN)), (1, 0));
}

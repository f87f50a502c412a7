//! `/v1/models`, which AI Gateway answers before Tollgate is asked.

use serde_json::json;

use super::manifests::Manifests;
use super::xds::Attachment;
use super::{is_too_old, start, start_with};
use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat};
use crate::harness::{Answer, Reply, Wire, send};

const PATHS: [&str; 2] = ["/v1/models", "/anthropic/v1/models"];

fn models(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    let models = list["data"].as_array().unwrap().iter();
    models
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn ai_gateway_alone_shows_all_models_to_anybody() {
    if is_too_old() {
        return;
    }
    let mut manifests = Manifests::shipped();
    manifests.remove("HTTPRoute");
    let running = start_with(&manifests, Attachment::Gateway, |builder| builder);
    let gateway = &running.gateway;
    for path in PATHS {
        let get = send(gateway.get(path));
        assert_eq!(
            (get.status, models(&get)),
            (200, vec![LLAMA.to_owned(), QWEN.to_owned()]),
            "{path}"
        );
        let post = send(gateway.post(path).json(&chat(LLAMA)));
        assert_eq!(
            (post.status, models(&post)),
            (200, vec![LLAMA.to_owned(), QWEN.to_owned()]),
            "{path}"
        );
    }
    // It is counted none the less, once each: as what nobody was asked about.
    gateway.expect_counted(
        &["tollgate_requests_total", "tollgate_denials_total"],
        "tollgate_requests_total{tenant=\"unknown\",model=\"unknown\",operation=\"none\",outcome=\"ok\"} 4",
    );
}

#[test]
fn a_route_of_its_own_puts_the_list_behind_tollgate() {
    if is_too_old() {
        return;
    }
    let running = start();
    let gateway = &running.gateway;
    for path in PATHS {
        assert_eq!(
            send(gateway.get(path)).verdict(),
            (401, Some("missing_credential")),
            "{path}"
        );
        let spoofed = gateway
            .get(path)
            .header("x-ai-eg-model", "of-another-route");
        assert_eq!(
            send(spoofed).verdict(),
            (401, Some("missing_credential")),
            "{path}"
        );
        let post = gateway.post(path).bearer_auth(ACME_KEY).json(&chat(LLAMA));
        assert_eq!(
            send(post).verdict(),
            (403, Some("operation_not_allowed")),
            "{path}"
        );
        for (key, expected) in [(ACME_KEY, vec![LLAMA, QWEN]), (GLOBEX_KEY, vec![LLAMA])] {
            let answer = send(gateway.get(path).bearer_auth(key));
            assert_eq!(
                (answer.status, models(&answer)),
                (
                    200,
                    expected.iter().map(|model| (*model).to_owned()).collect()
                ),
                "{path}"
            );
            assert_eq!(
                answer.header("content-type"),
                Some("application/json"),
                "{path}"
            );
            assert_eq!(
                answer.header("cache-control"),
                Some("private, no-store"),
                "{path}"
            );
        }
    }
    // What differs by a letter is AI Gateway's, and it knows no such path.
    for path in ["/v1/models/", "/v1%2Fmodels", "/v1/models;x"] {
        let answer = send(gateway.get(path));
        assert_eq!(
            (answer.status, &*answer.body),
            (404, format!("unsupported path: {path}").as_bytes()),
            "{path}"
        );
    }
    assert_eq!(
        running.processor.asked(),
        ["/v1/models/", "/v1%2Fmodels", "/v1/models;x"]
    );
    // What Envoy makes of it before it looks for a route is ours.
    let doubled = gateway
        .connect()
        .exchange(&Wire::new("GET", "//v1/./models?a"));
    assert_eq!(doubled.verdict(), (401, Some("missing_credential")));
    assert_eq!(gateway.seen().len(), 0);
}

#[test]
fn the_list_of_a_server_can_stand_for_it() {
    if is_too_old() {
        return;
    }
    let mut manifests = Manifests::shipped();
    let backend = json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "vllm"});
    let rule = &mut manifests.spec_mut("HTTPRoute")["rules"][0];
    *rule = json!({"matches": rule["matches"], "backendRefs": [backend]});
    let running = start_with(&manifests, Attachment::Gateway, |builder| {
        let list =
            json!({"object": "list", "data": [{"id": QWEN}, {"id": LLAMA}, {"id": "secret"}]});
        builder.reply(Reply::json(&list))
    });
    let gateway = &running.gateway;
    assert_eq!(send(gateway.get("/v1/models")).status, 401);
    assert_eq!(gateway.seen().len(), 0);
    let answer = send(gateway.get("/v1/models").bearer_auth(GLOBEX_KEY));
    assert_eq!(
        (answer.status, models(&answer)),
        (200, vec![LLAMA.to_owned()])
    );
    assert_eq!(running.processor.asked(), [""; 0]);
}

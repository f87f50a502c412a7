//! Where the policy has to be attached. The filters of a request are those of its first route; AI Gateway changes the route
//! when it has read the body, and the filters stay as they are.

use serde_json::json;

use super::manifests::Manifests;
use super::xds::Attachment::{self, Gateway, HttpRoute, Rule};
use super::{AiGateway, is_too_old, start_with};
use crate::harness::demo::{ACME_KEY, LLAMA, chat};
use crate::harness::send;
use crate::platforms::lock;

/// What a request without a key comes to, if it says this of the model.
fn without_a_key(manifests: &Manifests, attachment: Attachment, said: Option<&str>) -> u16 {
    let running = start_with(manifests, attachment, |builder| builder);
    let mut request = running.gateway.post("/v1/chat/completions");
    if let Some(model) = said {
        request = request.header("x-ai-eg-model", model);
    }
    let status = send(request.json(&chat(LLAMA))).status;
    let reached = running.gateway.seen().len();
    assert_eq!(
        reached,
        usize::from(status == 200),
        "{attachment:?}, {said:?}"
    );
    status
}

#[test]
fn only_a_policy_at_the_gateway_cannot_be_passed_by_and_the_lock_holds_where_it_is_elsewhere() {
    if is_too_old() {
        return;
    }
    let without_lock = |mut manifests: Manifests| {
        let security = manifests.spec_mut("SecurityPolicy").as_object_mut();
        security.unwrap().remove("authorization");
        manifests
    };
    let shipped = Manifests::shipped();
    let mut unguarded = Manifests::shipped();
    unguarded.spec_mut("ClientTrafficPolicy")["headers"] = json!({});
    let other = Some("of-another-route");
    // What comes of it without the second lock, and with it.
    for (name, manifests, attachment, said, open, locked) in [
        // Before the body is read, the route of the rule is never the first one.
        ("at the rule", &unguarded, Rule(0), None, 200, 403),
        (
            "at the rule, the header removed",
            &shipped,
            Rule(0),
            Some(LLAMA),
            200,
            403,
        ),
        // The client names a model of somebody else's route first, and ours in the body.
        ("at the HTTPRoute", &unguarded, HttpRoute, other, 200, 403),
        (
            "at the HTTPRoute, honest",
            &unguarded,
            HttpRoute,
            None,
            401,
            401,
        ),
        // Now nobody chooses a route by this header before AI Gateway has written it.
        (
            "at the HTTPRoute, the header removed",
            &shipped,
            HttpRoute,
            other,
            401,
            401,
        ),
        ("at the Gateway", &unguarded, Gateway, other, 401, 401),
        (
            "at the Gateway, honest",
            &unguarded,
            Gateway,
            None,
            401,
            401,
        ),
        (
            "at the Gateway, the header removed",
            &shipped,
            Gateway,
            other,
            401,
            401,
        ),
    ] {
        let unlocked = without_lock(manifests.clone());
        assert_eq!(without_a_key(&unlocked, attachment, said), open, "{name}");
        assert_eq!(
            without_a_key(manifests, attachment, said),
            locked,
            "{name}, with the lock"
        );
    }
}

/// Envoy Gateway changes routes at once, and a listener when all that it needs is there, or never if it is refused.
#[test]
fn where_the_filter_is_not_the_one_that_routes_enable_the_lock_lets_nothing_pass() {
    if is_too_old() {
        return;
    }
    let running = start_with(&Manifests::shipped(), Gateway, |builder| builder);
    for (path, key, status) in [
        ("/v1/chat/completions", true, 200),
        ("/v1/chat/completions", false, 401),
        ("/v1/models", true, 200),
    ] {
        let asked = ask(&running, path, key);
        assert_eq!(asked, status, "{path}");
    }
    for seen in running.gateway.seen() {
        assert!(seen.values(lock::HEADER).is_empty(), "{seen:?}");
    }
    let renamed = start_with(&Manifests::shipped(), Attachment::Renamed, |builder| {
        builder
    });
    for path in ["/v1/chat/completions", "/v1/models"] {
        for key in [true, false] {
            assert_eq!(ask(&renamed, path, key), 403, "{path}, key: {key}");
        }
    }
    assert!(renamed.gateway.seen().is_empty());
}

/// The status of a request that says of itself that it was admitted.
fn ask(running: &AiGateway, path: &str, key: bool) -> u16 {
    let mut request = match path {
        "/v1/models" => running.gateway.get(path),
        _ => running.gateway.post(path).json(&chat(LLAMA)),
    };
    if key {
        request = request.bearer_auth(ACME_KEY);
    }
    send(request.header(lock::HEADER, "yes")).status
}

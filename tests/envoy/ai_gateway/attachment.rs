//! Where the policy has to be attached. The filters of a request are those of its first route; AI Gateway changes the route
//! when it has read the body, and the filters stay as they are.

use serde_json::json;

use super::manifests::Manifests;
use super::xds::Attachment::{self, Gateway, HttpRoute, Rule};
use super::{is_too_old, start_with};
use crate::harness::demo::{LLAMA, chat};
use crate::harness::send;

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
fn only_a_policy_at_the_gateway_cannot_be_passed_by() {
    if is_too_old() {
        return;
    }
    let shipped = Manifests::shipped();
    let mut unguarded = Manifests::shipped();
    unguarded.spec_mut("ClientTrafficPolicy")["headers"] = json!({});
    let other = Some("of-another-route");
    for (name, manifests, attachment, said, status) in [
        // Before the body is read, the route of the rule is never the first one.
        ("at the rule", &unguarded, Rule(0), None, 200),
        (
            "at the rule, the header removed",
            &shipped,
            Rule(0),
            Some(LLAMA),
            200,
        ),
        // The client names a model of somebody else's route first, and ours in the body.
        ("at the HTTPRoute", &unguarded, HttpRoute, other, 200),
        ("at the HTTPRoute, honest", &unguarded, HttpRoute, None, 401),
        // Now nobody chooses a route by this header before AI Gateway has written it.
        (
            "at the HTTPRoute, the header removed",
            &shipped,
            HttpRoute,
            other,
            401,
        ),
        ("at the Gateway", &unguarded, Gateway, other, 401),
        ("at the Gateway, honest", &unguarded, Gateway, None, 401),
        (
            "at the Gateway, the header removed",
            &shipped,
            Gateway,
            other,
            401,
        ),
    ] {
        assert_eq!(without_a_key(manifests, attachment, said), status, "{name}");
    }
}

//! The second lock: an AuthorizationPolicy that denies what does not carry the secret.

use std::slice::from_ref;

use serde_json::{Value, json};
use tollgate_tests::manifest::example;

use super::{builder, plugin_config, translate};
use crate::harness::demo::{LLAMA, chat};
use crate::harness::{filters, send};
use crate::platforms::{NO_KEY, lock};

/// The policy of the example.
pub(super) fn policy() -> Value {
    example("istio/lock.yaml", "AuthorizationPolicy")["spec"].clone()
}

/// The value of the Secret.
pub(super) fn secret() -> String {
    let secret = example("istio/lock.yaml", "Secret");
    secret["stringData"]["value"].as_str().unwrap().to_owned()
}

/// A policy that denies by headers, of the kind that the example has. (`pilot/pkg/security/authz/`)
pub(super) fn denies(policy: &Value) -> Value {
    assert_eq!(policy["action"], "DENY");
    let rules = policy["rules"].as_array().unwrap().iter().enumerate();
    let policies: serde_json::Map<_, _> = rules
        .map(|(index, rule)| {
            let conditions = rule["when"].as_array().unwrap().iter();
            let conditions = conditions.map(|when| {
                let header = when["key"].as_str().unwrap();
                let header = header
                    .strip_prefix("request.headers[")
                    .and_then(|key| key.strip_suffix(']'));
                let values = when["notValues"].as_array().unwrap().iter();
                let values = values.map(|value| {
                    assert!(!value.as_str().unwrap().contains('*'), "a pattern");
                    json!({"header": {"name": header.unwrap(), "string_match": {"exact": value}}})
                });
                json!({"not_id": {"or_ids": {"ids": values.collect::<Vec<_>>()}}})
            });
            let name = format!("ns[inference]-policy[tollgate-admitted]-rule[{index}]");
            let policy = json!({
                "permissions": [{"and_rules": {"rules": [{"any": true}]}}],
                "principals": [{"and_ids": {"ids": conditions.collect::<Vec<_>>()}}]
            });
            (name, policy)
        })
        .collect();
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "DENY", "policies": policies}
        }
    })
}

/// All of these are silent: no status, no line in the log.
#[test]
fn where_tollgate_is_not_met_the_lock_lets_nothing_pass() {
    type Amend = fn(&mut Value);
    let gateway = |lock: Option<Value>, amend: Amend| {
        let tokens = example("istio/tokens.yaml", "RequestAuthentication");
        let filter = example("istio/tokens.yaml", "EnvoyFilter");
        builder()
            .config(lock::with_everything_that_passes(&plugin_config()))
            .amended(move |bootstrap| {
                translate(bootstrap, from_ref(&tokens), Some(&filter), lock.as_ref());
                amend(bootstrap);
            })
            .start()
    };
    lock::assert_open(&gateway(Some(policy()), |_| ()), "as it should be");
    let states: [(&str, Amend); 2] = [
        (
            "no such Gateway, or a match for another port",
            |bootstrap| {
                filters(bootstrap).remove(1);
            },
        ),
        ("in the phase STATS, behind the lock", |bootstrap| {
            let tollgate = filters(bootstrap).remove(1);
            filters(bootstrap).insert(2, tollgate);
        }),
    ];
    for (state, amend) in states {
        let closed = gateway(Some(policy()), amend);
        lock::assert_closed(&closed, state, "yes");
        let counted = closed.admin_text("/stats/prometheus");
        assert!(
            counted.contains(
                r#"envoy_http_rbac_denied{http_conn_manager_prefix="outbound_0.0.0.0_80"} 10"#
            ),
            "{state}: {counted}"
        );
        let open = gateway(None, amend);
        if state.starts_with("in the phase") {
            let answer = send(open.post("/v1/chat/completions").json(&chat(LLAMA)));
            assert_eq!(answer.verdict(), NO_KEY, "{state}, without the lock");
        } else {
            lock::assert_nobody_asks(&open, state);
        }
    }
}

#[test]
fn who_knows_the_secret_of_the_lock_is_let_in_where_tollgate_is_not_met() {
    let gateway = builder()
        .amended(|bootstrap| {
            let tokens = example("istio/tokens.yaml", "RequestAuthentication");
            translate(bootstrap, &[tokens], None, Some(&policy()));
            filters(bootstrap).remove(1);
        })
        .start();
    let ask = |value: &str| {
        let request = gateway
            .post("/v1/chat/completions")
            .header(lock::HEADER, value);
        send(request.json(&chat(LLAMA))).status
    };
    assert_eq!(ask(&secret()), 200);
    assert_eq!(ask("anything else"), 403);
}

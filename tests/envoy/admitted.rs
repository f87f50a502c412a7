//! The second lock: what stands behind the filter refuses what the filter has not admitted.

use serde_json::{Value, json};

use crate::harness::demo::{self, ACME_KEY, LLAMA, chat};
use crate::harness::{Builder, Gateway, Wire, filters};

const LOCK: &str = "x-tollgate-admitted";
const SECRET: &str = "a-secret-of-the-gateway";

fn config() -> Value {
    let mut config = demo::config();
    config["admittedHeader"] = json!({"name": LOCK, "env": "LOCK"});
    config["models"]["open"] = json!({"access": "anonymous"});
    config
}

/// The filter, and behind it Envoy's own, which refuses what does not carry the header.
fn locked(amend: impl FnOnce(&mut Vec<Value>) + 'static) -> Builder {
    let rbac = json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "ALLOW", "policies": {"admitted": {
                "permissions": [{"any": true}],
                "principals": [{"header": {"name": LOCK, "string_match": {"exact": SECRET}}}]
            }}}
        }
    });
    Gateway::builder()
        .config(config())
        .environment("LOCK", SECRET)
        .amended(move |bootstrap| {
            let filters = filters(bootstrap);
            let router = filters.len() - 1;
            filters.insert(router, rbac);
            amend(filters);
        })
}

fn requests() -> Vec<(&'static str, Wire)> {
    let forged = |wire: Wire| {
        wire.header(LOCK, "forged")
            .header("x_tollgate_admitted", SECRET)
    };
    let post = || Wire::new("POST", "/v1/chat/completions");
    vec![
        (
            "a key",
            post()
                .header("x-api-key", ACME_KEY)
                .body(chat(LLAMA).to_string()),
        ),
        ("anonymous", forged(post()).body(chat("open").to_string())),
        (
            "a list",
            forged(Wire::new("GET", "/v1/models")).header("x-api-key", ACME_KEY),
        ),
        ("a public path", forged(Wire::new("GET", "/health"))),
        (
            "a preflight",
            forged(Wire::new("OPTIONS", "/v1/chat/completions"))
                .header("origin", "https://app")
                .header("access-control-request-method", "POST"),
        ),
    ]
}

#[test]
fn everything_that_is_admitted_passes_the_second_lock() {
    let gateway = locked(|_| ()).start();
    for (name, request) in requests() {
        let answer = gateway.connect().exchange(&request);
        assert_eq!(answer.verdict(), (200, None), "{name}: {answer:?}");
    }
    let seen = gateway.stop();
    assert_eq!(seen.len(), requests().len());
    for seen in seen {
        assert_eq!(seen.values(LOCK), [SECRET], "{seen:?}");
        assert!(seen.values("x_tollgate_admitted").is_empty(), "{seen:?}");
    }
}

#[test]
fn nothing_passes_the_second_lock_where_the_filter_is_missing_or_disabled() {
    type Amend = fn(&mut Vec<Value>);
    let rows: [(&str, Amend); 3] = [
        ("missing", |filters| {
            filters.retain(|filter| filter["name"] != "tollgate")
        }),
        ("disabled", |filters| {
            for filter in filters
                .iter_mut()
                .filter(|filter| filter["name"] == "tollgate")
            {
                filter["disabled"] = json!(true);
            }
        }),
        ("behind the lock", |filters| {
            let ours = filters
                .iter()
                .position(|filter| filter["name"] == "tollgate")
                .unwrap();
            let ours = filters.remove(ours);
            let router = filters.len() - 1;
            filters.insert(router, ours);
        }),
    ];
    for (case, amend) in rows {
        let gateway = locked(amend).start();
        for (name, request) in requests() {
            let answer = gateway.connect().exchange(&request);
            assert_eq!(answer.status, 403, "{case}, {name}: {answer:?}");
            assert_eq!(
                String::from_utf8_lossy(&answer.body),
                "RBAC: access denied",
                "{case}, {name}"
            );
        }
        assert!(
            gateway
                .admin_text("/stats?filter=rbac.denied")
                .contains(": 5"),
            "{case}"
        );
        assert!(gateway.stop().is_empty(), "{case}");
    }
}

//! The second lock of each platform: what becomes of requests where the filter is gone, switched off or out of place.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, chat};
use crate::harness::{Gateway, Wire};

/// The header that the manifests give to what Tollgate admits.
pub(crate) const HEADER: &str = "x-tollgate-admitted";

/// A plugin configuration of the manifests with paths and models for everybody, so that all that passes can be asked for.
pub(crate) fn with_everything_that_passes(config: &Value) -> Value {
    let mut config = config.clone();
    config["publicPaths"] = json!([{"method": "GET", "path": "/health"}]);
    config["models"]["open"] = json!({"access": "anonymous"});
    config
}

/// Everything that the filter lets pass. `said` is what the client itself says under the header's name.
fn requests(said: Option<&str>) -> Vec<(&'static str, Wire)> {
    let request = |method, path| {
        let wire = Wire::new(method, path);
        match said {
            Some(said) => wire.header(HEADER, said),
            None => wire,
        }
    };
    let post = |model: &str| request("POST", "/v1/chat/completions").body(chat(model).to_string());
    let preflight = request("OPTIONS", "/v1/chat/completions")
        .header("origin", "https://app")
        .header("access-control-request-method", "POST");
    vec![
        ("a key", post(LLAMA).header("x-api-key", ACME_KEY)),
        (
            "a list",
            request("GET", "/v1/models").header("x-api-key", ACME_KEY),
        ),
        ("anonymous", post("open")),
        ("a public path", request("GET", "/health")),
        ("a preflight", preflight),
    ]
}

/// All of it passes, whatever the client says of itself, and the server sees nothing of the lock.
pub(crate) fn assert_open(gateway: &Gateway, case: &str) {
    for said in [None, Some("forged")] {
        for (name, request) in requests(said) {
            let answer = gateway.connect().exchange(&request);
            assert_eq!(
                answer.verdict(),
                (200, None),
                "{case}, {name}, {said:?}: {answer:?}"
            );
        }
    }
    for seen in gateway.seen() {
        assert!(seen.values(HEADER).is_empty(), "{case}: {seen:?}");
    }
}

/// Nothing passes, and Envoy says so itself and counts it. `forged` is what a client may try to open the lock with.
pub(crate) fn assert_closed(gateway: &Gateway, case: &str, forged: &str) {
    let mut refused = 0;
    for said in [None, Some(forged)] {
        for (name, request) in requests(said) {
            let answer = gateway.connect().exchange(&request);
            assert_eq!(
                answer.verdict(),
                (403, None),
                "{case}, {name}, {said:?}: {answer:?}"
            );
            let body = String::from_utf8_lossy(&answer.body);
            assert_eq!(body, "RBAC: access denied", "{case}, {name}, {said:?}");
            refused += 1;
        }
    }
    let counted = gateway.admin_text("/stats?filter=rbac.denied$");
    assert!(
        counted.trim().ends_with(&format!("rbac.denied: {refused}")),
        "{case}: {counted}"
    );
}

/// What a client without a key gets to: with no lock, in the states in which the lock is shown to hold.
pub(crate) fn assert_nobody_asks(gateway: &Gateway, case: &str) {
    let request = Wire::new("POST", "/v1/chat/completions").body(chat(LLAMA).to_string());
    let answer = gateway.connect().exchange(&request);
    assert_eq!(
        answer.verdict(),
        (200, None),
        "{case}, without the lock: {answer:?}"
    );
}

//! The header that shows that a request was admitted.

use serde_json::json;

use super::*;

const NAME: &str = "x-lock";

fn policy() -> Rc<Policy> {
    let mut config = fixtures::demo();
    config["admittedHeader"] = json!({"name": "X-Lock", "env": "LOCK"});
    config["models"]["open"] = json!({"access": "anonymous"});
    fixtures::policy_in(&config, &|name| {
        (name == "LOCK").then(|| " open-sesame\n".to_owned())
    })
}

#[wasm_bindgen_test(unsupported = test)]
fn every_admitted_request_carries_it_and_nobody_else_can() {
    let policy = policy();
    let forged = [(NAME, "forged"), ("x_lock", "forged")];
    let preflight = [
        ("origin", "https://app"),
        ("access-control-request-method", "POST"),
    ];
    for (name, headers) in [
        (
            "a key",
            fixtures::chat(&[&forged[..], &[("x-api-key", ACME_KEY)]].concat()),
        ),
        ("anonymous", fixtures::chat(&forged)),
        ("a public path", request("GET", "/health", &forged)),
        (
            "a preflight",
            request("OPTIONS", "/any", &[&forged[..], &preflight].concat()),
        ),
    ] {
        let changes = forwarded(&policy, &headers, &no_token);
        let set: Vec<_> = changes
            .secrets
            .iter()
            .map(|header| (&*header.name, header.value.expose()))
            .collect();
        assert_eq!(set, [(NAME, "open-sesame")], "{name}");
        assert!(
            changes.remove.contains(&b"x_lock".to_vec()),
            "{name}: {:?}",
            changes.remove
        );
        assert!(
            !changes.remove.contains(&NAME.as_bytes().to_vec()),
            "{name}: set replaces"
        );
        assert!(!format!("{changes:?}").contains("sesame"), "{name}");
    }
    let trailers: HeaderMap = forged.into_iter().collect();
    assert_eq!(
        trailer_removals(&trailers, &policy),
        [&b"x-lock"[..], b"x_lock"],
        "trailers"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn without_the_setting_nothing_is_set() {
    let policy = fixtures::policy(&fixtures::demo());
    let headers = fixtures::chat(&[("x-api-key", ACME_KEY)]);
    assert_eq!(forwarded(&policy, &headers, &no_token).secrets, []);
}

//! What the upstream gets of a credential: each mode with each kind of admitted request.

use super::*;
use crate::fixtures::{policy_in, token};

/// The credentials that the upstream sees of this request, as `name: value`.
fn upstream(
    policy: &Rc<Policy>,
    headers: &HeaderMap,
    claims: &dyn Fn(&[&str]) -> Attribute,
) -> Vec<String> {
    let Changes {
        remove, secrets, ..
    } = &forwarded(policy, headers, claims);
    let replaced = |name: &[u8]| secrets.iter().any(|header| header.name.as_bytes() == name);
    let kept = headers.iter().filter(|(name, _)| {
        let describes = name.starts_with(b":") || name.starts_with(b"content-");
        !describes && !replaced(name) && !remove.iter().any(|removed| removed == name)
    });
    let kept = kept.map(|(name, value)| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        format!("{}: {}", text(name), text(value))
    });
    let own = secrets
        .iter()
        .map(|header| format!("{}: {}", header.name, header.value.expose()));
    kept.chain(own).collect()
}

/// The demo with `open` as a model for everybody and this mode of forwarding.
fn policy(forward: &serde_json::Value) -> Rc<Policy> {
    let mut config = fixtures::demo();
    config["credentials"] = serde_json::json!({"forward": forward});
    config["models"]["open"] = serde_json::json!({"access": "anonymous"});
    policy_in(&config, &|name| {
        (name == "VLLM_API_KEY").then(|| " sk-upstream\n".to_owned())
    })
}

#[wasm_bindgen_test(unsupported = test)]
fn each_mode_with_each_kind_of_request() {
    let key = format!("Bearer {ACME_KEY}");
    let bearer = ("authorization", key.as_str());
    let jwt = ("authorization", "Bearer aaa.bbb.ccc");
    let claims = token(&[("iss", fixtures::ISSUER), ("tenant", "acme")]);
    let preflight = [
        ("origin", "https://app"),
        ("access-control-request-method", "POST"),
    ];
    let chat = |headers: &[(&str, &str)]| fixtures::chat(headers);
    let own = "authorization: Bearer sk-upstream";
    let kept = format!("authorization: {key}");
    let rows: Vec<(&str, HeaderMap, bool, [Vec<&str>; 3])> = vec![
        (
            "a key",
            chat(&[bearer]),
            false,
            [vec![], vec![&kept], vec![own]],
        ),
        (
            "a key in another source",
            chat(&[("api-key", ACME_KEY)]),
            false,
            [vec![], vec!["api-key: sk-tollgate-acme-demo"], vec![own]],
        ),
        (
            "one key in every source",
            chat(&[("api-key", ACME_KEY), ("x-api-key", ACME_KEY), bearer]),
            false,
            [vec![], vec![&kept], vec![own]],
        ),
        (
            "a key in other spellings of its header",
            chat(&[
                ("x_api_key", GLOBEX_KEY),
                ("x-api-key", ACME_KEY),
                ("x-api_key", GLOBEX_KEY),
            ]),
            false,
            [vec![], vec!["x-api-key: sk-tollgate-acme-demo"], vec![own]],
        ),
        (
            "a verified token",
            chat(&[jwt]),
            true,
            [vec![], vec!["authorization: Bearer aaa.bbb.ccc"], vec![own]],
        ),
        (
            "a verified token in a header of its own",
            chat(&[]),
            true,
            [vec![], vec![], vec![own]],
        ),
        ("anonymous", chat(&[]), false, [vec![], vec![], vec![own]]),
        (
            "a public path with a key",
            request("GET", "/health", &[bearer, ("x-api-key", ACME_KEY)]),
            false,
            [vec![], vec![], vec![own]],
        ),
        (
            "a preflight with a key",
            request(
                "OPTIONS",
                "/v1/chat/completions",
                &[preflight.as_slice(), &[bearer, ("x-api-key", ACME_KEY)]].concat(),
            ),
            false,
            [
                vec!["origin: https://app", "access-control-request-method: POST"],
                vec!["origin: https://app", "access-control-request-method: POST"],
                vec!["origin: https://app", "access-control-request-method: POST"],
            ],
        ),
    ];
    let modes = [
        serde_json::json!("strip"),
        serde_json::json!("keep"),
        serde_json::json!({"env": "VLLM_API_KEY"}),
    ];
    for (index, mode) in modes.iter().enumerate() {
        let policy = policy(mode);
        for (name, headers, verified, expected) in &rows {
            let found = if *verified {
                upstream(&policy, headers, &claims)
            } else {
                upstream(&policy, headers, &no_token)
            };
            assert_eq!(found, expected[index], "{mode}, {name}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_source_is_stripped_however_its_name_is_spelled_here_or_there() {
    let mut config = fixtures::demo();
    config["credentials"] = serde_json::json!({"sources": [{"header": "X_Team-Key"}]});
    let policy = fixtures::policy(&config);
    for name in ["x_team-key", "x-team-key", "x_team_key", "X-TEAM_KEY"] {
        let headers: HeaderMap = [(name, ACME_KEY)].into_iter().collect();
        assert_eq!(removals(&headers, &policy), [name.as_bytes()], "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_not_read_goes_on_in_no_mode() {
    let key = format!("Bearer {ACME_KEY}");
    let personal = serde_json::json!({"header": "x-api-key", "stripOnly": true});
    for mode in ["strip", "keep"] {
        let mut config = fixtures::demo();
        config["credentials"] = serde_json::json!({
            "sources": [{"header": "authorization", "scheme": "Bearer"}, personal, {"header": "api-key"}],
            "several": "first",
            "dummyKeys": ["EMPTY"],
            "forward": mode,
        });
        let policy = fixtures::policy(&config);
        for (name, headers) in [
            (
                "a personal key",
                [
                    ("authorization", key.as_str()),
                    ("x-api-key", "sk-personal"),
                ],
            ),
            (
                "a later source",
                [("authorization", &key), ("api-key", GLOBEX_KEY)],
            ),
            (
                "a dummy",
                [("authorization", "Bearer EMPTY"), ("api-key", ACME_KEY)],
            ),
            (
                "another scheme",
                [("authorization", "Basic c2s6"), ("api-key", ACME_KEY)],
            ),
        ] {
            let kept = headers
                .iter()
                .filter(|(_, value)| mode == "keep" && value.ends_with(ACME_KEY));
            let kept: Vec<String> = kept
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            let found = upstream(&policy, &fixtures::chat(&headers), &no_token);
            assert_eq!(found, kept, "{mode}, {name}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_upstreams_key_replaces_a_header_that_is_no_source_too() {
    let mut config = fixtures::demo();
    config["credentials"] =
        serde_json::json!({"sources": [{"header": "x-api-key"}], "forward": {"env": "KEY"}});
    let policy = policy_in(&config, &|_| Some("sk-upstream".to_owned()));
    let headers = fixtures::chat(&[("x-api-key", ACME_KEY), ("authorization", "Basic c2VjcmV0")]);
    assert_eq!(
        upstream(&policy, &headers, &no_token),
        ["authorization: Bearer sk-upstream"]
    );
    assert_eq!(
        removals(&headers, &policy),
        [&b"x-api-key"[..], b"authorization"],
        "in trailers"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn nothing_shows_the_upstreams_key() {
    let policy = policy(&serde_json::json!({"env": "VLLM_API_KEY"}));
    let headers = fixtures::chat(&[("x-api-key", ACME_KEY)]);
    let forwarded = forwarded(&policy, &headers, &no_token);
    assert_eq!(forwarded.secrets.len(), 1);
    for text in [format!("{policy:?}"), format!("{forwarded:?}")] {
        assert!(!text.contains("sk-upstream"), "{text}");
    }
}

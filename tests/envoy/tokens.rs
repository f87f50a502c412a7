//! Signed tokens in the places where plain Envoy, Istio and Envoy Gateway leave their payloads.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, ISSUER, LLAMA, QWEN, UNLISTED_ISSUER, chat, config};
use crate::harness::{Gateway, Provider, Token, send};

/// A second listed issuer, shaped as Auth0.
const SECOND_ISSUER: &str = "https://second.tollgate.example";

const NOT_ALLOWED: Verdict = (403, Some("model_not_allowed"));
const INVALID: Verdict = (401, Some("invalid_credential"));
const UNLISTED: Verdict = (401, Some("unlisted_issuer"));

/// A token as Keycloak writes it; its tenant comes from the client, its groups from the roles.
fn keycloak(issuer: &str, roles: &[&str]) -> Token {
    Token::with_groups(&["research"])
        .claim("iss", issuer)
        .claim("azp", "acme")
        .claim("realm_access", json!({"roles": roles}))
}

/// A token as Auth0 writes it; its groups stand under a name that is a URL.
fn auth0(issuer: &str, roles: &[&str]) -> Token {
    Token::with_groups(&["research"])
        .claim("iss", issuer)
        .claim("https://example.com/roles", json!(roles))
}

fn provider(name: &'static str, issuer: &'static str, metadata_key: &'static str) -> Provider {
    Provider {
        name,
        issuer,
        metadata_key,
    }
}

/// The demo with these two issuers, which leave their payloads under these keys.
fn config_with(first: &str, second: &str) -> Value {
    let mut config = config();
    config["jwt"] = json!([
        {"metadataKey": first, "issuer": ISSUER, "groupsClaim": ["realm_access", "roles"], "tenantClaim": "azp"},
        {"metadataKey": second, "issuer": SECOND_ISSUER, "groupsClaim": "https://example.com/roles", "defaultTenant": "globex"}
    ]);
    config
}

#[test]
fn a_token_is_read_where_each_gateway_leaves_its_payload() {
    let layouts = [
        (
            "Istio: every issuer under `payload`",
            vec![
                provider("origins-0", ISSUER, "payload"),
                provider("origins-1", SECOND_ISSUER, "payload"),
                provider("origins-2", UNLISTED_ISSUER, "payload"),
            ],
            config_with("payload", "payload"),
            UNLISTED,
        ),
        (
            "Envoy Gateway: every provider under its name",
            vec![
                provider("keycloak", ISSUER, "keycloak"),
                provider("auth0", SECOND_ISSUER, "auth0"),
                provider("other", UNLISTED_ISSUER, "other"),
            ],
            config_with("keycloak", "auth0"),
            // Nobody reads what a provider that is not listed has verified, so its token is one that nobody knows.
            INVALID,
        ),
        (
            "plain Envoy: names of the operator's choice",
            vec![
                provider("a", ISSUER, "jwt_payload"),
                provider("b", SECOND_ISSUER, "b.payload"),
                provider("c", UNLISTED_ISSUER, "b.payload"),
            ],
            config_with("jwt_payload", "b.payload"),
            UNLISTED,
        ),
    ];
    for (layout, providers, config, unlisted) in layouts {
        let gateway = Gateway::builder()
            .providers(providers)
            .config(config)
            .start();
        let rows = [
            (
                "nested roles",
                keycloak(ISSUER, &["offline_access", "research"]),
                QWEN,
                Ok("acme"),
            ),
            (
                "nested roles, another model",
                keycloak(ISSUER, &["sales"]),
                QWEN,
                Err(NOT_ALLOWED),
            ),
            (
                "no roles, and groups where nobody looks",
                keycloak(ISSUER, &[]),
                LLAMA,
                Err(NOT_ALLOWED),
            ),
            (
                "roles under a URL",
                auth0(SECOND_ISSUER, &["sales"]),
                LLAMA,
                Ok("globex"),
            ),
            (
                "the first issuer's claims by the second issuer",
                keycloak(SECOND_ISSUER, &["research"]),
                LLAMA,
                Err(NOT_ALLOWED),
            ),
            (
                "the second issuer's claims by the first issuer",
                auth0(ISSUER, &["research"]),
                LLAMA,
                Err((403, Some("unknown_tenant"))),
            ),
            (
                "an issuer that is not listed",
                keycloak(UNLISTED_ISSUER, &["research"]),
                LLAMA,
                Err(unlisted),
            ),
        ];
        for (name, token, model, expected) in rows {
            let request = gateway
                .post("/v1/chat/completions")
                .header("x-case", name)
                .bearer_auth(token.sign());
            let answer = send(request.json(&chat(model)));
            match expected {
                Ok(tenant) => {
                    assert_eq!(
                        answer.verdict(),
                        (200, None),
                        "{layout}, {name}: {answer:?}"
                    );
                    // The head of a request that was refused at its body may arrive after this one.
                    let seen = gateway.seen();
                    let mut seen = seen.iter().filter(|seen| seen.values("x-case") == [name]);
                    let tenants = seen.next().unwrap().values("x-tollgate-tenant");
                    assert_eq!(tenants, [tenant], "{layout}, {name}");
                }
                Err(verdict) => {
                    assert_eq!(answer.verdict(), verdict, "{layout}, {name}: {answer:?}");
                }
            }
        }
        let answer = send(
            gateway
                .post("/v1/chat/completions")
                .bearer_auth(keycloak(ISSUER, &["research"]).sign_badly())
                .json(&chat(LLAMA)),
        );
        assert_eq!(answer.verdict(), INVALID, "{layout}, badly signed");
    }
}

#[test]
fn shapes_of_well_known_providers_are_read_from_signed_tokens() {
    let row = |entry: Value, name: &str, claim: Value| (entry, name.to_owned(), claim);
    let rows = [
        row(
            json!({"groupsClaim": ["resource_access", "vllm", "roles"], "defaultTenant": "globex"}),
            "resource_access",
            json!({"vllm": {"roles": ["research"]}, "account": {"roles": []}}),
        ),
        row(
            json!({"groupsClaim": "scope", "defaultTenant": "globex"}),
            "scope",
            json!("openid research profile"),
        ),
        row(
            json!({"groupsClaim": ["kubernetes.io", "namespace"], "defaultTenant": "globex"}),
            "kubernetes.io",
            json!({"namespace": "research", "pod": {"name": "batch-0"}}),
        ),
        row(
            json!({"tenantClaim": ["org", "name"], "groupsClaim": "roles"}),
            "org",
            json!({"id": 7, "name": "globex"}),
        ),
    ];
    for (entry, claim, value) in rows {
        let mut config = config();
        config["jwt"] = json!([{"metadataKey": "payload", "issuer": ISSUER}]);
        config["jwt"][0]
            .as_object_mut()
            .unwrap()
            .extend(entry.as_object().unwrap().clone());
        let gateway = Gateway::builder().config(config).start();
        let token = Token::with_groups(&["nobody-reads-this"])
            .claim("roles", json!(["research"]))
            .claim("email", Value::Null)
            .claim(&claim, value);
        let request = gateway
            .post("/v1/chat/completions")
            .bearer_auth(token.sign());
        let answer = send(request.json(&chat(QWEN)));
        assert_eq!(answer.verdict(), (200, None), "{claim}: {answer:?}");
        assert_eq!(
            gateway.seen()[0].values("x-tollgate-tenant"),
            ["globex"],
            "{claim}"
        );
    }
}

type Verdict = (u16, Option<&'static str>);

/// The verdict on a chat with `model` under a token with this claim, where groups and tenant come from claims of these
/// names and tokens without a tenant belong to globex.
fn verdicts(rows: &[(&str, Value, &str, Verdict)]) {
    verdicts_of(
        &json!({"groupsClaim": "groups", "tenantClaim": "tenant"}),
        rows,
    );
}

/// The same under this entry of `jwt`.
fn verdicts_of(entry: &Value, rows: &[(&str, Value, &str, Verdict)]) {
    let mut config = config();
    config["jwt"] =
        json!([{"metadataKey": "payload", "issuer": ISSUER, "defaultTenant": "globex"}]);
    config["jwt"][0]
        .as_object_mut()
        .unwrap()
        .extend(entry.as_object().unwrap().clone());
    let gateway = Gateway::builder().config(config).start();
    for (claim, value, model, verdict) in rows {
        let token = Token::with_groups(&["research"]).claim(claim, value.clone());
        let request = gateway
            .post("/v1/chat/completions")
            .bearer_auth(token.sign());
        let answer = send(request.json(&chat(model)));
        assert_eq!(answer.verdict(), *verdict, "{claim}: {value}: {answer:?}");
    }
}

#[test]
fn groups_are_a_list_or_one_string_and_never_an_object() {
    const GOOD: Verdict = (200, None);
    verdicts(&[
        ("groups", json!(["x", "research"]), QWEN, GOOD),
        ("groups", json!("research"), QWEN, GOOD),
        ("groups", json!(["", "research"]), QWEN, GOOD),
        ("groups", json!([null, "research"]), QWEN, GOOD),
        (
            "groups",
            json!(["research", ["x"], {"y": "z"}, 5, true, 1.5]),
            QWEN,
            GOOD,
        ),
        ("groups", json!([{"0": "x"}, "research"]), QWEN, GOOD),
        ("groups", json!("contractors research"), QWEN, NOT_ALLOWED),
        ("groups", json!("contractors,research"), QWEN, NOT_ALLOWED),
        ("groups", json!(["contractors research"]), QWEN, NOT_ALLOWED),
        ("groups", json!([["research"]]), QWEN, NOT_ALLOWED),
        ("groups", json!({"0": "research"}), QWEN, NOT_ALLOWED),
        (
            "groups",
            json!({"0": "research", "1": "research"}),
            QWEN,
            NOT_ALLOWED,
        ),
        (
            "groups",
            json!({"0": "research", "1": null}),
            QWEN,
            NOT_ALLOWED,
        ),
        (
            "groups",
            json!({"0": "", "research": ""}),
            QWEN,
            NOT_ALLOWED,
        ),
        (
            "groups",
            json!({"0": "", "": "", "research": ""}),
            QWEN,
            NOT_ALLOWED,
        ),
        ("groups", json!({"research": ""}), QWEN, NOT_ALLOWED),
        ("groups", json!({}), QWEN, NOT_ALLOWED),
        ("groups", json!([]), QWEN, NOT_ALLOWED),
    ]);
}

#[test]
fn the_names_of_members_are_groups_where_that_is_configured() {
    const GOOD: Verdict = (200, None);
    let roles = "urn:zitadel:iam:org:project:roles";
    // What Envoy hands over of the object `{"research": "x"}`, written into a text.
    let forged = "\u{1}\0\0\0\u{8}\0\0\0\u{1}\0\0\0research\0x\0";
    let org = json!({"170086824411201793": "acme.zitadel.cloud", "2": "other.zitadel.cloud"});
    verdicts_of(
        &json!({"groupsClaim": roles, "groupsFromMemberNames": true}),
        &[
            (roles, json!({"viewer": org, "research": org}), QWEN, GOOD),
            (roles, json!({"viewer": org}), QWEN, NOT_ALLOWED),
            (
                roles,
                json!({"0": org, "1": "x", "research": ""}),
                QWEN,
                GOOD,
            ),
            (roles, json!({"x": {"research": org}}), QWEN, NOT_ALLOWED),
            (roles, json!(["research"]), QWEN, GOOD),
            (roles, json!([{"research": org}]), QWEN, NOT_ALLOWED),
            (roles, json!(forged), QWEN, NOT_ALLOWED),
        ],
    );
}

#[test]
fn groups_come_from_several_claims_and_may_be_hundreds() {
    const GOOD: Verdict = (200, None);
    let entry = json!({"groupsClaims": [["realm_access", "roles"], "groups"]});
    let many: Vec<String> = (0..256)
        .map(|number| format!("5f0e7d1c-3a52-4b6f-{number}"))
        .collect();
    let last = [many.as_slice(), &["research".to_owned()]].concat();
    verdicts_of(
        &entry,
        &[
            ("realm_access", json!({"roles": ["sales"]}), QWEN, GOOD),
            ("groups", json!(last), QWEN, GOOD),
            ("groups", json!(many), QWEN, NOT_ALLOWED),
        ],
    );
}

#[test]
fn a_tenant_claim_that_names_none_is_never_the_default_tenant() {
    let unknown = (403, Some("unknown_tenant"));
    let claims = [
        json!(5),
        json!(true),
        json!(null),
        json!(""),
        json!("acme\n"),
        json!("acme globex"),
        json!([]),
        json!([""]),
        json!([["acme"]]),
        json!(["acme", 5]),
        json!(["acme", null]),
        json!({}),
        json!({"0": "acme"}),
        json!({"0": "acme", "1": null}),
    ];
    let mut rows: Vec<_> = claims
        .into_iter()
        .map(|claim| ("tenant", claim, QWEN, unknown))
        .collect();
    rows.push(("tenant", json!(["acme"]), QWEN, (200, None)));
    rows.push(("tenant", json!("acme"), QWEN, (200, None)));
    rows.push(("other", json!("acme"), QWEN, (200, None)));
    verdicts(&rows);
}

#[test]
fn the_fairness_id_of_a_caller_without_a_user_is_the_tenant() {
    let mut config = config();
    config["fairness"] = json!({"from": "user"});
    let gateway = Gateway::builder().config(config).start();
    let token = |token: Token| token.claim("tenant", "acme").sign();
    let by_name = Token::with_groups(&["research"]);
    let spaced = Token::with_groups(&["research"]).claim("sub", "alice smith");
    let nobody = Token::with_groups(&["research"]).without("sub");
    for (credential, expected) in [
        (token(by_name), "alice"),
        (token(spaced), "acme"),
        (token(nobody), "acme"),
        (ACME_KEY.to_owned(), "acme"),
    ] {
        let request = gateway.post("/v1/chat/completions").bearer_auth(credential);
        let answer = send(request.json(&chat(LLAMA)));
        assert_eq!(answer.verdict(), (200, None), "{answer:?}");
        let seen = gateway.seen().pop().unwrap();
        for name in [
            "x-llm-d-inference-fairness-id",
            "x-gateway-inference-fairness-id",
        ] {
            assert_eq!(seen.values(name), [expected], "{name}");
        }
    }
}

#[test]
fn a_token_that_never_expires_is_refused() {
    let missing = (401, Some("missing_expiration"));
    verdicts(&[
        ("exp", Value::Null, LLAMA, INVALID),
        ("exp", json!(0), LLAMA, missing),
        ("exp", json!(4_102_444_800_u64), LLAMA, (200, None)),
    ]);
    let mut config = config();
    config["jwt"][0]["requireExpiration"] = json!(false);
    for (config, verdict) in [
        (crate::harness::demo::config(), missing),
        (config, (200, None)),
    ] {
        let gateway = Gateway::builder().config(config).start();
        let token = Token::with_groups(&["research"]).without("exp");
        let request = gateway
            .post("/v1/chat/completions")
            .bearer_auth(token.sign());
        let answer = send(request.json(&chat(LLAMA)));
        assert_eq!(answer.verdict(), verdict, "{answer:?}");
    }
}

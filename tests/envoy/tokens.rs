//! Signed tokens in the places where plain Envoy, Istio and Envoy Gateway leave their payloads.

use serde_json::{Value, json};

use crate::harness::demo::{ISSUER, LLAMA, QWEN, UNLISTED_ISSUER, chat, config};
use crate::harness::{Gateway, Provider, Token, send};

/// A second listed issuer, shaped as Auth0.
const SECOND_ISSUER: &str = "https://second.tollgate.example";

const NOT_ALLOWED: (u16, Option<&str>) = (403, Some("model_not_allowed"));
const INVALID: (u16, Option<&str>) = (401, Some("invalid_credential"));
const UNLISTED: (u16, Option<&str>) = (401, Some("unlisted_issuer"));

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

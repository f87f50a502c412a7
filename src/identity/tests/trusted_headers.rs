//! Identity from an authenticating gateway in front.

use serde_json::{Value, json};

use super::*;
use crate::policy::Policy;

const SECRET: &str = "a secret between two gateways";
const PROOF: (&str, &str) = ("x-gateway-proof", SECRET);
const ALICE: (&str, &str) = ("x-maas-username", "alice@example.com");
const ACME: (&str, &str) = ("x-maas-subscription", "acme");
const SPIFFE: &str = "spiffe://cluster.local/ns/gateway/sa/front";

/// The demo behind a gateway that identifies callers, with these further members of `trustedHeaders`.
fn config(members: &Value) -> Value {
    let mut config = fixtures::demo();
    config["fairness"] = json!({"from": {"attribute": "namespaces"}});
    config["trustedHeaders"] = json!({
        "proof": {"header": "X-Gateway-Proof", "secretHash": fixtures::key_hash(SECRET)},
        "principalHeader": "X-MaaS-Username",
        "attributesHeader": "X-Attributes",
        "attributeHeaders": {"X-MaaS-Group": "teams", "X-MaaS-Subscription": "namespaces"},
        "groupsAttribute": "teams",
        "tenantAttribute": "namespaces",
    });
    let trusted = config["trustedHeaders"].as_object_mut().unwrap();
    trusted.extend(members.as_object().unwrap().clone());
    config
}

fn ask(
    policy: &Policy,
    headers: &[(&str, &str)],
    attributes: &dyn Fn(&[&str]) -> Attribute,
) -> Result<Caller, (Code, String)> {
    identify(&chat(headers), &policy.identities, NOW, attributes).map_err(|denial| {
        let body = denial.body(crate::denial::Dialect::OpenAi, None);
        let body: Value = serde_json::from_str(&body).unwrap();
        (
            denial.code(),
            body["error"]["message"].as_str().unwrap().to_owned(),
        )
    })
}

/// Headers, and the resulting tenant, groups and attribute for the fairness id.
type Row<'a> = (
    &'a str,
    Vec<(&'a str, &'a str)>,
    (&'a str, Vec<&'a str>, Option<&'a str>),
);

/// Tenant, groups and the attribute for the fairness id.
fn found(
    policy: &Policy,
    headers: &[(&str, &str)],
) -> Result<(String, Vec<&'static str>, Option<String>), Code> {
    let headers = [&[PROOF, ALICE], headers].concat();
    let caller = ask(policy, &headers, &no_token).map_err(|(code, _)| code)?;
    let identity = caller.identity().unwrap();
    assert_eq!(identity.user.as_deref(), Some("alice@example.com"));
    let has = |name: &&str| {
        let id = policy.identities.groups.find(name).unwrap();
        identity.groups.contains(&id)
    };
    Ok((
        identity.tenant.name.to_string(),
        ["research", "sales"]
            .into_iter()
            .filter(|name| has(name))
            .collect(),
        identity.attribute.as_deref().map(str::to_owned),
    ))
}

#[wasm_bindgen_test(unsupported = test)]
fn attributes_are_put_together_from_all_headers() {
    let policy = fixtures::policy(&config(&json!({"defaultTenant": "globex"})));
    let both = vec!["research", "sales"];
    let attributes = |text: &'static str| ("x-attributes", text);
    let group = |text: &'static str| ("x-maas-group", text);
    let rows: Vec<Row<'_>> = vec![
        ("nothing", vec![], ("globex", vec![], None)),
        (
            "a JSON list",
            vec![group(r#"["system:authenticated","research", "sales"]"#)],
            ("globex", both.clone(), None),
        ),
        (
            "a JSON string",
            vec![group(r#""research""#)],
            ("globex", vec!["research"], None),
        ),
        (
            "plain text is one value",
            vec![group("research")],
            ("globex", vec!["research"], None),
        ),
        (
            "a comma separates nothing",
            vec![group("research,sales")],
            ("globex", vec![], None),
        ),
        ("an empty header", vec![group("")], ("globex", vec![], None)),
        ("an empty list", vec![group("[]")], ("globex", vec![], None)),
        (
            "broken JSON is plain text",
            vec![group(r#"["research""#)],
            ("globex", vec![], None),
        ),
        (
            "the object alone",
            vec![attributes(
                r#"{"teams": ["research"], "namespaces": "acme", "other": null}"#,
            )],
            ("acme", vec!["research"], Some("acme")),
        ),
        (
            "the object and the headers",
            vec![
                attributes(r#"{"teams": ["research"]}"#),
                group("sales"),
                ACME,
            ],
            ("acme", both.clone(), Some("acme")),
        ),
        (
            "one tenant said twice",
            vec![attributes(r#"{"namespaces": ["acme"]}"#), ACME],
            ("acme", vec![], Some("acme")),
        ),
        (
            "an attribute that only another header carries",
            vec![attributes(r#"{"research": true}"#)],
            ("globex", vec![], None),
        ),
    ];
    for (name, headers, (tenant, groups, attribute)) in rows {
        assert_eq!(
            found(&policy, &headers),
            Ok((tenant.to_owned(), groups, attribute.map(str::to_owned))),
            "{name}"
        );
    }
}

/// The values of an attribute, through the first one for the fairness id and the tenants' names in the fault.
#[wasm_bindgen_test(unsupported = test)]
fn values_that_are_no_text_become_their_json() {
    for (name, text, expected) in [
        ("a number", "123", Some("123")),
        ("a flag in a list", "[true]", Some("true")),
        ("an object", r#"{"a":1}"#, Some(r#"{"a":1}"#)),
        ("null", "null", Some("null")),
        (
            "an object in a list",
            r#"[ {"a": 1} , "b"]"#,
            Some(r#"{"a": 1}"#),
        ),
        ("white space", " \ta\t ", Some("a")),
        (
            "a vertical tab, which HTTP takes for no white space",
            "\u{b} a",
            Some("\u{b} a"),
        ),
        ("a form feed", "a\u{c}", Some("a\u{c}")),
        (
            "white space beyond ASCII",
            "\u{a0}a\u{2003}",
            Some("\u{a0}a\u{2003}"),
        ),
        ("an empty list", "[]", None),
    ] {
        let members = json!({"tenantAttribute": null, "defaultTenant": "globex"});
        let policy = fixtures::policy(&config(&members));
        let header = ("x-maas-subscription", text);
        let (_, _, attribute) = found(&policy, &[header]).unwrap();
        assert_eq!(attribute.as_deref(), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_cannot_be_read_in_one_way_is_refused() {
    let policy = fixtures::policy(&config(&json!({})));
    let many = json!(vec!["sales"; 1025]).to_string();
    let at_most = json!(vec!["sales"; 1024]).to_string();
    for (name, headers, expected) in [
        (
            "attributes that are no JSON",
            vec![ACME, ("x-attributes", "{")],
            Err(Code::MalformedIdentity),
        ),
        (
            "attributes that are no object",
            vec![ACME, ("x-attributes", r#"["research"]"#)],
            Err(Code::MalformedIdentity),
        ),
        (
            "an attribute twice in the object",
            vec![
                ACME,
                ("x-attributes", r#"{"teams":"sales","teams":"research"}"#),
            ],
            Err(Code::MalformedIdentity),
        ),
        (
            "a header twice",
            vec![
                ACME,
                ("x-maas-group", "sales"),
                ("x-maas-group", "research"),
            ],
            Err(Code::AmbiguousCredential),
        ),
        (
            "the principal twice",
            vec![ACME, ALICE],
            Err(Code::AmbiguousCredential),
        ),
        (
            "the proof twice",
            vec![ACME, PROOF],
            Err(Code::AmbiguousCredential),
        ),
        ("no tenant", vec![], Err(Code::UnknownTenant)),
        (
            "a tenant that is not configured",
            vec![("x-maas-subscription", "initech")],
            Err(Code::UnknownTenant),
        ),
        (
            "two tenants",
            vec![("x-maas-subscription", r#"["acme", "globex"]"#)],
            Err(Code::AmbiguousTenant),
        ),
        (
            "too many groups",
            vec![ACME, ("x-maas-group", &many)],
            Err(Code::TooManyGroups),
        ),
        (
            "as many groups as are read",
            vec![ACME, ("x-maas-group", &at_most)],
            Ok(()),
        ),
    ] {
        assert_eq!(found(&policy, &headers).map(drop), expected, "{name}");
    }
    let no_text: HeaderMap = [
        (&b"x-gateway-proof"[..], SECRET.as_bytes()),
        (b"x-maas-username", b"\xff"),
    ]
    .into_iter()
    .collect();
    let denial = identify(&no_text, &policy.identities, NOW, &no_token).unwrap_err();
    assert_eq!(denial.code(), Code::MalformedIdentity, "no text");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_missing_principal_is_named() {
    let policy = fixtures::policy(&config(&json!({})));
    for principal in [
        None,
        Some(("x-maas-username", "")),
        Some(("x-maas-username", " ")),
    ] {
        let headers: Vec<_> = [PROOF, ACME].into_iter().chain(principal).collect();
        assert_eq!(
            ask(&policy, &headers, &no_token).err(),
            Some((
                Code::MissingPrincipal,
                "The header `x-maas-username`, which identifies the caller, is missing or empty."
                    .to_owned()
            )),
            "{principal:?}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn without_the_proof_the_headers_count_for_nothing_and_with_it_nothing_else_does() {
    let policy = fixtures::policy(&config(&json!({})));
    let claims = token(&[("iss", ISSUER), ("tenant", "globex")]);
    let key = ("x-api-key", GLOBEX_KEY);
    let long = "s".repeat(513);
    for (name, headers, attributes, expected) in [
        (
            "no proof, no credential",
            vec![ALICE, ACME],
            &no_token as &dyn Fn(&[&str]) -> Attribute,
            Ok("anonymous"),
        ),
        (
            "no proof, a key",
            vec![ALICE, ACME, key],
            &no_token,
            Ok("globex/globex-demo"),
        ),
        (
            "no proof, a token",
            vec![ALICE, ACME, BEARER],
            &claims,
            Ok("globex/-"),
        ),
        (
            "the proof alone in another spelling",
            vec![ALICE, ACME, ("x_gateway_proof", SECRET)],
            &no_token,
            Ok("anonymous"),
        ),
        (
            "a wrong proof",
            vec![ALICE, ACME, ("x-gateway-proof", "guess")],
            &no_token,
            Err(Code::InvalidCredential),
        ),
        (
            "a wrong proof beside a key",
            vec![key, ("x-gateway-proof", "guess")],
            &no_token,
            Err(Code::InvalidCredential),
        ),
        (
            "an empty proof",
            vec![ALICE, ACME, ("x-gateway-proof", "")],
            &no_token,
            Err(Code::InvalidCredential),
        ),
        (
            "a proof that is too long",
            vec![ALICE, ACME, ("x-gateway-proof", &long)],
            &no_token,
            Err(Code::InvalidCredential),
        ),
        (
            "the proof and a key",
            vec![PROOF, ALICE, ACME, key],
            &no_token,
            Ok("acme/-"),
        ),
        (
            "the proof and an unknown key",
            vec![PROOF, ALICE, ACME, ("x-api-key", "sk-no")],
            &no_token,
            Ok("acme/-"),
        ),
        (
            "the proof and a token",
            vec![PROOF, ALICE, ACME, BEARER],
            &claims,
            Ok("acme/-"),
        ),
        (
            "the proof and a key, but no principal",
            vec![PROOF, ACME, key],
            &no_token,
            Err(Code::MissingPrincipal),
        ),
    ] {
        assert_eq!(
            who(&policy, &headers, attributes),
            expected.map(str::to_owned),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_client_certificate_proves_the_gateway_in_front_by_its_name() {
    let proof = |names: Value| json!({"proof": {"clientCertificateSan": names, "clientCertsVerified": true}});
    let both = fixtures::policy(&config(&proof(json!([SPIFFE, "front.gateway.svc"]))));
    let uri = fixtures::policy(&config(&proof(json!([SPIFFE]))));
    let certificate = |kind: &'static str, name: &'static str| {
        move |path: &[&str]| match path {
            ["connection", found] if *found == kind => Attribute::Value(name.into()),
            _ => Attribute::Absent,
        }
    };
    const URI: &str = "uri_san_peer_certificate";
    const DNS: &str = "dns_san_peer_certificate";
    for (name, policy, attributes, expected) in [
        ("its URI", &uri, certificate(URI, SPIFFE), Ok("acme/-")),
        (
            "its URI among several",
            &both,
            certificate(URI, SPIFFE),
            Ok("acme/-"),
        ),
        (
            "its DNS name",
            &both,
            certificate(DNS, "front.gateway.svc"),
            Ok("acme/-"),
        ),
        (
            "another URI",
            &both,
            certificate(URI, "spiffe://cluster.local/ns/x/sa/y"),
            Ok("anonymous"),
        ),
        (
            "a URI that goes on",
            &both,
            certificate(URI, "spiffe://cluster.local/ns/gateway/sa/front2"),
            Ok("anonymous"),
        ),
        (
            "another DNS name",
            &both,
            certificate(DNS, "x.front.gateway.svc"),
            Ok("anonymous"),
        ),
        (
            "the URI as a DNS name",
            &both,
            certificate(DNS, SPIFFE),
            Ok("anonymous"),
        ),
        (
            "no certificate",
            &both,
            certificate("mtls", SPIFFE),
            Ok("anonymous"),
        ),
    ] {
        assert_eq!(
            who(policy, &[ALICE, ACME], &attributes),
            expected.map(str::to_owned),
            "{name}"
        );
    }
    let refused = |path: &[&str]| match path {
        ["connection", _] => Attribute::Unreadable,
        _ => Attribute::Absent,
    };
    assert_eq!(
        who(&uri, &[ALICE, ACME], &refused),
        Err(Code::Internal),
        "Envoy refuses to tell"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_secret_that_is_too_long_is_not_hashed() {
    for (length, expected) in [
        (512, Ok("acme/-".to_owned())),
        (513, Err(Code::InvalidCredential)),
    ] {
        let secret = "s".repeat(length);
        let proof = json!({"header": "x-gateway-proof", "secretHash": fixtures::key_hash(&secret)});
        let policy = fixtures::policy(&config(&json!({"proof": proof})));
        let headers = [("x-gateway-proof", secret.as_str()), ALICE, ACME];
        assert_eq!(who(&policy, &headers, &no_token), expected, "{length}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_tenant_that_is_said_and_is_none_is_never_the_default_tenant() {
    let policy = fixtures::policy(&config(&json!({"defaultTenant": "globex"})));
    for value in [
        r#"[]"#,
        r#"[""]"#,
        r#""""#,
        r#"[null]"#,
        r#"[["acme"]]"#,
        r#"{"0":"acme"}"#,
        "5",
        "true",
        "null",
        "acme globex",
    ] {
        let attributes = format!(r#"{{"namespaces":{value}}}"#);
        for header in [
            ("x-maas-subscription", value),
            ("x-attributes", &attributes),
        ] {
            let refused = found(&policy, &[header]);
            // An attribute in the JSON object must be JSON.
            let expected = match header {
                ("x-attributes", _) if value.contains(' ') => Code::MalformedIdentity,
                _ => Code::UnknownTenant,
            };
            assert_eq!(refused, Err(expected), "{header:?}");
        }
    }
}

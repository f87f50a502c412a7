//! An authenticating gateway in front: what it says counts with its proof, and counts for nothing without.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat, config, key_hash};
use crate::harness::{Answer, Gateway, Seen, Token, Wire};

const SECRET: &str = "a secret between two gateways";
const PROOF: (&str, &str) = ("X-Front-Proof", SECRET);
const ALICE: (&str, &str) = ("X-MaaS-Username", "alice");
const RESEARCH: (&str, &str) = ("X-MaaS-Group", r#"["system:authenticated","research"]"#);
const GOLD: (&str, &str) = ("X-MaaS-Subscription", "gold");

type Verdict = (u16, Option<&'static str>);

/// Headers, the model asked for, and what comes of it.
type Row<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str, Verdict);

const OK: Verdict = (200, None);
const MISSING: Verdict = (401, Some("missing_credential"));

/// The demo behind a gateway such as Models-as-a-Service, with this proof.
fn behind(proof: &Value) -> Value {
    let mut config = config();
    config["fairness"] = json!({"from": {"attribute": "subscription"}});
    config["trustedHeaders"] = json!({
        "proof": proof,
        "principalHeader": "x-maas-username",
        "attributesHeader": "x-maas-attributes",
        "attributeHeaders": {"x-maas-group": "groups", "x-maas-subscription": "subscription"},
        "groupsAttribute": "groups",
        "defaultTenant": "globex"
    });
    config
}

fn by_secret() -> Value {
    behind(&json!({"header": "x-front-proof", "secretHash": key_hash(SECRET)}))
}

fn ask(gateway: &Gateway, model: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Wire::new("POST", "/v1/chat/completions");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    gateway
        .connect()
        .exchange(&request.body(chat(model).to_string()))
}

/// What the upstream sees of the two gateways' headers, sorted.
fn said(seen: &Seen) -> Vec<String> {
    let mut lines: Vec<String> = seen
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(value)))
        .filter(|(name, _)| {
            let folded = name.replace('_', "-");
            folded.contains("maas")
                || folded.contains("proof")
                || folded.contains("fairness")
                || folded.contains("tollgate")
                || folded.contains("key")
                || folded == "authorization"
        })
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_gateway_in_front_is_believed_with_its_secret_and_not_without() {
    let gateway = Gateway::builder().config(by_secret()).start();
    let token = format!("Bearer {}", Token::with_groups(&["research"]).sign());
    let rows: Vec<Row<'_>> = vec![
        ("the proof", vec![PROOF, ALICE, RESEARCH], QWEN, OK),
        (
            "the proof, no groups",
            vec![PROOF, ALICE],
            LLAMA,
            (403, Some("model_not_allowed")),
        ),
        (
            "the proof, no principal, and a good key",
            vec![PROOF, RESEARCH, ("x-api-key", ACME_KEY)],
            QWEN,
            (401, Some("missing_principal")),
        ),
        (
            "the proof and the key of somebody who may more",
            vec![PROOF, ALICE, ("x-api-key", ACME_KEY)],
            QWEN,
            (403, Some("model_not_allowed")),
        ),
        (
            "the proof and a token of somebody who may more",
            vec![PROOF, ALICE, ("authorization", &token)],
            QWEN,
            (403, Some("model_not_allowed")),
        ),
        ("no proof", vec![ALICE, RESEARCH], QWEN, MISSING),
        (
            "no proof, and a key that may less",
            vec![ALICE, RESEARCH, ("x-api-key", GLOBEX_KEY)],
            QWEN,
            (403, Some("model_not_allowed")),
        ),
        (
            "no proof, and a key",
            vec![ALICE, ("x-api-key", GLOBEX_KEY)],
            LLAMA,
            OK,
        ),
        (
            "a wrong proof",
            vec![("x-front-proof", "guess"), ALICE, RESEARCH],
            QWEN,
            (401, Some("invalid_credential")),
        ),
        (
            "the right proof behind a wrong one",
            vec![("x-front-proof", "guess"), PROOF, ALICE, RESEARCH],
            QWEN,
            (400, Some("ambiguous_credential")),
        ),
        (
            "the proof in another spelling",
            vec![("x_front_proof", SECRET), ALICE, RESEARCH],
            QWEN,
            MISSING,
        ),
        (
            "a client's groups beside the gateway's",
            vec![PROOF, ALICE, ("x-maas-group", "sales"), RESEARCH],
            QWEN,
            (400, Some("ambiguous_credential")),
        ),
        (
            "attributes that are no JSON",
            vec![PROOF, ALICE, ("x-maas-attributes", "groups=research")],
            QWEN,
            (401, Some("malformed_identity")),
        ),
    ];
    for (name, headers, model, verdict) in rows {
        let answer = ask(&gateway, model, &headers);
        assert_eq!(answer.verdict(), verdict, "{name}: {answer:?}");
        let text = String::from_utf8(answer.body).unwrap();
        assert!(!text.contains(SECRET), "{name}: {text}");
    }
    assert!(!gateway.log().contains(SECRET), "{}", gateway.log());
}

#[test]
fn the_upstream_sees_what_the_gateway_in_front_says_and_never_its_proof() {
    let gateway = Gateway::builder().config(by_secret()).start();
    let all = [
        PROOF,
        ALICE,
        RESEARCH,
        GOLD,
        ("x_maas_username", "mallory"),
        ("x-api-key", ACME_KEY),
        ("x-tollgate-tenant", "acme"),
    ];
    assert_eq!(ask(&gateway, LLAMA, &all).verdict(), OK);
    assert_eq!(
        said(&gateway.seen()[0]),
        [
            "x-gateway-inference-fairness-id: gold",
            "x-llm-d-inference-fairness-id: gold",
            r#"x-maas-group: ["system:authenticated","research"]"#,
            "x-maas-subscription: gold",
            "x-maas-username: alice",
            "x-tollgate-tenant: globex",
        ]
    );
    assert_eq!(
        ask(
            &gateway,
            LLAMA,
            &[ALICE, RESEARCH, GOLD, ("x-api-key", ACME_KEY)]
        )
        .verdict(),
        OK
    );
    assert_eq!(
        said(&gateway.seen()[1]),
        [
            "x-gateway-inference-fairness-id: acme",
            "x-llm-d-inference-fairness-id: acme",
            "x-tollgate-tenant: acme"
        ]
    );
    let mut public = Wire::new("GET", "/health");
    for (name, value) in all {
        public = public.header(name, value);
    }
    assert_eq!(gateway.connect().exchange(&public).verdict(), OK);
    assert_eq!(said(&gateway.seen()[2]), [""; 0]);
}

#[test]
fn a_client_certificate_proves_the_gateway_in_front() {
    let proof = |names: &[&str]| {
        behind(&json!({"clientCertificateSan": names, "clientCertsVerified": true}))
    };
    let front = include_str!("../fixtures/certificates/front.pem");
    let stranger = include_str!("../fixtures/certificates/stranger.pem");
    let by_uri = ["spiffe://cluster.local/ns/gateway/sa/front"];
    let by_name = ["front.gateway.svc"];
    for (name, certificate, names, verdict) in [
        ("its URI", Some(front), &by_uri, OK),
        ("its DNS name", Some(front), &by_name, OK),
        (
            // Envoy tells the first URI only.
            "another client whose second URI is the gateway's",
            Some(stranger),
            &by_uri,
            MISSING,
        ),
        ("no TLS", None, &by_uri, MISSING),
    ] {
        let mut builder = Gateway::builder().config(proof(names));
        if let Some(certificate) = certificate {
            builder = builder.client_certificate(certificate);
        }
        let gateway = builder.start();
        let answer = ask(&gateway, QWEN, &[ALICE, RESEARCH]);
        assert_eq!(answer.verdict(), verdict, "{name}: {answer:?}");
        let by_key = ask(&gateway, LLAMA, &[("x-api-key", GLOBEX_KEY)]);
        let beside = if verdict == OK {
            (401, Some("missing_principal"))
        } else {
            OK
        };
        assert_eq!(by_key.verdict(), beside, "{name}: {by_key:?}");
    }
}

#[test]
#[should_panic(expected = "a status line before the connection ends")]
fn a_certificate_that_nobody_vouches_for_does_not_come_in() {
    let gateway = Gateway::builder()
        .config(behind(&json!({
            "clientCertificateSan": ["spiffe://cluster.local/ns/gateway/sa/front"],
            "clientCertsVerified": true
        })))
        .client_certificate(include_str!("../fixtures/certificates/self-signed.pem"))
        .start();
    ask(&gateway, QWEN, &[ALICE, RESEARCH]);
}

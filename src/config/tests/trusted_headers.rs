//! Faults of `trustedHeaders`.

use super::*;

fn with(pointer: &str, value: Value) -> Value {
    let mut config = demo_with(
        "/trustedHeaders",
        json!({
            "proof": {"header": "x-gateway-proof", "secretHash": key_hash("secret")},
            "principalHeader": "x-maas-username",
            "attributeHeaders": {"x-maas-group": "teams"},
            "groupsAttribute": "teams",
            "defaultTenant": "acme",
        }),
    );
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    config
        .pointer_mut(&format!("/trustedHeaders{parent}"))
        .unwrap()[member] = value;
    config
}

#[wasm_bindgen_test(unsupported = test)]
fn accepts_each_proof_and_the_section_alone() {
    let mut alone = with("/groupsAttribute", json!("teams"));
    alone.as_object_mut().unwrap().remove("keys");
    alone.as_object_mut().unwrap().remove("jwt");
    let mut attribute = with("/attributesHeader", json!("x-attributes"));
    attribute["fairness"] = json!({"from": {"attribute": "anything"}});
    for (name, config) in [
        ("alone", alone),
        (
            "a certificate",
            with(
                "/proof",
                json!({"clientCertificateSan": ["spiffe://a/b"], "clientCertsVerified": true}),
            ),
        ),
        ("an attribute for the fairness id", attribute),
    ] {
        assert_eq!(faults(&config), Vec::<String>::new(), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn each_fault_has_its_path() {
    const PROOF: &str = "trustedHeaders.proof: expected either `header` and `secretHash`, or `clientCertificateSan` and `clientCertsVerified`";
    const TAKEN: &str = "this header is a credential source, the model header or set by the filter; expected another one";
    let mut no_section = demo();
    no_section["fairness"] = json!({"from": {"attribute": "teams"}});
    for (config, expected) in [
        (with("/proof", json!({})), PROOF.to_owned()),
        (with("/proof", json!({"header": "x-proof"})), PROOF.to_owned()),
        (
            with("/proof/clientCertificateSan", json!(["a"])),
            PROOF.to_owned(),
        ),
        (
            with("/proof/secretHash", json!("sk-live-0123456789abcdef")),
            r#"trustedHeaders.proof.secretHash: expected "sha256:" and 64 hex digits, got 24 bytes without that prefix"#.to_owned(),
        ),
        (
            with("/proof", json!({"clientCertificateSan": ["a"]})),
            "trustedHeaders.proof.clientCertsVerified: expected `true` to confirm that Envoy rejects unverified client certificates, whose names it reports too".to_owned(),
        ),
        (
            with("/proof", json!({"clientCertificateSan": [], "clientCertsVerified": true})),
            "trustedHeaders.proof.clientCertificateSan: expected at least one name, none of them empty".to_owned(),
        ),
        (
            with("/principalHeader", json!("a b")),
            "trustedHeaders.principalHeader: expected a header name".to_owned(),
        ),
        (
            with("/principalHeader", json!("Authorization")),
            format!("trustedHeaders.principalHeader: {TAKEN}"),
        ),
        (
            with("/principalHeader", json!("x-ai-eg-model")),
            format!("trustedHeaders.principalHeader: {TAKEN}"),
        ),
        (
            with("/principalHeader", json!("X_Tollgate_Tenant")),
            format!("trustedHeaders.principalHeader: {TAKEN}"),
        ),
        (
            with("/attributesHeader", json!("X_MaaS_Username")),
            "trustedHeaders.attributesHeader: the same header as an earlier one; expected each header once".to_owned(),
        ),
        (
            with("/attributeHeaders/x-gateway-proof", json!("teams")),
            "trustedHeaders.attributeHeaders.x-gateway-proof: the same header as an earlier one; expected each header once".to_owned(),
        ),
        (
            with("/attributeHeaders/x-other", json!(["teams"])),
            "trustedHeaders.attributeHeaders.x-other: expected the name of an attribute as a string".to_owned(),
        ),
        (
            with("/groupsAttribute", json!("groups")),
            "trustedHeaders.groupsAttribute: no header carries this attribute; expected one in `attributeHeaders`, or `attributesHeader`".to_owned(),
        ),
        (
            with("/defaultTenant", Value::Null),
            "trustedHeaders: no caller would have a tenant; expected `tenantAttribute`, `defaultTenant` or both".to_owned(),
        ),
        (
            with("/defaultTenant", json!("nobody")),
            "trustedHeaders.defaultTenant: expected one of the names in `tenants`".to_owned(),
        ),
        (
            no_section,
            "fairness.from.attribute: attributes come from `trustedHeaders`; expected that section too".to_owned(),
        ),
    ] {
        assert_eq!(faults(&config), [expected]);
    }
}

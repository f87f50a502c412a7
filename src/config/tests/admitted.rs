//! `admittedHeader`.

use super::*;

fn faults_with(section: Value) -> Vec<String> {
    let mut config = demo();
    config["admittedHeader"] = section;
    let environment = |name: &str| match name {
        "LOCK" => Some("open-sesame".to_owned()),
        "SPACED" => Some("open sesame".to_owned()),
        _ => None,
    };
    compile(config.to_string().as_bytes(), &environment).map_or_else(
        |faults| faults.iter().map(Fault::to_string).collect(),
        |_| Vec::new(),
    )
}

#[wasm_bindgen_test(unsupported = test)]
fn takes_a_value_or_a_variable() {
    for section in [
        json!({"name": "x-tollgate-admitted", "value": "yes"}),
        json!({"name": "X-Lock", "env": "LOCK"}),
    ] {
        assert_eq!(faults_with(section), Vec::<String>::new());
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn each_fault_of_the_header_says_what_to_do_and_shows_no_value() {
    const TAKEN: &str = "admittedHeader.name: this header already has a meaning; expected another one, such as `x-tollgate-admitted`";
    const EITHER: &str = "admittedHeader: expected either `value` or `env`";
    const CHARACTERS: &str = "1 to 512 visible ASCII characters without commas";
    let named = |name: &str| json!({"name": name, "value": "yes"});
    for (name, section, expected) in [
        ("neither", json!({"name": "x-lock"}), EITHER.to_owned()),
        ("both", json!({"name": "x-lock", "value": "a", "env": "LOCK"}), EITHER.to_owned()),
        ("no name", json!({"value": "a"}), "admittedHeader: missing field `name`".to_owned()),
        ("no header name", named("x lock"), "admittedHeader.name: expected a header name".to_owned()),
        ("a credential source", named("X-API-Key"), TAKEN.to_owned()),
        ("the server's key", named("authorization"), TAKEN.to_owned()),
        ("the model header", named("x-ai-eg-model"), TAKEN.to_owned()),
        ("the tenant", named("x_tollgate_tenant"), TAKEN.to_owned()),
        ("the fairness id", named("x-llm-d-inference-fairness-id"), TAKEN.to_owned()),
        ("the length", named("content-length"), TAKEN.to_owned()),
        ("the host", named("host"), TAKEN.to_owned()),
        ("spaces", json!({"name": "x-lock", "value": "open sesame"}), format!("admittedHeader.value: expected {CHARACTERS}")),
        ("a variable with spaces", json!({"name": "x-lock", "env": "SPACED"}), format!("admittedHeader.env: the variable must hold {CHARACTERS}")),
        (
            "an unset variable",
            json!({"name": "x-lock", "env": "UNSET"}),
            "admittedHeader.env: the variable is unset or empty; expected a value in the filter's environment (`vm_config.environment_variables`)".to_owned(),
        ),
    ] {
        let faults = faults_with(section);
        assert_eq!(faults, [expected], "{name}");
        assert!(!faults.join("").contains("sesame"), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_header_of_the_gateway_in_front_is_taken() {
    let mut config = demo();
    config["admittedHeader"] = json!({"name": "x-user", "value": "yes"});
    config["trustedHeaders"] = json!({
        "proof": {"header": "x-proof", "secretHash": key_hash("secret")},
        "principalHeader": "x-user", "defaultTenant": "acme",
    });
    let faults = faults(&config);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("admittedHeader.name: "), "{faults:?}");
}

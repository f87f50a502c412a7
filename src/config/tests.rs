use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

mod admitted;
mod environment;
mod limits;
mod trusted_headers;

use super::*;
use crate::fixtures::{ACME_KEY, compile, demo, key_hash, policy};
use crate::gateway_counts::GatewayCounts;

fn faults(config: &Value) -> Vec<String> {
    faults_of(&config.to_string())
}

fn faults_of(text: &str) -> Vec<String> {
    compile(text.as_bytes(), &|_| None).map_or_else(
        |faults| faults.iter().map(Fault::to_string).collect(),
        |_| Vec::new(),
    )
}

/// The demo configuration with one member replaced.
fn demo_with(pointer: &str, value: Value) -> Value {
    let mut config = demo();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = config.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => items.push(value),
        _ => parent[member] = value,
    }
    config
}

#[wasm_bindgen_test(unsupported = test)]
fn accepts_the_demo_and_its_variations() {
    for (name, config) in [
        ("demo", demo()),
        ("a token issuer alone", demo_with("/keys", json!([]))),
        (
            "an expired key",
            demo_with("/keys/0/expiresAt", json!("2020-01-01T00:00:00Z")),
        ),
        (
            "a disabled key with a description",
            demo_with("/keys/0/disabled", json!(true)),
        ),
        (
            "a nested claim",
            demo_with("/jwt/0/groupsClaim", json!(["realm_access", "roles"])),
        ),
        (
            "sources",
            demo_with("/credentials", json!({"sources": [{"header": "X-Key"}]})),
        ),
        (
            "model header",
            demo_with(
                "/modelHeader",
                json!({"name": "X-Gateway-Model-Name", "required": true}),
            ),
        ),
        ("hidden models", demo_with("/hideDeniedModels", json!(true))),
        (
            "models as people call them",
            demo_with(
                "/keys/0/models",
                json!([
                    "Qwen3 32B",
                    "Qwen3 *",
                    "claude-opus-4-8[1m]",
                    "通义千问",
                    "a\"b\\c^-]",
                    "é".repeat(128)
                ]),
            ),
        ),
        (
            "prefixes",
            demo_with(
                "/pathPrefixes",
                json!([
                    "/*/*/v1",
                    "/team-a",
                    "/x/*",
                    "/v1/v1",
                    "/deployments-of/engine"
                ]),
            ),
        ),
        (
            "paths without a version",
            demo_with("/pathsWithoutVersion", json!("none")),
        ),
        (
            "a model with a base",
            demo_with(
                "/models/通义 [1]",
                json!({"access": "anonymous", "baseModel": "Qwen3 *"}),
            ),
        ),
        (
            "upper-case hash digits",
            demo_with(
                "/keys/0/keyHash",
                json!(format!("sha256:{}", "AB".repeat(32))),
            ),
        ),
    ] {
        assert_eq!(faults(&config), Vec::<String>::new(), "{name}");
    }
}

/// The demo with these claims of groups.
fn claims(claims: Value) -> Value {
    let mut config = demo();
    let issuer = config["jwt"][0].as_object_mut().unwrap();
    issuer.remove("groupsClaim");
    issuer.insert("groupsClaims".to_owned(), claims);
    config
}

#[wasm_bindgen_test(unsupported = test)]
fn each_fault_is_one_line_with_path_fault_and_expectation() {
    for (config, expected) in [
        (
            demo_with(
                "/headers",
                json!({"allow": ["X_Gateway_Inference-Fairness-Id"]}),
            ),
            "headers.allow[0]: the filter sets a header of this name itself; expected another one",
        ),
        (
            demo_with("/headers", json!({"tenant": ["x-team", "authorization"]})),
            "headers.tenant[1]: this header already has a meaning; expected another one, such as `x-ai-eg-tenant`",
        ),
        (
            demo_with("/headers", json!({"tenant": ["x-tollgate-tenant"]})),
            "headers.tenant[0]: this header already has a meaning; expected another one, such as `x-ai-eg-tenant`",
        ),
        (
            demo_with("/headers", json!({"tenant": ["x-team", "X_Team"]})),
            "headers.tenant[1]: duplicate header; expected each once",
        ),
        (
            demo_with(
                "/headers",
                json!({"tenant": ["x-team"], "allow": ["x-team"]}),
            ),
            "headers.allow[0]: the filter sets a header of this name itself; expected another one",
        ),
        (
            demo_with("/headers", json!({"allow": ["x-envoy-*", "x-*"]})),
            "headers.allow[1]: the filter sets a header of this name itself; expected another one",
        ),
        (
            demo_with("/headers", json!({"strip": ["x y"]})),
            "headers.strip[0]: expected the name of a header, or a prefix and `*`, at most 64 characters",
        ),
        (
            demo_with("/body", json!({"deny": ["Model"]})),
            "body.deny[0]: the filter reads this member itself; expected another one",
        ),
        (
            demo_with("/body", json!({"allow": ["priority", ""]})),
            "body.allow[1]: expected the name of a member, or a prefix and `*`: 1 to 64 visible ASCII characters",
        ),
        (
            demo_with("/body", json!({"allow": ["*"]})),
            "body.allow[0]: expected the name of a member, or a prefix and `*`: 1 to 64 visible ASCII characters",
        ),
        (
            demo_with("/keys/0/keyHash", json!("sha256:abc")),
            r#"keys[0].keyHash: expected "sha256:" and 64 hex digits, got 3 characters"#,
        ),
        (
            demo_with("/keys/0/keyHash", json!("sk-plaintext-key")),
            r#"keys[0].keyHash: expected "sha256:" and 64 hex digits, got 16 bytes without that prefix"#,
        ),
        (
            demo_with(
                "/keys/0/keyHash",
                json!(format!("sha256:{}", "zz".repeat(32))),
            ),
            r#"keys[0].keyHash: expected "sha256:" and 64 hex digits, got a character that is not a hex digit"#,
        ),
        (
            demo_with("/keys/0/keyHash", json!("maas:abc")),
            r#"keys[0].keyHash: expected "maas:" and 64 hex digits, got 3 characters"#,
        ),
        (
            demo_with("/keys/1/keyHash", json!(key_hash(ACME_KEY))),
            "keys[1].keyHash: the same hash as the key `acme-demo`; expected each key once",
        ),
        (
            demo_with("/keys/1/id", json!("acme-demo")),
            "keys[1].id: duplicate key id `acme-demo`; expected a unique id",
        ),
        (
            demo_with("/keys/1/tenant", json!("nobody")),
            "keys[1].tenant: expected one of the names in `tenants`",
        ),
        (
            demo_with("/keys/1/expiresAt", json!("tomorrow")),
            "keys[1].expiresAt: expected an RFC 3339 date such as `2027-01-01T00:00:00Z`",
        ),
        (
            demo_with("/keys/1/objective", json!("a b")),
            "keys[1].objective: the objective must be 1 to 128 letters, digits and `._:/@+-`",
        ),
        (
            demo_with("/keys/1/models", json!(["a\tb"])),
            "keys[1].models[0]: expected a model name, `prefix*` or `*`; names are 256 printable characters at most, without a space at either end and without `*`",
        ),
        (
            demo_with("/keys/1/models", json!(["é".repeat(129)])),
            "keys[1].models[0]: the name takes more than 256 bytes in UTF-8; expected a shorter name of a model",
        ),
        (
            demo_with("/keys/1/models", json!(["m".repeat(257)])),
            "keys[1].models[0]: expected a model name, `prefix*` or `*`; names are 256 printable characters at most, without a space at either end and without `*`",
        ),
        (
            demo_with("/keys/1/models", json!(["a*b"])),
            "keys[1].models[0]: expected a model name, `prefix*` or `*`; names are 256 printable characters at most, without a space at either end and without `*`",
        ),
        (
            demo_with(
                "/models/m",
                json!({"access": "anonymous", "baseModel": " m"}),
            ),
            "models.m.baseModel: expected the name of a model: 256 printable characters at most, without a space at either end",
        ),
        (
            demo_with("/mode", json!("permissive")),
            "mode: expected one of `enforce`, `audit`, `open`",
        ),
        (
            demo_with("/hideDeniedModels", json!("yes")),
            "hideDeniedModels: expected a boolean",
        ),
        (
            demo_with("/keys/0", json!("sk-plaintext-key")),
            "keys[2]: expected an object",
        ),
        (
            demo_with("/tenants/acme/groups", json!("research")),
            "tenants.acme.groups: expected a list",
        ),
        (
            demo_with("/tenants/acme", json!({"group": []})),
            "tenants.acme: unknown field `group`; did you mean `groups`?",
        ),
        (
            demo_with("/tenants/acme", json!({"quota": []})),
            "tenants.acme: unknown field `quota`, expected `groups` or `objective`",
        ),
        (
            demo_with("/key", json!([])),
            "key: unknown field; did you mean `keys`?",
        ),
        (
            demo_with("/sk-tollgate-acme-demo", json!([])),
            "unknown field, expected one of `tenants`, `keys`, `keysFrom`, `credentials`, `jwt`, `trustedHeaders`, `models`, `admittedHeader`, `modelHeader`, `headers`, `body`, `pathPrefixes`, `pathsWithoutVersion`, `extraPaths`, `publicPaths`, `hideDeniedModels`, `fairness`, `mode`, `limits`, `reserve`, `weights`, `metering`",
        ),
        (
            demo_with("/tenants/other", json!({})),
            "tenants.other: `other` is a reserved name; expected another one",
        ),
        (
            demo_with("/tenants/a b", json!({})),
            "tenants.a b: the tenant's name must be 1 to 128 letters, digits and `._:/@+-`",
        ),
        (
            demo_with("/models/other", json!({"access": "authenticated"})),
            "models.other: `other` is a reserved name; expected another one",
        ),
        (
            demo_with("/models/m", json!({})),
            "models.m: expected either `groups` or `access`",
        ),
        (
            demo_with("/models/m", json!({"access": "all"})),
            "models.m.access: expected `anonymous` or `authenticated`",
        ),
        (
            demo_with("/models", json!({})),
            r#"models: expected at least one model; to allow every model for every identified caller, write "*": {"access": "authenticated"}"#,
        ),
        (
            demo_with("/jwt/0/issuer", json!("")),
            "jwt[0].issuer: expected a non-empty string",
        ),
        (
            demo_with("/jwt/0/defaultTenant", json!("x")),
            "jwt[0].defaultTenant: expected one of the names in `tenants`",
        ),
        (
            demo_with("/jwt/0/groupsSeparator", json!("")),
            "jwt[0].groupsSeparator: expected a non-empty separator, such as `,`",
        ),
        (
            demo_with("/jwt/0/groupsClaim", json!([])),
            "jwt[0].groupsClaim: expected a claim name or a list of claim names, none of them empty",
        ),
        (
            demo_with("/jwt/0/groupsClaims", json!(["roles"])),
            "jwt[0].groupsClaims: expected either `groupsClaim` or `groupsClaims`",
        ),
        (
            claims(json!([])),
            "jwt[0].groupsClaims: expected at least one claim",
        ),
        (
            claims(json!(["roles", ["roles"]])),
            "jwt[0].groupsClaims[1]: the same claim as one before; expected each once",
        ),
        (
            claims(json!(["roles", ""])),
            "jwt[0].groupsClaims[1]: expected a claim name or a list of claim names, none of them empty",
        ),
        (
            demo_with("/jwt/-", demo()["jwt"][0].clone()),
            "jwt[1].issuer: the same `metadataKey` and `issuer` as an earlier entry; expected each pair once",
        ),
        (
            demo_with("/credentials", json!({"sources": []})),
            "credentials.sources: expected at least one source",
        ),
        (
            demo_with(
                "/credentials",
                json!({"sources": [{"header": "x-api-key", "stripOnly": true}]}),
            ),
            "credentials.sources: expected at least one source that is read, without `stripOnly`",
        ),
        (
            demo_with("/credentials", json!({"several": "last"})),
            "credentials.several: expected `refuse` or `first`",
        ),
        (
            demo_with("/credentials", json!({"dummyKeys": ["EMPTY", "a b"]})),
            "credentials.dummyKeys[1]: expected 1 to 64 visible ASCII characters without commas",
        ),
        (
            demo_with("/credentials", json!({"dummyKeys": ["EMPTY", "EMPTY"]})),
            "credentials.dummyKeys[1]: the same word as one before; expected each once",
        ),
        (
            demo_with("/credentials", json!({"dummyKeys": [ACME_KEY]})),
            "credentials.dummyKeys[0]: the same as the key `acme-demo`, which would count as no credential; expected a word that is no key",
        ),
        (
            demo_with(
                "/publicPaths/-",
                json!({"method": "GET", "path": "/a/../b"}),
            ),
            "publicPaths[1].path: expected an exact path that starts with `/`, without `%`, `?`, `;`, `\\`, empty or dot segments",
        ),
        (
            demo_with(
                "/extraPaths",
                json!([{"method": "post", "path": "/x", "groups": []}]),
            ),
            "extraPaths[0].method: expected an HTTP method in upper case such as `POST`",
        ),
        (
            demo_with("/pathPrefixes", json!(["/*/*/v1", "/"])),
            "pathPrefixes[1]: expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model",
        ),
        (
            demo_with("/pathPrefixes", json!(["/*/*/v1", "/a/"])),
            "pathPrefixes[1]: expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model",
        ),
        (
            demo_with("/pathPrefixes", json!(["/*/*/v1", "a"])),
            "pathPrefixes[1]: expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model",
        ),
        (
            demo_with("/pathPrefixes", json!(["/*/*/v1", "/v1"])),
            "pathPrefixes[1]: expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model",
        ),
        (
            demo_with("/pathPrefixes", json!(["/*/*/v1", "/a*/v1"])),
            "pathPrefixes[1]: expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model",
        ),
        (
            demo_with("/pathPrefixes", json!(["/*/*/v1", "/a%20b"])),
            "pathPrefixes[1]: expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model",
        ),
        (
            demo_with("/pathPrefixes", json!(["/*/*/v1", "/a/../b"])),
            "pathPrefixes[1]: expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model",
        ),
        (
            demo_with("/pathPrefixes", json!(["/*/*/v1", "/openai/deployments/*"])),
            "pathPrefixes[1]: expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model",
        ),
        (
            demo_with("/pathPrefixes", json!(["/*/*/v1", "/engines/*"])),
            "pathPrefixes[1]: expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model",
        ),
        (
            demo_with("/pathsWithoutVersion", json!("yes")),
            "pathsWithoutVersion: expected one of `unambiguous`, `all`, `none`",
        ),
        (
            json!({"models": {"m": {"access": "anonymous"}}}),
            "no caller can be identified; expected at least one entry in `keys`, `keysFrom` or `jwt`, or `trustedHeaders`",
        ),
    ] {
        assert_eq!(faults(&config), [expected]);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_misspelt_section_does_not_hide_the_faults_of_the_others() {
    let mut config = demo_with("/keys/0/keyHash", json!(7));
    let sections = config.as_object_mut().unwrap();
    let models = sections.remove("models").unwrap();
    sections.insert("model".to_owned(), models);
    sections.insert("tenantz".to_owned(), json!({}));
    sections.insert("mode".to_owned(), json!("permissive"));
    assert_eq!(
        faults(&config),
        [
            "model: unknown field; did you mean `models`?",
            "tenantz: unknown field; did you mean `tenants`?",
            "keys[0].keyHash: expected a string",
            "mode: expected one of `enforce`, `audit`, `open`",
            r#"models: expected at least one model; to allow every model for every identified caller, write "*": {"access": "authenticated"}"#,
        ]
    );
    assert_eq!(
        faults_of(r#"{"mode": "open", "mode": "audit", "keys": 5}"#),
        [
            "mode: duplicate name; expected each name once",
            "keys: expected a list"
        ]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn lists_all_faults_at_once() {
    let mut config = demo_with("/keys/0/keyHash", json!(7));
    config["keys"][1]["tenant"] = json!("nobody");
    config["models"]["m"] = json!({});
    config["metering"] = json!({"filterState": "yes"});
    assert_eq!(
        faults(&config),
        [
            "keys[0].keyHash: expected a string",
            "keys[1].tenant: expected one of the names in `tenants`",
            "metering.filterState: expected a boolean",
            "models.m: expected either `groups` or `access`",
        ]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn encoded_replies_and_usage_that_is_hidden_do_not_go_together() {
    let fault = "metering.stripAcceptEncoding: encoded replies would show clients usage that only the filter requested; expected `streamUsage: observe` together with `false`, here and in `models`";
    for (name, metering, model, expected) in [
        ("the defaults", json!({}), json!(null), None),
        (
            "kept, and asked by default",
            json!({"stripAcceptEncoding": false}),
            json!(null),
            Some(fault),
        ),
        (
            "kept, and asked for one model",
            json!({"stripAcceptEncoding": false, "streamUsage": "observe"}),
            json!("inject"),
            Some(fault),
        ),
        (
            "kept, and not asked",
            json!({"stripAcceptEncoding": false, "streamUsage": "observe"}),
            json!(null),
            None,
        ),
    ] {
        let mut config = demo_with("/metering", metering);
        config["models"]["m"] = json!({"access": "authenticated", "streamUsage": model});
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(faults(&config), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_what_is_written_twice() {
    assert_eq!(
        faults_of(r#"{"mode":"open","keys":[],"keys":[]}"#),
        ["keys: duplicate name; expected each name once"]
    );
    let text =
        r#"{"mode":"open","models":{"m":{"access":"anonymous"},"m":{"access":"authenticated"}}}"#;
    assert_eq!(
        faults_of(text),
        ["models.m: duplicate name; expected each name once"]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_what_is_no_configuration_at_all() {
    for (name, text, expected) in [
        (
            "nothing",
            "",
            "the configuration is empty; expected a JSON object with `models` and `keys`, `keysFrom` or `jwt`",
        ),
        ("no JSON", "models:", "expected value"),
        ("no object", "[]", "expected an object"),
        (
            "something after it",
            r#"{"keys":[],"models":{"*":{"access":"authenticated"}}} {}"#,
            "trailing characters",
        ),
    ] {
        assert_eq!(faults_of(text), [expected], "{name}");
    }
    let faults = compile(b"\xff", &|_| None).unwrap_err();
    assert_eq!(
        faults.iter().map(Fault::to_string).collect::<Vec<_>>(),
        ["the configuration must be UTF-8"]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn never_repeats_what_could_be_a_secret() {
    let secret = "sk-live-0123456789abcdef";
    let named = |name: String| {
        let mut config = demo();
        config["keys"][0][name] = json!(true);
        config
    };
    for (name, config) in [
        ("as hash", demo_with("/keys/0/keyHash", json!(secret))),
        ("as flag", demo_with("/keys/0/disabled", json!(secret))),
        ("as date", demo_with("/keys/0/expiresAt", json!(secret))),
        ("as tenant", demo_with("/keys/0/tenant", json!(secret))),
        ("as list of keys", demo_with("/keys", json!([secret]))),
        ("as keys", demo_with("/keys", json!(secret))),
        (
            "as access",
            demo_with("/models/m", json!({"access": secret})),
        ),
        ("as a field's name", named(secret.to_owned())),
        // A value may contain the words that serde writes around it.
        (
            "in the name of a field, after a dot",
            named(format!("{secret}.{secret}.x")),
        ),
        (
            "in the name of a field, after a backtick",
            named(format!("id`{secret}")),
        ),
        (
            "in the name of a field, after what is expected",
            named(format!("x, expected {secret}`, expected {secret}")),
        ),
        (
            "in the name of a field, before a position",
            named(format!("{secret} at line 1")),
        ),
        (
            "in a text, after what is expected",
            demo_with("/keys/0/disabled", json!(format!("x, expected {secret}"))),
        ),
        (
            "in a text, before a position",
            demo_with("/keys/0/disabled", json!(format!("{secret} at line 1"))),
        ),
        (
            "in a choice, after what is expected",
            demo_with("/mode", json!(format!("x`, expected {secret}"))),
        ),
    ] {
        let faults = faults(&config);
        assert!(!faults.is_empty(), "{name}");
        assert!(
            faults.iter().all(|fault| !fault.contains("0123456789")),
            "{name}: {faults:?}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn an_audit_needs_what_enforcing_needs() {
    for mode in ["enforce", "audit"] {
        assert_eq!(
            faults(&json!({"mode": mode, "models": {"*": {"access": "authenticated"}}})),
            [
                "no caller can be identified; expected at least one entry in `keys`, `keysFrom` or `jwt`, or `trustedHeaders`"
            ],
            "{mode}"
        );
        assert_eq!(
            faults(&demo_with("/mode", json!(mode))),
            Vec::<String>::new(),
            "{mode}"
        );
        assert_eq!(
            faults(&{
                let mut config = demo_with("/mode", json!(mode));
                config["models"] = json!({});
                config
            })
            .len(),
            1,
            "{mode}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_counts_of_another_filter_are_where_the_operator_says() {
    let found = |metering: Value| {
        let mut config = demo();
        config["metering"] = metering;
        std::rc::Rc::into_inner(policy(&config))
            .unwrap()
            .metering
            .gateway_counts
    };
    let ai_gateway = |input: &str, output: &str| GatewayCounts::AiGateway {
        input: input.into(),
        output: output.into(),
    };
    let usual = ai_gateway("llm_input_token", "llm_output_token");
    assert_eq!(policy(&demo()).metering.gateway_counts, usual);
    assert_eq!(found(json!({})), usual);
    assert_eq!(
        found(json!({"gatewayCounts": {"aiGateway": {"input": "in", "output": "out"}}})),
        ai_gateway("in", "out")
    );
    assert_eq!(
        found(json!({"gatewayCounts": "aiProtocolManager"})),
        GatewayCounts::AiProtocolManager
    );
    for (written, fault) in [
        (
            json!({"aiGateway": {"input": "", "output": "out"}}),
            "metering.gatewayCounts.aiGateway.input: expected 1 to 128 visible ASCII characters",
        ),
        (
            json!({"aiGateway": {"input": "in", "output": "a\u{0}b"}}),
            "metering.gatewayCounts.aiGateway.output: expected 1 to 128 visible ASCII characters",
        ),
    ] {
        let mut config = demo();
        config["metering"] = json!({"gatewayCounts": written});
        assert_eq!(faults(&config), [fault]);
    }
}

use serde_json::{Value, json};

use super::*;
use crate::source::Carrier;

const HASH: &str = "sha256:5fe8a615f62772f45ef390a324afdfb2eda1bf62b287369065f014d78b5f756d";
/// 2026-01-01, and thirty days later.
const CLOCK: Clock = Clock {
    now: 1_767_225_600,
    soon: 1_769_817_600,
};

/// A configuration without findings, with some members replaced.
fn with(changes: &Value) -> String {
    let mut configuration = json!({
        "tenants": {"acme": {"groups": ["research"]}},
        "keys": [{"id": "ci", "tenant": "acme", "keyHash": HASH}],
        "models": {"llama": {"groups": ["research"]}}
    });
    for (name, value) in changes.as_object().unwrap() {
        configuration[name] = value.clone();
    }
    configuration.to_string()
}

fn key(changes: &Value) -> Value {
    let mut key = json!({"id": "ci", "tenant": "acme", "keyHash": HASH});
    for (name, value) in changes.as_object().unwrap() {
        key[name] = value.clone();
    }
    json!([key])
}

/// The findings of a file, without its name.
fn findings_in(text: &str, gateway: &Gateway) -> Vec<String> {
    let file = File::parse("f".to_owned(), text);
    assert!(!file.configurations.is_empty(), "{text}");
    let files = [file];
    let [file] = &files;
    let findings = findings(file, &Locks::of(&files), gateway, CLOCK).into_iter();
    // The second lock has tests of its own.
    findings
        .filter(|finding| finding.path != "admittedHeader")
        .map(|finding| finding.to_string().split_off("f:".len()))
        .collect()
}

/// The findings for a bare configuration on one line.
fn said(text: &str) -> Vec<String> {
    let findings = findings_in(text, &Gateway::Assumed).into_iter();
    findings
        .map(|finding| finding.strip_prefix("1: ").unwrap().to_owned())
        .collect()
}

#[test]
fn more_keys_than_labels_are_warned_of() {
    for (name, keys, labels, warned) in [
        ("as many", 1000, r#"["key"]"#, false),
        ("one more", 1001, r#"["key"]"#, true),
        ("without the label", 1001, "[]", false),
    ] {
        let keys: Vec<String> = (0..keys)
            .map(|key| {
                format!(r#"{{"id":"k{key}","tenant":"acme","keyHash":"sha256:{key:064x}"}}"#)
            })
            .collect();
        let keys = keys.join(",");
        let text = format!(
            r#"{{"tenants":{{"acme":{{}}}},"keys":[{keys}],"models":{{"m":{{"access":"authenticated"}}}},"metering":{{"labels":{labels}}}}}"#
        );
        let clock = Clock { now: 0, soon: 0 };
        let found = warnings::of(&text, clock);
        let labels: Vec<_> = found
            .iter()
            .filter(|(path, _)| path == "metering.labels[0]")
            .map(|(_, message)| message.as_str())
            .collect();
        let expected = warned
            .then_some("1001 keys, and 1000 get a label of their own; the others share `other`");
        assert_eq!(labels, expected.as_slice(), "{name}");
    }
}

#[test]
fn a_configuration_that_means_what_it_says_gets_no_warning() {
    let issuer = json!({"metadataKey": "payload", "issuer": "i", "groupsClaim": "groups", "defaultTenant": "acme"});
    for (name, changes) in [
        ("plain", json!({})),
        (
            "a late end",
            json!({"keys": key(&json!({"expiresAt": "2026-01-31T00:00:01Z"}))}),
        ),
        (
            "a disabled key",
            json!({"keys": key(&json!({"expiresAt": "2020-01-01T00:00:00Z", "models": [], "disabled": true}))}),
        ),
        (
            "a past start",
            json!({"keys": key(&json!({"notBefore": "2026-01-01T00:00:00Z"}))}),
        ),
        (
            "a group of the key",
            json!({"models": {"llama": {"groups": ["ci"]}}, "keys": key(&json!({"groups": ["ci"]}))}),
        ),
        (
            "a group of tokens",
            json!({"models": {"llama": {"groups": ["x", "research"]}}, "jwt": [issuer]}),
        ),
        (
            "no group, on purpose",
            json!({"models": {"*": {"access": "authenticated"}, "llama": {"groups": []}}}),
        ),
        (
            "a narrowed key",
            json!({"models": {"llama-*": {"access": "authenticated"}}, "keys": key(&json!({"models": ["llama-3*", "llama-2"]}))}),
        ),
        (
            "a key for a path",
            json!({"models": {"llama": {"groups": []}}, "extraPaths": [{"method": "POST", "path": "/tokenize", "groups": ["research"]}]}),
        ),
        (
            "an anonymous model",
            json!({"models": {"llama": {"access": "anonymous"}}}),
        ),
        (
            "a tenant of tokens",
            json!({"tenants": {"acme": {"groups": ["research"]}, "other-team": {}}, "jwt": [{"metadataKey": "p", "issuer": "i", "tenantClaim": "azp"}]}),
        ),
    ] {
        assert_eq!(said(&with(&changes)), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_hardly_anybody_means_is_warned_about() {
    let trusted = |rest: Value| {
        let mut section = json!({"proof": {"header": "x-proof", "secretHash": HASH}, "principalHeader": "x-principal"});
        for (name, value) in rest.as_object().unwrap() {
            section[name] = value.clone();
        }
        section
    };
    let issuer = |rest: Value| {
        let mut entry = json!({"metadataKey": "payload", "issuer": "i", "defaultTenant": "acme"});
        for (name, value) in rest.as_object().unwrap() {
            entry[name] = value.clone();
        }
        json!([entry])
    };
    for (name, changes, expected) in [
        (
            "an expired key",
            json!({"keys": key(&json!({"expiresAt": "2026-01-01T00:00:00Z"}))}),
            "keys[0].expiresAt: the key `ci` has expired, at 2026-01-01T00:00:00Z",
        ),
        (
            "a key that ends soon",
            json!({"keys": key(&json!({"expiresAt": "2026-01-31T00:00:00Z"}))}),
            "keys[0].expiresAt: the key `ci` expires at 2026-01-31T00:00:00Z",
        ),
        (
            "a key of tomorrow",
            json!({"keys": key(&json!({"notBefore": "2026-01-01T00:00:01Z"}))}),
            "keys[0].notBefore: the key `ci` is not valid before 2026-01-01T00:00:01Z",
        ),
        (
            "a key of no time",
            json!({"keys": key(&json!({"notBefore": "2027-01-01T00:00:00Z", "expiresAt": "2027-01-01T00:00:00Z"}))}),
            "keys[0].expiresAt: not after `notBefore`: the key is never valid",
        ),
        (
            "a group of nobody",
            json!({"models": {"llama": {"groups": ["research", "saels"]}}}),
            "models.llama.groups[1]: no caller has this group",
        ),
        (
            "a path for nobody",
            json!({"extraPaths": [{"method": "POST", "path": "/tokenize", "groups": ["admins"]}]}),
            "extraPaths[0].groups[0]: no caller has this group",
        ),
        (
            "tokens without groups",
            json!({"models": {"llama": {"groups": ["research", "staff"]}}, "jwt": issuer(json!({}))}),
            "models.llama.groups[1]: no caller has this group",
        ),
        (
            "a group without its prefix",
            json!({"models": {"llama": {"groups": ["research", "kc:staff", "staff"]}}, "jwt": issuer(json!({"groupsClaim": "groups", "groupPrefix": "kc:"}))}),
            "models.llama.groups[2]: no caller has this group",
        ),
        (
            "a tenant by a group without its prefix",
            json!({"jwt": issuer(json!({"groupsClaim": "groups", "groupPrefix": "kc:", "tenantFromGroup": [{"group": "staff", "tenant": "acme"}]}))}),
            "jwt[0].tenantFromGroup[0].group: no token has this group; expected one that begins with `groupPrefix`",
        ),
        (
            "a tenant by groups that are not read",
            json!({"jwt": issuer(json!({"tenantFromGroup": [{"group": "staff", "tenant": "acme"}]}))}),
            "jwt[0].tenantFromGroup[0].group: no token has groups; expected `groupsClaim` too",
        ),
        (
            "a gateway in front without groups",
            json!({"models": {"llama": {"groups": ["research", "staff"]}}, "trustedHeaders": trusted(json!({"defaultTenant": "acme"}))}),
            "models.llama.groups[1]: no caller has this group",
        ),
        (
            "a claim that was meant to be a path",
            json!({"jwt": issuer(json!({"groupsClaim": "realm_access.roles"}))}),
            r#"jwt[0].groupsClaim: a dot is a part of the claim's name here; for a claim within a claim write ["realm_access","roles"]"#,
        ),
        (
            "one of several claims that was meant to be a path",
            json!({"jwt": issuer(json!({"groupsClaims": ["groups", "https://example.com/roles", "a.b.c"]}))}),
            r#"jwt[0].groupsClaims[2]: a dot is a part of the claim's name here; for a claim within a claim write ["a","b","c"]"#,
        ),
        (
            "a tenant of nobody",
            json!({"tenants": {"acme": {"groups": ["research"]}, "globex": {}}}),
            "tenants.globex: no caller belongs to this tenant",
        ),
        (
            "a model without a rule",
            json!({"keys": key(&json!({"models": ["llama", "qwen*"]}))}),
            "keys[0].models[1]: no rule in `models` matches this",
        ),
        (
            "a key without a model",
            json!({"tenants": {"acme": {"groups": []}}, "models": {"llama": {"groups": []}}}),
            "keys[0]: no rule in `models` admits this key",
        ),
        (
            "everything for every client",
            json!({"models": {"*": {"access": "anonymous"}}}),
            "models.*.access: every client, without an identity, may use every model that has no rule of its own",
        ),
        (
            "open",
            json!({"mode": "open"}),
            "mode: every client may use every model, without an identity",
        ),
        (
            "audit",
            json!({"mode": "audit"}),
            "mode: requests that should be refused pass, and are only counted",
        ),
        (
            "a body that a server may not read",
            json!({"extraPaths": [
                {"method": "POST", "path": "/tokenize", "groups": ["research"], "body": true},
                {"method": "DELETE", "path": "/files", "groups": ["research"], "body": true},
                {"method": "DELETE", "path": "/jobs", "groups": ["research"]}
            ]}),
            "extraPaths[1].body: a server may not read the body of a DELETE and may take it for the next request",
        ),
        (
            "a member that is not refused",
            json!({"body": {"allow": ["priority", "aws_region_name", "provider", "prioirity"]}}),
            "body.allow[3]: no refused member has this name",
        ),
        (
            "a member that names models",
            json!({"body": {"allow": ["fallbacks"]}}),
            "body.allow[0]: clients may use any model with it: the models that it names are not checked",
        ),
        (
            "inference that nobody judges",
            json!({"extraPaths": [
                {"method": "POST", "path": "/tokenize", "groups": ["research"], "body": true},
                {"method": "POST", "path": "/team/v1/chat/completions", "groups": ["research"], "body": true}
            ]}),
            "extraPaths[1].path: a route of inference: its groups may use any model of the server there, and no tokens are counted; `pathPrefixes` and `pathsWithoutVersion` have the table's paths judged in other places",
        ),
        (
            "a native route of a server, for everybody",
            json!({"publicPaths": [{"method": "POST", "path": "/generate", "body": true}]}),
            "publicPaths[0].path: a route of inference: everybody, with no identity, may use any model of the server there, and no tokens are counted; `pathPrefixes` and `pathsWithoutVersion` have the table's paths judged in other places",
        ),
        (
            "what the table has",
            json!({"extraPaths": [{"method": "POST", "path": "/v1/embeddings", "groups": ["research"], "body": true}]}),
            "extraPaths[0].path: the table of operations has this path and comes first; the entry changes nothing",
        ),
        (
            "a public one",
            json!({"publicPaths": [{"method": "GET", "path": "/health", "body": true}]}),
            "publicPaths[0].body: a server may not read the body of a GET and may take it for the next request",
        ),
    ] {
        assert_eq!(
            said(&with(&changes)),
            [format!("warning: {expected}")],
            "{name}"
        );
    }
}

#[test]
fn a_gateway_in_front_may_bring_any_group() {
    let changes = json!({
        "models": {"llama": {"groups": ["research", "staff"]}},
        "trustedHeaders": {
            "proof": {"header": "x-proof", "secretHash": HASH},
            "principalHeader": "x-principal",
            "attributesHeader": "x-attributes",
            "groupsAttribute": "groups",
            "defaultTenant": "acme"
        }
    });
    assert_eq!(said(&with(&changes)), Vec::<String>::new());
}

#[test]
fn a_large_configuration_is_warned_about() {
    let description =
        |length| with(&json!({"keys": key(&json!({"description": "x".repeat(length)}))}));
    let around = description(0).len();
    assert_eq!(
        said(&description((200 << 10) - around - 1)),
        Vec::<String>::new()
    );
    assert_eq!(
        said(&description((200 << 10) - around)),
        [
            "warning: 200 KiB; a Kubernetes resource holds 1.5 MiB at most, and `kubectl apply` without `--server-side` 256 KiB"
        ]
    );
}

const TOKENS: &str = "tenants: {acme: {}}\n    jwt: [{metadataKey: KEY, issuer: i, defaultTenant: acme}]\n    models: {'*': {access: authenticated}}\n";

fn wasm_plugin(spec: &str, key: &str) -> String {
    format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: tollgate}}\nspec:\n{spec}  pluginConfig:\n    {}",
        TOKENS.replace("KEY", key)
    )
}

#[test]
fn a_traffic_extension_is_read_as_a_wasm_plugin_is() {
    let extension = |spec: &str, wasm: &str, key: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {{name: tollgate}}\nspec:\n{spec}  wasm:\n{wasm}    pluginConfig:\n      {}",
            TOKENS.replace("    ", "      ").replace("KEY", key)
        )
    };
    const PINNED: &str = "    url: oci://a/tollgate@sha256:00\n";
    for (name, spec, wasm, key, expected) in [
        (
            "good",
            "  phase: AUTHZ\n  targetRefs: [{kind: Gateway, name: g}]\n",
            PINNED,
            "payload",
            &[][..],
        ),
        (
            "everything else",
            "  match: [{mode: SERVER}]\n",
            "    url: oci://a/tollgate:1\n    failStrategy: FAIL_OPEN\n",
            "keycloak",
            &[
                "8: warning: spec.wasm.failStrategy: where the filter cannot run, every request passes; expected `FAIL_RELOAD` or `FAIL_CLOSE`",
                "5: warning: spec.phase: expected `AUTHZ`, where tokens have been verified",
                "5: warning: spec.match: requests that do not match bypass the filter; expected none",
                "5: warning: spec.targetRefs: every pod of the namespace gets the filter, and a sidecar then judges what its pod sends; expected a `Gateway`",
                "7: warning: spec.wasm.url: the code is not pinned; expected `sha256`",
                "11: warning: jwt[0].metadataKey: no payload is written there; expected `payload`",
            ],
        ),
    ] {
        let found = findings_in(&extension(spec, wasm, key), &Gateway::Assumed);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_wasm_plugin_that_lets_requests_or_tokens_pass_by_is_warned_about() {
    const TARGET: &str = "  targetRefs: [{kind: Gateway, name: g}]\n";
    const GOOD: &str = "  url: oci://a/tollgate@sha256:00\n  phase: AUTHZ\n  targetRefs: [{kind: Gateway, name: g}]\n";
    for (name, spec, key, expected) in [
        ("good", GOOD.to_owned(), "payload", &[][..]),
        (
            "a selector",
            GOOD.replace(TARGET, "  selector: {matchLabels: {a: b}}\n"),
            "payload",
            &[],
        ),
        (
            "no target",
            GOOD.replace(TARGET, ""),
            "payload",
            &[
                "5: warning: spec.targetRefs: every pod of the namespace gets the filter, and a sidecar then judges what its pod sends; expected a `Gateway`",
            ],
        ),
        (
            "a local file",
            GOOD.replace("oci://a/tollgate@sha256:00", "file:///tollgate.wasm"),
            "payload",
            &[],
        ),
        (
            "a digest beside",
            GOOD.replace("@sha256:00", "\n  sha256: 00"),
            "payload",
            &[],
        ),
        (
            "open",
            format!("{GOOD}  failStrategy: FAIL_OPEN\n"),
            "payload",
            &[
                "8: warning: spec.failStrategy: where the filter cannot run, every request passes; expected `FAIL_RELOAD` or `FAIL_CLOSE`",
            ],
        ),
        (
            "before the tokens",
            GOOD.replace("AUTHZ", "AUTHN"),
            "payload",
            &["6: warning: spec.phase: expected `AUTHZ`, where tokens have been verified"],
        ),
        (
            "no phase",
            GOOD.replace("  phase: AUTHZ\n", ""),
            "payload",
            &["5: warning: spec.phase: expected `AUTHZ`, where tokens have been verified"],
        ),
        (
            "not pinned",
            GOOD.replace("@sha256:00", ":1.0"),
            "payload",
            &["5: warning: spec.url: the code is not pinned; expected `sha256`"],
        ),
        (
            "for some requests",
            format!("{GOOD}  match: [{{ports: [{{number: 8443}}]}}]\n"),
            "payload",
            &[
                "8: warning: spec.match: requests that do not match bypass the filter; expected none",
            ],
        ),
        (
            "a Service, and a kind that is none",
            GOOD.replace(
                TARGET,
                "  targetRefs:\n  - {kind: Service, name: vllm}\n  - {kind: Gatway, name: g}\n",
            ),
            "payload",
            &[
                "8: warning: spec.targetRefs[0].kind: this does not load the filter in a gateway; expected `Gateway`",
                "9: warning: spec.targetRefs[1].kind: this does not load the filter in a gateway; expected `Gateway`",
            ],
        ),
        (
            "another name",
            GOOD.to_owned(),
            "keycloak",
            &["10: warning: jwt[0].metadataKey: no payload is written there; expected `payload`"],
        ),
    ] {
        let found = findings_in(&wasm_plugin(&spec, key), &Gateway::Assumed);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn an_extension_policy_that_can_be_bypassed_is_warned_about() {
    let policy = |target: &str, plugin: &str| {
        format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {{name: tollgate}}\nspec:\n  {target}\n  wasm:\n  - name: tollgate\n    {plugin}\n    config:\n      {}",
            TOKENS.replace("    ", "      ").replace("KEY", "keycloak")
        )
    };
    const GATEWAY: &str =
        "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]";
    const PINNED: &str = "code: {type: Image, image: {url: a, sha256: '00'}}";
    let route = GATEWAY.replace("kind: Gateway", "kind: HTTPRoute");
    let single = "targetRef: {kind: GRPCRoute, name: g}";
    let section = GATEWAY.replace("name: g", "name: g, sectionName: https");
    let chosen = "targetSelectors: [{kind: HTTPRoute, matchLabels: {a: b}}]";
    let open = format!("{PINNED}\n    failOpen: true");
    for (name, target, plugin, expected) in [
        ("good", GATEWAY, PINNED, &[][..]),
        (
            "a route",
            &route,
            PINNED,
            &[
                "5: warning: spec.targetRefs[0].kind: other routes of the gateway bypass the filter; expected `Gateway`",
            ],
        ),
        (
            "a single target",
            single,
            PINNED,
            &[
                "5: warning: spec.targetRef.kind: other routes of the gateway bypass the filter; expected `Gateway`",
            ],
        ),
        (
            "chosen routes",
            chosen,
            PINNED,
            &[
                "5: warning: spec.targetSelectors[0].kind: other routes of the gateway bypass the filter; expected `Gateway`",
            ],
        ),
        (
            "a listener",
            &section,
            PINNED,
            &[
                "5: warning: spec.targetRefs[0].sectionName: other listeners of the gateway bypass the filter; expected the whole Gateway",
            ],
        ),
        (
            "open",
            GATEWAY,
            &open,
            &[
                "9: warning: spec.wasm[0].failOpen: where the filter cannot run, every request passes; expected `false`",
            ],
        ),
        (
            "not pinned",
            GATEWAY,
            "code: {type: HTTP, http: {url: a}}",
            &["8: warning: spec.wasm[0].code.http: the code is not pinned; expected `sha256`"],
        ),
    ] {
        assert_eq!(
            findings_in(&policy(target, plugin), &Gateway::Assumed),
            expected,
            "{name}"
        );
    }
}

fn envoy(plugin: &str, providers: &str) -> String {
    format!(
        "http_filters:\n- name: jwt\n  typed_config: {{providers: {providers}}}\n- name: tollgate\n  typed_config:\n    config:\n      vm_config: {{code: {{}}}}\n{plugin}      configuration:\n        '@type': type.googleapis.com/google.protobuf.Struct\n        value:\n          {}",
        TOKENS
            .replace("    ", "          ")
            .replace("KEY", "payload")
    )
}

#[test]
fn a_filter_of_envoy_that_lets_requests_or_tokens_pass_by_is_warned_about() {
    for (name, plugin, providers, expected) in [
        ("good", "", "{a: {payload_in_metadata: payload}}", &[][..]),
        ("tokens verified elsewhere", "", "{}", &[]),
        (
            "fail_open",
            "      fail_open: true\n",
            "{}",
            &[
                "8: warning: fail_open: where the filter cannot run, every request passes; expected `failure_policy: FAIL_RELOAD`",
            ],
        ),
        (
            "a policy",
            "      failure_policy: FAIL_OPEN\n",
            "{}",
            &[
                "8: warning: failure_policy: where the filter cannot run, every request passes; expected `FAIL_RELOAD`",
            ],
        ),
        (
            "another name",
            "",
            "{a: {payload_in_metadata: claims}, b: {payload_in_metadata: b}}",
            &[
                "12: warning: jwt[0].metadataKey: no payload is written there; expected `claims` or `b`",
            ],
        ),
    ] {
        assert_eq!(
            findings_in(&envoy(plugin, providers), &Gateway::Assumed),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_discovered_filter_whose_code_is_fetched_is_warned_about() {
    const WARNING: &str = "2: warning: vm_config.code.remote: until Envoy has fetched the code of a discovered filter, every request passes; expected `local`";
    const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
    const DISCOVERED: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
    for (name, kind, code, is_warned) in [
        ("discovered and fetched", DISCOVERED, "remote", true),
        ("discovered and local", DISCOVERED, "local", false),
        ("fetched with its listener", LISTENER, "remote", false),
    ] {
        let text = format!(
            "'@type': {kind}\nfilter: {{name: tollgate, vm_config: {{code: {{{code}: {{}}}}}}, configuration: {{'@type': type.googleapis.com/google.protobuf.Struct, value: {{mode: open}}}}}}"
        );
        let findings = findings_in(&text, &Gateway::Assumed);
        let warnings = findings.iter().filter(|finding| *finding == WARNING);
        assert_eq!(
            warnings.count(),
            usize::from(is_warned),
            "{name}: {findings:?}"
        );
    }
}

const UNSET: &str = "fault";

/// `set`, `assumed` or a fault, for the variable of `keysFrom` in a manifest with this `environment`.
fn variable(carrier: Carrier, environment: &str, format: &str, gateway: &Gateway) -> &'static str {
    const CONFIGURATION: &str = r#"{"tenants": {"acme": {}}, "keysFrom": [{"env": "KEYS", "format": "FORMAT", "tenant": "acme"}], "models": {"*": {"access": "authenticated"}}}"#;
    let configuration = CONFIGURATION.replace("FORMAT", format);
    let text = match carrier {
        Carrier::Bare => configuration,
        Carrier::TrafficExtension => format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {{name: tollgate}}\nspec: {{selector: {{}}, wasm: {{sha256: a, vmConfig: {{env: {environment}}}, pluginConfig: {configuration}}}}}"
        ),
        Carrier::WasmPlugin => format!(
            "apiVersion: extensions.istio.io/v1\nkind: WasmPlugin\nmetadata: {{name: tollgate}}\nspec: {{selector: {{}}, sha256: a, vmConfig: {{env: {environment}}}, pluginConfig: {configuration}}}"
        ),
        Carrier::ExtensionPolicy => format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nspec: {{wasm: [{{name: tollgate, env: {environment}, config: {configuration}}}]}}"
        ),
        Carrier::Envoy => format!(
            "{{name: tollgate, vm_config: {{environment_variables: {environment}}}, configuration: {{'@type': type.googleapis.com/google.protobuf.Struct, value: {configuration}}}}}"
        ),
    };
    match findings_in(&text, gateway).as_slice() {
        [] => "set",
        [one] if one.contains("note: keysFrom[0].env: assumed to be set") => "assumed",
        [one] if one.contains(": keysFrom[0].env") => UNSET,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_variable_is_set_where_the_manifest_passes_it_on() {
    use Carrier::{Bare, Envoy, ExtensionPolicy, TrafficExtension, WasmPlugin};
    let known = |value: &str| Gateway::Known([("KEYS".to_owned(), value.to_owned())].into());
    let assumed = Gateway::Assumed;
    let hash_list = format!("ci={HASH}");
    for (name, carrier, environment, format, gateway, expected) in [
        ("bare, keys", Bare, "", "plain", &assumed, "assumed"),
        ("bare, hashes", Bare, "", "hashes", &assumed, "assumed"),
        (
            "bare, given",
            Bare,
            "",
            "plain",
            &known("sk-one-0123456789,sk-two-0123456789"),
            "set",
        ),
        (
            "bare, given hashes",
            Bare,
            "",
            "hashes",
            &known(&hash_list),
            "set",
        ),
        (
            "bare, given what is no list of hashes",
            Bare,
            "",
            "hashes",
            &known("sk-one-0123456789"),
            UNSET,
        ),
        (
            "bare, not given",
            Bare,
            "",
            "plain",
            &Gateway::Known(Default::default()),
            UNSET,
        ),
        (
            "Istio, from the host",
            WasmPlugin,
            "[{name: KEYS, valueFrom: HOST}]",
            "plain",
            &assumed,
            "assumed",
        ),
        (
            "Istio, of the newer kind",
            TrafficExtension,
            "[{name: KEYS, valueFrom: HOST}]",
            "plain",
            &assumed,
            "assumed",
        ),
        (
            "Istio, of the newer kind, another",
            TrafficExtension,
            "[]",
            "plain",
            &assumed,
            UNSET,
        ),
        (
            "Istio, inline",
            WasmPlugin,
            "[{name: KEYS, value: sk-one-0123456789}]",
            "plain",
            &assumed,
            "set",
        ),
        (
            "Istio, another",
            WasmPlugin,
            "[{name: OTHER, valueFrom: HOST}]",
            "plain",
            &known("sk-one-0123456789"),
            UNSET,
        ),
        (
            "Envoy Gateway, listed",
            ExtensionPolicy,
            "{hostKeys: [KEYS]}",
            "hashes",
            &assumed,
            "assumed",
        ),
        (
            "Envoy Gateway, not listed",
            ExtensionPolicy,
            "{hostKeys: []}",
            "plain",
            &known("sk-one-0123456789"),
            UNSET,
        ),
        (
            "Envoy, listed",
            Envoy,
            "{host_env_keys: [KEYS]}",
            "plain",
            &known("sk-one-0123456789"),
            "set",
        ),
        (
            "Envoy, inline",
            Envoy,
            "{key_values: {KEYS: sk-one-0123456789}}",
            "plain",
            &assumed,
            "set",
        ),
        ("Envoy, not listed", Envoy, "{}", "plain", &assumed, UNSET),
    ] {
        assert_eq!(
            variable(carrier, environment, format, gateway),
            expected,
            "{name}"
        );
    }
}

#[test]
fn what_was_left_over_from_an_example_is_warned_about() {
    let manifest = "\
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: tollgate}
spec:
  phase: AUTHZ
  url: oci://Registry.Example.com:5000/inference/tollgate:0.1.0
  sha256: \"0000000000000000000000000000000000000000000000000000000000000000\"
  targetRefs: [{kind: Gateway, name: inference, group: gateway.networking.k8s.io}]
  pluginConfig:
    tenants: {acme: {}}
    keys:
    - {id: a, tenant: acme, keyHash: \"sha256:D0C6EA7BA0A85A4C5A8E3B0DE61AD519BF8CC71631FD7B0AF87AFD1026E53BE3\"}
    - {id: b, tenant: acme, keyHash: \"sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\"}
    jwt:
    - {metadataKey: payload, issuer: \"https://demo.tollgate.example\", defaultTenant: acme}
    - {metadataKey: payload, issuer: \"https://sso.example.org/realms/llm\", defaultTenant: acme}
    - {metadataKey: payload, issuer: \"https://sso.my-example.com\", defaultTenant: acme}
    models: {\"*\": {access: authenticated}}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
spec:
  jwtRules:
  - jwks: |
      {\"keys\": [
        {\"x\": \"LZHeceaxzFfJahfSdJxvSud-qBpDBOt1KKc2qECkxgk\"}
      ]}
---
apiVersion: v1
kind: Secret
stringData:
  hashes: |
    team=sha256:f253509f74ec9f0c3cf4e1091199243410bf2e8cb41784509abe35d2577d3807
";
    let file = File::parse("all.yaml".to_owned(), manifest);
    let files = [file];
    let locks = Locks::of(&files);
    let found = findings(&files[0], &locks, &Gateway::Assumed, CLOCK);
    let mut said: Vec<String> = found
        .iter()
        .filter(|finding| finding.severity == Severity::Warning)
        .map(|finding| format!("{} {}: {}", finding.line, finding.path, finding.message))
        .collect();
    said.retain(|said| said.contains("example") || said.contains("stands for"));
    assert_eq!(
        said,
        [
            "12 keys[0].keyHash: the key is one of the examples, which everybody knows; expected one of your own: `tollgate key new`",
            "13 keys[1].keyHash: stands for a hash, and is that of no key; expected that of a key: `tollgate key new`",
            "15 jwt[0].issuer: an address for examples, which nobody can own; expected that of your identity provider",
            "16 jwt[1].issuer: an address for examples, which nobody can own; expected that of your identity provider",
            "6 spec.url: an address for examples, which nobody can own; expected where your module is",
            "7 spec.sha256: stands for a digest; expected that of the module you deploy",
            "26 : tokens are verified by the key of the examples, with which everybody can sign; expected those of your identity provider",
            "33 : the hash of a key of the examples, which everybody knows; expected one of your own: `tollgate key new`",
        ]
    );
}

//! The payloads of well-known identity providers, in Envoy's form.

use serde_json::{Value, json};

use super::*;
use crate::policy::Policy;

/// The groups that may use the models of these tests. Other groups have no effect.
const GROUPS: [&str; 9] = [
    "research",
    "sales",
    "/research/gpu users",
    "a,b",
    "llm:use",
    "5f0e7d1c-3a52-4b6f-9d2e-0c1a2b3c4d5e",
    "team-a",
    "_claim_names",
    "true",
];

/// The demo with this entry of `jwt`, and a model for all [`GROUPS`].
fn policy_of(entry: &Value) -> Rc<Policy> {
    let mut config = fixtures::demo();
    config["tenants"]["vllm"] = json!({});
    config["tenants"]["72f988bf-86f1-41af-91ab-2d7cd011db47"] = json!({});
    config["tenants"]["team-a"] = json!({});
    config["models"]["m"] = json!({"groups": GROUPS});
    config["jwt"] = json!([{"metadataKey": "payload", "issuer": ISSUER}]);
    config["jwt"][0]
        .as_object_mut()
        .unwrap()
        .extend(entry.as_object().unwrap().clone());
    fixtures::policy(&config)
}

/// The tenant and groups of a token with this entry of `jwt`.
fn found(entry: &Value, payload: &Value) -> Result<(String, Vec<&'static str>), Code> {
    let policy = policy_of(entry);
    let mut payload = payload.clone();
    payload["iss"] = json!(ISSUER);
    let caller = identify(
        &chat(&[BEARER]),
        &policy.identities,
        NOW,
        &fixtures::payload(payload),
    )
    .map_err(|denial| denial.code())?;
    let identity = caller.identity().unwrap();
    let has = |name: &&str| {
        let id = policy.identities.groups.find(name).unwrap();
        identity.groups.contains(&id)
    };
    let groups = GROUPS.into_iter().filter(|name| has(name)).collect();
    Ok((identity.tenant.name.to_string(), groups))
}

#[wasm_bindgen_test(unsupported = test)]
fn reads_the_payloads_of_well_known_providers() {
    let keycloak = json!({
        "exp": 1_800_003_600, "aud": "account", "azp": "vllm", "typ": "Bearer", "acr": "1",
        "realm_access": {"roles": ["offline_access", "research", "uma_authorization"]},
        "resource_access": {"vllm": {"roles": ["sales"]}, "account": {"roles": ["manage-account"]}},
        "groups": ["/research/gpu users", "/Everybody"],
        "scope": "openid email profile", "email_verified": true, "sub": "8a2e…",
    });
    let okta = json!({
        "ver": 1, "jti": "AT.1", "cid": "0oa1", "uid": "00u1", "sub": "alice@example.com",
        "scp": ["openid", "llm:use"], "groups": ["Everyone", "research", "a,b"],
    });
    let auth0 = json!({
        "sub": "auth0|1", "aud": ["https://llm", "https://x.auth0.com/userinfo"], "azp": "vllm",
        "https://example.com/roles": ["research"], "scope": "openid llm:use profile",
        "permissions": ["llm:use", "read:models"], "org_id": "org_1",
    });
    let entra = json!({
        "aud": "api://llm", "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47", "oid": "1", "ver": "2.0",
        "roles": ["research"], "groups": ["5f0e7d1c-3a52-4b6f-9d2e-0c1a2b3c4d5e"], "scp": "llm:use sales",
    });
    let mut overage = entra.clone();
    overage.as_object_mut().unwrap().remove("groups");
    overage["hasgroups"] = json!(true);
    overage["_claim_names"] = json!({"groups": "src1"});
    overage["_claim_sources"] =
        json!({"src1": {"endpoint": "https://graph.windows.net/…/getMemberObjects"}});
    let zitadel = json!({
        "sub": "1", "aud": ["2"], "urn:zitadel:iam:org:project:roles": {
            "research": {"170086824411201793": "acme.zitadel.cloud"},
            "team-a": {"170086824411201793": "acme.zitadel.cloud", "2": "other.zitadel.cloud"},
            "viewer": {"170086824411201793": "acme.zitadel.cloud"},
        },
    });
    let kubernetes = json!({
        "aud": ["https://kubernetes.default.svc"], "sub": "system:serviceaccount:team-a:batch",
        "kubernetes.io": {
            "namespace": "team-a",
            "serviceaccount": {"name": "batch", "uid": "1"},
            "pod": {"name": "batch-0", "uid": "2"},
        },
        "exp": 1_800_003_600.5, "email": null,
    });
    let by_default = |groups: Value| json!({"groupsClaim": groups, "defaultTenant": "globex"});
    let rows = [
        (
            "Keycloak: realm roles, tenant by client",
            json!({"groupsClaim": ["realm_access", "roles"], "tenantClaim": "azp"}),
            &keycloak,
            Ok(("vllm", vec!["research"])),
        ),
        (
            "Keycloak: client roles",
            by_default(json!(["resource_access", "vllm", "roles"])),
            &keycloak,
            Ok(("globex", vec!["sales"])),
        ),
        (
            "Keycloak: roles of a client that has none",
            by_default(json!(["resource_access", "other", "roles"])),
            &keycloak,
            Ok(("globex", vec![])),
        ),
        (
            "Keycloak: group paths, spaces and all",
            by_default(json!("groups")),
            &keycloak,
            Ok(("globex", vec!["/research/gpu users"])),
        ),
        (
            "Keycloak: a path that ends at an object",
            by_default(json!("realm_access")),
            &keycloak,
            Ok(("globex", vec![])),
        ),
        (
            "Keycloak: a claim that is no text",
            by_default(json!("email_verified")),
            &keycloak,
            Ok(("globex", vec![])),
        ),
        (
            "Keycloak: realm roles, client roles and groups",
            json!({
                "groupsClaims": [["realm_access", "roles"], ["resource_access", "vllm", "roles"], "groups", "none"],
                "defaultTenant": "globex",
            }),
            &keycloak,
            Ok(("globex", vec!["research", "sales", "/research/gpu users"])),
        ),
        (
            "Keycloak: each claim is split by its own custom",
            json!({"groupsClaims": ["scope", "groups"], "defaultTenant": "globex"}),
            &json!({"scope": "openid llm:use", "groups": "research sales"}),
            Ok(("globex", vec!["llm:use"])),
        ),
        (
            "Zitadel: roles by their names",
            json!({
                "groupsClaim": "urn:zitadel:iam:org:project:roles", "groupsFromMemberNames": true,
                "defaultTenant": "globex",
            }),
            &zitadel,
            Ok(("globex", vec!["research", "team-a"])),
        ),
        (
            "Zitadel: an object has no groups unless that is said",
            by_default(json!("urn:zitadel:iam:org:project:roles")),
            &zitadel,
            Ok(("globex", vec![])),
        ),
        (
            "Okta: groups, commas and all",
            by_default(json!("groups")),
            &okta,
            Ok(("globex", vec!["research", "a,b"])),
        ),
        (
            "Okta: scopes as a list",
            by_default(json!("scp")),
            &okta,
            Ok(("globex", vec!["llm:use"])),
        ),
        (
            "Auth0: a claim that is named by a URL",
            json!({"groupsClaim": "https://example.com/roles", "tenantClaim": "azp"}),
            &auth0,
            Ok(("vllm", vec!["research"])),
        ),
        (
            "Auth0: permissions",
            by_default(json!("permissions")),
            &auth0,
            Ok(("globex", vec!["llm:use"])),
        ),
        (
            "Auth0: scopes in one string",
            by_default(json!(["scope"])),
            &auth0,
            Ok(("globex", vec!["llm:use"])),
        ),
        (
            "Entra: scopes in one string",
            by_default(json!("scp")),
            &entra,
            Ok(("globex", vec!["sales", "llm:use"])),
        ),
        (
            "Auth0: two audiences are no tenant",
            json!({"tenantClaim": "aud"}),
            &auth0,
            Err(Code::AmbiguousTenant),
        ),
        (
            "Entra: app roles, tenant by directory",
            json!({"groupsClaim": "roles", "tenantClaim": "tid"}),
            &entra,
            Ok(("72f988bf-86f1-41af-91ab-2d7cd011db47", vec!["research"])),
        ),
        (
            "Entra: groups are GUIDs",
            json!({"groupsClaim": "groups", "tenantFromGroup": [{"group": "5f0e7d1c-3a52-4b6f-9d2e-0c1a2b3c4d5e", "tenant": "acme"}]}),
            &entra,
            Ok(("acme", vec!["5f0e7d1c-3a52-4b6f-9d2e-0c1a2b3c4d5e"])),
        ),
        (
            "Entra: too many groups to be in the token",
            by_default(json!("groups")),
            &overage,
            Ok(("globex", vec![])),
        ),
        (
            "Entra: too many groups, and the tenant was to come from one",
            json!({"groupsClaim": "groups", "tenantFromGroup": [{"group": "5f0e7d1c-3a52-4b6f-9d2e-0c1a2b3c4d5e", "tenant": "acme"}]}),
            &overage,
            Err(Code::UnknownTenant),
        ),
        (
            "Kubernetes: the namespace as tenant and group",
            json!({"groupsClaim": ["kubernetes.io", "namespace"], "tenantClaim": ["kubernetes.io", "namespace"]}),
            &kubernetes,
            Ok(("team-a", vec!["team-a"])),
        ),
        (
            "Kubernetes: a name with a dot is one segment",
            json!({"groupsClaim": ["kubernetes", "io", "namespace"], "defaultTenant": "globex"}),
            &kubernetes,
            Ok(("globex", vec![])),
        ),
    ];
    for (name, entry, payload, expected) in rows {
        let expected = expected.map(|(tenant, groups)| (tenant.to_owned(), groups));
        assert_eq!(found(&entry, payload), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_user_is_the_whole_claim() {
    let mut config = fixtures::demo();
    config["fairness"] = json!({"from": "user"});
    let policy = fixtures::policy(&config);
    for (name, sub, expected) in [
        (
            "a Kubernetes service account",
            json!("system:serviceaccount:team-a:batch"),
            Some("system:serviceaccount:team-a:batch"),
        ),
        ("Auth0", json!("auth0|1"), Some("auth0|1")),
        // "alice smith" and "alice jones" must not become one "alice".
        (
            "a name with a space",
            json!("alice smith"),
            Some("alice smith"),
        ),
        ("a comma", json!("smith,alice"), Some("smith,alice")),
        ("a number", json!(42), None),
        ("an object", json!({"id": "alice"}), None),
        ("an empty string", json!(""), None),
        ("null", json!(null), None),
    ] {
        let payload = fixtures::payload(json!({"iss": ISSUER, "sub": sub}));
        let caller = identify(&chat(&[BEARER]), &policy.identities, NOW, &payload).unwrap();
        let user = caller.identity().unwrap().user.as_deref();
        assert_eq!(user, expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_string_is_one_group_unless_a_separator_is_configured() {
    let entry = |separator: Value| {
        let mut entry = json!({"groupsClaim": "groups", "defaultTenant": "globex"});
        if !separator.is_null() {
            entry["groupsSeparator"] = separator;
        }
        entry
    };
    for (name, separator, groups, expected) in [
        ("words", json!(null), json!("contractors research"), vec![]),
        ("a comma", json!(null), json!("a,b"), vec!["a,b"]),
        (
            "one string",
            json!(null),
            json!("research"),
            vec!["research"],
        ),
        (
            "a name with a space",
            json!(null),
            json!("/research/gpu users"),
            vec!["/research/gpu users"],
        ),
        (
            "words between spaces",
            json!(" "),
            json!("contractors  research sales "),
            vec!["research", "sales"],
        ),
        (
            "spaces, and a comma between",
            json!(","),
            json!("research, /research/gpu users,,"),
            vec!["research", "/research/gpu users"],
        ),
        (
            "a separator of two letters",
            json!("::"),
            json!("research::a,b"),
            vec!["research", "a,b"],
        ),
        (
            "an element of a list is never split",
            json!(" "),
            json!(["contractors research"]),
            vec![],
        ),
        (
            "nor one beside a null",
            json!(" "),
            json!(["contractors research", null]),
            vec![],
        ),
    ] {
        let found = found(&entry(separator), &json!({ "groups": groups }));
        assert_eq!(found, Ok(("globex".to_owned(), expected)), "{name}");
    }
    let many = "sales ".repeat(1025);
    let found = found(&entry(json!(" ")), &json!({ "groups": many }));
    assert_eq!(found, Err(Code::TooManyGroups));
}

#[wasm_bindgen_test(unsupported = test)]
fn an_object_is_no_list_whatever_its_members_are_called() {
    let entry = json!({"groupsClaim": "groups", "defaultTenant": "globex"});
    for groups in [
        json!({"0": "research"}),
        json!({"0": "research", "1": "sales"}),
        json!({"0": "research", "1": null}),
        json!({"0": "", "research": ""}),
        json!({"0": "", "": "", "research": ""}),
        json!({"0": "0", "research": ""}),
        json!({"research": ""}),
        json!({"research": {"org": "x"}}),
        json!({"00": "research"}),
        json!({"0": ["research"]}),
    ] {
        let claims = json!({ "groups": groups });
        let found = found(&entry, &claims);
        assert_eq!(found, Ok(("globex".to_owned(), vec![])), "{claims}");
    }
    for (groups, expected) in [
        (
            json!(["research", {"0": "sales"}, ["sales"], 5, true]),
            vec!["research"],
        ),
        (json!(["", "research"]), vec!["research"]),
        (json!([null, "research"]), vec!["research"]),
        (json!([{"0": "sales"}, "research"]), vec!["research"]),
        (json!([]), vec![]),
    ] {
        let claims = json!({ "groups": groups });
        let found = found(&entry, &claims);
        assert_eq!(found, Ok(("globex".to_owned(), expected)), "{claims}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_tenant_claim_that_is_there_and_names_none_is_never_the_default_tenant() {
    let entry = json!({"tenantClaim": "tenant", "defaultTenant": "globex"});
    for tenant in [
        json!(5),
        json!(1.2e161),
        json!(true),
        json!(false),
        json!(null),
        json!(""),
        json!(" "),
        json!("acme\n"),
        json!(" acme"),
        json!("acme globex"),
        json!("acme,globex"),
        json!([]),
        json!([""]),
        json!([null]),
        json!(["acme", null]),
        json!(["acme", 5]),
        json!([["acme"]]),
        json!([{"name": "acme"}]),
        json!({}),
        json!({"0": "acme"}),
        json!({"name": "acme"}),
        json!({"0": "acme", "1": null}),
    ] {
        let claims = json!({ "tenant": tenant });
        assert_eq!(found(&entry, &claims), Err(Code::UnknownTenant), "{claims}");
    }
    for (claims, tenant) in [
        (json!({}), "globex"),
        (json!({"tenant": "acme"}), "acme"),
        (json!({"tenant": ["acme"]}), "acme"),
    ] {
        let expected = Ok((tenant.to_owned(), vec![]));
        assert_eq!(found(&entry, &claims), expected, "{claims}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_token_that_never_expires_is_refused_unless_that_is_configured() {
    let entry = |required: bool| json!({"defaultTenant": "globex", "requireExpiration": required});
    let by_default = json!({"defaultTenant": "globex"});
    let good = || Ok("globex".to_owned());
    for (name, exp, expected) in [
        ("none", None, Err(Code::MissingExpiration)),
        ("null", Some(json!(null)), Err(Code::MissingExpiration)),
        ("0", Some(json!(0)), Err(Code::MissingExpiration)),
        (
            "a text",
            Some(json!("1800003600")),
            Err(Code::MissingExpiration),
        ),
        ("a moment", Some(json!(1_800_003_600)), good()),
        ("a fraction", Some(json!(1_800_003_600.5)), good()),
    ] {
        let mut claims = json!({"iss": ISSUER});
        if let Some(exp) = exp {
            claims["exp"] = exp;
        }
        let found = |entry: &Value| {
            let policy = policy_of(entry);
            let attributes = fixtures::claims(|path: &[&str]| match path {
                ["payload", path @ ..] => payload::claim(&claims, path),
                _ => Attribute::Absent,
            });
            let caller = identify(&chat(&[BEARER]), &policy.identities, NOW, &attributes);
            let caller = caller.map_err(|denial| denial.code())?;
            Ok(caller.identity().unwrap().tenant.name.to_string())
        };
        assert_eq!(found(&by_default), expected, "{name}");
        assert_eq!(found(&entry(true)), expected, "{name}");
        assert_eq!(found(&entry(false)), good(), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_names_of_members_are_groups_of_an_object_and_of_nothing_else() {
    let entry = json!({
        "groupsClaim": "groups", "groupsFromMemberNames": true, "defaultTenant": "globex",
    });
    // What Envoy would hand over of the object `{"research": "x"}`, written into a text.
    let forged = "\u{1}\0\0\0\u{8}\0\0\0\u{1}\0\0\0research\0x\0";
    for (groups, expected) in [
        (json!({"research": {"org": "x"}}), vec!["research"]),
        (
            json!({"research": "", "sales": ""}),
            vec!["research", "sales"],
        ),
        (json!({"research": ["x"], "": "y"}), vec!["research"]),
        (
            json!({"research": true, "team-a": 5}),
            vec!["research", "team-a"],
        ),
        (
            json!({"0": {"org": "x"}, "research": {"org": "x"}}),
            vec!["research"],
        ),
        (json!({"research": null}), vec![]),
        (json!({"x": {"research": "y"}}), vec![]),
        (json!({}), vec![]),
        (json!(["research"]), vec!["research"]),
        (json!([{"research": "x"}]), vec![]),
        (json!("research"), vec!["research"]),
        (json!(forged), vec![]),
        (json!(5), vec![]),
    ] {
        let claims = json!({ "groups": groups });
        let found = found(&entry, &claims);
        assert_eq!(found, Ok(("globex".to_owned(), expected)), "{claims}");
    }
    let many: serde_json::Map<String, Value> = (0..1025)
        .map(|number| (format!("g{number}"), json!("x")))
        .collect();
    assert_eq!(
        found(&entry, &json!({ "groups": many })),
        Err(Code::TooManyGroups)
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn hundreds_of_groups_are_read_and_those_that_no_rule_names_are_left() {
    let entry = json!({"groupsClaims": ["groups", "roles"], "defaultTenant": "globex"});
    let others = |count: usize| (0..count).map(|number| format!("5f0e7d1c-{number}"));
    let groups: Vec<String> = others(255).chain(["research".to_owned()]).collect();
    let roles: Vec<String> = others(199).chain(["sales".to_owned()]).collect();
    let claims = json!({"groups": groups, "roles": roles});
    assert_eq!(
        found(&entry, &claims),
        Ok(("globex".to_owned(), vec!["research", "sales"]))
    );
    let policy = policy_of(&entry);
    let mut payload = claims;
    payload["iss"] = json!(ISSUER);
    let claims = fixtures::payload(payload);
    let caller = identify(&chat(&[BEARER]), &policy.identities, NOW, &claims).unwrap();
    assert_eq!(caller.identity().unwrap().groups.len(), 2);
    let many: Vec<String> = others(600).collect();
    assert_eq!(
        found(&entry, &json!({"groups": many, "roles": many})),
        Err(Code::TooManyGroups),
        "too many in all"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_refusal_says_that_the_token_leaves_out_its_groups() {
    const SAID: &str = "Your token leaves out its groups, because you are in too many of them, so none counts; tell your operator.";
    let message = |entry: &Value, payload: Value| {
        let policy = policy_of(entry);
        let mut payload = payload;
        payload["iss"] = json!(ISSUER);
        let body = json!({"model": "m"}).to_string();
        let claims = fixtures::payload(payload);
        let (exchange, host) =
            fixtures::send(&policy, &chat(&[BEARER]), &[body.as_bytes()], &claims);
        let code = exchange.denial().unwrap().code();
        let body: Value = serde_json::from_str(&host.sent().unwrap().body).unwrap();
        (
            code,
            body["error"]["message"].as_str().unwrap().ends_with(SAID),
        )
    };
    let one = json!({"groupsClaim": "groups", "defaultTenant": "globex"});
    let two = json!({"groupsClaims": ["roles", "groups"], "defaultTenant": "globex"});
    let by_group = json!({
        "groupsClaim": "groups", "tenantFromGroup": [{"group": "research", "tenant": "acme"}],
    });
    let names = json!({"_claim_names": {"groups": "src1"}});
    for (name, entry, payload, expected) in [
        (
            "by its name",
            &one,
            names.clone(),
            (Code::ModelNotAllowed, true),
        ),
        (
            "by the mark",
            &one,
            json!({"hasgroups": true}),
            (Code::ModelNotAllowed, true),
        ),
        (
            "another claim",
            &one,
            json!({"_claim_names": {"roles": "src1"}}),
            (Code::ModelNotAllowed, false),
        ),
        ("no mark", &one, json!({}), (Code::ModelNotAllowed, false)),
        (
            "some groups beside it",
            &two,
            json!({"roles": ["x"], "_claim_names": {"groups": "src1"}}),
            (Code::ModelNotAllowed, true),
        ),
        (
            "a mark beside groups",
            &one,
            json!({"groups": ["x"], "_claim_names": {"groups": "src1"}}),
            (Code::ModelNotAllowed, false),
        ),
        ("no tenant", &by_group, names, (Code::UnknownTenant, true)),
    ] {
        assert_eq!(message(entry, payload), expected, "{name}");
    }
}

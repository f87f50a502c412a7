mod causes;
mod credentials;
mod providers;
mod trusted_headers;

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::fixtures::{self, ACME_KEY, GLOBEX_KEY, ISSUER, chat, no_token, token};
use crate::policy::Policy;

const NOW: i64 = 1_800_000_000;

/// The caller, as `tenant/key` or `anonymous`.
fn who(
    policy: &Policy,
    headers: &[(&str, &str)],
    claims: &dyn Fn(&[&str]) -> Attribute,
) -> Result<String, Code> {
    identify(&chat(headers), &policy.identities, NOW, claims)
        .map_err(|denial| denial.code())
        .map(|caller| match caller {
            Caller::Anonymous => "anonymous".to_owned(),
            Caller::Known(identity) => format!(
                "{}/{}",
                identity.tenant.name,
                identity.key.as_deref().unwrap_or("-")
            ),
        })
}

#[wasm_bindgen_test(unsupported = test)]
fn finds_a_key_wherever_clients_put_it() {
    let policy = fixtures::policy(&fixtures::demo());
    for (name, header, value) in [
        (
            "OpenAI's SDK",
            "authorization",
            format!("Bearer {ACME_KEY}"),
        ),
        (
            "the scheme in other letters",
            "authorization",
            format!("bEARER {ACME_KEY}"),
        ),
        (
            "more spaces",
            "authorization",
            format!("Bearer   {ACME_KEY} "),
        ),
        ("Anthropic's SDK", "x-api-key", ACME_KEY.to_owned()),
        ("Azure's SDK", "api-key", ACME_KEY.to_owned()),
    ] {
        assert_eq!(
            who(&policy, &[(header, &value)], &no_token),
            Ok("acme/acme-demo".to_owned()),
            "{name}"
        );
    }
    assert_eq!(who(&policy, &[], &no_token), Ok("anonymous".to_owned()));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_failed_credential_is_never_anonymous_and_never_another_one() {
    let policy = fixtures::policy(&fixtures::demo());
    let good = format!("Bearer {ACME_KEY}");
    let other = format!("Bearer {GLOBEX_KEY}");
    let long = "k".repeat(513);
    for (name, headers, expected) in [
        (
            "an unknown key",
            &[("x-api-key", "sk-unknown")][..],
            Code::InvalidCredential,
        ),
        (
            "no scheme",
            &[("authorization", ACME_KEY)],
            Code::InvalidCredential,
        ),
        (
            "no scheme beside a key",
            &[("authorization", "sk-other"), ("x-api-key", ACME_KEY)],
            Code::InvalidCredential,
        ),
        (
            "another scheme",
            &[("authorization", "Basic c2s6")],
            Code::InvalidCredential,
        ),
        (
            "another scheme alone, and empty",
            &[("authorization", "Basic")],
            Code::InvalidCredential,
        ),
        (
            "another scheme and an empty header",
            &[("authorization", "Basic c2s6"), ("x-api-key", "")],
            Code::InvalidCredential,
        ),
        (
            "two schemes joined, beside a key",
            &[
                ("authorization", "Basic c2s6,Bearer sk"),
                ("x-api-key", ACME_KEY),
            ],
            Code::InvalidCredential,
        ),
        (
            "a scheme that goes on",
            &[("authorization", "Bearerx sk")],
            Code::InvalidCredential,
        ),
        (
            "two joined values",
            &[("authorization", &format!("{good},{other}"))],
            Code::InvalidCredential,
        ),
        (
            "a key too long to be one",
            &[("x-api-key", &long)],
            Code::InvalidCredential,
        ),
        (
            "white space that HTTP does not know, before the key",
            &[("authorization", &format!("Bearer \u{c}{ACME_KEY}"))],
            Code::InvalidCredential,
        ),
        (
            "white space that HTTP does not know, behind the key",
            &[("x-api-key", &format!("{ACME_KEY}\u{c}"))],
            Code::InvalidCredential,
        ),
        (
            "a key that is no ASCII",
            &[("x-api-key", "schlüssel")],
            Code::InvalidCredential,
        ),
        (
            "two keys",
            &[("authorization", &good), ("x-api-key", GLOBEX_KEY)],
            Code::AmbiguousCredential,
        ),
        (
            "a good and an unknown key",
            &[("authorization", &good), ("api-key", "x")],
            Code::AmbiguousCredential,
        ),
        (
            "a good key twice in one header, differing",
            &[("api-key", "a"), ("api-key", "b")],
            Code::AmbiguousCredential,
        ),
    ] {
        assert_eq!(who(&policy, headers, &no_token), Err(expected), "{name}");
    }
    let same = [("authorization", good.as_str()), ("x-api-key", ACME_KEY)];
    assert_eq!(
        who(&policy, &same, &no_token),
        Ok("acme/acme-demo".to_owned()),
        "the same key twice is one"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_key_is_valid_from_not_before_until_expires_at() {
    for (name, limit, expected) in [
        (
            "not yet",
            serde_json::json!({"notBefore": "2027-01-15T08:00:01Z"}),
            Err(Code::ExpiredCredential),
        ),
        (
            "from this second on",
            serde_json::json!({"notBefore": "2027-01-15T08:00:00Z"}),
            Ok(()),
        ),
        (
            "until the second before",
            serde_json::json!({"expiresAt": "2027-01-15T08:00:01Z"}),
            Ok(()),
        ),
        (
            "not at the end",
            serde_json::json!({"expiresAt": "2027-01-15T08:00:00Z"}),
            Err(Code::ExpiredCredential),
        ),
        (
            "in another zone",
            serde_json::json!({"expiresAt": "2027-01-15T09:00:01+01:00"}),
            Ok(()),
        ),
        (
            "disabled",
            serde_json::json!({"disabled": true}),
            Err(Code::ExpiredCredential),
        ),
    ] {
        let mut config = fixtures::demo();
        config["keys"][0]
            .as_object_mut()
            .unwrap()
            .extend(limit.as_object().unwrap().clone());
        let found = who(
            &fixtures::policy(&config),
            &[("x-api-key", ACME_KEY)],
            &no_token,
        );
        assert_eq!(found.map(drop), expected, "{name}");
    }
}

const BEARER: (&str, &str) = ("authorization", "Bearer aaa.bbb.ccc");

#[wasm_bindgen_test(unsupported = test)]
fn a_verified_token_leads_to_its_tenant() {
    let mut config = fixtures::demo();
    config["jwt"][0]["tenantFromGroup"] =
        serde_json::json!([{"group": "research", "tenant": "acme"}]);
    let policy = fixtures::policy(&config);
    for (name, claims, expected) in [
        (
            "by its claim",
            &[("iss", ISSUER), ("tenant", "acme")][..],
            Ok("acme/-"),
        ),
        (
            "the claim before the groups",
            &[
                ("iss", ISSUER),
                ("tenant", "globex"),
                ("groups.0", "research"),
            ],
            Ok("globex/-"),
        ),
        (
            "by a group",
            &[
                ("iss", ISSUER),
                ("groups.0", "unheard-of"),
                ("groups.1", "research"),
            ],
            Ok("acme/-"),
        ),
        (
            "by default",
            &[("iss", ISSUER), ("groups.0", "sales")],
            Ok("globex/-"),
        ),
        (
            "to none that is configured",
            &[("iss", ISSUER), ("tenant", "initech")],
            Err(Code::UnknownTenant),
        ),
        (
            "to two",
            &[
                ("iss", ISSUER),
                ("tenant.0", "acme"),
                ("tenant.1", "globex"),
            ],
            Err(Code::AmbiguousTenant),
        ),
        (
            "of an issuer that is not listed",
            &[("iss", "https://elsewhere")],
            Err(Code::UnlistedIssuer),
        ),
    ] {
        assert_eq!(
            who(&policy, &[BEARER], &token(claims)),
            expected.map(str::to_owned),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_token_that_was_not_verified_is_an_invalid_credential() {
    let policy = fixtures::policy(&fixtures::demo());
    assert_eq!(
        who(&policy, &[BEARER], &no_token),
        Err(Code::InvalidCredential)
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_key_beside_a_verified_token_is_ambiguous() {
    let policy = fixtures::policy(&fixtures::demo());
    let claims = token(&[("iss", ISSUER), ("tenant", "globex")]);
    assert_eq!(
        who(&policy, &[("x-api-key", ACME_KEY)], &claims),
        Err(Code::AmbiguousCredential)
    );
    assert_eq!(
        who(&policy, &[BEARER, ("x-api-key", ACME_KEY)], &claims),
        Err(Code::AmbiguousCredential)
    );
    assert_eq!(
        who(&policy, &[], &claims),
        Ok("globex/-".to_owned()),
        "a token in a header of its own"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn reads_groups_as_a_list_or_as_one_string() {
    let policy = fixtures::policy(&fixtures::demo());
    let groups = |claims| {
        let caller = identify(&chat(&[BEARER]), &policy.identities, NOW, &token(claims)).unwrap();
        caller.identity().unwrap().groups.to_vec()
    };
    let find = |name| policy.identities.groups.find(name).unwrap();
    let mut both = vec![find("research"), find("sales")];
    both.sort_unstable();
    assert_eq!(
        groups(&[
            ("iss", ISSUER),
            ("groups.0", "sales"),
            ("groups.1", "research")
        ]),
        both,
        "list"
    );
    assert_eq!(
        groups(&[("iss", ISSUER), ("groups", "sales")]),
        [find("sales")],
        "one string"
    );
    assert_eq!(
        groups(&[("iss", ISSUER), ("groups", "sales research")]),
        [],
        "a string is one group, as it is"
    );
    assert_eq!(
        groups(&[("iss", ISSUER), ("groups.0", "sales research")]),
        [],
        "an element is one group, as it is"
    );
    assert_eq!(
        groups(&[("iss", ISSUER), ("groups", "\0\0\0\0")]),
        [],
        "an empty list as Envoy serialises it"
    );
    assert_eq!(groups(&[("iss", ISSUER)]), [], "no claim");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_null_among_the_groups_is_skipped_and_too_many_groups_are_refused() {
    let policy = fixtures::policy(&fixtures::demo());
    for (name, element) in [
        ("a null", serde_json::json!(null)),
        ("texts only", "x".into()),
    ] {
        let many = |count: usize| {
            let mut groups = vec![serde_json::json!("sales"); count];
            groups[1] = element.clone();
            fixtures::payload(serde_json::json!({"iss": ISSUER, "groups": groups}))
        };
        let caller = identify(&chat(&[BEARER]), &policy.identities, NOW, &many(1024)).unwrap();
        let groups = &caller.identity().unwrap().groups;
        assert!(
            groups.contains(&policy.identities.groups.find("sales").unwrap()),
            "{name}"
        );
        let refused = who(&policy, &[BEARER], &many(1025));
        assert_eq!(refused, Err(Code::TooManyGroups), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_tenant_that_cannot_be_read_is_never_the_default_tenant() {
    let policy = fixtures::policy(&fixtures::demo());
    for (name, claim, expected) in [
        ("null", Attribute::Null, Code::UnknownTenant),
        ("refused by Envoy", Attribute::Unreadable, Code::Internal),
    ] {
        let claims = fixtures::claims(|path| match path {
            ["payload", "iss"] => Attribute::Value(ISSUER.into()),
            ["payload", "exp"] => Attribute::Value(1.0_f64.to_le_bytes().into()),
            ["payload", "tenant"] => claim.clone(),
            _ => Attribute::Absent,
        });
        assert_eq!(who(&policy, &[BEARER], &claims), Err(expected), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_group_prefix_keeps_the_groups_of_two_issuers_apart() {
    let mut config = fixtures::demo();
    config["jwt"][0]["groupPrefix"] = "kc:".into();
    config["models"]["qwen-3-32b"]["groups"] = serde_json::json!(["kc:research"]);
    let policy = fixtures::policy(&config);
    let caller = identify(
        &chat(&[BEARER]),
        &policy.identities,
        NOW,
        &token(&[("iss", ISSUER), ("groups.0", "research")]),
    )
    .unwrap();
    assert_eq!(
        caller.identity().unwrap().groups.to_vec(),
        [policy.identities.groups.find("kc:research").unwrap()]
    );
}

/// The hash that Models-as-a-Service stores: `printf 'AAA\0BBB' | sha256sum` and so on.
const MAAS_HASH: &str = "maas:37172c667c97b4ba06906d20d6a6a6914d1832e167db5075923c2f2670a552b5";

#[wasm_bindgen_test(unsupported = test)]
fn a_key_of_models_as_a_service_is_known_by_the_hash_of_its_id_and_secret() {
    let mut config = fixtures::demo();
    config["keys"][0]["keyHash"] = MAAS_HASH.into();
    let policy = fixtures::policy(&config);
    for (name, key, expected) in [
        ("the key", "sk-oai-AAA_BBB", Ok("acme/acme-demo")),
        (
            "a key hashed as it is",
            GLOBEX_KEY,
            Ok("globex/globex-demo"),
        ),
        ("another id", "sk-oai-AAB_BBB", Err(Code::InvalidCredential)),
        (
            "another secret",
            "sk-oai-AAA_BBC",
            Err(Code::InvalidCredential),
        ),
        (
            "no separator",
            "sk-oai-AAABBB",
            Err(Code::InvalidCredential),
        ),
        ("no id", "sk-oai-_AAABBB", Err(Code::InvalidCredential)),
        ("no secret", "sk-oai-AAA_", Err(Code::InvalidCredential)),
        ("another prefix", "sk-AAA_BBB", Err(Code::InvalidCredential)),
    ] {
        assert_eq!(
            who(&policy, &[("x-api-key", key)], &no_token),
            expected.map(str::to_owned),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_id_of_a_key_of_models_as_a_service_ends_at_the_first_underscore() {
    let mut config = fixtures::demo();
    // printf 'AAA\0BBB_CCC' | sha256sum
    config["keys"][0]["keyHash"] =
        "maas:9a411f6c6375ec4f5bd7942c2496e0f84c4a175fa8dae031d2abdeb6f4173edd".into();
    let policy = fixtures::policy(&config);
    assert_eq!(
        who(&policy, &[("x-api-key", "sk-oai-AAA_BBB_CCC")], &no_token),
        Ok("acme/acme-demo".to_owned())
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_hash_is_only_good_for_the_way_it_was_made() {
    let mut config = fixtures::demo();
    config["keys"][0]["keyHash"] = MAAS_HASH.replace("maas:", "sha256:").into();
    let exact = fixtures::key_hash(GLOBEX_KEY).replace("sha256:", "maas:");
    config["keys"][1]["keyHash"] = exact.into();
    let policy = fixtures::policy(&config);
    for key in ["sk-oai-AAA_BBB", GLOBEX_KEY] {
        assert_eq!(
            who(&policy, &[("x-api-key", key)], &no_token),
            Err(Code::InvalidCredential),
            "{key}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_key_without_id_or_secret_is_none_of_models_as_a_service() {
    let hash = |parts: &str| fixtures::key_hash(parts).replace("sha256:", "maas:");
    let mut config = fixtures::demo();
    config["keys"][0]["keyHash"] = hash("\0AAABBB").into();
    config["keys"][1]["keyHash"] = hash("AAA\0").into();
    let policy = fixtures::policy(&config);
    for key in ["sk-oai-_AAABBB", "sk-oai-AAA_"] {
        assert_eq!(
            who(&policy, &[("x-api-key", key)], &no_token),
            Err(Code::InvalidCredential),
            "{key}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_next_key_to_expire_is_one_that_is_good_still() {
    // 2026-06-01T00:00:00Z
    const JUNE: i64 = 1_780_272_000;
    let next = |keys: &[serde_json::Value], now: i64| {
        let mut config = fixtures::demo();
        for (index, terms) in keys.iter().enumerate() {
            let (id, hash) = (
                format!("key-{index}"),
                fixtures::key_hash(&format!("sk-{index}")),
            );
            let mut key = serde_json::json!({"id": id, "tenant": "acme", "keyHash": hash});
            if index == 1 {
                key["keyHash"] = hash.replace("sha256:", "maas:").into();
            }
            let terms = terms.as_object().unwrap().clone();
            key.as_object_mut().unwrap().extend(terms);
            config["keys"].as_array_mut().unwrap().push(key);
        }
        let policy = fixtures::policy(&config);
        let next = policy.identities.keys.next_expiry(now);
        next.map(|(end, _)| end)
    };
    let expires = |at: &str| serde_json::json!({ "expiresAt": at });
    let june = || expires("2026-06-01T00:00:00Z");
    let july = || expires("2026-07-01T00:00:00Z");
    let disabled = || serde_json::json!({"expiresAt": "2026-06-01T00:00:00Z", "disabled": true});
    let july_moment = Some(JUNE + 30 * 86_400);
    for (name, keys, now, expected) in [
        ("no key expires", &[][..], 0, None),
        ("the sooner one", &[july(), june()], 0, Some(JUNE)),
        ("whatever the order", &[june(), july()], 0, Some(JUNE)),
        ("a second before", &[june(), july()], JUNE - 1, Some(JUNE)),
        ("at that moment", &[june(), july()], JUNE, july_moment),
        ("all have expired", &[june(), june()], JUNE, None),
        ("a disabled key", &[disabled(), july()], 0, july_moment),
        (
            "one that is not good yet",
            &[
                serde_json::json!({"notBefore": "2026-05-01T00:00:00Z", "expiresAt": "2026-06-01T00:00:00Z"}),
            ],
            0,
            Some(JUNE),
        ),
    ] {
        assert_eq!(next(keys, now), expected, "{name}");
    }
}

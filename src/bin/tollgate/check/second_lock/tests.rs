use super::*;

const CONFIGURATION: &str = "{tenants: {acme: {}}, admittedHeader: {name: x-lock, value: PLANTED}, models: {'*': {access: authenticated}}}";
const MISSING: &str = "where the filter is skipped, every request passes; expected this section, and a policy behind the filter that refuses requests without the header";
const UNKNOWN: &str = "these files do not show whether requests without the header are refused; check the policy together with them";
const NO_POLICY: &str = "no policy in these files refuses requests without the header; expected a `SecurityPolicy` with `authorization` or an `AuthorizationPolicy` for the whole Gateway";
const OTHER_VALUE: &str = "the policy requires another value, so it would refuse every request; expected the same value in both";
const NO_FILTER: &str = "no filter behind this one refuses requests without the header; expected `envoy.filters.http.rbac`";

/// The findings for the single configuration in these files.
fn said(texts: &[&str]) -> Option<(Severity, &'static str)> {
    let files: Vec<File> = texts
        .iter()
        .map(|text| File::parse("f".to_owned(), text))
        .collect();
    let mut configurations = files.iter().flat_map(|file| &file.configurations);
    let (configuration, None) = (configurations.next().unwrap(), configurations.next()) else {
        panic!("several: {texts:?}");
    };
    let finding = Locks::of(&files).findings(configuration);
    finding.map(|(severity, path, message)| {
        assert_eq!(path, "admittedHeader");
        (severity, message)
    })
}

fn plugin(configuration: &str) -> String {
    format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: tollgate}}\nspec: {{sha256: a, pluginConfig: {configuration}}}\n"
    )
}

#[test]
fn a_plugin_without_the_header_is_warned_about_and_a_bare_configuration_is_not() {
    let without = CONFIGURATION.replace("admittedHeader: {name: x-lock, value: PLANTED}, ", "");
    let warning = Some((Severity::Warning, MISSING));
    assert_eq!(said(&[&plugin(&without)]), warning);
    assert_eq!(said(&[&without]), None);
    assert_eq!(said(&[CONFIGURATION]), None);
}

#[test]
fn a_policy_beside_the_plugin_has_to_want_the_header() {
    let security = |spec: &str| {
        format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nspec: {{{spec}}}\n"
        )
    };
    let istio = |spec: &str| {
        format!("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nspec: {{{spec}}}\n")
    };
    const HEADERS: &str = "principal: {headers: [{name: X-Lock, values: [PLANTED]}]}";
    const GATEWAY: &str = "targetRefs: [{kind: Gateway, name: g}]";
    const WHEN: &str = "when: [{key: 'request.headers[x-lock]', notValues: [PLANTED]}]";
    let allow = |rules: &str| {
        security(&format!(
            "{GATEWAY}, authorization: {{defaultAction: Deny, rules: [{rules}]}}"
        ))
    };
    let warning = |message| Some((Severity::Warning, message));
    for (name, policy, expected) in [
        (
            "none",
            "kind: Gateway\n".to_owned(),
            Some((Severity::Note, UNKNOWN)),
        ),
        (
            "Envoy Gateway's",
            allow(&format!("{{action: Allow, {HEADERS}}}")),
            None,
        ),
        (
            "with another that denies",
            allow(&format!(
                "{{action: Deny, principal: {{clientCIDRs: [10.0.0.0/8]}}}}, {{action: Allow, {HEADERS}}}"
            )),
            None,
        ),
        (
            "with another that allows",
            allow(&format!(
                "{{action: Allow, principal: {{clientCIDRs: [10.0.0.0/8]}}}}, {{action: Allow, {HEADERS}}}"
            )),
            warning(NO_POLICY),
        ),
        (
            "without authorization",
            security(GATEWAY),
            warning(NO_POLICY),
        ),
        (
            "that lets in by default",
            allow(&format!("{{action: Allow, {HEADERS}}}")).replace("Deny", "Allow"),
            warning(NO_POLICY),
        ),
        (
            "of another header",
            allow(&format!("{{action: Allow, {HEADERS}}}")).replace("X-Lock", "x-other"),
            warning(NO_POLICY),
        ),
        (
            "of another value",
            allow(&format!("{{action: Allow, {HEADERS}}}")).replace("PLANTED", "other"),
            warning(OTHER_VALUE),
        ),
        (
            "on a route",
            allow(&format!("{{action: Allow, {HEADERS}}}"))
                .replace("kind: Gateway,", "kind: HTTPRoute,"),
            warning(NO_POLICY),
        ),
        (
            "on a listener",
            allow(&format!("{{action: Allow, {HEADERS}}}"))
                .replace("name: g", "name: g, sectionName: http"),
            warning(NO_POLICY),
        ),
        (
            "Istio's, denying",
            istio(&format!("{GATEWAY}, action: DENY, rules: [{{{WHEN}}}]")),
            None,
        ),
        (
            "denying another value",
            istio(&format!("action: DENY, rules: [{{{WHEN}}}]")).replace("PLANTED", "other"),
            warning(OTHER_VALUE),
        ),
        (
            "denying on some paths only",
            istio(&format!(
                "action: DENY, rules: [{{to: [{{operation: {{paths: [/v1]}}}}], {WHEN}}}]"
            )),
            warning(NO_POLICY),
        ),
        (
            "denying who has the header",
            istio(&format!("action: DENY, rules: [{{{WHEN}}}]")).replace("notValues", "values"),
            warning(NO_POLICY),
        ),
        (
            "Istio's, allowing",
            istio(&format!("rules: [{{{WHEN}}}]")).replace("notValues", "values"),
            None,
        ),
        (
            "allowing another thing too",
            istio(&format!(
                "rules: [{{{WHEN}}}, {{to: [{{operation: {{paths: [/health]}}}}]}}]"
            ))
            .replace("notValues", "values"),
            warning(NO_POLICY),
        ),
        (
            "auditing",
            istio(&format!("action: AUDIT, rules: [{{{WHEN}}}]")),
            warning(NO_POLICY),
        ),
    ] {
        let together = format!("{}---\n{policy}", plugin(CONFIGURATION));
        assert_eq!(said(&[&together]), expected, "{name}, in one file");
        assert_eq!(
            said(&[&plugin(CONFIGURATION), &policy]),
            expected,
            "{name}, in another"
        );
    }
    // The value of a variable is not known.
    let variable = plugin(&CONFIGURATION.replace("value: PLANTED", "env: LOCK"));
    let policy = istio(&format!("action: DENY, rules: [{{{WHEN}}}]"));
    assert_eq!(said(&[&variable, &policy]), None);
}

#[test]
fn in_a_listener_the_lock_has_to_stand_behind_the_filter() {
    let ours = format!(
        "{{name: tollgate, typed_config: {{config: {{vm_config: {{code: {{}}}}, configuration: {{'@type': type.googleapis.com/google.protobuf.Struct, value: {CONFIGURATION}}}}}}}}}"
    );
    let rbac = "{name: any, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, rules: {policies: {a: {principals: [{header: {name: x-lock}}]}}}}}";
    let router = "{name: envoy.filters.http.router}";
    let warning = Some((Severity::Warning, NO_FILTER));
    let other = rbac.replace("x-lock", "x-other");
    let named = rbac.replace("rbac.v3.RBAC", "lua.v3.Lua");
    for (name, filters, expected) in [
        ("behind", vec![&*ours, rbac, router], None),
        ("before", vec![rbac, &ours, router], warning),
        ("none", vec![&ours, router], warning),
        ("for another header", vec![&ours, &other, router], warning),
        ("of another kind", vec![&ours, &named, router], warning),
    ] {
        let text = format!("listeners: [{{http_filters: [{}]}}]", filters.join(", "));
        assert_eq!(said(&[&text]), expected, "{name}");
    }
    // The list is with the component that discovers it.
    assert_eq!(said(&[&format!("resources: [{ours}]")]), None);
}

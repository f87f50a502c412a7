//! The JSON Schema of the configuration, for editors.
//!
//! The types that read the configuration give the names, the kinds, the required fields, and the doc comments as
//! descriptions. [`rules`] adds patterns, limits and defaults, from the constants that `compile` uses, and the fields
//! that belong together. A schema cannot express rules that depend on another place of the configuration (names of
//! tenants, unique names) or on the environment.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Config;
use super::compile::{
    DEFAULT_MODEL_HEADER, MAX_HEADER, MAX_MEMBER, MAX_NAME, MAX_VARIABLE, RESERVED_NAMES,
    TOKEN_MARKS,
};
use super::compile::{costs, limits};
use super::metering::MAX_COST_KEY;
use crate::identity::credentials::MAX_DUMMY_KEY;
use crate::model_name::{self, NAME_MARKS, UNPRINTABLE};
use crate::operation::Operation;
use crate::quota::Reserve;

/// The schema, in the dialect of 2020-12. It is stricter than the filter in one case: it refuses null, which the filter
/// accepts for an absent optional member.
#[must_use]
pub fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings
        .into_generator()
        .into_root_schema_for::<Config<'_>>();
    let mut schema = schema.to_value();
    tidy(&mut schema);
    for (path, rule) in rules() {
        if let (Some(Value::Object(place)), Value::Object(rule)) = (find(&mut schema, path), rule) {
            place.extend(rule);
        }
    }
    schema
}

/// The schema at a path such as `keys[].models[]` or `tenants.NAME.groups`.
fn find<'a>(schema: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    let steps = path.replace("[]", ".[]");
    let mut steps = steps.split('.').filter(|step| !step.is_empty());
    steps.try_fold(schema, |schema, step| match step {
        "[]" => schema.get_mut("items"),
        "NAME" => schema.get_mut("additionalProperties"),
        name => {
            if schema.get("properties").is_some() {
                return schema.get_mut("properties")?.get_mut(name);
            }
            // Of several forms, the one that has such a member.
            let forms = ["anyOf", "oneOf"]
                .into_iter()
                .find(|forms| schema.get(forms).is_some())?;
            let mut forms = schema.get_mut(forms)?.as_array_mut()?.iter_mut();
            forms.find_map(|form| form.get_mut("properties")?.get_mut(name))
        }
    })
}

/// Joins the lines of doc comments, and removes null and the formats of Rust's numbers.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("default") == Some(&Value::Null) {
                members.remove("default");
            }
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            without_null(members);
            members.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn without_null(members: &mut Map<String, Value>) {
    let null = json!("null");
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|kind| *kind != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(forms)) = members.get_mut("anyOf") else {
        return;
    };
    forms.retain(|form| form.get("type") != Some(&null));
    if let [Value::Object(only)] = forms.as_mut_slice() {
        let only = std::mem::take(only);
        members.remove("anyOf");
        for (name, value) in only {
            // The field takes precedence over its type.
            members.entry(name).or_insert(value);
        }
    }
}

fn name() -> Value {
    json!({
        "pattern": format!("^[A-Za-z0-9{NAME_MARKS}]{{1,{MAX_NAME}}}$"),
        "not": {"enum": RESERVED_NAMES},
    })
}

/// As [`ModelPattern::parse`](crate::model_name::ModelPattern::parse) has it.
fn model_pattern() -> String {
    let (inner, outer) = (printable("*"), printable(" *"));
    let more = model_name::MAX_NAME.saturating_sub(1);
    let name = model_name_of(&inner, &outer);
    format!(r"^(?:\*|{name}|{outer}{inner}{{0,{more}}}\*)$")
}

/// As [`ModelName::new`](crate::model_name::ModelName::new) has it.
fn model_name_pattern() -> String {
    let name = model_name_of(&printable(""), &printable(" "));
    format!("^(?:{name})$")
}

/// What begins and ends with `outer` and is `inner` between.
fn model_name_of(inner: &str, outer: &str) -> String {
    let between = model_name::MAX_NAME.saturating_sub(2);
    format!("{outer}(?:{inner}{{0,{between}}}{outer})?")
}

/// A class of the characters that a name may have, without some.
fn printable(without: &str) -> String {
    let letter = |letter: char| match u32::from(letter) {
        code @ ..=0xFFFF => format!(r"\u{code:04X}"),
        code => format!(r"\u{{{code:X}}}"),
    };
    let ranges = UNPRINTABLE
        .iter()
        .map(|(first, last)| format!("{}-{}", letter(*first), letter(*last)));
    format!("[^{without}{}]", ranges.collect::<String>())
}

fn variable() -> Value {
    json!({"pattern": format!("^[A-Za-z0-9_]{{1,{MAX_VARIABLE}}}$")})
}

fn member() -> Value {
    json!({"pattern": format!(r"^[!-)+-~]{{1,{MAX_MEMBER}}}\*?$")})
}

fn header_pattern() -> Value {
    let marks = TOKEN_MARKS.replace('*', "");
    json!({"pattern": format!(r"^[A-Za-z0-9{marks}]{{1,{MAX_HEADER}}}\*?$")})
}

fn token() -> Value {
    json!({"pattern": format!("^[A-Za-z0-9{TOKEN_MARKS}]+$")})
}

fn method() -> Value {
    json!({"pattern": format!("^[A-Z0-9{TOKEN_MARKS}]+$"), "examples": ["GET", "POST"]})
}

/// The rule of [`is_plain_path`](crate::operation::is_plain_path).
fn plain_path() -> Value {
    let segment = r#"(?!\.\.?(?:/|$))[!"$&-.0-:<->@-\[\]-~]+"#;
    json!({"pattern": format!("^/(?:{segment}/)*(?:{segment})?$"), "examples": ["/health"]})
}

/// As [`PathPrefix::parse`](crate::operation::PathPrefix::parse) has it.
fn path_prefix() -> Value {
    let segment = r#"(?!(?:\.\.?|deployments|engines)(?:/|$))(?:\*|[!"$&-)+-.0-:<->@-\[\]-~]+)"#;
    json!({"pattern": format!("^(?!/v1$)(?:/{segment})+$"), "examples": ["/*/*/v1"]})
}

/// A claim's name, or the names on the way to it.
fn claim(examples: Value) -> Value {
    let name = json!({"type": "string", "pattern": r"^[^\u0000]+$"});
    let path = json!({"type": "array", "minItems": 1, "items": name});
    json!({"anyOf": [name, path], "examples": examples})
}

fn cost_key() -> Value {
    json!({"pattern": format!("^[!-~]{{1,{MAX_COST_KEY}}}$")})
}

/// A rule that the types cannot express, with its path.
type Rule = (&'static str, Value);

/// Rules that the types cannot express.
fn rules() -> Vec<Rule> {
    let whole = vec![("", whole())];
    [
        whole,
        tenants_and_keys(),
        credentials(),
        tokens(),
        front(),
        access(),
        requests(),
        limits_of_use(),
        metering(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Of tenants and keys.
fn tenants_and_keys() -> Vec<Rule> {
    let date = || json!({"format": "date-time", "examples": ["2027-01-01T00:00:00Z"]});
    vec![
        ("tenants", json!({"propertyNames": name()})),
        ("tenants.NAME.objective", name()),
        ("keys[].id", name()),
        (
            "keys[].keyHash",
            json!({"pattern": "^(?:sha256|maas):[0-9A-Fa-f]{64}$"}),
        ),
        ("keys[].expiresAt", date()),
        ("keys[].notBefore", date()),
        ("keys[].objective", name()),
        ("keys[].models[]", json!({"pattern": model_pattern()})),
        ("keysFrom[].env", variable()),
    ]
}

/// Of credentials.
fn credentials() -> Vec<Rule> {
    vec![
        (
            "credentials.sources",
            json!({
                "minItems": 1,
                "contains": {"properties": {"stripOnly": {"const": false}}},
                "default": [
                    {"header": "authorization", "scheme": "Bearer"},
                    {"header": "x-api-key"},
                    {"header": "api-key"},
                ],
            }),
        ),
        ("credentials.several", json!({"default": "refuse"})),
        (
            "credentials.dummyKeys[]",
            json!({"pattern": format!("^[!-+--~]{{1,{MAX_DUMMY_KEY}}}$")}),
        ),
        ("credentials.sources[].header", token()),
        ("credentials.sources[].scheme", token()),
        ("credentials.forward", json!({"default": "strip"})),
        ("credentials.forward.env", variable()),
    ]
}

/// Of tokens.
fn tokens() -> Vec<Rule> {
    vec![
        ("jwt[].metadataKey", filled()),
        ("jwt[].issuer", filled()),
        (
            "jwt[].groupsClaim",
            claim(json!(["groups", ["realm_access", "roles"]])),
        ),
        (
            "jwt[].groupsClaims",
            json!({"minItems": 1, "uniqueItems": true, "examples": [["groups", ["realm_access", "roles"]]]}),
        ),
        ("jwt[].groupsClaims[]", claim(json!([]))),
        (
            "jwt[]",
            json!({"not": {"required": ["groupsClaim", "groupsClaims"]}}),
        ),
        (
            "jwt[].groupsSeparator",
            json!({"minLength": 1, "examples": [",", " "]}),
        ),
        ("jwt[].requireExpiration", json!({"default": true})),
        ("jwt[].tenantClaim", claim(json!(["tenant", "azp"]))),
        ("jwt[].userClaim", claim(json!(["sub"]))),
        ("jwt[].tenantFromGroup", json!({"default": []})),
    ]
}

/// Of the headers of a gateway in front.
fn front() -> Vec<Rule> {
    vec![
        (
            "trustedHeaders",
            json!({"anyOf": [{"required": ["tenantAttribute"]}, {"required": ["defaultTenant"]}]}),
        ),
        ("trustedHeaders.proof", proof()),
        ("trustedHeaders.proof.header", token()),
        (
            "trustedHeaders.proof.secretHash",
            json!({"pattern": "^sha256:[0-9A-Fa-f]{64}$"}),
        ),
        (
            "trustedHeaders.proof.clientCertificateSan",
            json!({"minItems": 1}),
        ),
        ("trustedHeaders.proof.clientCertificateSan[]", filled()),
        ("trustedHeaders.principalHeader", token()),
        ("trustedHeaders.attributesHeader", token()),
        (
            "trustedHeaders.attributeHeaders",
            json!({"propertyNames": token(), "default": {}}),
        ),
    ]
}

/// Of models, and of who may use them.
fn access() -> Vec<Rule> {
    vec![
        (
            "models",
            json!({"propertyNames": {"pattern": model_pattern(), "not": {"enum": RESERVED_NAMES}}}),
        ),
        (
            "models.NAME",
            json!({"oneOf": [{"required": ["groups"]}, {"required": ["access"]}]}),
        ),
        (
            "models.NAME.baseModel",
            json!({"pattern": model_name_pattern()}),
        ),
        ("modelHeader.name", token()),
        (
            "modelHeader",
            json!({"default": {"name": DEFAULT_MODEL_HEADER}}),
        ),
        ("fairness", json!({"default": {"from": "tenant"}})),
        ("hideDeniedModels", json!({"default": false})),
        ("mode", json!({"default": "enforce"})),
    ]
}

/// Of what passes of a request.
fn requests() -> Vec<Rule> {
    vec![
        ("headers.strip[]", header_pattern()),
        ("headers.allow[]", header_pattern()),
        ("headers.tenant[]", token()),
        ("body.deny[]", member()),
        ("body.allow[]", member()),
        (
            "admittedHeader",
            json!({"oneOf": [{"required": ["value"]}, {"required": ["env"]}]}),
        ),
        ("admittedHeader.name", token()),
        (
            "admittedHeader.value",
            json!({"pattern": "^[!-+--~]{1,512}$"}),
        ),
        ("admittedHeader.env", variable()),
        ("pathPrefixes[]", path_prefix()),
        ("pathsWithoutVersion", json!({"default": "unambiguous"})),
        ("extraPaths[].method", method()),
        ("extraPaths[].path", plain_path()),
        ("publicPaths[].method", method()),
        ("publicPaths[].path", plain_path()),
    ]
}

/// Of limits.
fn limits_of_use() -> Vec<Rule> {
    vec![
        ("limits", json!({"maxItems": limits::MAX_LIMITS})),
        ("limits[]", limit()),
        ("limits[].id", name()),
        ("limits[].requests", amount()),
        ("limits[].tokens", amount()),
        ("limits[].inputTokens", amount()),
        ("limits[].outputTokens", amount()),
        ("limits[].concurrent", amount()),
        (
            "limits[].utcOffset",
            json!({"pattern": "^[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["+01:00"]}),
        ),
        ("limits[].models[]", json!({"pattern": model_pattern()})),
        ("limits[].operations[]", json!({"enum": Operation::NAMES})),
        (
            "reserve.outputTokens",
            json!({"minimum": 1, "maximum": costs::MAX_OUTPUT_TOKENS, "default": Reserve::default().output_tokens}),
        ),
        (
            "reserve.bytesPerToken",
            json!({"minimum": 1, "maximum": costs::MAX_BYTES_PER_TOKEN, "default": Reserve::default().bytes_per_token}),
        ),
        (
            "reserve.models[].outputTokens",
            json!({"minimum": 1, "maximum": costs::MAX_OUTPUT_TOKENS}),
        ),
        (
            "reserve.models[].bytesPerToken",
            json!({"minimum": 1, "maximum": costs::MAX_BYTES_PER_TOKEN}),
        ),
        ("reserve.models[].models", json!({"minItems": 1})),
        (
            "reserve.models[].models[]",
            json!({"pattern": model_pattern()}),
        ),
        ("weights.models[].models", json!({"minItems": 1})),
        (
            "weights.models[].models[]",
            json!({"pattern": model_pattern()}),
        ),
        ("weights.models[].input", dependent_weight()),
        ("weights.models[].cachedInput", dependent_weight()),
        ("weights.models[].output", dependent_weight()),
        ("weights.input", weight()),
        ("weights.cachedInput", dependent_weight()),
        ("weights.output", weight()),
    ]
}

/// Of metering.
fn metering() -> Vec<Rule> {
    vec![
        ("metering.streamUsage", json!({"default": "inject"})),
        ("metering.stripAcceptEncoding", json!({"default": true})),
        (
            "metering.gatewayCounts",
            json!({"default":
            {"aiGateway": {"input": "llm_input_token", "output": "llm_output_token"}}}),
        ),
        ("metering.gatewayCounts.aiGateway.input", cost_key()),
        ("metering.gatewayCounts.aiGateway.output", cost_key()),
    ]
}

fn filled() -> Value {
    json!({"minLength": 1})
}

fn amount() -> Value {
    json!({"minimum": 1, "maximum": limits::MAX_AMOUNT})
}

fn weight() -> Value {
    json!({"minimum": 0, "maximum": costs::MAX_WEIGHT, "default": 1})
}

/// A weight that is another one's where it is left out.
fn dependent_weight() -> Value {
    json!({"minimum": 0, "maximum": costs::MAX_WEIGHT})
}

/// One measure, with the window that it needs.
fn limit() -> Value {
    let windowed = ["requests", "tokens", "inputTokens", "outputTokens"];
    let mut measures: Vec<Value> = windowed
        .iter()
        .map(|measure| json!({"required": [measure, "window"]}))
        .collect();
    measures.push(json!({"required": ["concurrent"], "not": {"required": ["window"]}}));
    let some = |measure: &str| json!({"required": [measure]});
    let one = windowed.iter().copied().chain(["concurrent"]).map(some);
    json!({
        "oneOf": one.collect::<Vec<_>>(),
        "allOf": [
            {"anyOf": measures},
            {
                "if": {"properties": {"window": {"const": "month"}}, "required": ["window"]},
                "then": {"required": ["keeps"]},
            },
            {
                "if": {"required": ["utcOffset"]},
                "then": {"properties": {"window": {"enum": ["day", "month"]}}, "required": ["window"]},
            },
        ],
    })
}

/// Unless `mode` is `open`, a way to identify callers and a model are required. If replies may be encoded, usage must
/// not be requested.
fn whole() -> Value {
    let some = |section: &str, least: &str| json!({"required": [section], "properties": {section: {least: 1}}});
    let encoded = json!({
        "required": ["metering"],
        "properties": {"metering": {
            "required": ["stripAcceptEncoding"],
            "properties": {"stripAcceptEncoding": {"const": false}},
        }},
    });
    let observed = json!({"properties": {"streamUsage": {"const": "observe"}}});
    let metering = json!({"allOf": [observed, {"required": ["streamUsage"]}]});
    json!({
        "title": "Configuration of Tollgate",
        "allOf": [
            {
                "if": {"not": {"required": ["mode"], "properties": {"mode": {"const": "open"}}}},
                "then": {
                    "allOf": [some("models", "minProperties")],
                    "anyOf": [
                        some("keys", "minItems"),
                        some("keysFrom", "minItems"),
                        some("jwt", "minItems"),
                        {"required": ["trustedHeaders"]},
                    ],
                },
            },
            {
                "if": encoded,
                "then": {"properties": {"metering": metering, "models": {"additionalProperties": observed}}},
            },
        ],
    })
}

/// A secret in a header, or a client certificate; not both.
fn proof() -> Value {
    let secret = json!(["header", "secretHash"]);
    let certificate = json!(["clientCertificateSan", "clientCertsVerified"]);
    json!({"oneOf": [
        {"required": secret, "properties": {"clientCertificateSan": false}},
        {
            "required": certificate,
            "properties": {"header": false, "secretHash": false, "clientCertsVerified": {"const": true}},
        },
    ]})
}

#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
pub(crate) mod tests;

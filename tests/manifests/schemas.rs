//! The pinned custom resource definitions, as strict as `kubectl apply --validate=strict` is.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{LazyLock, OnceLock};

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use tollgate_tests::manifest::repository;

/// Kinds of Kubernetes itself that manifests may hold, with the fields at their top: no schema is pinned for them.
const BUILT_IN: [(&str, &str, bool, &[&str]); 14] = [
    ("v1", "ConfigMap", true, &["data"]),
    ("v1", "Namespace", false, &[]),
    ("v1", "Pod", true, &["spec"]),
    ("v1", "Secret", true, &["stringData", "type"]),
    ("v1", "Service", true, &["spec"]),
    ("v1", "ServiceAccount", true, &[]),
    ("apps/v1", "Deployment", true, &["spec"]),
    ("networking.k8s.io/v1", "NetworkPolicy", true, &["spec"]),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        false,
        &["rules"],
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        false,
        &["roleRef", "subjects"],
    ),
    ("rbac.authorization.k8s.io/v1", "Role", true, &["rules"]),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        true,
        &["roleRef", "subjects"],
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
        false,
        &["spec"],
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
        false,
        &["spec"],
    ),
];

/// One kind in one version.
pub(crate) struct Kind {
    namespaced: bool,
    /// The structural schema as its project ships it, without what only people read.
    pub(crate) schema: Value,
    validator: OnceLock<Validator>,
}

/// By `apiVersion` and `kind`.
type Kinds = BTreeMap<(String, String), Kind>;

/// Every kind that a manifest may have.
pub(crate) static KINDS: LazyLock<Kinds> = LazyLock::new(|| {
    let mut kinds: Kinds = BUILT_IN.iter().map(built_in).collect();
    let projects = fs::read_dir(repository().join("tests/fixtures/crds")).unwrap();
    for project in projects.map(|entry| entry.unwrap().path()) {
        if !project.is_dir() {
            continue;
        }
        for file in fs::read_dir(project).unwrap() {
            let pinned: Value =
                serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
            let [group, kind] = ["group", "kind"].map(|name| pinned[name].as_str().unwrap());
            for (version, schema) in pinned["versions"].as_object().unwrap() {
                let kind_in_version = Kind {
                    namespaced: pinned["scope"] == "Namespaced",
                    schema: schema.clone(),
                    validator: OnceLock::new(),
                };
                kinds.insert(
                    (format!("{group}/{version}"), kind.to_owned()),
                    kind_in_version,
                );
            }
        }
    }
    kinds
});

impl Kind {
    /// The kind of a manifest.
    ///
    /// # Errors
    /// What is wrong if it has none, or one that is not known.
    pub(crate) fn of(manifest: &Value) -> Result<&'static Self, String> {
        let [version, kind] = ["apiVersion", "kind"]
            .map(|name| manifest[name].as_str().unwrap_or_default().to_owned());
        let key = (version, kind);
        KINDS
            .get(&key)
            .ok_or_else(|| format!("no schema for {} {}", key.0, key.1))
    }

    /// What the schema, made strict, finds wrong.
    pub(crate) fn faults(&self, manifest: &Value) -> Vec<String> {
        let validator = self
            .validator
            .get_or_init(|| jsonschema::draft4::new(&strict_resource(&self.schema)).unwrap());
        let mut faults: Vec<_> = validator
            .iter_errors(manifest)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if !self.namespaced && manifest["metadata"].get("namespace").is_some() {
            faults.push("/metadata/namespace: it belongs to no namespace".to_owned());
        }
        faults
    }
}

fn built_in(row: &(&str, &str, bool, &[&str])) -> ((String, String), Kind) {
    let (version, kind, namespaced, fields) = *row;
    let mut properties = json!({});
    for field in fields {
        properties[field] = json!({"x-kubernetes-preserve-unknown-fields": true});
    }
    let kind_in_version = Kind {
        namespaced,
        schema: json!({"type": "object", "properties": properties, "required": fields}),
        validator: OnceLock::new(),
    };
    ((version.to_owned(), kind.to_owned()), kind_in_version)
}

/// A schema for whole manifests.
fn strict_resource(schema: &Value) -> Value {
    let mut schema = strict(schema);
    let fields = &mut schema["properties"];
    fields["apiVersion"] = json!({"type": "string"});
    fields["kind"] = json!({"type": "string"});
    fields["metadata"] = metadata();
    schema["required"]
        .as_array_mut()
        .unwrap()
        .push(json!("metadata"));
    schema
}

/// What manifests may say of themselves.
fn metadata() -> Value {
    let strings = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let name =
        json!({"type": "string", "maxLength": 253, "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"});
    json!({
        "type": "object",
        "required": ["name"],
        "properties": {"name": name, "namespace": name, "labels": strings, "annotations": strings},
        "additionalProperties": false
    })
}

/// The schema in the words of JSON Schema, with every field refused that it does not name. `allOf` and its like name no
/// fields in a structural schema, so they stay as they are.
fn strict(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else {
        return schema.clone();
    };
    let mut strict_schema = schema.clone();
    let says = |keyword: &str| schema.get(keyword) == Some(&json!(true));
    let each = |fields: &Map<String, Value>| -> Map<String, Value> {
        fields
            .iter()
            .map(|(name, field)| (name.clone(), strict(field)))
            .collect()
    };
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        let mut fields = each(fields);
        if says("x-kubernetes-embedded-resource") {
            fields.insert("metadata".to_owned(), metadata());
            fields
                .entry("apiVersion")
                .or_insert(json!({"type": "string"}));
            fields.entry("kind").or_insert(json!({"type": "string"}));
        }
        strict_schema.insert("properties".to_owned(), Value::Object(fields));
    }
    if let Some(items) = schema.get("items") {
        strict_schema.insert("items".to_owned(), strict(items));
    }
    match schema.get("additionalProperties") {
        Some(others) => {
            strict_schema.insert("additionalProperties".to_owned(), strict(others));
        }
        None if schema.get("type") == Some(&json!("object"))
            && !says("x-kubernetes-preserve-unknown-fields")
            && !says("x-kubernetes-embedded-resource") =>
        {
            strict_schema.insert("additionalProperties".to_owned(), json!(false));
        }
        None => {}
    }
    if says("x-kubernetes-int-or-string") {
        strict_schema.insert("type".to_owned(), json!(["integer", "string"]));
    } else if says("nullable") {
        let nullable = json!([schema.get("type"), "null"]);
        strict_schema.insert("type".to_owned(), nullable);
    }
    Value::Object(strict_schema)
}

/// Fills in what the API server fills in before it judges.
pub(crate) fn with_defaults(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            let known = schema["properties"].as_object();
            for (name, field) in known.into_iter().flatten() {
                if let Some(default) = field.get("default") {
                    fields.entry(name).or_insert_with(|| default.clone());
                }
            }
            for (name, field) in fields {
                with_defaults(field, field_schema(schema, name));
            }
        }
        Value::Array(items) => {
            for item in items {
                with_defaults(item, &schema["items"]);
            }
        }
        _ => {}
    }
}

/// The schema of a field: its own, or that of all which are not named.
pub(crate) fn field_schema<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema["properties"]
        .get(name)
        .unwrap_or_else(|| &schema["additionalProperties"])
}

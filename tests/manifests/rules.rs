//! The rules (`x-kubernetes-validations`, in CEL) of the pinned definitions.

use std::sync::{Arc, LazyLock};

use cel::extractors::This;
use cel::{Context, Env, ExecutionError, Program, Value as Cel};
use serde_json::Value;

use crate::schemas::field_schema;

/// Words of CEL, which a rule writes `__word__` where they are names of fields.
const RESERVED: [&str; 22] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "__",
];

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    environment.add_extension(cel::extensions::strings).unwrap();
    Arc::new(environment)
});

/// What the API server knows beside CEL's own library, as far as the pinned rules use it.
pub(crate) fn context<'a>() -> Context<'a, 'a> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_owned());
    context
        .add_function("isURL", move |url: Arc<String>| {
            scheme(&url).is_some() || url.starts_with('/')
        })
        .unwrap();
    context.add_function("url", |url: Arc<String>| url).unwrap();
    context
        .add_function("getScheme", move |This(url): This<Arc<String>>| {
            scheme(&url).unwrap_or_default()
        })
        .unwrap();
    context
}

/// Compiles a rule.
///
/// # Errors
/// Why it cannot be.
pub(crate) fn compile(rule: &str) -> Result<Program, String> {
    ENVIRONMENT
        .compile(rule)
        .map_err(|errors| errors.to_string())
}

/// Everything that the rules at and below this schema find wrong with a value that has its defaults.
pub(crate) fn faults(value: &Value, schema: &Value, path: &str) -> Vec<String> {
    let mut faults: Vec<_> = of(schema)
        .filter_map(|rule| fault(rule, value, path))
        .collect();
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                faults.extend(self::faults(
                    field,
                    field_schema(schema, name),
                    &format!("{path}/{name}"),
                ));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                faults.extend(self::faults(
                    item,
                    &schema["items"],
                    &format!("{path}/{index}"),
                ));
            }
        }
        _ => {}
    }
    faults
}

/// The rules of a schema itself. Those about a change have nothing to say of a new resource.
pub(crate) fn of(schema: &Value) -> impl Iterator<Item = &Value> {
    let rules = schema["x-kubernetes-validations"].as_array();
    let rules = rules.into_iter().flatten();
    rules.filter(|rule| !rule["rule"].as_str().unwrap().contains("oldSelf"))
}

fn fault(rule: &Value, value: &Value, path: &str) -> Option<String> {
    let text = rule["rule"].as_str().unwrap();
    let mut context = context();
    context.add_variable_from_value("self", to_cel(value));
    let verdict = compile(text).map(|program| program.execute(&context));
    let said = rule["message"].as_str().unwrap_or(text);
    match verdict {
        Ok(Ok(Cel::Bool(true))) => None,
        Ok(Ok(Cel::Bool(false)) | Err(ExecutionError::NoSuchKey(_))) => {
            Some(format!("{path}: {said}"))
        }
        other => Some(format!(
            "{path}: `{text}` could not be evaluated: {other:?}"
        )),
    }
}

/// A value as rules see it.
pub(crate) fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Cel::Float(number.as_f64().unwrap()), Cel::Int),
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, field)| (escaped(name), to_cel(field)));
            Cel::Map(fields.collect::<std::collections::HashMap<_, _>>().into())
        }
    }
}

fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) {
        format!("__{name}__")
    } else {
        name.to_owned()
    }
}

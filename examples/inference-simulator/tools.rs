//! Calls of the tools that a request offers, in the three shapes that the APIs give them.

use serde_json::{Map, Value, json};

use crate::request::Request;

/// One call of a tool.
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// A JSON object, as text.
    pub(crate) arguments: String,
}

impl Call {
    /// The arguments in the pieces that they are streamed in, of which each is one token.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &str> {
        self.arguments.split_inclusive([':', ','])
    }

    /// The name is one token too.
    pub(crate) fn tokens(&self) -> u64 {
        1 + self.pieces().count() as u64
    }
}

/// What is called, instead of an answer in words: each tool once, or the first if one call at a time is wanted. Nothing
/// where `tool_choice` says so, or where the conversation (`messages` or `input`) ends with the result of a call.
pub(crate) fn calls(request: &Request, conversation: &Value) -> Vec<Call> {
    let choice = request.member("tool_choice");
    if choice == "none" || choice["type"] == "none" || ends_with_result(conversation) {
        return Vec::new();
    }
    let Some(tools) = request.member("tools").as_array() else {
        return Vec::new();
    };
    let wanted = name(choice);
    let one_at_a_time = request.member("parallel_tool_calls") == false
        || choice["disable_parallel_tool_use"] == true;
    let most = if one_at_a_time { 1 } else { tools.len() };
    tools
        .iter()
        .filter_map(|tool| Some((name(tool)?, tool)))
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name))
        .take(most)
        .zip(0_u64..)
        .map(|((name, tool), index)| Call {
            id: request.id(&format!("call_{index}_")),
            name: name.to_owned(),
            arguments: arguments(tool).to_string(),
        })
        .collect()
}

fn ends_with_result(conversation: &Value) -> bool {
    let last = conversation.as_array().and_then(|messages| messages.last());
    last.is_some_and(|last| {
        let parts = last["content"].as_array();
        last["role"] == "tool"
            || last["type"] == "function_call_output"
            || parts.is_some_and(|parts| parts.iter().any(|part| part["type"] == "tool_result"))
    })
}

/// The name of a tool, or of the one that is chosen.
fn name(tool: &Value) -> Option<&str> {
    ["/function/name", "/name"]
        .iter()
        .find_map(|path| tool.pointer(path)?.as_str())
}

/// A value for each property of the tool's schema.
fn arguments(tool: &Value) -> Value {
    let schema = ["/function/parameters", "/parameters", "/input_schema"];
    let properties = schema
        .iter()
        .find_map(|path| tool.pointer(path)?.get("properties")?.as_object());
    let value = |(name, schema): (&String, &Value)| {
        let value = match schema["type"].as_str() {
            Some("string") => json!("Hello"),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(true),
            _ => Value::Null,
        };
        (name.clone(), value)
    };
    properties
        .into_iter()
        .flatten()
        .map(value)
        .collect::<Map<_, _>>()
        .into()
}

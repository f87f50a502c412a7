//! Usage as chat and text completions report it, and when a stream does.

use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::request::Request;

/// Which events of a stream carry usage (`stream_options`). By default none does.
pub(crate) struct UsageEvents {
    /// One event more, without choices, before the end.
    pub(crate) at_end: bool,
    /// Every event, with the count so far of the choice that it carries.
    pub(crate) continuous: bool,
}

impl UsageEvents {
    pub(crate) fn read(request: &Request) -> Result<Self, Refusal> {
        let options = request.member("stream_options");
        if !options.is_null() && !request.streams()? {
            return Err(Refusal::bad_request(
                "Stream options can only be defined when `stream=True`. (parameter=stream_options)",
                Some("stream_options"),
            ));
        }
        let is_set = |name| options.get(name).and_then(Value::as_bool).unwrap_or(false);
        let at_end = is_set("include_usage");
        Ok(Self {
            at_end,
            continuous: at_end && is_set("continuous_usage_stats"),
        })
    }
}

pub(crate) fn usage(prompt_tokens: u64, completion_tokens: u64) -> Value {
    json!({
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens.saturating_add(completion_tokens),
        "completion_tokens": completion_tokens,
    })
}

/// The same event with its `usage`. An event without usage has no such member at all, not a null.
pub(crate) fn with_usage(mut event: Value, usage: Value) -> Value {
    if let Some(members) = event.as_object_mut() {
        members.insert("usage".to_owned(), usage);
    }
    event
}

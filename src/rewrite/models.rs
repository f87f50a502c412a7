//! Filters the upstream's list of models to those that the caller may use.
//!
//! The list is taken out of the reply chunk by chunk and emitted, filtered, at its end, so Envoy never buffers it and
//! no unfiltered byte can go out: not behind a large reply, not before trailers, not when the upstream breaks off.
//! Whatever is not understood ends as an empty list.
//!
//! An entry that stays tells nothing of the others either. A text in it, or a member's name, that is the name of a model
//! the caller may not use is taken out: of an entry that is left out, or one that the configuration spells out. In members
//! that hold names of models, such as `parent` and `aliases`, each name is judged like any other. `root` is no such member:
//! vLLM writes the folder of the model's files there, which is no name that a rule knows, and clients look for their
//! tokenizer by it.

mod entry;

use std::borrow::Cow;

use serde_json::value::RawValue;

use self::entry::Names;
use crate::entries::Entries;
use crate::headers::HeaderMap;
use crate::model_name::ModelName;

/// The most bytes of a list. A longer one becomes an empty list.
pub const MAX_LIST: usize = 1024 * 1024;

/// Headers by which a client could get an answer about the unfiltered list: encoded, in part, or "not modified".
pub const CONDITIONS: [&str; 5] = [
    "accept-encoding",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "range",
];

/// The headers of the filtered reply, which is for this caller alone.
pub const REPLY_HEADERS: [(&str, &str); 2] = [
    ("content-type", "application/json"),
    ("cache-control", "private, no-store"),
];

/// Reply headers that describe the bytes of the unfiltered list.
pub(crate) const OUTDATED: [&str; 9] = [
    "accept-ranges",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "digest",
    "etag",
    "last-modified",
    "repr-digest",
];

const EMPTY: &str = r#"{"object":"list","data":[]}"#;

/// The reply headers to remove, each once.
pub fn outdated(headers: &HeaderMap) -> impl Iterator<Item = &'static str> {
    OUTDATED
        .into_iter()
        .filter(|name| headers.first(name).is_some())
}

/// The caller who sees a list.
#[allow(
    missing_debug_implementations,
    reason = "functions have nothing to show"
)]
pub struct Viewer<'a> {
    /// Whether the caller may use this model.
    pub may_use: &'a dyn Fn(&ModelName) -> bool,
    /// Whether the configuration spells this name out, so that it is a model's wherever it stands.
    pub is_known: &'a dyn Fn(&str) -> bool,
}

/// A list of models that is being filtered.
#[derive(Debug, Default)]
pub struct ModelList {
    taken: Vec<u8>,
    spoiled: bool,
}

impl ModelList {
    /// Adds the next chunk, which must be deleted from the reply.
    pub fn take(&mut self, chunk: &[u8]) {
        if self.taken.len().saturating_add(chunk.len()) > MAX_LIST {
            self.spoil();
        }
        if !self.spoiled {
            self.taken.extend_from_slice(chunk);
        }
    }

    /// Marks the list as incomplete, because a chunk was lost.
    pub fn spoil(&mut self) {
        self.spoiled = true;
        self.taken = Vec::new();
    }

    /// The list to emit: OpenAI's or Anthropic's `data` (by `id`) and llama.cpp's additional `models` (by `name` and
    /// `model`), both in the upstream's order, each entry as it was written save [what it says of models](self) that the
    /// caller may not use: such a name is `null`, or missing from its list. An entry without a name that could be asked
    /// for is left out. `first_id` and `last_id` are made anew; any other array or object beside them could be a list of
    /// models as well and is left out. Empty for everything that is no such list.
    #[must_use]
    pub fn filtered(&self, viewer: &Viewer<'_>) -> String {
        std::str::from_utf8(&self.taken)
            .ok()
            .and_then(|text| filtered(text, viewer))
            .unwrap_or_else(|| EMPTY.to_owned())
    }
}

fn filtered(text: &str, viewer: &Viewer<'_>) -> Option<String> {
    let Entries(members) = serde_json::from_str(text).ok()?;
    let member = |name: &str| {
        let mut found = members.iter().filter(|(other, _)| other == name);
        match (found.next(), found.next()) {
            (Some((_, raw)), None) => Some(raw.get()),
            _ => None,
        }
    };
    let mut names = Names::new(viewer);
    let data = usable(member("data")?, &["id"], viewer, &mut names)?;
    let has_models = members.iter().any(|(name, _)| name == "models");
    let models = if has_models {
        usable(member("models")?, &["name", "model"], viewer, &mut names)?
    } else {
        Vec::new()
    };
    let edge = |entry: Option<&Usable<'_>>| {
        let name = entry.and_then(|entry| serde_json::to_string(&entry.name).ok());
        name.unwrap_or_else(|| "null".to_owned())
    };
    let mut kept = Vec::with_capacity(members.len());
    for (name, raw) in &members {
        let value = match name.as_str() {
            "data" => array(&data, &names),
            "models" => array(&models, &names),
            "first_id" => edge(data.first()),
            "last_id" => edge(data.last()),
            _ if raw.get().starts_with(['[', '{']) => continue,
            _ => names.shown(raw.get()).into_owned(),
        };
        kept.push(format!("{}:{value}", serde_json::to_string(name).ok()?));
    }
    Some(format!("{{{}}}", kept.join(",")))
}

/// An entry that is kept.
struct Usable<'a> {
    name: String,
    text: &'a str,
}

/// The entries of an array whose every `field` names a model that may be used, and that have at least one. The names of
/// the others are noted.
fn usable<'a>(
    raw: &'a str,
    fields: &[&str],
    viewer: &Viewer<'_>,
    names: &mut Names<'_>,
) -> Option<Vec<Usable<'a>>> {
    let entries: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
    let mut usable = Vec::new();
    for entry in entries {
        match usable_name(entry.get(), fields, viewer) {
            Some(name) => usable.push(Usable {
                name,
                text: entry.get(),
            }),
            None => names.leave_out(entry.get()),
        }
    }
    Some(usable)
}

/// The first of the names of an entry, if all of them may be used.
fn usable_name(entry: &str, fields: &[&str], viewer: &Viewer<'_>) -> Option<String> {
    let Entries(members) = serde_json::from_str(entry).ok()?;
    let mut first = None;
    for (_, raw) in members
        .iter()
        .filter(|(name, _)| fields.contains(&name.as_str()))
    {
        let name: String = serde_json::from_str(raw.get()).ok()?;
        ModelName::new(&name).filter(|model| (viewer.may_use)(model))?;
        first.get_or_insert(name);
    }
    first
}

fn array(entries: &[Usable<'_>], names: &Names<'_>) -> String {
    let texts: Vec<Cow<'_, str>> = entries
        .iter()
        .map(|entry| names.shown(entry.text))
        .collect();
    format!("[{}]", texts.join(","))
}

#[cfg(test)]
mod tests;

//! The upstream's list of models, cut down to what the caller may use.
//!
//! The list is taken out of the reply chunk by chunk and emitted, filtered, at its end, so Envoy never buffers it and
//! no unfiltered byte can go out: not behind a large reply, not before trailers, not when the upstream breaks off.
//! Whatever is not understood ends as an empty list.

use serde_json::value::RawValue;

use crate::config::Entries;
use crate::headers::HeaderMap;
use crate::model::ModelName;

/// Bytes of a list that are taken in. A longer one is answered as an empty list.
pub const MAX_LIST: usize = 1024 * 1024;

/// Headers by which a client could get an answer about the unfiltered list: encoded, in part, or "not modified".
pub const CONDITIONS: [&str; 5] = [
    "accept-encoding",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "range",
];

/// What the reply says of itself from now on: it is for this caller alone.
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

/// A list of models on its way through.
#[derive(Debug, Default)]
pub struct ModelList {
    taken: Vec<u8>,
    spoiled: bool,
}

impl ModelList {
    /// Takes in the next chunk, which must be deleted from the reply.
    pub fn take(&mut self, chunk: &[u8]) {
        if self.taken.len().saturating_add(chunk.len()) > MAX_LIST {
            self.spoil();
        }
        if !self.spoiled {
            self.taken.extend_from_slice(chunk);
        }
    }

    /// A chunk was lost: the list cannot be told any more.
    pub fn spoil(&mut self) {
        self.spoiled = true;
        self.taken = Vec::new();
    }

    /// The list to emit: OpenAI's or Anthropic's `data` (by `id`) and llama.cpp's additional `models` (by `name` and
    /// `model`), both in the upstream's order, each entry as it was written or not at all. An entry without a name that
    /// could be asked for is left out. `first_id` and `last_id` are made anew; any other array or object beside them
    /// could be a list of models as well and is left out. Empty for everything that is no such list.
    #[must_use]
    pub fn filtered(&self, may_use: impl Fn(&ModelName) -> bool) -> String {
        std::str::from_utf8(&self.taken)
            .ok()
            .and_then(|text| filtered(text, &may_use))
            .unwrap_or_else(|| EMPTY.to_owned())
    }
}

fn filtered(text: &str, may_use: &dyn Fn(&ModelName) -> bool) -> Option<String> {
    let Entries(members) = serde_json::from_str(text).ok()?;
    let member = |name: &str| {
        let mut found = members.iter().filter(|(other, _)| other == name);
        match (found.next(), found.next()) {
            (Some((_, raw)), None) => Some(raw.get()),
            _ => None,
        }
    };
    let data = usable(member("data")?, &["id"], may_use)?;
    let edge = |entry: Option<&Usable<'_>>| {
        entry.map_or_else(|| "null".to_owned(), |entry| format!("\"{}\"", entry.name))
    };
    let mut kept = Vec::with_capacity(members.len());
    for (name, raw) in &members {
        let value = match name.as_str() {
            "data" => array(&data),
            "models" => array(&usable(member("models")?, &["name", "model"], may_use)?),
            "first_id" => edge(data.first()),
            "last_id" => edge(data.last()),
            _ if raw.get().starts_with(['[', '{']) => continue,
            _ => raw.get().to_owned(),
        };
        kept.push(format!("{}:{value}", serde_json::to_string(name).ok()?));
    }
    Some(format!("{{{}}}", kept.join(",")))
}

/// An entry that stays.
struct Usable<'a> {
    /// A model's name, so it needs no escaping.
    name: String,
    text: &'a str,
}

/// The entries of an array whose every `field` names a model that may be used, and that have at least one.
fn usable<'a>(
    raw: &'a str,
    fields: &[&str],
    may_use: &dyn Fn(&ModelName) -> bool,
) -> Option<Vec<Usable<'a>>> {
    let entries: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
    let usable = entries.into_iter().filter_map(|entry| {
        let Entries(members) = serde_json::from_str(entry.get()).ok()?;
        let mut first = None;
        for (_, raw) in members
            .iter()
            .filter(|(name, _)| fields.contains(&name.as_str()))
        {
            let name: String = serde_json::from_str(raw.get()).ok()?;
            ModelName::new(&name).filter(|model| may_use(model))?;
            first.get_or_insert(name);
        }
        Some(Usable {
            name: first?,
            text: entry.get(),
        })
    });
    Some(usable.collect())
}

fn array(entries: &[Usable<'_>]) -> String {
    let texts: Vec<&str> = entries.iter().map(|entry| entry.text).collect();
    format!("[{}]", texts.join(","))
}

#[cfg(test)]
mod tests;

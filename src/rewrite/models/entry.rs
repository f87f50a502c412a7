//! What an entry of a list says of other models.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::Viewer;
use crate::entries::Entries;
use crate::model_name::ModelName;

/// Members whose values are names of models, without regard to letter case, `_` and `-`: the base of a LoRA adapter (vLLM,
/// `SGLang`), further names (llama.cpp), where a request goes next (`LiteLLM`), a base by Ollama's shape.
const RELATIONS: [&str; 12] = [
    "alias",
    "aliases",
    "basemodel",
    "basemodels",
    "basemodelname",
    "fallback",
    "fallbacks",
    "modelaliases",
    "parent",
    "parents",
    "parentmodel",
    "parentmodels",
];

/// Members that say of what kind an entry is, which may be a word that is some model's name as well.
const KINDS: [&str; 3] = ["object", "owned_by", "type"];

/// How deep an entry is looked into; what lies deeper is not shown.
const MAX_DEPTH: usize = 8;

/// The names that must not be seen.
pub(super) struct Names<'a> {
    viewer: &'a Viewer<'a>,
    /// In lower case: what the entries that are left out are called.
    left_out: BTreeSet<String>,
}

/// What becomes of a value.
enum Shown {
    AsWritten,
    Changed(String),
    Nothing,
}

impl<'a> Names<'a> {
    pub(super) const fn new(viewer: &'a Viewer<'a>) -> Self {
        Self {
            viewer,
            left_out: BTreeSet::new(),
        }
    }

    /// Notes what an entry is called that is left out.
    pub(super) fn leave_out(&mut self, entry: &str) {
        let Ok(Entries(members)) = serde_json::from_str(entry) else {
            return;
        };
        for (name, raw) in members {
            match name.as_str() {
                "id" | "name" | "model" => self.note(raw),
                "alias" | "aliases" => {
                    self.note(raw);
                    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
                    for item in items {
                        self.note(item);
                    }
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, raw: &RawValue) {
        if let Ok(name) = serde_json::from_str::<Cow<'_, str>>(raw.get()) {
            self.left_out.insert(name.to_ascii_lowercase());
        }
    }

    /// An entry that stays, without the names that must not be seen.
    pub(super) fn shown<'t>(&self, entry: &'t str) -> Cow<'t, str> {
        match self.value(entry, false, 0) {
            Shown::AsWritten => entry.into(),
            Shown::Changed(text) => text.into(),
            Shown::Nothing => "null".into(),
        }
    }

    fn value(&self, raw: &str, related: bool, depth: usize) -> Shown {
        match raw.as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<String>(raw) {
                Ok(text) if self.shows(&text, related) => Shown::AsWritten,
                _ => Shown::Nothing,
            },
            Some(b'[' | b'{') if depth >= MAX_DEPTH => Shown::Nothing,
            Some(b'[') => self.array(raw, related, depth),
            Some(b'{') => self.object(raw, related, depth),
            _ => Shown::AsWritten,
        }
    }

    fn array(&self, raw: &str, related: bool, depth: usize) -> Shown {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw) else {
            return Shown::Nothing;
        };
        let mut kept = Vec::with_capacity(items.len());
        let mut changed = false;
        for item in items {
            match self.value(item.get(), related, depth.saturating_add(1)) {
                Shown::AsWritten => kept.push(Cow::Borrowed(item.get())),
                Shown::Changed(text) => {
                    changed = true;
                    kept.push(text.into());
                }
                Shown::Nothing => changed = true,
            }
        }
        if changed {
            Shown::Changed(format!("[{}]", kept.join(",")))
        } else {
            Shown::AsWritten
        }
    }

    fn object(&self, raw: &str, related: bool, depth: usize) -> Shown {
        let Ok(Entries(members)) = serde_json::from_str(raw) else {
            return Shown::Nothing;
        };
        let mut kept = Vec::with_capacity(members.len());
        let mut changed = false;
        for (name, raw) in &members {
            let raw = raw.get();
            if !self.shows(name, false) {
                changed = true;
                continue;
            }
            let Ok(quoted) = serde_json::to_string(name) else {
                return Shown::Nothing;
            };
            let is_kind = KINDS.contains(&name.as_str()) && raw.starts_with('"');
            let shown = if is_kind {
                Shown::AsWritten
            } else {
                let related = related || is_relation(name);
                self.value(raw, related, depth.saturating_add(1))
            };
            kept.push(match shown {
                Shown::AsWritten => format!("{quoted}:{raw}"),
                Shown::Changed(text) => {
                    changed = true;
                    format!("{quoted}:{text}")
                }
                Shown::Nothing => {
                    changed = true;
                    format!("{quoted}:null")
                }
            });
        }
        if changed {
            Shown::Changed(format!("{{{}}}", kept.join(",")))
        } else {
            Shown::AsWritten
        }
    }

    /// Whether a text may be seen. Where names of models stand, nothing else may; elsewhere, all but the names that are
    /// known to be a model's.
    fn shows(&self, text: &str, related: bool) -> bool {
        let is_name = related
            || (self.viewer.is_known)(text)
            || self.left_out.contains(&text.to_ascii_lowercase());
        !is_name
            || text.is_empty()
            || ModelName::new(text).is_some_and(|model| (self.viewer.may_use)(&model))
    }
}

fn is_relation(name: &str) -> bool {
    let letters = name.chars().filter(|letter| !"_-".contains(*letter));
    let folded: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    RELATIONS.contains(&folded.as_str())
}

//! Other spellings of a model's name, with which a client could avoid a rule.
//!
//! Servers accept more than one spelling of the same model: Ollama any letter case, `:latest` and a registry in front;
//! LiteLLM a provider in front; OpenRouter, SGLang and Ray a tag behind; mlx-lm what the Hugging Face Hub and the file
//! system take. So with `{"*": …, "qwen-3-32b": …}` the second rule would not apply to `Qwen-3-32B` or
//! `openai/qwen-3-32b`. Therefore a name without an exact rule that a wider rule would admit must also satisfy every
//! exact rule, and every longer `prefix*`, of which it may be another spelling. This can only restrict access.
//!
//! Letters are compared as the most forgiving server compares them ([`fold`]). What stands in brackets at the end
//! (`claude-opus-4-8[1m]`, `model(high)`) is a tag: gateways read options from it. A `~` in front is no part of the name. Of
//! a list (`one,other`), which LiteLLM takes for several models, [each](parts) has to be allowed.
//!
//! Not another spelling are: two different prefixes (`azure/gpt-4o`, `openai/gpt-4o`), a tag that only the rule has
//! (`llama3.1` where the rule is for `llama3.1:8b`), dates, and whatever aliases a server has of its own.

use rustc_hash::FxHashMap;

/// A name in its parts, in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Spelling {
    /// The parts in front, from left to right: a registry, a provider, an owner.
    path: Vec<Box<str>>,
    base: Box<str>,
    /// The parts at the end: tags, an adapter, a revision. Servers' defaults are left out.
    tags: Vec<Box<str>>,
}

impl Spelling {
    /// `None` for text that cannot be a name: it has a `..`, or no base.
    fn of(name: &str) -> Option<Self> {
        let name = fold(name);
        let (name, revision) = split_revision(&name);
        let mut path = Vec::new();
        for segment in name.split(['/', '\\']) {
            match segment.trim_matches(' ').trim_start_matches('~') {
                "" | "." => {}
                ".." => return None,
                segment => path.push(segment),
            }
        }
        let mut parts = path.pop()?.split(':');
        let (base, option) = split_option(parts.next()?);
        if base.is_empty() {
            return None;
        }
        let mut tags: Vec<Box<str>> = option.into_iter().map(Into::into).collect();
        for tag in parts {
            // Ollama: `name:tag-cloud` is the tag `tag` of a model in its cloud.
            let (tag, cloud) = match tag.strip_suffix("-cloud") {
                Some(tag) => (tag, Some("cloud")),
                None => (tag, None),
            };
            let named = Some(tag).filter(|tag| !matches!(*tag, "" | "latest" | "local"));
            tags.extend(named.into_iter().chain(cloud).map(Into::into));
        }
        tags.extend(revision.map(Into::into));
        Some(Self {
            path: path.into_iter().map(Into::into).collect(),
            base: base.into(),
            tags,
        })
    }

    /// Returns true if a server may read this as the name `rule`.
    fn may_be(&self, rule: &Self) -> bool {
        let mut ends = self.path.iter().rev().zip(rule.path.iter().rev());
        self.base == rule.base
            && self.tags.starts_with(&rule.tags)
            && ends.all(|(own, other)| own == other)
    }
}

/// What stands in brackets at the end of a name, with them.
fn split_option(base: &str) -> (&str, Option<&str>) {
    let is_closed = base.ends_with([']', ')', '}']);
    let opening = base.find(['[', '(', '{']).filter(|at| is_closed && *at > 0);
    match opening.and_then(|at| base.split_at_checked(at)) {
        Some((base, option)) => (base.trim_end_matches(' '), Some(option)),
        None => (base, None),
    }
}

/// A name as a server reads it that knows no letter case: letters that are the same after a change to upper case and back
/// (Go's `EqualFold` and Python's `casefold` take `K`, the sign for kelvin, for `k`), and the full-width forms of ASCII.
fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let plain = |letter: char| match u32::from(letter) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code.saturating_sub(0xFEE0)).unwrap_or(letter),
        _ => letter,
    };
    let upper = name.chars().map(plain).flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}

/// The names in a list, as LiteLLM takes it for several models, and as other gateways write fallbacks; the one name where
/// there is no list.
pub(super) fn parts(name: &str) -> impl Iterator<Item = &str> {
    let parts = name.split([',', ';', '|', '>']);
    let parts = parts.map(|part| part.trim_matches([' ', '-']));
    parts.filter(|part| !part.is_empty())
}

/// Whether a name may be a list of names.
pub(super) fn is_list(name: &str) -> bool {
    name.contains([',', ';', '|', '>'])
}

/// A revision (`name@revision`, `name@preset/slug`) goes to the end of the name; `@cf/name` has none.
fn split_revision(name: &str) -> (&str, Option<&str>) {
    let mut marks = name.match_indices('@').map(|(at, _)| at);
    let mark = marks.find(|at| {
        let before = name.get(..*at).unwrap_or_default();
        !before.is_empty() && !before.ends_with('/')
    });
    match mark.and_then(|at| name.split_at_checked(at)) {
        Some((name, revision)) => (name, Some(revision)),
        None => (name, None),
    }
}

/// The exact names of all rules, by their base.
#[derive(Debug, Default)]
pub(super) struct Spellings(FxHashMap<Box<str>, Vec<(Spelling, Box<str>)>>);

impl Spellings {
    /// Adds the name of an exact rule.
    pub(super) fn insert(&mut self, name: &str) {
        if let Some(spelling) = Spelling::of(name) {
            let alike = self.0.entry(spelling.base.clone()).or_default();
            alike.push((spelling, name.into()));
        }
    }

    /// The names of which `name` may be another spelling. `None` if it cannot be a name.
    pub(super) fn of(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        let spelling = Spelling::of(name)?;
        let alike = self.0.get(&spelling.base).map_or(&[][..], Vec::as_slice);
        let alike = alike
            .iter()
            .filter(move |(rule, _)| spelling.may_be(rule))
            .map(|(_, name)| &**name);
        Some(alike)
    }
}

/// Returns true if a name, or the part after a `/` in it, begins with `prefix` in any letter case.
pub(super) fn begins_anywhere(name: &str, prefix: &str) -> bool {
    let (name, prefix) = (fold(name), fold(prefix));
    let plain: Vec<&str> = name
        .split(['/', '\\'])
        .map(|segment| segment.trim_start_matches([' ', '~']))
        .filter(|segment| !matches!(*segment, "" | "."))
        .collect();
    let plain = plain.join("/");
    let starts =
        std::iter::once(0).chain(plain.match_indices('/').map(|(at, _)| at.saturating_add(1)));
    let mut rests = starts.filter_map(|at| plain.get(at..));
    rests.any(|rest| rest.starts_with(&*prefix))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn may_be(rule: &str, name: &str) -> bool {
        let mut spellings = Spellings::default();
        spellings.insert(rule);
        let mut of = spellings.of(name).into_iter().flatten();
        of.next().is_some()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_server_may_take_for_the_model_of_a_rule() {
        for (rule, name) in [
            ("qwen-3-32b", "qwen-3-32b"),
            ("qwen-3-32b", "Qwen-3-32B"),
            ("Qwen/Qwen3-32B", "qwen/qwen3-32b"),
            ("qwen-3-32b", "qwen-3-32b:latest"),
            ("qwen-3-32b", "QWEN-3-32B:LATEST"),
            ("qwen-3-32b", "qwen-3-32b:local"),
            ("qwen-3-32b", "qwen-3-32b:"),
            ("qwen-3-32b:latest", "qwen-3-32b"),
            ("qwen-3-32b", "qwen-3-32b:free"),
            ("qwen-3-32b", "qwen-3-32b:adapter"),
            ("qwen-3-32b", "qwen-3-32b@main"),
            ("qwen-3-32b", "qwen-3-32b@preset/mine"),
            ("qwen-3-32b", "openai/qwen-3-32b"),
            ("qwen-3-32b", "registry.ollama.ai/library/qwen-3-32b:latest"),
            (
                "qwen-3-32b",
                "https://registry.ollama.ai/library/qwen-3-32b",
            ),
            ("qwen-3-32b", "./qwen-3-32b"),
            ("qwen-3-32b", "qwen-3-32b/"),
            ("qwen/qwen-3-32b", "qwen//qwen-3-32b"),
            ("qwen/qwen-3-32b", "openrouter/qwen/qwen-3-32b"),
            ("library/qwen-3-32b", "qwen-3-32b"),
            ("llama3.1:8b", "llama3.1:8b-cloud"),
            ("llama3.1:8b", "LLAMA3.1:8B:latest"),
            ("@cf/meta/llama", "workers/@cf/meta/llama"),
            ("claude-opus-4-8", "claude-opus-4-8[1m]"),
            ("claude-opus-4-8", "Claude-Opus-4-8 [1m]:beta"),
            ("model", "model(high)"),
            ("x/y", "~x/y"),
            ("Qwen3 32B", "qwen3 32b"),
            ("org/name", "org\\name"),
            ("qwen-3-32k", "qwen-3-32\u{212A}"),
            ("mistral", "mi\u{17F}tral"),
            ("qwen-3-32b", "\u{FF51}wen-3-32b"),
            ("modèle", "MODÈLE"),
        ] {
            assert!(may_be(rule, name), "{name} for {rule}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_another_model() {
        for (rule, name) in [
            ("qwen-3-32b", "qwen-3-8b"),
            ("qwen-3-32b", "qwen-3-32b-instruct"),
            ("qwen-3-32b", "my-qwen-3-32b"),
            ("llama3.1:8b", "llama3.1"),
            ("llama3.1:8b", "llama3.1:70b"),
            ("azure/gpt-4o", "openai/gpt-4o"),
            ("llama3:8b", "qwen:8b"),
            ("gpt-4o", "gpt-4o-2024-08-06"),
            ("qwen-3-32b", "../qwen-3-32b"),
            ("qwen-3-32b", "/"),
            ("qwen-3-32b", ":latest"),
            ("model(1)", "model"),
            ("model(1)", "model(2)"),
            ("qwen", "(qwen)"),
            ("qwen", "qwen (moe) next"),
            ("通义千问", "通义"),
            ("org/name", "..\\org\\name"),
        ] {
            assert!(!may_be(rule, name), "{name} for {rule}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_list_is_taken_apart() {
        for (name, expected) in [
            ("qwen", &["qwen"][..]),
            ("qwen,llama", &["qwen", "llama"]),
            ("qwen , llama,", &["qwen", "llama"]),
            ("a|b;c", &["a", "b", "c"]),
            ("a->b", &["a", "b"]),
            (",", &[]),
        ] {
            let found: Vec<&str> = parts(name).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_beginning_is_found_behind_what_stands_in_front() {
        for (prefix, name, expected) in [
            ("qwen-", "Qwen-3-32B", true),
            ("qwen-", "openai/qwen-3-32b", true),
            ("qwen/qwen-", "a//qwen/./QWEN-3", true),
            ("qwen-", "my-qwen-3", false),
            ("qwen-", "qwen", false),
            ("qwen-", "~openai\\\u{FF31}WEN-3", true),
            ("Qwen3 ", "qwen3 32b", true),
        ] {
            assert_eq!(begins_anywhere(name, prefix), expected, "{name}");
        }
    }
}

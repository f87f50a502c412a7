//! A request line that is in no table ▶ the one that was probably meant, for the words of its refusal.

use super::path::split_prefix;
use super::refused::why_refused;
use super::table::INFERENCE;
use crate::denial::{Code, Denial};
use crate::headers::HeaderMap;

const MODELS: &str = "/v1/models";

/// The refusal of a request line that is not available, with the one that was probably meant.
#[must_use]
pub fn refusal(code: Code, headers: &HeaderMap) -> Denial {
    let text = |name| {
        headers
            .first(name)
            .and_then(|value| std::str::from_utf8(value).ok())
            .unwrap_or_default()
    };
    if code != Code::OperationNotAllowed {
        return code.into();
    }
    let path = text(":path");
    if let Some(why) = why_refused(path) {
        return Denial::operation_not_allowed(why.to_owned());
    }
    match meant(path) {
        Some(hint) => Denial::from(code).hinting(&hint),
        None => code.into(),
    }
}

/// What is said of the line that was probably meant. It is made of our own tables alone.
fn meant(full_path: &str) -> Option<String> {
    let path = full_path
        .split_once('?')
        .map_or(full_path, |(path, _)| path);
    let path = &*path.trim_end_matches('/').to_ascii_lowercase();
    let (prefix, rest) = split_prefix(path).unwrap_or(("", path));
    let known = INFERENCE.iter().map(|(path, _)| ("POST", *path));
    let known = known.chain([("GET", MODELS)]);
    // The longest that fits: `/v1/score` before `/score`.
    let (expected, line) = known
        .filter(|(_, known)| {
            let without_version = known.strip_prefix("/v1");
            rest.ends_with(known) || without_version.is_some_and(|known| rest.ends_with(known))
        })
        .max_by_key(|(_, known)| known.len())?;
    let twice = format!("/v1{line}");
    let why = if Some(rest) == line.strip_prefix("/v1") {
        " The base URL of OpenAI's SDKs ends with `/v1`."
    } else if rest == twice {
        " `/v1` is there twice: the base URL of Anthropic's SDKs has none."
    } else {
        ""
    };
    Some(format!("Did you mean `{expected} {prefix}{line}`?{why}"))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn names_the_line_that_was_probably_meant() {
        const OPENAI: &str = " The base URL of OpenAI's SDKs ends with `/v1`.";
        const TWICE: &str = " `/v1` is there twice: the base URL of Anthropic's SDKs has none.";
        for (path, expected, why) in [
            (
                "/chat/completions",
                Some("POST /v1/chat/completions"),
                OPENAI,
            ),
            ("/embeddings?x=y", Some("POST /v1/embeddings"), OPENAI),
            ("/models", Some("GET /v1/models"), OPENAI),
            ("/v1/models/", Some("GET /v1/models"), ""),
            (
                "/openai/chat/completions",
                Some("POST /openai/v1/chat/completions"),
                OPENAI,
            ),
            ("/v1/v1/messages", Some("POST /v1/messages"), TWICE),
            (
                "/V1/Chat/Completions",
                Some("POST /v1/chat/completions"),
                "",
            ),
            (
                "/v1/chat/completions/",
                Some("POST /v1/chat/completions"),
                "",
            ),
            (
                "/api/v1/chat/completions",
                Some("POST /v1/chat/completions"),
                "",
            ),
            ("/team/model/v1/score", Some("POST /v1/score"), ""),
            (
                "/v1/chat/completions",
                Some("POST /v1/chat/completions"),
                "",
            ),
            ("/v1/models", Some("GET /v1/models"), ""),
            ("/completions", Some("POST /v1/completions"), OPENAI),
            ("/sleep", None, ""),
            ("/", None, ""),
            ("", None, ""),
            ("/metrics", None, ""),
        ] {
            let expected = expected.map(|line| format!("Did you mean `{line}`?{why}"));
            assert_eq!(meant(path), expected, "{path}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn repeats_nothing_that_the_client_sent() {
        let sent = "/sk-secret/v1/chat/completions?key=sk-other";
        let hint = meant(sent).unwrap();
        assert!(!hint.contains("sk-"), "{hint}");
    }
}

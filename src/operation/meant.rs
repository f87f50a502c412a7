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
    let meant = meant(path);
    // What is known of a path does not hold for an endpoint behind an endpoint.
    let is_doubled = meant.as_ref().is_some_and(|meant| meant.is_doubled);
    if let Some(why) = why_refused(path).filter(|_| !is_doubled) {
        return Denial::operation_not_allowed(why.to_owned());
    }
    match meant {
        Some(meant) => Denial::from(code).hinting(&meant.hint),
        None => code.into(),
    }
}

/// The line that was probably meant.
struct Meant {
    /// What is said of it. It is made of our own tables alone.
    hint: String,
    /// Whether its endpoint is there twice: once from the base URL.
    is_doubled: bool,
}

fn meant(full_path: &str) -> Option<Meant> {
    let path = full_path
        .split_once('?')
        .map_or(full_path, |(path, _)| path);
    let path = &*path.trim_end_matches('/').to_ascii_lowercase();
    let (prefix, rest) = split_prefix(path).unwrap_or(("", path));
    let known = INFERENCE.iter().map(|(path, _)| ("POST", *path));
    let known = known.chain([("GET", MODELS)]);
    // The longest that fits: `/v1/score` before `/score`.
    let (expected, line) = known
        .filter(|(_, known)| before(rest, known).next().is_some())
        .max_by_key(|(_, known)| known.len())?;
    let is_anthropic = line.starts_with("/v1/messages");
    let is_doubled = before(rest, line).any(|base| before(base, line).any(str::is_empty));
    let is_version_doubled = rest.strip_suffix(line) == Some("/v1");
    let why = if Some(rest) == line.strip_prefix("/v1") {
        " The base URL of OpenAI's SDKs ends with `/v1`."
    } else if is_doubled && is_anthropic {
        " The endpoint is there twice: the base URL of Anthropic's SDKs ends before `/v1`."
    } else if is_doubled {
        " The endpoint is there twice: the base URL ends with `/v1`."
    } else if is_version_doubled && is_anthropic {
        " `/v1` is there twice: the base URL of Anthropic's SDKs has none."
    } else if is_version_doubled {
        " `/v1` is there twice: the base URL ends with one."
    } else {
        ""
    };
    Some(Meant {
        hint: format!("Did you mean `{expected} {prefix}{line}`?{why}"),
        is_doubled,
    })
}

/// What stands before a line of the table at the end of a path, with its version and without.
fn before<'p>(path: &'p str, line: &'static str) -> impl Iterator<Item = &'p str> {
    let lines = [Some(line), line.strip_prefix("/v1")];
    lines
        .into_iter()
        .flatten()
        .filter_map(|line| path.strip_suffix(line))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn names_the_line_that_was_probably_meant() {
        const OPENAI: &str = " The base URL of OpenAI's SDKs ends with `/v1`.";
        const TWICE: &str = " `/v1` is there twice: the base URL ends with one.";
        const TWICE_ANTHROPIC: &str =
            " `/v1` is there twice: the base URL of Anthropic's SDKs has none.";
        const ENDPOINT: &str = " The endpoint is there twice: the base URL ends with `/v1`.";
        const ENDPOINT_ANTHROPIC: &str =
            " The endpoint is there twice: the base URL of Anthropic's SDKs ends before `/v1`.";
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
            (
                "/v1/v1/messages",
                Some("POST /v1/messages"),
                TWICE_ANTHROPIC,
            ),
            (
                "/v1/v1/chat/completions",
                Some("POST /v1/chat/completions"),
                TWICE,
            ),
            (
                "/v1/chat/completions/chat/completions",
                Some("POST /v1/chat/completions"),
                ENDPOINT,
            ),
            (
                "/openai/v1/responses/responses",
                Some("POST /openai/v1/responses"),
                ENDPOINT,
            ),
            (
                "/v1/messages/v1/messages?beta=true",
                Some("POST /v1/messages"),
                ENDPOINT_ANTHROPIC,
            ),
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
            assert_eq!(meant(path).map(|meant| meant.hint), expected, "{path}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_endpoint_in_the_base_url_is_not_taken_for_something_stored() {
        for (path, expected) in [
            (
                "/v1/responses/responses",
                "This method and path are not available to you. Did you mean `POST /v1/responses`? The endpoint is there twice: the base URL ends with `/v1`.",
            ),
            (
                "/v1/chat/completions/chatcmpl-1",
                "Stored responses and conversations are not available here: the server does not know whose they are, so whoever knows an id could read, cancel or delete them.",
            ),
        ] {
            let request = crate::fixtures::request("POST", path, &[]);
            let denial = refusal(Code::OperationNotAllowed, &request);
            let body = denial.body(crate::denial::Dialect::OpenAi, None);
            assert!(body.contains(expected), "{path}: {body}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn repeats_nothing_that_the_client_sent() {
        let sent = "/sk-secret/v1/chat/completions?key=sk-other";
        let hint = meant(sent).unwrap().hint;
        assert!(!hint.contains("sk-"), "{hint}");
    }
}

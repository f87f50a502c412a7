//! Why a path that clients ask for is not in the table, as far as that can be told.

use super::path::split_prefix;
use super::table::INFERENCE;

/// A family of paths that is refused: how they begin, and why.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// The beginnings of the paths.
    pub paths: &'static [&'static str],
    /// What clients are told, and the reference says.
    pub reason: &'static str,
}

/// What OpenAI's clients know and nobody could be held to a rule for.
pub const REFUSED: [Refused; 5] = [
    Refused {
        paths: &[
            "/v1/responses/",
            "/v1/chat/completions/",
            "/v1/conversations",
        ],
        reason: "Stored responses and conversations are not available here: the server does not know whose they are, so whoever knows an id could read, cancel or delete them.",
    },
    Refused {
        paths: &["/v1/files", "/v1/uploads", "/v1/batches"],
        reason: "Files and batches are not available here: a batch names its models in a file, where they cannot be judged, and the server does not know whose a file is.",
    },
    Refused {
        paths: &[
            "/v1/assistants",
            "/v1/threads",
            "/v1/vector_stores",
            "/v1/containers",
            "/v1/skills",
        ],
        reason: "Stored assistants, threads, vector stores and containers are not available here: the server does not know whose they are, and they name models that cannot be judged.",
    },
    Refused {
        paths: &["/v1/fine_tuning", "/v1/evals", "/v1/videos"],
        reason: "Jobs that go on after their request are not available here: their tokens cannot be counted, and the server does not know whose they are.",
    },
    Refused {
        paths: &["/v1/realtime"],
        reason: "The realtime API is not available here: what passes through it cannot be judged or counted.",
    },
];

/// What to tell the client of a path that is refused; `None` where nothing is known of it.
#[must_use]
pub fn why_refused(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap_or_default();
    let path = split_prefix(path).map_or(path, |(_, rest)| rest);
    let path = path.trim_end_matches('/');
    if INFERENCE.iter().any(|(known, _)| *known == path) {
        return None;
    }
    let begins = |beginning: &&str| {
        let beginning = beginning.strip_suffix('/').unwrap_or(beginning);
        let rest = path.strip_prefix(beginning);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut families = REFUSED.iter();
    let family = families.find(|family| family.paths.iter().any(begins));
    family.map(|family| family.reason)
}

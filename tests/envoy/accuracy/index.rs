//! The recordings to replay, as their index tells them. Nothing is known of a recording but what stands there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Statuses that forbid a body.
const WITHOUT_BODY: [u16; 2] = [204, 304];

/// One line of `INDEX.jsonl`, and the bytes it names. Members that are not here are of no use for a replay.
#[derive(Debug, Deserialize)]
pub(super) struct Recording {
    /// The path of the body, from the folder of the index; the recording's name.
    pub(super) file: String,
    /// What was asked; `None` for a reply that is not from a server.
    pub(super) endpoint: Option<String>,
    #[serde(default)]
    pub(super) streamed: Option<bool>,
    #[serde(default = "ok")]
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    /// `chunked`, `content-length` or `close`.
    pub(super) transfer: Option<String>,
    #[serde(default = "yes")]
    pub(super) complete: bool,
    #[serde(default)]
    pub(super) client_aborted: bool,
    body_bytes: Option<usize>,
    /// What was spent; `None` where nobody knows.
    pub(super) truth: Option<Tokens>,
    /// What the body tells; `None` where it tells nothing, or where the index does not say.
    pub(super) wire: Option<Tokens>,
    usage_last: Option<Value>,
    /// Further members of the request.
    #[serde(default)]
    pub(super) request: Map<String, Value>,
    /// The path of what a client gets that does not ask for usage; then the replay does not. Else it does, in every stream.
    client_sees: Option<String>,
    #[serde(skip)]
    pub(super) seen: Option<Vec<u8>>,
    /// Whether the index says that the body tells nothing.
    #[serde(skip)]
    pub(super) tells_nothing: bool,
    #[serde(skip)]
    pub(super) body: Vec<u8>,
}

/// Numbers of tokens, inclusive: `cached` is a part of `prompt`, `reasoning` of `completion`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Tokens {
    /// The shape of the reply, where this is what a reply tells.
    pub(super) api: Option<String>,
    pub(super) prompt: Option<u64>,
    pub(super) completion: Option<u64>,
    pub(super) cached: Option<u64>,
    pub(super) reasoning: Option<u64>,
}

const fn ok() -> u16 {
    200
}

const fn yes() -> bool {
    true
}

/// All recordings that can be replayed, and what is wrong with each of the others.
pub(super) fn load(folder: &Path) -> (Vec<Recording>, Vec<String>) {
    let index = folder.join("INDEX.jsonl");
    let lines = match fs::read_to_string(&index) {
        Ok(lines) => lines,
        Err(error) => return (Vec::new(), vec![format!("{}: {error}", index.display())]),
    };
    let (mut recordings, mut faults) = (Vec::new(), Vec::new());
    let mut files = BTreeSet::new();
    for (number, line) in lines.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match read(folder, line) {
            Ok(recording) if !files.insert(recording.file.clone()) => {
                faults.push(format!("line {}: {}: again", number + 1, recording.file));
            }
            Ok(recording) => recordings.push(recording),
            Err(fault) => faults.push(format!("line {}: {fault}", number + 1)),
        }
    }
    if recordings.is_empty() {
        faults.push(format!("{}: no recording", index.display()));
    }
    faults.extend(forgotten(folder, &recordings, &lines));
    (recordings, faults)
}

/// Files beside recordings that look like one, and that the index does not name in any of its members.
fn forgotten(folder: &Path, recordings: &[Recording], lines: &str) -> Vec<String> {
    let extension = |file: &str| Path::new(file).extension().map(OsStr::to_owned);
    let extensions: BTreeSet<_> = recordings
        .iter()
        .filter_map(|recording| extension(&recording.file))
        .collect();
    let folders: BTreeSet<_> = recordings
        .iter()
        .filter_map(|recording| Path::new(&recording.file).parent())
        .collect();
    let mut forgotten = Vec::new();
    for parent in folders {
        for entry in fs::read_dir(folder.join(parent)).unwrap() {
            let file = parent.join(entry.unwrap().file_name());
            let file = file.to_string_lossy();
            let alike = extension(&file).is_some_and(|it| extensions.contains(&it));
            if alike && !lines.contains(&json!(file).to_string()) {
                forgotten.push(format!("{file}: not in the index"));
            }
        }
    }
    forgotten.sort();
    forgotten
}

fn read(folder: &Path, line: &str) -> Result<Recording, String> {
    let mut line: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let file = line["file"].as_str().unwrap_or("no file").to_owned();
    let in_file = |fault: String| format!("{file}: {fault}");
    let tells_nothing = line.get("wire").is_some_and(Value::is_null);
    // In all other members, null is as good as absent.
    if let Some(members) = line.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    let mut recording =
        Recording::deserialize(&line).map_err(|error| in_file(error.to_string()))?;
    recording.tells_nothing = tells_nothing;
    let body = fs::read(folder.join(&file));
    recording.body = body.map_err(|error| in_file(error.to_string()))?;
    if let Some(seen) = &recording.client_sees {
        let seen = fs::read(folder.join(seen)).map_err(|error| in_file(format!("{seen}: {error}")));
        recording.seen = Some(seen?);
    }
    recording.check().map_err(in_file)?;
    Ok(recording)
}

impl Recording {
    fn check(&self) -> Result<(), String> {
        let length = self.body.len();
        if self.body_bytes.is_some_and(|bytes| bytes != length) {
            return Err(format!(
                "{length} bytes, not {} as in the index",
                self.body_bytes.unwrap_or_default()
            ));
        }
        if !(200..600).contains(&self.status) {
            return Err(format!("status {} ends no reply", self.status));
        }
        if WITHOUT_BODY.contains(&self.status) && length > 0 {
            return Err(format!("status {} with a body", self.status));
        }
        if let Some(other) = self.transfer.as_deref()
            && !["chunked", "content-length", "close"].contains(&other)
        {
            return Err(format!("cannot be sent with the transfer {other:?}"));
        }
        for value in [&self.content_type, &self.content_encoding] {
            let printable = |text: &String| text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
            if value.as_ref().is_some_and(|text| !printable(text)) {
                return Err(format!("{value:?} is no value of a header"));
            }
        }
        if let Some(endpoint) = &self.endpoint
            && !is_target(endpoint)
        {
            return Err(format!("{endpoint:?} is no path that can be asked for"));
        }
        Ok(())
    }

    /// Whether the head says that there is no body.
    pub(super) fn forbids_body(&self) -> bool {
        WITHOUT_BODY.contains(&self.status)
    }

    /// Whether the body tells this count of reasoning tokens.
    pub(super) fn tells_reasoning(&self) -> bool {
        let told = self.wire.as_ref().and_then(|wire| wire.reasoning);
        told.is_some() || self.usage_last.as_ref().is_some_and(has_reasoning)
    }

    /// What to ask for. A reply that is not from a server is one to the endpoint whose shape it has.
    pub(super) fn target(&self) -> &str {
        if let Some(endpoint) = &self.endpoint {
            return endpoint;
        }
        let api = self.wire.as_ref().and_then(|wire| wire.api.as_deref());
        match api {
            Some("anthropic") => "/v1/messages",
            Some("responses") => "/v1/responses",
            Some("embeddings") => "/v1/embeddings",
            Some("rerank") => "/v1/rerank",
            _ => "/v1/chat/completions",
        }
    }

    /// The path of the target, without its query.
    pub(super) fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// Whether this is about the list of models, or one of them: the one thing that inference servers are asked with GET
    /// at a path of their API.
    pub(super) fn asks_for_models(&self) -> bool {
        self.path().ends_with("/v1/models") || self.path().contains("/v1/models/")
    }

    /// Whether the reply is a list that the filter cuts down to what the caller may use.
    pub(super) fn is_list_of_models(&self) -> bool {
        self.path().ends_with("/v1/models") && (200..300).contains(&self.status)
    }
}

/// Whether a path with or without a query can be written into a request line and into `extraPaths`.
fn is_target(target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"%\\;#".contains(&byte);
    let segments: Vec<&str> = path.split('/').collect();
    let empty = segments.iter().filter(|segment| segment.is_empty()).count();
    // The one before the first slash, and the one behind the last.
    let expected = 1 + usize::from(path.ends_with('/'));
    path.starts_with('/')
        && path.bytes().all(plain)
        && query
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && empty == expected
        && !segments.iter().any(|segment| [".", ".."].contains(segment))
}

fn has_reasoning(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| {
            (name == "reasoning_tokens" && value.is_u64()) || has_reasoning(value)
        }),
        _ => false,
    }
}

//! Method and path ▶ what the request wants to do, from a closed table, or a refusal.
//!
//! Authenticated is not authorised: inference servers serve `/sleep`, `/collective_rpc` or `/v1/load_lora_adapter` on
//! the same port. What is not in the table is refused unless the operator listed it.
//!
//! Paths are matched raw. A path that two readers could take for two different ones (percent-encoding, dot segments,
//! empty segments, `\`, `;`) is refused before it is looked up.

use crate::denial::{Code, Dialect};
use crate::headers::HeaderMap;
use crate::meter;
use crate::policy::Policy;

/// What a request may ask an inference server for, as the `operation` label says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "command", derive(clap::ValueEnum))]
pub enum Operation {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI text completions.
    Completions,
    /// OpenAI responses.
    Responses,
    /// Anthropic messages.
    Messages,
    /// Anthropic token counting; generates nothing.
    CountTokens,
    /// Embeddings.
    Embeddings,
    /// Rerank.
    Rerank,
    /// Score.
    Score,
    /// Pooling of hidden states, as vLLM serves it.
    Pooling,
    /// Classification.
    Classify,
    /// OpenAI images from text.
    GenerateImages,
    /// OpenAI images from images and text.
    EditImages,
    /// OpenAI images from one image.
    VaryImage,
    /// OpenAI speech from text.
    Speech,
    /// OpenAI text from speech.
    Transcribe,
    /// OpenAI text from speech, in English.
    Translate,
    /// The list of models.
    ListModels,
    /// One model of the list.
    ShowModel,
    /// A path from `extraPaths`.
    Extra,
    /// A path from `publicPaths`.
    Public,
    /// A CORS preflight.
    Preflight,
}

impl Operation {
    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
            Self::Score => "score",
            Self::Pooling => "pooling",
            Self::Classify => "classify",
            Self::GenerateImages => "generate_images",
            Self::EditImages => "edit_images",
            Self::VaryImage => "vary_image",
            Self::Speech => "speech",
            Self::Transcribe => "transcribe",
            Self::Translate => "translate",
            Self::ListModels => "list_models",
            Self::ShowModel => "show_model",
            Self::Extra => "extra",
            Self::Public => "public",
            Self::Preflight => "preflight",
        }
    }

    /// Whether anybody is asked who they are.
    #[must_use]
    pub const fn needs_identity(self) -> bool {
        !matches!(self, Self::Public | Self::Preflight)
    }

    /// What its reply is metered as.
    #[must_use]
    pub const fn metered(self) -> meter::Operation {
        match self {
            Self::Chat | Self::Completions | Self::Responses | Self::Messages => {
                meter::Operation::Generate
            }
            Self::Embeddings | Self::Rerank | Self::Score | Self::Pooling | Self::Classify => {
                meter::Operation::Embed
            }
            Self::GenerateImages
            | Self::EditImages
            | Self::VaryImage
            | Self::Speech
            | Self::Transcribe
            | Self::Translate => meter::Operation::Media,
            Self::CountTokens
            | Self::ListModels
            | Self::ShowModel
            | Self::Extra
            | Self::Public
            | Self::Preflight => meter::Operation::Other,
        }
    }

    /// Whether the body must name a model, which is then judged.
    #[must_use]
    pub const fn names_model(self) -> bool {
        self.model_in().is_some()
    }

    /// What the body that must name a model is written in; `None` where no model is named there.
    #[must_use]
    pub const fn model_in(self) -> Option<ModelIn> {
        match self {
            Self::Chat
            | Self::Completions
            | Self::Responses
            | Self::Messages
            | Self::CountTokens
            | Self::Embeddings
            | Self::Rerank
            | Self::Score
            | Self::Pooling
            | Self::Classify
            | Self::GenerateImages
            | Self::Speech => Some(ModelIn::Json),
            Self::EditImages | Self::VaryImage | Self::Transcribe | Self::Translate => {
                Some(ModelIn::Form)
            }
            Self::ListModels | Self::ShowModel | Self::Extra | Self::Public | Self::Preflight => {
                None
            }
        }
    }
}

/// What a body is written in. Fixed by the path alone: were it the content type's to say, a body could be JSON here and a
/// form to a server that goes by the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelIn {
    /// The member `model` of a JSON object.
    Json,
    /// The field `model` of a `multipart/form-data` form.
    Form,
}

/// Path suffixes of the inference APIs that vLLM, SGLang, llama.cpp and TGI serve, all asked with `POST`: those whose
/// body names the model that is to work. Native routes that name none (`/generate`, `/completion`, `/infill`) serve
/// whatever model runs there, so no rule for a model could be held against them; an operator may list them in
/// `extraPaths`.
pub(crate) const INFERENCE: [(&str, Operation); 26] = [
    ("/v1/chat/completions", Operation::Chat),
    ("/v1/completions", Operation::Completions),
    ("/v1/responses", Operation::Responses),
    ("/v1/messages", Operation::Messages),
    ("/v1/messages/count_tokens", Operation::CountTokens),
    ("/v1/chat/completions/input_tokens", Operation::CountTokens),
    ("/v1/responses/input_tokens", Operation::CountTokens),
    ("/v1/embeddings", Operation::Embeddings),
    ("/v1/embed", Operation::Embeddings),
    ("/v2/embed", Operation::Embeddings),
    ("/v1/rerank", Operation::Rerank),
    ("/v2/rerank", Operation::Rerank),
    ("/rerank", Operation::Rerank),
    ("/v1/reranking", Operation::Rerank),
    ("/reranking", Operation::Rerank),
    ("/v1/score", Operation::Score),
    ("/score", Operation::Score),
    ("/pooling", Operation::Pooling),
    ("/v1/classify", Operation::Classify),
    ("/classify", Operation::Classify),
    ("/v1/images/generations", Operation::GenerateImages),
    ("/v1/images/edits", Operation::EditImages),
    ("/v1/images/variations", Operation::VaryImage),
    ("/v1/audio/speech", Operation::Speech),
    ("/v1/audio/transcriptions", Operation::Transcribe),
    ("/v1/audio/translations", Operation::Translate),
];

/// Prefixes under which gateways serve the same APIs.
pub(crate) const PREFIXES: [&str; 3] = ["/openai", "/anthropic", "/cohere"];

/// An exact method and path from the configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct PathRule {
    /// The method in upper case.
    pub method: Box<str>,
    /// The exact path.
    pub path: Box<str>,
    /// Whether a body may follow. It is not read.
    pub takes_body: bool,
}

impl PathRule {
    /// Whether the request line is this one.
    #[must_use]
    pub fn matches(&self, method: &str, path: &str) -> bool {
        *self.method == *method && *self.path == *path
    }
}

/// A request line that was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// What is asked for.
    pub operation: Operation,
    /// The method.
    pub method: &'a str,
    /// The path without its query.
    pub path: &'a str,
    /// The model that the path names ([`Operation::ShowModel`] only).
    pub model: Option<&'a str>,
    /// Whether the configuration lets an unread body follow ([`Operation::Public`] and [`Operation::Extra`] only).
    pub takes_body: bool,
}

/// Finds the operation of a request. `has_body` says whether bytes follow the headers. Configured public paths come
/// first, then the table, then `extraPaths`.
///
/// # Errors
/// [`Code::MalformedPath`] for a path that cannot be read in one way only, [`Code::OperationNotAllowed`] for everything
/// that is not in the table, upgrades and `CONNECT` included.
pub fn target<'a>(
    headers: &'a HeaderMap,
    has_body: bool,
    policy: &Policy,
) -> Result<Target<'a>, Code> {
    let text = |name| {
        headers
            .first(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    };
    let method = text(":method").ok_or(Code::OperationNotAllowed)?;
    let full_path = text(":path").ok_or(Code::MalformedPath)?;
    if method == "CONNECT" || headers.first("upgrade").is_some() {
        return Err(Code::OperationNotAllowed);
    }
    let path = full_path
        .split_once('?')
        .map_or(full_path, |(path, _)| path);
    if !has_body && is_preflight(method, headers) {
        return Ok(Target {
            operation: Operation::Preflight,
            method,
            path,
            model: None,
            takes_body: false,
        });
    }
    if !is_plain_path(path.as_bytes()) {
        return Err(Code::MalformedPath);
    }
    let found = |operation, model| Target {
        operation,
        method,
        path,
        model,
        takes_body: false,
    };
    let configured = |operation, rule: &PathRule| Target {
        takes_body: rule.takes_body,
        ..found(operation, None)
    };
    let mut public = policy.public_paths.iter();
    if let Some(rule) = public.find(|rule| rule.matches(method, path)) {
        return Ok(configured(Operation::Public, rule));
    }
    let suffix = without_prefix(path);
    match method {
        "POST" => {
            if let Some((_, operation)) = INFERENCE.iter().find(|(known, _)| *known == suffix) {
                return Ok(found(*operation, None));
            }
        }
        "GET" | "HEAD" => match suffix.strip_prefix("/v1/models") {
            Some("") => return Ok(found(Operation::ListModels, None)),
            Some(rest) => {
                if let Some(model) = rest.strip_prefix('/') {
                    return Ok(found(Operation::ShowModel, Some(model)));
                }
            }
            None => {}
        },
        _ => {}
    }
    let mut extra = policy.extra_paths.iter();
    match extra.find(|extra| extra.rule.matches(method, path)) {
        Some(extra) => Ok(configured(Operation::Extra, &extra.rule)),
        None => Err(Code::OperationNotAllowed),
    }
}

/// Which error shape the client of this path expects: Anthropic's SDK talks to `…/v1/messages`.
#[must_use]
pub fn dialect(headers: &HeaderMap) -> Dialect {
    let path = headers.first(":path").unwrap_or_default();
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    if path.ends_with(b"/v1/messages") || path.ends_with(b"/v1/messages/count_tokens") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    }
}

/// Whether every server reads this path alike: it starts with `/` and has no percent-encoding, `\`, `;`, `#`, control
/// byte, empty segment or dot segment.
#[must_use]
pub fn is_plain_path(path: &[u8]) -> bool {
    let Some(segments) = path.strip_prefix(b"/") else {
        return false;
    };
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"%\\;#?".contains(byte);
    if !segments.iter().all(plain) {
        return false;
    }
    let mut segments = segments.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        // The root path and one trailing slash are the only empty segments that every server reads alike.
        if matches!(segment, b"." | b"..") || (segment.is_empty() && !last) {
            return false;
        }
    }
    true
}

/// A CORS preflight as the Fetch standard defines it (section 4.8). It carries no credential, so nobody can be asked for
/// one; and without a body no inference server does work for it, whatever its path.
fn is_preflight(method: &str, headers: &HeaderMap) -> bool {
    method == "OPTIONS"
        && headers.first("origin").is_some()
        && headers.first("access-control-request-method").is_some()
}

fn without_prefix(path: &str) -> &str {
    PREFIXES
        .iter()
        .find_map(|prefix| {
            path.strip_prefix(prefix)
                .filter(|rest| rest.starts_with('/'))
        })
        .unwrap_or(path)
}

#[cfg(test)]
mod tests;

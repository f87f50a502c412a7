//! Method and path ▶ the requested operation, from a closed table, or a refusal.
//!
//! A valid key is not enough: inference servers serve `/sleep`, `/collective_rpc` or `/v1/load_lora_adapter` on the
//! same port. A path outside the table is refused unless the operator listed it.
//!
//! Paths are matched raw. A path that two readers could interpret differently (percent-encoding, dot segments, empty
//! segments, `\`, `;`) is refused before it is looked up.

mod meant;
mod table;

pub use self::meant::refusal;
pub(crate) use self::table::{INFERENCE, PREFIXES};
pub use self::table::{ModelIn, Operation};
use crate::denial::{Code, Dialect};
use crate::headers::HeaderMap;
use crate::tenant::GroupSet;

/// An exact method and path from the configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct PathRule {
    /// The method in upper case.
    pub method: Box<str>,
    /// The exact path.
    pub path: Box<str>,
    /// True if a body may follow. It is not read.
    pub takes_body: bool,
}

impl PathRule {
    /// Returns true if the request line matches.
    #[must_use]
    pub fn matches(&self, method: &str, path: &str) -> bool {
        *self.method == *method && *self.path == *path
    }
}

/// A path outside the table of operations.
#[derive(Debug)]
pub struct ExtraPath {
    /// The exact method and path.
    pub rule: PathRule,
    /// The groups whose members may use it.
    pub groups: GroupSet,
}

/// The paths of the configuration.
#[derive(Debug, Default)]
pub struct Paths {
    /// Paths that need no identity.
    pub public: Vec<PathRule>,
    /// Paths outside the table of operations, for members of certain groups.
    pub extra: Vec<ExtraPath>,
}

/// A recognised request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The requested operation.
    pub operation: Operation,
    /// The model in the path ([`Operation::ShowModel`] only).
    pub model: Option<&'a str>,
    /// The groups whose members may use the path ([`Operation::Extra`] only).
    pub groups: Option<&'a GroupSet>,
    /// True if the configuration allows an unread body ([`Operation::Public`] and [`Operation::Extra`] only).
    pub takes_body: bool,
}

/// Finds the operation of a request. `has_body` is true if bytes follow the headers. Configured public paths come
/// first, then the table, then `extraPaths`.
///
/// # Errors
/// [`Code::MalformedPath`] for a path that cannot be read in one way only, [`Code::WebSocketNotAllowed`],
/// [`Code::OperationNotAllowed`] for everything that is not in the table, other upgrades and `CONNECT` included.
pub fn target<'a>(
    headers: &'a HeaderMap,
    has_body: bool,
    paths: &'a Paths,
) -> Result<Target<'a>, Code> {
    let text = |name| {
        headers
            .first(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    };
    let method = text(":method").ok_or(Code::OperationNotAllowed)?;
    let full_path = text(":path").ok_or(Code::MalformedPath)?;
    if let Some(protocol) = headers.first("upgrade") {
        return Err(if protocol.eq_ignore_ascii_case(b"websocket") {
            Code::WebSocketNotAllowed
        } else {
            Code::OperationNotAllowed
        });
    }
    if method == "CONNECT" {
        return Err(Code::OperationNotAllowed);
    }
    let path = full_path
        .split_once('?')
        .map_or(full_path, |(path, _)| path);
    if !has_body && is_preflight(method, headers) {
        return Ok(Target {
            operation: Operation::Preflight,
            model: None,
            groups: None,
            takes_body: false,
        });
    }
    if !is_plain_path(path.as_bytes()) {
        return Err(Code::MalformedPath);
    }
    let found = |operation, model| Target {
        operation,
        model,
        groups: None,
        takes_body: false,
    };
    let configured = |operation, rule: &PathRule| Target {
        takes_body: rule.takes_body,
        ..found(operation, None)
    };
    let mut public = paths.public.iter();
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
    let mut extra = paths.extra.iter();
    match extra.find(|extra| extra.rule.matches(method, path)) {
        Some(extra) => Ok(Target {
            groups: Some(&extra.groups),
            ..configured(Operation::Extra, &extra.rule)
        }),
        None => Err(Code::OperationNotAllowed),
    }
}

/// The error shape that the client of this path expects. Anthropic's SDK uses `…/v1/messages`.
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

/// Returns true if every server reads this path alike: it starts with `/` and has no percent-encoding, `\`, `;`, `#`,
/// control byte, empty segment or dot segment.
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

/// A CORS preflight as the Fetch standard defines it (section 4.8). It has no credential by definition, so none can be
/// required. Without a body no inference server does work for it, whatever its path.
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

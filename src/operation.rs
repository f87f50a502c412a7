//! Method and path ▶ the requested operation, from a closed table, or a refusal.
//!
//! A valid key is not enough: inference servers serve `/sleep`, `/collective_rpc` or `/v1/load_lora_adapter` on the
//! same port. A path outside the table is refused unless the operator listed it.
//!
//! Paths are matched raw. A path that two readers could take for two different ones (percent-encoding, dot segments,
//! empty segments, `\`, `;`) is refused; only a model in a path may be percent-encoded, and is judged as it is decoded.

mod meant;
mod path;
mod refused;
#[cfg(feature = "command")]
mod routes;
mod table;

use std::borrow::Cow;

pub use self::meant::refusal;
pub use self::path::{PathPrefix, is_plain_path};
use self::path::{decoded_model, split_prefix};
pub use self::refused::{REFUSED, why_refused};
#[cfg(feature = "command")]
pub use self::routes::{Fate, ROUTES, Why, is_in_table, is_unjudged_inference};
#[cfg(all(test, feature = "command"))]
pub(crate) use self::table::PREFIXES;
pub(crate) use self::table::{AMBIGUOUS, DEPLOYED, DEPLOYMENTS, INFERENCE};
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
    /// What may stand in front of the paths of the table, beside the built-in ones.
    pub prefixes: Vec<PathPrefix>,
    /// Which paths of the table are served without their `/v1` as well.
    pub without_version: WithoutVersion,
}

/// Which paths of the table are served without their `/v1` as well, for clients whose base URL lacks it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum WithoutVersion {
    /// Those that no server serves as something else.
    #[default]
    Unambiguous,
    /// All of them.
    All,
    /// None.
    None,
}

impl WithoutVersion {
    fn takes(self, path: &str) -> bool {
        match self {
            Self::Unambiguous => !AMBIGUOUS.iter().any(|(ambiguous, _)| *ambiguous == path),
            Self::All => true,
            Self::None => false,
        }
    }
}

/// A request line that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// The requested operation.
    pub operation: Operation,
    /// The model that the path names, decoded: that of [`Operation::ShowModel`], and of the deployments of Azure `OpenAI`.
    pub model: Option<Cow<'a, str>>,
    /// Who may use the path ([`Operation::Extra`] only).
    pub groups: Option<&'a GroupSet>,
    /// True if the configuration allows an unread body ([`Operation::Public`] and [`Operation::Extra`] only).
    pub takes_body: bool,
}

/// Finds the operation of a request. `has_body` says whether bytes follow the headers. Configured public paths come
/// first, then the table, then `extraPaths`; those come before an operation that [may be one](Operation::may_be_extra).
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
    let is_plain = is_plain_path(path.as_bytes());
    let listed = look_up(method, path, paths);
    if !is_plain {
        // Only a model may be escaped, and only where a path names one.
        let (operation, written) = listed
            .and_then(|listed| Some((listed.operation, listed.model?)))
            .ok_or(Code::MalformedPath)?;
        let around = path.replacen(written, "m", 1);
        let model = decoded_model(written).filter(|_| is_plain_path(around.as_bytes()));
        return Ok(found(operation, Some(model.ok_or(Code::MalformedPath)?)));
    }
    let mut public = paths.public.iter();
    if let Some(rule) = public.find(|rule| rule.matches(method, path)) {
        return Ok(configured(Operation::Public, rule));
    }
    let listed = listed.map(|listed| found(listed.operation, listed.model.map(Cow::Borrowed)));
    match listed {
        Some(target) if !target.operation.may_be_extra() => return Ok(target),
        _ => {}
    }
    let mut extra = paths.extra.iter();
    let extra = extra.find(|extra| extra.rule.matches(method, path));
    let extra = extra.map(|extra| Target {
        groups: Some(&extra.groups),
        ..configured(Operation::Extra, &extra.rule)
    });
    extra.or(listed).ok_or(Code::OperationNotAllowed)
}

/// The error shape that the client of this path expects. Anthropic's SDK uses `…/v1/messages`.
#[must_use]
pub fn dialect(headers: &HeaderMap) -> Dialect {
    let path = headers.first(":path").unwrap_or_default();
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = path.strip_suffix(b"/count_tokens").unwrap_or(path);
    if path.ends_with(b"/v1/messages") || matches!(path, b"/messages" | b"/anthropic/messages") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    }
}

/// A CORS preflight as the Fetch standard defines it (section 4.8). It carries no credential, so nobody can be asked for
/// one; and without a body no inference server does work for it, whatever its path.
fn is_preflight(method: &str, headers: &HeaderMap) -> bool {
    method == "OPTIONS"
        && headers.first("origin").is_some()
        && headers.first("access-control-request-method").is_some()
}

/// Where a path leads in the table.
struct Found<'p> {
    operation: Operation,
    /// The model as the path has it, where it names one.
    model: Option<&'p str>,
}

/// Looks a path up in the table: as it is, under the prefixes of gateways, and under those of the configuration.
fn look_up<'p>(method: &str, path: &'p str, paths: &Paths) -> Option<Found<'p>> {
    if let Some(found) = look_up_bare(method, path, paths) {
        return Some(found);
    }
    let prefixes = paths.prefixes.iter();
    prefixes
        .filter_map(|prefix| prefix.strip(path))
        .find_map(|rest| look_up_bare(method, rest, paths))
}

/// The same without the prefixes of the configuration.
fn look_up_bare<'p>(method: &str, path: &'p str, paths: &Paths) -> Option<Found<'p>> {
    if let Some(found) = look_up_suffix(method, path, paths.without_version) {
        return Some(found);
    }
    if let Some(deployment) = path.strip_prefix(DEPLOYMENTS).filter(|_| method == "POST") {
        let (model, rest) = deployment.split_at_checked(deployment.find('/')?)?;
        let is_served = !model.is_empty() && DEPLOYED.contains(&rest);
        let operation = is_served.then(|| versioned(rest)).flatten()?;
        let model = Some(model);
        return Some(Found { operation, model });
    }
    let (_, rest) = split_prefix(path)?;
    look_up_suffix(method, rest, paths.without_version)
}

fn look_up_suffix<'p>(
    method: &str,
    suffix: &'p str,
    without_version: WithoutVersion,
) -> Option<Found<'p>> {
    let found = |operation, model| Some(Found { operation, model });
    match method {
        "POST" => {
            let mut listed = INFERENCE.iter();
            if let Some((_, operation)) = listed.find(|(known, _)| *known == suffix) {
                return found(*operation, None);
            }
            let operation = versioned(suffix).filter(|_| without_version.takes(suffix))?;
            found(operation, None)
        }
        "GET" | "HEAD" => {
            let rest = match suffix.strip_prefix("/v1/models") {
                Some(rest) => rest,
                None => {
                    let rest = suffix.strip_prefix("/models")?;
                    if !without_version.takes(if rest.is_empty() { suffix } else { "/models/" }) {
                        return None;
                    }
                    rest
                }
            };
            match rest.strip_prefix('/') {
                Some(model) => found(Operation::ShowModel, Some(model)),
                None if rest.is_empty() => found(Operation::ListModels, None),
                None => None,
            }
        }
        _ => None,
    }
}

/// The operation of a path that is written without its `/v1`.
fn versioned(path: &str) -> Option<Operation> {
    let mut listed = INFERENCE.iter();
    let is = |known: &&(&str, Operation)| known.0.strip_prefix("/v1") == Some(path);
    listed.find(is).map(|(_, operation)| *operation)
}

#[cfg(test)]
mod tests;

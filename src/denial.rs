//! Refusals: the status, the stable code and a body that the OpenAI and Anthropic SDKs turn into the right exception.
//!
//! A code is an interface: dashboards, alerts and clients match on it, so a code is never renamed. A policy only
//! answers 4xx: SDKs retry 408, 409, 429 and 5xx, and a retry cannot change a policy. A denial never contains what the
//! client sent, except a model name that has passed the character check.

mod code;
mod forged;
mod over_limit;

use std::borrow::Cow;

use serde::Serialize;

pub use self::code::Code;
pub use self::forged::forged;
pub use self::over_limit::OverLimit;
use crate::headers::HeaderMap;
use crate::model_name::ModelName;

const LISTED: &str = "`GET /v1/models` lists those that you may use.";
const GROUPS_LEFT_OUT: &str = "Your token leaves out its groups, because you are in too many of them, so none counts; tell your operator.";

/// Which API's error shape the client expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI: `error.message`, `error.type`, `error.param`, `error.code`.
    OpenAi,
    /// Anthropic: `type: error`, `error.type`, `error.message`.
    Anthropic,
}

/// One refusal: the code and the message for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    code: Code,
    /// The code that the client sees. It may hide the real one.
    shown: Code,
    message: Cow<'static, str>,
    model: Option<ModelName>,
    /// The member of the body that is the reason, as named in the configuration or the reference.
    member: Option<Box<str>>,
    /// The limit that is the reason.
    over: Option<Box<OverLimit>>,
}

impl From<Code> for Denial {
    fn from(code: Code) -> Self {
        Self {
            code,
            shown: code,
            message: code.default_message().into(),
            model: None,
            member: None,
            over: None,
        }
    }
}

impl Denial {
    /// The refusal of one model. With `hidden`, the reply says that the model does not exist.
    #[must_use]
    pub fn model_not_allowed(model: &ModelName, hidden: bool) -> Self {
        let name = model.as_str();
        let (shown, message) = if hidden {
            (
                Code::ModelNotFound,
                format!("The model `{name}` does not exist. {LISTED}"),
            )
        } else {
            (
                Code::ModelNotAllowed,
                format!("You do not have access to the model `{name}`. {LISTED}"),
            )
        };
        Self {
            code: Code::ModelNotAllowed,
            shown,
            message: message.into(),
            model: Some(model.clone()),
            member: None,
            over: None,
        }
    }

    /// The refusal by a limit.
    #[must_use]
    pub fn over_limit(code: Code, over: OverLimit) -> Self {
        Self {
            message: over.message(code).into(),
            over: Some(Box::new(over)),
            ..code.into()
        }
    }

    /// The refusal of a body because of one member, named as in the configuration or the reference.
    #[must_use]
    pub fn member_not_allowed(member: &str) -> Self {
        Self {
            message: format!(
                "`{member}` is not available here: servers choose models, hosts or the order of requests by it. Leave it out."
            )
            .into(),
            member: Some(member.into()),
            ..Code::MemberNotAllowed.into()
        }
    }

    /// The same refusal of a caller whose token has no groups because they are too many for it. Such a caller is told so of
    /// every model, so that it tells nothing of this one.
    #[must_use]
    pub(crate) fn for_lack_of_groups(self) -> Self {
        self.hinting(GROUPS_LEFT_OUT)
    }

    /// The same refusal with more to say, which must have nothing that the client sent.
    pub(crate) fn hinting(mut self, more: &str) -> Self {
        self.message = format!("{} {more}", self.message).into();
        self
    }

    /// The refusal with a message of its own, which names the cause and the way out. It must have nothing that the client
    /// sent but what has been checked, and no secret of the configuration.
    pub(crate) fn saying(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            ..code.into()
        }
    }

    /// The refusal of a method and path, with what is known of them, which is nothing that the client sent.
    #[must_use]
    pub fn operation_not_allowed(why: String) -> Self {
        Self {
            message: why.into(),
            ..Code::OperationNotAllowed.into()
        }
    }

    /// The refusal of what the gateway in front says, or does not say, in this header.
    #[must_use]
    pub fn of_header(code: Code, header: &str) -> Self {
        let message = match code {
            Code::MissingPrincipal => {
                format!("The header `{header}`, which identifies the caller, is missing or empty.")
            }
            Code::AmbiguousCredential => format!("The header `{header}` was sent more than once."),
            _ => format!("The header `{header}` is not valid."),
        };
        Self {
            message: message.into(),
            ..code.into()
        }
    }

    /// The refused model, if that is the reason.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }

    /// The refused member of the body, if that is the reason.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        self.member.as_deref()
    }

    /// The limit that was reached, where that is the reason.
    #[must_use]
    pub fn limit(&self) -> Option<&OverLimit> {
        self.over.as_deref()
    }

    /// The stable code, as in metrics and logs. [`Denial::headers`] and [`Denial::body`] may show another one.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The HTTP status of the reply.
    #[must_use]
    pub const fn status(&self) -> u32 {
        self.shown.status()
    }

    /// The headers of the reply. `request_id` is sent under both OpenAI's and Anthropic's name, so that each SDK finds
    /// it.
    #[must_use]
    pub fn headers<'a>(&'a self, request_id: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
        let over = self.over.as_deref();
        let retry = match over {
            Some(over) if over.is_worth_a_retry(self.code) => "true",
            _ => "false",
        };
        let mut headers = vec![
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("x-should-retry", retry),
            ("x-tollgate-code", self.shown.as_str()),
        ];
        if let Some(over) = over {
            headers.push(("retry-after", &over.retry_after_text));
        }
        // RFC 9110, section 15.5.2: a 401 must carry a challenge; RFC 6750, section 3.1: no error code when no
        // credential was sent.
        match (self.code, self.status()) {
            (Code::MissingCredential | Code::MissingPrincipal, _) => {
                headers.push(("www-authenticate", r#"Bearer realm="tollgate""#))
            }
            (_, 401) => headers.push((
                "www-authenticate",
                r#"Bearer realm="tollgate", error="invalid_token""#,
            )),
            _ => {}
        }
        if let Some(id) = request_id {
            headers.extend([("x-request-id", id), ("request-id", id)]);
        }
        headers
    }

    /// The JSON body of the reply in the client's dialect.
    #[must_use]
    pub fn body(&self, dialect: Dialect, request_id: Option<&str>) -> String {
        let message = &self.message;
        let error = match dialect {
            Dialect::OpenAi => {
                let (code, kind) = match &self.over {
                    Some(over) => over.openai(),
                    None => (self.shown.as_str(), openai_type(self.status())),
                };
                ErrorMember::OpenAi {
                    code,
                    message,
                    param: self.member.as_deref().or_else(|| self.shown.param()),
                    kind,
                }
            }
            Dialect::Anthropic => ErrorMember::Anthropic {
                message,
                kind: anthropic_type(self.status()),
            },
        };
        let body = Body {
            error,
            request_id,
            kind: "error",
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

/// Envoy's id of the request, if it is safe to repeat to the client.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.first("x-request-id")?;
    let fit = id.len() <= 128
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    if fit && !id.is_empty() {
        String::from_utf8(id.to_vec()).ok()
    } else {
        None
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: ErrorMember<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ErrorMember<'a> {
    OpenAi {
        code: &'static str,
        message: &'a str,
        param: Option<&'a str>,
        #[serde(rename = "type")]
        kind: &'static str,
    },
    Anthropic {
        message: &'a str,
        #[serde(rename = "type")]
        kind: &'static str,
    },
}

const fn openai_type(status: u32) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

const fn anthropic_type(status: u32) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests;

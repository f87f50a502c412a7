//! Every way to say no: status, stable code and a body that the OpenAI and Anthropic SDKs turn into the right exception.
//!
//! A code is an interface: dashboards, alerts and clients match on it, so a code is never reworded. Policy answers 4xx
//! only; SDKs retry 408, 409, 429 and 5xx, and a retry cannot change a policy. A denial never carries what the client
//! sent, save a model name that has passed the character check.

mod forged;

use std::borrow::Cow;

use serde::Serialize;

pub use self::forged::forged;
use crate::headers::HeaderMap;
use crate::model::ModelName;

/// Why a request is refused. What each says here stands in the reference, beside its remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "command", derive(clap::ValueEnum))]
pub enum Code {
    /// No credential was sent, and the request, its model or its extra path needs one.
    MissingCredential,
    /// The key is unknown; the proof of `trustedHeaders` is wrong; the token was not verified; or the header is empty,
    /// too long or has another scheme.
    InvalidCredential,
    /// The key is past its `expiresAt`, before its `notBefore`, or disabled.
    ExpiredCredential,
    /// Two different credentials were sent, or two verified tokens, or a header of `trustedHeaders` twice.
    AmbiguousCredential,
    /// The token was verified, but its `iss` is not in `jwt`, or is null.
    UnlistedIssuer,
    /// The token was verified, but has no `exp`, and `requireExpiration` of its entry in `jwt` is not `false`.
    MissingExpiration,
    /// A claim has more than 64 entries, or the gateway in front names more than 64 groups.
    TooManyGroups,
    /// The token, or the gateway in front, leads to no tenant of the configuration, or its tenant claim is there and is no
    /// text.
    UnknownTenant,
    /// The tenant claim, or `tenantAttribute`, has several names.
    AmbiguousTenant,
    /// The gateway in front has proved itself, and its `principalHeader` is missing or empty.
    MissingPrincipal,
    /// The gateway in front has proved itself, and its `attributesHeader` is no JSON object, or names an attribute
    /// twice; or a header is no text.
    MalformedIdentity,
    /// The identity may not use the model, or the model has no rule.
    ModelNotAllowed,
    /// The same as `model_not_allowed` with `hideDeniedModels`: the reply alone says so, metrics and logs say
    /// `model_not_allowed`.
    ModelNotFound,
    /// Method and path are not in the table of operations; it is an upgrade; an extra path is for other groups; or the
    /// model in the path is no model name.
    OperationNotAllowed,
    /// The body or a required header names no usable model: absent, empty, no string, over 256 characters, other
    /// characters than letters, digits and `._:/@+-`.
    MissingModel,
    /// Header and body disagree; the header is repeated or holds no model name; or the body names the model twice, in
    /// another letter case or up to a NUL as well, or in a form as a file or between brackets and dots (`model[]`,
    /// `[model]`, `model.x`).
    AmbiguousModel,
    /// The query of an operation names a model, in whatever spelling: some servers prefer that one to the body's, which
    /// is the one that is judged.
    ModelInQuery,
    /// It is not one complete JSON object in UTF-8, is more than 128 levels deep, or bytes follow it; or, of an upload,
    /// no complete and plainly written form.
    MalformedBody,
    /// There is a `%`, `\`, `;`, an empty or a dot segment in the path.
    MalformedPath,
    /// A body follows where none belongs: behind a list or a model of it, a preflight, or a path of `publicPaths` or
    /// `extraPaths` without `body: true`. A server that does not read it would take it for the next request.
    BodyNotAllowed,
    /// Of a chat or completion request whose usage may have to be asked for: `stream` or `include_usage` is neither
    /// true, false nor null, `stream_options` neither an object nor null, or one of them is there twice or in another
    /// letter case as well.
    AmbiguousStream,
    /// The Responses API is asked with `background`, and it is not plainly `false` or null.
    BackgroundNotAllowed,
    /// The body has a member, or a form a field, by which servers are steered: see [members](#members). Or one that names
    /// models does not name them plainly.
    MemberNotAllowed,
    /// The body has a `content-encoding`.
    UnsupportedEncoding,
    /// Envoy refused a call that the decision depends on; the request stops here, unseen by the server.
    Internal,
}

/// Which API's error shape the client expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI: `error.message`, `error.type`, `error.param`, `error.code`.
    OpenAi,
    /// Anthropic: `type: error`, `error.type`, `error.message`.
    Anthropic,
}

/// One refusal: the code, and what the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    code: Code,
    /// What the client is told, where that is not the truth.
    shown: Code,
    message: Cow<'static, str>,
    model: Option<ModelName>,
    /// The member of the body that is the reason, as the configuration or the reference has it.
    member: Option<Box<str>>,
}

impl Code {
    /// The stable name, as in `x-tollgate-code`, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingCredential => "missing_credential",
            Self::InvalidCredential => "invalid_credential",
            Self::ExpiredCredential => "expired_credential",
            Self::AmbiguousCredential => "ambiguous_credential",
            Self::UnlistedIssuer => "unlisted_issuer",
            Self::MissingExpiration => "missing_expiration",
            Self::TooManyGroups => "too_many_groups",
            Self::UnknownTenant => "unknown_tenant",
            Self::AmbiguousTenant => "ambiguous_tenant",
            Self::MissingPrincipal => "missing_principal",
            Self::MalformedIdentity => "malformed_identity",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::ModelNotFound => "model_not_found",
            Self::OperationNotAllowed => "operation_not_allowed",
            Self::MissingModel => "missing_model",
            Self::AmbiguousModel => "ambiguous_model",
            Self::ModelInQuery => "model_in_query",
            Self::MalformedBody => "malformed_body",
            Self::MalformedPath => "malformed_path",
            Self::BodyNotAllowed => "body_not_allowed",
            Self::AmbiguousStream => "ambiguous_stream",
            Self::BackgroundNotAllowed => "background_not_allowed",
            Self::MemberNotAllowed => "member_not_allowed",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status: 401 asks who you are, 403 says not for you, 400 says it cannot be judged.
    #[must_use]
    pub const fn status(self) -> u32 {
        match self {
            Self::MissingCredential
            | Self::InvalidCredential
            | Self::ExpiredCredential
            | Self::UnlistedIssuer
            | Self::MissingExpiration
            | Self::TooManyGroups
            | Self::MissingPrincipal
            | Self::MalformedIdentity => 401,
            Self::UnknownTenant
            | Self::AmbiguousTenant
            | Self::ModelNotAllowed
            | Self::OperationNotAllowed
            | Self::BackgroundNotAllowed
            | Self::MemberNotAllowed => 403,
            Self::AmbiguousCredential
            | Self::MissingModel
            | Self::AmbiguousModel
            | Self::ModelInQuery
            | Self::MalformedBody
            | Self::AmbiguousStream
            | Self::BodyNotAllowed
            | Self::MalformedPath => 400,
            Self::ModelNotFound => 404,
            Self::UnsupportedEncoding => 415,
            Self::Internal => 500,
        }
    }

    /// What to do about it, for the reference.
    #[cfg(feature = "command")]
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::MissingCredential => "Send a key or a token.",
            Self::InvalidCredential => {
                "Check the key. For a token, check issuer, audience, expiry and signature against what `jwt_authn` expects."
            }
            Self::ExpiredCredential => "Ask the operator for a new one.",
            Self::AmbiguousCredential => "Send one.",
            Self::UnlistedIssuer => "Add the issuer, or do not let `jwt_authn` accept it.",
            Self::MissingExpiration => {
                "Have the issuer let its tokens expire, or set `requireExpiration: false`."
            }
            Self::TooManyGroups => {
                "Let the identity provider, or the gateway in front, send fewer groups."
            }
            Self::UnknownTenant => {
                "Add the tenant, or set `defaultTenant` (for tokens `tenantFromGroup` too)."
            }
            Self::AmbiguousTenant => "Name one.",
            Self::MissingPrincipal => "Mend the gateway in front.",
            Self::MalformedIdentity => "Mend the gateway in front.",
            Self::ModelNotAllowed => {
                "Ask the operator, who checks `models`, groups and the `models` of the key."
            }
            Self::ModelNotFound => "The same.",
            Self::OperationNotAllowed => "Check the path; see `extraPaths`.",
            Self::MissingModel => "Name the model.",
            Self::AmbiguousModel => "Name it once.",
            Self::ModelInQuery => "Name the model in the body alone.",
            Self::MalformedBody => "Send valid JSON, or the form as client libraries write it.",
            Self::MalformedPath => "Write the path plainly.",
            Self::BodyNotAllowed => {
                "Send no body; or set `body: true` for the path in `publicPaths` or `extraPaths`."
            }
            Self::AmbiguousStream => "Send each once, as it is documented.",
            Self::BackgroundNotAllowed => "Leave it out; see `metering.allowBackground`.",
            Self::MemberNotAllowed => "Leave the member out; see `body.allow`.",
            Self::UnsupportedEncoding => "Send it as it is.",
            Self::Internal => "Report it: this should never happen.",
        }
    }

    /// Where in the request the fault lies, as OpenAI's `param` says it.
    const fn param(self) -> Option<&'static str> {
        match self {
            Self::ModelNotAllowed
            | Self::ModelNotFound
            | Self::MissingModel
            | Self::AmbiguousModel
            | Self::ModelInQuery => Some("model"),
            Self::AmbiguousStream => Some("stream_options"),
            Self::BackgroundNotAllowed => Some("background"),
            _ => None,
        }
    }

    const fn default_message(self) -> &'static str {
        match self {
            Self::MissingCredential => {
                "No API key was sent. Send it as `Authorization: Bearer <key>` or as `x-api-key: <key>`."
            }
            Self::InvalidCredential => "The API key or token is not valid.",
            Self::ExpiredCredential => {
                "The API key is expired, not yet valid or disabled. Ask your operator for a new one."
            }
            Self::AmbiguousCredential => "Two different credentials were sent. Send one.",
            Self::UnlistedIssuer => "Tokens of this issuer are not accepted here.",
            Self::MissingExpiration => "Tokens that never expire are not accepted here.",
            Self::TooManyGroups => "The token has too many groups to be read.",
            Self::UnknownTenant => "The token belongs to no tenant that is known here.",
            Self::AmbiguousTenant => "The token names more than one tenant.",
            Self::MissingPrincipal => "The gateway in front does not say who you are.",
            Self::MalformedIdentity => "What the gateway in front says about you cannot be read.",
            Self::ModelNotAllowed => "You do not have access to this model.",
            Self::ModelNotFound => "The model does not exist.",
            Self::OperationNotAllowed => "This method and path are not available to you.",
            Self::MissingModel => {
                "The request must name its model: one JSON member or form field `model` with a non-empty string."
            }
            Self::AmbiguousModel => {
                "The model is named more than once, or the body and the model header name different models."
            }
            Self::ModelInQuery => {
                "The query must not name a model. Name it in the body, or, for `GET /v1/models/{model}`, in the path."
            }
            Self::MalformedBody => {
                "The body must be one complete JSON object in UTF-8 with nothing after it, or, where a file is uploaded, one complete and plainly written multipart form."
            }
            Self::MalformedPath => {
                "The path must be written plainly: no `%`, `\\`, `;`, empty or dot segments."
            }
            Self::BodyNotAllowed => {
                "This method and path take no body. Send the request without one."
            }
            Self::AmbiguousStream => {
                "`stream` and `stream_options.include_usage` must be true, false or null, `stream_options` an object or null, and each must be named once."
            }
            Self::BackgroundNotAllowed => {
                "Answers in the background are not available here. Leave out `background`."
            }
            Self::MemberNotAllowed => "The body has a member that is not available here.",
            Self::UnsupportedEncoding => "The body must be sent without content-encoding.",
            Self::Internal => "The gateway could not process the request.",
        }
    }
}

impl From<Code> for Denial {
    fn from(code: Code) -> Self {
        Self {
            code,
            shown: code,
            message: code.default_message().into(),
            model: None,
            member: None,
        }
    }
}

impl Denial {
    /// The refusal of one model. `hidden` tells the client that there is no such model.
    #[must_use]
    pub fn model_not_allowed(model: &ModelName, hidden: bool) -> Self {
        let name = model.as_str();
        let (shown, message) = if hidden {
            (
                Code::ModelNotFound,
                format!("The model `{name}` does not exist."),
            )
        } else {
            (
                Code::ModelNotAllowed,
                format!("You do not have access to the model `{name}`."),
            )
        };
        Self {
            code: Code::ModelNotAllowed,
            shown,
            message: message.into(),
            model: Some(model.clone()),
            member: None,
        }
    }

    /// The refusal of a body for a member, which is named as the configuration or the reference has it.
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

    /// The refusal of what the gateway in front says, or does not say, in this header.
    #[must_use]
    pub fn of_header(code: Code, header: &str) -> Self {
        let message = match code {
            Code::MissingPrincipal => {
                format!("The header `{header}`, which says who you are, is missing or empty.")
            }
            Code::AmbiguousCredential => format!("The header `{header}` was sent more than once."),
            _ => format!("The header `{header}` is not valid."),
        };
        Self {
            message: message.into(),
            ..code.into()
        }
    }

    /// The model that was refused, where that is the reason.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }

    /// The member of the body that was refused, where that is the reason.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        self.member.as_deref()
    }

    /// The stable code, as metrics and logs say it. [`Denial::headers`] and [`Denial::body`] may show another one.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The HTTP status of the reply.
    #[must_use]
    pub const fn status(&self) -> u32 {
        self.shown.status()
    }

    /// The headers of the reply. `request_id` is sent under OpenAI's and Anthropic's name, so that each SDK finds it.
    #[must_use]
    pub fn headers<'a>(&self, request_id: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
        let mut headers = vec![
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("x-should-retry", "false"),
            ("x-tollgate-code", self.shown.as_str()),
        ];
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
            Dialect::OpenAi => ErrorMember::OpenAi {
                code: self.shown.as_str(),
                message,
                param: self.member.as_deref().or_else(|| self.shown.param()),
                kind: openai_type(self.status()),
            },
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

/// The id that Envoy gave the request, if it is fit to be repeated to the client.
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
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests;

//! The codes, and all that is fixed about each, in one row.

use crate::rows::named;

/// A row has what the reference says of the code, its stable name, the status, OpenAI's `param` where the fault lies in
/// one member, what the client is told unless the denial knows more, and what to do about it, for the reference.
macro_rules! codes {
    ($(
        $(#[$($about:tt)+])*
        $variant:ident = $name:literal, status: $status:literal $(, param: $param:literal)? {
            message: $message:literal,
            remedy: $remedy:literal,
        }
    )+) => {
        named! {
            /// Why a request is refused. What each says here stands in the reference, beside its remedy.
            #[derive(Hash)]
            pub enum Code {
                $($(#[$($about)+])* $variant = $name,)+
            }
            /// The stable name, as in `x-tollgate-code`, metrics and logs.
            fn as_str;
        }

        impl Code {
            /// The HTTP status: 401 asks who you are, 403 says not for you, 400 says it cannot be judged.
            #[must_use]
            pub const fn status(self) -> u32 {
                match self {
                    $(Self::$variant => $status,)+
                }
            }

            /// What to do about it, for the reference.
            #[cfg(feature = "command")]
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)+
                }
            }

            /// Where in the request the fault lies, as OpenAI's `param` says it.
            pub(super) const fn param(self) -> Option<&'static str> {
                match self {
                    $($(Self::$variant => Some($param),)?)+
                    _ => None,
                }
            }

            /// What the client is told, unless the denial knows more.
            pub(super) const fn default_message(self) -> &'static str {
                match self {
                    $(Self::$variant => $message,)+
                }
            }
        }
    };
}

codes! {
    // Who is asking.

    /// No credential was sent, and the request, its model or its extra path needs one.
    MissingCredential = "missing_credential", status: 401 {
        message: "No API key was sent. Send it as `Authorization: Bearer <key>` or as `x-api-key: <key>`.",
        remedy: "Send a key or a token.",
    }
    /// The key is unknown; the proof of `trustedHeaders` is wrong; the token was not verified; or the header is empty,
    /// too long or has another scheme.
    InvalidCredential = "invalid_credential", status: 401 {
        message: "The API key or token is not valid.",
        remedy: "Check the key. For a token, check issuer, audience, expiry and signature against what `jwt_authn` expects.",
    }
    /// The key is past its `expiresAt`, before its `notBefore`, or disabled.
    ExpiredCredential = "expired_credential", status: 401 {
        message: "The API key is expired, not yet valid or disabled. Ask your operator for a new one.",
        remedy: "Ask the operator for a new one.",
    }
    /// Two different credentials were sent, or two verified tokens, or a header of `trustedHeaders` twice.
    AmbiguousCredential = "ambiguous_credential", status: 400 {
        message: "Two different credentials were sent. Send one.",
        remedy: "Send one.",
    }
    /// The token was verified, but its `iss` is not in `jwt`, or is null.
    UnlistedIssuer = "unlisted_issuer", status: 401 {
        message: "Tokens of this issuer are not accepted here.",
        remedy: "Add the issuer, or do not let `jwt_authn` accept it.",
    }
    /// The token was verified, but has no `exp`, and `requireExpiration` of its entry in `jwt` is not `false`.
    MissingExpiration = "missing_expiration", status: 401 {
        message: "Tokens that never expire are not accepted here.",
        remedy: "Have the issuer let its tokens expire, or set `requireExpiration: false`.",
    }
    /// A claim has more than 64 entries, or the gateway in front names more than 64 groups.
    TooManyGroups = "too_many_groups", status: 401 {
        message: "The token has too many groups to be read.",
        remedy: "Let the identity provider, or the gateway in front, send fewer groups.",
    }
    /// The token, or the gateway in front, leads to no tenant of the configuration, or its tenant claim is there and is no
    /// text.
    UnknownTenant = "unknown_tenant", status: 403 {
        message: "The token belongs to no tenant that is known here.",
        remedy: "Add the tenant, or set `defaultTenant` (for tokens `tenantFromGroup` too).",
    }
    /// The tenant claim, or `tenantAttribute`, has several names.
    AmbiguousTenant = "ambiguous_tenant", status: 403 {
        message: "The token names more than one tenant.",
        remedy: "Name one.",
    }
    /// The gateway in front has proved itself, and its `principalHeader` is missing or empty.
    MissingPrincipal = "missing_principal", status: 401 {
        message: "The gateway in front does not say who you are.",
        remedy: "Mend the gateway in front.",
    }
    /// The gateway in front has proved itself, and its `attributesHeader` is no JSON object, or names an attribute
    /// twice; or a header is no text.
    MalformedIdentity = "malformed_identity", status: 401 {
        message: "What the gateway in front says about you cannot be read.",
        remedy: "Mend the gateway in front.",
    }

    // Which model, and which path.

    /// The identity may not use the model, or the model has no rule.
    ModelNotAllowed = "model_not_allowed", status: 403, param: "model" {
        message: "You do not have access to this model.",
        remedy: "Ask the operator, who checks `models`, groups and the `models` of the key.",
    }
    /// The same as `model_not_allowed` with `hideDeniedModels`: the reply alone says so, metrics and logs say
    /// `model_not_allowed`.
    ModelNotFound = "model_not_found", status: 404, param: "model" {
        message: "The model does not exist.",
        remedy: "The same.",
    }
    /// Method and path are not in the table of operations; it is an upgrade; an or an extra path is for other groups.
    OperationNotAllowed = "operation_not_allowed", status: 403 {
        message: "This method and path are not available to you.",
        remedy: "Check the path; see `extraPaths`.",
    }
    /// The body or a required header names no model: it is absent, empty or no string.
    MissingModel = "missing_model", status: 400, param: "model" {
        message: "The request must name its model: one JSON member or form field `model` with a non-empty string.",
        remedy: "Name the model.",
    }
    /// The body, a field of the form or the path names a model by what is no [name](#names-of-models): it is longer than 256
    /// bytes, begins or ends with a space, or has a character that is not printable.
    InvalidModelName = "invalid_model_name", status: 400, param: "model" {
        message: "The name of the model cannot be used here: it must be 1 to 256 bytes of printable text in UTF-8, without a space at either end.",
        remedy: "Check the name for spaces, line ends and invisible characters.",
    }
    /// Header and body disagree; the header is repeated or holds no model name; or the body names the model twice, in
    /// another letter case or up to a NUL as well, or in a form as a file or between brackets and dots (`model[]`,
    /// `[model]`, `model.x`).
    AmbiguousModel = "ambiguous_model", status: 400, param: "model" {
        message: "The model is named more than once, or the body and the model header name different models.",
        remedy: "Name it once.",
    }
    /// The query of an operation names a model, in whatever spelling: some servers prefer that one to the body's, which
    /// is the one that is judged.
    ModelInQuery = "model_in_query", status: 400, param: "model" {
        message: "The query must not name a model. Name it in the body, or, for `GET /v1/models/{model}`, in the path.",
        remedy: "Name the model in the body alone.",
    }

    // How the request is written, and what else it asks for.

    /// It is not one complete JSON object in UTF-8, is more than 128 levels deep, or bytes follow it; or, of an upload,
    /// no complete and plainly written form.
    MalformedBody = "malformed_body", status: 400 {
        message: "The body must be one complete JSON object in UTF-8 with nothing after it, or, where a file is uploaded, one complete and plainly written multipart form.",
        remedy: "Send valid JSON, or the form as client libraries write it.",
    }
    /// There is a `%`, `\`, `;`, an empty or a dot segment in the path; or the model in it, which alone may be
    /// percent-encoded, holds one of these after decoding, or is no UTF-8.
    MalformedPath = "malformed_path", status: 400 {
        message: "The path must be written plainly: no `%` but in the name of a model, no `\\`, `;`, empty or dot segments.",
        remedy: "Write the path plainly.",
    }
    /// A body follows where none belongs: behind a list or a model of it, a preflight, or a path of `publicPaths` or
    /// `extraPaths` without `body: true`. A server that does not read it would take it for the next request.
    BodyNotAllowed = "body_not_allowed", status: 400 {
        message: "This method and path take no body. Send the request without one.",
        remedy: "Send no body; or set `body: true` for the path in `publicPaths` or `extraPaths`.",
    }
    /// Of a chat or completion request whose usage may have to be asked for: `stream` or `include_usage` is neither
    /// true, false nor null, `stream_options` neither an object nor null, or one of them is there twice or in another
    /// letter case as well.
    AmbiguousStream = "ambiguous_stream", status: 400, param: "stream_options" {
        message: "`stream` and `stream_options.include_usage` must be true, false or null, `stream_options` an object or null, and each must be named once.",
        remedy: "Send each once, as it is documented.",
    }
    /// The Responses API is asked with `background`, and it is not plainly `false` or null.
    BackgroundNotAllowed = "background_not_allowed", status: 403, param: "background" {
        message: "Answers in the background are not available here. Leave out `background`.",
        remedy: "Leave it out; see `metering.allowBackground`.",
    }
    /// The body has a member, or a form a field, by which servers are steered: see [members](#members). Or one that names
    /// models does not name them plainly.
    MemberNotAllowed = "member_not_allowed", status: 403 {
        message: "The body has a member that is not available here.",
        remedy: "Leave the member out; see `body.allow`.",
    }
    /// The body has a `content-encoding`.
    UnsupportedEncoding = "unsupported_encoding", status: 415 {
        message: "The body must be sent without content-encoding.",
        remedy: "Send it as it is.",
    }

    // What is not the client's fault.

    /// Envoy refused a call that the decision depends on; the request stops here, unseen by the server.
    Internal = "internal", status: 500 {
        message: "The gateway could not process the request.",
        remedy: "Report it: this should never happen.",
    }
}

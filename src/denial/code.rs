//! The denial codes, one row each with everything that is fixed for it.

use crate::rows::named;

/// A row has the description for the reference, the stable name, the status, OpenAI's `param` if one member is at
/// fault, the default message for the client, and the remedy for the reference.
macro_rules! codes {
    ($(
        $(#[$($about:tt)+])*
        $variant:ident = $name:literal, status: $status:literal $(, param: $param:literal)? {
            message: $message:literal,
            remedy: $remedy:literal,
        }
    )+) => {
        named! {
            /// The reason for a refusal. The reference shows each description beside its remedy.
            #[derive(Hash)]
            pub enum Code {
                $($(#[$($about)+])* $variant = $name,)+
            }
            /// The stable name, used in `x-tollgate-code`, metrics and logs.
            fn as_str;
        }

        impl Code {
            /// The HTTP status: 401 for a missing or failed identity, 403 for missing access, 400 for a request that
            /// cannot be judged.
            #[must_use]
            pub const fn status(self) -> u32 {
                match self {
                    $(Self::$variant => $status,)+
                }
            }

            /// The remedy, for the reference.
            #[cfg(feature = "command")]
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)+
                }
            }

            /// The member of the request that is at fault, for OpenAI's `param`.
            pub(super) const fn param(self) -> Option<&'static str> {
                match self {
                    $($(Self::$variant => Some($param),)?)+
                    _ => None,
                }
            }

            /// The message for the client, unless the denial has a more specific one.
            pub(super) const fn default_message(self) -> &'static str {
                match self {
                    $(Self::$variant => $message,)+
                }
            }
        }
    };
}

codes! {
    // Identity.

    /// No credential was sent, and the request, its model or its extra path requires one.
    MissingCredential = "missing_credential", status: 401 {
        message: "No API key was sent. Send it as `Authorization: Bearer <key>` or as `x-api-key: <key>`.",
        remedy: "Send a key or a token.",
    }
    /// The key is unknown; the proof of `trustedHeaders` is wrong; the token was not verified; or the header is too long, or
    /// has another scheme and no other source has a credential.
    InvalidCredential = "invalid_credential", status: 401 {
        message: "The API key or token is not valid.",
        remedy: "Check the key. For a token, check issuer, audience, expiry and signature against what `jwt_authn` expects.",
    }
    /// The key is past its `expiresAt`, before its `notBefore`, or disabled.
    ExpiredCredential = "expired_credential", status: 401 {
        message: "The API key is expired, not yet valid or disabled. Ask your operator for a new one.",
        remedy: "Ask the operator for a new one.",
    }
    /// Two different credentials were sent (see `credentials.several`), or two verified tokens, or a header of
    /// `trustedHeaders` twice.
    AmbiguousCredential = "ambiguous_credential", status: 400 {
        message: "Two different credentials were sent. Send one.",
        remedy: "Send one credential.",
    }
    /// The token was verified, but its `iss` is not listed in `jwt`, or is null.
    UnlistedIssuer = "unlisted_issuer", status: 401 {
        message: "Tokens from this issuer are not accepted.",
        remedy: "Add the issuer to `jwt`, or configure `jwt_authn` not to accept it.",
    }
    /// The token was verified, but has no `exp`, and `requireExpiration` of its entry in `jwt` is not `false`.
    MissingExpiration = "missing_expiration", status: 401 {
        message: "Tokens without an expiry are not accepted.",
        remedy: "Configure the issuer to set `exp`, or set `requireExpiration: false`.",
    }
    /// A token has more than 1024 groups, or the gateway in front names more, or another claim has more entries.
    TooManyGroups = "too_many_groups", status: 401 {
        message: "The token has too many groups.",
        remedy: "Configure the identity provider, or the gateway in front, to send at most 1024 groups.",
    }
    /// The token or the gateway in front does not lead to a configured tenant, or the tenant claim is present but is
    /// not a string.
    UnknownTenant = "unknown_tenant", status: 403 {
        message: "The token does not belong to a known tenant.",
        remedy: "Add the tenant, or set `defaultTenant` (for tokens, also `tenantFromGroup`).",
    }
    /// The tenant claim, or `tenantAttribute`, has several values.
    AmbiguousTenant = "ambiguous_tenant", status: 403 {
        message: "The token names more than one tenant.",
        remedy: "Name one tenant.",
    }
    /// The gateway in front sent its proof, but its `principalHeader` is missing or empty.
    MissingPrincipal = "missing_principal", status: 401 {
        message: "The gateway in front did not identify you.",
        remedy: "Fix the gateway in front.",
    }
    /// The gateway in front sent its proof, but its `attributesHeader` is not a JSON object or repeats an attribute, or
    /// a header is not valid UTF-8.
    MalformedIdentity = "malformed_identity", status: 401 {
        message: "The identity headers of the gateway in front cannot be read.",
        remedy: "Fix the gateway in front.",
    }

    // Model and path.

    /// The identity may not use the model, or the model has no rule.
    ModelNotAllowed = "model_not_allowed", status: 403, param: "model" {
        message: "You do not have access to this model.",
        remedy: "Ask the operator to check `models`, the caller's groups, and the `models` of the key.",
    }
    /// `model_not_allowed`, with `hideDeniedModels`. Only the reply has this code; metrics and logs have
    /// `model_not_allowed`.
    ModelNotFound = "model_not_found", status: 404, param: "model" {
        message: "The model does not exist.",
        remedy: "As for `model_not_allowed`.",
    }
    /// Method and path are not in the table of operations; it is an upgrade other than a WebSocket; or an extra path is for
    /// other groups.
    OperationNotAllowed = "operation_not_allowed", status: 403 {
        message: "This method and path are not available to you.",
        remedy: "Check the method and path; see `extraPaths`.",
    }
    /// A WebSocket is asked for. Clients that have another way, as coding agents do for the Responses API, go over to it at
    /// once on this status.
    WebSocketNotAllowed = "websocket_not_allowed", status: 426 {
        message: "WebSockets are not available here. Use plain HTTP requests; answers are streamed as server-sent events.",
        remedy: "Use plain HTTP, with `stream: true`.",
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
        remedy: "Name the model once.",
    }
    /// The query of an operation names a model, in any spelling. Some servers prefer it to the model in the body, which
    /// is the one that is judged.
    ModelInQuery = "model_in_query", status: 400, param: "model" {
        message: "The query must not name a model. Name it in the body, or, for `GET /v1/models/{model}`, in the path.",
        remedy: "Name the model only in the body.",
    }

    // Syntax, and other features of the request.

    /// The body is not one complete JSON object in UTF-8, is nested deeper than 128 levels, or is followed by other
    /// bytes; or an upload is not one complete form as client libraries write it.
    MalformedBody = "malformed_body", status: 400 {
        message: "The body must be one complete JSON object in UTF-8 with nothing after it, or, for a file upload, one complete multipart form as client libraries write it.",
        remedy: "Send valid JSON, or the form as client libraries write it.",
    }
    /// There is a `%`, `\`, `;`, an empty or a dot segment in the path; or the model in it, which alone may be
    /// percent-encoded, holds one of these after decoding, or is no UTF-8.
    MalformedPath = "malformed_path", status: 400 {
        message: "The path must be written plainly: no `%` but in the name of a model, no `\\`, `;`, empty or dot segments.",
        remedy: "Write the path plainly.",
    }
    /// The request has a body, but asks for the list of models or one model, is a preflight, or has a path of
    /// `publicPaths` or `extraPaths` without `body: true`. A server that does not read the body would take it for the
    /// next request.
    BodyNotAllowed = "body_not_allowed", status: 400 {
        message: "This method and path take no body. Send the request without one.",
        remedy: "Send no body, or set `body: true` for the path in `publicPaths` or `extraPaths`.",
    }
    /// In a chat or completion request for which the filter may request usage, `stream` or `include_usage` is not true,
    /// false or null; `stream_options` is not an object or null; or one of them occurs twice or also in another letter
    /// case.
    AmbiguousStream = "ambiguous_stream", status: 400, param: "stream_options" {
        message: "`stream` and `stream_options.include_usage` must be true, false or null, `stream_options` must be an object or null, and none may be repeated.",
        remedy: "Send each member once, as the API documents it.",
    }
    /// A request to the Responses API has a `background` that is not exactly `false` or null.
    BackgroundNotAllowed = "background_not_allowed", status: 403, param: "background" {
        message: "Background responses are not available here. Leave out `background`.",
        remedy: "Leave `background` out; see `metering.allowBackground`.",
    }
    /// The body has a member, or the form a field, that steers servers (see [members](#members)), or a member that
    /// names models has a value that cannot be read as model names.
    MemberNotAllowed = "member_not_allowed", status: 403 {
        message: "The body has a member that is not available here.",
        remedy: "Leave the member out; see `body.allow`.",
    }
    /// The body has a `content-encoding`.
    UnsupportedEncoding = "unsupported_encoding", status: 415 {
        message: "The body must be sent without content-encoding.",
        remedy: "Send the body without an encoding.",
    }

    // How much has been used.

    /// A limit on requests is used up.
    QuotaRequests = "quota_requests", status: 429 {
        message: "You have sent as many requests as you may.",
        remedy: "Wait as long as `retry-after` says, or ask the operator for more.",
    }
    /// A limit on tokens is used up, or what is left is not enough for what the request may cost.
    QuotaTokens = "quota_tokens", status: 429 {
        message: "You have used as many tokens as you may.",
        remedy: "Wait as long as `retry-after` says, ask for fewer with `max_tokens`, or ask the operator for more.",
    }
    /// As many requests are being served as may be at once.
    QuotaConcurrency = "quota_concurrency", status: 429 {
        message: "As many of your requests are being served as may be at once.",
        remedy: "Wait for one of them to end.",
    }
    /// The request may cost more than the limit ever has, so that waiting does not help. Nobody's budget is charged.
    QuotaRequestTooLarge = "quota_request_too_large", status: 429 {
        message: "This request may cost more than its limit ever has.",
        remedy: "Ask for fewer tokens with `max_tokens`, or send less text.",
    }
    /// The counts of a limit with `failure: closed` cannot be read or written.
    LimitsUnavailable = "limits_unavailable", status: 503 {
        message: "The gateway cannot count at the moment.",
        remedy: "Check `tollgate_limit_failures_total`, or set `failure: open` in the limit.",
    }

    // Not the client's fault.

    /// Envoy refused a call that the decision depends on. The request stops here, and the server does not see it.
    Internal = "internal", status: 500 {
        message: "The gateway could not process the request.",
        remedy: "Report it: this should never happen.",
    }
}

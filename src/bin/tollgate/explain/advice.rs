//! Advice for the operator about a denial.

use serde_json::Value;
use tollgate::denial::{Code, Denial};
use tollgate::identity::{can_be_key, verified};
use tollgate::members;
use tollgate::policy::Policy;

use super::model::{ModelAnswer, or_none};
use super::request::Request;
use super::who::Who;

pub(super) fn advice(
    denial: &Denial,
    request: &Request,
    policy: &Policy,
    who: &Who,
    model: Option<&ModelAnswer>,
) -> String {
    match denial.code() {
        Code::MissingCredential => {
            "Send a key or a token (here: --key-stdin or --claims). To allow anonymous callers, give the model `access: anonymous`.".to_owned()
        }
        Code::InvalidCredential => invalid(request),
        Code::ExpiredCredential => match (&who.key, &who.terms) {
            (Some(key), Some(terms)) => format!(
                "The entry of the key `{key}` says: {terms}. Make a new key, or change the entry."
            ),
            _ => "Make a new key, or change `expiresAt`, `notBefore` or `disabled` of its entry.".to_owned(),
        },
        Code::AmbiguousCredential => {
            "Send one credential in one header, and make sure that no proxy adds a second one.".to_owned()
        }
        Code::UnlistedIssuer => {
            let issued = request.token.as_ref().and_then(|(_, claims)| claims.get("iss")).and_then(Value::as_str);
            let listed: Vec<&str> = policy.identities.issuers.iter().map(|issuer| issuer.issuer.as_str()).collect();
            format!(
                "The token's `iss` is `{}`; `jwt` lists {}. They must match exactly, including a `/` at the end.",
                issued.unwrap_or("not a string"),
                listed.join(", ")
            )
        }
        Code::MissingExpiration => {
            "The token's payload must have an `exp` above 0. If tokens of this issuer never expire and you accept that, set `requireExpiration: false` for it in `jwt`.".to_owned()
        }
        Code::TooManyGroups => {
            "Have the issuer put fewer groups into the token: 1024 at most are read. Entra can be told to put in only the groups that are assigned to the application.".to_owned()
        }
        Code::UnknownTenant => unknown_tenant(request, policy),
        Code::AmbiguousTenant => "The tenant claim must name one tenant.".to_owned(),
        Code::MissingPrincipal | Code::MalformedIdentity => {
            "Check what the gateway in front writes into the header that the message names.".to_owned()
        }
        Code::QuotaRequests | Code::QuotaTokens | Code::QuotaConcurrency => {
            "Wait as long as `retry-after` says, or give the limit of `limits` that the message names more.".to_owned()
        }
        Code::QuotaRequestTooLarge => {
            "Have the client ask for fewer tokens (`max_tokens`), or give the limit of `limits` that the message names more.".to_owned()
        }
        Code::LimitsUnavailable => {
            "The proxy's shared data failed. `failure: open` in the limit lets requests pass meanwhile.".to_owned()
        }
        Code::ModelNotAllowed | Code::ModelNotFound if leaves_out_groups(request, policy) => {
            GROUPS_LEFT_OUT.to_owned()
        }
        Code::ModelNotAllowed | Code::ModelNotFound => not_allowed(who, model),
        Code::OperationNotAllowed => {
            let line = request.line.split('?').next().unwrap_or_default();
            let mut extra = policy.paths.extra.iter();
            match extra.find(|extra| line == format!("{} {}", extra.rule.method, extra.rule.path)) {
                Some(extra) => {
                    let names = extra.groups.iter().filter_map(|group| policy.identities.groups.name(*group));
                    format!(
                        "`extraPaths` allows it for the groups {}; give the caller one of them.",
                        names.collect::<Vec<_>>().join(", ")
                    )
                }
                None => "It is not in the table of operations. Check the method and the path, or list both in `extraPaths` with the groups that may use them.".to_owned(),
            }
        }
        Code::WebSocketNotAllowed => {
            "Use plain HTTP: no model is judged and no token counted in a WebSocket. Clients that can do both go over by themselves.".to_owned()
        }
        Code::MissingModel => {
            "The body must name a model, as a string; where `modelHeader.required` is set, the header must as well.".to_owned()
        }
        Code::InvalidModelName => {
            "A name is 1 to 256 bytes of printable UTF-8. Look for a space at an end, a line end, or a character that nobody sees.".to_owned()
        }
        Code::AmbiguousModel => format!(
            "Name the model once, and the same one in the header `{}` if that is sent.",
            policy.access.model_header.name
        ),
        Code::ModelInQuery => {
            "Leave the model out of the query; the one in the body is checked. Only paths of `extraPaths` and `publicPaths` may have it in the query.".to_owned()
        }
        Code::MalformedBody => {
            "Send one complete JSON object in UTF-8, or, for a file upload, one form as client libraries write it.".to_owned()
        }
        Code::MalformedPath => {
            "Write the path without `%`, `\\`, `;`, empty and dot segments; only the model in a path may be percent-encoded, once.".to_owned()
        }
        Code::BodyNotAllowed => {
            "Send the request without a body. A path of `publicPaths` or `extraPaths` accepts one with `body: true`, and passes it unread.".to_owned()
        }
        Code::AmbiguousStream => {
            "Name `stream` and `stream_options.include_usage` once, as true, false or null.".to_owned()
        }
        Code::BackgroundNotAllowed => {
            "Leave out `background`, or set `metering.allowBackground`; its tokens are then not counted.".to_owned()
        }
        Code::MemberNotAllowed => member_not_allowed(denial.member().unwrap_or_default()),
        Code::UnsupportedEncoding => "Send the body without `content-encoding`.".to_owned(),
        Code::Internal => "A call to Envoy failed; see Envoy's log.".to_owned(),
    }
}

fn member_not_allowed(member: &str) -> String {
    let effect = members::effect(member).map_or_else(
        || "`body.deny` lists it.".to_owned(),
        |(servers, effect)| format!("Its effect in {servers}: {effect}."),
    );
    format!("Leave `{member}` out. {effect} `body.allow` lets it pass unread.")
}

const GROUPS_LEFT_OUT: &str = "The token leaves out its groups because they are too many, as its `_claim_names` or `hasgroups` says (Entra's overage), so none counts. Have Entra put in only the groups that are assigned to the application, or use app roles: `groupsClaim: roles`.";

fn leaves_out_groups(request: &Request, policy: &Policy) -> bool {
    let claims = |path: &[&str]| request.claim(path);
    let issuer = verified(&policy.identities.issuers, &claims).ok().flatten();
    issuer.is_some_and(|issuer| issuer.leaves_out_groups(&claims))
}

fn unknown_tenant(request: &Request, policy: &Policy) -> String {
    if leaves_out_groups(request, policy) {
        return GROUPS_LEFT_OUT.to_owned();
    }
    let claims = |path: &[&str]| request.claim(path);
    let issuer = verified(&policy.identities.issuers, &claims).ok().flatten();
    let Some(issuer) = issuer else {
        return "Name the tenant in `tenants`, or set `trustedHeaders.defaultTenant`.".to_owned();
    };
    let groups = issuer.group_names(&claims).unwrap_or_default();
    format!(
        "A tenant claim must name one of `tenants`. Without one, the tenant is that of `tenantFromGroup` or `defaultTenant`; the token's groups are {}.",
        or_none(&groups)
    )
}

fn invalid(request: &Request) -> String {
    let advice = match request.secrets().first() {
        Some(key) if !can_be_key(key.as_bytes()) => {
            "A key is 1 to 512 visible ASCII characters without commas. Check for spaces or quotes around it."
        }
        Some(key) if key.matches('.').count() == 2 => {
            "This looks like a token. The filter accepts a token after `jwt_authn` has verified it: give its payload with --claims."
        }
        Some(_) => {
            "No configured key has this hash: compare `tollgate key hash` with each `keyHash`. Check that the gateway runs with this file."
        }
        None => "A header that may carry a credential is empty or has another scheme.",
    };
    advice.to_owned()
}

fn not_allowed(who: &Who, model: Option<&ModelAnswer>) -> String {
    match model {
        Some(model) if model.rule.is_none() => {
            format!("Add a rule for `{}` to `models`.", model.name)
        }
        Some(model) if model.is_narrowed(who) => format!(
            "Add `{}` to the `models` of the key's own entry.",
            model.name
        ),
        Some(model) if model.groups.is_empty() => {
            "Add groups to the rule, or set `access: authenticated`.".to_owned()
        }
        Some(model) => format!(
            "Give the caller one of the groups {}, or add one of the caller's to the rule.",
            model.groups.join(", ")
        ),
        None => "Add a rule for the model to `models`.".to_owned(),
    }
}

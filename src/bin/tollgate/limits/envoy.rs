//! Envoy's side: two rate limit filters, and what the route asks and charges in them.

use std::fmt::Write as _;

use tollgate::access::ModelHeader;
use tollgate::model_name::ModelPattern;

use super::export::{Gate, Kept, LIMIT, MODEL, SELECTED, TENANT};
use super::{Arguments, quoted};

const FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit";
const ROUTE: &str =
    "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute";
/// Asks for everything, which is free, and charges tokens when the request is over.
const FIRST: &str = "rate-limit";
/// Charges a request, once nothing else refuses it.
const REQUESTS: &str = "rate-limit-requests";
/// What Tollgate sets from the proven identity.
const TENANT_HEADER: &str = "x-tollgate-tenant";

/// When a limit is asked for, and what is then counted.
const ASK: &str = "      hits_addend: {number: 0}\n";
const CHARGE_REQUEST: &str = "      hits_addend: {number: 1}\n";
const CHARGE_TOKENS: &str = "      hits_addend: {format: \"%FILTER_STATE(wasm.tollgate.charge_tokens:PLAIN)%\"}\n      apply_on_stream_done: true\n";

pub(super) fn text(arguments: &Arguments, header: &ModelHeader, limits: &[Kept]) -> String {
    let (tokens, requests): (Vec<&Kept>, Vec<&Kept>) =
        limits.iter().partition(|limit| limit.is_of_tokens);
    let mut first = String::new();
    for limit in &tokens {
        entry(&mut first, limit, header, ASK);
        entry(&mut first, limit, header, CHARGE_TOKENS);
    }
    // Each is charged although another refuses. Asked before, those that are spent refuse for nothing.
    for limit in &requests {
        entry(&mut first, limit, header, ASK);
    }
    let mut second = String::new();
    for limit in &requests {
        entry(&mut second, limit, header, CHARGE_REQUEST);
    }
    let closed = |limits: &[&Kept]| limits.iter().any(|limit| limit.fails_closed);
    let asking = if tokens.is_empty() {
        &requests
    } else {
        &tokens
    };
    // Headers of the second filter would stand beside those of the first. It refuses only who has just reached a limit.
    let filters = [
        (
            FIRST,
            closed(asking),
            first,
            "    enable_x_ratelimit_headers: DRAFT_VERSION_03\n",
        ),
        (
            REQUESTS,
            closed(&requests),
            second,
            "    response_headers_to_add:\n    - header: {key: retry-after, value: \"1\"}\n      append_action: OVERWRITE_IF_EXISTS_OR_ADD\n",
        ),
    ];
    let filters = filters
        .iter()
        .filter(|(_, _, entries, _)| !entries.is_empty());
    let mut text = "# Written by `tollgate limits export envoy`.\n# In `http_filters`, after Tollgate and before the router:\nhttp_filters:\n".to_owned();
    for (name, closed, _, told) in filters.clone() {
        let (domain, cluster) = (quoted(&arguments.domain), quoted(&arguments.cluster));
        let _ = write!(
            text,
            "- name: {name}
  typed_config:
    \"@type\": {FILTER}
    domain: {domain}
    rate_limit_service:
      transport_api_version: V3
      grpc_service:
        envoy_grpc: {{cluster_name: {cluster}}}
    timeout: 1s
    failure_mode_deny: {closed}
    status_on_error: {{code: ServiceUnavailable}}
{told}"
        );
    }
    text.push_str("# In the route of inference, beside `match`; `rate_limits` of the route itself ignore `hits_addend`:\ntyped_per_filter_config:\n");
    for (name, _, entries, _) in filters {
        let _ = write!(
            text,
            "  {name}:\n    \"@type\": {ROUTE}\n    rate_limits:\n{entries}"
        );
    }
    text
}

/// What is asked or charged for one limit. A request for which one of the actions finds nothing has nothing to do with it.
fn entry(text: &mut String, limit: &Kept, header: &ModelHeader, hits: &str) {
    let _ = writeln!(
        text,
        "    - actions:\n      - generic_key: {{descriptor_key: {LIMIT}, descriptor_value: {}}}",
        quoted(&limit.id)
    );
    for Gate { key, names } in limit.gates() {
        let name = if key == super::export::MODELS {
            &*header.name
        } else {
            TENANT_HEADER
        };
        let _ = writeln!(
            text,
            "      - header_value_match:\n          descriptor_key: {key}\n          descriptor_value: {SELECTED}\n          headers:\n          - {{name: {}, string_match: {{safe_regex: {{regex: {}}}}}}}",
            quoted(name),
            quoted(&regex(&names))
        );
    }
    let mut header_entry = |name: &str, key: &str| {
        let _ = writeln!(
            text,
            "      - request_headers: {{header_name: {}, descriptor_key: {key}}}",
            quoted(name)
        );
    };
    if limit.per_tenant {
        header_entry(TENANT_HEADER, TENANT);
    }
    if limit.per_model {
        header_entry(&header.name, MODEL);
    }
    text.push_str(hits);
}

/// A pattern of RE2 for the whole value.
fn regex(names: &[ModelPattern]) -> String {
    let patterns: Vec<String> = names
        .iter()
        .map(|name| match name {
            ModelPattern::Exact(name) => literal(name),
            ModelPattern::Prefix(prefix) => format!("{}.*", literal(prefix)),
        })
        .collect();
    patterns.join("|")
}

/// A text in which nothing has a meaning to RE2.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

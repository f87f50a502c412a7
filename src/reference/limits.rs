//! The limits, from their constants.

use super::table;
use crate::config::compile::{MAX_NAME, MAX_VARIABLE};
use crate::form::part::MAX_FIELD_NAME;
use crate::form::{MAX_BOUNDARY, MAX_HEADERS};
use crate::forward::MAX_FAIRNESS;
use crate::identity::credentials::MAX_KEY_LENGTH;
use crate::identity::jwt::MAX_GROUPS;
use crate::identity::trusted_headers::MAX_SECRET_LENGTH;
use crate::json::MAX_DEPTH;
use crate::meter::members::{PART_CAP, USAGE_CAP};
use crate::meter::{MAX_MEMORY, MAX_METADATA};
use crate::metrics::{MAX_FURTHER_LABELS, MAX_FURTHER_MODELS, MAX_KEY_LABELS, RESERVED_MODELS};
use crate::model_name::{self, NAME_MARKS};
use crate::rewrite::hide::MAX_HELD;
use crate::rewrite::models::MAX_LIST;
use crate::usage::MAX_COUNT;
use crate::usage::tally::MAX_CHOICES;

const REFUSED: &str = "the configuration is refused";

pub(super) fn limits() -> String {
    let rows = [
        (
            "API key",
            format!("{MAX_KEY_LENGTH} bytes"),
            "`invalid_credential`",
        ),
        (
            "secret of `trustedHeaders.proof`",
            format!("{MAX_SECRET_LENGTH} bytes"),
            "`invalid_credential`",
        ),
        (
            "entries of a claim, groups by `trustedHeaders`",
            MAX_GROUPS.to_string(),
            "`too_many_groups`",
        ),
        (
            "name of an environment variable",
            format!("{MAX_VARIABLE} letters, digits and `_`"),
            REFUSED,
        ),
        (
            "model name",
            format!("{} bytes of printable UTF-8", model_name::MAX_NAME),
            "`invalid_model_name`",
        ),
        (
            "tenant, key id, objective",
            format!("{MAX_NAME} letters, digits and `{NAME_MARKS}`"),
            REFUSED,
        ),
        (
            "user or attribute as fairness id",
            format!("{MAX_FAIRNESS} visible ASCII characters"),
            "the tenant is the fairness id",
        ),
        (
            "nesting of a request's JSON",
            MAX_DEPTH.to_string(),
            "`malformed_body`",
        ),
        (
            "nesting of a reply's JSON",
            "none: deeper levels are only counted".to_owned(),
            "",
        ),
        (
            "size of a request or reply",
            "none: nothing is buffered".to_owned(),
            "",
        ),
        (
            "an event with usage to hide",
            size(MAX_HELD),
            "the event reaches the client",
        ),
        ("list of models", size(MAX_LIST), "an empty list"),
        (
            "boundary of a form",
            format!("{MAX_BOUNDARY} letters, digits and `-_.'+`"),
            "`malformed_body`",
        ),
        (
            "headers of one part of a form",
            size(MAX_HEADERS),
            "`malformed_body`",
        ),
        (
            "name of a form's field",
            format!("{MAX_FIELD_NAME} letters, digits and `_-.[]`"),
            "`malformed_body`",
        ),
        (
            "labels of models that only a `prefix*` or `*` allows",
            format!(
                "{MAX_FURTHER_MODELS} for each tenant, {} for all; beyond that, {RESERVED_MODELS} for each tenant; in each worker of Envoy",
                grouped(MAX_FURTHER_LABELS as u64)
            ),
            "label `other`",
        ),
        (
            "labels of keys, with `metering.labels`",
            format!(
                "{}, in each worker of Envoy",
                grouped(MAX_KEY_LABELS as u64)
            ),
            "label `other`",
        ),
        (
            "a usage object in a reply",
            format!(
                "{}; in a part of the reply, {}",
                size(USAGE_CAP),
                size(PART_CAP)
            ),
            "`usage_missing`, reason `too_large`",
        ),
        (
            "choices of a reply that are counted separately",
            MAX_CHOICES.to_string(),
            "the counts are a lower bound",
        ),
        (
            "the `metadata` header of embeddings as bytes",
            size(MAX_METADATA),
            "not read",
        ),
        (
            "one token count",
            grouped(MAX_COUNT),
            "larger counts are read as this",
        ),
        (
            "memory of the meter for one reply",
            size(MAX_MEMORY),
            "by construction",
        ),
    ];
    table(
        ["what", "limit", "beyond it"],
        rows.map(|(what, limit, beyond)| [what.to_owned(), limit, beyond.to_owned()]),
    )
}

/// A readable size. All limits are whole KiB.
fn size(bytes: usize) -> String {
    match bytes / 1024 {
        kibibytes @ 1024.. => format!("{} MiB", kibibytes / 1024),
        kibibytes => format!("{kibibytes} KiB"),
    }
}

/// `4294967295` as `4,294,967,295`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8(groups.join(&b',')).unwrap()
}

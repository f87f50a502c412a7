//! What must hold for any input, one `check` for each parser and editor of the core.
//!
//! A check panics where the rule is broken. Its input is a plain file that a person can read and write; how it is cut into
//! chunks follows from its bytes, so that one input always runs the same way. The fuzz targets feed the checks with what
//! libFuzzer thinks of, the tests with the corpora and mutations of them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::string_slice,
    reason = "a check that fails loudly is what is wanted"
)]

use std::rc::Rc;

use tollgate::members::Members;

pub mod ask;
pub mod config;
pub mod corpus;
pub mod cuts;
pub mod eventstream;
pub mod form;
pub mod hide;
pub mod json;
mod memory;
pub mod meter;
pub mod random;
pub mod request;
pub mod sse;

thread_local! {
    static MEMBERS: Rc<Members> = Rc::default();
}

/// The lists of members as they are, made once.
fn members() -> Rc<Members> {
    MEMBERS.with(Rc::clone)
}

/// A check, by the name of its corpus and fuzz target.
pub type Check = (&'static str, fn(&[u8]));

/// Every check.
pub const ALL: [Check; 9] = [
    ("ask", ask::check),
    ("config", config::check),
    ("eventstream", eventstream::check),
    ("form", form::check),
    ("hide", hide::check),
    ("json", json::check),
    ("meter", meter::check),
    ("request", request::check),
    ("sse", sse::check),
];

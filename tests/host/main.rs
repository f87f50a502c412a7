//! The shipped module under a host of our own: every callback, every host call, exact counts, and no Envoy.
//!
//! The host answers as Envoy was seen to answer. What it makes up is only what Envoy never does on purpose: calls that
//! fail, callbacks out of order, and a clock that stands still.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that fails loudly is what is wanted"
)]

mod abi;
mod accounting;
mod configuration;
mod cost;
mod exchange;
mod explain;
mod faults;
mod fixtures;
mod gate;
mod gateway_counts;
mod guest;
mod host;
mod hostile;
mod imports;
mod linear;
mod many_keys;
mod many_users;
mod memory;
mod models;
mod open_streams;
mod properties;
mod reload;
mod scenarios;
mod vm;
mod wasi;
mod world;

//! Real HTTP through a real Envoy with the built filter: status, headers, streaming, metrics, access log.
//!
//! `$ENVOY` is the command that starts Envoy (it may carry arguments, such as `func-e run`); without it `envoy` is looked
//! up on the `PATH`. `$TOLLGATE_WASM` is the filter; without it `target/wasm32-wasip1/release/tollgate.wasm`.
//! Every test starts its own Envoy on free ports and its own upstream, so tests run side by side.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "numbers in these tests are small and known"
)]
#![allow(
    clippy::print_stdout,
    reason = "the test runner shows the output of a failed test"
)]

#[cfg(test)]
mod access;
#[cfg(test)]
mod accuracy;
#[cfg(test)]
mod admitted;
#[cfg(test)]
mod ai_gateway;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod compression;
#[cfg(test)]
mod config;
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod deep_replies;
#[cfg(test)]
mod embeddings;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod forwarding;
#[cfg(test)]
mod gateway_counts;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod judges;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod live_change;
#[cfg(test)]
mod log;
#[cfg(test)]
mod lying_upstream;
#[cfg(test)]
mod media;
#[cfg(test)]
mod members;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod model_routing;
#[cfg(test)]
mod models;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod opentelemetry;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod platforms;
#[cfg(test)]
mod query;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod rate_limit;
#[cfg(test)]
mod reply_headers;
#[cfg(test)]
mod resets;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod self_check;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod smuggling;
#[cfg(test)]
mod spoofing;
#[cfg(test)]
mod stream_usage;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod trusted_headers;
#[cfg(test)]
mod uploads;

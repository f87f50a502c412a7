//! Tollgate: API keys, model access, token metering and fairness for LLM inference, inside Envoy.
//!
//! # The life of a request
//!
//! ```text
//! headers ─ identify ─▶ Caller ─ operation + model ─ authorise ─▶ Permit ─ forward ─▶ Forwarded ─▶ Continue
//!              │                        │
//!              └──────── Denial ◀───────┘       every refusal leaves by one door, with one stable code
//! body    ─ Judge: scan each frame, then pass it  the frame that closes the document is judged before it passes
//! reply   ─ Meter: SSE events or JSON members    observes, never delays; a list of models is cut down by rewrite
//! end     ─ record: metrics, filter state        in on_log, exactly once, on every ending
//! ```
//!
//! Each step hands one type to the next, and can only be called with the proof that the step before it made. The core
//! takes bytes and values and returns values: no host call, no clock and no log. `plugin.rs` is the one file that talks
//! to Envoy, through `host.rs`, whose calls return results.

pub mod access;
pub mod arrival;
pub mod config;
pub mod denial;
#[cfg(test)]
mod fixtures;
pub mod form;
pub mod forward;
pub mod gateway_counts;
pub mod headers;
pub mod identity;
pub mod json;
pub mod key_format;
pub mod members;
pub mod meter;
pub mod metrics;
pub mod model;
pub mod operation;
pub mod policy;
pub mod query;
pub mod record;
#[cfg(test)]
#[cfg(feature = "command")]
mod reference;
pub mod rewrite;
mod rows;
pub mod sse;
pub mod usage;

#[cfg(target_os = "wasi")]
mod host;
#[cfg(target_os = "wasi")]
mod plugin;

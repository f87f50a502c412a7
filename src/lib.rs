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
//! Each step hands one type to the next, and can only be called with the proof that the step before it made. An
//! [`Exchange`](exchange::Exchange) takes one request through all of them. It reaches the proxy through
//! [`Host`](exchange::Host), a trait that a shell implements: `host.rs` and `plugin.rs` for Envoy,
//! [`Offline`](exchange::Offline) for tests, fuzzing and `tollgate explain`. The other modules take bytes and values and
//! return values: no host call, no clock and no log.

pub mod access;
pub mod attribute;
pub mod body;
pub mod config;
mod date;
pub mod denial;
mod entries;
pub mod eventstream;
pub mod exchange;
#[cfg(test)]
mod fixtures;
pub mod form;
pub mod forward;
pub mod gateway_counts;
pub mod headers;
pub mod identity;
pub mod json;
pub mod key_format;
pub mod measure;
pub mod members;
pub mod meter;
pub mod metrics;
pub mod model_name;
pub mod operation;
pub mod owned_headers;
pub mod policy;
pub mod query;
pub mod quota;
pub mod record;
#[cfg(test)]
#[cfg(feature = "command")]
mod reference;
pub mod rewrite;
mod rows;
pub mod sse;
pub mod tenant;
pub mod usage;

#[cfg(target_os = "wasi")]
mod host;
#[cfg(target_os = "wasi")]
mod plugin;

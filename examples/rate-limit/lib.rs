//! A rate limit server to try and to test with: Envoy's rate limit protocol over gRPC, budgets of tokens in memory.
//!
//! **Not for production**: it forgets all budgets when it ends, and a second one beside it would know nothing of the
//! first. Production has envoyproxy/ratelimit; see the README beside this file.
//!
//! | file | what it holds |
//! |---|---|
//! | `messages.rs` | the messages of the protocol |
//! | `descriptors.rs` | the limits, from the file that envoyproxy/ratelimit reads |
//! | `budgets.rs` | who has spent how much |
//! | `service.rs` | the gRPC service |
//! | `served.rs` | what serves any gRPC method, for the servers of tests too |
//! | `main.rs` | the command line |
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        reason = "a test that panics fails, as it should"
    )
)]

mod budgets;
mod descriptors;
pub mod messages;
mod served;
mod service;

pub use budgets::Budgets;
pub use descriptors::Descriptors;
pub use service::{SHOULD_RATE_LIMIT, serve};

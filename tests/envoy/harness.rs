//! What a case needs: a [`Gateway`] (Envoy with the filter), an upstream and a rate limit server that record, clients,
//! tokens and metrics.

mod bootstrap;
mod client;
mod crowd;
mod discovery;
mod engine;
mod gateway;
mod health;
mod http2;
mod metrics;
mod process;
mod rate_limit;
mod readers;
mod served;
mod shipped;
mod tokens;
mod trap;
mod upstream;

use std::thread;
use std::time::{Duration, Instant};

pub(crate) use bootstrap::{Provider, connection_manager, filters, route};
pub(crate) use tollgate_tests::demo;

pub(crate) use client::{Answer, Connection, Wire, send};
pub(crate) use crowd::{Crowd, Leave, Tally};
pub(crate) use gateway::{Builder, Gateway, completion};
pub(crate) use http2::Frames;
pub(crate) use metrics::{Series, series};
pub(crate) use process::{envoy_command, envoy_version};
pub(crate) use rate_limit::{RateLimitServer, question, question_of};
pub(crate) use readers::Readers;
pub(crate) use served::Served;
pub(crate) use shipped::Shipped;
pub(crate) use tokens::Token;
pub(crate) use trap::trapping;
pub(crate) use upstream::{Framing, Piece, Reply, Seen};

/// Long enough for a busy machine; nothing waits this long unless it is about to fail.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks again and again until there is an answer; panics with `what` and the last refusal when [`DEADLINE`] has passed.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(value) => return value,
            Err(refusal) if start.elapsed() > DEADLINE => {
                panic!("waited {DEADLINE:?} for {what}: {refusal}")
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

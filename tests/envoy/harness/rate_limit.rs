//! A rate limit server that records what it is asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tollgate_rate_limit::messages::{Entry, RateLimitDescriptor, RateLimitRequest};
use tollgate_rate_limit::{Budgets, serve};

use super::{Served, eventually};

/// The running server.
pub(crate) struct RateLimitServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<RateLimitRequest>>>,
    _served: Served,
}

impl RateLimitServer {
    /// Serves these budgets on a free port.
    pub(crate) fn start(budgets: Budgets) -> Self {
        let asked = Arc::<Mutex<Vec<RateLimitRequest>>>::default();
        let record = Arc::clone(&asked);
        let served = Served::start(|listener| {
            serve(listener, budgets, move |request, _| {
                let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
                record.push(request.clone());
            })
        });
        Self {
            address: served.address,
            asked,
            _served: served,
        }
    }

    /// Everything that it has been asked, in order.
    pub(crate) fn asked(&self) -> Vec<RateLimitRequest> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until it has been asked exactly this since it started: of each request the tenant and the addend.
    pub(crate) fn expect_asked(&self, expected: &[(&str, u64)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(tenant, tokens)| question(tenant, *tokens))
            .collect();
        eventually("the questions", || {
            let asked = self.asked();
            if asked == expected {
                Ok(())
            } else {
                Err(format!("\nexpected {expected:#?}\nasked {asked:#?}"))
            }
        });
    }
}

/// The one form that every question has.
pub(crate) fn question(tenant: &str, tokens: u64) -> RateLimitRequest {
    RateLimitRequest {
        domain: "tollgate".to_owned(),
        descriptors: vec![RateLimitDescriptor {
            entries: vec![Entry {
                key: "tenant".to_owned(),
                value: tenant.to_owned(),
            }],
            hits_addend: Some(tokens),
        }],
        hits_addend: 0,
    }
}

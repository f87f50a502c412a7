//! A rate limit server that records what it is asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tollgate_rate_limit::messages::{Entry, RateLimitDescriptor, RateLimitRequest};
use tollgate_rate_limit::{Budgets, serve};

use super::eventually;

/// The running server.
pub(crate) struct RateLimitServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<RateLimitRequest>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RateLimitServer {
    /// Serves these budgets on a free port.
    pub(crate) fn start(budgets: Budgets) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<RateLimitRequest>>>::default();
        let (stop, stopped) = oneshot::channel();
        let record = Arc::clone(&asked);
        let thread = thread::spawn(move || {
            let server = serve(listener, budgets, move |request, _| {
                let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
                record.push(request.clone());
            });
            runtime.block_on(async {
                tokio::select! {
                    result = server => result.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            asked,
            stop: Some(stop),
            thread: Some(thread),
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

impl Drop for RateLimitServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
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

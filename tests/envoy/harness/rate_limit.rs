//! A rate limit server that records what it is asked: our own, or envoyproxy/ratelimit behind it where `$RATELIMIT` names one.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tollgate_rate_limit::messages::{
    Entry, RateLimitDescriptor, RateLimitRequest, RateLimitResponse,
};
use tollgate_rate_limit::{Budgets, Descriptors, SHOULD_RATE_LIMIT, serve};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::engine::Engine;
use super::{Served, eventually};

/// The running server.
pub(crate) struct RateLimitServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<RateLimitRequest>>>,
    // Before the engine, so that nobody asks it any more when it ends.
    _served: Served,
    _engine: Option<Engine>,
}

impl RateLimitServer {
    /// Serves the limits of this file, as envoyproxy/ratelimit reads it, on a free port.
    pub(crate) fn start(limits: &str) -> Self {
        let asked = Arc::<Mutex<Vec<RateLimitRequest>>>::default();
        let record = {
            let asked = Arc::clone(&asked);
            move |request: &RateLimitRequest| {
                let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
                asked.push(request.clone());
            }
        };
        let engine = Engine::start(limits);
        let served = match &engine {
            Some(engine) => {
                let address = engine.address;
                Served::start(move |listener| async move {
                    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
                    let channel = endpoint.connect_lazy();
                    let answer = move |request| {
                        record(&request);
                        ask(channel.clone(), request)
                    };
                    serve(listener, answer).await
                })
            }
            None => {
                let budgets = Mutex::new(Budgets::new(Descriptors::read(limits).unwrap()));
                let answer =
                    move |request: RateLimitRequest| -> Ready<Result<RateLimitResponse, Status>> {
                        let mut budgets = budgets.lock().unwrap_or_else(PoisonError::into_inner);
                        record(&request);
                        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                        ready(Ok(budgets.answer(&request, now.as_secs())))
                    };
                Served::start(move |listener| serve(listener, answer))
            }
        };
        Self {
            address: served.address,
            asked,
            _served: served,
            _engine: engine,
        }
    }

    /// Everything that it has been asked, in order.
    pub(crate) fn asked(&self) -> Vec<RateLimitRequest> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until it has been asked exactly this since it started: of each request the limit, the tenant and the addend.
    pub(crate) fn expect_asked(&self, expected: &[(&str, &str, u64)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(limit, tenant, hits)| question(limit, tenant, *hits))
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

/// What envoyproxy/ratelimit says.
async fn ask(channel: Channel, request: RateLimitRequest) -> Result<RateLimitResponse, Status> {
    let mut client = Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path = SHOULD_RATE_LIMIT.parse().unwrap();
    let codec = ProstCodec::<RateLimitRequest, RateLimitResponse>::default();
    let answer = client.unary(Request::new(request), path, codec).await?;
    Ok(answer.into_inner())
}

/// The form that questions of `envoy/rate-limit.yaml` have; `all` asks about both limits.
pub(crate) fn question(limit: &str, tenant: &str, hits: u64) -> RateLimitRequest {
    let of = |limit: &str| question_of(&[("limit", limit), ("tenant", tenant)], hits);
    if limit != "all" {
        return of(limit);
    }
    let mut both = of("tokens");
    both.descriptors.extend(of("requests").descriptors);
    both
}

/// A question about the budget that these entries name.
pub(crate) fn question_of(entries: &[(&str, &str)], hits: u64) -> RateLimitRequest {
    let entries = entries.iter().map(|(key, value)| Entry {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    });
    RateLimitRequest {
        domain: "tollgate".to_owned(),
        descriptors: vec![RateLimitDescriptor {
            entries: entries.collect(),
            hits_addend: Some(hits),
        }],
        hits_addend: 0,
    }
}

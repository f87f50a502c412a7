//! The gRPC service.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, BoxFuture, Service, StdError, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::budgets::Budgets;
use crate::messages::{RateLimitRequest, RateLimitResponse};

const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// Answers Envoys from these budgets until the future is dropped. `observe` is shown every question with its answer, in
/// the order of their arrival.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    listener: TcpListener,
    budgets: Budgets,
    observe: impl Fn(&RateLimitRequest, &RateLimitResponse) + Send + Sync + 'static,
) -> Result<(), tonic::transport::Error> {
    let service = RateLimitService(Arc::new(Desk {
        budgets: Mutex::new(budgets),
        observe: Box::new(observe),
    }));
    Server::builder()
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener))
        .await
}

type Observer = dyn Fn(&RateLimitRequest, &RateLimitResponse) + Send + Sync;

struct Desk {
    budgets: Mutex<Budgets>,
    observe: Box<Observer>,
}

#[derive(Clone)]
struct RateLimitService(Arc<Desk>);

impl NamedService for RateLimitService {
    const NAME: &'static str = "envoy.service.ratelimit.v3.RateLimitService";
}

impl<B> Service<http::Request<B>> for RateLimitService
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let method = ShouldRateLimit(Arc::clone(&self.0));
        Box::pin(async move {
            if request.uri().path() != SHOULD_RATE_LIMIT {
                return Ok(Status::unimplemented("only ShouldRateLimit").into_http());
            }
            let mut grpc = Grpc::new(ProstCodec::default());
            Ok(grpc.unary(method, request).await)
        })
    }
}

struct ShouldRateLimit(Arc<Desk>);

impl UnaryService<RateLimitRequest> for ShouldRateLimit {
    type Response = RateLimitResponse;
    type Future = Ready<Result<Response<RateLimitResponse>, Status>>;

    fn call(&mut self, request: Request<RateLimitRequest>) -> Self::Future {
        let Desk { budgets, observe } = &*self.0;
        let request = request.into_inner();
        // Held while it is observed, so that the order is that of the bookings.
        let mut budgets = budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let response = budgets.answer(&request, Instant::now());
        observe(&request, &response);
        ready(Ok(Response::new(response)))
    }
}

//! The gRPC services: rate limits, and health.

use std::future::{Ready, ready};
use std::sync::Arc;

use tokio::net::TcpListener;
use tonic::codegen::BoxFuture;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::messages::{
    HealthCheckRequest, HealthCheckResponse, RateLimitRequest, RateLimitResponse,
};
use crate::served;

/// The path of the one method.
pub const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
const CHECK_HEALTH: &str = "/grpc.health.v1.Health/Check";
const SERVING: i32 = 1;

/// Gives Envoys what `answer` makes of their questions, until the future is dropped.
///
/// # Errors
/// When the socket fails.
pub async fn serve<A, F>(listener: TcpListener, answer: A) -> Result<(), tonic::transport::Error>
where
    A: Fn(RateLimitRequest) -> F + Send + Sync + 'static,
    F: Future<Output = Result<RateLimitResponse, Status>> + Send + 'static,
{
    let answer: Arc<Answer> = Arc::new(move |request| Box::pin(answer(request)));
    Server::builder()
        .add_service(RateLimitService(answer))
        .add_service(HealthService)
        .serve_with_incoming(TcpIncoming::from(listener))
        .await
}

type Answer = dyn Fn(RateLimitRequest) -> BoxFuture<RateLimitResponse, Status> + Send + Sync;

#[derive(Clone)]
struct RateLimitService(Arc<Answer>);

impl NamedService for RateLimitService {
    const NAME: &'static str = "envoy.service.ratelimit.v3.RateLimitService";
}

served!(RateLimitService, unary, SHOULD_RATE_LIMIT);

impl UnaryService<RateLimitRequest> for RateLimitService {
    type Response = RateLimitResponse;
    type Future = BoxFuture<Response<RateLimitResponse>, Status>;

    fn call(&mut self, request: Request<RateLimitRequest>) -> Self::Future {
        let answer = (self.0)(request.into_inner());
        Box::pin(async move { answer.await.map(Response::new) })
    }
}

/// Says that all is well, as long as there is somebody to say it.
#[derive(Clone)]
struct HealthService;

impl NamedService for HealthService {
    const NAME: &'static str = "grpc.health.v1.Health";
}

served!(HealthService, unary, CHECK_HEALTH);

impl UnaryService<HealthCheckRequest> for HealthService {
    type Response = HealthCheckResponse;
    type Future = Ready<Result<Response<HealthCheckResponse>, Status>>;

    fn call(&mut self, _: Request<HealthCheckRequest>) -> Self::Future {
        ready(Ok(Response::new(HealthCheckResponse { status: SERVING })))
    }
}

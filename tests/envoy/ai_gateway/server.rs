//! The processor as a gRPC service on a port of its own.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tollgate_rate_limit::served;
use tonic::server::{NamedService, StreamingService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use super::messages::{ProcessingRequest, ProcessingResponse};
use super::processor::{Desk, Exchange, Settings};
use crate::harness::Served;

/// The running server.
pub(super) struct Processor {
    pub(super) address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    _served: Served,
}

impl Processor {
    /// Serves on a free port.
    pub(super) fn start(settings: Settings) -> Self {
        let desk = Arc::new(Mutex::new(Desk::new(settings)));
        let service = ExternalProcessor(Arc::clone(&desk));
        let served = Served::start(|listener| {
            Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpIncoming::from(listener))
        });
        Self {
            address: served.address,
            desk,
            _served: served,
        }
    }

    /// The paths of the requests that the filter in front of Tollgate has asked about, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        lock(&self.desk).asked.clone()
    }
}

fn lock(desk: &Mutex<Desk>) -> std::sync::MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct ExternalProcessor(Arc<Mutex<Desk>>);

impl NamedService for ExternalProcessor {
    const NAME: &'static str = "envoy.service.ext_proc.v3.ExternalProcessor";
}

served!(
    ExternalProcessor,
    streaming,
    "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
);

impl StreamingService<ProcessingRequest> for ExternalProcessor {
    type Response = ProcessingResponse;
    type ResponseStream = ReceiverStream<Result<ProcessingResponse, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<ProcessingRequest>>) -> Self::Future {
        let desk = Arc::clone(&self.0);
        let (answers, stream) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let mut exchange = Exchange::default();
            let mut requests = request.into_inner();
            while let Some(Ok(request)) = requests.next().await {
                let answer = lock(&desk).answer(&mut exchange, request);
                if answers.send(Ok(answer)).await.is_err() {
                    break;
                }
            }
            lock(&desk).forget(&exchange);
        });
        ready(Ok(Response::new(ReceiverStream::new(stream))))
    }
}

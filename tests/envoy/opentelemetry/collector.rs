//! A collector that keeps what it gets: OpenTelemetry's two services over gRPC.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tollgate_rate_limit::served;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::messages::{ExportLogs, ExportTraces, Exported, KeyValue};
use crate::harness::Served;

/// A log record or a span.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) trace: Vec<u8>,
    pub(super) span: Vec<u8>,
    /// Those that are texts.
    pub(super) attributes: BTreeMap<String, String>,
}

impl Item {
    fn new(trace: Vec<u8>, span: Vec<u8>, attributes: Vec<KeyValue>) -> Self {
        let texts = attributes
            .into_iter()
            .filter_map(|attribute| Some((attribute.key, attribute.value?.text?)));
        Self {
            trace,
            span,
            attributes: texts.collect(),
        }
    }
}

type Kept = Arc<Mutex<Vec<Item>>>;

pub(super) struct Collector {
    pub(super) address: SocketAddr,
    records: Kept,
    spans: Kept,
    _served: Served,
}

impl Collector {
    pub(super) fn start() -> Self {
        let (records, spans) = (Kept::default(), Kept::default());
        let (logs, traces) = (Logs(Arc::clone(&records)), Traces(Arc::clone(&spans)));
        let served = Served::start(|listener| {
            Server::builder()
                .add_service(logs)
                .add_service(traces)
                .serve_with_incoming(TcpIncoming::from(listener))
        });
        Self {
            address: served.address,
            records,
            spans,
            _served: served,
        }
    }

    pub(super) fn records(&self) -> Vec<Item> {
        kept(&self.records).clone()
    }

    pub(super) fn spans(&self) -> Vec<Item> {
        kept(&self.spans).clone()
    }
}

fn kept(items: &Kept) -> std::sync::MutexGuard<'_, Vec<Item>> {
    items.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct Logs(Kept);

#[derive(Clone)]
struct Traces(Kept);

impl NamedService for Logs {
    const NAME: &'static str = "opentelemetry.proto.collector.logs.v1.LogsService";
}

impl NamedService for Traces {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

type Answer = Ready<Result<Response<Exported>, Status>>;

impl UnaryService<ExportLogs> for Logs {
    type Response = Exported;
    type Future = Answer;

    fn call(&mut self, request: Request<ExportLogs>) -> Answer {
        let scopes = request.into_inner().resources.into_iter();
        let records = scopes
            .flat_map(|resource| resource.scopes)
            .flat_map(|scope| scope.records);
        kept(&self.0).extend(
            records.map(|record| Item::new(record.trace_id, record.span_id, record.attributes)),
        );
        ready(Ok(Response::new(Exported {})))
    }
}

impl UnaryService<ExportTraces> for Traces {
    type Response = Exported;
    type Future = Answer;

    fn call(&mut self, request: Request<ExportTraces>) -> Answer {
        let scopes = request.into_inner().resources.into_iter();
        let spans = scopes
            .flat_map(|resource| resource.scopes)
            .flat_map(|scope| scope.spans);
        kept(&self.0)
            .extend(spans.map(|span| Item::new(span.trace_id, span.span_id, span.attributes)));
        ready(Ok(Response::new(Exported {})))
    }
}

served!(
    Logs,
    unary,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
);
served!(
    Traces,
    unary,
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
);

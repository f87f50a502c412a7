//! Sends recordings through Envoy, split as told, and gives what arrived and what was counted.
//!
//! Envoy joins what it finds in its socket. So a split reply is sent in step: the next bytes leave the upstream when the
//! client has all those before, which means that Envoy has read, filtered and written them by themselves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::counted::Counted;
use super::index::Recording;
use super::splits::Split;
use crate::harness::demo::{ACME_KEY, config};
use crate::harness::{Answer, Builder, Framing, Gateway, Piece, Reply, Seen, Series, Wire};

/// Replays at a time. They spend their time waiting for one another.
const AT_ONCE: usize = 4;
/// How long bytes may take to the client before their reply is no longer sent in step.
const PATIENCE: Duration = Duration::from_millis(500);
/// The pause between writes that are not in step.
const OUT_OF_STEP: Duration = Duration::from_millis(1);
/// How long all bytes of a reply that is to be cut may take.
const LONG_PATIENCE: Duration = Duration::from_secs(5);
/// Headers that are on every reply, so that it shows if one of them is lost.
const HEADERS: [(&str, &str); 4] = [
    ("x-request-id", "7f3c1f0e-recorded"),
    ("x-ratelimit-remaining-tokens", "1000"),
    ("set-cookie", "a=1"),
    ("set-cookie", "b=2"),
];

/// One way to replay one recording.
pub(super) struct Case {
    pub(super) recording: Arc<Recording>,
    pub(super) split: Split,
    /// Its place among all cases.
    pub(super) number: usize,
}

impl Case {
    /// The model that it asks for, which no other case does: so it has series of its own.
    fn model(&self) -> String {
        format!("replay-{}", self.number)
    }

    fn reply(&self, delivery: &Arc<Delivery>) -> Reply {
        let recording = &*self.recording;
        let parts = self.split.parts(&recording.body);
        let in_step = parts.len() > 1;
        let mut pieces = Vec::new();
        let mut sent = 0;
        for part in parts {
            pieces.push(Piece::Bytes(part.to_vec()));
            sent += part.len();
            if in_step {
                pieces.push(Piece::Wait(delivery.until(sent, PATIENCE)));
            }
        }
        if recording.client_aborted {
            pieces.push(Piece::UntilClosed);
        } else if !recording.complete {
            // What is still on its way when the connection ends could be lost.
            pieces.push(Piece::Wait(delivery.until(sent, LONG_PATIENCE)));
            pieces.push(Piece::Cut);
        }
        let mut reply = Reply::framed(recording.status, self.framing(), pieces);
        let own = [
            ("content-type", &recording.content_type),
            ("content-encoding", &recording.content_encoding),
        ];
        for (name, value) in own {
            if let Some(value) = value {
                reply = reply.header(name, value);
            }
        }
        HEADERS
            .iter()
            .fold(reply, |reply, (name, value)| reply.header(name, value))
    }

    fn framing(&self) -> Framing {
        let recording = &*self.recording;
        let cut = recording.client_aborted || !recording.complete;
        match recording.transfer.as_deref() {
            _ if recording.forbids_body() => Framing::NoBody,
            Some("close") => Framing::Close,
            Some("chunked") => Framing::Chunks,
            // A reply that is not from a server comes as most servers would send it.
            None if recording.streamed == Some(true) => Framing::Chunks,
            _ => Framing::Length {
                missing: usize::from(cut),
            },
        }
    }

    fn request(&self) -> Wire {
        let recording = &*self.recording;
        let method = if recording.asks_for_models() {
            "GET"
        } else {
            "POST"
        };
        let request = Wire::new(method, recording.target())
            .header("x-api-key", ACME_KEY)
            .header("x-case", self.number.to_string());
        if recording.asks_for_models() {
            return request;
        }
        let path = recording.path();
        let forms = [
            "/audio/transcriptions",
            "/audio/translations",
            "/images/edits",
            "/images/variations",
        ];
        if forms.iter().any(|form| path.ends_with(form)) {
            let form = format!(
                "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{}\r\n--b--\r\n",
                self.model()
            );
            return request
                .header("content-type", "multipart/form-data; boundary=b")
                .body(form);
        }
        let mut body =
            json!({"model": self.model(), "messages": [{"role": "user", "content": "Hello"}]});
        if let Some(streamed) = recording.streamed {
            body["stream"] = json!(streamed);
        }
        for (name, value) in &recording.request {
            body[name] = value.clone();
        }
        // What the filter asks for itself the client would not see.
        if recording.streamed == Some(true) && recording.seen.is_none() {
            body["stream_options"] = json!({"include_usage": true});
        }
        request
            .header("content-type", "application/json")
            .body(body.to_string())
    }
}

/// How much of a reply has reached the client.
#[derive(Default)]
struct Delivery {
    bytes: Mutex<usize>,
    arrival: Condvar,
    /// Writes that went out before the bytes ahead of them had arrived.
    out_of_step: AtomicUsize,
}

impl Delivery {
    fn arrived(&self, bytes: usize) {
        *self.bytes.lock().unwrap() = bytes;
        self.arrival.notify_all();
    }

    /// Waits until so many bytes have reached the client. Once that took too long, writes are only paused between.
    fn until(self: &Arc<Self>, bytes: usize, patience: Duration) -> Arc<dyn Fn() + Send + Sync> {
        let delivery = Arc::clone(self);
        Arc::new(move || {
            let in_step = delivery.out_of_step.load(Ordering::Relaxed) == 0;
            let patience = if in_step || patience > PATIENCE {
                patience
            } else {
                OUT_OF_STEP
            };
            let arrived = delivery.bytes.lock().unwrap();
            let (_arrived, waited) = delivery
                .arrival
                .wait_timeout_while(arrived, patience, |arrived| *arrived < bytes)
                .unwrap();
            if waited.timed_out() {
                delivery.out_of_step.fetch_add(1, Ordering::Relaxed);
            }
        })
    }
}

/// What one replay brought to the client.
pub(super) struct Arrival {
    /// `None` if the connection ended before the head did.
    pub(super) answer: Option<Answer>,
    /// Chunks of the answer, if it came in chunks.
    pub(super) chunks: usize,
    pub(super) out_of_step: usize,
}

/// Envoy, and an upstream that answers each case with its recording.
pub(super) struct Replayer {
    gateway: Gateway,
    cases: Arc<Vec<Case>>,
    /// One for each case.
    deliveries: Arc<Vec<Arc<Delivery>>>,
}

impl Replayer {
    pub(super) fn with_filter(cases: &Arc<Vec<Case>>) -> Self {
        Self::start(cases, Gateway::builder().config(config_for(cases)))
    }

    pub(super) fn without_filter(cases: &Arc<Vec<Case>>) -> Self {
        Self::start(cases, Gateway::builder().without_filter())
    }

    fn start(cases: &Arc<Vec<Case>>, builder: Builder) -> Self {
        let deliveries: Arc<Vec<Arc<Delivery>>> =
            Arc::new(cases.iter().map(|_| Arc::default()).collect());
        let script = {
            let (cases, deliveries) = (Arc::clone(cases), Arc::clone(&deliveries));
            move |seen: &Seen| {
                let number: usize = seen.values("x-case")[0].parse().unwrap();
                cases[number].reply(&deliveries[number])
            }
        };
        Self {
            gateway: builder.script(script).start(),
            cases: Arc::clone(cases),
            deliveries,
        }
    }

    /// Replays all cases; the arrivals are in their order.
    pub(super) fn replay(&self) -> Vec<Arrival> {
        let next = AtomicUsize::new(0);
        let arrivals: Vec<Mutex<Option<Arrival>>> =
            self.cases.iter().map(|_| Mutex::default()).collect();
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(case) = self.cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        *arrivals[case.number].lock().unwrap() = Some(self.replay_one(case));
                    }
                });
            }
        });
        arrivals
            .into_iter()
            .map(|arrival| arrival.into_inner().unwrap().unwrap())
            .collect()
    }

    fn replay_one(&self, case: &Case) -> Arrival {
        let delivery = &self.deliveries[case.number];
        let recording = &case.recording;
        let leave_at = recording.client_aborted.then_some(recording.body.len());
        let connection = self.gateway.connect();
        let exchange = connection.exchange_watched(&case.request(), leave_at, |bytes| {
            delivery.arrived(bytes);
        });
        let (answer, chunks) = exchange.unzip();
        Arrival {
            answer,
            chunks: chunks.unwrap_or_default(),
            out_of_step: delivery.out_of_step.load(Ordering::Relaxed),
        }
    }

    /// What was counted of each case, once all have been replayed; in their order.
    pub(super) fn counted(&self) -> Vec<Counted> {
        let entries = self.gateway.access_log(self.cases.len()).into_iter();
        let log: BTreeMap<String, Value> = entries
            .filter_map(|entry| Some((entry["case"].as_str()?.to_owned(), entry)))
            .collect();
        let mut of_models: BTreeMap<String, Vec<(Series, f64)>> = BTreeMap::new();
        for (series, value) in self.gateway.counted() {
            if let Some(model) = series.labels.get("model").cloned() {
                of_models.entry(model).or_default().push((series, value));
            }
        }
        self.cases
            .iter()
            .map(|case| {
                let series = of_models.get(&case.model()).map_or(&[][..], Vec::as_slice);
                let entry = log.get(&case.number.to_string());
                Counted::read(entry.unwrap_or(&Value::Null), series)
            })
            .collect()
    }
}

/// The demo's, with a model for each case, any other model that a path names, and all paths that are asked for: those
/// that the filter knows mean the same as ever.
fn config_for(cases: &[Case]) -> Value {
    let mut config = config();
    config["models"]["*"] = json!({"access": "authenticated"});
    for case in cases {
        config["models"][case.model()] = json!({"groups": ["research"]});
    }
    let mut paths: Vec<&str> = cases.iter().map(|case| case.recording.path()).collect();
    paths.sort_unstable();
    paths.dedup();
    let extra = paths
        .iter()
        .map(|path| json!({"method": "POST", "path": path, "groups": ["research"], "body": true}));
    config["extraPaths"] = extra.collect();
    config
}

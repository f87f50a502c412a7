//! What the host knows: streams, metrics, log lines, the clock, and the faults that a test has ordered.

use std::collections::{BTreeMap, HashMap};

use crate::abi::{Action, Callback, Map, Pairs, encode_metadata, status};

/// The time at which every test begins, in nanoseconds since 1970: 2026-06-01T00:00:00Z.
const BEGIN: u64 = 1_780_272_000_000_000_000;

/// The state behind the imports, one per VM.
pub(crate) struct World {
    pub(crate) clock: u64,
    pub(crate) log_level: u32,
    pub(crate) plugin_configuration: Vec<u8>,
    pub(crate) logs: Vec<(u32, String)>,
    pub(crate) metrics: Metrics,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// The context and callback that run now.
    pub(crate) context: u32,
    pub(crate) callback: Callback,
    /// Host calls of the callback that runs now, by name.
    pub(crate) calls: BTreeMap<&'static str, u32>,
    pub(crate) faults: Faults,
    /// What all VMs share, each value with its version.
    pub(crate) shared: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Where the stream of "random" numbers stands: the same in every run, so that instruction counts are exact.
    pub(crate) random: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            clock: BEGIN,
            log_level: 2,
            plugin_configuration: Vec::new(),
            logs: Vec::new(),
            metrics: Metrics::default(),
            streams: BTreeMap::new(),
            context: 0,
            callback: Callback::Start,
            calls: BTreeMap::new(),
            faults: Faults::default(),
            shared: HashMap::new(),
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }

    /// The stream whose callback runs; `None` in a callback of the plugin itself.
    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        self.streams.get_mut(&self.context)
    }

    /// The map, if Envoy lets the module read it now.
    pub(crate) fn readable(&mut self, map: Map) -> Option<&mut Pairs> {
        if self.callback != map.callback() && self.callback != Callback::Log {
            return None;
        }
        self.stream()?.map(map).as_mut()
    }

    /// The map, if Envoy lets the module change it now.
    pub(crate) fn writable(&mut self, map: Map) -> Option<&mut Pairs> {
        if self.callback != map.callback() {
            return None;
        }
        self.stream()?.map(map).as_mut()
    }

    /// The bytes of a buffer (`proxy_buffer_type_t`): the current frame of a body, or the plugin's configuration.
    pub(crate) fn buffer(&mut self, kind: u32) -> Option<&mut Vec<u8>> {
        match (kind, self.callback) {
            (0, Callback::RequestBody) | (1, Callback::ResponseBody) => {
                Some(&mut self.stream()?.frame)
            }
            (7, Callback::Configure) => Some(&mut self.plugin_configuration),
            _ => None,
        }
    }
}

/// One HTTP stream, from both sides of the filter.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) root: u32,
    pub(crate) request_headers: Option<Pairs>,
    pub(crate) request_trailers: Option<Pairs>,
    pub(crate) response_headers: Option<Pairs>,
    pub(crate) response_trailers: Option<Pairs>,
    /// The frame that the body callback is about.
    pub(crate) frame: Vec<u8>,
    pub(crate) local_reply: Option<LocalReply>,
    /// What the upstream server has been sent; headers are `None` as long as the module has not let them pass.
    pub(crate) upstream_headers: Option<Pairs>,
    pub(crate) upstream_body: Vec<u8>,
    /// The request has gone to the upstream server to its end.
    pub(crate) upstream_complete: bool,
    /// What the client has been sent.
    pub(crate) downstream_headers: Option<Pairs>,
    pub(crate) downstream_body: Vec<u8>,
    /// Built-in attributes, by their path with NUL between the parts.
    pub(crate) attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `filter_metadata` of the stream, as JSON.
    pub(crate) metadata: serde_json::Value,
    /// What the module wrote with `proxy_set_property`, under the name that Envoy gives it: `wasm.` and the path.
    pub(crate) filter_state: BTreeMap<String, String>,
    pub(crate) steps: Vec<Step>,
}

impl Stream {
    /// The module has answered itself, or holds the headers: no callback follows for what the client still sends.
    pub(crate) fn is_stopped(&self) -> bool {
        self.local_reply.is_some() || self.action(Callback::RequestHeaders) == Some(Action::Pause)
    }

    /// What the module answered in the last callback of this kind; `None` when there was none.
    pub(crate) fn action(&self, callback: Callback) -> Option<Action> {
        let mut steps = self.steps.iter().rev();
        steps.find(|step| step.callback == callback)?.action
    }

    /// The only value that a header has upstream; `None` when it is absent.
    ///
    /// # Panics
    /// When there are several.
    pub(crate) fn upstream_header(&self, name: &str) -> Option<String> {
        single(self.upstream_headers.as_ref()?, name)
    }

    fn map(&mut self, map: Map) -> &mut Option<Pairs> {
        match map {
            Map::RequestHeaders => &mut self.request_headers,
            Map::RequestTrailers => &mut self.request_trailers,
            Map::ResponseHeaders => &mut self.response_headers,
            Map::ResponseTrailers => &mut self.response_trailers,
        }
    }

    /// The value of a property path, or the status that Envoy answers instead.
    pub(crate) fn property(&self, path: &[u8]) -> Result<Vec<u8>, u32> {
        if let Some(value) = self.attributes.get(path) {
            return Ok(value.clone());
        }
        let path = str::from_utf8(path).map_err(|_| status::NOT_FOUND)?;
        if let Some(value) = self.filter_state.get(&format!("wasm.{path}")) {
            return Ok(value.clone().into_bytes());
        }
        let claim = path
            .strip_prefix("metadata\0filter_metadata\0")
            .ok_or(status::NOT_FOUND)?;
        let mut value = &self.metadata;
        for part in claim.split('\0') {
            value = match value {
                serde_json::Value::Array(items) => {
                    part.parse().ok().and_then(|index: usize| items.get(index))
                }
                other => other.get(part),
            }
            .ok_or(status::NOT_FOUND)?;
        }
        encode_metadata(value)
    }
}

/// A reply that the module sent itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalReply {
    pub(crate) status: u32,
    pub(crate) headers: Pairs,
    pub(crate) body: Vec<u8>,
    pub(crate) during: Callback,
}

impl LocalReply {
    /// The only value of a header; `None` when it is absent.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        single(&self.headers, name)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("a body of UTF-8")
    }
}

fn single(pairs: &Pairs, name: &str) -> Option<String> {
    let mut values = pairs
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
    let value = values.next()?.1.clone();
    assert!(values.next().is_none(), "{name} is there more than once");
    Some(String::from_utf8_lossy(&value).into_owned())
}

/// What one callback did and cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) callback: Callback,
    pub(crate) action: Option<Action>,
    pub(crate) calls: BTreeMap<&'static str, u32>,
    pub(crate) instructions: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// Metrics as Envoy keeps them: one value per name, whoever defined it.
#[derive(Default)]
pub(crate) struct Metrics {
    names: Vec<(MetricKind, String)>,
    numbers: BTreeMap<String, u64>,
    samples: BTreeMap<String, Vec<u64>>,
}

impl Metrics {
    /// The id of a metric: every definition makes a new one, as in Envoy.
    pub(crate) fn define(&mut self, kind: u32, name: String) -> Result<u32, u32> {
        let kind = match kind {
            0 => MetricKind::Counter,
            1 => MetricKind::Gauge,
            2 => MetricKind::Histogram,
            _ => return Err(status::BAD_ARGUMENT),
        };
        self.names.push((kind, name));
        Ok(u32::try_from(self.names.len()).expect("few metrics"))
    }

    /// Envoy refuses to move a counter by zero or backwards, and to increment a histogram.
    pub(crate) fn increment(&mut self, id: u32, offset: i64) -> Result<(), u32> {
        let (kind, name) = self.named(id)?;
        if kind == MetricKind::Histogram || (kind == MetricKind::Counter && offset <= 0) {
            return Err(status::BAD_ARGUMENT);
        }
        let value = self.numbers.entry(name).or_default();
        *value = value.wrapping_add_signed(offset);
        Ok(())
    }

    /// Sets a gauge or adds a sample to a histogram; a counter is incremented.
    pub(crate) fn record(&mut self, id: u32, value: u64) -> Result<(), u32> {
        match self.named(id)? {
            (MetricKind::Histogram, name) => self.samples.entry(name).or_default().push(value),
            (MetricKind::Gauge, name) => {
                self.numbers.insert(name, value);
            }
            (MetricKind::Counter, name) => *self.numbers.entry(name).or_default() += value,
        }
        Ok(())
    }

    pub(crate) fn value(&self, id: u32) -> Result<u64, u32> {
        match self.named(id)? {
            (MetricKind::Histogram, _) => Err(status::BAD_ARGUMENT),
            (_, name) => Ok(self.numbers.get(&name).copied().unwrap_or_default()),
        }
    }

    /// Counters and gauges that have moved, by name.
    pub(crate) fn numbers(&self) -> &BTreeMap<String, u64> {
        &self.numbers
    }

    /// Requests that the filter has counted, whatever their labels.
    pub(crate) fn requests(&self) -> u64 {
        let of_requests = |metric: &str| metric.ends_with("tollgate_requests_total");
        let counted = self.numbers.iter();
        counted
            .filter(|(metric, _)| of_requests(metric))
            .map(|(_, value)| value)
            .sum()
    }

    /// Samples of the histograms, by name.
    pub(crate) fn samples(&self) -> &BTreeMap<String, Vec<u64>> {
        &self.samples
    }

    fn named(&self, id: u32) -> Result<(MetricKind, String), u32> {
        (id as usize)
            .checked_sub(1)
            .and_then(|index| self.names.get(index).cloned())
            .ok_or(status::BAD_ARGUMENT)
    }
}

/// Host calls that are to fail.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    orders: Vec<Fault>,
    seen: BTreeMap<&'static str, u32>,
}

/// "The `nth` call of `call` from now on returns `status`"; without `nth`, every one does.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) call: String,
    pub(crate) nth: Option<u32>,
    pub(crate) status: u32,
}

impl Faults {
    /// Replaces the orders and starts to count again.
    pub(crate) fn order(&mut self, orders: Vec<Fault>) {
        self.orders = orders;
        self.seen.clear();
    }

    /// Counts one call, and says with which status it is to fail.
    pub(crate) fn strike(&mut self, call: &'static str) -> Option<u32> {
        let count = self.seen.entry(call).or_default();
        *count += 1;
        let hit = |fault: &&Fault| fault.call == call && fault.nth.is_none_or(|nth| nth == *count);
        self.orders.iter().find(hit).map(|fault| fault.status)
    }
}

//! A real Envoy with the filter, on free ports, stopped when the test ends.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::bootstrap::{Bootstrap, Provider};
use super::client::{Answer, Connection, send};
use super::crowd::{self, Crowd, Tally};
use super::discovery::Discovery;
use super::http2::{self, Frames};
use super::metrics::{Series, series};
use super::process::{Process, client, scratch_folder};
use super::shipped::Shipped;
use super::upstream::{Reply, Seen, Upstream};
use super::{demo, eventually};

/// Everything a test may choose; what it does not choose is the demo.
pub(crate) struct Builder {
    config: Option<Value>,
    environment: BTreeMap<String, String>,
    process_environment: BTreeMap<String, String>,
    providers: Vec<Provider>,
    client_certificate: Option<&'static str>,
    discovered: Option<fn(&mut Value, PathBuf) -> Discovery>,
    drain_time: Option<Duration>,
    script: Box<dyn Fn(&Seen) -> Reply + Send + Sync>,
    workers: u32,
    buffer_limit: Option<u32>,
    route_timeout: Duration,
    upstream_http2: bool,
    amend: Box<dyn FnOnce(&mut Value)>,
    shipped: Option<Shipped>,
}

impl Builder {
    /// A bootstrap of the `envoy/` folder instead of the tests' own. Only upstream and workers can be chosen then, and
    /// there is no access log to read.
    pub(crate) fn shipped(mut self, shipped: Shipped) -> Self {
        self.shipped = Some(shipped);
        self
    }

    /// Another plugin configuration than the demo's.
    pub(crate) fn config(mut self, config: Value) -> Self {
        self.config = Some(config);
        self
    }

    /// A variable of the filter's environment.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A variable of Envoy's own environment, which the filter sees only if its configuration lets it.
    pub(crate) fn process_environment(mut self, name: &str, value: &str) -> Self {
        self.process_environment
            .insert(name.to_owned(), value.to_owned());
        self
    }

    /// Other providers of tokens than the demo's two, which leave their payloads in one place, as in Istio.
    pub(crate) fn providers(mut self, providers: Vec<Provider>) -> Self {
        self.providers = providers;
        self
    }

    /// All clients come with this certificate; the PEM text holds its key too.
    pub(crate) fn client_certificate(mut self, pem: &'static str) -> Self {
        self.client_certificate = Some(pem);
        self
    }

    /// Envoy alone, without the filter.
    pub(crate) fn without_filter(mut self) -> Self {
        self.config = None;
        self
    }

    /// Lets Envoy discover the filter's configuration, so that [`Gateway::publish`] can change it.
    pub(crate) fn discovered(mut self) -> Self {
        self.discovered = Some(Discovery::of_filter);
        self
    }

    /// Lets Envoy discover the whole listener, so that [`Gateway::publish`] can change it. Connections from before a
    /// change may go on for `drain_time`, which is in whole seconds.
    pub(crate) fn listener_discovered(mut self, drain_time: Duration) -> Self {
        self.discovered = Some(Discovery::of_listener);
        self.drain_time = Some(drain_time);
        self
    }

    /// The one reply that the upstream gives.
    pub(crate) fn reply(self, reply: Reply) -> Self {
        self.script(move |_| reply.clone())
    }

    /// The upstream's reply to each request, chosen by its head.
    pub(crate) fn script(
        mut self,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        self.script = Box::new(script);
        self
    }

    /// Worker threads of Envoy; one unless said otherwise, so that a crash shows in the next request.
    pub(crate) fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// `per_connection_buffer_limit_bytes` on both sides.
    pub(crate) fn buffer_limit(mut self, bytes: u32) -> Self {
        self.buffer_limit = Some(bytes);
        self
    }

    /// How long a whole reply may take.
    pub(crate) fn route_timeout(mut self, timeout: Duration) -> Self {
        self.route_timeout = timeout;
        self
    }

    /// An upstream that speaks HTTP/2.
    pub(crate) fn http2_upstream(mut self) -> Self {
        self.upstream_http2 = true;
        self
    }

    /// Changes the bootstrap before Envoy is started; [`filters`](super::filters) and [`route`](super::route) find the
    /// usual places.
    pub(crate) fn amended(mut self, amend: impl FnOnce(&mut Value) + 'static) -> Self {
        self.amend = Box::new(amend);
        self
    }

    /// Starts Envoy and waits until it serves.
    pub(crate) fn start(self) -> Gateway {
        let (upstream, mut process, discovery) = self.launch();
        let admin = process.await_admin_address();
        let http1 = client().build().unwrap();
        let text = |path: &str| {
            let reply = http1.get(format!("http://{admin}{path}")).send();
            reply
                .and_then(|reply| reply.error_for_status()?.text())
                .map_err(|error| error.to_string())
        };
        let address = eventually("a listening Envoy", || {
            process.assert_running();
            text("/ready")?;
            let listeners: Value = serde_json::from_str(&text("/listeners?format=json")?).unwrap();
            let socket = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
            let port = socket["port_value"]
                .as_u64()
                .ok_or_else(|| listeners.to_string())?;
            Ok(SocketAddr::from((
                [127, 0, 0, 1],
                u16::try_from(port).unwrap(),
            )))
        });
        let http2 = client().http2_prior_knowledge().build().unwrap();
        Gateway {
            address,
            admin,
            http1,
            http2,
            process,
            upstream,
            discovery,
        }
    }

    /// Starts Envoy with a configuration that it must refuse; returns the lines that the filter logged.
    pub(crate) fn start_refused(self) -> Vec<String> {
        let (_upstream, mut process, _) = self.launch();
        let status = eventually("Envoy to refuse its configuration", || {
            process
                .child
                .try_wait()
                .unwrap()
                .ok_or_else(|| "it still runs".to_owned())
        });
        assert!(!status.success(), "Envoy ended with {status}");
        process.log().lines().map(str::to_owned).collect()
    }

    /// Envoy is to be dropped before the upstream, which waits for the end of its connections.
    fn launch(self) -> (Upstream, Process, Option<Discovery>) {
        let upstream = Upstream::start(self.script, self.upstream_http2);
        let folder = scratch_folder();
        let wasm = if self.config.is_some() {
            tollgate_tests::filter()
        } else {
            PathBuf::new()
        };
        let bootstrap = Bootstrap {
            config: self.config.as_ref(),
            environment: &self.environment,
            providers: &self.providers,
            client_certificate: self.client_certificate,
            wasm: &wasm,
            upstream: upstream.address,
            upstream_http2: self.upstream_http2,
            access_log: &folder.join("access.jsonl"),
            buffer_limit: self.buffer_limit,
            route_timeout: self.route_timeout,
        };
        let mut bootstrap = bootstrap.render();
        (self.amend)(&mut bootstrap);
        let discover = self.discovered;
        let discovery = discover.map(|of| of(&mut bootstrap, folder.join("discovery")));
        let (name, bootstrap) = match self.shipped {
            Some(shipped) => ("bootstrap.yaml", shipped.render(&wasm, upstream.address)),
            None => (
                "bootstrap.json",
                serde_json::to_string_pretty(&bootstrap).unwrap(),
            ),
        };
        fs::write(folder.join(name), bootstrap).unwrap();
        let process = Process::start(
            folder,
            name,
            self.workers,
            self.drain_time,
            &self.process_environment,
        );
        (upstream, process, discovery)
    }
}

/// A running Envoy with its upstream.
pub(crate) struct Gateway {
    address: SocketAddr,
    admin: SocketAddr,
    http1: Client,
    http2: Client,
    // Envoy goes first when the gateway is dropped, so that the upstream's connections end.
    process: Process,
    upstream: Upstream,
    discovery: Option<Discovery>,
}

impl Gateway {
    /// The demo configuration, one worker, and an upstream that answers a small chat completion.
    pub(crate) fn builder() -> Builder {
        Builder {
            config: Some(demo::config()),
            environment: BTreeMap::new(),
            process_environment: BTreeMap::new(),
            providers: vec![
                Provider {
                    name: "demo",
                    issuer: demo::ISSUER,
                    metadata_key: "payload",
                },
                Provider {
                    name: "partner",
                    issuer: demo::UNLISTED_ISSUER,
                    metadata_key: "payload",
                },
            ],
            client_certificate: None,
            discovered: None,
            drain_time: None,
            script: Box::new(|_| Reply::json(&completion())),
            workers: 1,
            buffer_limit: None,
            route_timeout: Duration::ZERO,
            upstream_http2: false,
            amend: Box::new(|_| {}),
            shipped: None,
        }
    }

    /// The demo gateway.
    pub(crate) fn start() -> Self {
        Self::builder().start()
    }

    /// Changes the configuration of a [`Builder::discovered`] or [`Builder::listener_discovered`] gateway and waits until
    /// Envoy has tried it. `version` counts the changes from 1. Returns how many Envoy has refused so far.
    pub(crate) fn publish(&self, config: &Value, version: usize) -> usize {
        self.discovery.as_ref().unwrap().publish(config, version);
        self.refused_up_to(version)
    }

    /// The same, with another module.
    pub(crate) fn publish_module(&self, module: &[u8], config: &Value, version: usize) -> usize {
        let file = self.process.folder.join(format!("{version}.wasm"));
        fs::write(&file, module).unwrap();
        self.publish_code(json!({"local": {"filename": file}}), config, version)
    }

    /// The same, with the module from what Envoy calls an asynchronous data source.
    pub(crate) fn publish_code(&self, code: Value, config: &Value, version: usize) -> usize {
        let discovery = self.discovery.as_ref().unwrap();
        discovery.publish_code(code, config, version);
        self.refused_up_to(version)
    }

    fn refused_up_to(&self, version: usize) -> usize {
        let discovery = self.discovery.as_ref().unwrap();
        eventually("Envoy to take notice", || {
            let stats = self.admin_text("/stats?filter=extension_config_discovery|lds");
            let [met, refused] = discovery.counted(&stats);
            // The configuration that Envoy started with counts too.
            (met > version).then_some(refused).ok_or(stats)
        })
    }

    /// Envoy's resident memory in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident_memory(&self) -> u64 {
        self.process.resident_memory()
    }

    /// A POST over HTTP/1.1.
    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.http1.post(self.url(path))
    }

    /// A GET over HTTP/1.1.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.http1.get(self.url(path))
    }

    /// A POST over HTTP/2.
    pub(crate) fn post_http2(&self, path: &str) -> RequestBuilder {
        self.http2.post(self.url(path))
    }

    /// A chat request with the acme key.
    pub(crate) fn chat(&self, model: &str) -> RequestBuilder {
        self.post("/v1/chat/completions")
            .bearer_auth(demo::ACME_KEY)
            .json(&demo::chat(model))
    }

    /// A bare connection.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// A request over HTTP/2, frame by frame.
    pub(crate) fn exchange_http2(&self, request: &Frames<'_>) -> Answer {
        http2::exchange(self.address, request)
    }

    /// Many requests over HTTP/2 at once.
    pub(crate) fn crowd(&self, crowd: &Crowd<'_>) -> Tally {
        crowd::run(self.address, crowd)
    }

    /// What the upstream has seen so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.upstream.seen()
    }

    /// Stops Envoy and gives everything that the upstream ever saw, to the last byte.
    pub(crate) fn stop(mut self) -> Vec<Seen> {
        self.process.stop();
        self.upstream.stop()
    }

    /// All series of the filter that are not zero, without histograms.
    pub(crate) fn counted(&self) -> BTreeMap<Series, f64> {
        let kinds = ["_bucket", "_sum", "_count"];
        let mut counted = self.series();
        counted.retain(|series, value| {
            *value != 0.0 && !kinds.iter().any(|kind| series.name.ends_with(kind))
        });
        counted
    }

    /// All series of the filter.
    pub(crate) fn series(&self) -> BTreeMap<Series, f64> {
        let mut all = series(&self.admin_text("/stats/prometheus"));
        all.retain(|series, _| series.name.starts_with("tollgate_"));
        all
    }

    /// Waits until the series of these names are exactly these lines of Prometheus text, zeros left out.
    pub(crate) fn expect_counted(&self, names: &[&str], lines: &str) {
        let expected = series(lines);
        let print = |series: &BTreeMap<Series, f64>| {
            let lines: Vec<_> = series
                .iter()
                .map(|(series, value)| format!("{series} {value}\n"))
                .collect();
            lines.concat()
        };
        eventually("the expected metrics", || {
            let mut counted = self.counted();
            counted.retain(|series, _| names.contains(&series.name.as_str()));
            if counted == expected {
                Ok(())
            } else {
                Err(format!(
                    "\nexpected\n{}counted\n{}",
                    print(&expected),
                    print(&counted)
                ))
            }
        });
    }

    /// Waits until the access log has `count` entries and reads them.
    pub(crate) fn access_log(&self, count: usize) -> Vec<Value> {
        eventually("the access log", || {
            let entries = self.access_log_so_far();
            if entries.len() == count {
                Ok(entries)
            } else {
                Err(format!("{count} entries expected in {entries:#?}"))
            }
        })
    }

    /// The entries of the access log that are written whole.
    pub(crate) fn access_log_so_far(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.process.folder.join("access.jsonl")).unwrap_or_default();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What Envoy and the filter have logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Tells Envoy's admin interface to do this.
    pub(crate) fn admin_post(&self, path: &str) {
        let answer = send(self.http1.post(format!("http://{}{path}", self.admin)));
        assert_eq!(answer.status, 200, "{path}");
    }

    /// What Envoy's admin interface says under this path.
    pub(crate) fn admin_text(&self, path: &str) -> String {
        let answer = send(self.http1.get(format!("http://{}{path}", self.admin)));
        assert_eq!(answer.status, 200, "{path}");
        String::from_utf8(answer.body).unwrap()
    }
}

/// The reply of the default upstream: 11 tokens in, 7 out.
pub(crate) fn completion() -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": demo::LLAMA,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    })
}

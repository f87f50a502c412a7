//! The clients.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::{Barrier, Semaphore};
use tokio::task::{JoinHandle, spawn_local};
use tollgate_tests::demo;

use crate::bootstrap;
use crate::chance::Chance;
use crate::upstream::{STREAM, Turns};
use crate::wire::Wire;

/// One connection at work: it comes back with how long its requests took.
type Client = JoinHandle<io::Result<(Wire, Vec<u64>)>>;

/// Kept-alive connections to one Envoy.
pub(crate) struct Connections {
    wires: Vec<Wire>,
    /// What they send, in turn.
    requests: Rc<Vec<Vec<u8>>>,
}

impl Connections {
    /// Connects so many clients. Their requests carry the demo's key, or each one of many of the `keys` numbered ones.
    pub(crate) async fn open(
        address: SocketAddr,
        count: usize,
        keys: Option<usize>,
    ) -> io::Result<Self> {
        let mut wires = Vec::new();
        for _ in 0..count {
            wires.push(Wire::connect(address).await?);
        }
        let body = chat(None);
        let mut chance = Chance::new(7);
        let requests = match keys {
            None => vec![request(demo::ACME_KEY, &body, None)],
            Some(keys) => (0..2000)
                .map(|_| request(&bootstrap::key(chance.below(keys)), &body, None))
                .collect(),
        };
        Ok(Self {
            wires,
            requests: Rc::new(requests),
        })
    }

    /// Sends so many requests in all, on each connection one after the other. Returns how long each took, in nanoseconds.
    pub(crate) async fn send(&mut self, count: usize) -> io::Result<Vec<u64>> {
        let share = count / self.wires.len();
        let tasks: Vec<Client> = self
            .wires
            .drain(..)
            .enumerate()
            .map(|(client, mut wire)| {
                let requests = Rc::clone(&self.requests);
                spawn_local(async move {
                    let mut times = Vec::with_capacity(share);
                    for number in 0..share {
                        let request = &requests[(client * share + number) % requests.len()];
                        let start = Instant::now();
                        wire.send(request).await?;
                        succeed(&mut wire).await?;
                        times.push(nanoseconds(start));
                    }
                    Ok((wire, times))
                })
            })
            .collect();
        let mut times = Vec::with_capacity(count);
        for task in tasks {
            let (wire, some) = task.await.map_err(io::Error::other)??;
            self.wires.push(wire);
            times.extend(some);
        }
        Ok(times)
    }
}

/// Streams that all go through the same stages together.
pub(crate) struct Streams {
    stage: Rc<Barrier>,
    clients: Vec<JoinHandle<io::Result<()>>>,
}

impl Streams {
    /// Opens so many streams of so many events. Each event after the first is sent when the one before has arrived.
    /// Every stream stops after its first event; each call of [`Streams::next`] then takes all of them to their next stage.
    pub(crate) fn open(
        address: SocketAddr,
        turns: &Rc<Turns>,
        count: usize,
        events: usize,
        asks: bool,
    ) -> Self {
        turns.prepare(count, events);
        let stage = Rc::new(Barrier::new(count + 1));
        let opening = Rc::new(Semaphore::new(64));
        let body: Rc<str> = chat(Some(asks)).into();
        let clients = (0..count)
            .map(|number| {
                let (stage, turns) = (Rc::clone(&stage), Rc::clone(turns));
                let (opening, body) = (Rc::clone(&opening), Rc::clone(&body));
                spawn_local(async move {
                    let permit = opening.acquire().await.map_err(io::Error::other)?;
                    let mut wire = Wire::connect(address).await?;
                    wire.send(&request(demo::ACME_KEY, &body, Some(number)))
                        .await?;
                    turns.next(number);
                    let head = wire.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
                    if !head.line().contains(" 200 ") {
                        return Err(io::Error::other(head.line().to_owned()));
                    }
                    let mut reader = Events::new(wire);
                    reader.event().await?;
                    drop(permit);
                    // Open.
                    stage.wait().await;
                    stage.wait().await;
                    for _ in 1..events {
                        turns.next(number);
                        reader.event().await?;
                    }
                    // All events are here.
                    stage.wait().await;
                    stage.wait().await;
                    turns.next(number);
                    reader.rest(asks).await
                })
            })
            .collect();
        Self { stage, clients }
    }

    /// Waits until all streams have come to the end of a stage, or lets them begin the next one. The stages: all are
    /// open; the events go; all have arrived; the streams end.
    pub(crate) async fn next(&self) -> io::Result<()> {
        tokio::select! {
            _ = self.stage.wait() => Ok(()),
            error = self.failure() => Err(error),
        }
    }

    /// A client that ends before its last stage has failed, and the others would wait for it for ever.
    async fn failure(&self) -> io::Error {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            if self.clients.iter().any(JoinHandle::is_finished) {
                return io::Error::other("a stream was cut");
            }
        }
    }

    /// Waits until every stream has ended as it should: complete, and with its usage where the client has asked for it.
    pub(crate) async fn finish(self) -> io::Result<()> {
        for client in self.clients {
            client.await.map_err(io::Error::other)??;
        }
        Ok(())
    }
}

/// The events of one stream.
struct Events {
    wire: Wire,
    /// Events that came together with one that was waited for.
    ahead: usize,
    last: u8,
}

impl Events {
    const fn new(wire: Wire) -> Self {
        Self {
            wire,
            ahead: 0,
            last: 0,
        }
    }

    async fn event(&mut self) -> io::Result<()> {
        while self.ahead == 0 {
            if !self.chunk().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.ahead -= 1;
        Ok(())
    }

    async fn chunk(&mut self) -> io::Result<bool> {
        let chunk = self.wire.chunk().await?;
        for &byte in &chunk {
            if byte == b'\n' && self.last == b'\n' {
                self.ahead += 1;
            }
            self.last = byte;
        }
        Ok(!chunk.is_empty())
    }

    async fn rest(mut self, asks: bool) -> io::Result<()> {
        while self.chunk().await? {}
        // The closing event, and that with the usage.
        if self.ahead == 1 + usize::from(asks) {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "{} events at the end of a stream whose client {} for usage",
                self.ahead,
                if asks { "asks" } else { "does not ask" }
            )))
        }
    }
}

async fn succeed(wire: &mut Wire) -> io::Result<()> {
    let head = wire.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    wire.body(&head).await?;
    if head.line().contains(" 200 ") {
        Ok(())
    } else {
        Err(io::Error::other(head.line().to_owned()))
    }
}

/// A chat of about 500 bytes; if streamed, it may ask for usage.
fn chat(streamed_asks: Option<bool>) -> String {
    let options = match streamed_asks {
        None => "",
        Some(false) => r#","stream":true"#,
        Some(true) => r#","stream":true,"stream_options":{"include_usage":true}"#,
    };
    let question = "Explain in two sentences why a gateway should read the bodies that pass through it, and why it should not keep them. ".repeat(3);
    format!(
        r#"{{"model":"{}","messages":[{{"role":"system","content":"Answer shortly."}},{{"role":"user","content":"{question}"}}],"temperature":0.7,"max_tokens":256{options}}}"#,
        demo::LLAMA
    )
}

/// The request as OpenAI's own client for Python sends it, from behind a load balancer: twenty headers.
fn request(key: &str, body: &str, stream: Option<usize>) -> Vec<u8> {
    let length = body.len();
    let stream = stream.unwrap_or(0);
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\n\
         host: inference.example.com\r\n\
         accept: application/json\r\n\
         accept-encoding: gzip, deflate\r\n\
         connection: keep-alive\r\n\
         content-type: application/json\r\n\
         user-agent: OpenAI/Python 1.99.1\r\n\
         x-stainless-lang: python\r\n\
         x-stainless-package-version: 1.99.1\r\n\
         x-stainless-os: Linux\r\n\
         x-stainless-arch: x64\r\n\
         x-stainless-runtime: CPython\r\n\
         x-stainless-runtime-version: 3.12.4\r\n\
         x-stainless-async: false\r\n\
         x-stainless-retry-count: 0\r\n\
         x-stainless-read-timeout: 600\r\n\
         authorization: Bearer {key}\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
         x-forwarded-for: 198.51.100.7\r\n\
         {STREAM}: {stream}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

//! The inference server behind every Envoy: a small completion, or a stream whose events come when they are told to.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tollgate_tests::demo;

use crate::wire::{Head, Wire};

/// The header in which a client says which stream it is.
pub(crate) const STREAM: &str = "x-stream";

/// Words between one and many characters, as tokens are.
const WORDS: [&str; 8] = [
    " the",
    " gateway",
    " a",
    ",",
    " counts",
    " tokens",
    " that",
    " understandably",
];

/// The upstream, and what its streams do next.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) turns: Rc<Turns>,
}

/// How streams go on: each event has to be let go.
#[derive(Default)]
pub(crate) struct Turns {
    /// Events of each stream, without those that close it.
    events: Cell<usize>,
    streams: RefCell<Vec<Rc<Semaphore>>>,
    /// How many requests for streams asked for their usage.
    asked: Cell<usize>,
}

impl Turns {
    /// Prepares so many streams of so many events.
    pub(crate) fn prepare(&self, streams: usize, events: usize) {
        self.events.set(events);
        self.asked.set(0);
        *self.streams.borrow_mut() = (0..streams).map(|_| Rc::new(Semaphore::new(0))).collect();
    }

    /// Lets the next event of this stream go; after the last one, all that closes it.
    pub(crate) fn next(&self, stream: usize) {
        self.streams.borrow()[stream].add_permits(1);
    }

    /// How many of the streams had to report usage.
    pub(crate) fn asked(&self) -> usize {
        self.asked.get()
    }
}

impl Upstream {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let turns = Rc::new(Turns::default());
        let shared = Rc::clone(&turns);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let turns = Rc::clone(&shared);
                // An Envoy that is stopped cuts its connections; the load notices if one was in use.
                spawn_local(async move { serve(Wire::new(stream)?, &turns).await });
            }
        });
        Ok(Self { address, turns })
    }
}

async fn serve(mut wire: Wire, turns: &Turns) -> io::Result<()> {
    let reply = completion();
    while let Some(head) = wire.head().await? {
        let body = wire.body(&head).await?;
        if contains(&body, br#""stream":true"#) {
            stream(&mut wire, &head, &body, turns).await?;
        } else {
            wire.send(&reply).await?;
        }
    }
    Ok(())
}

/// Each event is one write, as vLLM sends them.
async fn stream(wire: &mut Wire, head: &Head, body: &[u8], turns: &Turns) -> io::Result<()> {
    let number: usize = head
        .value(STREAM)
        .and_then(|value| value.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    let turn = Rc::clone(&turns.streams.borrow()[number]);
    let events = turns.events.get();
    let reports = contains(body, br#""include_usage":true"#);
    if reports {
        turns.asked.set(turns.asked.get() + 1);
    }
    let next = || async {
        turn.acquire()
            .await
            .map(tokio::sync::SemaphorePermit::forget)
    };
    wire.send(b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    for event in 0..events {
        let _ = next().await;
        wire.send(&chunk(&delta(WORDS[event % WORDS.len()])))
            .await?;
    }
    let _ = next().await;
    if reports {
        wire.send(&chunk(&usage(events))).await?;
    }
    wire.send(&chunk("data: [DONE]\n\n")).await?;
    wire.send(b"0\r\n\r\n").await
}

/// One token, as vLLM writes it.
pub(crate) fn delta(content: &str) -> String {
    format!(
        r#"data: {{"id":"chatcmpl-972249a94b7b40dfa846eb91068f6b96","object":"chat.completion.chunk","created":1795234168,"model":"{}","choices":[{{"index":0,"delta":{{"content":"{content}"}},"logprobs":null,"finish_reason":null}}]}}"#,
        demo::LLAMA
    ) + "\n\n"
}

/// The event that says what a stream did cost.
fn usage(events: usize) -> String {
    format!(
        r#"data: {{"id":"chatcmpl-972249a94b7b40dfa846eb91068f6b96","object":"chat.completion.chunk","created":1795234168,"model":"{}","choices":[],"usage":{{"prompt_tokens":11,"total_tokens":{},"completion_tokens":{events}}}}}"#,
        demo::LLAMA,
        11 + events
    ) + "\n\n"
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

fn completion() -> Vec<u8> {
    let body = format!(
        r#"{{"id":"chatcmpl-972249a94b7b40dfa846eb91068f6b96","object":"chat.completion","created":1795234168,"model":"{}","choices":[{{"index":0,"message":{{"role":"assistant","content":"Hello from the server. Every word here is a token."}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":11,"total_tokens":22,"completion_tokens":11}}}}"#,
        demo::LLAMA
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

//! An inference server of our own: it records what reaches it, byte for byte, and answers by script. This file speaks
//! HTTP/1.1; HTTP/2 is in [`http2`](super::http2).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use super::http2;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Method and target, without the version.
    pub(crate) request: String,
    /// Header lines in their order, names in their original case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The bytes of the body, chunk framing removed.
    pub(crate) body: Vec<u8>,
    /// Whether the framing said that the body is over. False while it is still arriving, and for ever if it was cut.
    pub(crate) complete: bool,
    /// The names of its trailers, in their order (HTTP/2 only).
    pub(crate) trailers: Vec<String>,
}

impl Seen {
    /// All values of a header, whatever its case.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        self.headers
            .iter()
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }
}

/// What the upstream does after the head of a reply.
#[derive(Clone)]
pub(crate) enum Piece {
    /// One write; in a stream also one chunk.
    Bytes(Vec<u8>),
    /// Nothing for so long.
    Pause(Duration),
    /// Nothing until this returns.
    Wait(Arc<dyn Fn() + Send + Sync>),
    /// Nothing until the other side hangs up.
    UntilClosed,
    /// Closes the connection: a reply that is not over is cut.
    Cut,
}

type ToBody = dyn Fn(&[u8]) -> Reply + Send + Sync;

/// How the end of a body is told.
#[derive(Clone, Copy)]
pub(crate) enum Framing {
    /// By a `content-length`: that of all pieces, and so many bytes more, which never come.
    Length { missing: usize },
    /// By the last chunk; each piece of bytes is a chunk.
    Chunks,
    /// By the end of the connection.
    Close,
    /// There is none, nor could there be one (204, 304).
    NoBody,
    /// There is no reply at all, not even a head (HTTP/1.1 only).
    NoReply,
}

/// One reply of the script.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) pieces: Vec<Piece>,
    framing: Framing,
    early: bool,
    pub(super) trailers: bool,
    to_body: Option<Arc<ToBody>>,
}

impl Reply {
    /// A reply without headers.
    pub(crate) fn framed(status: u16, framing: Framing, pieces: Vec<Piece>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            pieces,
            framing,
            early: false,
            trailers: false,
            to_body: None,
        }
    }

    /// A reply that is chosen when the body of the request has been read.
    pub(crate) fn to_body(choose: impl Fn(&[u8]) -> Self + Send + Sync + 'static) -> Self {
        Self {
            to_body: Some(Arc::new(choose)),
            ..Self::fixed(500, "text/plain", "")
        }
    }

    pub(super) fn chosen(self, body: &[u8]) -> Self {
        match &self.to_body {
            Some(choose) => choose(body),
            None => self,
        }
    }

    /// A reply with a `content-length`.
    pub(crate) fn fixed(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let pieces = vec![Piece::Bytes(body.into())];
        Self::framed(status, Framing::Length { missing: 0 }, pieces)
            .header("content-type", content_type)
    }

    /// A JSON reply with status 200.
    pub(crate) fn json(body: &Value) -> Self {
        Self::fixed(200, "application/json", body.to_string())
    }

    /// A chunked event stream: one chunk for each piece of bytes.
    pub(crate) fn stream(pieces: Vec<Piece>) -> Self {
        Self::chunked("text/event-stream; charset=utf-8", pieces)
    }

    /// A reply in chunks: one for each piece of bytes.
    pub(crate) fn chunked(content_type: &str, pieces: Vec<Piece>) -> Self {
        Self::framed(200, Framing::Chunks, pieces).header("content-type", content_type)
    }

    /// No reply: what the upstream does instead (HTTP/1.1 only).
    pub(crate) fn none(piece: Piece) -> Self {
        Self::framed(200, Framing::NoReply, vec![piece])
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Ends with trailers instead of a last frame (HTTP/2 only).
    pub(crate) fn trailers(mut self) -> Self {
        self.trailers = true;
        self
    }

    /// Answers after the request's headers, without waiting for its body.
    pub(crate) fn early(mut self) -> Self {
        self.early = true;
        self
    }
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

/// The running upstream.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// What the connections of one upstream share.
pub(super) struct Shared {
    pub(super) script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    stopping: AtomicBool,
}

impl Shared {
    /// Keeps the head of a request; returns its place for [`Shared::finish`].
    pub(super) fn begin(&self, seen: Seen) -> usize {
        let mut all = self.seen.lock().unwrap();
        all.push(seen);
        all.len() - 1
    }

    /// Keeps what came of its body.
    pub(super) fn finish(
        &self,
        index: usize,
        body: Vec<u8>,
        complete: bool,
        trailers: Vec<String>,
    ) {
        let mut all = self.seen.lock().unwrap();
        all[index].body = body;
        all[index].complete = complete;
        all[index].trailers = trailers;
    }
}

impl Upstream {
    /// Listens on a free port. The script is asked when the head of a request has been read, its body is not there yet.
    pub(super) fn start(script: Box<Script>, speaks_http2: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script,
            seen: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared, speaks_http2)
        });
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Everything that has arrived so far, in the order of arrival of the heads.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Waits until the last byte of every connection has been read. Envoy must have been stopped before.
    pub(super) fn stop(&mut self) -> Vec<Seen> {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The connection only wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().unwrap();
        }
        self.seen()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, speaks_http2: bool) {
    let mut connections = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let shared = Arc::clone(shared);
        let stream = stream.unwrap();
        connections.push(thread::spawn(move || {
            if speaks_http2 {
                http2::serve(stream, &shared);
            } else {
                serve(&stream, &shared);
            }
        }));
    }
    for connection in connections {
        connection.join().unwrap();
    }
}

/// Serves one connection until either side closes it; an error of the socket is an end like any other.
fn serve(stream: &TcpStream, shared: &Shared) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read_head(&mut reader) {
        let reply = (shared.script)(&seen);
        let index = shared.begin(seen.clone());
        if reply.early && answer(stream, &mut reader, &reply).is_none() {
            return;
        }
        let (body, complete) = read_body(&mut reader, &seen);
        let reply = reply.chosen(&body);
        shared.finish(index, body, complete, Vec::new());
        if !complete || (!reply.early && answer(stream, &mut reader, &reply).is_none()) {
            return;
        }
    }
}

fn read_head(reader: &mut impl BufRead) -> Option<Seen> {
    let request = read_line(reader)?;
    let mut seen = Seen {
        request: String::from_utf8_lossy(&request)
            .trim_end_matches(" HTTP/1.1")
            .to_owned(),
        ..Seen::default()
    };
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Some(seen);
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = String::from_utf8_lossy(&line[..colon]).into_owned();
        seen.headers
            .push((name, line[colon + 1..].trim_ascii().to_vec()));
    }
}

/// One line without its end; `None` when the connection ends before the line does.
pub(super) fn read_line(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    line.pop_if(|byte| *byte == b'\n')?;
    line.pop_if(|byte| *byte == b'\r');
    Some(line)
}

fn read_body(reader: &mut impl BufRead, seen: &Seen) -> (Vec<u8>, bool) {
    if !seen.values("transfer-encoding").is_empty() {
        return read_chunks(reader);
    }
    let length = seen
        .values("content-length")
        .first()
        .map_or(0, |value| value.parse().unwrap());
    read_counted(reader, length)
}

/// Exactly `length` bytes, or what there was before the connection ended.
pub(super) fn read_counted(reader: &mut impl BufRead, length: usize) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let limit = u64::try_from(length).unwrap();
    // A reset counts as an end: what had been read stays in `body`.
    let _ = reader.take(limit).read_to_end(&mut body);
    let complete = body.len() == length;
    (body, complete)
}

/// The payload of chunks up to and including the last one, or what there was before the connection ended.
pub(super) fn read_chunks(reader: &mut impl BufRead) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let size = read_line(reader)
            .and_then(|line| usize::from_str_radix(&String::from_utf8_lossy(&line), 16).ok());
        let Some(size) = size else {
            return (body, false);
        };
        let (chunk, complete) = read_counted(reader, size);
        body.extend(chunk);
        if !complete || read_line(reader).is_none() {
            return (body, false);
        }
        if size == 0 {
            return (body, true);
        }
    }
}

/// Writes a reply; `None` when the connection is to be given up.
fn answer(mut stream: &TcpStream, reader: &mut impl Read, reply: &Reply) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let framing = match reply.framing {
        Framing::Length { missing } => {
            let lengths = reply.pieces.iter().map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.len(),
                _ => 0,
            });
            format!("content-length: {}", lengths.sum::<usize>() + missing)
        }
        Framing::Chunks => "transfer-encoding: chunked".to_owned(),
        Framing::Close => "connection: close".to_owned(),
        Framing::NoBody | Framing::NoReply => String::new(),
    };
    if !framing.is_empty() {
        head.push_str(&format!("{framing}\r\n"));
    }
    head.push_str("\r\n");
    if !matches!(reply.framing, Framing::NoReply) {
        stream.write_all(head.as_bytes()).ok()?;
    }
    for piece in &reply.pieces {
        match piece {
            Piece::Bytes(bytes) if matches!(reply.framing, Framing::Chunks) => {
                let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                chunk.extend(bytes);
                chunk.extend(b"\r\n");
                stream.write_all(&chunk).ok()?;
            }
            Piece::Bytes(bytes) => stream.write_all(bytes).ok()?,
            Piece::Pause(time) => thread::sleep(*time),
            Piece::Wait(wait) => wait(),
            Piece::UntilClosed => {
                let _ = reader.read_to_end(&mut Vec::new());
                return None;
            }
            Piece::Cut => return None,
        }
    }
    match reply.framing {
        Framing::Chunks => stream.write_all(b"0\r\n\r\n").ok(),
        Framing::Close => None,
        Framing::Length { .. } | Framing::NoBody | Framing::NoReply => Some(()),
    }
}

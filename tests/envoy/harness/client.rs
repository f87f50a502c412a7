//! Two clients: `reqwest` for what real programs send, a bare socket for what they would never send.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::DEADLINE;
use super::upstream::{read_chunks, read_counted, read_line};

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// False when the reply was cut.
    pub(crate) complete: bool,
}

impl Answer {
    /// The value of a header that stands there once; `None` when it is absent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(candidate, _)| candidate == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(
            values.next().is_none(),
            "{name} stands there twice: {self:?}"
        );
        value
    }

    /// The length that the head tells; 0 without one.
    fn announced(&self) -> usize {
        let length = self.header("content-length");
        length.map_or(0, |length| length.parse().unwrap())
    }

    /// The filter's stable code of a denial.
    pub(crate) fn code(&self) -> Option<&str> {
        self.header("x-tollgate-code")
    }

    /// Status and code together, so that a failure shows both.
    pub(crate) fn verdict(&self) -> (u16, Option<&str>) {
        (self.status, self.code())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Sends a request of `reqwest` and reads the whole reply, or as much of it as came.
pub(crate) fn send(request: reqwest::blocking::RequestBuilder) -> Answer {
    let mut response = request.send().unwrap();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let mut body = Vec::new();
    let complete = response.read_to_end(&mut body).is_ok();
    Answer {
        status: response.status().as_u16(),
        headers,
        body,
        complete,
    }
}

/// A request spelled byte by byte.
#[derive(Clone)]
pub(crate) struct Wire {
    head: Vec<u8>,
    body: Vec<u8>,
    framed: bool,
}

impl Wire {
    /// The request line and `host`; the target is sent as it is.
    pub(crate) fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let start: [&[u8]; 4] = [
            method.as_bytes(),
            b" ",
            target.as_ref(),
            b" HTTP/1.1\r\nhost: gateway\r\n",
        ];
        Self {
            head: start.concat(),
            body: Vec::new(),
            framed: false,
        }
    }

    /// Adds a header line: name and value are sent as they are.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.framed |= ["content-length", "transfer-encoding"].contains(&name);
        self.head.extend(name.as_bytes());
        self.head.extend(b": ");
        self.head.extend(value.as_ref());
        self.head.extend(b"\r\n");
        self
    }

    /// A body; its length is announced unless `content-length` or `transfer-encoding` has been given before.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        if !self.framed {
            self = self.header("content-length", body.as_ref().len().to_string());
        }
        self.body = body.as_ref().to_vec();
        self
    }

    /// All bytes of the request.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.head[..], b"\r\n", &self.body].concat()
    }

    /// A body in chunks of `size` bytes.
    pub(crate) fn chunked(mut self, body: impl AsRef<[u8]>, size: usize) -> Self {
        self = self.header("transfer-encoding", "chunked");
        for chunk in body.as_ref().chunks(size) {
            self.body.extend(format!("{:x}\r\n", chunk.len()).bytes());
            self.body.extend(chunk);
            self.body.extend(b"\r\n");
        }
        self.body.extend(b"0\r\n\r\n");
        self
    }
}

/// A connection to the gateway that writes exactly what it is told.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(super) fn open(gateway: SocketAddr) -> Self {
        let stream = TcpStream::connect(gateway).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Writes a request at once and reads the reply.
    pub(crate) fn exchange(mut self, request: &Wire) -> Answer {
        let mut bytes = request.head.clone();
        bytes.extend(b"\r\n");
        bytes.extend(&request.body);
        self.write(&bytes);
        self.answer()
    }

    /// The same, with the body in frames of `size` bytes, each in a read of its own at the gateway.
    pub(crate) fn exchange_in_frames(mut self, request: &Wire, size: usize) -> Answer {
        self.write(&request.head);
        self.write(b"\r\n");
        for frame in request.body.chunks(size) {
            std::thread::sleep(Duration::from_micros(500));
            self.write(frame);
        }
        self.answer()
    }

    /// Writes a request at once and reads the reply, telling `arrived` how much of its body has come so far. Hangs up
    /// when that is `leave_at` bytes. Gives the number of chunks too; `None` when the connection ends within the head.
    pub(crate) fn exchange_watched(
        mut self,
        request: &Wire,
        leave_at: Option<usize>,
        arrived: impl Fn(usize),
    ) -> Option<(Answer, usize)> {
        self.start(request);
        let mut answer = self.head()?;
        let chunked = answer.header("transfer-encoding").is_some();
        let mut left = if chunked { 0 } else { answer.announced() };
        let mut chunks = 0;
        while leave_at != Some(answer.body.len()) {
            if left == 0 && chunked {
                let Some(size) = read_line(&mut self.0) else {
                    break;
                };
                left = usize::from_str_radix(&String::from_utf8_lossy(&size), 16).unwrap();
            }
            if left == 0 {
                answer.complete = !chunked || read_line(&mut self.0).is_some();
                break;
            }
            // An error is an end: the reply was cut.
            let more = self.0.fill_buf().unwrap_or_default();
            let length = more.len().min(left);
            if length == 0 {
                break;
            }
            answer.body.extend(&more[..length]);
            self.0.consume(length);
            arrived(answer.body.len());
            left -= length;
            if left == 0 && chunked {
                chunks += 1;
                let _ = read_line(&mut self.0);
            }
        }
        Some((answer, chunks))
    }

    /// Writes a request; its reply is for the caller to read.
    pub(crate) fn start(&mut self, request: &Wire) {
        self.write(&request.head);
        self.write(b"\r\n");
        self.write(&request.body);
    }

    /// Reads until `mark` has been seen, so that a caller can hang up in the middle of a reply.
    pub(crate) fn read_until(&mut self, mark: &str) {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(mark) {
            let more = self.0.fill_buf().unwrap();
            assert!(
                !more.is_empty(),
                "no {mark} in {}",
                String::from_utf8_lossy(&seen)
            );
            let length = more.len();
            seen.extend(more);
            self.0.consume(length);
        }
    }

    /// Reads until the gateway closes the connection.
    pub(crate) fn read_to_close(&mut self) -> String {
        let mut rest = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "not closed");
        }
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Writes bytes that may be no request at all and gives the statuses of the replies to them, up to the one that says
    /// that it is the last. A gateway that says nothing for a second has no more to say.
    pub(crate) fn statuses(mut self, bytes: &[u8]) -> Vec<u16> {
        let patience = Some(Duration::from_secs(1));
        self.0.get_ref().set_read_timeout(patience).unwrap();
        self.write(bytes);
        let mut statuses = Vec::new();
        while let Some(head) = self.head() {
            statuses.push(head.status);
            let (_, complete) = self.body(&head);
            if !complete || head.header("connection") == Some("close") {
                break;
            }
        }
        statuses
    }

    /// Writes some of a request, so that a caller can take its time.
    pub(crate) fn trickle(&mut self, bytes: &[u8]) {
        self.write(bytes);
    }

    /// Reads the reply to what has been written.
    pub(crate) fn finish(self) -> Answer {
        self.answer()
    }

    /// A gateway that has answered may close while we still write: the reply tells, not the write.
    fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    fn answer(mut self) -> Answer {
        let mut answer = self
            .head()
            .expect("a status line before the connection ends");
        (answer.body, answer.complete) = self.body(&answer);
        answer
    }

    /// The body behind this head, and whether it is whole.
    fn body(&mut self, head: &Answer) -> (Vec<u8>, bool) {
        if head.header("transfer-encoding").is_some() {
            read_chunks(&mut self.0)
        } else {
            read_counted(&mut self.0, head.announced())
        }
    }

    /// The final head, without a body; `None` when the connection ends before it does.
    fn head(&mut self) -> Option<Answer> {
        loop {
            let line = read_line(&mut self.0)?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let status = line
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok());
            let status: u16 = status.unwrap_or_else(|| panic!("a status line: {line}"));
            let mut headers = Vec::new();
            while let Some(line) = read_line(&mut self.0).filter(|line| !line.is_empty()) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let (name, value) = line.split_once(':').unwrap();
                headers.push((name.to_lowercase(), value.trim().to_owned()));
            }
            // Others below 200 only announce it.
            if status == 101 || status >= 200 {
                return Some(Answer {
                    status,
                    headers,
                    body: Vec::new(),
                    complete: false,
                });
            }
        }
    }
}

//! What follows the headers: what a server is told of a body that was judged, and that nothing follows where nothing was.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::demo::{self, ACME_KEY, LLAMA, chat};
use crate::harness::{Answer, Builder, Frames, Gateway, Wire};

/// A server of Python's standard library, on connections that stay open. Like many, it reads no body of a `GET`: what
/// follows is the next request to it. It tells each request line that it takes for one.
const SERVER: &str = r#"
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        print(self.requestline, flush=True)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"{}")

    do_GET = do_HEAD = do_OPTIONS = answer

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.answer()

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// The running server.
struct Server {
    process: Child,
    address: SocketAddr,
    lines: Receiver<String>,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new("python3")
            .args(["-c", SERVER])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let port: u16 = output.next().unwrap().unwrap().parse().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            lines,
        }
    }

    /// What it has taken for a request line since it was asked last.
    fn requests(&self) -> Vec<String> {
        let mut requests = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(60)) {
            requests.push(line);
        }
        requests
    }

    /// Sends all of a gateway's requests here.
    fn behind(&self, builder: Builder) -> Builder {
        let port = self.address.port();
        builder.amended(move |bootstrap| {
            let cluster = &mut bootstrap["static_resources"]["clusters"][0];
            cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
                ["socket_address"]["port_value"] = json!(port);
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The demo with paths of both kinds, none of which takes a body.
fn config() -> Value {
    let mut config = demo::config();
    config["extraPaths"] = json!([
        {"method": "GET", "path": "/version", "groups": ["research"]},
        {"method": "POST", "path": "/tokenize", "groups": ["research"], "body": true},
    ]);
    config
}

/// A way to put a body behind headers. Gives the answer.
pub(crate) type Framing = fn(&Gateway, &str, &str, &[(&str, &str)], &[u8]) -> Answer;

fn http1(method: &str, path: &str, headers: &[(&str, &str)]) -> Wire {
    headers
        .iter()
        .fold(Wire::new(method, path), |wire, (name, value)| {
            wire.header(name, value)
        })
}

fn http2(
    gateway: &Gateway,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    frames: Vec<&[u8]>,
    trailers: bool,
) -> Answer {
    gateway.exchange_http2(&Frames {
        method,
        path,
        headers,
        frames,
        trailers,
    })
}

pub(crate) const FRAMINGS: &[(&str, Framing)] = &[
    ("content-length", |gateway, method, path, headers, body| {
        gateway
            .connect()
            .exchange(&http1(method, path, headers).body(body))
    }),
    ("chunked", |gateway, method, path, headers, body| {
        gateway
            .connect()
            .exchange(&http1(method, path, headers).chunked(body, 1000))
    }),
    (
        "chunked, byte by byte",
        |gateway, method, path, headers, body| {
            gateway
                .connect()
                .exchange_in_frames(&http1(method, path, headers).chunked(body, 1), 6)
        },
    ),
    ("HTTP/2", |gateway, method, path, headers, body| {
        http2(gateway, (method, path), headers, vec![body], false)
    }),
    (
        "HTTP/2, byte by byte",
        |gateway, method, path, headers, body| {
            http2(
                gateway,
                (method, path),
                headers,
                body.chunks(1).collect(),
                false,
            )
        },
    ),
    (
        "HTTP/2 with a length",
        |gateway, method, path, headers, body| {
            let length = body.len().to_string();
            let headers = [headers, &[("content-length", &*length)]].concat();
            http2(gateway, (method, path), &headers, vec![body], false)
        },
    ),
    (
        "HTTP/2 with trailers",
        |gateway, method, path, headers, body| {
            http2(gateway, (method, path), headers, vec![body], true)
        },
    ),
];

/// Operations that are authorised without a look at a body.
const UNREAD: &[(&str, &str, bool)] = &[
    ("GET", "/v1/models", true),
    ("HEAD", "/v1/models", true),
    ("GET", "/v1/models/llama-3.1-8b", true),
    ("GET", "/version", true),
    ("GET", "/health", false),
    ("OPTIONS", "/v1/chat/completions", false),
];

fn headers_of(method: &str, has_key: bool) -> Vec<(&'static str, &'static str)> {
    let mut headers = Vec::new();
    if has_key {
        headers.push(("x-api-key", ACME_KEY));
    }
    if method == "OPTIONS" {
        headers.extend([
            ("origin", "https://app"),
            ("access-control-request-method", "POST"),
        ]);
    }
    headers
}

/// A whole request of its own, as it would be smuggled.
fn smuggled() -> Vec<u8> {
    let body = chat("qwen-3-32b").to_string();
    Wire::new("POST", "/v1/chat/completions").body(body).bytes()
}

#[test]
fn nobody_puts_a_request_behind_one_that_is_authorised_without_reading_it() {
    let server = Server::start();
    let gateway = server.behind(Gateway::builder().config(config())).start();
    let smuggled = smuggled();
    for (method, path, has_key) in UNREAD {
        for (framing, exchange) in FRAMINGS {
            let case = format!("{method} {path}, {framing}");
            let answer = exchange(
                &gateway,
                method,
                path,
                &headers_of(method, *has_key),
                &smuggled,
            );
            // The server may have answered before the first frame of the body came.
            let early = answer.status == 200 && !framing.ends_with("length");
            let refused = if *method == "OPTIONS" {
                (403, Some("operation_not_allowed"))
            } else {
                (400, Some("body_not_allowed"))
            };
            assert!(early || answer.verdict() == refused, "{case}: {answer:?}");
            let requests = server.requests();
            let own = format!("{method} {path} HTTP/1.1");
            assert!(
                requests.len() <= 1 && requests.iter().all(|line| *line == own),
                "{case}: {requests:?}"
            );
        }
    }
    // The connections to the server are as they were: whoever comes next gets an answer to their own request.
    for _ in 0..3 {
        let answer = gateway.connect().exchange(&Wire::new("GET", "/health"));
        assert_eq!(answer.verdict(), (200, None), "{answer:?}");
        assert_eq!(server.requests(), ["GET /health HTTP/1.1"]);
    }
    gateway.assert_sound("bodies behind what is not read");
}

#[test]
fn a_body_that_is_left_open_and_turns_out_to_be_empty_harms_nobody() {
    let server = Server::start();
    let gateway = server.behind(Gateway::builder().config(config())).start();
    for (method, path, has_key) in UNREAD.iter().filter(|(method, _, _)| *method != "OPTIONS") {
        for (framing, exchange) in FRAMINGS {
            // `content-length: 0` is no body at all.
            let case = format!("{method} {path}, {framing}");
            let answer = exchange(&gateway, method, path, &headers_of(method, *has_key), b"");
            assert_eq!(answer.verdict(), (200, None), "{case}: {answer:?}");
            assert_eq!(
                server.requests(),
                [format!("{method} {path} HTTP/1.1")],
                "{case}"
            );
        }
    }
    gateway.assert_sound("empty bodies");
}

/// The server is no straw man: without the filter it serves what was put behind.
#[test]
fn the_server_takes_what_it_does_not_read_for_the_next_request() {
    let server = Server::start();
    let gateway = server.behind(Gateway::builder().without_filter()).start();
    let request = Wire::new("GET", "/v1/models").body(smuggled());
    gateway.connect().exchange(&request);
    let expected = [
        "GET /v1/models HTTP/1.1",
        "POST /v1/chat/completions HTTP/1.1",
    ];
    assert_eq!(server.requests(), expected);
}

#[test]
fn a_path_of_the_configuration_takes_a_body_where_it_says_so() {
    let gateway = Gateway::builder().config(config()).start();
    let body = br#"{"prompt":"hi"}"#;
    for (framing, exchange) in FRAMINGS {
        let answer = exchange(
            &gateway,
            "POST",
            "/tokenize",
            &[("x-api-key", ACME_KEY)],
            body,
        );
        assert_eq!(answer.verdict(), (200, None), "{framing}: {answer:?}");
    }
    let seen = gateway.stop();
    assert_eq!(seen.len(), FRAMINGS.len());
    assert!(seen.iter().all(|seen| seen.body == body), "{seen:?}");
}

#[test]
fn the_server_is_told_the_type_of_the_body_that_was_judged() {
    const TYPES: &[&[&str]] = &[
        &["application/json"],
        &[],
        &["application/x-www-form-urlencoded"],
        &["application/x-www-form-urlencoded; charset=utf-8"],
        &["multipart/form-data; boundary=x"],
        &["text/plain"],
        &["application/json; charset=utf-16"],
        &["application/json", "application/x-www-form-urlencoded"],
        &["application/x-www-form-urlencoded", "application/json"],
        &["application/json, application/x-www-form-urlencoded"],
        &[""],
        &["\u{ff}"],
    ];
    const PATHS: [&str; 6] = [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/messages",
        "/v1/embeddings",
        "/v1/responses",
        "/rerank",
    ];
    // `curl -d` says the first, and a reader of forms finds another model in it.
    let body = json!({"model": LLAMA, "x": "&model=qwen-3-32b&prompt=hi&"}).to_string();
    for http2_upstream in [false, true] {
        let mut builder = Gateway::builder();
        if http2_upstream {
            builder = builder.http2_upstream();
        }
        let gateway = builder.start();
        let mut sent = 0;
        for path in PATHS {
            for types in TYPES {
                let mut headers = vec![("x-api-key", ACME_KEY), ("content_type", "text/plain")];
                headers.extend(types.iter().map(|value| ("content-type", *value)));
                for (framing, exchange) in FRAMINGS {
                    // The client's side of HTTP/2 takes visible ASCII only.
                    if framing.contains("HTTP/2") && !types.iter().all(|value| value.is_ascii()) {
                        continue;
                    }
                    let answer = exchange(&gateway, "POST", path, &headers, body.as_bytes());
                    assert_eq!(
                        answer.verdict(),
                        (200, None),
                        "{types:?}, {framing}: {answer:?}"
                    );
                    sent += 1;
                }
            }
        }
        let seen = gateway.stop();
        assert_eq!(seen.len(), sent);
        for seen in seen {
            assert_eq!(
                seen.values("content-type"),
                ["application/json"],
                "{seen:?}"
            );
            assert!(seen.values("content_type").is_empty(), "{seen:?}");
        }
    }
}

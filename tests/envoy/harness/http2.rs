//! HTTP/2 frame by frame: a client that says where frames end and whether trailers follow, and the upstream's side.

use std::future::poll_fn;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use super::DEADLINE;
use super::client::Answer;
use super::upstream::{Piece, Reply, Seen, Shared};

/// A request over HTTP/2.
pub(crate) struct Frames<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// Each a DATA frame of its own, as far as the peer takes frames that large.
    pub(crate) frames: Vec<&'a [u8]>,
    /// Whether trailers end the request, instead of its last frame.
    pub(crate) trailers: bool,
}

/// The trailers that a client sends: one of its own, and some that are not its to send.
const TRAILERS: [&str; 7] = [
    "x-checksum",
    "x-prefiller-host-port",
    "x_tollgate_tenant",
    "x-ai-eg-model",
    "x-api-key",
    "authorization",
    "content_type",
];

pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Sends a request on a connection of its own and reads the reply, or as much of it as came.
pub(super) fn exchange(gateway: SocketAddr, request: &Frames<'_>) -> Answer {
    runtime()
        .block_on(async { timeout(DEADLINE, ask(gateway, request)).await })
        .expect("a reply in time")
}

async fn ask(gateway: SocketAddr, request: &Frames<'_>) -> Answer {
    let stream = TcpStream::connect(gateway).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = async {
        // How the connection ends tells nothing that the reply does not tell.
        let _ = connection.await;
        std::future::pending::<Answer>().await
    };
    let conversation = async {
        let mut head = Request::builder()
            .method(request.method)
            .uri(format!("http://gateway{}", request.path));
        for (name, value) in request.headers {
            head = head.header(*name, *value);
        }
        let no_body = request.frames.is_empty() && !request.trailers;
        let mut client = client.ready().await.unwrap();
        let (reply, mut body) = client
            .send_request(head.body(()).unwrap(), no_body)
            .unwrap();
        let sending = async {
            for (index, frame) in request.frames.iter().enumerate() {
                let last = index + 1 == request.frames.len() && !request.trailers;
                if send_frame(&mut body, frame, last).await.is_none() {
                    return;
                }
            }
            if request.trailers {
                let trailer = |name: &str| (name.parse().unwrap(), HeaderValue::from_static("1"));
                let trailers = TRAILERS.iter().map(|name| trailer(name));
                let _ = body.send_trailers(trailers.collect());
            }
        };
        let receiving = async {
            let (head, body) = reply.await.expect("a reply").into_parts();
            let (bytes, complete, _) = read(body).await;
            Answer {
                status: head.status.as_u16(),
                headers: text_headers(&head.headers),
                body: bytes,
                complete,
            }
        };
        both(sending, receiving).await
    };
    either(connection, conversation).await
}

/// Runs both; the first one's end is of no interest.
async fn both<T>(side: impl Future<Output = ()>, main: impl Future<Output = T>) -> T {
    let side = async {
        side.await;
        std::future::pending::<T>().await
    };
    either(side, main).await
}

/// The result of whichever ends first.
async fn either<T>(first: impl Future<Output = T>, second: impl Future<Output = T>) -> T {
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    poll_fn(|context| {
        let one = first.as_mut().poll(context);
        if one.is_ready() {
            one
        } else {
            second.as_mut().poll(context)
        }
    })
    .await
}

/// Sends as the peer's window allows; `None` when the peer wants no more.
pub(super) async fn send_frame(
    body: &mut SendStream<Bytes>,
    mut frame: &[u8],
    last: bool,
) -> Option<()> {
    // Lets the connection write the frame before, so that each travels alone.
    tokio::task::yield_now().await;
    while !frame.is_empty() {
        body.reserve_capacity(frame.len());
        let room = poll_fn(|context| body.poll_capacity(context)).await?.ok()?;
        let (now, later) = frame.split_at(room.min(frame.len()));
        let end = last && later.is_empty();
        body.send_data(Bytes::copy_from_slice(now), end).ok()?;
        frame = later;
    }
    Some(())
}

/// Everything that comes, and whether it came to its end.
pub(super) async fn read(mut body: RecvStream) -> (Vec<u8>, bool, HeaderMap) {
    let mut bytes = Vec::new();
    while let Some(frame) = body.data().await {
        let Ok(frame) = frame else {
            return (bytes, false, HeaderMap::new());
        };
        let _ = body.flow_control().release_capacity(frame.len());
        bytes.extend(frame);
    }
    let trailers = body.trailers().await;
    let complete = trailers.is_ok();
    (bytes, complete, trailers.ok().flatten().unwrap_or_default())
}

fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

/// Serves one connection of Envoy's until it is closed, all its requests side by side.
pub(super) fn serve(stream: StdStream, shared: &Arc<Shared>) {
    stream.set_nonblocking(true).unwrap();
    stream.set_nodelay(true).unwrap();
    let local = LocalSet::new();
    let serving = local.run_until(async {
        let stream = TcpStream::from_std(stream).unwrap();
        // h2 takes frames of one byte and many resets for an attack; here they are the test.
        let mut server = h2::server::Builder::new();
        server.data_frame_budget(1 << 30);
        server.max_pending_accept_reset_streams(1 << 20);
        server.max_local_error_reset_streams(None);
        let Ok(mut connection) = server.handshake(stream).await else {
            return;
        };
        let mut exchanges = Vec::new();
        while let Some(Ok((request, respond))) = connection.accept().await {
            let shared = Arc::clone(shared);
            let exchange = async move { answer(request, respond, &shared).await };
            exchanges.push(tokio::task::spawn_local(exchange));
        }
        // What a body came to is kept before the connection counts as closed.
        for exchange in exchanges {
            exchange.await.unwrap();
        }
    });
    runtime().block_on(serving);
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, shared: &Shared) {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    let seen = Seen {
        request: format!("{} {path}", head.method),
        headers,
        ..Seen::default()
    };
    let reply = (shared.script)(&seen);
    let index = shared.begin(seen);
    let (bytes, complete, trailers) = read(body).await;
    let trailers = trailers.keys().map(ToString::to_string).collect();
    let reply = reply.chosen(&bytes);
    shared.finish(index, bytes, complete, trailers);
    if complete {
        // Envoy may have given up the stream.
        let _ = send_reply(&mut respond, &reply).await;
    }
}

async fn send_reply(respond: &mut SendResponse<Bytes>, reply: &Reply) -> Option<()> {
    let mut head = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        head = head.header(name, value);
    }
    let mut body = respond.send_response(head.body(()).unwrap(), false).ok()?;
    for piece in &reply.pieces {
        match piece {
            Piece::Bytes(bytes) => send_frame(&mut body, bytes, false).await?,
            Piece::Pause(time) => sleep(*time).await,
            Piece::Wait(wait) => wait(),
            Piece::UntilClosed => {
                let _ = poll_fn(|context| body.poll_reset(context)).await;
                return None;
            }
            Piece::Cut => {
                body.send_reset(h2::Reason::INTERNAL_ERROR);
                return None;
            }
        }
    }
    if reply.trailers {
        let trailer = (
            "x-served-by".parse().unwrap(),
            HeaderValue::from_static("1"),
        );
        body.send_trailers(HeaderMap::from_iter([trailer])).ok()
    } else {
        body.send_data(Bytes::new(), true).ok()
    }
}

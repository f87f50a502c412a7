//! Many streams over HTTP/2 at once, some of which their clients give up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::sleep;

use super::http2::{read, runtime, send_frame};

/// Where a client resets its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    AfterHeaders,
    MidBody,
    AfterBody,
    /// So long after the first bytes of the reply.
    MidReply(Duration),
    Never,
}

/// Requests that differ only in where they end.
pub(crate) struct Crowd<'a> {
    pub(crate) connections: usize,
    /// Of each connection.
    pub(crate) streams: usize,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
    /// Where the stream of this number is left.
    pub(crate) leave: &'a dyn Fn(usize) -> Leave,
}

/// How many streams ended how: `200 whole`, `200 cut`, `left`, `refused: ` and the reason.
pub(crate) type Tally = BTreeMap<String, usize>;

/// Opens all streams as fast as the gateway takes them and waits until the last one is over.
pub(super) fn run(gateway: SocketAddr, crowd: &Crowd<'_>) -> Tally {
    let mut tally = Tally::new();
    let local = LocalSet::new();
    let streams = local.run_until(async {
        let mut streams = Vec::new();
        for connection in 0..crowd.connections {
            let stream = TcpStream::connect(gateway).await.unwrap();
            stream.set_nodelay(true).unwrap();
            // h2 takes many resets for an attack; here they are the test.
            let (client, connected) = h2::client::Builder::new()
                .max_concurrent_reset_streams(crowd.streams)
                .max_local_error_reset_streams(None)
                .initial_connection_window_size(1 << 30)
                .handshake::<_, Bytes>(stream)
                .await
                .unwrap();
            // How the connection ends is told by its streams.
            tokio::task::spawn_local(async { drop(connected.await) });
            for stream in 0..crowd.streams {
                let number = connection * crowd.streams + stream;
                let mut head = Request::post(format!("http://gateway{}", crowd.path));
                for (name, value) in crowd.headers {
                    head = head.header(*name, *value);
                }
                let body = Bytes::copy_from_slice(crowd.body);
                let leave = (crowd.leave)(number);
                let one = one(client.clone(), head.body(()).unwrap(), body, leave, number);
                streams.push(tokio::task::spawn_local(one));
            }
        }
        for stream in streams {
            let end = stream.await.unwrap();
            let end = end.unwrap_or_else(|error| format!("refused: {error}"));
            *tally.entry(end).or_default() += 1;
        }
    });
    runtime().block_on(streams);
    tally
}

async fn one(
    client: SendRequest<Bytes>,
    head: Request<()>,
    body: Bytes,
    leave: Leave,
    number: usize,
) -> Result<String, h2::Error> {
    let (reply, mut sender) = client.ready().await?.send_request(head, false)?;
    let left = || Ok("left".to_owned());
    let (first, second) = body.split_at(body.len() / 2);
    // Long enough for what was sent to be on its way, and different each time.
    let a_moment = || sleep(Duration::from_millis(2 + number as u64 % 7));
    if leave == Leave::AfterHeaders {
        a_moment().await;
        sender.send_reset(Reason::CANCEL);
        return left();
    }
    // Where the gateway wants no more, its reply tells.
    let _ = send_frame(&mut sender, first, false).await;
    if leave == Leave::MidBody {
        a_moment().await;
        sender.send_reset(Reason::CANCEL);
        return left();
    }
    let _ = send_frame(&mut sender, second, true).await;
    if leave == Leave::AfterBody {
        a_moment().await;
        sender.send_reset(Reason::CANCEL);
        return left();
    }
    let (head, mut body) = reply.await?.into_parts();
    let status = head.status.as_u16();
    if let Leave::MidReply(time) = leave {
        let _ = body.data().await;
        sleep(time).await;
        sender.send_reset(Reason::CANCEL);
        return left();
    }
    let (_, complete, _) = read(body).await;
    Ok(format!(
        "{status} {}",
        if complete { "whole" } else { "cut" }
    ))
}

//! As much of HTTP/1.1 as the load, the upstream and Envoy's admin interface speak here.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One connection.
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
}

/// The head of a request or a reply.
pub(crate) struct Head {
    text: String,
}

impl Head {
    /// The first line.
    pub(crate) fn line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The value of a header.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The length of the body, if it was announced.
    pub(crate) fn length(&self) -> Option<usize> {
        self.value("content-length")?.parse().ok()
    }
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::with_capacity(16 * 1024, stream),
        })
    }

    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(TcpStream::connect(address).await?)
    }

    /// Sends bytes in one write, as long as the socket has room.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes).await
    }

    /// The next head; `None` where the connection was closed before it.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        let mut text = Vec::with_capacity(2048);
        loop {
            let read = self.stream.read_until(b'\n', &mut text).await?;
            if read == 0 {
                return Ok(None);
            }
            if text.ends_with(b"\r\n\r\n") {
                let text = String::from_utf8(text).map_err(io::Error::other)?;
                return Ok(Some(Head { text }));
            }
        }
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    /// The next chunk of a chunked body, empty at its end.
    pub(crate) async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let mut size = String::new();
        self.stream.read_line(&mut size).await?;
        let size = usize::from_str_radix(size.trim_end(), 16).map_err(io::Error::other)?;
        let mut bytes = self.exactly(size + 2).await?;
        bytes.truncate(size);
        Ok(bytes)
    }

    /// A whole body.
    pub(crate) async fn body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        if let Some(length) = head.length() {
            return self.exactly(length).await;
        }
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }
}

/// Asks once, on a connection of its own; gives the status and the body.
pub(crate) async fn ask(address: SocketAddr, line: &str) -> io::Result<(String, String)> {
    let mut wire = Wire::connect(address).await?;
    let request = format!("{line} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    wire.send(request.as_bytes()).await?;
    let head = wire.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let body = wire.body(&head).await?;
    let status = head.line().split(' ').nth(1).unwrap_or_default().to_owned();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

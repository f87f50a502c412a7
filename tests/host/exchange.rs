//! One stream on its way through the filter, callback by callback.

use crate::abi::{Action, Callback, Pairs};
use crate::host::{Host, length, pairs};
use crate::world::{LocalReply, Stream};

/// One stream on its way.
pub(crate) struct Exchange<'host> {
    host: &'host mut Host,
    id: u32,
}

impl<'host> Exchange<'host> {
    pub(crate) fn new(host: &'host mut Host, id: u32) -> Self {
        Self { host, id }
    }

    pub(crate) fn request_headers(mut self, headers: Pairs, end: bool) -> Self {
        let count = length(headers.len());
        self.host.stream(self.id).request_headers = Some(headers);
        let action = self.callback(Callback::RequestHeaders, &[count, u32::from(end)]);
        let stream = self.host.stream(self.id);
        if action == Action::Continue && stream.local_reply.is_none() {
            stream.upstream_headers = stream.request_headers.clone();
            stream.upstream_complete = end;
        }
        self
    }

    /// The frames, each in a callback of its own, and the empty one that ends a body over HTTP/1.
    pub(crate) fn body<F: AsRef<[u8]>>(self, frames: &[F]) -> Self {
        self.unfinished_body(frames).body_frame(b"", true)
    }

    /// Frames after which more is to come.
    pub(crate) fn unfinished_body<F: AsRef<[u8]>>(self, frames: &[F]) -> Self {
        frames.iter().fold(self, |exchange, frame| {
            exchange.body_frame(frame.as_ref(), false)
        })
    }

    pub(crate) fn body_frame(mut self, frame: &[u8], end: bool) -> Self {
        if self.host.stream(self.id).is_stopped() {
            return self;
        }
        let size = self.receive(frame);
        let action = self.callback(Callback::RequestBody, &[size, u32::from(end)]);
        let stream = self.host.stream(self.id);
        if action == Action::Continue && stream.local_reply.is_none() {
            let passed = std::mem::take(&mut stream.frame);
            stream.upstream_body.extend(passed);
            stream.upstream_complete = end;
        }
        self
    }

    /// The upstream's headers. `:status` is one of them.
    pub(crate) fn response<N: AsRef<[u8]>, V: AsRef<[u8]>>(self, headers: &[(N, V)]) -> Self {
        if self.host.stream(self.id).is_stopped() {
            return self;
        }
        self.response_headers(pairs(headers), false)
    }

    fn response_headers(mut self, headers: Pairs, end: bool) -> Self {
        let count = length(headers.len());
        self.host.stream(self.id).response_headers = Some(headers);
        let action = self.callback(Callback::ResponseHeaders, &[count, u32::from(end)]);
        let stream = self.host.stream(self.id);
        match stream
            .local_reply
            .clone()
            .filter(|reply| reply.during == Callback::ResponseHeaders)
        {
            // It takes the place of the upstream's reply and passes through no callback.
            Some(reply) => {
                stream.downstream_headers = Some(reply_headers(&reply));
                stream.downstream_body = reply.body;
            }
            None if action == Action::Continue => {
                stream.downstream_headers = stream.response_headers.clone()
            }
            None => {}
        }
        self
    }

    /// The frames of the reply, and the empty one that ends it.
    pub(crate) fn reply<F: AsRef<[u8]>>(self, frames: &[F]) -> Self {
        self.unfinished_reply(frames).reply_frame(b"", true)
    }

    /// Frames of the reply after which more was to come.
    pub(crate) fn unfinished_reply<F: AsRef<[u8]>>(self, frames: &[F]) -> Self {
        frames.iter().fold(self, |exchange, frame| {
            exchange.reply_frame(frame.as_ref(), false)
        })
    }

    pub(crate) fn reply_frame(self, frame: &[u8], end: bool) -> Self {
        if self.host.stream(self.id).is_stopped() {
            return self;
        }
        self.response_frame(frame, end)
    }

    fn response_frame(mut self, frame: &[u8], end: bool) -> Self {
        let size = self.receive(frame);
        let action = self.callback(Callback::ResponseBody, &[size, u32::from(end)]);
        let stream = self.host.stream(self.id);
        if action == Action::Continue {
            let passed = std::mem::take(&mut stream.frame);
            stream.downstream_body.extend(passed);
        }
        self
    }

    /// Time goes by.
    pub(crate) fn after_milliseconds(self, milliseconds: u64) -> Self {
        self.host.advance_milliseconds(milliseconds);
        self
    }

    /// Leaves the stream open; [`Host::resume`] goes on with it.
    pub(crate) fn keep_open(self) -> u32 {
        self.id
    }

    /// Ends the stream with these response flags and hands over all that is known about it.
    pub(crate) fn log(self, response_flags: u64) -> Stream {
        let Self { host, id } = self.deliver_local_reply();
        let stream = host.stream(id);
        stream.frame.clear();
        let status = stream
            .downstream_headers
            .iter()
            .flatten()
            .find(|(name, _)| name == b":status");
        let code: u64 = status.map_or(0, |(_, value)| {
            String::from_utf8_lossy(value).parse().unwrap_or_default()
        });
        stream
            .attributes
            .insert(b"response\0code".to_vec(), code.to_le_bytes().to_vec());
        stream.attributes.insert(
            b"response\0flags".to_vec(),
            response_flags.to_le_bytes().to_vec(),
        );
        host.close(id)
    }

    /// Envoy sends the module's own reply through the response callbacks of the same module.
    fn deliver_local_reply(self) -> Self {
        let stream = self.host.stream(self.id);
        let Some(reply) = stream
            .local_reply
            .clone()
            .filter(|reply| reply.during < Callback::ResponseHeaders)
        else {
            return self;
        };
        stream.frame.clear();
        let delivered = self.response_headers(reply_headers(&reply), reply.body.is_empty());
        if reply.body.is_empty() {
            return delivered;
        }
        delivered.response_frame(&reply.body, true)
    }

    /// Puts bytes behind those that an earlier pause left in the buffer, and says how many there are now.
    fn receive(&mut self, frame: &[u8]) -> u32 {
        let buffer = &mut self.host.stream(self.id).frame;
        buffer.extend(frame);
        length(buffer.len())
    }

    fn callback(&mut self, callback: Callback, arguments: &[u32]) -> Action {
        let answer = self.host.callback(self.id, callback, arguments);
        Action::from_abi(answer).expect("an action")
    }
}

/// The headers of a local reply as Envoy completes them.
fn reply_headers(reply: &LocalReply) -> Pairs {
    let mut headers = pairs(&[(":status", reply.status.to_string())]);
    headers.extend(reply.headers.clone());
    headers.extend(pairs(&[("content-length", reply.body.len().to_string())]));
    headers
}

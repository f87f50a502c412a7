//! What a shell provides: the calls by which an [`Exchange`](super::Exchange) reads and writes a request and its reply.

use std::rc::Rc;

use crate::attribute::Attribute;
use crate::denial::{Code, Denial};
use crate::forward::Changes;
use crate::headers::HeaderMap;
use crate::metrics::Movement;
use crate::quota::{Ledger, Machines};

/// The host refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Which header map a call works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    /// The request's headers.
    RequestHeaders = 0,
    /// The request's trailers.
    RequestTrailers = 1,
    /// The reply's headers.
    ResponseHeaders = 2,
    /// The reply's trailers.
    ResponseTrailers = 3,
}

/// Which body a call works on. A call sees one frame of it: the one that the current step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// The request's body.
    Request = 0,
    /// The reply's body.
    Response = 1,
}

/// An answer to the client in place of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply<'a> {
    /// The HTTP status.
    pub status: u32,
    /// Why, for the access log.
    pub details: &'a str,
    /// Header names and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a str,
}

/// One request's view of the proxy that it passes through. Every call that can be refused says so; an exchange decides
/// what a refusal means.
pub trait Host: Ledger {
    /// The time in nanoseconds since the epoch.
    ///
    /// # Errors
    /// [`Refused`], here and in all calls that follow.
    fn now(&self) -> Result<u64, Refused>;

    /// All headers of a map.
    ///
    /// # Errors
    /// [`Refused`]
    fn headers(&self, map: Map) -> Result<HeaderMap, Refused>;

    /// Sets a header and replaces every copy of it.
    ///
    /// # Errors
    /// [`Refused`]
    fn set_header(&self, map: Map, name: &str, value: &str) -> Result<(), Refused>;

    /// Removes every copy of a header.
    ///
    /// # Errors
    /// [`Refused`]
    fn remove_header(&self, map: Map, name: &[u8]) -> Result<(), Refused>;

    /// The `size` bytes of the current frame.
    ///
    /// # Errors
    /// [`Refused`], also where there are fewer bytes.
    fn frame(&self, body: Body, size: usize) -> Result<Vec<u8>, Refused>;

    /// Puts `bytes` in place of the first `size` bytes of the current frame, or in front of it where `size` is 0.
    ///
    /// # Errors
    /// [`Refused`]
    fn replace(&self, body: Body, size: usize, bytes: &[u8]) -> Result<(), Refused>;

    /// Puts `bytes` behind the `size` bytes of the current frame.
    ///
    /// # Errors
    /// [`Refused`]
    fn append(&self, body: Body, size: usize, bytes: &[u8]) -> Result<(), Refused>;

    /// An attribute of the request, by the parts of its path.
    fn attribute(&self, path: &[&str]) -> Attribute;

    /// An attribute that is a number.
    fn number(&self, path: &[&str]) -> Option<u64> {
        self.attribute(path).word().map(u64::from_le_bytes)
    }

    /// Answers the client in place of the server, which sees no more of the request.
    ///
    /// # Errors
    /// [`Refused`]
    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Refused>;

    /// Ends the request without an answer.
    fn close(&self);

    /// Moves one time series.
    fn move_series(&self, movement: &Movement);

    /// Writes one entry of the request's filter state.
    fn set_filter_state(&self, name: &str, value: &str);

    /// The virtual machine that this is, and those that share the [`Ledger`] with it. The shell has it
    /// [count up](Machines::beat) once a second.
    fn machines(&self) -> Rc<Machines>;

    /// Writes the header changes of an admitted request.
    ///
    /// # Errors
    /// [`Refused`] at the first change that fails: a header that could not be stripped is a leak.
    fn apply(&self, changes: &Changes) -> Result<(), Refused> {
        write(self, changes)
    }
}

/// Writes header changes one by one.
pub(super) fn write(host: &(impl Host + ?Sized), changes: &Changes) -> Result<(), Refused> {
    let map = Map::RequestHeaders;
    for name in &changes.remove {
        host.remove_header(map, name)?;
    }
    for (name, value) in &changes.set {
        host.set_header(map, name, value)?;
    }
    for (name, value) in &changes.named {
        host.set_header(map, name, value)?;
    }
    for header in &changes.secrets {
        host.set_header(map, &header.name, header.value.expose())?;
    }
    match &changes.path {
        Some(path) => host.set_header(map, ":path", path),
        None => Ok(()),
    }
}

impl From<Refused> for Denial {
    fn from(_: Refused) -> Self {
        Code::Internal.into()
    }
}

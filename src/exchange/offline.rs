//! A host without a proxy: messages in memory. The tests, the fuzz checks and `tollgate explain` drive an exchange on it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::host::write;
use super::{Body, Host, LocalReply, Map, Refused};
use crate::attribute::Attribute;
use crate::forward::Changes;
use crate::headers::HeaderMap;
use crate::metrics::Movement;
use crate::quota::{Ledger, Machines, Memory, Unavailable};

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// The answer that an exchange gave in place of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The HTTP status.
    pub status: u32,
    /// Why, for the access log.
    pub details: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// The messages of one exchange, and what it did.
#[allow(
    missing_debug_implementations,
    reason = "functions have nothing to show, and headers may hold secrets"
)]
pub struct Offline<'a> {
    maps: RefCell<[Headers; 4]>,
    frames: RefCell<[Vec<u8>; 2]>,
    attributes: &'a dyn Fn(&[&str]) -> Attribute,
    time: Cell<u64>,
    refuses_writes: Cell<bool>,
    changes: RefCell<Changes>,
    sent: RefCell<Option<Sent>>,
    movements: RefCell<Vec<Movement>>,
    shared: Rc<Shared>,
    filter_state: RefCell<Vec<(String, String)>>,
}

impl<'a> Offline<'a> {
    /// A request with these headers at this time, in nanoseconds since the epoch.
    #[must_use]
    pub fn new(
        headers: &HeaderMap,
        time: u64,
        attributes: &'a dyn Fn(&[&str]) -> Attribute,
    ) -> Self {
        let host = Self {
            maps: RefCell::default(),
            frames: RefCell::default(),
            attributes,
            time: Cell::new(time),
            refuses_writes: Cell::new(false),
            changes: RefCell::default(),
            sent: RefCell::default(),
            movements: RefCell::default(),
            shared: Rc::default(),
            filter_state: RefCell::default(),
        };
        host.put_headers(Map::RequestHeaders, headers);
        host
    }

    /// The same, with a store that other exchanges share.
    #[must_use]
    pub fn sharing(mut self, shared: &Rc<Shared>) -> Self {
        self.shared = Rc::clone(shared);
        self
    }

    /// Sets the clock, in nanoseconds since the epoch.
    pub fn set_time(&self, time: u64) {
        self.time.set(time);
    }

    /// Puts headers or trailers in place.
    pub fn put_headers(&self, map: Map, headers: &HeaderMap) {
        let headers = headers.iter();
        let copy = headers.map(|(name, value)| (name.to_vec(), value.to_vec()));
        self.with(map, |headers| *headers = copy.collect());
    }

    /// Puts the next frame of a body in place, and gives the number of its bytes.
    pub fn put_frame(&self, body: Body, bytes: &[u8]) -> usize {
        self.frame_of(body, |frame| *frame = bytes.to_vec());
        bytes.len()
    }

    /// Refuses every write from now on, or no longer.
    pub fn refuse_writes(&self, refuses: bool) {
        self.refuses_writes.set(refuses);
    }

    /// Headers as the exchange left them.
    #[must_use]
    pub fn headers_now(&self, map: Map) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.with(map, |headers| headers.clone())
    }

    /// The current frame as the exchange left it.
    #[must_use]
    pub fn frame_now(&self, body: Body) -> Vec<u8> {
        self.frame_of(body, |frame| frame.clone())
    }

    /// The changes of the request's headers.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changes.borrow().clone()
    }

    /// The answer to the client, if the exchange gave one.
    #[must_use]
    pub fn sent(&self) -> Option<Sent> {
        self.sent.borrow().clone()
    }

    /// The series that moved.
    #[must_use]
    pub fn movements(&self) -> Vec<Movement> {
        self.movements.borrow().clone()
    }

    /// The filter state that was written.
    #[must_use]
    pub fn filter_state(&self) -> Vec<(String, String)> {
        self.filter_state.borrow().clone()
    }

    fn with<T>(&self, map: Map, use_it: impl FnOnce(&mut Headers) -> T) -> T {
        let [request, request_trailers, response, response_trailers] = &mut *self.maps.borrow_mut();
        use_it(match map {
            Map::RequestHeaders => request,
            Map::RequestTrailers => request_trailers,
            Map::ResponseHeaders => response,
            Map::ResponseTrailers => response_trailers,
        })
    }

    fn frame_of<T>(&self, body: Body, use_it: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let [request, response] = &mut *self.frames.borrow_mut();
        use_it(match body {
            Body::Request => request,
            Body::Response => response,
        })
    }

    fn writable(&self) -> Result<(), Refused> {
        if self.refuses_writes.get() {
            Err(Refused)
        } else {
            Ok(())
        }
    }
}

/// A store in memory, and the virtual machine that uses it.
#[derive(Debug, Default)]
pub struct Shared {
    memory: Memory,
    machines: Rc<Machines>,
}

impl Shared {
    /// The store.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl Ledger for Offline<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
        self.shared.memory.load(key)
    }

    fn store(&self, key: &str, bytes: &[u8], version: u32) -> Result<bool, Unavailable> {
        self.shared.memory.store(key, bytes, version)
    }
}

impl Host for Offline<'_> {
    fn now(&self) -> Result<u64, Refused> {
        Ok(self.time.get())
    }

    fn headers(&self, map: Map) -> Result<HeaderMap, Refused> {
        Ok(self.with(map, |headers| headers.iter().cloned().collect()))
    }

    fn set_header(&self, map: Map, name: &str, value: &str) -> Result<(), Refused> {
        self.remove_header(map, name.as_bytes())?;
        self.with(map, |headers| headers.push((name.into(), value.into())));
        Ok(())
    }

    fn remove_header(&self, map: Map, name: &[u8]) -> Result<(), Refused> {
        self.writable()?;
        self.with(map, |headers| headers.retain(|(other, _)| other != name));
        Ok(())
    }

    fn frame(&self, body: Body, size: usize) -> Result<Vec<u8>, Refused> {
        let bytes = self.frame_of(body, |frame| frame.get(..size).map(<[u8]>::to_vec));
        bytes.ok_or(Refused)
    }

    fn replace(&self, body: Body, size: usize, bytes: &[u8]) -> Result<(), Refused> {
        self.writable()?;
        self.frame_of(body, |frame| {
            let rest = frame.get(size..).ok_or(Refused)?;
            *frame = [bytes, rest].concat();
            Ok(())
        })
    }

    fn append(&self, body: Body, size: usize, bytes: &[u8]) -> Result<(), Refused> {
        self.writable()?;
        self.frame_of(body, |frame| {
            frame.truncate(size);
            frame.extend_from_slice(bytes);
        });
        Ok(())
    }

    fn attribute(&self, path: &[&str]) -> Attribute {
        (self.attributes)(path)
    }

    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Refused> {
        let headers = reply.headers.iter();
        *self.sent.borrow_mut() = Some(Sent {
            status: reply.status,
            details: reply.details.to_owned(),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: reply.body.to_owned(),
        });
        Ok(())
    }

    fn close(&self) {}

    fn move_series(&self, movement: &Movement) {
        self.movements.borrow_mut().push(movement.clone());
    }

    fn set_filter_state(&self, name: &str, value: &str) {
        let entry = (name.to_owned(), value.to_owned());
        self.filter_state.borrow_mut().push(entry);
    }

    fn machines(&self) -> Rc<Machines> {
        Rc::clone(&self.shared.machines)
    }

    fn apply(&self, changes: &Changes) -> Result<(), Refused> {
        *self.changes.borrow_mut() = changes.clone();
        write(self, changes)
    }
}

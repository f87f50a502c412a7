//! The Proxy-Wasm calls of the filter. Each returns a result.
//!
//! The SDK's own wrappers panic on unexpected statuses and on header values that are not UTF-8. A panic ends the
//! worker's VM and all requests on that worker. Here a refused call is a [`Refused`], and the caller decides: access
//! control fails closed, observation continues.
//!
//! The ABI: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>.
#![allow(
    unsafe_code,
    reason = "foreign functions cannot be called otherwise; this is the only file that may"
)]

use std::cell::RefCell;
use std::ptr;
use std::rc::Rc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::attribute::Attribute;
use crate::config::Fault;
use crate::exchange::{Body, Host, LocalReply, Map, Refused};
use crate::headers::HeaderMap;
use crate::metrics::{Kind, Movement, Series};
use crate::quota::{Ledger, Machines, Unavailable};

type Result<T> = std::result::Result<T, Refused>;

/// The plugin's configuration, among Envoy's buffers.
const PLUGIN_CONFIGURATION: u32 = 7;

/// Levels of Envoy's log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Level {
    Info = 2,
    Error = 4,
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const SERIALIZATION_FAILURE: u32 = 3;
const CAS_MISMATCH: u32 = 8;

unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_property(
        path: *const u8,
        size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
    ) -> u32;
    fn proxy_set_property(path: *const u8, size: usize, value: *const u8, value_size: usize)
    -> u32;
    fn proxy_get_header_map_pairs(map: u32, value: *mut *mut u8, value_size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max_size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        size: usize,
        value: *const u8,
        value_size: usize,
        version: u32,
    ) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

/// Writes one line to Envoy's log.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: the host only reads `text`. A lost log line must not fail a request.
    unsafe { proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// Logs the faults of a refused configuration, one line each. Envoy adds the plugin's name in front.
pub(crate) fn log_faults(faults: &[Fault]) {
    for fault in faults {
        log(Level::Error, &format!("config rejected: {fault}"));
    }
}

/// The host's clock in nanoseconds since the epoch.
pub(crate) fn now() -> Result<u64> {
    let mut time = 0;
    // SAFETY: the host writes one u64.
    checked(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

/// The plugin's configuration, of `size` bytes.
pub(crate) fn configuration(size: usize) -> Result<Vec<u8>> {
    buffer(PLUGIN_CONFIGURATION, size)
}

/// Has Envoy tick once in so many milliseconds. Where it refuses, what a crashed worker has set aside is not given back.
pub(crate) fn tick_every(milliseconds: u32) {
    // SAFETY: no pointers.
    unsafe { proxy_set_tick_period_milliseconds(milliseconds) };
}

thread_local! {
    // One for the virtual machine, whatever it is configured with.
    static MACHINES: Rc<Machines> = Rc::default();
}

/// The virtual machine that this is.
pub(crate) fn machines() -> Rc<Machines> {
    MACHINES.try_with(Rc::clone).unwrap_or_default()
}

/// Envoy's side of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envoy;

/// What all virtual machines of one `vm_id` share, under one lock of Envoy's.
impl Ledger for Envoy {
    fn load(&self, key: &str) -> std::result::Result<Option<(Vec<u8>, u32)>, Unavailable> {
        let (mut status, mut version) = (OK, 0);
        // SAFETY: as in `headers`; the host reads `key` and writes one u32.
        let bytes = receive(|value, size| unsafe {
            status = proxy_get_shared_data(key.as_ptr(), key.len(), value, size, &raw mut version);
            status
        });
        match (bytes, status) {
            (Ok(bytes), _) => Ok(Some((bytes, version))),
            (Err(Refused), NOT_FOUND) => Ok(None),
            (Err(Refused), _) => Err(Unavailable),
        }
    }

    fn store(
        &self,
        key: &str,
        bytes: &[u8],
        version: u32,
    ) -> std::result::Result<bool, Unavailable> {
        // SAFETY: the host only reads `key` and `bytes`. 0 would mean any version.
        let status = unsafe {
            proxy_set_shared_data(
                key.as_ptr(),
                key.len(),
                bytes.as_ptr(),
                bytes.len(),
                version.max(1),
            )
        };
        match status {
            OK => Ok(true),
            CAS_MISMATCH => Ok(false),
            _ => Err(Unavailable),
        }
    }
}

impl Host for Envoy {
    fn now(&self) -> Result<u64> {
        now()
    }

    fn headers(&self, map: Map) -> Result<HeaderMap> {
        // SAFETY: `receive` passes pointers that the host may write through.
        let bytes =
            receive(|value, size| unsafe { proxy_get_header_map_pairs(map as u32, value, size) })?;
        HeaderMap::decode(bytes).ok_or(Refused)
    }

    fn set_header(&self, map: Map, name: &str, value: &str) -> Result<()> {
        // SAFETY: the host only reads `name` and `value`.
        checked(unsafe {
            proxy_replace_header_map_value(
                map as u32,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    fn remove_header(&self, map: Map, name: &[u8]) -> Result<()> {
        // SAFETY: the host only reads `name`.
        checked(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
    }

    fn frame(&self, body: Body, size: usize) -> Result<Vec<u8>> {
        buffer(body as u32, size)
    }

    /// Envoy does not adjust the `content-length`.
    fn replace(&self, body: Body, size: usize, bytes: &[u8]) -> Result<()> {
        set_buffer(body, 0, size, bytes)
    }

    /// Envoy does not adjust the `content-length`.
    fn append(&self, body: Body, size: usize, bytes: &[u8]) -> Result<()> {
        set_buffer(body, size, 0, bytes)
    }

    fn attribute(&self, path: &[&str]) -> Attribute {
        match property(path) {
            (OK, bytes) => Attribute::Value(bytes),
            (NOT_FOUND, _) => Attribute::Absent,
            (SERIALIZATION_FAILURE, _) => Attribute::Null,
            _ => Attribute::Unreadable,
        }
    }

    /// The details appear as `%RESPONSE_CODE_DETAILS%`.
    fn reply(&self, reply: &LocalReply<'_>) -> Result<()> {
        let headers = serialise(reply.headers);
        // SAFETY: the host only reads the four buffers. -1 leaves the gRPC status to Envoy, which maps the HTTP status
        // for gRPC clients.
        checked(unsafe {
            proxy_send_local_response(
                reply.status,
                reply.details.as_ptr(),
                reply.details.len(),
                reply.body.as_ptr(),
                reply.body.len(),
                headers.as_ptr(),
                headers.len(),
                -1,
            )
        })
    }

    fn close(&self) {
        const HTTP_REQUEST: u32 = 0;
        // SAFETY: no pointers.
        unsafe { proxy_close_stream(HTTP_REQUEST) };
    }

    fn move_series(&self, movement: &Movement) {
        move_series(movement);
    }

    fn machines(&self) -> Rc<Machines> {
        machines()
    }

    /// Access logs and later filters read the entry as `wasm.<name>`.
    fn set_filter_state(&self, name: &str, value: &str) {
        // SAFETY: the host only reads both. A lost log field must not fail a request.
        unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    }
}

/// The first `size` bytes of a buffer.
fn buffer(buffer: u32, size: usize) -> Result<Vec<u8>> {
    if size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: as in `headers`.
    let bytes = receive(|value, value_size| unsafe {
        proxy_get_buffer_bytes(buffer, 0, size, value, value_size)
    })?;
    if bytes.len() == size {
        Ok(bytes)
    } else {
        Err(Refused)
    }
}

fn set_buffer(body: Body, start: usize, size: usize, bytes: &[u8]) -> Result<()> {
    // SAFETY: the host only reads `bytes`.
    checked(unsafe {
        proxy_set_buffer_bytes(body as u32, start, size, bytes.as_ptr(), bytes.len())
    })
}

/// Updates one series. A metric that Envoy refuses must not fail a request.
pub(crate) fn move_series(movement: &Movement) {
    let id =
        METRIC_IDS.try_with(|ids| metric_id(&mut *ids.try_borrow_mut().ok()?, &movement.series));
    let Some(id) = id.ok().flatten() else {
        return;
    };
    match movement.series.metric().kind() {
        // Envoy refuses to increment a counter by 0.
        Kind::Counter if movement.value == 0 => {}
        Kind::Counter => {
            let by = i64::try_from(movement.value).unwrap_or(i64::MAX);
            // SAFETY: no pointers.
            unsafe { proxy_increment_metric(id, by) };
        }
        Kind::Gauge | Kind::Histogram => {
            // SAFETY: no pointers.
            unsafe { proxy_record_metric(id, movement.value) };
        }
    }
}

thread_local! {
    // One VM serves successive configurations. A metric that is defined again would take another entry in Envoy.
    // Room for the first series from the start: what grows amid requests and stays leaves holes in the memory.
    static METRIC_IDS: RefCell<FxHashMap<Series, u32>> =
        RefCell::new(FxHashMap::with_capacity_and_hasher(28, FxBuildHasher));
}

fn metric_id(ids: &mut FxHashMap<Series, u32>, series: &Series) -> Option<u32> {
    if let Some(id) = ids.get(series) {
        return Some(*id);
    }
    let name = series.name();
    let kind = match series.metric().kind() {
        Kind::Counter => 0,
        Kind::Gauge => 1,
        Kind::Histogram => 2,
    };
    let mut id = 0;
    // SAFETY: the host reads `name` and writes one u32.
    checked(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) }).ok()?;
    ids.insert(series.clone(), id);
    Some(id)
}

/// The status of a look-up, and the property's bytes where it is [`OK`].
fn property(path: &[&str]) -> (u32, Vec<u8>) {
    let path = path.join("\0");
    let mut status = OK;
    // SAFETY: as in `headers`; the host only reads `path`.
    let value = receive(|value, size| {
        status = unsafe { proxy_get_property(path.as_ptr(), path.len(), value, size) };
        status
    });
    (status, value.unwrap_or_default())
}

/// Takes ownership of bytes that the host has placed in the module's memory.
fn receive(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>> {
    let mut value: *mut u8 = ptr::null_mut();
    let mut size = 0;
    checked(call(&raw mut value, &raw mut size))?;
    if value.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the host got this memory from `proxy_on_memory_allocate`, which boxes a slice of exactly `size` bytes,
    // has filled it, and has left its ownership to us.
    Ok(unsafe { Vec::from_raw_parts(value, size, size) })
}

/// The map layout that [`HeaderMap::decode`] reads.
fn serialise(headers: &[(&str, &str)]) -> Vec<u8> {
    let length = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = u32::try_from(headers.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    for (name, value) in headers {
        out.extend(length(name));
        out.extend(length(value));
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        out.extend(text.as_bytes());
        out.push(0);
    }
    out
}

const fn checked(status: u32) -> Result<()> {
    if status == OK { Ok(()) } else { Err(Refused) }
}

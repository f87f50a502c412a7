//! The memory of the module, as its imports read and write it.
//!
//! A pointer outside that memory is a trap here, where Envoy returns a status: the module must never make one.

use wasmtime::{Caller, Extern, Memory};

use crate::world::World;

/// The module, as an import sees it.
pub(crate) type Guest<'a> = Caller<'a, World>;

/// Why a host call did not succeed: a status that the module sees, or a fault of the module that ends the test.
pub(crate) enum Refusal {
    Status(u32),
    Trap(wasmtime::Error),
}

impl From<u32> for Refusal {
    fn from(status: u32) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Refusal {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

/// What an import comes to.
pub(crate) type Outcome = Result<(), Refusal>;

fn memory(guest: &mut Guest<'_>) -> wasmtime::Result<Memory> {
    guest
        .get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or_else(|| wasmtime::format_err!("the module exports no memory"))
}

pub(crate) fn read(guest: &mut Guest<'_>, at: u32, size: u32) -> wasmtime::Result<Vec<u8>> {
    let memory = memory(guest)?;
    let start = at as usize;
    let bytes = memory.data(&*guest).get(start..start + size as usize);
    bytes.map(<[u8]>::to_vec).ok_or_else(|| {
        wasmtime::format_err!("the module passed {size} bytes at {at}, outside its memory")
    })
}

pub(crate) fn write(guest: &mut Guest<'_>, at: u32, bytes: &[u8]) -> Outcome {
    Ok(memory(guest)?
        .write(guest, at as usize, bytes)
        .map_err(wasmtime::Error::from)?)
}

pub(crate) fn write_number(guest: &mut Guest<'_>, at: u32, number: u32) -> Outcome {
    write(guest, at, &number.to_le_bytes())
}

/// Copies bytes into memory that the module itself allocates for them, which it then owns.
pub(crate) fn hand_over(guest: &mut Guest<'_>, bytes: &[u8], data: u32, size: u32) -> Outcome {
    let length = u32::try_from(bytes.len()).expect("below 4 GiB");
    let at = if bytes.is_empty() {
        0
    } else {
        allocate(guest, length)?
    };
    write(guest, at, bytes)?;
    write_number(guest, data, at)?;
    write_number(guest, size, length)
}

fn allocate(guest: &mut Guest<'_>, size: u32) -> wasmtime::Result<u32> {
    let allocator = guest
        .get_export("proxy_on_memory_allocate")
        .or_else(|| guest.get_export("malloc"))
        .and_then(Extern::into_func)
        .ok_or_else(|| wasmtime::format_err!("the module exports no allocator"))?;
    allocator.typed::<u32, u32>(&*guest)?.call(guest, size)
}

//! The few WASI imports of the module: no files, no environment, and random numbers that are the same in every run.

use wasmtime::Linker;

use crate::guest::{Guest, Outcome, Refusal, read, write, write_number};
use crate::imports::current_time;
use crate::world::World;

const WASI_OK: u32 = 0;
const WASI_BAD_DESCRIPTOR: u32 = 8;

pub(crate) fn define(linker: &mut Linker<World>) -> wasmtime::Result<()> {
    const MODULE: &str = "wasi_snapshot_preview1";
    // No environment and no arguments: both lists have count 0 and size 0.
    for name in ["environ_sizes_get", "args_sizes_get"] {
        linker.func_wrap(
            MODULE,
            name,
            |mut guest: Guest<'_>, count: u32, size: u32| {
                wasi_result(
                    write_number(&mut guest, count, 0)
                        .and_then(|()| write_number(&mut guest, size, 0)),
                )
            },
        )?;
    }
    for name in ["environ_get", "args_get"] {
        linker.func_wrap(MODULE, name, |_: Guest<'_>, _: u32, _: u32| WASI_OK)?;
    }
    linker.func_wrap(
        MODULE,
        "clock_time_get",
        |mut guest: Guest<'_>, _id: u32, _precision: u64, time: u32| {
            wasi_result(current_time(&mut guest, time))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "random_get",
        |mut guest: Guest<'_>, data: u32, size: u32| {
            let bytes: Vec<u8> = (0..size).map(|_| random_byte(guest.data_mut())).collect();
            wasi_result(write(&mut guest, data, &bytes))
        },
    )?;
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(
        MODULE,
        "proc_exit",
        |_: Guest<'_>, code: u32| -> wasmtime::Result<()> {
            Err(wasmtime::format_err!("the module called proc_exit({code})"))
        },
    )?;
    Ok(())
}

/// Standard output and error go to the log, as in Envoy (info and error).
fn fd_write(
    mut guest: Guest<'_>,
    descriptor: u32,
    vectors: u32,
    count: u32,
    written: u32,
) -> wasmtime::Result<u32> {
    let level = match descriptor {
        1 => 2,
        2 => 4,
        _ => return Ok(WASI_BAD_DESCRIPTOR),
    };
    let mut text = Vec::new();
    for index in 0..count {
        let vector = read(&mut guest, vectors + index * 8, 8)?;
        let word =
            |at: usize| u32::from_le_bytes(vector[at..at + 4].try_into().expect("four bytes"));
        text.extend(read(&mut guest, word(0), word(4))?);
    }
    let size = u32::try_from(text.len())?;
    guest
        .data_mut()
        .logs
        .push((level, String::from_utf8_lossy(&text).into_owned()));
    wasi_result(write_number(&mut guest, written, size))
}

fn wasi_result(outcome: Outcome) -> wasmtime::Result<u32> {
    match outcome {
        Ok(()) => Ok(WASI_OK),
        Err(Refusal::Status(status)) => Ok(status),
        Err(Refusal::Trap(error)) => Err(error),
    }
}

/// Xorshift: no secret hangs on it here.
fn random_byte(world: &mut World) -> u8 {
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    world.random.to_le_bytes()[3]
}

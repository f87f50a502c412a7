//! The `env` imports of the module: the functions of Proxy-Wasm, as Envoy answers them.
//!
//! Whatever the module imports and no file here defines is a trap that names it.

use wasmtime::Linker;

use crate::abi::{Map, Pairs, decode_pairs, encode_pairs, status};
use crate::guest::{Guest, Outcome, Refusal, hand_over, read, write, write_number};
use crate::world::{LocalReply, World};

/// Registers `name(arguments)` under `"env"`: counted, and refused when the test has ordered so.
macro_rules! env {
    ($linker:ident, $($name:literal: $function:ident($($argument:ident: $type:ty),*);)*) => {$(
        $linker.func_wrap("env", $name, |mut guest: Guest<'_>, $($argument: $type),*| {
            let world = guest.data_mut();
            *world.calls.entry($name).or_default() += 1;
            if let Some(status) = world.faults.strike($name) {
                return Ok(status);
            }
            match $function(&mut guest, $($argument),*) {
                Ok(()) => Ok(status::OK),
                Err(Refusal::Status(status)) => Ok(status),
                Err(Refusal::Trap(error)) => Err(error),
            }
        })?;
    )*};
}

pub(crate) fn define(linker: &mut Linker<World>) -> wasmtime::Result<()> {
    env! { linker,
        "proxy_log": log(level: u32, data: u32, size: u32);
        "proxy_get_log_level": log_level(level: u32);
        "proxy_get_current_time_nanoseconds": current_time(time: u32);
        "proxy_get_property": property(path: u32, path_size: u32, data: u32, size: u32);
        "proxy_set_property": set_property(path: u32, path_size: u32, data: u32, size: u32);
        "proxy_get_header_map_pairs": header_pairs(map: u32, data: u32, size: u32);
        "proxy_set_header_map_pairs": set_header_pairs(map: u32, data: u32, size: u32);
        "proxy_get_header_map_value": header_value(map: u32, name: u32, name_size: u32, data: u32, size: u32);
        "proxy_add_header_map_value": add_header(map: u32, name: u32, name_size: u32, data: u32, size: u32);
        "proxy_replace_header_map_value": replace_header(map: u32, name: u32, name_size: u32, data: u32, size: u32);
        "proxy_remove_header_map_value": remove_header(map: u32, name: u32, name_size: u32);
        "proxy_get_buffer_bytes": buffer_bytes(kind: u32, start: u32, length: u32, data: u32, size: u32);
        "proxy_get_buffer_status": buffer_status(kind: u32, length: u32, flags: u32);
        "proxy_set_buffer_bytes": set_buffer_bytes(kind: u32, start: u32, length: u32, data: u32, size: u32);
        "proxy_send_local_response": send_local_response(
            code: u32, details: u32, details_size: u32, body: u32, body_size: u32, headers: u32, headers_size: u32, grpc: i32);
        "proxy_define_metric": define_metric(kind: u32, name: u32, name_size: u32, id: u32);
        "proxy_increment_metric": increment_metric(id: u32, offset: i64);
        "proxy_record_metric": record_metric(id: u32, value: u64);
        "proxy_get_metric": metric(id: u32, value: u32);
        "proxy_get_shared_data": shared_data(key: u32, key_size: u32, data: u32, size: u32, cas: u32);
        "proxy_set_shared_data": set_shared_data(key: u32, key_size: u32, data: u32, size: u32, cas: u32);
        "proxy_set_effective_context": set_effective_context(context: u32);
        "proxy_set_tick_period_milliseconds": accepted(period: u32);
        "proxy_continue_stream": accepted(stream: u32);
        "proxy_close_stream": accepted(stream: u32);
        "proxy_done": done();
        "proxy_call_foreign_function": foreign_function(
            name: u32, name_size: u32, data: u32, size: u32, results: u32, results_size: u32);
    }
    Ok(())
}

fn log(guest: &mut Guest<'_>, level: u32, data: u32, size: u32) -> Outcome {
    let line = String::from_utf8_lossy(&read(guest, data, size)?).into_owned();
    guest.data_mut().logs.push((level, line));
    Ok(())
}

fn log_level(guest: &mut Guest<'_>, level: u32) -> Outcome {
    let value = guest.data().log_level;
    write_number(guest, level, value)
}

pub(crate) fn current_time(guest: &mut Guest<'_>, time: u32) -> Outcome {
    let clock = guest.data().clock;
    write(guest, time, &clock.to_le_bytes())
}

fn property(guest: &mut Guest<'_>, path: u32, path_size: u32, data: u32, size: u32) -> Outcome {
    let path = read(guest, path, path_size)?;
    let plugin = match path.as_slice() {
        b"plugin_name" | b"plugin_root_id" | b"plugin_vm_id" => Some(b"tollgate".to_vec()),
        _ => None,
    };
    let value = match plugin {
        Some(name) => name,
        None => {
            let stream = guest.data_mut().stream().ok_or(status::NOT_FOUND)?;
            stream.property(&path)?
        }
    };
    hand_over(guest, &value, data, size)
}

fn set_property(guest: &mut Guest<'_>, path: u32, path_size: u32, data: u32, size: u32) -> Outcome {
    let path = String::from_utf8_lossy(&read(guest, path, path_size)?).into_owned();
    let value = String::from_utf8_lossy(&read(guest, data, size)?).into_owned();
    let stream = guest.data_mut().stream().ok_or(status::NOT_FOUND)?;
    stream.filter_state.insert(format!("wasm.{path}"), value);
    Ok(())
}

fn shared_data(
    guest: &mut Guest<'_>,
    key: u32,
    key_size: u32,
    data: u32,
    size: u32,
    cas: u32,
) -> Outcome {
    let key = read(guest, key, key_size)?;
    let found = guest.data().shared.get(&key).cloned();
    let (value, version) = found.ok_or(status::NOT_FOUND)?;
    write_number(guest, cas, version)?;
    hand_over(guest, &value, data, size)
}

/// A version of 0 asks for none.
fn set_shared_data(
    guest: &mut Guest<'_>,
    key: u32,
    key_size: u32,
    data: u32,
    size: u32,
    cas: u32,
) -> Outcome {
    let key = read(guest, key, key_size)?;
    let value = read(guest, data, size)?;
    let shared = &mut guest.data_mut().shared;
    let version = shared.get(&key).map(|(_, version)| *version);
    if cas != 0 && version.is_some_and(|version| version != cas) {
        return Err(status::CAS_MISMATCH.into());
    }
    shared.insert(key, (value, version.unwrap_or_default() + 1));
    Ok(())
}

/// A map that is not there now is handed over as an empty one, as Envoy does.
fn header_pairs(guest: &mut Guest<'_>, map: u32, data: u32, size: u32) -> Outcome {
    let map = Map::from_abi(map).ok_or(status::BAD_ARGUMENT)?;
    let pairs = guest.data_mut().readable(map).cloned().unwrap_or_default();
    let bytes = if pairs.is_empty() {
        Vec::new()
    } else {
        encode_pairs(&pairs)
    };
    hand_over(guest, &bytes, data, size)
}

fn set_header_pairs(guest: &mut Guest<'_>, map: u32, data: u32, size: u32) -> Outcome {
    let bytes = read(guest, data, size)?;
    let pairs = decode_pairs(&bytes).ok_or(status::BAD_ARGUMENT)?;
    *writable(guest, map)? = pairs;
    Ok(())
}

fn header_value(
    guest: &mut Guest<'_>,
    map: u32,
    name: u32,
    name_size: u32,
    data: u32,
    size: u32,
) -> Outcome {
    let map = Map::from_abi(map).ok_or(status::BAD_ARGUMENT)?;
    let name = read(guest, name, name_size)?;
    let pairs = guest.data_mut().readable(map).ok_or(status::BAD_ARGUMENT)?;
    let first = pairs
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(&name));
    let value = first.ok_or(status::NOT_FOUND)?.1.clone();
    hand_over(guest, &value, data, size)
}

fn add_header(
    guest: &mut Guest<'_>,
    map: u32,
    name: u32,
    name_size: u32,
    data: u32,
    size: u32,
) -> Outcome {
    let pair = (
        read(guest, name, name_size)?.to_ascii_lowercase(),
        read(guest, data, size)?,
    );
    writable(guest, map)?.push(pair);
    Ok(())
}

/// Every copy goes, in any case, and one is written where the first one stood.
fn replace_header(
    guest: &mut Guest<'_>,
    map: u32,
    name: u32,
    name_size: u32,
    data: u32,
    size: u32,
) -> Outcome {
    let (name, value) = (
        read(guest, name, name_size)?.to_ascii_lowercase(),
        read(guest, data, size)?,
    );
    let pairs = writable(guest, map)?;
    let at = pairs
        .iter()
        .position(|(other, _)| other.eq_ignore_ascii_case(&name));
    let at = at.unwrap_or(pairs.len());
    pairs.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
    pairs.insert(at, (name, value));
    Ok(())
}

fn remove_header(guest: &mut Guest<'_>, map: u32, name: u32, name_size: u32) -> Outcome {
    let name = read(guest, name, name_size)?;
    writable(guest, map)?.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
    Ok(())
}

fn writable<'a>(guest: &'a mut Guest<'_>, map: u32) -> Result<&'a mut Pairs, Refusal> {
    let map = Map::from_abi(map).ok_or(status::BAD_ARGUMENT)?;
    Ok(guest.data_mut().writable(map).ok_or(status::BAD_ARGUMENT)?)
}

/// An empty buffer, and a start behind its end, is a success that hands over a null pointer and the size 0.
fn buffer_bytes(
    guest: &mut Guest<'_>,
    kind: u32,
    start: u32,
    length: u32,
    data: u32,
    size: u32,
) -> Outcome {
    let buffer = guest.data_mut().buffer(kind).ok_or(status::NOT_FOUND)?;
    let start = (start as usize).min(buffer.len());
    let end = start.saturating_add(length as usize).min(buffer.len());
    let bytes = buffer[start..end].to_vec();
    hand_over(guest, &bytes, data, size)
}

fn buffer_status(guest: &mut Guest<'_>, kind: u32, length: u32, flags: u32) -> Outcome {
    let buffer = guest.data_mut().buffer(kind).ok_or(status::NOT_FOUND)?;
    let size = u32::try_from(buffer.len()).expect("a frame below 4 GiB");
    write_number(guest, length, size)?;
    write_number(guest, flags, 0)
}

/// Envoy replaces a prefix or everything, prepends or appends; it refuses ranges in the middle.
fn set_buffer_bytes(
    guest: &mut Guest<'_>,
    kind: u32,
    start: u32,
    length: u32,
    data: u32,
    size: u32,
) -> Outcome {
    let bytes = read(guest, data, size)?;
    let buffer = guest.data_mut().buffer(kind).ok_or(status::BAD_ARGUMENT)?;
    let (start, length) = (start as usize, length as usize);
    if start == 0 {
        buffer.splice(..length.min(buffer.len()), bytes);
    } else if start >= buffer.len() {
        buffer.extend(bytes);
    } else {
        return Err(status::BAD_ARGUMENT.into());
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the ABI has that many")]
fn send_local_response(
    guest: &mut Guest<'_>,
    code: u32,
    _details: u32,
    _details_size: u32,
    body: u32,
    body_size: u32,
    headers: u32,
    headers_size: u32,
    _grpc: i32,
) -> Outcome {
    let body = read(guest, body, body_size)?;
    let headers = decode_pairs(&read(guest, headers, headers_size)?).ok_or(status::BAD_ARGUMENT)?;
    let during = guest.data().callback;
    let stream = guest.data_mut().stream().ok_or(status::BAD_ARGUMENT)?;
    stream.local_reply = Some(LocalReply {
        status: code,
        headers,
        body,
        during,
    });
    Ok(())
}

fn define_metric(guest: &mut Guest<'_>, kind: u32, name: u32, name_size: u32, id: u32) -> Outcome {
    let name =
        String::from_utf8(read(guest, name, name_size)?).map_err(|_| status::BAD_ARGUMENT)?;
    let number = guest.data_mut().metrics.define(kind, name)?;
    write_number(guest, id, number)
}

fn increment_metric(guest: &mut Guest<'_>, id: u32, offset: i64) -> Outcome {
    Ok(guest.data_mut().metrics.increment(id, offset)?)
}

fn record_metric(guest: &mut Guest<'_>, id: u32, value: u64) -> Outcome {
    Ok(guest.data_mut().metrics.record(id, value)?)
}

fn metric(guest: &mut Guest<'_>, id: u32, value: u32) -> Outcome {
    let number = guest.data().metrics.value(id)?;
    write(guest, value, &number.to_le_bytes())
}

fn set_effective_context(guest: &mut Guest<'_>, context: u32) -> Outcome {
    guest.data_mut().context = context;
    Ok(())
}

fn accepted(_guest: &mut Guest<'_>, _argument: u32) -> Outcome {
    Ok(())
}

fn done(_guest: &mut Guest<'_>) -> Outcome {
    Ok(())
}

/// Only the one without arguments is known.
fn foreign_function(
    guest: &mut Guest<'_>,
    name: u32,
    name_size: u32,
    _data: u32,
    _size: u32,
    _results: u32,
    _results_size: u32,
) -> Outcome {
    match read(guest, name, name_size)?.as_slice() {
        b"clear_route_cache" => Ok(()),
        _ => Err(status::NOT_FOUND.into()),
    }
}

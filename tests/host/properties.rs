//! Random traffic: any order of callbacks, any headers and frames, host calls that fail at random. Nothing traps (a trap ends
//! the test), nobody gets through who may not, and every stream is counted once.

use tollgate_checks::corpus::{mutated, seeds};
use tollgate_checks::cuts::pieces;
use tollgate_checks::random::Random;
use tollgate_checks::request::lines;

use crate::abi::{Callback, Pairs, status};
use crate::fixtures::{ACME_KEY, MODEL, STREAM_REPLY, chat_body, chat_headers, configuration};
use crate::host::{Host, flags, length, pairs, readable};
use crate::world::{Fault, Stream};

/// A mark on everything that no upstream server may see.
const FORGED: &[u8] = b"vip";
/// So many streams are served by one VM, as in Envoy.
const STREAMS: usize = 40;

/// Calls that may fail while a stream runs. Without its metrics a stream cannot be counted.
const CALLS: [&str; 12] = [
    "proxy_add_header_map_value",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_property",
    "proxy_log",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_property",
    "proxy_close_stream",
];

/// What a client sends.
struct Request {
    headers: Pairs,
    body: Vec<u8>,
    /// It may complete upstream.
    allowed: bool,
}

#[test]
fn random_traffic_keeps_the_rules() {
    let bodies = seeds("ask");
    let replies = seeds("hide");
    let (mut completed, mut refused) = (0, 0);
    for seed in 0..15 {
        let mut random = Random::new(seed);
        let mut host = Host::configured(&configuration().to_string());
        for stream in 1..=STREAMS {
            let request = request(&mut random, &bodies);
            let body = random.one_of(&replies).1.clone();
            let reply = match random.once_in(2) {
                true => mutated(&body, &request.body, &mut random),
                false => body,
            };
            host.fail(&faults(&mut random));
            let ended = serve(&mut host, &request, &reply, &mut random);
            host.fail(&[]);
            let name = format!("seed {seed}, stream {stream}");
            assert_nothing_forged(&name, &ended);
            assert!(
                request.allowed || !ended.upstream_complete,
                "{name}: passed: {:#?}",
                readable(&request.headers)
            );
            assert_eq!(counted(&host), stream, "{name}: streams counted");
            completed += usize::from(ended.upstream_complete);
            refused += usize::from(ended.local_reply.is_some());
        }
    }
    assert!(completed > 100 && refused > 100, "{completed}, {refused}");
}

#[test]
fn random_callbacks_trap_nothing_and_count_once() {
    const ORDER: [Callback; 6] = [
        Callback::RequestHeaders,
        Callback::RequestBody,
        Callback::RequestTrailers,
        Callback::ResponseHeaders,
        Callback::ResponseBody,
        Callback::ResponseTrailers,
    ];
    let bodies = seeds("ask");
    let replies = seeds("hide");
    for seed in 0..10 {
        let mut random = Random::new(1000 + seed);
        let mut host = Host::configured(&configuration().to_string());
        for stream in 1..=STREAMS {
            host.fail(&faults(&mut random));
            let id = host.open();
            let request = request(&mut random, &bodies);
            let state = host.stream(id);
            state.request_headers = Some(request.headers);
            state.request_trailers = Some(pairs(&[("x-llm-d-slo-ttft-ms", "1")]));
            state.response_headers = Some(pairs(&STREAM_REPLY));
            state.response_trailers = Some(pairs(&[("grpc-status", "0")]));
            for _ in 0..random.below(8) {
                let callback = *random.one_of(&ORDER);
                let frame = match callback {
                    Callback::RequestBody => &request.body,
                    _ => &random.one_of(&replies).1,
                };
                host.stream(id).frame = frame.clone();
                let size = match random.below(8) {
                    // More than there is.
                    0 => length(frame.len()) + 1,
                    1 => 0,
                    _ => length(frame.len()),
                };
                let arguments = match callback {
                    Callback::RequestTrailers | Callback::ResponseTrailers => vec![1],
                    _ => vec![size, u32::from(random.once_in(3))],
                };
                host.callback(id, callback, &arguments);
            }
            host.resume(id).log(flags::CLIENT_DISCONNECTED);
            host.fail(&[]);
            assert_eq!(counted(&host), stream, "seed {seed}: streams counted");
        }
    }
}

fn request(random: &mut Random, bodies: &[(std::path::PathBuf, Vec<u8>)]) -> Request {
    // Most are good, so that many get far.
    let keys = [ACME_KEY, ACME_KEY, ACME_KEY, ACME_KEY, "sk-unknown", ""];
    let models = [MODEL, MODEL, MODEL, "gpt-6"];
    let (key, model) = (*random.one_of(&keys), *random.one_of(&models));
    let mut headers = pairs(&chat_headers(key));
    let mut allowed = key == ACME_KEY && model == MODEL;
    let mut body = chat_body(model, random.once_in(2)).into_bytes();
    if random.once_in(3) {
        headers.extend(pairs(&[("content-length", body.len().to_string())]));
    } else if random.once_in(3) {
        // A model that the demo has no rule for, or none at all.
        body = random.one_of(bodies).1.clone();
        allowed = false;
    } else if random.once_in(3) {
        body = mutated(&body, &random.one_of(bodies).1, random);
        let value = serde_json::from_slice::<serde_json::Value>(&body);
        allowed &= value.is_ok_and(|value| value["model"] == MODEL);
    }
    if random.once_in(4) {
        let text: Vec<u8> = headers
            .iter()
            .flat_map(|(name, value)| [name, b": ".as_slice(), value, b"\n"].concat())
            .collect();
        let changed = lines(&mutated(
            &text,
            b"x-llm-d-\xFF: vip\nx_api_key: x\n",
            random,
        ));
        let paths = changed.iter().filter(|(name, _)| name == b":path").count();
        // Envoy lets one in; and a path of its own is no request of ours.
        if paths == 1
            && !changed
                .iter()
                .any(|(_, value)| value.starts_with(b"/health"))
        {
            headers = changed;
        }
    }
    Request {
        headers,
        body,
        allowed,
    }
}

fn faults(random: &mut Random) -> Vec<Fault> {
    let statuses = [
        status::NOT_FOUND,
        status::BAD_ARGUMENT,
        status::INTERNAL_FAILURE,
        status::UNIMPLEMENTED,
    ];
    if !random.once_in(3) {
        return Vec::new();
    }
    (0..=random.below(2))
        .map(|_| Fault {
            call: (*random.one_of(&CALLS)).to_owned(),
            nth: match random.below(6) {
                0 => None,
                nth => Some(length(nth)),
            },
            status: *random.one_of(&statuses),
        })
        .collect()
}

fn serve(host: &mut Host, request: &Request, reply: &[u8], random: &mut Random) -> Stream {
    let mut frames = pieces(&request.body, random, 40);
    let whole = !random.once_in(4);
    if !whole {
        frames.truncate(random.below(frames.len() + 1));
    }
    let exchange = host
        .request(&request.headers)
        .unfinished_body(&frames)
        .after_milliseconds(10);
    let exchange = match whole {
        true => exchange.body_frame(b"", true),
        false => exchange,
    };
    let frames = pieces(reply, random, 200);
    let exchange = exchange.response(&STREAM_REPLY);
    match random.below(3) {
        0 => exchange.reply(&frames).log(flags::NONE),
        1 => exchange
            .unfinished_reply(&frames)
            .log(flags::CLIENT_DISCONNECTED),
        _ => exchange.log(flags::UPSTREAM_PROTOCOL_ERROR),
    }
}

fn assert_nothing_forged(name: &str, stream: &Stream) {
    const OWNED: [&[u8]; 4] = [b"x-llm-d-", b"x-gateway-", b"x-slo-", b"x-tollgate-"];
    for (header, value) in stream.upstream_headers.iter().flatten() {
        let canonical = canonical(header);
        if OWNED.iter().any(|prefix| canonical.starts_with(prefix)) {
            assert_ne!(value, FORGED, "{name}: {} goes on", header.escape_ascii());
        }
        let secret = value
            .windows(ACME_KEY.len())
            .any(|part| part == ACME_KEY.as_bytes());
        let of_credential = ["authorization", "x-api-key", "api-key"];
        assert!(
            !secret
                || !of_credential
                    .iter()
                    .any(|name| canonical == name.as_bytes()),
            "{name}: the key goes on"
        );
    }
}

/// Requests that the metrics know of.
fn counted(host: &Host) -> usize {
    usize::try_from(host.world().metrics.requests()).expect("a few")
}

/// As servers read names that turn headers into variables.
fn canonical(name: &[u8]) -> Vec<u8> {
    let letter = |byte: &u8| match byte {
        b'_' => b'-',
        byte => byte.to_ascii_lowercase(),
    };
    name.iter().map(letter).collect()
}

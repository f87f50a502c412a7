//! Many streams at once, of which many are given up, while the configuration changes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, config, key_hash, streamed_chat};
use crate::harness::{Crowd, Gateway, Leave, Piece, Reply, Seen, Tally};

/// Of so many streams, as many stay open side by side: the others are left before their reply.
const SHARES: usize = 13;
const STAYING: usize = 10;

/// How large a crowd is and how long its streams go on.
struct Size {
    connections: usize,
    /// Of each connection: a multiple of [`SHARES`].
    streams: usize,
    /// From the first event of a stream to its last.
    time: Duration,
    workers: u32,
}

impl Size {
    const fn all(&self) -> usize {
        self.connections * self.streams
    }

    const fn staying(&self) -> usize {
        self.all() / SHARES * STAYING
    }
}

/// Of 13 streams three are left before a reply, four in the middle of it, and six go on to the end.
fn leave(number: usize, time: Duration) -> Leave {
    match number % SHARES {
        0 => Leave::AfterHeaders,
        1 => Leave::MidBody,
        2 => Leave::AfterBody,
        // The factor scatters the moments: neighbours leave far from each other.
        3..=6 => {
            Leave::MidReply(time.mul_f64(0.5 + 0.4 * ((number * 7919 % 1000) as f64 / 1000.0)))
        }
        _ => Leave::Never,
    }
}

/// Beats over the whole time, so that no idle timeout ends it, and 3 tokens in, 2 out at its end.
fn reply(seen: &Seen, time: Duration) -> Reply {
    const BEATS: u32 = 8;
    if seen.values("x-case").is_empty() {
        return Reply::json(&json!({}));
    }
    let event = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n";
    let end = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
    let mut pieces = vec![Piece::Bytes(event.to_vec())];
    for _ in 0..BEATS {
        pieces.push(Piece::Pause(time / BEATS));
        pieces.push(Piece::Bytes(event.to_vec()));
    }
    pieces.push(Piece::Bytes(end.to_vec()));
    Reply::stream(pieces)
}

/// Lets Envoy take as many streams as there are: neither its circuit breakers nor its guard against rapid resets is what
/// is tested.
fn without_guards(bootstrap: &mut Value) {
    bootstrap["static_resources"]["clusters"][0]["circuit_breakers"] = json!({"thresholds": [{
        "max_connections": 100_000,
        "max_pending_requests": 100_000,
        "max_requests": 100_000
    }]});
    bootstrap["layered_runtime"] = json!({"layers": [{
        "name": "tests",
        "static_layer": {"overload.premature_reset_total_stream_count": 10_000_000}
    }]});
}

fn gateway(size: &Size) -> Gateway {
    let time = size.time;
    Gateway::builder()
        .http2_upstream()
        .discovered()
        .workers(size.workers)
        .amended(without_guards)
        .script(move |seen| reply(seen, time))
        .start()
}

/// The demo configuration with one more key, which differs from version to version.
fn version(number: usize) -> Value {
    let mut config = config();
    let hash = key_hash(&format!("sk-tollgate-acme-{number}"));
    let key = json!({"id": "acme-next", "tenant": "acme", "keyHash": hash});
    config["keys"].as_array_mut().unwrap().push(key);
    config
}

/// One crowd, with changes of the configuration while it lasts, and nothing is lost. `versions` goes on from round to
/// round. Gives the largest number of streams that were open at once.
fn round(gateway: &Gateway, size: &Size, versions: &mut usize) -> u64 {
    let before = gateway.requests_by("outcome");
    let body = streamed_chat(LLAMA).to_string();
    let over = AtomicBool::new(false);
    let peak = AtomicU64::new(0);
    let begin = Instant::now();
    let tally = thread::scope(|scope| {
        let crowd = scope.spawn(|| {
            let tally = gateway.crowd(&Crowd {
                connections: size.connections,
                streams: size.streams,
                path: "/v1/chat/completions",
                headers: &[("x-api-key", ACME_KEY), ("x-case", "crowd")],
                body: body.as_bytes(),
                leave: &|number| leave(number, size.time),
            });
            over.store(true, Ordering::Relaxed);
            tally
        });
        while !over.load(Ordering::Relaxed) && !crowd.is_finished() {
            let active = gateway.numbers("^http.gateway.downstream_rq_active$");
            peak.fetch_max(active.values().sum(), Ordering::Relaxed);
            *versions += 1;
            assert_eq!(
                gateway.publish(&version(*versions), *versions),
                0,
                "refused"
            );
            thread::sleep(size.time / 20);
        }
        crowd.join().unwrap()
    });
    let went_on = size.all() / SHARES * 6;
    let expected = [("200 whole", went_on), ("left", size.all() - went_on)];
    assert_eq!(
        tally,
        Tally::from(expected.map(|(end, count)| (end.to_owned(), count)))
    );
    gateway.assert_balanced("a crowd");
    gateway.assert_sound("a crowd");
    let after = gateway.requests_by("outcome");
    let more = |outcome: &str| after[outcome] - before.get(outcome).copied().unwrap_or_default();
    assert_eq!(
        [more("ok"), more("client_aborted")],
        // The good request of `assert_sound` is one more.
        [went_on as u64 + 1, (size.all() - went_on) as u64]
    );
    let peak = peak.load(Ordering::Relaxed);
    println!(
        "{} streams in {:.1?}, {peak} of them at once, {versions} changes so far",
        size.all(),
        begin.elapsed()
    );
    peak
}

/// Rounds with a gateway of their own: nothing is lost in any, and the second and later ones leave no more memory behind
/// than the first.
fn rounds(size: &Size, rounds: usize, most_growth_in_bytes: u64) {
    assert_eq!(size.streams % SHARES, 0);
    let gateway = gateway(size);
    let mut versions = 0;
    let mut levels = Vec::new();
    for _ in 0..rounds {
        let peak = round(&gateway, size, &mut versions);
        assert!(peak >= size.staying() as u64, "only {peak} at once");
        #[cfg(target_os = "linux")]
        levels.push(gateway.resident_memory());
    }
    println!("resident memory after each round: {levels:?}");
    if let [first, .., last] = levels[..] {
        assert!(last < first + most_growth_in_bytes, "{levels:?}");
    }
    let tokens = size.all() / SHARES * 6 * rounds;
    gateway.expect_counted(
        &["tollgate_tokens_total"],
        &format!(
            "tollgate_tokens_total{{tenant=\"acme\",model=\"llama-3.1-8b\",type=\"input\"}} {}\n\
             tollgate_tokens_total{{tenant=\"acme\",model=\"llama-3.1-8b\",type=\"output\"}} {}\n",
            3 * tokens,
            2 * tokens
        ),
    );
}

#[test]
fn a_crowd_with_aborts_and_reloads_loses_no_request_and_no_memory() {
    let size = Size {
        connections: 4,
        streams: 260,
        time: Duration::from_secs(3),
        workers: 2,
    };
    rounds(&size, 2, 16 << 20);
}

#[test]
#[ignore = "takes minutes and gigabytes: make soak"]
fn ten_thousand_streams_with_aborts_and_reloads_lose_no_request_and_no_memory() {
    let size = Size {
        connections: 20,
        streams: 650,
        time: Duration::from_secs(40),
        workers: 2,
    };
    rounds(&size, 3, 64 << 20);
}

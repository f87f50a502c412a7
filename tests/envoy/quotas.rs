//! Limits on requests, tokens and requests at once, with many at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, config};
use crate::harness::{
    Answer, Frames, Gateway, Piece, Reply, Token, Wire, eventually, filters, trapping,
};

const USAGE: &[u8] = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":17}}\n\ndata: [DONE]\n\n";
const TEXT: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n";

fn with_limits(limits: Value) -> Value {
    let mut config = config();
    config["limits"] = limits;
    config
}

fn chat(key: &str, members: &str) -> Wire {
    Wire::new("POST", "/v1/chat/completions")
        .header("x-api-key", key)
        .header("content-type", "application/json")
        .body(format!(r#"{{"model":"{LLAMA}"{members}}}"#))
}

/// The answers to so many requests, from so many connections at once.
fn answers(gateway: &Gateway, request: &Wire, connections: usize, count: usize) -> Vec<Answer> {
    let left = AtomicUsize::new(count);
    let take = || {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    };
    thread::scope(|scope| {
        let send = || {
            let mut answers = Vec::new();
            while take() {
                answers.push(gateway.connect().exchange(request));
            }
            answers
        };
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(send)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn admitted(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

fn stream(pause: Duration) -> Reply {
    Reply::stream(vec![
        Piece::Bytes(TEXT.to_vec()),
        Piece::Pause(pause),
        Piece::Bytes(USAGE.to_vec()),
    ])
}

#[test]
fn of_five_requests_of_a_user_the_sixth_is_denied() {
    let limits = json!([{"id": "five", "per": "user", "requests": 5, "window": "day"}]);
    let gateway = Gateway::builder().config(with_limits(limits)).start();
    let ask = |user: &str| {
        let token = Token::with_groups(&["research"]).claim("sub", user).sign();
        let request = Wire::new("POST", "/v1/chat/completions")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(format!(r#"{{"model":"{LLAMA}"}}"#));
        gateway.connect().exchange(&request)
    };
    for request in 1..=5 {
        let answer = ask("mittens");
        assert_eq!(answer.status, 200, "request {request}/5");
        let left = (5 - request).to_string();
        let told = answer.header("x-ratelimit-remaining-requests");
        assert_eq!(told, Some(left.as_str()), "request {request}/5");
    }
    let answer = ask("mittens");
    assert_eq!(answer.verdict(), (429, Some("quota_requests")));
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.json()["error"]["code"], "insufficient_quota");
    assert_eq!(ask("whiskers").status, 200, "another user");
    let anonymous = Wire::new("POST", "/v1/chat/completions")
        .header("content-type", "application/json")
        .body(format!(r#"{{"model":"{LLAMA}"}}"#));
    let answer = gateway.connect().exchange(&anonymous);
    assert_eq!(answer.verdict(), (401, Some("missing_credential")));
}

#[test]
fn so_many_are_admitted_as_the_limit_says_however_many_come_at_once() {
    const RUNS: usize = 10;
    let limits: Vec<Value> = (0..RUNS)
        .map(|run| {
            json!({
                "id": format!("run-{run}"), "per": "tenant", "requests": 100, "window": "day",
                "operations": ["chat"], "models": [format!("run-{run}")],
            })
        })
        .collect();
    let mut config = with_limits(json!(limits));
    config["models"]["run-*"] = json!({"access": "authenticated"});
    let gateway = Gateway::builder().config(config).workers(4).start();
    for run in 0..RUNS {
        let request = Wire::new("POST", "/v1/chat/completions")
            .header("x-api-key", ACME_KEY)
            .header("content-type", "application/json")
            .body(format!(r#"{{"model":"run-{run}"}}"#));
        let answers = answers(&gateway, &request, 16, 200);
        assert_eq!(admitted(&answers), 100, "run {run}");
    }
}

#[test]
fn streams_at_once_never_exceed_their_limit_and_those_that_end_make_room() {
    const AT_ONCE: usize = 8;
    const TIME: Duration = Duration::from_millis(100);
    let limits = json!([{"id": "flight", "per": "tenant", "concurrent": AT_ONCE}]);
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let gateway = Gateway::builder()
        .config(with_limits(limits))
        .workers(4)
        .script({
            let arrivals = Arc::clone(&arrivals);
            move |_| {
                let arrivals = Arc::clone(&arrivals);
                Reply::stream(vec![
                    Piece::Wait(Arc::new(move || {
                        arrivals.lock().unwrap().push(Instant::now());
                    })),
                    Piece::Pause(TIME),
                    Piece::Bytes(USAGE.to_vec()),
                ])
            }
        })
        .start();
    let answers = answers(&gateway, &chat(ACME_KEY, r#","stream":true"#), 24, 400);
    let admitted = admitted(&answers);
    assert!(admitted >= AT_ONCE, "{admitted}");
    let refused = answers.iter().find(|answer| answer.status != 200).unwrap();
    assert_eq!(refused.verdict(), (429, Some("quota_concurrency")));
    let arrivals = arrivals.lock().unwrap();
    assert_eq!(arrivals.len(), admitted, "no refused one arrived");
    // Each goes on for that time after it has arrived, so that the ninth after it cannot come sooner.
    for both in arrivals.windows(AT_ONCE + 1) {
        let apart = both[AT_ONCE].duration_since(both[0]);
        assert!(apart >= TIME, "{} streams in {apart:?}", AT_ONCE + 1);
    }
}

#[test]
fn a_slot_is_given_back_however_the_stream_ends() {
    let limits = json!([{"id": "flight", "per": "tenant", "concurrent": 1}]);
    let gateway = Gateway::builder()
        .config(with_limits(limits))
        .workers(1)
        .script(
            |seen| match seen.values("x-case").first().map(String::as_str) {
                Some("reset") => Reply::none(Piece::Cut),
                Some("error") => Reply::fixed(503, "application/json", "{}"),
                Some("slow") => stream(Duration::from_secs(20)),
                _ => stream(Duration::ZERO),
            },
        )
        .start();
    let streamed = r#","stream":true"#;
    for case in ["whole", "error", "reset", "left", "refused later"] {
        match case {
            "left" => {
                let mut connection = gateway.connect();
                connection.start(&chat(ACME_KEY, streamed).header("x-case", "slow"));
                connection.read_until("word");
                let other = gateway.connect().exchange(&chat(ACME_KEY, streamed));
                assert_eq!(other.verdict(), (429, Some("quota_concurrency")));
                drop(connection);
            }
            "refused later" => {
                let body = format!(r#"{{"model":"{LLAMA}"}}"#);
                let mut connection = gateway.connect();
                let request = Wire::new("POST", "/v1/chat/completions")
                    .header("x-api-key", ACME_KEY)
                    .chunked(format!("{body} x"), body.len());
                connection.start(&request);
                assert_eq!(connection.finish().verdict(), (400, Some("malformed_body")));
            }
            _ => {
                gateway
                    .connect()
                    .exchange(&chat(ACME_KEY, streamed).header("x-case", case));
            }
        }
        eventually(case, || {
            let answer = gateway.connect().exchange(&chat(ACME_KEY, streamed));
            match answer.status {
                200 => Ok(()),
                status => Err(status.to_string()),
            }
        });
    }
}

#[test]
fn a_budget_of_tokens_is_not_exceeded_where_the_requests_say_their_maximum() {
    const BUDGET: u64 = 1000;
    let limits = json!([{"id": "day", "per": "tenant", "tokens": BUDGET, "window": "day"}]);
    let gateway = Gateway::builder()
        .config(with_limits(limits))
        .workers(4)
        .reply(stream(Duration::from_millis(50)))
        .start();
    // Each costs 20 tokens, of 3 for its name and 17 for the maximum that are set aside.
    let request = chat(ACME_KEY, r#","stream":true,"max_tokens":17"#);
    let answers = answers(&gateway, &request, 40, 200);
    let admitted = u64::try_from(admitted(&answers)).unwrap();
    assert_eq!(admitted, BUDGET / 20, "of 200");
    let refused = answers.iter().find(|answer| answer.status != 200).unwrap();
    assert_eq!(refused.verdict(), (429, Some("quota_tokens")));
    eventually("the gauges", || {
        let used = gateway
            .counted()
            .iter()
            .find(|(series, _)| series.name == "tollgate_limit_used")
            .map(|(_, value)| *value);
        match used {
            Some(used) if used.to_string() == BUDGET.to_string() => Ok(()),
            used => Err(format!("{used:?}")),
        }
    });
    let series = gateway.counted();
    let overshoot = series
        .keys()
        .find(|series| series.name == "tollgate_limit_overshoot_tokens_total");
    assert_eq!(overshoot, None);
}

#[test]
fn counts_are_kept_over_a_change_of_the_configuration() {
    let limits = json!([{"id": "five", "per": "tenant", "requests": 5, "window": "day"}]);
    let config = with_limits(limits);
    let gateway = Gateway::builder()
        .config(config.clone())
        .discovered()
        .start();
    for _ in 0..3 {
        assert_eq!(gateway.connect().exchange(&chat(ACME_KEY, "")).status, 200);
    }
    let mut changed = config;
    changed["models"]["another"] = json!({"access": "authenticated"});
    gateway.publish(&changed, 1);
    for expected in [200, 200, 429] {
        let answer = gateway.connect().exchange(&chat(ACME_KEY, ""));
        assert_eq!(answer.status, expected);
    }
    changed["limits"][0]["id"] = json!("six");
    gateway.publish(&changed, 2);
    let answer = gateway.connect().exchange(&chat(ACME_KEY, ""));
    assert_eq!(answer.status, 200, "a new id begins anew");
}

#[test]
#[ignore = "takes minutes: `make test-limits`"]
fn a_hundred_times_so_many_are_admitted_as_the_limit_says() {
    const RUNS: usize = 100;
    const LIMIT: usize = 100;
    for workers in [2, 4] {
        let limit =
            json!({"id": "runs", "per": ["tenant", "model"], "requests": LIMIT, "window": "day"});
        let mut config = with_limits(json!([limit]));
        config["models"]["run-*"] = json!({"access": "authenticated"});
        let gateway = Gateway::builder().config(config).workers(workers).start();
        for run in 0..RUNS {
            let request = Wire::new("POST", "/v1/chat/completions")
                .header("x-api-key", ACME_KEY)
                .header("content-type", "application/json")
                .body(format!(r#"{{"model":"run-{run}"}}"#));
            let answers = answers(&gateway, &request, 32, 2 * LIMIT);
            assert_eq!(admitted(&answers), LIMIT, "{workers} workers, run {run}");
        }
        println!(
            "{workers} workers: {LIMIT} of {} admitted in each of {RUNS} runs",
            2 * LIMIT
        );
    }
}

#[test]
#[ignore = "waits for many seconds: `make test-limits`"]
fn what_a_crashed_worker_had_set_aside_is_given_back_and_nothing_else() {
    const AT_ONCE: usize = 8;
    let limits = json!([{"id": "flight", "per": "tenant", "concurrent": AT_ONCE}]);
    let gateway = Gateway::builder()
        .config(with_limits(limits))
        .workers(2)
        .script(|seen| match seen.values("x-case").first() {
            // A stream of a VM that is gone is cut with its next event.
            Some(_) => Reply::stream(
                (0..300)
                    .flat_map(|_| {
                        [
                            Piece::Bytes(TEXT.to_vec()),
                            Piece::Pause(Duration::from_millis(100)),
                        ]
                    })
                    .collect(),
            ),
            None => stream(Duration::ZERO),
        })
        .amended(|bootstrap| {
            let module = std::fs::read(tollgate_tests::filter()).unwrap();
            let module = trapping(&module, "proxy_on_request_trailers");
            let name = format!("trapping-{}.wasm", std::process::id());
            let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            std::fs::write(&file, module).unwrap();
            let filter = &mut filters(bootstrap)[1]["typed_config"]["config"];
            filter["vm_config"]["code"] = json!({"local": {"filename": file}});
        })
        .start();
    let hold = || {
        let mut connection = gateway.connect();
        connection.start(&chat(ACME_KEY, r#","stream":true"#).header("x-case", "hold"));
        connection.read_until("\r\n\r\n");
        connection
    };
    let is_full = || {
        let answer = gateway.connect().exchange(&chat(ACME_KEY, ""));
        (answer.status == 429, answer.status)
    };
    let mut held: Vec<_> = (0..AT_ONCE).map(|_| hold()).collect();
    assert_eq!(is_full(), (true, 429));
    // Trailers of a request, on a connection of its own, which one of the two workers has.
    let body = format!(r#"{{"model":"{LLAMA}"}}"#);
    let crash = Frames {
        method: "POST",
        path: "/v1/chat/completions",
        headers: &[
            ("x-api-key", GLOBEX_KEY),
            ("content-type", "application/json"),
        ],
        frames: vec![&body.as_bytes()[..5], &body.as_bytes()[5..]],
        trailers: true,
    };
    let before = gateway.access_log_so_far().len();
    gateway.exchange_http2(&crash);
    thread::sleep(Duration::from_secs(1));
    let log = gateway.log();
    assert!(log.contains("unreachable"), "{log}");
    // The one that crashed it, and those that it was serving.
    let ended = gateway.access_log_so_far().len() - before;
    let cut = ended - 1;
    println!("{cut} of {AT_ONCE} streams were cut");
    assert!((1..=AT_ONCE).contains(&cut), "{cut}");
    let crashed = Instant::now();
    eventually("room", || match is_full() {
        (false, 200) => Ok(()),
        (_, status) => Err(status.to_string()),
    });
    println!("healed {:?} after the crash", crashed.elapsed());
    held.extend((0..cut).map(|_| hold()));
    assert_eq!(is_full(), (true, 429), "only what was cut is given back");
    let swept = gateway.counted();
    assert!(
        swept
            .keys()
            .any(|series| series.name == "tollgate_limit_sweeps_total"),
        "{swept:?}"
    );
}

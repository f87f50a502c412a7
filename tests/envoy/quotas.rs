//! Limits on requests, tokens and requests at once, with many at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA, config};
use crate::harness::{Answer, Gateway, Piece, Reply, Token, Wire, eventually};

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

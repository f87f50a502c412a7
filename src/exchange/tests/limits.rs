//! Whole lives of requests under limits.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::attribute::Attribute;

const SECOND: u64 = 1_000_000_000;
/// Noon of a day.
const NOON: u64 = 1_700_049_600 * SECOND;

/// A gateway with these limits, and its store.
struct Gateway {
    policy: Rc<Policy>,
    shared: Rc<Shared>,
}

thread_local! {
    static STATUS: Cell<u64> = const { Cell::new(0) };
}

/// What Envoy knows: the status of the reply.
fn attributes(path: &[&str]) -> Attribute {
    match path {
        ["response", "code"] => Attribute::Value(STATUS.get().to_le_bytes().to_vec()),
        _ => Attribute::Absent,
    }
}

/// One request that has come in.
struct Sent<'a> {
    exchange: Exchange,
    host: Offline<'a>,
}

impl Gateway {
    fn new(limits: serde_json::Value) -> Self {
        Self::with(&[("limits", limits)])
    }

    fn with(sections: &[(&str, serde_json::Value)]) -> Self {
        let mut config = fixtures::demo();
        config["metering"] = json!({"filterState": true});
        for (name, section) in sections {
            config[name] = section.clone();
        }
        Self {
            policy: fixtures::policy(&config),
            shared: Rc::default(),
        }
    }

    /// A request with this body, at this second of the day's noon.
    fn send(&self, key: &str, body: &str, second: u64) -> Sent<'static> {
        self.send_as(&fixtures::chat(&[("x-api-key", key)]), body, second)
    }

    fn send_as(&self, headers: &HeaderMap, body: &str, second: u64) -> Sent<'static> {
        STATUS.set(0);
        let host = Offline::new(headers, NOON + second * SECOND, &attributes).sharing(&self.shared);
        let mut exchange = Exchange::new(Some(Rc::clone(&self.policy)));
        if exchange.request_headers(&host, body.is_empty()) == Step::Continue && !body.is_empty() {
            let size = host.put_frame(Body::Request, body.as_bytes());
            exchange.request_body(&host, size, true);
        }
        Sent { exchange, host }
    }

    /// How many of so many requests are admitted while none has ended.
    fn admitted(&self, body: &str, count: usize) -> usize {
        let sent: Vec<_> = (0..count).map(|_| self.send(ACME_KEY, body, 0)).collect();
        sent.iter().filter(|sent| sent.code().is_none()).count()
    }
}

impl Sent<'_> {
    fn code(&self) -> Option<&'static str> {
        self.exchange.denial().map(|denial| denial.code().as_str())
    }

    /// The reply, after so many seconds.
    fn answer(mut self, status: &str, body: &str, seconds: u64) -> Self {
        STATUS.set(status.parse().unwrap());
        self.host
            .set_time(self.host.now().unwrap() + seconds * SECOND);
        let headers = [(":status", status), ("content-type", "application/json")];
        self.host
            .put_headers(Map::ResponseHeaders, &headers.into_iter().collect());
        self.exchange.response_headers(&self.host, false);
        receive(&mut self.exchange, &self.host, body, true);
        self.exchange.end(&self.host, &mut Labels::default());
        self
    }

    /// The value of each series of this metric that moved.
    fn moved(&self, metric: &str) -> Vec<u64> {
        let movements = self.host.movements().into_iter();
        let of_metric = movements.filter(|moved| moved.series.metric().name() == metric);
        of_metric.map(|moved| moved.value).collect()
    }
}

fn chat_body(members: &str) -> String {
    format!(r#"{{"model":"llama-3.1-8b"{members}}}"#)
}

fn usage(input: u64, output: u64) -> String {
    json!({"usage": {"prompt_tokens": input, "completion_tokens": output}}).to_string()
}

#[wasm_bindgen_test(unsupported = test)]
fn of_five_requests_a_day_the_sixth_is_refused_and_told_when_to_come_again() {
    let gateway = Gateway::new(json!([
        {"id": "five", "per": "tenant", "requests": 5, "window": "day"}
    ]));
    for number in 0..5 {
        let sent = gateway.send(ACME_KEY, &chat_body(""), number);
        assert_eq!(sent.code(), None, "request {number}");
        sent.answer("200", &usage(1, 1), 1);
    }
    let sent = gateway.send(ACME_KEY, &chat_body(""), 10);
    assert_eq!(sent.code(), Some("quota_requests"));
    let reply = sent.host.sent().unwrap();
    assert_eq!(reply.status, 429);
    for (name, value) in [("retry-after", "43190"), ("x-should-retry", "false")] {
        assert!(
            reply.headers.contains(&(name.into(), value.into())),
            "{name}: {reply:?}"
        );
    }
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        body["error"],
        json!({
            "code": "insufficient_quota",
            "type": "insufficient_quota",
            "param": null,
            "message": "You have reached the limit `five` of 5 requests per day: 5 used, 0 reserved, 1 asked for. Try again in 12 hours.",
        })
    );
    assert_eq!(
        gateway.send(GLOBEX_KEY, &chat_body(""), 10).code(),
        None,
        "another tenant"
    );
    assert_eq!(
        gateway.send(ACME_KEY, &chat_body(""), 43_200).code(),
        None,
        "the next day"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn requests_at_once_never_exceed_their_limit_and_come_back_on_every_ending() {
    let gateway = Gateway::new(json!([{"id": "flight", "per": "tenant", "concurrent": 3}]));
    let mut sent: Vec<_> = (0..3)
        .map(|_| gateway.send(ACME_KEY, &chat_body(""), 0))
        .collect();
    let refused = gateway.send(ACME_KEY, &chat_body(""), 0);
    assert_eq!(refused.code(), Some("quota_concurrency"));
    let reply = refused.host.sent().unwrap();
    assert!(
        reply
            .headers
            .contains(&("x-should-retry".into(), "true".into()))
    );
    sent.pop().unwrap().answer("200", &usage(1, 1), 1);
    sent.pop().unwrap().answer("500", "", 1);
    let mut aborted = sent.pop().unwrap();
    aborted.exchange.end(&aborted.host, &mut Labels::default());
    assert_eq!(gateway.admitted(&chat_body(""), 5), 3);
}

#[wasm_bindgen_test(unsupported = test)]
fn what_a_request_may_cost_is_set_aside_and_replaced_by_what_it_did_cost() {
    let limits = || json!([{"id": "day", "per": "tenant", "tokens": 1000, "window": "day"}]);
    let body = chat_body(r#","max_tokens":100,"messages":[{"role":"user","content":"12345678"}]"#);
    // 100 of output, and 24 bytes of text: 6 of input.
    assert_eq!(Gateway::new(limits()).admitted(&body, 12), 9);
    let twice = chat_body(r#","max_tokens":100,"n":2"#);
    assert_eq!(
        Gateway::new(limits()).admitted(&twice, 12),
        4,
        "two answers"
    );
    let largest = chat_body(r#","max_tokens":100,"max_completion_tokens":400"#);
    assert_eq!(
        Gateway::new(limits()).admitted(&largest, 12),
        2,
        "the largest maximum"
    );
    let text = usage(30, 40);
    for (name, status, reply, spent) in [
        ("reported", "200", text.as_str(), 70),
        ("an error of the client's", "400", text.as_str(), 0),
        ("an error of the server's", "503", text.as_str(), 0),
        ("no usage: what was set aside stands", "200", "{}", 106),
    ] {
        let gateway = Gateway::new(limits());
        let sent = gateway.send(ACME_KEY, &body, 0).answer(status, reply, 1);
        assert_eq!(sent.moved("tollgate_limit_used"), [spent], "{name}");
        assert_eq!(sent.moved("tollgate_limit_reserved"), [0], "{name}");
        let unsettled = usize::from(spent == 106);
        assert_eq!(
            sent.moved("tollgate_limit_unsettled_total").len(),
            unsettled,
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn without_a_maximum_as_much_is_set_aside_as_is_left() {
    let gateway = Gateway::with(&[
        (
            "limits",
            json!([{"id": "day", "per": "tenant", "outputTokens": 1500, "window": "day"}]),
        ),
        ("reserve", json!({"outputTokens": 1000})),
    ]);
    let first = gateway.send(ACME_KEY, &chat_body(""), 0);
    let second = gateway.send(ACME_KEY, &chat_body(""), 0);
    assert_eq!((first.code(), second.code()), (None, None));
    assert_eq!(
        gateway.send(ACME_KEY, &chat_body(""), 0).code(),
        Some("quota_tokens")
    );
    let second = second.answer("200", &usage(1, 700), 1);
    assert_eq!(second.moved("tollgate_limit_overshoot_tokens_total"), [200]);
    let first = first.answer("200", &usage(1, 10), 1);
    assert_eq!(first.moved("tollgate_limit_used"), [710]);
}

#[wasm_bindgen_test(unsupported = test)]
fn what_never_fits_has_a_code_of_its_own_and_costs_nobody_anything() {
    let gateway = Gateway::new(json!([
        {"id": "minute", "per": "tenant", "tokens": 1000, "window": "minute"},
        {"id": "count", "per": "key", "requests": 2, "window": "hour"},
    ]));
    let large = chat_body(r#","max_tokens":1001"#);
    for _ in 0..3 {
        let sent = gateway.send(ACME_KEY, &large, 0);
        assert_eq!(sent.code(), Some("quota_request_too_large"));
    }
    let body = chat_body(r#","max_tokens":10"#);
    assert_eq!(
        gateway.admitted(&body, 3),
        2,
        "the requests were not charged"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn either_all_limits_are_charged_or_none() {
    let gateway = Gateway::new(json!([
        {"id": "key", "per": "key", "requests": 10, "window": "hour"},
        {"id": "tenant", "per": "tenant", "tokens": 1000, "window": "hour"},
        {"id": "model", "per": ["tenant", "model"], "requests": 10, "window": "hour"},
    ]));
    let body = chat_body(r#","max_tokens":400"#);
    assert_eq!(gateway.admitted(&body, 20), 2);
    let small = chat_body(r#","max_tokens":1"#);
    assert_eq!(
        gateway.admitted(&small, 20),
        8,
        "8 of 10 were left with each of the others"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_limit_is_for_whom_it_names() {
    let body = chat_body("");
    let qwen = r#"{"model":"qwen-3-32b"}"#;
    for (name, selection, key, body, refused) in [
        ("everybody", json!({}), ACME_KEY, &*body, true),
        (
            "its tenant",
            json!({"tenants": ["acme"]}),
            ACME_KEY,
            &body,
            true,
        ),
        (
            "another tenant",
            json!({"tenants": ["globex"]}),
            ACME_KEY,
            &body,
            false,
        ),
        (
            "its key",
            json!({"keys": ["acme-demo"]}),
            ACME_KEY,
            &body,
            true,
        ),
        (
            "another key",
            json!({"keys": ["globex-demo"]}),
            ACME_KEY,
            &body,
            false,
        ),
        (
            "its group",
            json!({"groups": ["research"]}),
            ACME_KEY,
            &body,
            true,
        ),
        (
            "another group",
            json!({"groups": ["sales"]}),
            ACME_KEY,
            &body,
            false,
        ),
        (
            "its model",
            json!({"models": ["llama-*"]}),
            ACME_KEY,
            &body,
            true,
        ),
        (
            "another model",
            json!({"models": ["llama-*"]}),
            ACME_KEY,
            qwen,
            false,
        ),
        (
            "its operation",
            json!({"operations": ["chat"]}),
            ACME_KEY,
            &body,
            true,
        ),
        (
            "another operation",
            json!({"operations": ["embeddings"]}),
            ACME_KEY,
            &body,
            false,
        ),
        (
            "one that only tells",
            json!({"mode": "audit"}),
            ACME_KEY,
            &body,
            false,
        ),
    ] {
        let mut limit = json!({"id": "one", "per": "tenant", "requests": 1, "window": "hour"});
        for (field, value) in selection.as_object().unwrap() {
            limit[field] = value.clone();
        }
        let gateway = Gateway::new(json!([limit]));
        assert_eq!(gateway.send(key, body, 0).code(), None, "{name}");
        let expected = refused.then_some("quota_requests");
        assert_eq!(gateway.send(key, body, 0).code(), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_refused_for_another_reason_touches_no_limit() {
    let gateway = Gateway::new(json!([
        {"id": "two", "per": "tenant", "requests": 2, "window": "hour"}
    ]));
    for (name, key, body) in [
        ("an unknown key", "sk-unknown", chat_body("")),
        (
            "a model of others",
            GLOBEX_KEY,
            r#"{"model":"qwen-3-32b"}"#.to_owned(),
        ),
        (
            "a broken body",
            ACME_KEY,
            r#"{"model":"llama-3.1-8b","#.to_owned(),
        ),
        ("bytes behind it", ACME_KEY, format!("{}x", chat_body(""))),
    ] {
        for _ in 0..3 {
            let mut sent = gateway.send(key, &body, 0);
            assert!(
                sent.code().is_some_and(|code| !code.starts_with("quota")),
                "{name}"
            );
            sent.exchange.end(&sent.host, &mut Labels::default());
        }
    }
    assert_eq!(gateway.admitted(&chat_body(""), 3), 2);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_spent_budget_is_refused_before_the_body_comes() {
    let gateway = Gateway::new(json!([
        {"id": "one", "per": "tenant", "requests": 1, "window": "hour"}
    ]));
    gateway.send(ACME_KEY, &chat_body(""), 0);
    let headers = fixtures::chat(&[("x-api-key", ACME_KEY)]);
    let host = Offline::new(&headers, NOON, &no_token).sharing(&gateway.shared);
    let mut exchange = Exchange::new(Some(Rc::clone(&gateway.policy)));
    assert_eq!(exchange.request_headers(&host, false), Step::Stop);
    assert_eq!(host.sent().unwrap().status, 429);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_store_that_fails_is_taken_as_the_limit_says() {
    for (failure, expected) in [("open", None), ("closed", Some("limits_unavailable"))] {
        let gateway = Gateway::new(json!([
            {"id": "one", "per": "tenant", "requests": 1, "window": "hour", "failure": failure}
        ]));
        gateway.shared.memory().fail(true);
        for _ in 0..2 {
            let sent = gateway.send(ACME_KEY, &chat_body(""), 0);
            assert_eq!(sent.code(), expected, "{failure}");
            assert_eq!(
                sent.moved("tollgate_limit_failures_total"),
                [1],
                "{failure}"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn weights_say_what_a_token_counts() {
    let gateway = Gateway::with(&[
        (
            "limits",
            json!([{"id": "day", "per": "tenant", "tokens": 1000, "window": "day"}]),
        ),
        (
            "weights",
            json!({"input": 1, "cachedInput": 0.1, "output": 2}),
        ),
    ]);
    let reply = json!({"usage": {
        "prompt_tokens": 100, "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 50},
    }});
    let sent = gateway.send(ACME_KEY, &chat_body(""), 0);
    let sent = sent.answer("200", &reply.to_string(), 1);
    assert_eq!(sent.moved("tollgate_limit_used"), [50 + 5 + 20]);
}

#[wasm_bindgen_test(unsupported = test)]
fn without_limits_the_store_is_not_asked() {
    let gateway = Gateway::new(json!([]));
    gateway.shared.memory().fail(true);
    let sent = gateway
        .send(ACME_KEY, &chat_body(""), 0)
        .answer("200", &usage(1, 1), 1);
    assert_eq!(sent.code(), None);
    assert!(sent.moved("tollgate_limit_failures_total").is_empty());
}

#[wasm_bindgen_test(unsupported = test)]
fn models_have_reservations_and_weights_of_their_own() {
    let limits = json!([{"id": "day", "per": "tenant", "tokens": 10_000, "window": "day"}]);
    let gateway = Gateway::with(&[
        ("limits", limits),
        (
            "reserve",
            json!({
                "outputTokens": 100,
                "models": [
                    {"models": ["llama-*"], "outputTokens": 300},
                    {"models": ["*"], "outputTokens": 700},
                ],
            }),
        ),
        (
            "weights",
            json!({"output": 2, "models": [{"models": ["qwen-3-32b"], "input": 3, "output": 5}]}),
        ),
    ]);
    for (model, reserved, used) in [
        // Three tokens of its name, and 300 of output that count twice.
        ("llama-3.1-8b", 3 + 300 * 2, 10 + 7 * 2),
        // Three of its name that count three times each, and 700 of output five times.
        ("qwen-3-32b", 3 * 3 + 700 * 5, 10 + 7 * 2 + 10 * 3 + 7 * 5),
    ] {
        let sent = gateway.send(ACME_KEY, &format!(r#"{{"model":"{model}"}}"#), 0);
        let holds = sent.exchange.holds().unwrap();
        let held: Vec<u64> = gateway
            .policy
            .limits
            .held(holds)
            .map(|(_, amount)| amount)
            .collect();
        assert_eq!(held, [reserved], "{model}");
        let sent = sent.answer("200", &usage(10, 7), 1);
        assert_eq!(sent.moved("tollgate_limit_used"), [used], "{model}");
    }
}

#[cfg(not(target_family = "wasm"))]
#[test]
#[ignore = "takes a minute, with --release"]
fn a_million_users_are_counted_apart_in_bounded_memory() {
    const USERS: usize = 1_000_000;
    let proof = "a secret between two gateways";
    let limit =
        json!([{"id": "day", "per": "user", "requests": 1, "window": "day", "failure": "closed"}]);
    let front = json!({
        "proof": {"header": "x-front-proof", "secretHash": fixtures::key_hash(proof)},
        "principalHeader": "x-user",
        "defaultTenant": "acme",
    });
    let anybody = json!({"*": {"access": "authenticated"}});
    let gateway = Gateway::with(&[
        ("limits", limit),
        ("trustedHeaders", front),
        ("models", anybody),
    ]);
    let ask = |user: usize| {
        let user = format!("user-{user}@example.com");
        let headers = fixtures::chat(&[("x-front-proof", proof), ("x-user", &user)]);
        let sent = gateway.send_as(&headers, &chat_body(r#","messages":[]"#), 0);
        sent.answer("200", &usage(1, 1), 0).code()
    };
    let refused = (0..USERS).filter(|user| ask(*user).is_some()).count();
    let (entries, bytes) = gateway.shared.memory().size();
    assert_eq!(refused, 0);
    assert_eq!((entries, bytes / USERS), (16_385, 33));
    for user in [0, USERS / 2, USERS - 1] {
        assert_eq!(ask(user), Some("quota_requests"), "user {user} again");
    }
}

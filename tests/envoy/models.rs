//! `GET /v1/models`: the upstream's list, cut down to what the caller may use, and nothing else of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat, config};
use crate::harness::{Answer, Frames, Gateway, Piece, Reply, Wire, send};

const EMPTY: &str = r#"{"object":"list","data":[]}"#;

/// One way to ask for a model by name.
type Ask<'a> = &'a dyn Fn(&str) -> Answer;

/// What vLLM answers, with a model that nobody may use.
fn list() -> Value {
    let model = |id: &str| json!({"id": id, "object": "model", "created": 1, "owned_by": "vllm", "root": "/models", "parent": null});
    json!({"object": "list", "data": [model(QWEN), model(LLAMA), model("secret-finetune")]})
}

fn ids(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    let entries = list["data"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Asks in every way that a client may, and gives the replies with their names.
fn ask(gateway: &Gateway, key: &str) -> Vec<(&'static str, Answer)> {
    let authorization = format!("Bearer {key}");
    let frames = Frames {
        method: "GET",
        path: "/v1/models",
        headers: &[("authorization", &authorization)],
        frames: Vec::new(),
        trailers: false,
    };
    vec![
        ("HTTP/1.1", send(gateway.get("/v1/models").bearer_auth(key))),
        (
            "under a prefix",
            send(gateway.get("/openai/v1/models?limit=1").bearer_auth(key)),
        ),
        ("HTTP/2", gateway.exchange_http2(&frames)),
    ]
}

#[test]
fn everybody_sees_the_models_that_they_may_use_however_the_list_arrives() {
    let whole = list().to_string().into_bytes();
    let bytes = whole.iter().map(|byte| Piece::Bytes(vec![*byte]));
    let replies = [
        ("with a length", Reply::json(&list()), false),
        (
            "in one chunk",
            Reply::stream(vec![Piece::Bytes(whole.clone())]),
            false,
        ),
        ("byte by byte", Reply::stream(bytes.collect()), false),
        ("over HTTP/2", Reply::json(&list()), true),
    ];
    for (arrival, reply, http2) in replies {
        let mut builder = Gateway::builder().reply(reply);
        if http2 {
            builder = builder.http2_upstream();
        }
        let gateway = builder.start();
        for (key, expected) in [(ACME_KEY, vec![QWEN, LLAMA]), (GLOBEX_KEY, vec![LLAMA])] {
            for (way, answer) in ask(&gateway, key) {
                let case = format!("{arrival}, {way}, {key}");
                assert_eq!((answer.status, answer.complete), (200, true), "{case}");
                assert_eq!(ids(&answer), expected, "{case}");
                assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
                assert_eq!(
                    answer.header("cache-control"),
                    Some("private, no-store"),
                    "{case}"
                );
                assert_eq!(
                    answer.header("content-type"),
                    Some("application/json"),
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn an_entry_that_stays_names_no_model_that_is_left_out() {
    let entry = |id: &str, parent: Value, root: &str, aliases: &[&str]| json!({"id": id, "object": "model", "owned_by": "vllm", "root": root, "parent": parent, "aliases": aliases});
    let list = json!({"object": "list", "data": [
        entry(QWEN, Value::Null, "/models/qwen", &["qwen-latest"]),
        entry("secret-finetune", json!(QWEN), "secret-finetune", &[]),
        entry(LLAMA, json!(QWEN), "/models/llama", &[LLAMA, "qwen-latest", "secret-finetune"]),
    ]});
    let gateway = Gateway::builder().reply(Reply::json(&list)).start();
    let entry_of = |answer: &Answer, id: &str| {
        let list = answer.json();
        let mut entries = list["data"].as_array().unwrap().iter();
        entries.find(|entry| entry["id"] == id).unwrap().clone()
    };
    for (key, parent) in [(ACME_KEY, json!(QWEN)), (GLOBEX_KEY, Value::Null)] {
        for (way, answer) in ask(&gateway, key) {
            let case = format!("{way}, {key}");
            assert_eq!(
                entry_of(&answer, LLAMA),
                entry(LLAMA, parent.clone(), "/models/llama", &[LLAMA]),
                "{case}"
            );
            let text = String::from_utf8_lossy(&answer.body);
            assert!(!text.contains("secret-finetune"), "{case}: {text}");
            assert_eq!(text.contains("qwen"), key == ACME_KEY, "{case}: {text}");
        }
    }
}

#[test]
fn nothing_in_the_exchange_describes_the_unfiltered_list() {
    let reply = Reply::json(&list())
        .header("etag", "\"all\"")
        .header("last-modified", "Sat, 01 Nov 2025 00:00:00 GMT")
        .header("cache-control", "public, max-age=60");
    let gateway = Gateway::builder().reply(reply).start();
    let request = Wire::new("GET", "/v1/models")
        .header("x-api-key", GLOBEX_KEY)
        .header("if-none-match", "\"all\"")
        .header("if-modified-since", "Sat, 01 Nov 2025 00:00:00 GMT")
        .header("range", "bytes=0-9")
        .header("accept-encoding", "gzip");
    let answer = gateway.connect().exchange(&request);
    assert_eq!(ids(&answer), [LLAMA]);
    for name in ["etag", "last-modified", "content-length"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    let seen = gateway.stop().remove(0);
    for name in [
        "if-none-match",
        "if-modified-since",
        "range",
        "accept-encoding",
    ] {
        assert_eq!(seen.values(name), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_list_that_cannot_be_filtered_is_empty_and_one_that_is_cut_is_cut() {
    let gzip = Reply::fixed(200, "application/json", b"\x1f\x8b\x08secret".to_vec())
        .header("content-encoding", "gzip");
    let mut long = list();
    long["padding"] = json!(" ".repeat(1024 * 1024));
    for (name, reply) in [
        ("encoded", gzip),
        ("no JSON", Reply::fixed(200, "text/html", "<p>secret</p>")),
        ("above the cap", Reply::json(&long)),
        ("another success", Reply::fixed(203, "text/plain", "secret")),
    ] {
        let gateway = Gateway::builder()
            .buffer_limit(32 * 1024)
            .reply(reply)
            .start();
        let answer = send(gateway.get("/v1/models").bearer_auth(ACME_KEY));
        assert!(answer.complete, "{name}: {answer:?}");
        assert_eq!(String::from_utf8_lossy(&answer.body), EMPTY, "{name}");
        assert_eq!(answer.header("content-encoding"), None, "{name}");
    }
    let cut = vec![
        Piece::Bytes(list().to_string().into_bytes()),
        Piece::Pause(Duration::from_millis(20)),
        Piece::Cut,
    ];
    let gateway = Gateway::builder().reply(Reply::stream(cut)).start();
    let request = Wire::new("GET", "/v1/models").header("x-api-key", ACME_KEY);
    let answer = gateway.connect().exchange(&request);
    assert_eq!((answer.complete, answer.body.len()), (false, 0));
}

#[test]
fn a_hidden_model_is_refused_exactly_as_one_that_nobody_has_and_counted_as_what_it_is() {
    let mut config = config();
    config["hideDeniedModels"] = json!(true);
    let gateway = Gateway::builder().config(config).start();
    let post = |path: &str, model: &str| {
        let request = gateway.post(path).bearer_auth(GLOBEX_KEY);
        send(request.json(&chat(model)))
    };
    let show = |model: &str| {
        let path = format!("/v1/models/{model}");
        send(gateway.get(&path).bearer_auth(GLOBEX_KEY))
    };
    let header = |model: &str| {
        let request = gateway
            .post("/v1/chat/completions")
            .bearer_auth(GLOBEX_KEY)
            .header("x-ai-eg-model", model);
        send(request.json(&chat(model)))
    };
    let ways: [(&str, Ask<'_>); 4] = [
        ("chat", &|model| post("/v1/chat/completions", model)),
        ("messages", &|model| post("/v1/messages", model)),
        ("show", &show),
        ("header", &header),
    ];
    for (way, ask) in ways {
        let [denied, unknown] = [QWEN, "no-such"].map(ask);
        assert_eq!(
            denied.verdict(),
            (404, Some("model_not_found")),
            "{way}: {denied:?}"
        );
        let [names, other] = [&denied, &unknown].map(|answer| {
            let volatile = ["date", "content-length", "x-request-id", "request-id"];
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| !volatile.contains(&name.as_str()));
            headers
        });
        assert_eq!(names, other, "{way}");
        let error = |answer: &Answer| answer.json()["error"].to_string();
        assert_eq!(
            error(&denied).replace(QWEN, "no-such"),
            error(&unknown),
            "{way}"
        );
        let error = &denied.json()["error"];
        if way == "messages" {
            assert_eq!(error["type"], "not_found_error");
        } else {
            assert_eq!(
                (&error["code"], &error["param"]),
                (&json!("model_not_found"), &json!("model"))
            );
        }
    }
    gateway.expect_counted(
        &["tollgate_denials_total"],
        r#"tollgate_denials_total{tenant="globex",code="model_not_allowed"} 8"#,
    );
    assert_eq!(gateway.access_log(8)[0]["denial"], "model_not_allowed");
}

#[test]
fn a_list_that_ends_with_trailers_leaves_nothing_behind() {
    let gateway = Gateway::builder()
        .http2_upstream()
        .reply(Reply::json(&list()).trailers())
        .start();
    for (way, answer) in ask(&gateway, ACME_KEY) {
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{way}");
    }
}

#[test]
fn a_long_list_passes_a_small_buffer() {
    let models: Vec<Value> = (0..4000)
        .map(|index| json!({"id": format!("{LLAMA}-{index}"), "note": "x".repeat(100)}))
        .chain([json!({"id": LLAMA})])
        .collect();
    let gateway = Gateway::builder()
        .buffer_limit(32 * 1024)
        .reply(Reply::json(&json!({"object": "list", "data": models})))
        .start();
    let answer = send(gateway.get("/v1/models").bearer_auth(GLOBEX_KEY));
    assert_eq!(ids(&answer), [LLAMA]);
}

#[test]
fn errors_pass_and_head_tells_no_length() {
    let gateway = Gateway::builder()
        .script(|seen| {
            if seen.request.starts_with("HEAD") {
                Reply::fixed(200, "application/json", "").header("x-list", "yes")
            } else {
                Reply::fixed(503, "text/plain", "warming up")
            }
        })
        .start();
    let answer = send(gateway.get("/v1/models").bearer_auth(ACME_KEY));
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (503, b"warming up".as_slice())
    );
    let head = Wire::new("HEAD", "/v1/models").header("x-api-key", ACME_KEY);
    let answer = gateway.connect().exchange(&head);
    assert_eq!((answer.status, answer.header("x-list")), (200, Some("yes")));
    assert_eq!(answer.header("content-length"), None);
}

#[test]
fn a_model_is_shown_by_its_escaped_name_and_listed_by_any() {
    let names = ["org/name", "Qwen3 32B", "通义千问", "claude-opus-4-8[1m]"];
    let entries: Vec<Value> = names.iter().map(|id| json!({"id": id})).collect();
    let list = json!({"object": "list", "data": entries});
    let mut config = config();
    config["models"]["*"] = json!({"access": "authenticated"});
    let gateway = Gateway::builder()
        .config(config)
        .reply(Reply::json(&list))
        .start();
    let listed = send(gateway.get("/v1/models").bearer_auth(GLOBEX_KEY));
    assert_eq!(ids(&listed), names);
    for (path, verdict) in [
        ("/v1/models/org%2Fname", (200, None)),
        ("/v1/models/Qwen3%2032B", (200, None)),
        (
            "/v1/models/qwen%2D3%2D32b",
            (403, Some("model_not_allowed")),
        ),
        ("/v1/models/..%2F..%2Fsleep", (400, Some("malformed_path"))),
        ("/v1/models/org%252Fname", (400, Some("malformed_path"))),
    ] {
        let wire = Wire::new("GET", path).header("x-api-key", GLOBEX_KEY);
        let answer = gateway.connect().exchange(&wire);
        assert_eq!(answer.verdict(), verdict, "{path}: {answer:?}");
    }
}

#[test]
fn metrics_have_the_escaped_name_of_a_model() {
    let mut config = config();
    config["models"]["*"] = json!({"access": "authenticated"});
    let gateway = Gateway::builder().config(config).start();
    for name in ["Qwen3 32B", "a;x;tenant=.=b", "通"] {
        let answer = send(gateway.chat(name));
        assert_eq!(answer.verdict(), (200, None), "{name}: {answer:?}");
    }
    gateway.expect_counted(
        &["tollgate_requests_total"],
        r#"
        tollgate_requests_total{tenant="acme",model="Qwen3%2032B",operation="chat",outcome="ok"} 1
        tollgate_requests_total{tenant="acme",model="a%3Bx%3Btenant%3D.%3Db",operation="chat",outcome="ok"} 1
        tollgate_requests_total{tenant="acme",model="%E9%80%9A",operation="chat",outcome="ok"} 1
        "#,
    );
}

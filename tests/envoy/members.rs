//! Members of a body, beside `model`, by which servers choose models, hosts, workers or the order of requests.

use serde_json::{Value, json};

use crate::bodies::FRAMINGS;
use crate::harness::demo::{GLOBEX_KEY, LLAMA, config};
use crate::harness::{Gateway, Seen};

type Verdict = (u16, Option<&'static str>);

const MODEL: Verdict = (403, Some("model_not_allowed"));
const MEMBER: Verdict = (403, Some("member_not_allowed"));
const OK: Verdict = (200, None);

/// `globex` may use `llama-3.1-8b` and nothing else.
const ROWS: &[(&str, &str, Verdict)] = &[
    (
        "an own fallback",
        r#""fallbacks":[{"model":"llama-3.1-8b"}]"#,
        OK,
    ),
    (
        "another fallback",
        r#""fallbacks":[{"model":"qwen-3-32b"}]"#,
        MODEL,
    ),
    (
        "a chain that the server knows",
        r#""fallbacks":"default""#,
        MEMBER,
    ),
    (
        "a list of models",
        r#""models":["llama-3.1-8b","qwen-3-32b"]"#,
        MODEL,
    ),
    ("an adapter", r#""lora_path":"secret-adapter""#, MODEL),
    (
        "the model of a tool",
        r#""tools":[{"type":"advisor_20260301","name":"advisor","model":"qwen-3-32b"}]"#,
        MODEL,
    ),
    ("a place in the queue", r#""priority":-1"#, MEMBER),
    ("another case", r#""Priority":-1"#, MEMBER),
    (
        "the host of a cache",
        r#""kv_transfer_params":{"remote_host":"10.0.0.1","remote_port":1}"#,
        MEMBER,
    ),
    (
        "the router's settings",
        r#""router_settings_override":{"fallbacks":[{"llama-3.1-8b":["qwen-3-32b"]}]}"#,
        MEMBER,
    ),
    (
        "nothing in it",
        r#""priority":null,"fallbacks":[],"vllm_xargs":{}"#,
        OK,
    ),
    (
        "a user's words",
        r#""messages":[{"role":"user","content":"x","priority":1,"fallbacks":["qwen-3-32b"]}]"#,
        OK,
    ),
];

#[test]
fn no_server_holds_a_body_that_names_a_forbidden_model_or_steers_it() {
    for http2_upstream in [false, true] {
        let mut builder = Gateway::builder();
        if http2_upstream {
            builder = builder.http2_upstream();
        }
        let gateway = builder.start();
        let mut passed = 0;
        for (name, members, verdict) in ROWS {
            let body = format!(r#"{{{members},"model":"{LLAMA}"}}"#);
            for path in ["/v1/chat/completions", "/v1/responses", "/rerank"] {
                for (framing, exchange) in FRAMINGS {
                    let case = format!("{name}, {path}, {framing}");
                    let headers = [("x-api-key", GLOBEX_KEY), ("x-case", &*case)];
                    let answer = exchange(&gateway, "POST", path, &headers, body.as_bytes());
                    assert_eq!(answer.verdict(), *verdict, "{case}: {answer:?}");
                    passed += usize::from(*verdict == OK);
                }
            }
        }
        let whole = gateway.stop();
        let whole: Vec<&Seen> = whole.iter().filter(|seen| seen.complete).collect();
        let holds_all = |seen: &&Seen| serde_json::from_slice::<Value>(&seen.body).is_ok();
        assert_eq!(whole.len(), passed);
        assert!(whole.iter().all(holds_all));
    }
}

#[test]
fn a_denial_names_the_member_and_the_configuration_can_allow_it() {
    let ask = |gateway: &Gateway| {
        let body = json!({"model": LLAMA, "priority": 1});
        let (_, exchange) = FRAMINGS[0];
        let headers = [("x-api-key", GLOBEX_KEY)];
        exchange(
            gateway,
            "POST",
            "/v1/chat/completions",
            &headers,
            body.to_string().as_bytes(),
        )
    };
    let answer = ask(&Gateway::start());
    assert_eq!(answer.verdict(), MEMBER);
    assert_eq!(answer.json()["error"]["param"], "priority");
    let mut config = config();
    config["body"] = json!({"allow": ["priority"]});
    let gateway = Gateway::builder().config(config).start();
    assert_eq!(ask(&gateway).verdict(), OK);
}

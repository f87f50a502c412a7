use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::fixtures::{self, ACME_KEY, GLOBEX_KEY, no_token, request};

mod limits;

const HOUR: u64 = 3_600_000_000_000;
const BODY: &str = r#"{"model":"llama-3.1-8b","stream":true}"#;
const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn demo() -> Exchange {
    let mut config = fixtures::demo();
    config["metering"] = json!({"filterState": true});
    Exchange::new(Some(fixtures::policy(&config)))
}

fn chat(key: &str) -> HeaderMap {
    fixtures::chat(&[("x-api-key", key), ("x-request-id", "id-1")])
}

fn reply(content_type: &str) -> HeaderMap {
    [(":status", "200"), ("content-type", content_type)]
        .into_iter()
        .collect()
}

/// Reads one frame of the request, and gives what goes on of it.
fn send(exchange: &mut Exchange, host: &Offline<'_>, frame: &str, last: bool) -> (Step, String) {
    let size = host.put_frame(Body::Request, frame.as_bytes());
    let step = exchange.request_body(host, size, last);
    (step, text(host.frame_now(Body::Request)))
}

/// Reads one chunk of the reply, and gives what goes on of it.
fn receive(exchange: &mut Exchange, host: &Offline<'_>, chunk: &str, last: bool) -> (Step, String) {
    let size = host.put_frame(Body::Response, chunk.as_bytes());
    let step = exchange.response_body(host, size, last);
    (step, text(host.frame_now(Body::Response)))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// The filter state at the end, by the last part of each name.
fn end(exchange: &mut Exchange, host: &Offline<'_>) -> Vec<String> {
    exchange.end(host, &mut Labels::default());
    let state = host.filter_state().into_iter();
    let short = |(name, value): (String, String)| {
        format!("{}={value}", name.trim_start_matches("tollgate."))
    };
    state.map(short).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn a_streamed_chat_is_judged_asked_for_its_usage_counted_and_given_as_the_client_asked() {
    let host = Offline::new(&chat(ACME_KEY), HOUR, &no_token);
    let mut exchange = demo();
    assert_eq!(exchange.request_headers(&host, false), Step::Continue);
    let tenant = ("x-tollgate-tenant".into(), "acme".into());
    let headers = host.headers_now(Map::RequestHeaders);
    assert!(headers.contains(&tenant));
    assert!(headers.iter().all(|(name, _)| name != b"x-api-key"));
    let (step, sent) = send(&mut exchange, &host, BODY, true);
    assert_eq!(step, Step::Continue);
    let asked: serde_json::Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(asked["stream_options"], json!({"include_usage": true}));
    host.put_headers(Map::ResponseHeaders, &reply("text/event-stream"));
    assert_eq!(exchange.response_headers(&host, false), Step::Continue);
    for (name, chunk, last, expected) in [
        ("text", TEXT, false, TEXT),
        ("usage that only the filter asked for", USAGE, false, ""),
        ("the end", DONE, true, DONE),
    ] {
        let (step, passed) = receive(&mut exchange, &host, chunk, last);
        assert_eq!(
            (step, passed.as_str()),
            (Step::Continue, expected),
            "{name}"
        );
    }
    assert_eq!(
        end(&mut exchange, &host),
        [
            "tenant=acme",
            "key=acme-demo",
            "model=llama-3.1-8b",
            "input_tokens=11",
            "output_tokens=7",
            "charge_tokens=18",
            "usage_source=reported",
            "outcome=ok",
        ]
    );
    assert!(host.sent().is_none());
    assert!(!host.movements().is_empty());
}

#[wasm_bindgen_test(unsupported = test)]
fn a_refusal_answers_once_and_nothing_goes_on_after_it() {
    let host = Offline::new(&chat(GLOBEX_KEY), HOUR, &no_token);
    let mut exchange = demo();
    assert_eq!(exchange.request_headers(&host, false), Step::Continue);
    let body = r#"{"model":"qwen-3-32b"}"#;
    assert_eq!(send(&mut exchange, &host, body, false).0, Step::Stop);
    let sent = host.sent().unwrap();
    assert_eq!(
        (sent.status, sent.details.as_str()),
        (403, "tollgate_model_not_allowed")
    );
    assert!(
        sent.headers
            .contains(&("x-request-id".into(), "id-1".into()))
    );
    assert_eq!(send(&mut exchange, &host, "", true).0, Step::Stop);
    assert_eq!(exchange.request_trailers(&host), Step::Stop);
    assert_eq!(host.sent().unwrap(), sent, "the answer stays the first one");
    assert_eq!(
        exchange.response_headers(&host, true),
        Step::Continue,
        "our own reply"
    );
    assert_eq!(
        end(&mut exchange, &host),
        [
            "tenant=globex",
            "key=globex-demo",
            "model=qwen-3-32b",
            "charge_tokens=0",
            "usage_source=not_applicable",
            "outcome=denied",
            "denial=model_not_allowed",
        ]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn what_was_known_before_a_refusal_is_recorded() {
    for (name, frame, expected) in [
        (
            "a body that breaks off behind its model",
            r#"{"model":"llama-3.1-8b",]"#,
            true,
        ),
        ("a body that breaks off before it", r#"{"mo]"#, false),
    ] {
        let host = Offline::new(&chat(ACME_KEY), HOUR, &no_token);
        let mut exchange = demo();
        exchange.request_headers(&host, false);
        let (start, rest) = frame.split_at(frame.len() - 1);
        send(&mut exchange, &host, start, false);
        assert_eq!(
            send(&mut exchange, &host, rest, true).0,
            Step::Stop,
            "{name}"
        );
        let state = end(&mut exchange, &host);
        let has_model = state.contains(&"model=llama-3.1-8b".to_owned());
        assert_eq!(has_model, expected, "{name}");
        assert!(
            state.contains(&"denial=malformed_body".to_owned()),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_write_that_the_host_refuses_ends_the_request_before_it_goes_on() {
    let host = Offline::new(&chat(ACME_KEY), HOUR, &no_token);
    host.refuse_writes(true);
    let mut exchange = demo();
    assert_eq!(exchange.request_headers(&host, false), Step::Stop);
    assert_eq!(host.sent().unwrap().details, "tollgate_internal");
    assert!(exchange.permit().is_none());
}

#[wasm_bindgen_test(unsupported = test)]
fn everything_is_refused_before_the_first_configuration_and_before_the_headers() {
    for (name, mut exchange, has_headers) in [
        ("no configuration", Exchange::new(None), true),
        ("a body without headers", demo(), false),
    ] {
        let host = Offline::new(&chat(ACME_KEY), HOUR, &no_token);
        let step = if has_headers {
            exchange.request_headers(&host, true)
        } else {
            send(&mut exchange, &host, BODY, true).0
        };
        assert_eq!(step, Step::Stop, "{name}");
        assert_eq!(host.sent().unwrap().status, 500, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_list_of_models_goes_out_filtered_and_in_one_piece() {
    let headers = request("GET", "/v1/models", &[("x-api-key", GLOBEX_KEY)]);
    let host = Offline::new(&headers, HOUR, &no_token);
    let mut exchange = demo();
    assert_eq!(exchange.request_headers(&host, true), Step::Continue);
    host.put_headers(Map::ResponseHeaders, &reply("text/plain"));
    assert_eq!(exchange.response_headers(&host, false), Step::Continue);
    let list = r#"{"data":[{"id":"llama-3.1-8b"},{"id":"qwen-3-32b"}]}"#;
    let (first, rest) = list.split_at(30);
    assert_eq!(receive(&mut exchange, &host, first, false).1, "");
    assert_eq!(
        receive(&mut exchange, &host, rest, true).1,
        r#"{"data":[{"id":"llama-3.1-8b"}]}"#
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_list_of_models_that_cannot_be_filtered_does_not_go_out() {
    let headers = request("GET", "/v1/models", &[("x-api-key", GLOBEX_KEY)]);
    let host = Offline::new(&headers, HOUR, &no_token);
    let mut exchange = demo();
    exchange.request_headers(&host, true);
    host.put_headers(Map::ResponseHeaders, &reply("application/json"));
    host.refuse_writes(true);
    assert_eq!(exchange.response_headers(&host, false), Step::Stop);
    assert_eq!(host.sent().unwrap().status, 500);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_reply_tells_when_the_key_expires_where_that_is_configured() {
    const EXPIRES: &[u8] = b"x-tollgate-key-expires";
    let shown = |show: bool, key: &str| {
        let mut config = fixtures::demo();
        config["credentials"] = json!({"showExpiry": show});
        config["keys"][0]["expiresAt"] = json!("2027-01-01T01:00:00+01:00");
        let headers = request("GET", "/v1/models", &[("x-api-key", key)]);
        let (mut exchange, host) =
            fixtures::begin(&fixtures::policy(&config), &headers, false, &no_token);
        let forged = [(":status", "200"), ("x-tollgate-key-expires", "never")];
        host.put_headers(Map::ResponseHeaders, &forged.into_iter().collect());
        exchange.response_headers(&host, true);
        let headers = host.headers_now(Map::ResponseHeaders).into_iter();
        let values = headers.filter(|(name, _)| name == EXPIRES);
        values.map(|(_, value)| text(value)).collect::<Vec<_>>()
    };
    assert_eq!(shown(true, ACME_KEY), ["2027-01-01T00:00:00Z"]);
    assert_eq!(shown(true, GLOBEX_KEY), Vec::<String>::new(), "no expiry");
    assert_eq!(
        shown(false, ACME_KEY),
        Vec::<String>::new(),
        "not asked for"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_path_that_is_not_available_is_told_what_was_probably_meant() {
    let headers = request("POST", "/completions", &[("x-api-key", ACME_KEY)]);
    let (exchange, host) = fixtures::begin(
        &fixtures::policy(&fixtures::demo()),
        &headers,
        true,
        &no_token,
    );
    assert_eq!(exchange.denial().unwrap().code(), Code::OperationNotAllowed);
    let body: serde_json::Value = serde_json::from_str(&host.sent().unwrap().body).unwrap();
    assert_eq!(
        body["error"]["message"],
        "This method and path are not available to you. Did you mean `POST /v1/completions`? The base URL of OpenAI's SDKs ends with `/v1`."
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn the_user_of_a_token_is_recorded_and_no_key() {
    let claims = fixtures::token(&[
        ("iss", fixtures::ISSUER),
        ("tenant", "acme"),
        ("groups.0", "research"),
        ("sub", "alice"),
    ]);
    let host = Offline::new(&fixtures::chat(&[]), HOUR, &claims);
    let mut exchange = demo();
    exchange.request_headers(&host, false);
    assert_eq!(send(&mut exchange, &host, BODY, true).0, Step::Continue);
    let state = end(&mut exchange, &host);
    assert_eq!(state.get(..2).unwrap(), ["tenant=acme", "user=alice"]);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_stream_that_is_not_whole_is_not_ok() {
    const ERROR: &str = "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n";
    for (name, chunks, expected) in [
        (
            "an error alone",
            &[ERROR, DONE][..],
            "outcome=upstream_error",
        ),
        (
            "an error after text",
            &[TEXT, ERROR, DONE],
            "outcome=truncated",
        ),
        ("text without an end", &[TEXT], "outcome=truncated"),
        ("no event", &[": ping\n\n"], "outcome=truncated"),
        ("text alone", &[TEXT, DONE], "outcome=ok"),
    ] {
        let host = Offline::new(&chat(ACME_KEY), HOUR, &no_token);
        let mut exchange = demo();
        exchange.request_headers(&host, false);
        send(&mut exchange, &host, BODY, true);
        host.put_headers(Map::ResponseHeaders, &reply("text/event-stream"));
        exchange.response_headers(&host, false);
        for (chunk, left) in chunks.iter().zip((0..chunks.len()).rev()) {
            receive(&mut exchange, &host, chunk, left == 0);
        }
        let state = end(&mut exchange, &host);
        assert!(state.contains(&expected.to_owned()), "{name}: {state:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn usage_is_missing_where_the_client_left_before_the_reply() {
    let host = Offline::new(&chat(ACME_KEY), HOUR, &no_token);
    let mut exchange = demo();
    exchange.request_headers(&host, false);
    send(&mut exchange, &host, BODY, true);
    exchange.end(&host, &mut Labels::default());
    let movements = host.movements().into_iter();
    let names: Vec<String> = movements
        .map(|movement| movement.series.name())
        .filter(|name| name.ends_with("tollgate_usage_missing_total"))
        .collect();
    assert_eq!(
        names,
        ["tenant=.=acme;.;model=.=llama-3.1-8b;.;reason=.=aborted;.;tollgate_usage_missing_total"]
    );
}

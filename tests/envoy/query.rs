//! What stands in the query: models, credentials, and what is neither.

use serde_json::json;

use crate::harness::demo::{ACME_KEY, LLAMA, chat, config};
use crate::harness::{Gateway, send};

#[test]
fn no_server_sees_a_model_or_a_credential_in_the_query() {
    const IN_QUERY: (u16, Option<&str>) = (400, Some("model_in_query"));
    const GOOD: (u16, Option<&str>) = (200, None);
    let mut config = config();
    config["extraPaths"] = json!([{"method": "GET", "path": "/wake", "groups": ["research"]}]);
    config["publicPaths"] = json!([{"method": "GET", "path": "/health"}]);
    let gateway = Gateway::builder().config(config).start();
    for (path, verdict, passed) in [
        ("/v1/chat/completions?model=qwen-3-32b", IN_QUERY, ""),
        ("/v1/chat/completions?Model=", IN_QUERY, ""),
        ("/v1/chat/completions?a=1&mode%6c=x", IN_QUERY, ""),
        ("/v1/chat/completions?a=1;model", IN_QUERY, ""),
        ("/v1/chat/completions?model[]=x", IN_QUERY, ""),
        ("/v1/models?model=qwen-3-32b", IN_QUERY, ""),
        ("/v1/models/llama-3.1-8b?engine=x", IN_QUERY, ""),
        ("/wake?model=x&token=t", GOOD, "/wake?model=x"),
        ("/health?model=x&KEY=t", GOOD, "/health?model=x"),
        (
            "/v1/chat/completions?api-version=1&api_key=s&x=2;key=s",
            GOOD,
            "/v1/chat/completions?api-version=1&x=2",
        ),
        (
            "/v1/chat/completions?access_token=t",
            GOOD,
            "/v1/chat/completions",
        ),
    ] {
        let request = if path.contains("chat") {
            gateway.post(path).json(&chat(LLAMA))
        } else {
            gateway.get(path)
        };
        let before = gateway.seen().len();
        let answer = send(request.bearer_auth(ACME_KEY));
        assert_eq!(answer.verdict(), verdict, "{path}: {answer:?}");
        let seen = gateway.seen();
        let targets: Vec<&str> = seen[before..]
            .iter()
            .filter_map(|seen| Some(seen.request.split_once(' ')?.1))
            .collect();
        let expected: &[&str] = if passed.is_empty() { &[] } else { &[passed] };
        assert_eq!(targets, expected, "{path}");
    }
}

use std::rc::Rc;

use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::denial::{Code, Denial};
use crate::fixtures::{self, GLOBEX_KEY, chat, no_token};
use crate::policy::Policy;

/// What becomes of a body of globex, which may use `llama-3.1-8b` and nothing else, in frames of this size.
fn judge_in(policy: &Rc<Policy>, body: &[u8], step: usize) -> Result<(), Denial> {
    let headers = chat(&[("x-api-key", GLOBEX_KEY)]);
    let frames: Vec<&[u8]> = body.chunks(step).collect();
    let (exchange, _) = fixtures::send(policy, &headers, &frames, &no_token);
    exchange.denial().cloned().map_or(Ok(()), Err)
}

/// The verdict, which must not depend on the frames: the code, and the member or the model that is the reason.
fn judge(policy: &Rc<Policy>, members: &str) -> Result<(), (Code, String)> {
    let body = format!(r#"{{"model":"llama-3.1-8b",{members}}}"#);
    let told = |denial: Denial| {
        let model = denial.model().map(|model| model.as_str().to_owned());
        let reason = denial.member().map(str::to_owned).or(model);
        (denial.code(), reason.unwrap_or_default())
    };
    let whole = judge_in(policy, body.as_bytes(), body.len()).map_err(told);
    for step in 1..body.len() {
        let cut = judge_in(policy, body.as_bytes(), step).map_err(told);
        assert_eq!(cut, whole, "{members}, frames of {step}");
    }
    whole
}

fn configured(body: Value) -> Rc<Policy> {
    let mut config = fixtures::demo();
    config["body"] = body;
    fixtures::policy(&config)
}

fn refused(member: &str) -> Result<(), (Code, String)> {
    Err((Code::MemberNotAllowed, member.to_owned()))
}

fn forbidden(model: &str) -> Result<(), (Code, String)> {
    Err((Code::ModelNotAllowed, model.to_owned()))
}

#[wasm_bindgen_test(unsupported = test)]
fn every_model_that_a_body_names_is_judged() {
    let policy = fixtures::policy(&fixtures::demo());
    let qwen = || forbidden("qwen-3-32b");
    for (members, expected) in [
        (r#""fallbacks":["llama-3.1-8b"]"#, Ok(())),
        (r#""fallbacks":["qwen-3-32b"]"#, qwen()),
        (r#""fallbacks":["llama-3.1-8b","qwen-3-32b"]"#, qwen()),
        (r#""fallbacks":[{"model":"llama-3.1-8b"}]"#, Ok(())),
        (r#""fallbacks":[{"model":"qwen-3-32b"}]"#, qwen()),
        (
            r#""fallbacks":[{"model":"llama-3.1-8b","model":"qwen-3-32b"}]"#,
            qwen(),
        ),
        (
            r#""fallbacks":[{"max_tokens":5,"model":"llama-3.1-8b"}]"#,
            Ok(()),
        ),
        (
            r#""fallbacks":[{"Model":"qwen-3-32b","model":"llama-3.1-8b"}]"#,
            refused("fallbacks[].model"),
        ),
        (
            r#""fallbacks":[{"gpt":["qwen-3-32b"]}]"#,
            refused("fallbacks[]"),
        ),
        (
            r#""fallbacks":[{"model":"llama-3.1-8b"},{}]"#,
            refused("fallbacks[]"),
        ),
        (r#""fallbacks":[{"model":null}]"#, refused("fallbacks[]")),
        (
            r#""fallbacks":[{"model":["qwen-3-32b"]}]"#,
            refused("fallbacks[].model"),
        ),
        (
            r#""fallbacks":[{"model":"llama-3.1-8b","fallbacks":["qwen-3-32b"]}]"#,
            refused("fallbacks[].fallbacks"),
        ),
        (
            r#""fallbacks":[{"model":"llama-3.1-8b","api_base":"http://10.0.0.1"}]"#,
            refused("api_base"),
        ),
        (r#""fallbacks":[["qwen-3-32b"]]"#, refused("fallbacks[]")),
        (r#""fallbacks":"default""#, refused("fallbacks")),
        (
            r#""fallbacks":{"llama-3.1-8b":["qwen-3-32b"]}"#,
            refused("fallbacks"),
        ),
        (r#""fallbacks":null"#, Ok(())),
        (r#""fallbacks":[]"#, Ok(())),
        (r#""Fallbacks":["qwen-3-32b"]"#, refused("fallbacks")),
        (r#""fallback\u0073":["qwen-3-32b"]"#, qwen()),
        (r#""fallbac\u212as":["qwen-3-32b"]"#, refused("fallbacks")),
        (r#""fallbacks":[],"fallbacks":["qwen-3-32b"]"#, qwen()),
        (r#""fallbacks":["qwen-3-32b"],"fallbacks":[]"#, qwen()),
        (r#""models":["llama-3.1-8b","qwen-3-32b"]"#, qwen()),
        (r#""models":"qwen-3-32b""#, refused("models")),
        (r#""models":[{"id":"qwen-3-32b"}]"#, refused("models[]")),
        (r#""lora_path":"llama-3.1-8b""#, Ok(())),
        (
            r#""lora_path":"secret-adapter""#,
            forbidden("secret-adapter"),
        ),
        (
            r#""lora_path":[null,"secret-adapter"]"#,
            forbidden("secret-adapter"),
        ),
        (r#""lora_path":{"a":1}"#, refused("lora_path")),
        (r#""draft_model":"qwen-3-32b""#, qwen()),
        (
            r#""draft_model":"/models/any\npath""#,
            refused("draft_model"),
        ),
        (r#""deployment_id":"qwen-3-32b""#, qwen()),
        (
            r#""tools":[{"type":"advisor_20260301","name":"advisor","model":"qwen-3-32b"}]"#,
            qwen(),
        ),
        (
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"model":{"type":"string"}}}}}]"#,
            Ok(()),
        ),
        (
            r#""tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"model":{"type":"string"}}}}]"#,
            Ok(()),
        ),
        (
            r#""tools":[{"type":"openrouter:fusion","parameters":{"analysis_models":["qwen-3-32b"]}}]"#,
            qwen(),
        ),
        (
            r#""tools":[{"type":"image_generation","svg":{"model":"qwen-3-32b"}}]"#,
            qwen(),
        ),
        (r#""moderation":"low""#, Ok(())),
        (r#""moderation":{"model":"qwen-3-32b"}"#, qwen()),
        (
            r#""messages":[{"role":"user","content":"x","fallbacks":["qwen-3-32b"],"model":"qwen-3-32b"}]"#,
            Ok(()),
        ),
        (
            r#""metadata":{"models":["qwen-3-32b"],"priority":1}"#,
            Ok(()),
        ),
    ] {
        assert_eq!(judge(&policy, members), expected, "{members}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_steers_servers_is_refused_and_named() {
    let policy = fixtures::policy(&fixtures::demo());
    for (members, expected) in [
        (
            r#""vertex_a_name_that_is_longer_than_any_that_is_looked_for_and_is_cut_or_escaped_where_nobody_looks_\u0061":1"#,
            refused("vertex_*"),
        ),
        (r#""priority":1"#, refused("priority")),
        (r#""priority":0"#, refused("priority")),
        (r#""PRIORITY":-1"#, refused("priority")),
        (r#""priority":null"#, Ok(())),
        (r#""priority":null,"priority":-1"#, refused("priority")),
        (r#""priority":-1,"priority":null"#, refused("priority")),
        (r#""p\u0072iority":-1"#, refused("priority")),
        (r#""priority\u0000x":-1"#, refused("priority")),
        (
            r#""kv_transfer_params":{"remote_host":"10.0.0.1","remote_port":1}"#,
            refused("kv_transfer_params"),
        ),
        (r#""kv_transfer_params":{ }"#, Ok(())),
        (r#""vllm_xargs":[]"#, Ok(())),
        (r#""bootstrap_host":"10.0.0.1""#, refused("bootstrap_host")),
        (r#""id_slot":-1"#, Ok(())),
        (r#""id_slot":0"#, refused("id_slot")),
        (r#""id_slot":-12"#, refused("id_slot")),
        (r#""no-log":false"#, Ok(())),
        (r#""no-log":true"#, refused("no-log")),
        (r#""prompt":"hi""#, Ok(())),
        (r#""prompt":["hi"]"#, Ok(())),
        (r#""prompt":{"id":"pmpt_1"}"#, refused("prompt")),
        (r#""aws_region_name":"eu""#, refused("aws_*")),
        (
            r#""mock_testing_fallbacks":true"#,
            refused("mock_testing_*"),
        ),
        (
            r#""router_settings_override":{"fallbacks":[{"llama-3.1-8b":["qwen-3-32b"]}]}"#,
            refused("router_settings_override"),
        ),
        (
            r#""extra_body":{"model":"qwen-3-32b"}"#,
            refused("extra_body"),
        ),
        (r#""speculative.n_max":5"#, refused("speculative.*")),
        (
            r#""messages":[{"priority":1}],"metadata":{"priority":1},"user":"u","store":false"#,
            Ok(()),
        ),
    ] {
        assert_eq!(judge(&policy, members), expected, "{members}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_configuration_allows_and_denies_members() {
    let policy = configured(json!({
        "allow": ["priority", "aws_*", "fallbacks", "Plugins", "vertex_location", "tools[].model"],
        "deny": ["cache_salt", "mcp_*", "documents"],
    }));
    for (members, expected) in [
        (r#""priority":1"#, Ok(())),
        (r#""aws_region_name":"eu""#, Ok(())),
        (r#""plugins":[{"id":"web"}]"#, Ok(())),
        (r#""fallbacks":["qwen-3-32b"]"#, Ok(())),
        (r#""fallbacks":"default""#, Ok(())),
        (r#""models":["qwen-3-32b"]"#, forbidden("qwen-3-32b")),
        (r#""cache_salt":"x""#, refused("cache_salt")),
        (r#""Cache_Salt":"x""#, refused("cache_salt")),
        (
            r#""mcp_servers":[{"url":"http://10.0.0.1"}]"#,
            refused("mcp_*"),
        ),
        (r#""documents":["x"]"#, refused("documents")),
        (r#""tools":[{"model":"qwen-3-32b"}]"#, Ok(())),
        (r#""vertex_location":"eu""#, Ok(())),
        (r#""Vertex_Location":"eu""#, Ok(())),
        (r#""vertex_project":"x""#, refused("vertex_*")),
    ] {
        assert_eq!(judge(&policy, members), expected, "{members}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_lists_have_each_name_once() {
    let mut names: Vec<&str> = super::STEERING.iter().map(|row| row.name).collect();
    names.extend(super::NAMING.iter().map(|row| row.name));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_denial_names_the_member_where_openai_names_a_parameter() {
    let policy = fixtures::policy(&fixtures::demo());
    let body = br#"{"model":"llama-3.1-8b","priority":1}"#;
    let denial = judge_in(&policy, body, body.len()).unwrap_err();
    let body = denial.body(crate::denial::Dialect::OpenAi, None);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(denial.status(), 403);
    assert_eq!(
        body["error"],
        json!({
            "code": "member_not_allowed",
            "message": "`priority` is not available here: servers choose models, hosts or the order of requests by it. Leave it out.",
            "param": "priority",
            "type": "permission_error",
        })
    );
}

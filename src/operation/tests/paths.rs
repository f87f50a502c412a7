//! Prefixes, versions, and models in paths.

use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// The operation of a request with the demo's configuration and these further sections, and the model that its path names.
fn found(method: &str, path: &str, sections: &Value) -> Result<(Operation, Option<String>), Code> {
    let mut config = fixtures::demo();
    for (name, section) in sections.as_object().into_iter().flatten() {
        config[name] = section.clone();
    }
    let policy = fixtures::policy(&config);
    let headers = fixtures::request(method, path, &[]);
    let target = target(&headers, method == "POST", &policy.paths)?;
    Ok((target.operation, target.model.map(Cow::into_owned)))
}

const REFUSED: Result<(Operation, Option<String>), Code> = Err(Code::OperationNotAllowed);
const MALFORMED: Result<(Operation, Option<String>), Code> = Err(Code::MalformedPath);

fn plain(operation: Operation) -> Result<(Operation, Option<String>), Code> {
    Ok((operation, None))
}

fn named(operation: Operation, model: &str) -> Result<(Operation, Option<String>), Code> {
    Ok((operation, Some(model.to_owned())))
}

#[wasm_bindgen_test(unsupported = test)]
fn a_prefix_of_the_configuration_stands_for_as_many_segments_as_it_has() {
    let prefixes = |prefixes: &[&str]| json!({ "pathPrefixes": prefixes });
    let kserve = prefixes(&["/*/*/v1"]);
    let literal = prefixes(&["/team-a", "/serving/*"]);
    for (path, sections, expected) in [
        (
            "/ns/name/v1/chat/completions",
            &kserve,
            plain(Operation::Chat),
        ),
        (
            "/ns/name/openai/v1/completions",
            &kserve,
            plain(Operation::Completions),
        ),
        ("/ns/name/chat/completions", &kserve, plain(Operation::Chat)),
        ("/ns/name/v2/rerank", &kserve, plain(Operation::Rerank)),
        ("/v1/chat/completions", &kserve, plain(Operation::Chat)),
        ("/name/v1/chat/completions", &kserve, REFUSED),
        ("/a/b/c/v1/chat/completions", &kserve, REFUSED),
        ("/ns/name/v1/load_lora_adapter", &kserve, REFUSED),
        ("/ns//v1/chat/completions", &kserve, MALFORMED),
        ("//name/v1/chat/completions", &kserve, MALFORMED),
        ("/ns/../v1/chat/completions", &kserve, MALFORMED),
        ("/n%73/name/v1/chat/completions", &kserve, MALFORMED),
        ("/team-a/v1/messages", &literal, plain(Operation::Messages)),
        (
            "/serving/x/v1/embeddings",
            &literal,
            plain(Operation::Embeddings),
        ),
        ("/team-b/v1/messages", &literal, REFUSED),
        ("/team-ab/v1/messages", &literal, REFUSED),
        (
            "/team-a/openai/deployments/m/completions",
            &literal,
            named(Operation::Completions, "m"),
        ),
        ("/team-a/v1/chat/completions", &json!({}), REFUSED),
    ] {
        assert_eq!(
            found("POST", path, sections),
            expected,
            "{path} with {sections}"
        );
    }
    let list = found("GET", "/ns/name/v1/models", &kserve);
    assert_eq!(list, plain(Operation::ListModels));
    let show = found("GET", "/ns/name/v1/models/org%2Fm", &kserve);
    assert_eq!(show, named(Operation::ShowModel, "org/m"));
}

#[wasm_bindgen_test(unsupported = test)]
fn no_prefix_hides_a_model_in_the_path() {
    let wide = json!({"pathPrefixes": ["/*", "/*/*", "/*/*/*", "/*/*/*/*"]});
    for (path, expected) in [
        (
            "/openai/deployments/m/chat/completions",
            named(Operation::Chat, "m"),
        ),
        (
            "/x/openai/deployments/m/chat/completions",
            named(Operation::Chat, "m"),
        ),
        ("/x/deployments/m/chat/completions", REFUSED),
        ("/engines/m/chat/completions", REFUSED),
        ("/x/engines/m/v1/chat/completions", REFUSED),
    ] {
        assert_eq!(found("POST", path, &wide), expected, "{path}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_deployment_of_azure_is_a_model_in_the_path() {
    let none = json!({});
    let azure = |rest: &str| format!("/openai/deployments/{rest}?api-version=2024-10-21");
    for (rest, expected) in [
        ("gpt-4o/chat/completions", named(Operation::Chat, "gpt-4o")),
        (
            "gpt-4o/completions",
            named(Operation::Completions, "gpt-4o"),
        ),
        ("ada/embeddings", named(Operation::Embeddings, "ada")),
        (
            "dall-e/images/generations",
            named(Operation::GenerateImages, "dall-e"),
        ),
        (
            "dall-e/images/edits",
            named(Operation::EditImages, "dall-e"),
        ),
        (
            "whisper/audio/transcriptions",
            named(Operation::Transcribe, "whisper"),
        ),
        (
            "whisper/audio/translations",
            named(Operation::Translate, "whisper"),
        ),
        ("tts/audio/speech", named(Operation::Speech, "tts")),
        ("org%2Fm/chat/completions", named(Operation::Chat, "org/m")),
        (
            "Qwen3%2032B/chat/completions",
            named(Operation::Chat, "Qwen3 32B"),
        ),
        ("gpt-4o/v1/chat/completions", REFUSED),
        ("gpt-4o/chat/completions/", REFUSED),
        ("a/b/chat/completions", REFUSED),
        ("gpt-4o/extensions/chat/completions", REFUSED),
        ("gpt-4o", REFUSED),
        ("/chat/completions", MALFORMED),
        ("../chat/completions", MALFORMED),
        ("%2e%2e/chat/completions", MALFORMED),
        ("a%2F..%2Fb/chat/completions", MALFORMED),
        ("gpt-4o/chat%2Fcompletions", MALFORMED),
        ("gpt-4o%3Fx/chat/completions", MALFORMED),
    ] {
        assert_eq!(found("POST", &azure(rest), &none), expected, "{rest}");
    }
    assert_eq!(
        found("GET", &azure("gpt-4o/chat/completions"), &none),
        REFUSED
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_model_that_is_shown_may_be_escaped_once() {
    let none = json!({});
    let show = |model: &str| named(Operation::ShowModel, model);
    for (written, expected) in [
        ("org%2Fname", show("org/name")),
        ("org%2fname", show("org/name")),
        ("org/name", show("org/name")),
        ("Qwen3%2032B", show("Qwen3 32B")),
        ("%E9%80%9A%E4%B9%89", show("通义")),
        ("claude%5B1m%5D", show("claude[1m]")),
        ("claude[1m]", show("claude[1m]")),
        ("a%3Db", show("a=b")),
        ("llama%2D3", show("llama-3")),
        ("m?x=%2F", show("m")),
        ("org%252Fname", MALFORMED),
        ("..%2F..%2Fsleep", MALFORMED),
        ("%2e%2e/sleep", MALFORMED),
        ("a%2F%2Fb", MALFORMED),
        ("%2Fa", MALFORMED),
        ("a%5Cb", MALFORMED),
        ("a%3Bb", MALFORMED),
        ("a%3Fb", MALFORMED),
        ("a%23b", MALFORMED),
        ("a%", MALFORMED),
        ("a%4", MALFORMED),
        ("a%zz", MALFORMED),
        ("a%ff", MALFORMED),
        ("a%c0%af", MALFORMED),
        ("a\\b", MALFORMED),
        ("a;%20b", MALFORMED),
        ("../%20b", MALFORMED),
        ("é%20b", MALFORMED),
    ] {
        let path = format!("/v1/models/{written}");
        assert_eq!(found("GET", &path, &none), expected, "{written}");
    }
    for path in [
        "/v1/models%2Fm",
        "/v1/%6Dodels/m",
        "/openai%2Fv1/models/m%20x",
    ] {
        assert_eq!(found("GET", path, &none), MALFORMED, "{path}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_base_url_without_its_version_reaches_what_is_unambiguous() {
    let setting = |setting: &str| json!({ "pathsWithoutVersion": setting });
    let (all, unambiguous, none) = (setting("all"), setting("unambiguous"), setting("none"));
    for (method, path, operation, is_ambiguous) in [
        ("POST", "/chat/completions", Operation::Chat, false),
        ("POST", "/openai/chat/completions", Operation::Chat, false),
        ("POST", "/responses", Operation::Responses, false),
        ("POST", "/messages", Operation::Messages, false),
        (
            "POST",
            "/anthropic/messages/count_tokens",
            Operation::CountTokens,
            false,
        ),
        (
            "POST",
            "/audio/transcriptions",
            Operation::Transcribe,
            false,
        ),
        ("POST", "/moderations", Operation::Moderations, false),
        ("GET", "/models", Operation::ListModels, false),
        ("POST", "/completions", Operation::Completions, true),
        ("POST", "/embeddings", Operation::Embeddings, true),
        ("POST", "/openai/embeddings", Operation::Embeddings, true),
        ("POST", "/embed", Operation::Embeddings, true),
    ] {
        let usual = if is_ambiguous {
            REFUSED
        } else {
            plain(operation)
        };
        assert_eq!(found(method, path, &json!({})), usual, "{path}");
        assert_eq!(found(method, path, &unambiguous), usual, "{path}");
        assert_eq!(found(method, path, &all), plain(operation), "{path}, all");
        assert_eq!(found(method, path, &none), REFUSED, "{path}, none");
    }
    let show = |setting| found("GET", "/models/m", setting);
    assert_eq!(show(&all), named(Operation::ShowModel, "m"));
    assert_eq!(show(&unambiguous), REFUSED);
    let (rerank, v1) = ("/rerank", "/v1/v1/chat/completions");
    assert_eq!(found("POST", rerank, &none), plain(Operation::Rerank));
    assert_eq!(found("POST", v1, &all), REFUSED);
}

#[wasm_bindgen_test(unsupported = test)]
fn tokens_and_moderations_are_judged_unless_the_operator_lets_them_through() {
    let none = json!({});
    for (path, operation) in [
        ("/tokenize", Operation::Tokenize),
        ("/v1/tokenize", Operation::Tokenize),
        ("/detokenize", Operation::Detokenize),
        ("/v1/detokenize", Operation::Detokenize),
        ("/v1/moderations", Operation::Moderations),
        ("/v1/responses/compact", Operation::Responses),
    ] {
        assert_eq!(found("POST", path, &none), plain(operation), "{path}");
    }
    let extra =
        |path: &str| json!({"extraPaths": [{"method": "POST", "path": path, "groups": []}]});
    for (path, expected) in [
        ("/tokenize", Operation::Extra),
        ("/v1/moderations", Operation::Extra),
        ("/v1/messages/count_tokens", Operation::CountTokens),
        ("/v1/chat/completions", Operation::Chat),
        ("/v1/responses/compact", Operation::Responses),
    ] {
        assert_eq!(found("POST", path, &extra(path)), plain(expected), "{path}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn no_extra_path_comes_before_the_list_of_models() {
    let extra = json!({"extraPaths": [
        {"method": "GET", "path": "/v1/models", "groups": []},
        {"method": "GET", "path": "/v1/models/m", "groups": []},
    ]});
    let list = found("GET", "/v1/models", &extra);
    assert_eq!(list, plain(Operation::ListModels));
    let show = found("GET", "/v1/models/m", &extra);
    assert_eq!(show, named(Operation::ShowModel, "m"));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_refusal_says_why_where_that_is_known() {
    let stored = reason(0);
    let files = reason(1);
    for (path, expected) in [
        ("/v1/responses/resp_1", stored.clone()),
        ("/openai/v1/responses/resp_1/cancel", stored.clone()),
        ("/v1/chat/completions/chatcmpl-1/messages", stored.clone()),
        ("/v1/conversations", stored),
        ("/v1/files?purpose=batch", files.clone()),
        ("/v1/batches/batch_1/cancel", files),
        ("/embeddings", None),
        ("/v1/chat/completions/", None),
        ("/v1/filesystem", None),
        ("/sleep", None),
        ("/", None),
    ] {
        assert_eq!(why_refused(path).map(str::to_owned), expected, "{path}");
    }
}

fn reason(family: usize) -> Option<String> {
    let families = super::REFUSED.iter();
    families
        .skip(family)
        .map(|family| family.reason.to_owned())
        .next()
}

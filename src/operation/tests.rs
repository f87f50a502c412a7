mod paths;

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::fixtures;

fn operation(method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Operation, Code> {
    operation_with(method, path, headers, method == "POST")
}

fn operation_with(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    has_body: bool,
) -> Result<Operation, Code> {
    let mut config = fixtures::demo();
    config["extraPaths"] =
        serde_json::json!([{"method": "POST", "path": "/tokenize", "groups": ["research"]}]);
    let policy = fixtures::policy(&config);
    target(
        &fixtures::request(method, path, headers),
        has_body,
        &policy.paths,
    )
    .map(|target| target.operation)
}

#[wasm_bindgen_test(unsupported = test)]
fn finds_every_operation_of_the_table() {
    for (method, path, expected) in [
        ("POST", "/v1/chat/completions", Operation::Chat),
        ("POST", "/v1/chat/completions?beta=true", Operation::Chat),
        ("POST", "/openai/v1/chat/completions", Operation::Chat),
        ("POST", "/v1/completions", Operation::Completions),
        ("POST", "/v1/responses", Operation::Responses),
        ("POST", "/v1/messages", Operation::Messages),
        ("POST", "/anthropic/v1/messages", Operation::Messages),
        ("POST", "/v1/messages/count_tokens", Operation::CountTokens),
        ("POST", "/v1/decisions", Operation::Decisions),
        ("POST", "/v1/systemone", Operation::Decisions),
        ("POST", "/v1/embeddings", Operation::Embeddings),
        ("POST", "/cohere/v2/rerank", Operation::Rerank),
        ("POST", "/rerank", Operation::Rerank),
        ("POST", "/v1/rerank", Operation::Rerank),
        ("POST", "/score", Operation::Score),
        ("POST", "/v1/score", Operation::Score),
        ("GET", "/v1/models", Operation::ListModels),
        ("HEAD", "/v1/models", Operation::ListModels),
        ("GET", "/v1/models/meta/llama", Operation::ShowModel),
        ("POST", "/tokenize", Operation::Extra),
        ("GET", "/health", Operation::Public),
    ] {
        assert_eq!(
            operation(method, path, &[]),
            Ok(expected),
            "{method} {path}"
        );
    }
}

#[cfg(feature = "command")]
#[wasm_bindgen_test(unsupported = test)]
fn knows_every_route_of_the_servers_or_refuses_it() {
    let mut config = fixtures::demo();
    config["publicPaths"] = serde_json::json!([]);
    let policy = fixtures::policy(&config);
    let mut in_table = Vec::new();
    for (server, fate, routes) in ROUTES {
        for route in routes.split(", ") {
            let (method, path) = route.split_once(' ').unwrap();
            let segments = path.split('/').map(|segment| match segment {
                parameter if parameter.starts_with('{') => "x",
                segment => segment,
            });
            let filled = segments.collect::<Vec<_>>().join("/");
            let request = fixtures::request(method, &filled, &[]);
            let found = target(&request, false, &policy.paths).map(|target| target.operation);
            let expected = match fate {
                Fate::Served(operation) => Ok(*operation),
                Fate::Refused(_) => Err(Code::OperationNotAllowed),
            };
            assert_eq!(found, expected, "{server} {route}");
            in_table.push(path);
        }
    }
    let unserved: Vec<&str> = INFERENCE
        .iter()
        .map(|(path, _)| *path)
        .filter(|path| !in_table.contains(path))
        .collect();
    assert_eq!(unserved, ["/v1/embed"], "in the table for Cohere's clients");
}

#[cfg(feature = "command")]
#[wasm_bindgen_test(unsupported = test)]
fn knows_what_lets_inference_through() {
    for (path, expected) in [
        ("/generate", true),
        ("/ns/name/generate", true),
        ("/v2/models/llama/versions/1/infer", true),
        ("/ns/name/v1/chat/completions", true),
        ("/v1/chat/completions", true),
        ("/v1/chat/completions/", true),
        ("/embeddings", true),
        ("/api/chat", true),
        ("/invocations", true),
        ("/tokenize", false),
        ("/v1/messages/count_tokens", false),
        ("/v1/load_lora_adapter", false),
        ("/health", false),
        ("/regenerate", false),
        ("/", false),
    ] {
        assert_eq!(is_unjudged_inference(path), expected, "{path}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_everything_else() {
    for (name, method, path, headers) in [
        (
            "an administrative path",
            "POST",
            "/v1/load_lora_adapter",
            &[][..],
        ),
        ("another one", "POST", "/sleep", &[]),
        ("metrics", "GET", "/metrics", &[]),
        (
            "the right path with another method",
            "PUT",
            "/v1/chat/completions",
            &[],
        ),
        ("a stored response", "GET", "/v1/responses/resp_1", &[]),
        (
            "a suffix that goes on",
            "POST",
            "/v1/chat/completionsx",
            &[],
        ),
        ("a trailing slash", "POST", "/v1/chat/completions/", &[]),
        ("an unknown prefix", "POST", "/x/v1/chat/completions", &[]),
        (
            "a prefix that goes on",
            "POST",
            "/openaiv1/chat/completions",
            &[],
        ),
        ("letter case", "POST", "/V1/chat/completions", &[]),
        ("an extra path with another method", "GET", "/tokenize", &[]),
        ("the root", "GET", "/", &[]),
        (
            "an upgrade to something else",
            "GET",
            "/v1/models",
            &[("upgrade", "tcp")],
        ),
        ("CONNECT", "CONNECT", "/v1/models", &[]),
        ("OPTIONS without an origin", "OPTIONS", "/v1/models", &[]),
    ] {
        assert_eq!(
            operation(method, path, headers),
            Err(Code::OperationNotAllowed),
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_websocket_is_refused_so_that_clients_go_over_to_http_at_once() {
    for (path, protocol, expected) in [
        ("/v1/responses", "websocket", Code::WebSocketNotAllowed),
        ("/v1/realtime", "WebSocket", Code::WebSocketNotAllowed),
        ("/health", "websocket", Code::WebSocketNotAllowed),
        ("/v1/responses", "h2c", Code::OperationNotAllowed),
        ("/v1/responses", "", Code::OperationNotAllowed),
    ] {
        assert_eq!(
            operation("GET", path, &[("upgrade", protocol)]),
            Err(expected),
            "{path} {protocol}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn refuses_paths_that_two_readers_may_take_for_two() {
    for path in [
        "/v1/chat/completions/../../sleep",
        "/v1/./chat/completions",
        "/v1//chat/completions",
        "//v1/chat/completions",
        "/v1/chat%2fcompletions",
        "/v1/chat/completions;x=1",
        "/v1\\chat\\completions",
        "/v1/chat/completions#fragment",
        "/v1/chat/comp letions",
        "v1/chat/completions",
        "*",
        "",
    ] {
        assert_eq!(
            operation("POST", path, &[]),
            Err(Code::MalformedPath),
            "{path}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn lets_a_preflight_pass_only_without_a_body() {
    let preflight = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
    ];
    for (path, has_body, expected) in [
        ("/v1/chat/completions", false, Ok(Operation::Preflight)),
        ("/any", false, Ok(Operation::Preflight)),
        ("/v1/chat/completions", true, Err(Code::OperationNotAllowed)),
    ] {
        let found = operation_with("OPTIONS", path, &preflight, has_body);
        assert_eq!(found, expected, "{path}, with a body: {has_body}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn answers_anthropic_clients_in_their_dialect() {
    for (path, expected) in [
        ("/v1/messages", Dialect::Anthropic),
        ("/v1/messages?beta=true", Dialect::Anthropic),
        ("/anthropic/v1/messages/count_tokens", Dialect::Anthropic),
        ("/v1/chat/completions", Dialect::OpenAi),
        ("/v1/chat/completions?next=/v1/messages", Dialect::OpenAi),
    ] {
        assert_eq!(
            dialect(&fixtures::request("POST", path, &[])),
            expected,
            "{path}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn each_operation_is_metered_as_what_its_server_reports() {
    use crate::meter::Work::{Embed, Generate, Media, Other};

    for (operations, metered) in [
        (
            &[
                Operation::Chat,
                Operation::Completions,
                Operation::Responses,
                Operation::Messages,
                Operation::Decisions,
            ][..],
            Generate,
        ),
        (
            &[
                Operation::Embeddings,
                Operation::Rerank,
                Operation::Score,
                Operation::Pooling,
                Operation::Classify,
            ],
            Embed,
        ),
        (
            &[
                Operation::GenerateImages,
                Operation::EditImages,
                Operation::VaryImage,
                Operation::Speech,
                Operation::Transcribe,
                Operation::Translate,
            ],
            Media,
        ),
        (
            &[
                Operation::CountTokens,
                Operation::Tokenize,
                Operation::Detokenize,
                Operation::Moderations,
                Operation::ListModels,
                Operation::ShowModel,
                Operation::Extra,
                Operation::Public,
                Operation::Preflight,
            ],
            Other,
        ),
    ] {
        for operation in operations {
            assert_eq!(operation.metered(), metered, "{operation:?}");
        }
    }
}

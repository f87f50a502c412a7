//! Members that steer servers: hosts, workers, queues, credentials, code.

use crate::json::Found;

/// Which values of a member do nothing. Null never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harmless {
    /// Null alone.
    Null,
    /// And `[]` and `{}`.
    Empty,
    /// And `false`.
    False,
    /// And -1.
    MinusOne,
    /// Everything but an object.
    NotObject,
}

impl Harmless {
    /// Whether the value that was read is one of these.
    pub(super) fn is(self, found: &Found) -> bool {
        let literal = found.value();
        literal == Some(b"null")
            || match self {
                Self::Null => false,
                Self::Empty => found.empty,
                Self::False => literal == Some(b"false"),
                Self::MinusOne => literal == Some(b"-1"),
                Self::NotObject => found.first != b'{',
            }
    }

    /// The values that pass, for the reference.
    #[cfg(all(test, feature = "command"))]
    pub(crate) const fn values(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Empty => "null, `[]`, `{}`",
            Self::False => "null, `false`",
            Self::MinusOne => "null, `-1`",
            Self::NotObject => "all but an object",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steering {
    /// Its name; with `*` at the end, all names that begin so.
    pub(crate) name: &'static str,
    pub(crate) harmless: Harmless,
    /// Which servers read it.
    #[cfg(feature = "command")]
    pub(crate) servers: &'static str,
    /// What it decides there.
    #[cfg(feature = "command")]
    pub(crate) effect: &'static str,
    /// Where that is written.
    #[cfg(all(test, feature = "command"))]
    pub(crate) source: &'static str,
}

macro_rules! steering {
    ($($name:literal $harmless:ident, $servers:literal, $effect:literal, $source:literal;)*) => {
        &[$(Steering {
            name: $name,
            harmless: Harmless::$harmless,
            #[cfg(feature = "command")]
            servers: $servers,
            #[cfg(feature = "command")]
            effect: $effect,
            #[cfg(all(test, feature = "command"))]
            source: $source,
        }),*]
    };
}

/// All of them. A row is about what a server does with the member, not about which server runs here: LiteLLM passes on to
/// the next what it does not know.
pub(crate) const STEERING: &[Steering] = steering! {
    "context_window_fallbacks" Empty, "LiteLLM", "models that are tried when the prompt is too long", "LiteLLM `proxy/auth/auth_utils.py`";
    "content_policy_fallbacks" Empty, "LiteLLM", "models that are tried when a filter refuses", "LiteLLM `proxy/auth/auth_utils.py`";
    "context_window_fallback_dict" Empty, "LiteLLM", "the same, by model", "LiteLLM `utils.py`";
    "router_settings_override" Empty, "LiteLLM", "fallbacks, strategy and retries of its router", "LiteLLM `proxy/route_llm_request.py`";
    "user_config" Null, "LiteLLM", "a whole router: models, hosts, keys", "LiteLLM `proxy/route_llm_request.py`";
    "model_list" Null, "LiteLLM", "the same", "LiteLLM `proxy/auth/auth_utils.py`";
    "model_info" Null, "LiteLLM", "which deployment, at which price", "LiteLLM `types/utils.py`";
    "model_file_id_mapping" Null, "LiteLLM", "files by deployment", "LiteLLM `types/utils.py`";
    "model_group_retry_policy" Null, "LiteLLM", "retries", "LiteLLM `router.py`";
    "api_base" Null, "LiteLLM", "the host that is asked", "LiteLLM `proxy/auth/auth_utils.py`";
    "base_url" Null, "LiteLLM", "the host that is asked", "LiteLLM `proxy/auth/auth_utils.py`";
    "deployment_url" Null, "LiteLLM", "the host that is asked", "LiteLLM `types/utils.py`";
    "sagemaker_base_url" Null, "LiteLLM", "the host that is asked", "LiteLLM `types/utils.py`";
    "proxy_server_request" Null, "LiteLLM", "what the request is taken for", "LiteLLM `proxy/litellm_pre_call_utils.py`";
    "api_key" Null, "LiteLLM", "the key that it is asked with", "LiteLLM `proxy/route_llm_request.py`";
    "api_version" Null, "LiteLLM", "the version that it is asked in", "LiteLLM `types/litellm_params.py`";
    "api_type" Null, "LiteLLM", "the API that it is asked in", "LiteLLM `types/litellm_params.py`";
    "organization" Null, "LiteLLM", "who pays", "LiteLLM `types/litellm_params.py`";
    "custom_llm_provider" Null, "LiteLLM", "which provider", "LiteLLM `types/litellm_params.py`";
    "litellm_credential_name" Null, "LiteLLM", "which stored credential", "LiteLLM `types/litellm_params.py`";
    "region_name" Null, "LiteLLM", "which region", "LiteLLM `types/litellm_params.py`";
    "allowed_model_region" Null, "LiteLLM", "which region", "LiteLLM `router.py`";
    "headers" Empty, "LiteLLM", "headers of the request that it makes", "LiteLLM `llms/openai/openai.py`";
    "extra_headers" Empty, "LiteLLM", "headers of the request that it makes", "LiteLLM `llms/openai/openai.py`";
    "default_headers" Empty, "LiteLLM", "headers of the request that it makes", "LiteLLM `llms/openai/openai.py`";
    "extra_query" Empty, "LiteLLM", "query of the request that it makes", "LiteLLM `llms/openai/openai.py`";
    "provider_specific_header" Empty, "LiteLLM", "headers of the request that it makes", "LiteLLM `proxy/litellm_pre_call_utils.py`";
    "extra_body" Empty, "LiteLLM", "any other member of this list, one level down", "LiteLLM `llms/custom_httpx/llm_http_handler.py`";
    "litellm_params" Empty, "LiteLLM", "any other member of this list, one level down", "LiteLLM `proxy/auth/auth_utils.py`";
    "litellm_metadata" Empty, "LiteLLM", "tags by which deployments are chosen", "LiteLLM `proxy/auth/auth_utils.py`";
    "litellm_embedding_config" Empty, "LiteLLM", "host and key of an embedding", "LiteLLM `proxy/auth/auth_utils.py`";
    "use_litellm_proxy" False, "LiteLLM", "which provider", "LiteLLM `types/litellm_params.py`";
    "ssl_verify" Null, "LiteLLM", "whether the host's certificate counts", "LiteLLM `types/litellm_params.py`";
    "use_ssl" Null, "LiteLLM", "whether the host is asked over TLS", "LiteLLM `types/utils.py`";
    "client" Null, "LiteLLM", "how it is asked", "LiteLLM `main.py`";
    "client_id" Null, "LiteLLM", "which credential", "LiteLLM `types/utils.py`";
    "client_secret" Null, "LiteLLM", "which credential", "LiteLLM `types/utils.py`";
    "tenant_id" Null, "LiteLLM", "which credential", "LiteLLM `types/utils.py`";
    "user_provider_credentials" Null, "LiteLLM", "which credential", "LiteLLM `types/utils.py`";
    "configurable_clientside_auth_params" Null, "LiteLLM", "which credential", "LiteLLM `types/utils.py`";
    "secret_fields" Null, "LiteLLM", "headers of the client, as it takes them", "LiteLLM `types/utils.py`";
    "shared_session" Null, "LiteLLM", "how it is asked", "LiteLLM `main.py`";
    "azure" False, "LiteLLM", "which provider", "LiteLLM `main.py`";
    "engine" Null, "LiteLLM", "which deployment", "LiteLLM `main.py`";
    "nvcf_function_id" Null, "LiteLLM", "which function", "LiteLLM `types/utils.py`";
    "specific_deployment" False, "LiteLLM", "which deployment", "LiteLLM `router.py`";
    "fastest_response" False, "LiteLLM", "several deployments at once", "LiteLLM `proxy/route_llm_request.py`";
    "routing_strategy" Null, "LiteLLM", "which deployment", "LiteLLM `router.py`";
    "enable_tag_filtering" False, "LiteLLM", "which deployment", "LiteLLM `router.py`";
    "tags" Empty, "LiteLLM", "which deployment, who pays", "LiteLLM `proxy/litellm_pre_call_utils.py`";
    "attempted_targets" Null, "LiteLLM", "which deployment", "LiteLLM `router.py`";
    "fallback_depth" Null, "LiteLLM", "how many fallbacks", "LiteLLM `router_utils/fallback_event_handlers.py`";
    "max_fallbacks" Null, "LiteLLM", "how many fallbacks", "LiteLLM `router_utils/fallback_event_handlers.py`";
    "prompt_id" Null, "LiteLLM", "a stored prompt, whose model takes the place of `model`", "LiteLLM `integrations/prompt_management_base.py`";
    "prompt_version" Null, "LiteLLM", "the same", "LiteLLM `proxy/utils.py`";
    "prompt_label" Null, "LiteLLM", "the same", "LiteLLM `proxy/utils.py`";
    "prompt_environment" Null, "LiteLLM", "the same", "LiteLLM `proxy/utils.py`";
    "num_retries" Null, "LiteLLM", "how often the server is asked", "LiteLLM `router.py`";
    "max_retries" Null, "LiteLLM", "how often the server is asked", "LiteLLM `router.py`";
    "retry_policy" Null, "LiteLLM", "how often the server is asked", "LiteLLM `router.py`";
    "max_agentic_loops" Null, "LiteLLM", "how often the server is asked", "LiteLLM `router.py`";
    "mock_response" Null, "LiteLLM", "an invented reply with invented usage", "LiteLLM `main.py`";
    "mock_tool_calls" Null, "LiteLLM", "an invented reply", "LiteLLM `main.py`";
    "mock_timeout" False, "LiteLLM", "a failure", "LiteLLM `main.py`";
    "mock_delay" Null, "LiteLLM", "a delay", "LiteLLM `main.py`";
    "mock_testing_*" False, "LiteLLM", "a failure, and so a fallback", "LiteLLM `proxy/route_llm_request.py`";
    "no-log" False, "LiteLLM", "no line in its log", "LiteLLM `litellm_core_utils/litellm_logging.py`";
    "turn_off_message_logging" False, "LiteLLM", "no line in its log", "LiteLLM `litellm_core_utils/litellm_logging.py`";
    "prompt" NotObject, "OpenAI, OpenRouter (responses)", "as an object, a stored prompt with a model of its own", "OpenAI SDK `types/responses/response_prompt_param.py`";
    "route" Null, "OpenRouter", "`fallback`: the server chooses other models", "OpenRouter, “Model routing”";
    "provider" Empty, "OpenRouter", "which hosts, at which price, with which data policy", "OpenRouter SDK `providerpreferences.py`";
    "plugins" Empty, "OpenRouter", "models, hosts and tools", "OpenRouter SDK `autorouterplugin.py`";
    "preset" Null, "OpenRouter", "a stored configuration, its model included", "OpenRouter, “Presets”";
    "kv_transfer_params" Empty, "vLLM, llm-d", "the host that the cache is taken from or sent to", "vLLM `distributed/kv_transfer/kv_connector/v1/nixl/metadata.py`";
    "ec_transfer_params" Empty, "vLLM", "the same for encoders", "vLLM `v1/request.py`";
    "vllm_xargs" Empty, "vLLM", "arguments of its connectors and processors", "vLLM `entrypoints/openai/chat_completion/protocol.py`";
    "logits_processors" Empty, "vLLM before 0.10", "Python classes to import and call", "vllm-project/vllm, pull request 11150";
    "prompt_embeds" Empty, "vLLM", "a serialised tensor that is loaded", "vLLM `renderers/base.py`";
    "priority" Null, "vLLM, SGLang, LiteLLM, TensorRT-LLM", "the place in the queue", "vLLM `entrypoints/openai/chat_completion/protocol.py`; LiteLLM `router_utils/request_priority.py`";
    "bootstrap_host" Null, "SGLang", "the host that the cache is taken from", "SGLang `srt/disaggregation/decode.py`";
    "bootstrap_port" Null, "SGLang", "its port", "SGLang `srt/disaggregation/decode.py`";
    "bootstrap_room" Null, "SGLang", "whose cache", "SGLang `srt/disaggregation/decode.py`";
    "routed_dp_rank" Null, "SGLang", "which worker", "SGLang `srt/entrypoints/openai/serving_base.py`";
    "disagg_prefill_dp_rank" Null, "SGLang", "which worker", "SGLang `srt/entrypoints/openai/serving_base.py`";
    "data_parallel_rank" Null, "SGLang, vLLM", "which worker", "SGLang `srt/entrypoints/openai/serving_base.py`";
    "custom_logit_processor" Empty, "SGLang", "code that is run", "SGLang `srt/managers/tokenizer_manager.py`";
    "session_params" Empty, "SGLang", "a session of anybody that is gone on with", "SGLang `srt/managers/scheduler.py`";
    "rid" Null, "SGLang", "the request's id, by which requests are aborted", "SGLang `srt/managers/tokenizer_manager.py`";
    "lora" Empty, "llama.cpp", "which adapters, by number", "llama.cpp `tools/server/README.md`";
    "id_slot" MinusOne, "llama.cpp", "which slot, whose cache is thrown out", "llama.cpp `tools/server/README.md`";
    "speculative.*" Null, "llama.cpp", "how is drafted", "llama.cpp `tools/server/server-task.cpp`";
    "adapters" Null, "mlx-lm", "any path, loaded as an adapter", "mlx-lm `mlx_lm/server.py`";
    "lora_request" Null, "TensorRT-LLM", "an adapter by its path", "TensorRT-LLM `serve/openai_protocol.py`";
    "disaggregated_params" Null, "TensorRT-LLM", "the host that the cache is taken from", "TensorRT-LLM `serve/openai_protocol.py`";
    "conversation_params" Null, "TensorRT-LLM", "which worker", "TensorRT-LLM `serve/openai_protocol.py`";
    "agent_hierarchy" Null, "TensorRT-LLM", "the place in the queue", "TensorRT-LLM `serve/openai_protocol.py`";
    "migration_request" Null, "LMDeploy", "whose cache, on which engine", "LMDeploy `pytorch/disagg/conn/protocol.py`";
    "with_cache" False, "LMDeploy", "memory that is kept after the reply", "LMDeploy `serve/openai/chat_completions/serving.py`";
    "preserve_cache" False, "LMDeploy", "memory that is kept after the reply", "LMDeploy `serve/openai/chat_completions/serving.py`";
    "nvext" Empty, "Dynamo, NIM", "which worker, the place in the queue, tokens in place of the prompt", "Dynamo `lib/llm/src/protocols/openai/nvext.rs`";
    "upscaling_model_path" Null, "SGLang Diffusion", "a model that is loaded from any path", "SGLang `multimodal_gen/runtime/entrypoints/openai/protocol.py`";
    "frame_interpolation_model_path" Null, "SGLang Diffusion", "a model that is loaded from any path", "SGLang `multimodal_gen/runtime/entrypoints/openai/protocol.py`";
    "perf_dump_path" Null, "SGLang Diffusion", "a file that is written", "SGLang `multimodal_gen/runtime/managers/gpu_worker.py`";
    "output_path" Null, "SGLang Diffusion", "a file that is written", "SGLang `multimodal_gen/runtime/managers/gpu_worker.py`";
    "diffusers_kwargs" Empty, "SGLang Diffusion", "any argument of its pipeline", "SGLang `multimodal_gen/runtime/managers/gpu_worker.py`";
    "backend" Null, "LocalAI", "which engine", "LocalAI `core/schema/openai.go`";
    "model_base_name" Null, "LocalAI", "which file", "LocalAI `core/schema/openai.go`";
    "dd_api_key" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "dd_site" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "dd_agent_host" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "dd_agent_port" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "wandb_api_key" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "weave_project_id" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "humanloop_api_key" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "langfuse_*" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "langsmith_*" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "arize_*" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "posthog_*" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "newrelic_*" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "signoz_*" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "gcs_*" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "s3_*" Null, "LiteLLM", "where its logs go", "LiteLLM `proxy/auth/auth_utils.py`";
    "aws_*" Null, "LiteLLM", "credentials and hosts of a cloud", "LiteLLM `types/litellm_params.py`";
    "vertex_*" Null, "LiteLLM", "credentials and hosts of a cloud", "LiteLLM `types/litellm_params.py`";
    "azure_*" Null, "LiteLLM", "credentials and hosts of a cloud", "LiteLLM `types/litellm_params.py`";
    "oci_*" Null, "LiteLLM", "credentials and hosts of a cloud", "LiteLLM `types/litellm_params.py`";
    "watsonx_*" Null, "LiteLLM", "credentials and hosts of a cloud", "LiteLLM `types/litellm_params.py`";
    "github_copilot_*" Null, "LiteLLM", "credentials and hosts of a cloud", "LiteLLM `types/litellm_params.py`";
    "token_exchange_*" Null, "LiteLLM", "credentials and hosts of a cloud", "LiteLLM `types/litellm_params.py`";
    "auto_router_*" Null, "LiteLLM", "which model", "LiteLLM `types/litellm_params.py`";
    "complexity_router_*" Null, "LiteLLM", "which model", "LiteLLM `types/litellm_params.py`";
    "adaptive_router_*" Null, "LiteLLM", "which model", "LiteLLM `types/litellm_params.py`";
    "quality_router_*" Null, "LiteLLM", "which model", "LiteLLM `types/litellm_params.py`";
    "input_cost_per_*" Null, "LiteLLM", "prices", "LiteLLM `types/utils.py`";
    "output_cost_per_*" Null, "LiteLLM", "prices", "LiteLLM `types/utils.py`";
    "cache_read_input_*" Null, "LiteLLM", "prices", "LiteLLM `types/utils.py`";
    "cache_creation_input_*" Null, "LiteLLM", "prices", "LiteLLM `types/utils.py`";
    "_*" Null, "LiteLLM", "what its router keeps of a request", "LiteLLM `router.py`";
};

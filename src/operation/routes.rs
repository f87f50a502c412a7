//! Every route that inference servers serve, and what becomes of it here: for the reference, for `tollgate check`, and to
//! test the table of operations by.
//!
//! Read in: vLLM 0.33.0 (4ba787ec9), `vllm/entrypoints/`; `SGLang` 0.5.23, `srt/entrypoints/`; routes that they have dropped stay
//! for those who run older ones; llama.cpp, `tools/server/server.cpp` at 00dd0816; TGI, `router/src/server.rs`
//! at db931fcf; TEI, `router/src/http/server.rs` at 0d124dc9; the API reference of `OpenAI`.

use super::Operation;

/// What becomes of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is an operation of the table.
    Served(Operation),
    /// It is refused, unless the configuration lists it.
    Refused(Why),
}

/// Why a route is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A model works, and the request does not say which one in a way that can be held to a rule.
    Inference,
    /// It reaches what others have stored.
    Stored,
    /// It works on text, without a model that is named.
    Text,
    /// It tells something about the server.
    Status,
    /// It changes the server.
    Administration,
}

impl Why {
    /// The reason, as the reference has it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Inference => {
                "refused: a model works, and none is named in a way that can be judged; in `extraPaths` it would be neither judged nor counted"
            }
            Self::Stored => {
                "refused: it reaches what was stored, and the server does not know whose that is"
            }
            Self::Text => {
                "refused: it works on text, and names no model that could be judged; `extraPaths`, where clients need it"
            }
            Self::Status => {
                "refused: it tells about the server; `publicPaths` or `extraPaths`, where somebody needs it"
            }
            Self::Administration => {
                "refused: it changes the server, or gets behind it; for administrators, if at all"
            }
        }
    }
}

use Fate::{Refused, Served};

/// Server, fate, and methods with paths, between commas; `{name}` is any segment.
pub const ROUTES: &[(&str, Fate, &str)] = &[
    ("vLLM", Served(Operation::Chat), "POST /v1/chat/completions"),
    (
        "vLLM",
        Served(Operation::Completions),
        "POST /v1/completions",
    ),
    ("vLLM", Served(Operation::Responses), "POST /v1/responses"),
    ("vLLM", Served(Operation::Messages), "POST /v1/messages"),
    (
        "vLLM",
        Served(Operation::CountTokens),
        "POST /v1/messages/count_tokens",
    ),
    (
        "vLLM",
        Served(Operation::Embeddings),
        "POST /v1/embeddings, POST /v2/embed",
    ),
    ("vLLM", Served(Operation::Pooling), "POST /pooling"),
    ("vLLM", Served(Operation::Classify), "POST /classify"),
    (
        "vLLM",
        Served(Operation::Score),
        "POST /score, POST /v1/score",
    ),
    (
        "vLLM",
        Served(Operation::Rerank),
        "POST /rerank, POST /v1/rerank, POST /v2/rerank",
    ),
    (
        "vLLM",
        Served(Operation::Transcribe),
        "POST /v1/audio/transcriptions",
    ),
    (
        "vLLM",
        Served(Operation::Translate),
        "POST /v1/audio/translations",
    ),
    // The body is that of OpenAI's Decisions API, or System One's: `model` is a member of it in both.
    (
        "vLLM",
        Served(Operation::Decisions),
        "POST /v1/decisions, POST /v1/systemone",
    ),
    ("vLLM", Served(Operation::ListModels), "GET /v1/models"),
    (
        "vLLM",
        Refused(Why::Stored),
        "GET /v1/responses/{id}, POST /v1/responses/{id}/cancel",
    ),
    (
        "vLLM",
        Refused(Why::Text),
        "POST /v1/chat/completions/render, POST /v1/completions/render, POST /cohere/v2/chat/render, \
         POST /v1/messages/render, POST /v1/responses/render, POST /v1/chat/completions/derender, POST \
         /v1/completions/derender",
    ),
    (
        "vLLM",
        Refused(Why::Inference),
        "POST /cohere/v2/chat, POST /inference/v1/generate, POST /invocations, POST /v1/chat/completions/batch, \
         POST /generative_scoring, GET /v1/realtime",
    ),
    (
        "vLLM",
        Refused(Why::Administration),
        "POST /abort_requests, POST /reset_prefix_cache, POST /reset_mm_cache, POST /reset_encoder_cache, POST \
         /sleep, POST /wake_up, POST /pause, POST /pause/step, POST /resume, POST /collective_rpc, POST \
         /scale_elastic_ep, POST /start_profile, POST /stop_profile, POST /v1/load_lora_adapter, POST \
         /v1/unload_lora_adapter, POST /init_weight_transfer_engine, POST /start_weight_update, POST \
         /start_draft_weight_update, POST /update_weights, POST /finish_weight_update, POST \
         /update_weight_version, POST /weight_checker, POST /shutdown_weight_transfer_engine, POST \
         /release_kv_cache_memory, POST /inference/v1/abort_requests, POST /fault_tolerance/apply",
    ),
    (
        "vLLM",
        Refused(Why::Status),
        "GET /health, GET /load, GET /ping, POST /ping, GET /version, GET /metrics, GET /docs, GET /redoc, GET \
         /openapi.json, GET /tokenizer_info, GET /server_info, GET /is_sleeping, GET /is_paused, POST \
         /is_scaling_elastic_ep, GET /weight_info, GET /get_world_size, GET /fault_tolerance/status, GET \
         /kv_event_sources, GET /ready, GET /readyz, GET /static/{file}",
    ),
    ("vLLM", Served(Operation::Tokenize), "POST /tokenize"),
    ("vLLM", Served(Operation::Detokenize), "POST /detokenize"),
    (
        "SGLang",
        Served(Operation::Chat),
        "POST /v1/chat/completions",
    ),
    (
        "SGLang",
        Served(Operation::Completions),
        "POST /v1/completions",
    ),
    (
        "SGLang",
        Served(Operation::Embeddings),
        "POST /v1/embeddings",
    ),
    (
        "SGLang",
        Served(Operation::Classify),
        "POST /v1/classify, POST /classify",
    ),
    ("SGLang", Served(Operation::Score), "POST /v1/score"),
    ("SGLang", Served(Operation::Responses), "POST /v1/responses"),
    ("SGLang", Served(Operation::Rerank), "POST /v1/rerank"),
    (
        "SGLang",
        Served(Operation::Decisions),
        "POST /v1/decisions, POST /v1/systemone",
    ),
    (
        "SGLang",
        Refused(Why::Inference),
        "PUT /v1/rerank, PUT /classify, POST /generate, PUT /generate, POST /generate_from_file, POST /encode, \
         PUT /encode, POST /invocations, POST /vertex_generate, POST /api/chat, POST /api/generate, \
         GET /v1/realtime",
    ),
    ("SGLang", Served(Operation::ListModels), "GET /v1/models"),
    (
        "SGLang",
        Served(Operation::ShowModel),
        "GET /v1/models/{model}",
    ),
    (
        "SGLang",
        Refused(Why::Stored),
        "GET /v1/responses/{id}, POST /v1/responses/{id}/cancel, GET /open_session, POST /open_session, GET \
         /close_session, POST /close_session",
    ),
    (
        "SGLang",
        Served(Operation::Tokenize),
        "POST /v1/tokenize, POST /tokenize",
    ),
    (
        "SGLang",
        Served(Operation::Detokenize),
        "POST /v1/detokenize, POST /detokenize",
    ),
    (
        "SGLang",
        Refused(Why::Status),
        "GET /health, GET /health_generate, GET /get_model_info, GET /get_weight_version, GET /get_server_info, \
         GET /get_load, GET /ping, GET /openapi.json, GET /api/tags, POST /api/show, GET /, GET /model_info, GET \
         /weight_version, GET /server_info, HEAD /, GET /ready, GET /v1/loads, GET /is_scaling_elastic_ep, GET \
         /list_external_corpora, GET /get_hicache_l3_cache_layout, GET /remote_instance_transfer_engine_info",
    ),
    (
        "SGLang",
        Refused(Why::Administration),
        "POST /set_internal_state, PUT /set_internal_state, GET /flush_cache, POST /flush_cache, GET \
         /clear_hicache_storage_backend, POST /clear_hicache_storage_backend, GET /start_profile, POST \
         /start_profile, GET /stop_profile, POST /stop_profile, GET /freeze_gc, POST /freeze_gc, GET \
         /start_expert_distribution_record, POST /start_expert_distribution_record, GET \
         /stop_expert_distribution_record, POST /stop_expert_distribution_record, GET \
         /dump_expert_distribution_record, POST /dump_expert_distribution_record, POST /update_weights_from_disk, \
         POST /init_weights_send_group_for_remote_instance, POST /send_weights_to_remote_instance, POST \
         /init_weights_update_group, POST /destroy_weights_update_group, POST /update_weights_from_tensor, POST \
         /update_weights_from_distributed, POST /update_weights_from_ipc, POST /update_weight_version, GET \
         /get_weights_by_name, POST /get_weights_by_name, GET /release_memory_occupation, POST \
         /release_memory_occupation, GET /resume_memory_occupation, POST /resume_memory_occupation, GET \
         /slow_down, POST /slow_down, POST /load_lora_adapter, POST /unload_lora_adapter, GET /configure_logging, \
         POST /configure_logging, POST /abort_request, POST /pause_generation, POST /continue_generation, POST \
         /hicache/storage-backend/clear, PUT /hicache/storage-backend, DELETE /hicache/storage-backend, GET \
         /hicache/storage-backend, POST /hicache/pin_prefix, GET /set_trace_level, POST /set_trace_level, POST \
         /dumper/{method}, GET /get_remote_instance_transfer_engine_info, POST /weights_checker, GET \
         /weights_checker, POST /load_lora_adapter_from_tensors, POST /begin_weight_update, POST \
         /end_weight_update, POST /pd_role_switch, POST /scale_elastic_ep, POST /add_external_corpus, POST \
         /remove_external_corpus",
    ),
    (
        "SGLang",
        Refused(Why::Text),
        "POST /parse_function_call, POST /separate_reasoning",
    ),
    ("SGLang", Served(Operation::Messages), "POST /v1/messages"),
    (
        "SGLang",
        Served(Operation::CountTokens),
        "POST /v1/messages/count_tokens",
    ),
    (
        "SGLang",
        Served(Operation::Transcribe),
        "POST /v1/audio/transcriptions",
    ),
    (
        "llama.cpp",
        Served(Operation::Completions),
        "POST /v1/completions",
    ),
    (
        "llama.cpp",
        Served(Operation::Chat),
        "POST /v1/chat/completions, POST /chat/completions",
    ),
    (
        "llama.cpp",
        Served(Operation::Responses),
        "POST /v1/responses, POST /responses",
    ),
    (
        "llama.cpp",
        Served(Operation::Messages),
        "POST /v1/messages",
    ),
    (
        "llama.cpp",
        Served(Operation::Embeddings),
        "POST /v1/embeddings",
    ),
    (
        "llama.cpp",
        Served(Operation::Rerank),
        "POST /rerank, POST /reranking, POST /v1/rerank, POST /v1/reranking",
    ),
    (
        "llama.cpp",
        Served(Operation::Transcribe),
        "POST /v1/audio/transcriptions, POST /audio/transcriptions",
    ),
    (
        "llama.cpp",
        Served(Operation::CountTokens),
        "POST /v1/messages/count_tokens, POST /v1/chat/completions/input_tokens, POST /v1/responses/input_tokens, \
         POST /chat/completions/input_tokens, POST /responses/input_tokens",
    ),
    (
        "llama.cpp",
        Served(Operation::ListModels),
        "GET /v1/models, GET /models",
    ),
    (
        "llama.cpp",
        Refused(Why::Administration),
        "POST /models, DELETE /models, POST /models/load, POST /models/unload, GET /props, POST /props, POST \
         /v1/chat/completions/control, GET /lora-adapters, POST /lora-adapters, GET /slots, POST /slots/{id}, GET \
         /cors-proxy, POST /cors-proxy, GET /tools, POST /tools",
    ),
    (
        "llama.cpp",
        Refused(Why::Status),
        "GET /models/sse, GET /health, GET /v1/health, GET /metrics",
    ),
    (
        "llama.cpp",
        Refused(Why::Inference),
        "POST /completion, POST /completions, POST /infill, POST /embedding, POST /embeddings",
    ),
    ("llama.cpp", Served(Operation::Tokenize), "POST /tokenize"),
    (
        "llama.cpp",
        Served(Operation::Detokenize),
        "POST /detokenize",
    ),
    ("llama.cpp", Refused(Why::Text), "POST /apply-template"),
    (
        "llama.cpp",
        Refused(Why::Stored),
        "GET /v1/stream/{id}, DELETE /v1/stream/{id}, GET /v1/streams",
    ),
    ("TGI", Served(Operation::Chat), "POST /v1/chat/completions"),
    (
        "TGI",
        Served(Operation::Completions),
        "POST /v1/completions",
    ),
    ("TGI", Served(Operation::ListModels), "GET /v1/models"),
    (
        "TGI",
        Refused(Why::Inference),
        "POST /, POST /generate, POST /generate_stream, POST /vertex, POST /invocations, POST \
         /v2/models/{model}/versions/{version}/infer",
    ),
    (
        "TGI",
        Refused(Why::Status),
        "GET /, GET /info, GET /health, GET /ping, GET /metrics, GET /docs, GET /api-doc/openapi.json, GET \
         /v2/models/{model}/versions/{version}, GET /v2/models/{model}/versions/{version}/ready, GET \
         /v2/health/ready, GET /v2/health/live, GET /v2",
    ),
    ("TGI", Served(Operation::Tokenize), "POST /tokenize"),
    ("TGI", Refused(Why::Text), "POST /chat_tokenize"),
    (
        "TEI",
        Refused(Why::Inference),
        "POST /embeddings, POST /embed, POST /embed_all, POST /embed_sparse, POST /predict, POST /similarity, \
         POST /vertex, POST /invocations, POST /",
    ),
    ("TEI", Served(Operation::Embeddings), "POST /v1/embeddings"),
    ("TEI", Served(Operation::Rerank), "POST /rerank"),
    ("TEI", Served(Operation::Tokenize), "POST /tokenize"),
    ("TEI", Refused(Why::Text), "POST /decode"),
    (
        "TEI",
        Refused(Why::Status),
        "GET /info, GET /health, GET /, GET /ping, GET /metrics, GET /docs, GET /api-doc/openapi.json",
    ),
    (
        "OpenAI, Azure OpenAI",
        Served(Operation::GenerateImages),
        "POST /v1/images/generations",
    ),
    (
        "OpenAI, Azure OpenAI",
        Served(Operation::EditImages),
        "POST /v1/images/edits",
    ),
    (
        "OpenAI, Azure OpenAI",
        Served(Operation::VaryImage),
        "POST /v1/images/variations",
    ),
    (
        "OpenAI, Azure OpenAI",
        Served(Operation::Speech),
        "POST /v1/audio/speech",
    ),
    (
        "OpenAI, Azure OpenAI",
        Refused(Why::Stored),
        "POST /v1/files, POST /v1/batches, POST /v1/uploads, POST /v1/fine_tuning/jobs, GET /v1/chat/completions, \
         POST /v1/videos, GET /v1/responses/{id}, DELETE /v1/responses/{id}, POST /v1/responses/{id}/cancel, GET \
         /v1/responses/{id}/input_items, GET /v1/files, GET /v1/files/{id}/content, POST /v1/batches/{id}/cancel, \
         POST /v1/conversations, POST /v1/assistants, POST /v1/threads, POST /v1/vector_stores, POST \
         /v1/containers, POST /v1/evals",
    ),
    (
        "OpenAI, Azure OpenAI",
        Refused(Why::Administration),
        "DELETE /v1/models/{model}",
    ),
    (
        "OpenAI, Azure OpenAI",
        Refused(Why::Inference),
        "GET /v1/realtime",
    ),
    (
        "OpenAI, Azure OpenAI",
        Served(Operation::Chat),
        "POST /openai/deployments/{model}/chat/completions",
    ),
    (
        "OpenAI, Azure OpenAI",
        Served(Operation::Completions),
        "POST /openai/deployments/{model}/completions",
    ),
    (
        "OpenAI, Azure OpenAI",
        Served(Operation::Embeddings),
        "POST /openai/deployments/{model}/embeddings",
    ),
    (
        "OpenAI, Azure OpenAI",
        Served(Operation::Moderations),
        "POST /v1/moderations",
    ),
    (
        "OpenAI, Azure OpenAI",
        Served(Operation::Responses),
        "POST /v1/responses/compact",
    ),
];

/// Whether a request line reaches a model, on some server, without being judged: a route of [`Why::Inference`], or one of
/// the table under a prefix or in a spelling that the table does not know.
#[must_use]
pub fn is_unjudged_inference(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let ends_with = |known: &str| {
        let rest = path.strip_suffix(known.trim_end_matches('/'));
        !known.trim_end_matches('/').is_empty() && rest.is_some()
    };
    let unjudged = ROUTES.iter().filter_map(|(_, fate, routes)| match fate {
        Refused(Why::Inference) => Some(routes.split(", ")),
        _ => None,
    });
    let paths = unjudged.flatten().filter_map(|route| route.split_once(' '));
    let fits = |known: &str| match known.rsplit_once('}') {
        Some((_, end)) => ends_with(end),
        None => ends_with(known),
    };
    let mut judged = super::INFERENCE.iter();
    paths.map(|(_, path)| path).any(fits)
        || judged.any(|(known, operation)| {
            let is_known = ends_with(known) || known.strip_prefix("/v1").is_some_and(ends_with);
            is_known && operation.metered() != crate::meter::Work::Other
        })
}

/// Whether the table has this path itself, for what is counted: then it comes before `extraPaths`.
#[must_use]
pub fn is_in_table(path: &str) -> bool {
    let mut judged = super::INFERENCE.iter();
    judged.any(|(known, operation)| *known == path && !operation.may_be_extra())
}

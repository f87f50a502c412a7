//! Request headers with which a client could steer a scheduler, a router, a sidecar, a server or Envoy, or claim an
//! identity.
//!
//! They are removed from every request. Names are compared in lower case with `_` read as `-`, because servers that
//! turn headers into variables (CGI, WSGI) cannot distinguish the two.

use crate::json::NameSet;

/// Longest name that is looked up, in bytes. All listed names are shorter.
const MAX_NAME: usize = 64;

/// One such header.
#[derive(Debug, Clone, Copy)]
pub struct Owned {
    /// The name in lower case, or a prefix and `*`.
    pub name: &'static str,
    /// The system that reads it.
    #[cfg(feature = "command")]
    pub system: &'static str,
    /// What a client could control with it.
    #[cfg(feature = "command")]
    pub effect: &'static str,
    /// The source of this information.
    #[cfg(feature = "command")]
    pub source: &'static str,
}

macro_rules! owned {
    ($($name:literal, $system:literal, $effect:literal, $source:literal;)*) => {
        &[$(Owned {
            name: $name,
            #[cfg(feature = "command")]
            system: $system,
            #[cfg(feature = "command")]
            effect: $effect,
            #[cfg(feature = "command")]
            source: $source,
        }),*]
    };
}

/// Exceptions that pass: Envoy or a filter of Istio sets these before the filter sees the request.
pub const SPARED: [&str; 8] = [
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
];

/// All such headers. `x-ai-eg-*` is not among them: Envoy AI Gateway's own filter sets these in front of this one.
/// Headers of stock clients (`x-stainless-*`, `anthropic-*`, `openai-*`, sessions of coding agents) and of proxies in
/// front (`x-forwarded-for`, `traceparent`) are not among them either.
pub const OWNED: &[Owned] = owned! {
    "x-tollgate-*", "Tollgate", "the filter's statements about the caller", "";
    "x-llm-d-*", "llm-d", "fairness, objective, model, deadline", "llm-d router `pkg/epp/metadata/consts.go`";
    "x-gateway-*", "Gateway API Inference Extension, Istio, Envoy AI Gateway", "endpoint, fairness, objective, model; two of them [name the model](#headers-that-name-the-model)", "`pkg/lwepp/metadata/consts.go`";
    "x-slo-*", "llm-d", "the place in the queue", "llm-d router `pkg/epp/util/request/headers.go`";
    "x-prefiller-host-port", "llm-d sidecar", "the host that gets the prompt", "llm-d router `pkg/common/routing/common.go`";
    "x-prefiller-url", "llm-d sidecar", "the same, in older releases", "llm-d router, issue 242";
    "x-encoder-hosts-ports", "llm-d sidecar", "the hosts that get the images", "llm-d router `pkg/common/routing/common.go`";
    "x-kv-cache-source-host-port", "llm-d sidecar", "the host that provides the cache", "llm-d router `pkg/common/routing/common.go`";
    "x-data-parallel-host-port", "llm-d sidecar", "the worker", "llm-d router `pkg/common/routing/common.go`";
    "x-data-parallel-rank", "vLLM, SGLang, Dynamo", "the worker", "vLLM `entrypoints/generate/base/serving.py`";
    "epp-profile", "llm-d", "the scheduling profile", "llm-d router `headerprofile/header_profile_handler.go`";
    "prefer", "llm-d", "with `if-available`, 412 instead of queueing", "llm-d router `pkg/common/routing/common.go`";
    "test-epp-endpoint-selection", "llm-d", "the endpoint", "llm-d router `scheduling/test/consts.go`";
    "x-envoy-*", "Envoy", "retries, timeouts, hedging, the destination, faults, statistics", "Envoy, “HTTP header manipulation” and “Router”";
    "x-eg-internal-*", "Envoy Gateway", "facts that its authorization rules match", "Envoy Gateway `internal/xds/translator/geoip.go`";
    "x-aigw-*", "Envoy AI Gateway", "the credential for the provider", "Envoy AI Gateway `api/v1beta1/backendsecurity_policy.go`";
    "x-vllm-*", "vLLM", "the place in the queue", "vLLM `entrypoints/generate/base/serving.py`";
    "x-override-*", "SGLang", "the host that provides the cache, worker, place in the queue", "SGLang `srt/entrypoints/request_headers.py`";
    "x-smg-*", "SGLang", "worker, tenant, place in the queue", "SGLang model gateway `routers/common/header_utils.rs`";
    "x-sglext-*", "SGLang", "the framing of the reply", "SGLang `srt/entrypoints/openai/serving_chat.py`";
    "x-target-worker", "SGLang", "the worker, in older routers", "SGLang router";
    "x-body-compressed", "SGLang", "whether the body is decompressed", "SGLang `srt/entrypoints/http_request_decompression.py`";
    "x-custom-labels", "SGLang", "labels of its metrics", "SGLang `srt/arg_groups/fields/observability.py`";
    "x-dynamo-*", "NVIDIA Dynamo", "worker, tenant, place in the queue, tokens instead of the prompt", "Dynamo `lib/llm/src/http/service/metadata.rs`";
    "x-epp-*", "NVIDIA Dynamo", "tokens instead of the prompt", "Dynamo, its plug-in for the endpoint picker";
    "x-worker-instance-id", "NVIDIA Dynamo", "the worker", "Dynamo `lib/llm/src/protocols/openai/nvext.rs`";
    "x-prefill-instance-id", "NVIDIA Dynamo", "the worker", "Dynamo `lib/llm/src/protocols/openai/nvext.rs`";
    "x-dp-rank", "NVIDIA Dynamo", "the worker", "Dynamo `lib/llm/src/protocols/openai/nvext.rs`";
    "x-prefill-dp-rank", "NVIDIA Dynamo", "the worker", "Dynamo `lib/llm/src/protocols/openai/nvext.rs`";
    "x-enable-local-updates", "NVIDIA Dynamo", "the router's records", "Dynamo, its plug-in for the endpoint picker";
    "x-priority", "NVIDIA Cloud Functions", "the place in the queue", "NVIDIA/nvcf, pull request 620";
    "x-aibrix-*", "AIBrix", "the pod, the profile", "AIBrix `pkg/constants/gateway.go`";
    "target-pod", "AIBrix", "the address of the request", "AIBrix `config/gateway/gateway.yaml`";
    "target-pod-*", "AIBrix", "the same", "AIBrix `pd_disaggregation.go`";
    "prefill-target-pod*", "AIBrix", "the same", "AIBrix `pd_disaggregation.go`";
    "routing-strategy", "AIBrix", "how a pod is chosen", "AIBrix `gateway_req_headers.go`";
    "external-filter", "AIBrix", "the pods to choose from", "AIBrix `gateway_req_headers.go`";
    "config-profile", "AIBrix", "the profile", "AIBrix `gateway_req_headers.go`";
    "user", "AIBrix", "the user whose limits apply", "AIBrix `gateway_req_headers.go`";
    "model", "AIBrix", "the route", "AIBrix `modelrouter_controller.go`";
    "serve-multiplexed-model-id", "Ray Serve", "the model, the adapter, the replica", "Ray `serve/_private/proxy.py`";
    "x-serve-router-*", "Ray Serve", "the state of its router", "Ray `serve/_private/constants.py`";
    "x-request-timeout-seconds", "Ray Serve", "the deadline", "Ray `serve/_private/http_util.py`";
    "x-request-disconnect-disabled", "Ray Serve", "whether work continues after the client disconnects", "Ray `serve/_private/http_util.py`";
    "x-conversation-id", "llama.cpp", "another client's stream to end, work that continues after the client disconnects", "llama.cpp `tools/server/server-stream.cpp`";
    "x-litellm-*", "LiteLLM", "model, place in the queue, retries, team, tags, key", "LiteLLM `proxy/litellm_pre_call_utils.py`";
    "x-pass-*", "LiteLLM", "any other header, without the prefix", "LiteLLM `passthrough/utils.py`";
    "x-portkey-*", "Portkey", "provider, host, key, retries", "Portkey `src/globals.ts`";
    "x-vsr-*", "vLLM semantic router", "skipping its rules", "semantic-router `pkg/headers/headers.go`";
    "x-selected-model", "vLLM semantic router", "the route", "semantic-router `pkg/headers/headers.go`";
    "x-label-selector", "KubeAI", "the models", "KubeAI `internal/apiutils/request.go`";
    "knative-serving-*", "Knative, KServe", "the revision", "knative/serving `pkg/activator/activator.go`";
    "seldon-*", "Seldon", "the model", "seldon-core `scheduler/pkg/util/constants.go`";
    "x-seldon-route", "Seldon", "the experiment", "seldon-core `scheduler/pkg/util/constants.go`";
    "azureml-model-deployment", "Azure ML", "the deployment", "Azure ML, “Invoke endpoints”";
    "x-goog-user-project", "Google", "who pays", "google-auth-library-python, issue 400";
    "x-http-*", "frameworks", "another method, another host", "“Method override”";
    "x-method-override", "frameworks", "another method", "“Method override”";
    "x-original-method", "frameworks", "another method", "nginx, Traefik";
    "x-original-url", "frameworks", "another path", "Symfony, IIS";
    "x-rewrite-url", "frameworks", "another path", "Symfony, IIS";
    "x-original-uri", "frameworks", "another path", "nginx";
    "x-original-path", "frameworks", "another path", "llm-d router `pkg/epp/framework/common/request/headers.go`";
    "x-forwarded-uri", "frameworks", "another path", "Traefik";
    "x-forwarded-path", "frameworks", "another path", "Traefik";
    "x-forwarded-method", "frameworks", "another method", "Traefik";
    "x-accel-*", "Rack, Plack", "files to send", "CVE-2025-61780";
    "x-sendfile-type", "Rack, Plack", "files to send", "CVE-2025-61780";
};

/// The list with the changes of the configuration.
#[derive(Debug)]
pub struct OwnedHeaders {
    owned: NameSet,
    spared: NameSet,
    /// Those that the configuration adds.
    configured: NameSet,
}

impl OwnedHeaders {
    /// `strip` and `allow` are names in lower case, or prefixes and `*`. Allowed names pass.
    #[must_use]
    pub fn new(strip: &[String], allow: &[String]) -> Self {
        let list = OWNED.iter().map(|owned| owned.name);
        let spared = SPARED.into_iter().chain(allow.iter().map(String::as_str));
        Self {
            owned: set(list.chain(strip.iter().map(String::as_str))),
            spared: set(spared),
            configured: set(strip.iter().map(String::as_str)),
        }
    }

    /// Whether the configuration asks for the removal of a header of this name, written in lower case and with `-`.
    #[must_use]
    pub fn is_configured(&self, name: &[u8]) -> bool {
        self.configured.find(name).is_some()
    }

    /// Whether a header of this name is to be removed.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        let mut room = [0; MAX_NAME];
        let name = if name.contains(&b'_') {
            // The beginning of a longer name is enough.
            for (plain, byte) in room.iter_mut().zip(name) {
                *plain = if *byte == b'_' { b'-' } else { *byte };
            }
            room.get(..name.len()).unwrap_or(&room)
        } else {
            name
        };
        self.owned.find(name).is_some() && self.spared.find(name).is_none()
    }
}

impl Default for OwnedHeaders {
    fn default() -> Self {
        Self::new(&[], &[])
    }
}

fn set<'a>(names: impl Iterator<Item = &'a str>) -> NameSet {
    let mut set = NameSet::default();
    for name in names {
        set.insert(&name.replace('_', "-"), 0);
    }
    set
}

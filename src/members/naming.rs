//! Members that name further models, adapters or drafts.

use crate::model_name::MAX_NAME;

/// Every escape of a name of 256 bytes fits: six bytes for each character, and the quotes.
pub(super) const NAME: usize = MAX_NAME * 6 + 2;

/// What a member that names models may hold, beside null. Everything else is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One name.
    Name,
    /// A list, whose entries have a row of their own.
    List,
    /// One name, or a list.
    NameOrList,
    /// One name, or an object that names a model.
    NameOrEntry,
    /// The name that makes such an object one.
    NameOfEntry,
    /// Nothing: a chain of fallbacks has no chains.
    Nothing,
}

impl Shape {
    /// How many bytes of the value are kept.
    pub(super) const fn cap(self) -> usize {
        match self {
            Self::List | Self::Nothing => 0,
            Self::Name | Self::NameOrList | Self::NameOrEntry | Self::NameOfEntry => NAME,
        }
    }
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Naming {
    /// Its place in the body, for people.
    pub(crate) name: &'static str,
    pub(super) path: &'static [&'static str],
    pub(super) shape: Shape,
    /// Which servers read it.
    #[cfg(feature = "command")]
    pub(crate) servers: &'static str,
    /// What they do with it.
    #[cfg(feature = "command")]
    pub(crate) effect: &'static str,
    /// Where that is written.
    #[cfg(all(test, feature = "command"))]
    pub(crate) source: &'static str,
}

macro_rules! naming {
    ($($name:literal $path:expr, $shape:ident, $servers:literal, $effect:literal, $source:literal;)*) => {
        [$(Naming {
            name: $name,
            path: &$path,
            shape: Shape::$shape,
            #[cfg(feature = "command")]
            servers: $servers,
            #[cfg(feature = "command")]
            effect: $effect,
            #[cfg(all(test, feature = "command"))]
            source: $source,
        }),*]
    };
}

/// All of them.
pub(crate) const NAMING: [Naming; 22] = naming! {
    "fallbacks" ["fallbacks"], List, "LiteLLM, Anthropic (beta), OpenRouter", "models that are tried when `model` fails", "LiteLLM `litellm_core_utils/fallback_utils.py`; Anthropic SDK `types/beta/beta_fallbacks_param.py`";
    "fallbacks[]" ["fallbacks", "[]"], NameOrEntry, "LiteLLM, OpenRouter", "one of them: a name, or an object with `model`", "LiteLLM `router_utils/fallback_event_handlers.py`";
    "fallbacks[].model" ["fallbacks", "[]", "model"], NameOfEntry, "LiteLLM, Anthropic (beta), OpenRouter", "its name", "Anthropic SDK `types/beta/beta_fallback_param.py`; OpenRouter SDK `messagesfallbackparam.py`";
    "fallbacks[].fallbacks" ["fallbacks", "[]", "fallbacks"], Nothing, "LiteLLM", "the same as at the top, of the request that is tried again", "LiteLLM `router_utils/fallback_event_handlers.py`";
    "fallbacks[].models" ["fallbacks", "[]", "models"], Nothing, "LiteLLM", "the same as at the top, of the request that is tried again", "LiteLLM `router_utils/fallback_event_handlers.py`";
    "fallbacks[].lora_path" ["fallbacks", "[]", "lora_path"], Nothing, "LiteLLM", "the same as at the top, of the request that is tried again", "LiteLLM `router_utils/fallback_event_handlers.py`";
    "fallbacks[].draft_model" ["fallbacks", "[]", "draft_model"], Nothing, "LiteLLM", "the same as at the top, of the request that is tried again", "LiteLLM `router_utils/fallback_event_handlers.py`";
    "fallbacks[].deployment_id" ["fallbacks", "[]", "deployment_id"], Nothing, "LiteLLM", "the same as at the top, of the request that is tried again", "LiteLLM `router_utils/fallback_event_handlers.py`";
    "models" ["models"], List, "OpenRouter", "models that are tried in this order", "OpenRouter, “Model routing”";
    "models[]" ["models", "[]"], Name, "OpenRouter", "one of them", "OpenRouter SDK `chatrequest.py`";
    "lora_path" ["lora_path"], NameOrList, "SGLang", "the adapter, or one for each prompt", "SGLang `srt/entrypoints/openai/protocol.py`";
    "lora_path[]" ["lora_path", "[]"], Name, "SGLang", "one of them", "SGLang `srt/entrypoints/openai/serving_base.py`";
    "draft_model" ["draft_model"], Name, "mlx-lm, LM Studio", "the model that drafts; loaded if it is not there", "mlx-lm `mlx_lm/server.py`";
    "deployment_id" ["deployment_id"], Name, "LiteLLM", "takes the place of `model`", "LiteLLM `main.py`";
    "tools[].model" ["tools", "[]", "model"], Name, "Anthropic, OpenAI, OpenRouter", "the model of an advisor or an image tool", "Anthropic SDK `types/beta/beta_advisor_tool_20260301_param.py`; OpenAI SDK `types/responses/tool_param.py`";
    "tools[].parameters.model" ["tools", "[]", "parameters", "model"], Name, "OpenRouter", "the model of a server tool", "OpenRouter SDK `advisorservertoolconfig.py`";
    "tools[].parameters.analysis_models" ["tools", "[]", "parameters", "analysis_models"], List, "OpenRouter", "models of a server tool", "OpenRouter SDK `fusionservertoolconfig.py`";
    "tools[].parameters.analysis_models[]" ["tools", "[]", "parameters", "analysis_models", "[]"], Name, "OpenRouter", "one of them", "OpenRouter SDK `fusionservertoolconfig.py`";
    "tools[].svg.model" ["tools", "[]", "svg", "model"], Name, "OpenAI", "the model that draws", "OpenAI SDK `types/responses/tool_param.py`";
    "svg.model" ["svg", "model"], Name, "OpenAI", "the model that draws", "OpenAI SDK `types/image_generate_params.py`";
    "moderation.model" ["moderation", "model"], Name, "OpenAI", "the model that moderates", "OpenAI SDK `types/chat/completion_create_params.py`";
    "parameters.adapter_id" ["parameters", "adapter_id"], Name, "TGI", "the adapter", "TGI `router/src/lib.rs`";
};

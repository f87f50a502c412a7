//! The closed table of operations, one row each with everything that is fixed for it, including its paths.

use crate::meter;
use crate::rows::named;

/// The format of a body. Only the path determines it: if the content type did, a body could be JSON here and a form to
/// a server that goes by the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelIn {
    /// The member `model` of a JSON object.
    Json,
    /// The field `model` of a `multipart/form-data` form.
    Form,
}

/// Prefixes with which gateways serve the same APIs.
pub(crate) const PREFIXES: [&str; 3] = ["/openai", "/anthropic", "/cohere"];

/// Paths that other servers serve as something else than what the table means when their `/v1` is missing, and as what.
pub(crate) const AMBIGUOUS: [(&str, &str); 4] = [
    (
        "/completions",
        "llama.cpp's own API, whose body and reply are others",
    ),
    (
        "/embeddings",
        "llama.cpp's own API, whose reply is another and tells no tokens",
    ),
    ("/embed", "TEI's own API, whose body names no model"),
    ("/models/", "events of its router in llama.cpp"),
];

/// Where Azure `OpenAI` has the model in the path: what stands before it.
pub(crate) const DEPLOYMENTS: &str = "/openai/deployments/";

/// What stands behind it: paths of the table without their `/v1`.
pub(crate) const DEPLOYED: [&str; 9] = [
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/images/generations",
    "/images/edits",
    "/images/variations",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
];

/// A row has what the reference says of the operation, its label value, what its reply is metered as, what the body that
/// must name a model is written in, whether anybody is asked who they are, and its paths.
macro_rules! operations {
    ($(
        $(#[$($about:tt)+])*
        $variant:ident = $name:literal {
            metered: $metered:ident, model_in: $model_in:expr, needs_identity: $needs_identity:literal,
            paths: [$($path:literal),* $(,)?],
        }
    )+) => {
        named! {
            /// The operations of an inference server, with the values of the `operation` label.
            #[derive(Hash)]
            pub enum Operation {
                $($(#[$($about)+])* $variant = $name,)+
            }
            /// The label value.
            fn as_str;
        }

        impl Operation {
            /// All label values.
            #[cfg(feature = "command")]
            pub(crate) const NAMES: &[&'static str] = &[$($name),+];

            /// The operation of this label value.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Returns true if the operation requires an identity check.
            #[must_use]
            pub const fn needs_identity(self) -> bool {
                match self {
                    $(Self::$variant => $needs_identity,)+
                }
            }

            /// The kind of work for which the reply is metered.
            #[must_use]
            pub const fn metered(self) -> meter::Work {
                match self {
                    $(Self::$variant => meter::Work::$metered,)+
                }
            }

            /// The format of the body that must name a model; `None` if the body names no model.
            #[must_use]
            pub const fn model_in(self) -> Option<ModelIn> {
                use ModelIn::{Form, Json};
                match self {
                    $(Self::$variant => $model_in,)+
                }
            }

            /// Whether an entry of `extraPaths` comes before it. Nothing works there that tokens are counted of, and some
            /// servers take no model, whose clients would be turned away.
            #[must_use]
            pub const fn may_be_extra(self) -> bool {
                matches!(self, Self::Tokenize | Self::Detokenize | Self::Moderations)
            }

            /// Whether the body must name a model, which is then judged.
            #[must_use]
            pub const fn names_model(self) -> bool {
                self.model_in().is_some()
            }
        }

        /// Path suffixes of the inference APIs of vLLM, SGLang, llama.cpp and TGI, all for `POST`, whose body names the
        /// model. Native routes without a model (`/generate`, `/completion`, `/infill`) serve the model that runs
        /// there, so no model rule could apply to them. An operator may list them in `extraPaths`.
        pub(crate) const INFERENCE: &[(&str, Operation)] = &[
            $($(($path, Operation::$variant),)*)+
        ];
    };
}

operations! {
    // Text from text.

    /// OpenAI chat completions.
    Chat = "chat" {
        metered: Generate, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/chat/completions"],
    }
    /// OpenAI text completions.
    Completions = "completions" {
        metered: Generate, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/completions"],
    }
    /// OpenAI responses.
    Responses = "responses" {
        metered: Generate, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/responses", "/v1/responses/compact"],
    }
    /// Anthropic messages.
    Messages = "messages" {
        metered: Generate, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/messages"],
    }
    /// Decisions: answers to questions about a text, with their probabilities, as vLLM and SGLang serve them.
    Decisions = "decisions" {
        metered: Generate, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/decisions", "/v1/systemone"],
    }

    // Numbers from text.

    /// Anthropic token counting; generates nothing.
    CountTokens = "count_tokens" {
        metered: Other, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/messages/count_tokens", "/v1/chat/completions/input_tokens", "/v1/responses/input_tokens"],
    }
    /// Embeddings.
    Embeddings = "embeddings" {
        metered: Embed, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/embeddings", "/v1/embed", "/v2/embed"],
    }
    /// Rerank.
    Rerank = "rerank" {
        metered: Embed, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/rerank", "/v2/rerank", "/rerank", "/v1/reranking", "/reranking"],
    }
    /// Score.
    Score = "score" {
        metered: Embed, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/score", "/score"],
    }
    /// Pooling of hidden states, as vLLM serves it.
    Pooling = "pooling" {
        metered: Embed, model_in: Some(Json), needs_identity: true,
        paths: ["/pooling"],
    }
    /// Classification.
    Classify = "classify" {
        metered: Embed, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/classify", "/classify"],
    }

    /// Text in tokens; generates nothing.
    Tokenize = "tokenize" {
        metered: Other, model_in: Some(Json), needs_identity: true,
        paths: ["/tokenize", "/v1/tokenize"],
    }
    /// Tokens in text; generates nothing.
    Detokenize = "detokenize" {
        metered: Other, model_in: Some(Json), needs_identity: true,
        paths: ["/detokenize", "/v1/detokenize"],
    }
    /// OpenAI moderations.
    Moderations = "moderations" {
        metered: Other, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/moderations"],
    }

    // Images and audio.

    /// OpenAI images from text.
    GenerateImages = "generate_images" {
        metered: Media, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/images/generations"],
    }
    /// OpenAI images from images and text.
    EditImages = "edit_images" {
        metered: Media, model_in: Some(Form), needs_identity: true,
        paths: ["/v1/images/edits"],
    }
    /// OpenAI images from one image.
    VaryImage = "vary_image" {
        metered: Media, model_in: Some(Form), needs_identity: true,
        paths: ["/v1/images/variations"],
    }
    /// OpenAI speech from text.
    Speech = "speech" {
        metered: Media, model_in: Some(Json), needs_identity: true,
        paths: ["/v1/audio/speech"],
    }
    /// OpenAI text from speech.
    Transcribe = "transcribe" {
        metered: Media, model_in: Some(Form), needs_identity: true,
        paths: ["/v1/audio/transcriptions"],
    }
    /// OpenAI text from speech, in English.
    Translate = "translate" {
        metered: Media, model_in: Some(Form), needs_identity: true,
        paths: ["/v1/audio/translations"],
    }

    // Operations without a path in this table. `target` recognises them.

    /// The list of models.
    ListModels = "list_models" {
        metered: Other, model_in: None, needs_identity: true,
        paths: [],
    }
    /// One model of the list.
    ShowModel = "show_model" {
        metered: Other, model_in: None, needs_identity: true,
        paths: [],
    }
    /// A path from `extraPaths`.
    Extra = "extra" {
        metered: Other, model_in: None, needs_identity: true,
        paths: [],
    }
    /// A path from `publicPaths`.
    Public = "public" {
        metered: Other, model_in: None, needs_identity: false,
        paths: [],
    }
    /// A CORS preflight.
    Preflight = "preflight" {
        metered: Other, model_in: None, needs_identity: false,
        paths: [],
    }
}

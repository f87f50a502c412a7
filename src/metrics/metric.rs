//! The metrics, and all that is fixed about each, in one row.

use crate::rows::named;

/// How Envoy keeps a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Is set.
    Gauge,
    /// Takes observations.
    Histogram,
}

/// A row has what the reference says of the metric, its name, how Envoy keeps it, and its labels in their order.
macro_rules! metrics {
    ($(
        $(#[$($about:tt)+])*
        $variant:ident = $name:literal, $kind:ident [$($label:literal),*];
    )+) => {
        named! {
            /// A metric. What each says here, when it moves and by what, stands in the reference.
            #[derive(Hash)]
            pub enum Metric {
                $($(#[$($about)+])* $variant = $name,)+
            }
            /// The name that Prometheus shows.
            fn name;
        }

        impl Metric {
            /// How Envoy keeps it.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind,)+
                }
            }

            /// The names of its labels, in their order.
            #[cfg(feature = "command")]
            #[must_use]
            pub const fn labels(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($label),*],)+
                }
            }
        }
    };
}

metrics! {
    /// At the end of each request.
    Requests = "tollgate_requests_total", Counter ["tenant", "model", "operation", "outcome"];
    /// By what the server reported, lower bounds included, or else another filter (`usage_source` `reported`, `partial`
    /// or `gateway`). `type` is `input`, which contains cached tokens, or `output`, which contains reasoning.
    Tokens = "tollgate_tokens_total", Counter ["tenant", "model", "type"];
    /// By the parts of the above that the server tells. `type` is `cached_input`, `cache_creation_input` or
    /// `reasoning`.
    TokenDetails = "tollgate_token_details_total", Counter ["tenant", "model", "type"];
    /// By a guess from the text that passed, where a generating request has no final numbers; for charts, not for
    /// bills. With `partial` both this and `tollgate_tokens_total` move, so do not add them up. `type` is `output`.
    EstimatedTokens = "tollgate_estimated_tokens_total", Counter ["tenant", "model", "type"];
    /// With each generating request answered 2xx without final numbers.
    UsageMissing = "tollgate_usage_missing_total", Counter ["tenant", "model", "reason"];
    /// With each request whose usage contradicts itself: the total is not the sum of its parts, or a number cannot be a
    /// count. It also moves where it is known what the numbers mean, and `usage_source` is `reported`.
    UsageContradictions = "tollgate_usage_contradictions_total", Counter ["tenant", "model", "reason"];
    /// With each request of which the server reported one count and another filter found another one; the server's is
    /// used.
    UsageDisagreements = "tollgate_usage_disagreements_total", Counter ["tenant", "model"];
    /// With each request that names a model and that Envoy sent to a server more than once. Only the last attempt's
    /// tokens are seen.
    RetriedRequests = "tollgate_retried_requests_total", Counter ["tenant", "model"];
    /// With each denial; with `mode: audit`, with each that would have been one.
    Denials = "tollgate_denials_total", Counter ["tenant", "code"];
    /// With the first generated text of a streamed reply: the time since the request's headers.
    TimeToFirstToken = "tollgate_time_to_first_token_milliseconds", Histogram ["tenant", "model"];
    /// At the end of each request that was not denied and names a model in its body: the time since its headers.
    RequestDuration = "tollgate_request_duration_milliseconds", Histogram ["tenant", "model"];
    /// The time from the first text of a streamed reply to its end, over the output tokens but one, where they are
    /// known.
    TimePerOutputToken = "tollgate_time_per_output_token_milliseconds", Histogram ["tenant", "model"];
    /// With each request whose model was folded into `other`. `label` is `model`.
    LabelOverflow = "tollgate_label_overflow_total", Counter ["label"];
    /// With each configuration.
    ConfiguredKeys = "tollgate_configured_keys", Gauge [];
    /// With each configuration.
    ConfiguredTenants = "tollgate_configured_tenants", Gauge [];
    /// With each configuration: the first 32 bits of its SHA-256, equal on all gateways that run the same one.
    ConfigHash = "tollgate_config_hash", Gauge [];
    /// With each configuration: the soonest `expiresAt`, in seconds since the epoch, that lay ahead when the
    /// configuration was taken up; 0 if no key expires. `tollgate_next_key_expiry_seconds - time()` is the time that is
    /// left; once it is negative, that key has expired, and the one after it shows with the next configuration.
    /// Disabled keys do not count.
    NextKeyExpiry = "tollgate_next_key_expiry_seconds", Gauge [];
    /// With each configuration: 0 `enforce`, 1 `audit`, 2 `open`.
    Mode = "tollgate_mode", Gauge [];
}

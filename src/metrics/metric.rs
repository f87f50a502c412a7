//! The metrics, one row each with everything that is fixed for it.

use crate::rows::named;

/// The type of a metric in Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is set.
    Gauge,
    /// It collects observations.
    Histogram,
}

/// A row has the description for the reference, the name, the type, and the labels in their order.
macro_rules! metrics {
    ($(
        $(#[$($about:tt)+])*
        $variant:ident = $name:literal, $kind:ident [$($label:literal),*];
    )+) => {
        named! {
            /// A metric. The reference shows each description.
            #[derive(Hash)]
            pub enum Metric {
                $($(#[$($about)+])* $variant = $name,)+
            }
            /// The name in Prometheus.
            fn name;
        }

        impl Metric {
            /// The type in Envoy.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind,)+
                }
            }

            /// The names of the labels, in their order.
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
    /// Finished requests. With `metering.labels: [key]` also labelled with `key`.
    Requests = "tollgate_requests_total", Counter ["tenant", "model", "operation", "outcome"];
    /// Tokens that the server reported, including lower bounds, or else another filter (`usage_source` `reported`,
    /// `partial` or `gateway`). `type` is `input`, which includes cached tokens, or `output`, which includes reasoning.
    /// With `metering.labels: [key]` also labelled with `key`.
    Tokens = "tollgate_tokens_total", Counter ["tenant", "model", "type"];
    /// Parts of the above that the server reported separately. `type` is `cached_input`, `cache_creation_input` or
    /// `reasoning`.
    TokenDetails = "tollgate_token_details_total", Counter ["tenant", "model", "type"];
    /// Tokens estimated from the text of request and reply, for requests without final numbers. Use them for charts, not
    /// for bills. With `partial`, both this and `tollgate_tokens_total` increase, so do not add them up. `type` is `output`,
    /// or `input` if the server did not report any input.
    EstimatedTokens = "tollgate_estimated_tokens_total", Counter ["tenant", "model", "type"];
    /// Requests of which tokens are counted, images and audio aside, that were answered with 2xx but without final numbers.
    UsageMissing = "tollgate_usage_missing_total", Counter ["tenant", "model", "reason"];
    /// Requests whose usage contradicts itself: the total is not the sum of its parts, or a number cannot be a
    /// count. It also moves where it is known what the numbers mean, and `usage_source` is `reported`.
    UsageContradictions = "tollgate_usage_contradictions_total", Counter ["tenant", "model", "reason"];
    /// Requests for which the server and another filter reported different counts. The server's is used.
    UsageDisagreements = "tollgate_usage_disagreements_total", Counter ["tenant", "model"];
    /// Requests with a model that Envoy sent to a server more than once. Only the tokens of the last attempt are
    /// counted.
    RetriedRequests = "tollgate_retried_requests_total", Counter ["tenant", "model"];
    /// Denials. With `mode: audit`, denials that would have happened.
    Denials = "tollgate_denials_total", Counter ["tenant", "code"];
    /// When a request is over: what its tenant has used of a limit that is kept for each tenant alone, in the current window.
    LimitUsed = "tollgate_limit_used", Gauge ["limit", "tenant"];
    /// When a request is over: what is set aside for those of its tenant that are being served; of a limit on requests at
    /// once, how many they are.
    LimitReserved = "tollgate_limit_reserved", Gauge ["limit", "tenant"];
    /// When a request is over: how much its tenant may use.
    LimitAmount = "tollgate_limit_amount", Gauge ["limit", "tenant"];
    /// With each request that did cost more tokens than were set aside and left: by those beyond the limit.
    LimitOvershoot = "tollgate_limit_overshoot_tokens_total", Counter ["limit", "tenant"];
    /// With each request that did cost fewer tokens than were set aside: by those given back.
    LimitRefunds = "tollgate_limit_refunded_tokens_total", Counter ["limit", "tenant"];
    /// With each request whose cost nobody knows, so that what was set aside stands.
    LimitUnsettled = "tollgate_limit_unsettled_total", Counter ["limit", "tenant"];
    /// With each time that what a crashed worker had set aside was given back.
    LimitSweeps = "tollgate_limit_sweeps_total", Counter [];
    /// With each time that a count had to be read anew, because another worker had changed it.
    LimitConflicts = "tollgate_limit_conflicts_total", Counter [];
    /// With each request that could not be counted.
    LimitFailures = "tollgate_limit_failures_total", Counter [];
    /// Time from the request's headers to the first generated text of a streamed reply.
    TimeToFirstToken = "tollgate_time_to_first_token_milliseconds", Histogram ["tenant", "model"];
    /// Time from the request's headers to its end, for requests that were not denied and name a model in their body.
    RequestDuration = "tollgate_request_duration_milliseconds", Histogram ["tenant", "model"];
    /// Time from the first text of a streamed reply to its end, divided by one less than the output tokens, if they are
    /// known.
    TimePerOutputToken = "tollgate_time_per_output_token_milliseconds", Histogram ["tenant", "model"];
    /// Requests whose model or key has the label `other` because there were too many. `label` is `model` or `key`.
    LabelOverflow = "tollgate_label_overflow_total", Counter ["label"];
    /// Keys in the configuration.
    ConfiguredKeys = "tollgate_configured_keys", Gauge [];
    /// Tenants in the configuration.
    ConfiguredTenants = "tollgate_configured_tenants", Gauge [];
    /// The first 32 bits of the configuration's SHA-256. It is equal on all gateways with the same configuration.
    ConfigHash = "tollgate_config_hash", Gauge [];
    /// The earliest `expiresAt` that was still ahead when the configuration was loaded, in seconds since the epoch; 0
    /// if no key expires. `tollgate_next_key_expiry_seconds - time()` is the remaining time. If it is negative, that
    /// key has expired; the next expiry appears with the next configuration. Disabled keys are ignored.
    NextKeyExpiry = "tollgate_next_key_expiry_seconds", Gauge [];
    /// The mode: 0 `enforce`, 1 `audit`, 2 `open`.
    Mode = "tollgate_mode", Gauge [];
}

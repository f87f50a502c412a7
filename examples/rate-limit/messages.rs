//! The messages of Envoy's rate limit protocol, as far as they are used here (`envoy/service/ratelimit/v3/rls.proto` and
//! `envoy/extensions/common/ratelimit/v3/ratelimit.proto`). Fields that are not declared are skipped when a message is
//! read.

use prost::{Enumeration, Message};

/// What Envoy asks about one request.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RateLimitRequest {
    /// Whose limits these are: the filter's `domain`.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// What is asked about, each for itself.
    #[prost(message, repeated, tag = "2")]
    pub descriptors: Vec<RateLimitDescriptor>,
    /// What descriptors without an addend of their own count; 0 is 1.
    #[prost(uint32, tag = "3")]
    pub hits_addend: u32,
}

/// Names one budget.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RateLimitDescriptor {
    /// In the order of the `actions`.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Entry>,
    /// What is to be charged; 0 only asks. (A `google.protobuf.UInt64Value`.)
    #[prost(message, optional, tag = "3")]
    pub hits_addend: Option<u64>,
}

/// A part of a descriptor.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Entry {
    /// `descriptor_key` of the action.
    #[prost(string, tag = "1")]
    pub key: String,
    /// What the action found in the request.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RateLimitResponse {
    /// Over limit if one of the descriptors is.
    #[prost(enumeration = "Code", tag = "1")]
    pub overall_code: i32,
    /// One for each descriptor, in their order.
    #[prost(message, repeated, tag = "2")]
    pub statuses: Vec<DescriptorStatus>,
}

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum Code {
    /// Not said.
    Unknown = 0,
    /// May pass.
    Ok = 1,
    /// May not pass.
    OverLimit = 2,
}

/// The state of one budget.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DescriptorStatus {
    /// The verdict.
    #[prost(enumeration = "Code", tag = "1")]
    pub code: i32,
    /// The limit; absent where the descriptor has none.
    #[prost(message, optional, tag = "2")]
    pub current_limit: Option<RateLimit>,
    /// Tokens that are left.
    #[prost(uint32, tag = "3")]
    pub limit_remaining: u32,
    /// When the budget is full again.
    #[prost(message, optional, tag = "4")]
    pub duration_until_reset: Option<Duration>,
}

/// How much may be spent in which time.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RateLimit {
    /// Here tokens; the protocol counts requests.
    #[prost(uint32, tag = "1")]
    pub requests_per_unit: u32,
    /// The window.
    #[prost(enumeration = "Unit", tag = "2")]
    pub unit: i32,
    /// The name that the file gives it, for `x-ratelimit-limit`.
    #[prost(string, tag = "3")]
    pub name: String,
}

/// The length of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum Unit {
    /// Not said.
    Unknown = 0,
    /// A second.
    Second = 1,
    /// 60 seconds.
    Minute = 2,
    /// 60 minutes.
    Hour = 3,
    /// A day of UTC.
    Day = 4,
    /// 30 days.
    Month = 5,
    /// 365 days.
    Year = 6,
    /// Seven days.
    Week = 7,
}

impl Unit {
    /// The unit that a file of limits names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let units = [
            ("second", Self::Second),
            ("minute", Self::Minute),
            ("hour", Self::Hour),
            ("day", Self::Day),
            ("week", Self::Week),
            ("month", Self::Month),
            ("year", Self::Year),
        ];
        let found = units
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, unit)| *unit)
    }

    /// As envoyproxy/ratelimit counts them, from 1970 on.
    pub(crate) const fn seconds(self) -> u64 {
        const DAY: u64 = 86_400;
        match self {
            Self::Unknown | Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Month => 30 * DAY,
            Self::Year => 365 * DAY,
        }
    }
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
}

/// `grpc.health.v1.HealthCheckRequest`: the name of a service, which is not looked at.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct HealthCheckRequest {}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct HealthCheckResponse {
    /// 1 is `SERVING`.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

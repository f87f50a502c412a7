//! Envoy's account of how a request ended ▶ the `outcome` label.

use crate::rows::named;

/// Envoy's response flags that show how a request ended (`%RESPONSE_FLAGS%`; source/common/stream_info in Envoy).
mod flag {
    pub(super) const UPSTREAM_REQUEST_TIMEOUT: u64 = 0x4;
    pub(super) const LOCAL_RESET: u64 = 0x8;
    pub(super) const UPSTREAM_REMOTE_RESET: u64 = 0x10;
    pub(super) const UPSTREAM_CONNECTION_FAILURE: u64 = 0x20;
    pub(super) const UPSTREAM_CONNECTION_TERMINATION: u64 = 0x40;
    pub(super) const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 0x4000;
    pub(super) const STREAM_IDLE_TIMEOUT: u64 = 0x1_0000;
    pub(super) const UPSTREAM_MAX_STREAM_DURATION_REACHED: u64 = 0x8_0000;
    pub(super) const DURATION_TIMEOUT: u64 = 0x40_0000;
    pub(super) const UPSTREAM_PROTOCOL_ERROR: u64 = 0x80_0000;
    pub(super) const DOWNSTREAM_REMOTE_RESET: u64 = 0x1000_0000;

    pub(super) const CLIENT_ABORTED: u64 =
        DOWNSTREAM_CONNECTION_TERMINATION | DOWNSTREAM_REMOTE_RESET;
    pub(super) const TIMEOUT: u64 = UPSTREAM_REQUEST_TIMEOUT
        | STREAM_IDLE_TIMEOUT
        | UPSTREAM_MAX_STREAM_DURATION_REACHED
        | DURATION_TIMEOUT;
    pub(super) const UPSTREAM_RESET: u64 = LOCAL_RESET
        | UPSTREAM_REMOTE_RESET
        | UPSTREAM_CONNECTION_FAILURE
        | UPSTREAM_CONNECTION_TERMINATION
        | UPSTREAM_PROTOCOL_ERROR;
}

named! {
    /// How a request ended: the values of the `outcome` label.
    #[derive(Hash)]
    pub enum Outcome {
        /// The whole reply was sent.
        Ok = "ok",
        /// Refused by this filter.
        Denied = "denied",
        /// The client disconnected first.
        ClientAborted = "client_aborted",
        /// The reply has a 4xx status, also if Envoy or another filter answered.
        Upstream4xx = "upstream_4xx",
        /// The status is not an error, but the reply is one: an error and no text.
        UpstreamError = "upstream_error",
        /// The reply began, and ended in good order without its own end: a stream without `[DONE]`, finish or stop event, or
        /// with an error in its place; a document that is not closed. So look streams that a scheduler evicts.
        Truncated = "truncated",
        /// The reply has a 5xx status, also if Envoy or another filter answered.
        Upstream5xx = "upstream_5xx",
        /// The connection to the server failed.
        UpstreamReset = "upstream_reset",
        /// A timeout of Envoy ended the request.
        Timeout = "timeout",
        /// The inference scheduler dropped the request and sent `x-llm-d-request-dropped-reason`.
        DroppedByScheduler = "dropped_by_scheduler",
    }
    /// The label value.
    fn as_str;
}

/// Envoy's data at the end of a request that was not denied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending {
    /// The reply's status; `None` if none was sent.
    pub status: Option<u64>,
    /// Envoy's response flags.
    pub flags: u64,
    /// True if the scheduler's reply shows that it dropped the request.
    pub dropped_by_scheduler: bool,
    /// The number of times Envoy sent the request to the upstream. Filters see only the reply to the last attempt.
    pub attempts: u64,
}

impl Ending {
    /// The outcome. The reason for an early end takes precedence over the status that had already been sent.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        if self.dropped_by_scheduler {
            Outcome::DroppedByScheduler
        } else if self.flags & flag::CLIENT_ABORTED != 0 {
            Outcome::ClientAborted
        } else if self.flags & flag::TIMEOUT != 0 {
            Outcome::Timeout
        } else if self.flags & flag::UPSTREAM_RESET != 0 {
            Outcome::UpstreamReset
        } else {
            match self.status {
                Some(400..=499) => Outcome::Upstream4xx,
                Some(500..=599) => Outcome::Upstream5xx,
                Some(1..) => Outcome::Ok,
                Some(0) | None => Outcome::ClientAborted,
            }
        }
    }
}

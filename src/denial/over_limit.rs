//! What a client is told of a limit that it has reached.

use std::rc::Rc;

use super::Code;
use crate::measure::Measure;

/// Longest wait, in seconds, after which a client is told to try again by itself. OpenAI's and Anthropic's SDKs wait no
/// longer than this for a `retry-after`.
const MAX_WAIT: u64 = 60;

/// A limit, and how far it is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverLimit {
    /// Its id.
    pub limit: Rc<str>,
    /// What it counts.
    pub counts: Measure,
    /// Over which window, as the configuration has it; `None` for requests at once.
    pub window: Option<&'static str>,
    /// Whether the window is one of the calendar.
    pub is_of_calendar: bool,
    /// How much there is.
    pub amount: u64,
    /// How much has been used.
    pub used: u64,
    /// How much is set aside for requests that are being served.
    pub reserved: u64,
    /// How much this request needs.
    pub asked: u64,
    /// Seconds until there may be enough.
    pub(crate) retry_after: u64,
    /// The same, for its header.
    pub(crate) retry_after_text: Box<str>,
}

impl OverLimit {
    /// All that is known, but for when to try again.
    #[must_use]
    pub fn new(limit: &Rc<str>, counts: Measure, amount: u64) -> Self {
        Self {
            limit: Rc::clone(limit),
            counts,
            window: None,
            is_of_calendar: false,
            amount,
            used: 0,
            reserved: 0,
            asked: 1,
            retry_after: 1,
            retry_after_text: "1".into(),
        }
    }

    /// The same, with the seconds until there may be enough.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = seconds.max(1);
        self.retry_after_text = self.retry_after.to_string().into();
        self
    }

    /// Whether an SDK should wait and try again. A budget of a month must not be asked for a thousand times a day, and
    /// what is larger than the limit never fits.
    pub(super) fn is_worth_a_retry(&self, code: Code) -> bool {
        self.retry_after <= MAX_WAIT && code != Code::QuotaRequestTooLarge
    }

    /// `code` and `type`, as OpenAI's API has them.
    pub(super) fn openai(&self) -> (&'static str, &'static str) {
        if self.is_of_calendar {
            return ("insufficient_quota", "insufficient_quota");
        }
        let kind = if self.counts.is_of_tokens() {
            "tokens"
        } else {
            "requests"
        };
        ("rate_limit_exceeded", kind)
    }

    pub(super) fn message(&self, code: Code) -> String {
        let Self {
            limit,
            amount,
            used,
            reserved,
            asked,
            ..
        } = self;
        let what = self.counts.noun();
        let per = self.window.map(|window| format!(" per {window}"));
        let per = per.unwrap_or_default();
        if code == Code::QuotaRequestTooLarge {
            return format!(
                "This request may need {asked} {what}, more than the limit `{limit}` of {amount} {what}{per} ever has. Ask for fewer."
            );
        }
        let wait = match self.window {
            Some(_) => format!(" Try again in {}.", span(self.retry_after)),
            None => " Try again when another request is done.".to_owned(),
        };
        format!(
            "You have reached the limit `{limit}` of {amount} {what}{per}: {used} used, {reserved} reserved, {asked} asked for.{wait}"
        )
    }
}

/// Seconds, as people say them.
fn span(seconds: u64) -> String {
    match seconds {
        0..=1 => "1 second".to_owned(),
        2..=119 => format!("{seconds} seconds"),
        120..=7199 => format!("{} minutes", seconds.div_ceil(60)),
        7200..=172_799 => format!("{} hours", seconds.div_ceil(3600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

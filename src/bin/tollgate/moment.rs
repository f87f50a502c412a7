//! Times as an operator writes them: RFC 3339, or a number of days.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const DAY: i64 = 24 * 60 * 60;

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Parses RFC 3339.
pub(crate) fn parse(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .map(OffsetDateTime::unix_timestamp)
}

/// Formats as RFC 3339, in UTC.
pub(crate) fn format(moment: i64) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp(moment).ok()?;
    moment.format(&Rfc3339).ok()
}

/// A number of days, written `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days(i64);

impl Days {
    pub(crate) const fn after(self, moment: i64) -> i64 {
        moment.saturating_add(self.0.saturating_mul(DAY))
    }
}

impl FromStr for Days {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let days = text
            .strip_suffix('d')
            .and_then(|days| days.parse::<u16>().ok());
        days.map(|days| Self(days.into()))
            .ok_or("expected a number of days such as `90d`")
    }
}

/// The expiry of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    After(Days),
    At(i64),
}

impl End {
    pub(crate) const fn seen_from(self, now: i64) -> i64 {
        match self {
            Self::After(days) => days.after(now),
            Self::At(moment) => moment,
        }
    }
}

impl FromStr for End {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let days = text.parse().map(Self::After).ok();
        days.or_else(|| parse(text).map(Self::At)).ok_or(
            "expected a number of days such as `90d`, or a date such as `2027-01-01T00:00:00Z`",
        )
    }
}

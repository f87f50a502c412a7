//! The windows of limits.

use time::{Date, OffsetDateTime};

use crate::rows::named;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// Seconds of a day.
const DAY: i64 = 86_400;

named! {
    /// The window of a limit.
    pub enum Window {
        /// A moving window of 60 seconds: use is returned evenly.
        Minute = "minute",
        /// A moving window of 3,600 seconds.
        Hour = "hour",
        /// A calendar day, in the limit's offset from UTC.
        Day = "day",
        /// A calendar month, in the limit's offset from UTC.
        Month = "month",
    }
    /// The name in the configuration.
    fn as_str;
}

impl Window {
    /// The length of a moving window in nanoseconds; `None` for a calendar window.
    pub(super) const fn length(self) -> Option<u64> {
        match self {
            Self::Minute => Some(60 * SECOND),
            Self::Hour => Some(3600 * SECOND),
            Self::Day | Self::Month => None,
        }
    }

    /// Returns true if clients should not retry before the window ends.
    #[must_use]
    pub const fn is_of_calendar(self) -> bool {
        self.length().is_none()
    }

    /// Start and end of the calendar window at this time, in seconds since the epoch. `offset` is in seconds east of UTC.
    pub(super) fn bounds(self, now: i64, offset: i32) -> (i64, i64) {
        let offset = i64::from(offset);
        let local = now.saturating_add(offset);
        let days = local.div_euclid(DAY);
        let (first, next) = match self {
            Self::Month => month(local).unwrap_or_else(|| (days, days.saturating_add(31))),
            Self::Minute | Self::Hour | Self::Day => (days, days.saturating_add(1)),
        };
        let moment = |day: i64| day.saturating_mul(DAY).saturating_sub(offset);
        (moment(first), moment(next))
    }
}

/// The first day of this moment's month and of the next, in days since the epoch.
fn month(local: i64) -> Option<(i64, i64)> {
    let date = OffsetDateTime::from_unix_timestamp(local).ok()?.date();
    let first = date.replace_day(1).ok()?;
    let later = first.checked_add(time::Duration::days(31))?;
    let next = later.replace_day(1).ok()?;
    let days = |date: Date| {
        date.midnight()
            .assume_utc()
            .unix_timestamp()
            .div_euclid(DAY)
    };
    Some((days(first), days(next)))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn days_and_months_are_those_of_the_calendar_in_the_stated_offset() {
        const HOUR: i64 = 3600;
        for (name, window, now, offset, expected) in [
            ("a day", Window::Day, 1_000_000, 0, (950_400, 1_036_800)),
            (
                "the first second",
                Window::Day,
                950_400,
                0,
                (950_400, 1_036_800),
            ),
            (
                "the last second",
                Window::Day,
                1_036_799,
                0,
                (950_400, 1_036_800),
            ),
            (
                "a day that begins an hour earlier",
                Window::Day,
                1_036_800 - HOUR,
                3600,
                (1_036_800 - HOUR, 1_123_200 - HOUR),
            ),
            (
                "a day that begins five hours later",
                Window::Day,
                1_036_800,
                -5 * 3600,
                (950_400 + 5 * HOUR, 1_036_800 + 5 * HOUR),
            ),
            // 2024-02-29T23:00:00Z
            (
                "February of a leap year",
                Window::Month,
                1_709_247_600,
                0,
                (1_706_745_600, 1_709_251_200),
            ),
            (
                "March already, an hour to the east",
                Window::Month,
                1_709_247_600,
                3600,
                (1_709_251_200 - HOUR, 1_711_929_600 - HOUR),
            ),
            // 2025-12-31T23:59:59Z
            (
                "December",
                Window::Month,
                1_767_225_599,
                0,
                (1_764_547_200, 1_767_225_600),
            ),
            (
                "January",
                Window::Month,
                1_767_225_600,
                0,
                (1_767_225_600, 1_769_904_000),
            ),
            ("before the epoch", Window::Day, -1, 0, (-86_400, 0)),
        ] {
            assert_eq!(window.bounds(now, offset), expected, "{name}");
        }
    }
}

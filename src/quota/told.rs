//! The headers that tell a client what is left of its limits.

use time::OffsetDateTime;

use super::{Budget, Left};
use crate::denial::Dialect;

/// The headers of OpenAI's API (<https://platform.openai.com/docs/guides/rate-limits>) or Anthropic's
/// (<https://docs.anthropic.com/en/api/rate-limits>). `now` is in nanoseconds since the epoch.
#[must_use]
pub fn headers(left: &Left, dialect: Dialect, now: u64) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    let mut tell = |names: [&'static str; 3], budget: &Option<Budget>| {
        let Some(budget) = budget else {
            return;
        };
        let reset = match dialect {
            Dialect::OpenAi => duration(budget.reset),
            Dialect::Anthropic => moment(now.saturating_add(budget.reset)),
        };
        let values = [
            budget.limit.to_string(),
            budget.remaining.to_string(),
            reset,
        ];
        headers.extend(names.into_iter().zip(values));
    };
    match dialect {
        Dialect::OpenAi => {
            tell(
                [
                    "x-ratelimit-limit-requests",
                    "x-ratelimit-remaining-requests",
                    "x-ratelimit-reset-requests",
                ],
                &left.requests,
            );
            tell(
                [
                    "x-ratelimit-limit-tokens",
                    "x-ratelimit-remaining-tokens",
                    "x-ratelimit-reset-tokens",
                ],
                &left.tokens,
            );
        }
        Dialect::Anthropic => {
            tell(
                [
                    "anthropic-ratelimit-requests-limit",
                    "anthropic-ratelimit-requests-remaining",
                    "anthropic-ratelimit-requests-reset",
                ],
                &left.requests,
            );
            tell(
                [
                    "anthropic-ratelimit-tokens-limit",
                    "anthropic-ratelimit-tokens-remaining",
                    "anthropic-ratelimit-tokens-reset",
                ],
                &left.tokens,
            );
        }
    }
    headers
}

/// Nanoseconds as `6m0s`, `1.5s` or `20ms`.
fn duration(nanoseconds: u64) -> String {
    let milliseconds = nanoseconds.div_ceil(1_000_000);
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    match seconds {
        0 => format!("{rest}ms"),
        1..=59 if rest == 0 => format!("{seconds}s"),
        1..=59 => {
            let decimals = format!("{rest:03}");
            format!("{seconds}.{}s", decimals.trim_end_matches('0'))
        }
        60..=3599 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// Nanoseconds since the epoch in RFC 3339, to the second.
fn moment(nanoseconds: u64) -> String {
    let seconds = i64::try_from(nanoseconds.div_ceil(1_000_000_000)).unwrap_or_default();
    let Ok(moment) = OffsetDateTime::from_unix_timestamp(seconds) else {
        return String::new();
    };
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn each_api_is_told_in_its_own_words() {
        let left = Left {
            requests: None,
            tokens: Some(Budget {
                limit: 1000,
                remaining: 10,
                reset: 61_000_000_000,
            }),
        };
        let now = 1_700_000_000_500_000_000;
        let told = |dialect| headers(&left, dialect, now);
        let expected =
            |pairs: [(&'static str, &str); 3]| pairs.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(
            told(Dialect::OpenAi),
            expected([
                ("x-ratelimit-limit-tokens", "1000"),
                ("x-ratelimit-remaining-tokens", "10"),
                ("x-ratelimit-reset-tokens", "1m1s"),
            ])
        );
        assert_eq!(
            told(Dialect::Anthropic),
            expected([
                ("anthropic-ratelimit-tokens-limit", "1000"),
                ("anthropic-ratelimit-tokens-remaining", "10"),
                ("anthropic-ratelimit-tokens-reset", "2023-11-14T22:14:22Z"),
            ])
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn durations_are_written_as_openai_writes_them() {
        for (milliseconds, expected) in [
            (0, "0ms"),
            (20, "20ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (59_999, "59.999s"),
            (360_000, "6m0s"),
            (43_200_000, "12h0m0s"),
        ] {
            assert_eq!(duration(milliseconds * 1_000_000), expected);
        }
    }
}

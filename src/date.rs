//! Moments as people and programs read them.

use time::OffsetDateTime;

/// A moment in seconds since the epoch as RFC 3339 has it, in UTC; `None` beyond the years that it can tell.
#[must_use]
pub(crate) fn rfc3339(moment: i64) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp(moment).ok()?;
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    let month = u8::from(month);
    (0..=9999)
        .contains(&year)
        .then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn writes_a_moment_as_it_was_read() {
        for (moment, expected) in [
            (0, Some("1970-01-01T00:00:00Z")),
            (1_800_000_000, Some("2027-01-15T08:00:00Z")),
            (-1, Some("1969-12-31T23:59:59Z")),
            (253_402_300_799, Some("9999-12-31T23:59:59Z")),
            (253_402_300_800, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            assert_eq!(rfc3339(moment).as_deref(), expected, "{moment}");
        }
    }
}

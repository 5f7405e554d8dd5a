//! What of a workload's output is wanted, and the times that stand before its lines.

use crate::base::text;

/// What of a workload's output is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// More as it comes.
    pub follow: bool,
    /// The time before each line: RFC 3339 and a blank. A backend that keeps none refuses, and says so.
    pub times: bool,
    /// Only what was printed since then, in seconds since 1970. A backend that keeps no times refuses.
    pub since: Option<i64>,
}

impl Wanted {
    /// All output so far, and more as it comes.
    pub fn following() -> Self {
        Self { follow: true, ..Self::default() }
    }

    /// Whether times are needed for it.
    pub fn needs_times(&self) -> bool {
        self.times || self.since.is_some()
    }
}

/// The time of a line and the line itself, where it begins with one.
pub fn split(line: &str) -> Option<(i64, &str)> {
    let (time, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some((text::parse_timestamp(time)?, rest))
}

/// A time of today as `12:43:07`, of another day as `11-27 12:43:07`; in UTC.
pub fn clock(time: i64, now: i64) -> String {
    let whole = text::timestamp(time);
    let day = |time: &str| time.split('T').next().map(str::to_owned);
    let hour = whole.split('T').nth(1).unwrap_or_default().trim_end_matches('Z');
    if day(&whole) == day(&text::timestamp(now)) {
        hour.to_owned()
    } else {
        format!("{} {hour}", whole.get(5..10).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_line_is_told_from_its_text() {
        let (time, rest) = split("2025-11-24T12:43:07.123456789Z step 5145000, time 1").unwrap();
        assert_eq!((clock(time, time + 60).as_str(), rest), ("12:43:07", "step 5145000, time 1"));
        assert_eq!(clock(time, time + 86_400), "11-24 12:43:07");
        assert_eq!(split("2025-11-24T12:43:07+01:00 ").unwrap().1, "");
        assert_eq!(split("2025-11-24T12:43:07Z").unwrap().1, "");
        for none in ["", "step 1", "2025 is a year", "12:43:07 step"] {
            assert!(split(none).is_none(), "{none}");
        }
    }
}

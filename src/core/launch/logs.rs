//! Which part of a workload's output to show, and the times at the beginning of its lines.

use crate::base::text;

/// Which part of a workload's output to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogRange {
    /// Whether to go on with new output as it is written.
    pub follow: bool,
    /// Whether each line begins with its time: RFC 3339 and a blank. A backend that keeps no times refuses.
    pub times: bool,
    /// Show only output since then, in seconds since 1970. A backend that keeps no times refuses.
    pub since: Option<i64>,
    /// How many of the last lines are enough. A backend that cannot find their beginning gives more, and the first may
    /// be cut.
    pub last: Option<usize>,
}

impl LogRange {
    /// All output so far, and new output as it is written.
    pub fn following() -> Self {
        Self { follow: true, ..Self::default() }
    }

    /// Whether the backend must know the time of each line.
    pub fn needs_times(&self) -> bool {
        self.times || self.since.is_some()
    }
}

/// The time of a line (seconds since 1970) and the rest; `None` where the line begins with no time.
pub fn split(line: &str) -> Option<(i64, &str)> {
    let (time, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some((text::parse_timestamp(time)?, rest))
}

/// A time of today as `12:43:07`, of another day as `11-27 12:43:07`; both in UTC.
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

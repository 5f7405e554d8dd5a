//! When a container ended. An engine's list tells it in rounded words only: "Exited (137) 3 minutes ago".

/// What a list may lag behind, in seconds.
const LAG: i64 = 2;
/// The units of the words, in seconds.
const UNITS: [(&str, i64); 7] = [
    ("second", 1),
    ("minute", 60),
    ("hour", 3600),
    ("day", 24 * 3600),
    ("week", 7 * 24 * 3600),
    ("month", 30 * 24 * 3600),
    ("year", 365 * 24 * 3600),
];

/// When something ended, in seconds since 1970: between these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    earliest: i64,
    latest: i64,
}

/// What a killed container has said of its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownEnd {
    /// When it ended; `None` where the engine's words for it are unknown.
    pub when: Option<Ended>,
    /// Whether it had used up its memory.
    pub used_up: bool,
}

impl Ended {
    /// Reads the words of a list that was asked for `now`; `None` for others.
    pub(super) fn parse(words: &str, now: i64) -> Option<Self> {
        let (_, rest) = words.split_once(") ")?;
        let words = rest.strip_suffix(" ago")?;
        let (number, unit) = match words.rsplit_once(' ')? {
            ("About a" | "About an" | "Less than a", unit) => (1, unit),
            (number, unit) => (number.parse::<i64>().ok().filter(|number| (0..100_000).contains(number))?, unit),
        };
        let (_, unit) = UNITS.into_iter().find(|(name, _)| unit.trim_end_matches('s') == *name)?;
        // Hours are rounded, other units are cut off.
        let (least, most) = (number * unit - unit / 2, (number + 1) * unit);
        let least = if words.starts_with("Less") { 0 } else { least };
        Some(Self { earliest: now - most - LAG, latest: now - least + LAG })
    }

    /// When it ended, by two lists; `None` where they tell of different times.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        let both = Self { earliest: self.earliest.max(other.earliest), latest: self.latest.min(other.latest) };
        (both.earliest <= both.latest).then_some(both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_engines_are_read() {
        let age =
            |words: &str| Ended::parse(&format!("Exited (137) {words} ago"), 0).map(|end| (-end.latest, -end.earliest));
        assert_eq!(age("Less than a second"), Some((-LAG, 2 + LAG)));
        assert_eq!(age("5 seconds"), Some((5 - LAG, 6 + LAG)));
        assert_eq!(age("About a minute"), Some((30 - LAG, 120 + LAG)));
        assert_eq!(age("3 hours"), Some((9000 - LAG, 4 * 3600 + LAG)));
        assert!(["", "long", "-1 days", "99999999999 years"].into_iter().all(|words| age(words).is_none()));
        assert_eq!(Ended::parse("Up 3 minutes", 0), None);
    }
}

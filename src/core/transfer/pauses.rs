//! When registries outside that have answered that they are asked too often may be asked again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::text;

/// The shortest and the longest time that a registry is left alone, in seconds, whatever it asks for.
const SHORTEST: i64 = 60;
const LONGEST: i64 = 24 * 3600;
/// The time after the first refusal where the registry names none, in seconds; it doubles with each further one.
const FIRST: i64 = 600;

/// A registry that is left alone for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPause {
    /// Until when, in seconds since 1970.
    pub until: i64,
    /// How many times in turn it has refused.
    pub times: u32,
    /// What it said, in words.
    pub why: String,
}

impl HostPause {
    /// The reason in words, with the end of the pause.
    pub fn describe(&self) -> String {
        format!("{}; it is asked again at {}", self.why, text::timestamp(self.until))
    }
}

/// The registries outside that are left alone, by host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPauses(BTreeMap<String, HostPause>);

impl HostPauses {
    /// Why a host may not be asked at this time; `None` where it may.
    pub fn standing(&self, host: &str, now: i64) -> Option<&HostPause> {
        self.0.get(host).filter(|pause| pause.until > now)
    }

    /// All hosts that may not be asked at this time.
    pub fn all_standing(&self, now: i64) -> impl Iterator<Item = (&str, &HostPause)> {
        self.0.iter().filter(move |(_, pause)| pause.until > now).map(|(host, pause)| (host.as_str(), pause))
    }

    /// Notes that a host has refused, and perhaps asked to wait for so many seconds. Refusals during a pause are those of
    /// questions that were under way: they count as the same one.
    pub fn refused(&mut self, host: &str, asked: Option<u32>, now: i64, why: &str) -> HostPause {
        let before = self.0.get(host);
        let same = before.filter(|pause| pause.until > now);
        // What was refused long ago does not count any more.
        let lately = before.filter(|pause| now.saturating_sub(pause.until) < LONGEST);
        let times = same.map_or(lately.map_or(0, |pause| pause.times).saturating_add(1), |pause| pause.times);
        let grown = FIRST.saturating_mul(1 << times.saturating_sub(1).min(16));
        let wait = asked.map_or(grown, i64::from).clamp(SHORTEST, LONGEST);
        let until = now.saturating_add(wait).max(same.map_or(0, |pause| pause.until));
        let pause = HostPause { until, times, why: why.to_owned() };
        self.0.insert(host.to_owned(), pause.clone());
        pause
    }

    /// Notes that a host has answered as usual. A pause that has begun meanwhile stays.
    pub fn answered(&mut self, host: &str, now: i64) {
        if self.standing(host, now).is_none() {
            self.0.remove(host);
        }
    }

    /// Takes over what others know: of two pauses of a host, the one that ends later.
    pub fn learn(&mut self, others: Self, now: i64) {
        for (host, mut other) in others.0 {
            // A time far ahead is that of a clock that was wrong.
            other.until = other.until.min(now.saturating_add(LONGEST));
            if self.0.get(&host).is_none_or(|known| known.until < other.until) {
                self.0.insert(host, other);
            }
        }
    }

    /// The seconds until the next round: `every`, or sooner where a pause ends before, but not sooner than `least`.
    pub fn next_round(&self, every: i64, least: i64, now: i64) -> i64 {
        let ends = self.all_standing(now).map(|(_, pause)| pause.until.saturating_sub(now));
        ends.min().map_or(every, |end| end.clamp(least, every.max(least)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn a_host_is_left_alone_as_long_as_it_asks_for_within_a_day() {
        for (asked, wait) in [(3600, 3600), (0, SHORTEST), (90 * 86_400, LONGEST)] {
            let mut pauses = HostPauses::default();
            pauses.refused("a", Some(asked), NOW, "too many");
            assert!(pauses.standing("a", NOW + wait - 1).is_some(), "{asked}");
            assert_eq!(pauses.standing("a", NOW + wait), None, "{asked}");
            assert_eq!(pauses.standing("b", NOW), None, "others may be asked");
        }
    }

    #[test]
    fn without_a_time_the_pause_grows_until_the_host_answers() {
        let (mut pauses, mut now) = (HostPauses::default(), NOW);
        for wait in [600, 1200, 2400, 4800] {
            assert_eq!(pauses.refused("a", None, now, "no").until, now + wait);
            // What was under way at the same time makes it no longer.
            assert_eq!(pauses.refused("a", None, now + 1, "no").until - now, wait + 1);
            // An answer to what was asked before does not end it.
            pauses.answered("a", now + 2);
            assert!(pauses.standing("a", now + 2).is_some());
            now += wait + 1;
        }
        for _ in 0..40 {
            now = pauses.refused("a", None, now, "no").until;
        }
        assert_eq!(pauses.refused("a", None, now, "no").until, now + LONGEST);
        let mut answered = pauses.clone();
        answered.answered("a", now + LONGEST);
        assert_eq!(answered.refused("a", None, now + LONGEST, "no").times, 1);
        assert_eq!(pauses.refused("a", None, now + 2 * LONGEST, "no").times, 1, "that was long ago");
    }

    #[test]
    fn what_is_kept_counts_in_the_next_round_unless_a_clock_was_wrong() {
        let mut kept = HostPauses::default();
        kept.refused("a", Some(3600), NOW, "no");
        kept.refused("b", Some(60), NOW, "no");
        let kept: HostPauses = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        let mut pauses = HostPauses::default();
        pauses.refused("b", Some(7200), NOW, "no");
        pauses.learn(kept.clone(), NOW);
        assert!(pauses.standing("a", NOW + 3599).is_some() && pauses.standing("b", NOW + 7199).is_some());
        let mut later = HostPauses::default();
        later.learn(kept, NOW - 10 * LONGEST);
        assert_eq!(later.standing("a", NOW), None, "nobody is left alone for ten days");
    }

    #[test]
    fn the_next_round_begins_when_a_host_may_be_asked_again() {
        let mut pauses = HostPauses::default();
        assert_eq!(pauses.next_round(21_600, 300, NOW), 21_600);
        pauses.refused("a", Some(3600), NOW, "no");
        assert_eq!(pauses.next_round(21_600, 300, NOW), 3600);
        assert_eq!(pauses.next_round(1800, 300, NOW), 1800);
        pauses.refused("b", Some(60), NOW, "no");
        assert_eq!(pauses.next_round(21_600, 300, NOW), 300);
        assert_eq!(pauses.next_round(21_600, 300, NOW + 3600), 21_600);
    }
}

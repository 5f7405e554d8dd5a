//! How fast, and at which hours, bytes are moved: what a person or a site allows transfers.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize, Serializer};
use tokio::time::Instant;

use super::{
    error::{Error, Result},
    progress::Progress,
    text,
};

/// How long at most until the clock is looked at again.
const LOOK: Duration = Duration::from_secs(20);
const MINUTES: u16 = 24 * 60;

/// Bytes a second: `50M`, `512 KiB`, `1G`; each unit is 1024 of the one below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate(u64);

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("read the rate '{given}'"), "it is not a number of bytes a second")
                .hint("write it like 500K, 50M or 1G")
        };
        let bytes = text::parse_bytes(given.trim().trim_end_matches("/s"));
        bytes.filter(|bytes| *bytes >= 1024).map(Self).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Rate {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        given.parse()
    }
}

/// Hours of each day, in local time: `20:00-06:00`. They may go past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hours {
    /// The first minute of the day.
    from: u16,
    /// The minute of the day at which they end.
    until: u16,
}

impl Hours {
    /// Whether a minute of the day is among them.
    fn hold(self, minute: u16) -> bool {
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

impl FromStr for Hours {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let minute = |written: &str| {
            let (hour, minute) = written.trim().split_once(':')?;
            let is_number = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
            if !is_number(hour) || !is_number(minute) {
                return None;
            }
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            (hour < 24 && minute < 60 || (hour, minute) == (24, 0)).then_some((hour * 60 + minute) % MINUTES)
        };
        let hours = given.split_once('-').and_then(|(from, until)| Some((minute(from)?, minute(until)?)));
        hours.filter(|(from, until)| from != until).map(|(from, until)| Self { from, until }).ok_or_else(|| {
            Error::usage(format!("read the hours '{given}'"), "they are not two times of the day")
                .hint("write them like 20:00-06:00")
        })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, until] = [self.from, self.until].map(clock);
        write!(f, "{from}-{until}")
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TryFrom<String> for Hours {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        given.parse()
    }
}

/// A minute of the day as a clock shows it.
fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// The minute of the day, in local time.
fn minute_now() -> u16 {
    let now = jiff::ZonedDateTime::now();
    u16::try_from(now.hour()).unwrap_or(0) * 60 + u16::try_from(now.minute()).unwrap_or(0)
}

/// How fast, and when. Clones share one rate. Of several limits each rate holds, and the hours of the first that has some.
#[derive(Clone, Default)]
pub struct Pace(Vec<Arc<Limits>>);

struct Limits {
    rate: Option<Rate>,
    hours: Option<Hours>,
    /// When the next byte may be moved.
    next: Mutex<Option<Instant>>,
    minute: fn() -> u16,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|limits| (limits.rate, limits.hours))).finish()
    }
}

impl Pace {
    /// No faster than `rate`, and only in these hours.
    pub fn new(rate: Option<Rate>, hours: Option<Hours>) -> Self {
        Self::by_clock(rate, hours, minute_now)
    }

    fn by_clock(rate: Option<Rate>, hours: Option<Hours>, minute: fn() -> u16) -> Self {
        if rate.is_none() && hours.is_none() {
            return Self::default();
        }
        Self(vec![Arc::new(Limits { rate, hours, next: Mutex::default(), minute })])
    }

    /// These limits, and those of `other` besides: the slower rate holds, and the hours of `other` where there are none here.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// The rate and the hours that hold, where there are some.
    pub fn limits(&self) -> (Option<Rate>, Option<Hours>) {
        (self.0.iter().filter_map(|limits| limits.rate).min(), self.0.iter().find_map(|limits| limits.hours))
    }

    /// These limits; where they say nothing about the rate or the hours, those that are given.
    #[must_use]
    pub fn or(&self, rate: Option<Rate>, hours: Option<Hours>) -> Self {
        let (own_rate, own_hours) = self.limits();
        self.and(&Self::new(rate.filter(|_| own_rate.is_none()), hours.filter(|_| own_hours.is_none())))
    }

    /// Waits until so many bytes may be moved.
    pub async fn take(&self, bytes: u64, progress: &Progress) {
        self.hours(progress).await;
        for limits in &self.0 {
            let Some(Rate(rate)) = limits.rate else { continue };
            let begin = {
                let mut next = limits.next.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                let begin = next.map_or(now, |next| next.max(now));
                *next = Some(begin + Duration::from_secs_f64(bytes as f64 / rate as f64));
                begin
            };
            tokio::time::sleep_until(begin).await;
        }
    }

    /// Waits until bytes may be moved at all. While the hours have not begun, the progress says so.
    pub async fn hours(&self, progress: &Progress) {
        let timed = self.0.iter().find_map(|limits| Some((limits.hours?, limits.minute)));
        if let Some((hours, minute)) = timed {
            let mut waited = false;
            while !hours.hold(minute()) {
                waited = true;
                progress.phase(format!("waiting until {}", clock(hours.from)));
                tokio::time::sleep(LOOK).await;
            }
            if waited {
                progress.phase("going on");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_hours_are_read_as_people_write_them() {
        for (given, bytes) in
            [("50M", 50 << 20), ("512 KiB", 512 << 10), ("1G", 1 << 30), ("2048", 2048), ("1M/s", 1 << 20)]
        {
            assert_eq!(given.parse::<Rate>().unwrap().0, bytes, "{given}");
        }
        for wrong in ["", "M", "fast", "-1M", "1.5M", "10", "99999999999G", "1Q", "5 0M"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
        for (given, at, holds) in [
            ("20:00-06:00", 0, true),
            ("20:00-06:00", 6 * 60, false),
            ("20:00-06:00", 19 * 60 + 59, false),
            ("20:00-24:00", 23 * 60 + 59, true),
            ("9:30-17:00", 9 * 60 + 29, false),
            ("9:30-17:00", 9 * 60 + 30, true),
        ] {
            assert_eq!(given.parse::<Hours>().unwrap().hold(at), holds, "{given} at {at}");
        }
        for wrong in ["", "20:00", "20-06", "25:00-06:00", "20:60-06:00", "20:00-20:00", "+1:00-2:00", "0:0-24:00"] {
            assert!(wrong.parse::<Hours>().is_err(), "{wrong}");
        }
        assert_eq!("9:05-24:00".parse::<Hours>().unwrap().to_string(), "09:05-00:00");
    }

    #[test]
    fn limits_are_written_down_and_hold_later_unless_others_are_said() {
        let (rate, hours) = ("20M".parse::<Rate>().unwrap(), "20:00-24:00".parse::<Hours>().unwrap());
        let kept = Pace::new(Some(rate), Some(hours)).limits();
        let kept: (Option<Rate>, Option<Hours>) = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        assert_eq!(kept, (Some(rate), Some(hours)));
        assert_eq!(Pace::default().or(kept.0, kept.1).limits(), kept);
        let faster = "1G".parse().unwrap();
        assert_eq!(Pace::new(Some(faster), None).or(kept.0, kept.1).limits(), (Some(faster), Some(hours)));
        assert_eq!(Pace::default().or(None, None).limits(), (None, None));
    }

    #[tokio::test]
    async fn all_who_share_a_rate_are_together_no_faster() {
        let pace = Pace::new(Some(Rate(32 << 20)), None);
        let began = Instant::now();
        let progress = Progress::silent();
        let (one, other) = (pace.clone(), pace.clone());
        let take = async |pace: Pace| {
            for _ in 0..8 {
                pace.take(1 << 19, &progress).await;
            }
        };
        tokio::join!(take(one), take(other));
        // 16 pieces of half a MiB at 32 MiB a second; the first needs no waiting.
        assert!(began.elapsed() >= Duration::from_millis(230), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn outside_of_its_hours_nothing_moves_and_the_progress_says_until_when() {
        let pace = Pace::by_clock(None, Some("20:00-06:00".parse().unwrap()), || 12 * 60);
        let (progress, notes) = Progress::channel();
        let waited = tokio::time::timeout(Duration::from_millis(30), pace.take(1, &progress)).await;
        assert!(waited.is_err());
        assert_eq!(notes.borrow().phase, "waiting until 20:00");
        let night = Pace::by_clock(None, Some("20:00-06:00".parse().unwrap()), || 0);
        night.take(1, &progress).await;
    }
}

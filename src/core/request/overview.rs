//! How requests went lately, and which approvals end soon: an overview for those who decide.

use serde::Serialize;

use super::wish::Id;
use crate::base::text;

/// The seconds of a day.
const DAY: i64 = 86_400;

/// What was asked for and decided on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DayCount {
    /// The day in UTC, as `2026-11-29`.
    pub day: String,
    /// Requests that were asked for on it.
    pub asked: u64,
    /// Requests that were decided on it, by the policy or by people.
    pub decided: u64,
}

/// An approval that ends soon, of an image that is admitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EndingApproval {
    /// The number of the request that was approved.
    pub request: Id,
    /// The name of the image, as the request has it.
    pub title: String,
    /// The reference under which it is admitted.
    pub reference: String,
    /// When the approval ends, in seconds since 1970.
    pub until: i64,
    /// Identifiers of the findings that are new since it was admitted; `None` if it was not judged since, or the store
    /// does not say.
    pub new_findings: Option<Vec<String>>,
}

/// How requests went lately, and which approvals end soon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueOverview {
    /// The last [`Self::DAYS`] days, the oldest first and today last.
    pub days: Vec<DayCount>,
    /// The approvals that end next, at most [`Self::LISTED`], the first to end first.
    pub ending: Vec<EndingApproval>,
    /// How many approvals end in the next [`Self::SOON`] days.
    pub ending_in_all: u64,
}

impl QueueOverview {
    /// The days that are counted, with today. They are those of UTC, as all times that Wharf writes: a day is the same
    /// for everybody who decides.
    pub const DAYS: i64 = 30;
    /// The days within which an approval ends soon.
    pub const SOON: i64 = 14;
    /// The most approvals that are listed.
    pub const LISTED: i64 = 10;

    /// The overview at a time by the store's clock, in seconds since 1970. `counts` has the days with requests, in days
    /// since 1970: what was asked for and what was decided. Days that are not counted are left out.
    pub fn new(now: i64, counts: &[(i64, u64, u64)], ending: Vec<EndingApproval>, ending_in_all: u64) -> Self {
        let today = now.div_euclid(DAY);
        let count = |day: i64| {
            let (asked, decided) = counts
                .iter()
                .filter(|(counted, ..)| *counted == day)
                .fold((0u64, 0u64), |sum, (_, asked, decided)| (sum.0 + asked, sum.1 + decided));
            let name = text::timestamp(day.saturating_mul(DAY)).chars().take_while(|c| *c != 'T').collect();
            DayCount { day: name, asked, decided }
        };
        let first = today.saturating_sub(Self::DAYS - 1);
        Self { days: (first..=today).map(count).collect(), ending, ending_in_all }
    }

    /// The time at which the first counted day begins, if it is `now` by the store's clock; both in seconds since 1970.
    pub fn begins(now: i64) -> i64 {
        (now.div_euclid(DAY) - Self::DAYS + 1).saturating_mul(DAY)
    }

    /// How many requests were asked for in these days.
    pub fn asked(&self) -> u64 {
        self.days.iter().map(|day| day.asked).sum()
    }

    /// How many requests were decided in these days.
    pub fn decided(&self) -> u64 {
        self.days.iter().map(|day| day.decided).sum()
    }
}

impl EndingApproval {
    /// In what time it ends, in words.
    pub fn ends(&self, now: i64) -> String {
        match self.until.saturating_sub(now) {
            left if left > 0 => format!("in {}", text::duration(left)),
            _ => "ended".to_owned(),
        }
    }

    /// What is new about the image, in words.
    pub fn news(&self) -> String {
        match self.new_findings.as_deref() {
            None => "new findings: unknown".to_owned(),
            Some([]) => "no new findings".to_owned(),
            Some([one]) => format!("a new finding: {one}"),
            Some(several) => format!("{} new findings: {}", several.len(), several.join(", ")),
        }
    }

    /// Whether a finding is known that is new since it was admitted.
    pub fn has_news(&self) -> bool {
        self.new_findings.as_deref().is_some_and(|new| !new.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_there_and_ends_at_midnight_in_utc() {
        let now = text::parse_timestamp("2026-03-02T23:59:59Z").unwrap();
        let today = now / DAY;
        let counts = [(today, 3, 1), (today - 29, 1, 0), (today - 30, 9, 9), (today + 1, 9, 9)];
        let overview = QueueOverview::new(now, &counts, Vec::new(), 0);
        let day = |at: usize| {
            let DayCount { day, asked, decided } = &overview.days[at];
            (day.as_str(), *asked, *decided)
        };
        assert_eq!(overview.days.len(), 30);
        assert_eq!((day(0), day(1)), (("2026-02-01", 1, 0), ("2026-02-02", 0, 0)));
        assert_eq!(day(29), ("2026-03-02", 3, 1));
        assert_eq!((overview.asked(), overview.decided()), (4, 1));
        assert_eq!(text::timestamp(QueueOverview::begins(now)), "2026-02-01T00:00:00Z");
        let later = QueueOverview::new(now + 1, &counts, Vec::new(), 0);
        assert_eq!(later.days[29].day, "2026-03-03");
    }

    #[test]
    fn what_is_not_known_of_an_image_is_called_unknown() {
        let told = |new: Option<&[&str]>| {
            let new_findings = new.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
            EndingApproval { new_findings, ..EndingApproval::default() }.news()
        };
        assert_eq!(told(None), "new findings: unknown");
        assert_eq!(told(Some(&[])), "no new findings");
        assert_eq!(told(Some(&["CVE-1"])), "a new finding: CVE-1");
        assert_eq!(told(Some(&["CVE-1", "CVE-2"])), "2 new findings: CVE-1, CVE-2");
        let ends = |until| EndingApproval { until, ..EndingApproval::default() }.ends(1000);
        assert_eq!((ends(1000 + 3 * DAY), ends(1000)), ("in 3 d".to_owned(), "ended".to_owned()));
    }
}

//! What a list shows of an image: trust, scan and verdict, each as a sign and a short word of its own.
//!
//! Marks are made from kept evidence only. Nothing is scanned or verified because somebody looks at a list.

use std::{borrow::Cow, cmp::Reverse, fmt};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::base::{
    badge::{Badge, Publisher, Scan, Signature, Tone, Verdict},
    severity::{Counts, Severity},
};

/// The most columns that sign and short word of a mark take, with a space between them.
pub const WIDTH: usize = 11;

/// A mark in a column of a list: sign, short word and tone, always together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortBadge {
    /// A sign, one column wide; `!!` where a finding is known to be exploited.
    pub sign: &'static str,
    /// The state in one short word; for findings the two worst severities with their numbers: `C2 H5`.
    pub word: Cow<'static, str>,
    /// Which colour role repeats what sign and word say.
    pub tone: Tone,
}

impl fmt::Display for ShortBadge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign, self.word)
    }
}

/// Who vouches for an image: whoever signed it, else its publisher, as the source says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Trust {
    /// What is known about its signatures.
    pub signature: Signature,
    /// Who made it, as the source says.
    pub publisher: Publisher,
}

impl Trust {
    /// The publisher, where no signature is known and the source says who made the image.
    fn publisher_instead(self) -> Option<Publisher> {
        let unsigned = matches!(self.signature, Signature::NotChecked | Signature::NoneFound);
        (unsigned && self.publisher != Publisher::Unknown).then_some(self.publisher)
    }

    /// Sign, long word and tone, for pages.
    pub fn badge(self) -> Badge {
        self.publisher_instead().map_or_else(|| self.signature.badge(), Publisher::badge)
    }

    /// Sign, short word and tone, for a column.
    pub fn short(self) -> ShortBadge {
        short(self.badge(), self.word())
    }

    fn word(self) -> &'static str {
        self.publisher_instead().map_or_else(|| self.signature.short(), Publisher::short)
    }

    /// The place in an order by trust: what is verified first, what was never checked last.
    fn rank(self) -> u8 {
        if let Some(publisher) = self.publisher_instead() {
            return match publisher {
                Publisher::SiteApproved => 2,
                Publisher::Official => 3,
                Publisher::VendorVerified => 4,
                Publisher::Sponsored => 5,
                Publisher::ProjectMember | Publisher::Unknown => 6,
            };
        }
        match self.signature {
            Signature::Verified => 0,
            Signature::CoveredByIndex => 1,
            Signature::Untrusted => 7,
            Signature::Claimed => 8,
            Signature::NoKey => 9,
            Signature::Expired => 10,
            Signature::Elsewhere => 11,
            Signature::NoneFound => 12,
            Signature::TakenBack => 13,
            Signature::Invalid => 14,
            Signature::Unreachable => 15,
            Signature::NotChecked => 16,
        }
    }
}

/// What is known about the vulnerabilities of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ScanMark {
    /// The state of the scan.
    pub state: Scan,
    /// All findings, counted by severity; also those that are known to be exploited.
    pub counts: Counts,
    /// The worst severity of a finding for which there is a fixed version; `None` if there is no such finding.
    pub fixable: Option<Severity>,
}

impl ScanMark {
    /// Whether a finding is known to be exploited.
    fn is_exploited(&self) -> bool {
        self.state == Scan::Findings && self.counts.known_exploited > 0
    }

    /// Sign, short word and tone, for a column.
    pub fn short(&self) -> ShortBadge {
        let badge = self.state.badge();
        let Some(worst) = self.counts.worst().filter(|_| self.state == Scan::Findings) else {
            return short(badge, self.state.short());
        };
        let exploited = self.is_exploited();
        let sign = if exploited { "!!" } else { badge.sign };
        let tone = if exploited || worst <= Severity::High { Tone::Bad } else { Tone::Caution };
        ShortBadge { sign, word: counted(&self.counts, WIDTH - sign.len() - 1).into(), tone }
    }

    /// The place in an order by scan: the worst findings first, then what is not known well, what is clean, and last
    /// what nobody has scanned.
    fn rank(&self) -> (u8, Reverse<[u64; 6]>) {
        let state = match self.state {
            Scan::Findings => 0,
            Scan::Stale => 1,
            Scan::Partial => 2,
            Scan::Unsupported => 3,
            Scan::Failed => 4,
            Scan::Running => 5,
            Scan::Clean => 6,
            Scan::NotScanned => 7,
        };
        (state, Reverse(self.counts.weight()))
    }
}

/// The marks of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// Who vouches for it.
    pub trust: Trust,
    /// What is known about its vulnerabilities.
    pub scan: ScanMark,
    /// What the policy makes of that.
    pub verdict: Verdict,
}

impl Marks {
    /// These marks; of a publisher that they do not know, with the one that a list names.
    #[must_use]
    pub fn with_publisher(mut self, listed: Publisher) -> Self {
        if self.trust.publisher == Publisher::Unknown {
            self.trust.publisher = listed;
        }
        self
    }

    /// Sign, long word and tone of one of the marks, for pages.
    pub fn badge(&self, of: Facet) -> Badge {
        match of {
            Facet::Trust => self.trust.badge(),
            Facet::Scan => self.scan.state.badge(),
            Facet::Verdict => self.verdict.badge(),
        }
    }

    /// What the verdict means for whoever gets the image, after what the scan has found: `2 high: who gets it needs an
    /// approval to launch it`.
    pub fn receiver_words(&self) -> String {
        let worst = self.scan.counts.worst().filter(|_| self.scan.state == Scan::Findings);
        let found = match worst {
            Some(worst) if self.scan.is_exploited() => {
                let exploited = few_digits(self.scan.counts.known_exploited);
                format!("{} {}, {exploited} exploited", few_digits(self.scan.counts.of(worst)), worst.name())
            }
            Some(worst) => format!("{} {}", few_digits(self.scan.counts.of(worst)), worst.name()),
            None => self.scan.state.badge().word.to_owned(),
        };
        let means = match self.verdict {
            Verdict::Allow => "who gets it may launch it",
            Verdict::NeedsIsolation => "who gets it must isolate it to launch it",
            Verdict::NeedsApproval => "who gets it needs an approval to launch it",
            Verdict::Deny => "who gets it may not launch it",
            Verdict::Undecided => "whether who gets it may launch it is not known",
        };
        format!("{found}: {means}")
    }

    /// Sign, short word and tone of one of the marks, for a column.
    pub fn short(&self, of: Facet) -> ShortBadge {
        match of {
            Facet::Trust => self.trust.short(),
            Facet::Scan => self.scan.short(),
            Facet::Verdict => short(self.verdict.badge(), self.verdict.short()),
        }
    }

    /// The place of an image in an order by one of its marks; an image of which nothing is known comes last.
    pub fn rank(&self, by: Facet) -> (u8, Reverse<[u64; 6]>) {
        let plain = |rank| (rank, Reverse([0; 6]));
        match by {
            Facet::Trust => plain(self.trust.rank()),
            Facet::Scan => self.scan.rank(),
            Facet::Verdict if self.verdict == Verdict::Undecided => plain(u8::MAX),
            Facet::Verdict => plain(self.verdict.strictness()),
        }
    }
}

fn short(badge: Badge, word: &'static str) -> ShortBadge {
    ShortBadge { sign: badge.sign, word: word.into(), tone: badge.tone }
}

/// The two worst severities with the number of their findings; only the worst where both do not fit into `room` columns.
fn counted(counts: &Counts, room: usize) -> String {
    let groups = Severity::ALL.into_iter().filter(|severity| counts.of(*severity) > 0);
    let mut words = groups.map(|severity| format!("{}{}", severity.letter(), few_digits(counts.of(severity))));
    let first = words.next().unwrap_or_default();
    match words.next() {
        Some(second) if first.width() + 1 + second.width() <= room => format!("{first} {second}"),
        _ => first,
    }
}

/// A number in at most five columns; never less than there are, as far as that can be said so shortly.
fn few_digits(number: u64) -> String {
    match number {
        0..=999 => number.to_string(),
        1_000..=999_000 => format!("{}k", number.div_ceil(1_000)),
        999_001..=999_000_000 => format!("{}M", number.div_ceil(1_000_000)),
        _ => ">999M".to_owned(),
    }
}

/// One of the marks: a column, and a word of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Facet {
    /// Signatures; or who made it, as the source says.
    Trust,
    /// What is known about vulnerabilities.
    Scan,
    /// The verdict that the policy gives.
    Verdict,
}

/// How severe findings are, as they are filtered by: that severe or worse; and of those, the ones with a fix.
const SEVERITIES: [(Severity, &str, &str); 4] = [
    (Severity::Critical, "critical", "critical+fix"),
    (Severity::High, "high", "high+fix"),
    (Severity::Medium, "medium", "medium+fix"),
    (Severity::Low, "low", "low+fix"),
];

/// Filters for findings that are known to be exploited.
const EXPLOITED: &str = "exploited";

impl Facet {
    /// All marks, in the order of their columns.
    pub const ALL: [Self; 3] = [Self::Trust, Self::Scan, Self::Verdict];

    /// The word before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Scan => "scan",
            Self::Verdict => "verdict",
        }
    }

    /// The words that the filter knows, each with a longer word for the same.
    fn words(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Trust => {
                let signatures = Signature::ALL.iter().map(|state| (state.short(), state.badge().word));
                let known = Publisher::ALL.iter().filter(|state| **state != Publisher::Unknown);
                signatures.chain(known.map(|state| (state.short(), state.badge().word))).collect()
            }
            Self::Scan => {
                let states = Scan::ALL.iter().map(|state| (state.short(), state.badge().word));
                let severe = SEVERITIES.iter().flat_map(|(_, any, fixable)| [(*any, *any), (*fixable, *fixable)]);
                states.chain(severe).chain([(EXPLOITED, EXPLOITED)]).collect()
            }
            Self::Verdict => Verdict::ALL.map(|verdict| (verdict.short(), verdict.name())).to_vec(),
        }
    }

    /// The words that a typed word means: the one with that name, else those in whose name a word begins like it.
    pub fn states(self, typed: &str) -> Vec<&'static str> {
        let all = self.words();
        let typed_alike = |named: &str| as_typed(named) == typed;
        if let Some((exact, _)) = all.iter().find(|(short, long)| typed_alike(short) || typed_alike(long)) {
            return vec![exact];
        }
        let begins = |word: &str| {
            let word = as_typed(word);
            word.starts_with(typed) || word.split('-').any(|part| part.starts_with(typed))
        };
        all.into_iter().filter(|(short, long)| begins(short) || begins(long)).map(|(short, _)| short).collect()
    }

    /// The words as they are typed, for hints.
    pub fn choices(self) -> String {
        self.words().into_iter().map(|(short, _)| as_typed(short)).collect::<Vec<_>>().join(", ")
    }

    /// The words of the filter that fit an image.
    pub fn fitting(self, marks: &Marks) -> Vec<&'static str> {
        match self {
            Self::Trust => {
                let publisher = Some(marks.trust.publisher).filter(|publisher| *publisher != Publisher::Unknown);
                [marks.trust.signature.short()].into_iter().chain(publisher.map(Publisher::short)).collect()
            }
            Self::Scan => {
                let scan = &marks.scan;
                let worst = scan.counts.worst();
                let reaches = |found: Option<Severity>, wanted: Severity| found.is_some_and(|found| found <= wanted);
                let severe = SEVERITIES.iter().flat_map(|(severity, any, fixable)| {
                    [(reaches(worst, *severity), *any), (reaches(scan.fixable, *severity), *fixable)]
                });
                let severe = severe.filter(|(fits, _)| *fits).map(|(_, word)| word);
                let exploited = (scan.counts.known_exploited > 0).then_some(EXPLOITED);
                [scan.state.short()].into_iter().chain(severe).chain(exploited).collect()
            }
            Self::Verdict => vec![marks.verdict.short()],
        }
    }

    /// Whether one of these words fits an image.
    pub fn fits(self, states: &[&'static str], marks: &Marks) -> bool {
        self.fitting(marks).iter().any(|word| states.contains(word))
    }

    /// A word of the filter as it is typed: `trust:no-key`.
    pub fn typed(self, word: &str) -> String {
        format!("{}:{}", self.name(), as_typed(word))
    }
}

/// A state as one word: `needs-approval`.
fn as_typed(words: &str) -> String {
    let letters = words.chars().filter(|c| *c != ',').map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() });
    letters.collect()
}

#[cfg(test)]
mod tests;

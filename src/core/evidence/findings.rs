//! Known vulnerabilities. They are counted one by one, so that a report of any length fits into memory.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use crate::base::severity::{Counts, Severity};

/// Most findings that are kept of a scan; the counts include all.
pub const MOST_FINDINGS: usize = 2000;

/// A known vulnerability in a package.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vulnerability {
    /// Its severity, as the report gives it.
    pub severity: Severity,
    /// Its identifier, like `CVE-2024-3094`.
    pub id: String,
    /// The package that has the vulnerability.
    pub package: String,
    /// The version of the package in the image.
    pub installed: String,
    /// The version in which it is fixed; empty if there is none.
    pub fixed: String,
    /// Who gives the severity; may be empty.
    pub source: String,
    /// What it is, in a line.
    pub title: String,
    /// Whether it is known to be exploited.
    pub exploited: bool,
    /// Its CVSS base score in tenths, if the report gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<u8>,
    /// The layer that the package is in, as the report names it: the digest of its blob or of its content. Empty if the
    /// report does not say it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub layer: String,
    /// What it is at length, if the report says more than the line; only kept of the worst findings.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl Vulnerability {
    /// Whether people are warned of it: it is critical, high, or known to be exploited.
    pub fn matters(&self) -> bool {
        self.exploited || self.severity <= Severity::High
    }

    /// The severity and who gives it: `critical (nvd)`.
    pub fn severity_by(&self) -> String {
        let word = self.severity.name();
        if self.source.is_empty() { word.to_owned() } else { format!("{word} ({})", self.source) }
    }

    /// The CVSS base score as it is written: `9.8`.
    pub fn score_words(&self) -> Option<String> {
        self.score.map(|tenths| format!("{}.{}", tenths / 10, tenths % 10))
    }

    /// What decides and names the finding, without what only explains it.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self {
            severity: self.severity,
            id: self.id.clone(),
            package: self.package.clone(),
            installed: self.installed.clone(),
            fixed: self.fixed.clone(),
            exploited: self.exploited,
            ..Self::default()
        }
    }
}

impl Counts {
    /// Adds one finding to the counts of its severity.
    fn add(&mut self, one: &Vulnerability) {
        match one.severity {
            Severity::Critical => self.critical += 1,
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low => self.low += 1,
            Severity::Unknown => self.unknown += 1,
        }
        self.fixable_critical += u64::from(one.severity == Severity::Critical && !one.fixed.is_empty());
        self.known_exploited += u64::from(one.exploited);
    }
}

/// Of how many of the worst findings the description is kept: what is kept of a scan is read in one piece.
const DESCRIBED: usize = 200;

/// Most identifiers that are kept of findings which were cut off, to look them up in the catalogue of exploited ones.
const MOST_CUT: usize = 200_000;

/// Findings in the order of a report: all are counted, the worst are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    counts: Counts,
    worst: Vec<Vulnerability>,
    cut: Vec<(Severity, String)>,
}

impl Tally {
    /// Counts a finding, and keeps it if it is among the worst.
    pub fn add(&mut self, one: Vulnerability) {
        self.counts.add(&one);
        self.worst.push(one);
        if self.worst.len() >= 2 * MOST_FINDINGS {
            self.shorten();
        }
    }

    /// Adds the findings of another tally.
    pub fn merge(&mut self, other: Self) {
        let counts = &mut self.counts;
        counts.critical += other.counts.critical;
        counts.high += other.counts.high;
        counts.medium += other.counts.medium;
        counts.low += other.counts.low;
        counts.unknown += other.counts.unknown;
        counts.fixable_critical += other.counts.fixable_critical;
        counts.known_exploited += other.counts.known_exploited;
        self.worst.extend(other.worst);
        self.cut.extend(other.cut);
        self.shorten();
    }

    fn shorten(&mut self) {
        self.worst.sort();
        let cut = self.worst.drain(self.worst.len().min(MOST_FINDINGS)..).map(|one| (one.severity, one.id));
        self.cut.extend(cut);
        self.cut.truncate(MOST_CUT);
    }

    /// The counts and the worst findings; those in the catalogue are marked as exploited.
    pub fn finish(mut self, exploited: &Exploited) -> (Counts, Vec<Vulnerability>) {
        self.shorten();
        for one in self.worst.iter_mut().filter(|one| !one.exploited && exploited.has(&one.id)) {
            one.exploited = true;
            self.counts.known_exploited += 1;
        }
        for (severity, id) in self.cut {
            if exploited.has(&id) {
                self.counts.known_exploited += 1;
                self.worst.push(Vulnerability { severity, id, exploited: true, ..Vulnerability::default() });
            }
        }
        self.worst.sort_by(|a, b| b.exploited.cmp(&a.exploited).then_with(|| a.cmp(b)));
        self.worst.truncate(MOST_FINDINGS);
        self.worst.iter_mut().skip(DESCRIBED).for_each(|one| one.description.clear());
        (self.counts, self.worst)
    }
}

/// The vulnerabilities that catalogues list as exploited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exploited(BTreeSet<String>);

impl Exploited {
    /// Reads a catalogue: CISA's JSON (`vulnerabilities[].cveID`), or one identifier per line. Entries without an
    /// identifier are left out.
    pub fn parse(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let Ok(catalogue) = serde_json::from_str::<serde_json::Value>(text) else {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            return Self(lines.map(str::to_owned).collect());
        };
        let entries = catalogue.get("vulnerabilities").and_then(serde_json::Value::as_array);
        let id = |entry: &serde_json::Value| Some(entry.get("cveID")?.as_str()?.to_owned());
        Self(entries.into_iter().flatten().filter_map(id).collect())
    }

    /// Adds the entries of another catalogue.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether a vulnerability is in a catalogue.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(at: usize, severity: Severity) -> Vulnerability {
        Vulnerability { severity, id: format!("CVE-{at}"), fixed: "2".into(), ..Vulnerability::default() }
    }

    #[test]
    fn the_description_is_kept_of_the_worst_findings_only() {
        let mut tally = Tally::default();
        for at in 0..=DESCRIBED {
            let severity = if at == 0 { Severity::Low } else { Severity::High };
            tally.add(Vulnerability { description: "at length".into(), ..finding(at, severity) });
        }
        let (_, worst) = tally.finish(&Exploited::default());
        let described = worst.iter().filter(|one| !one.description.is_empty()).count();
        assert_eq!((described, worst.last().map(|one| one.description.as_str())), (DESCRIBED, Some("")));
        let scored = Vulnerability { score: Some(98), layer: "sha256:1".into(), ..worst[0].clone() };
        assert_eq!(scored.score_words().as_deref(), Some("9.8"));
        assert_eq!(scored.bare(), Vulnerability { description: String::new(), ..worst[0].clone() });
    }

    #[test]
    fn a_report_of_any_length_is_counted_whole_and_kept_in_part_and_what_is_exploited_is_never_cut() {
        let mut tally = Tally::default();
        for at in 0..50_000 {
            tally.add(finding(at, if at % 100 == 0 { Severity::Critical } else { Severity::Low }));
        }
        let catalogue = r#"{"title":"KEV","vulnerabilities":[{"cveID":"CVE-49999","vendorProject":"x"}]}"#;
        let (counts, worst) = tally.finish(&Exploited::parse(catalogue));
        assert_eq!(
            (counts.critical, counts.low, counts.fixable_critical, counts.known_exploited),
            (500, 49_500, 500, 1)
        );
        assert_eq!((worst.len(), worst[0].id.as_str(), worst[0].exploited), (MOST_FINDINGS, "CVE-49999", true));
        assert_eq!(worst[1].severity, Severity::Critical);
        let odd = r#"{"title":null,"vulnerabilities":[{"cveID":null},{},7,null,{"cveID":"CVE-9","notes":null}]}"#;
        assert!(Exploited::parse(odd).has("CVE-9"), "an odd entry costs itself");
        assert_eq!(Exploited::parse(r#"{"vulnerabilities":null}"#).len(), 0);
        let listed = Exploited::parse("# ours\nCVE-1\n\n CVE-2 \n");
        assert!(listed.has("CVE-2") && listed.len() == 2);
    }
}

//! What a list says of an image beside its marks: short enough to be kept for every row that was looked at.

use super::Verified;
use crate::{
    base::{
        badge::{Scan, Verdict},
        severity::Severity,
    },
    evidence::record::{Kind, Outcome, Record, best},
};

/// The findings of one severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Findings {
    /// The severity.
    pub severity: Severity,
    /// How many findings there are.
    pub count: u64,
    /// How many of them have a fixed version, as far as the findings themselves are kept.
    pub fixable: u64,
}

/// A check in a few words: what said it, and when it was made in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The signer, or the tool where there is none.
    pub by: String,
    /// When it was made.
    pub at: i64,
}

/// The reasons of a verdict and the findings of the scan that counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brief {
    /// The reasons that decide against the image, each with its verdict, the strictest first; none if it is allowed.
    pub reasons: Vec<(Verdict, String)>,
    /// The findings by severity, the worst first; empty unless a scanner has seen the packages.
    pub findings: Vec<Findings>,
    /// The signature that counts.
    pub signature: Option<Check>,
    /// The scan that counts.
    pub scan: Option<Check>,
}

/// The findings of a scan by severity, the worst first: critical to low always, those of unknown severity if there are
/// any. Empty unless a scanner has seen the packages.
pub fn by_severity(record: &Record) -> Vec<Findings> {
    let Outcome::Scan { state: Scan::Clean | Scan::Findings | Scan::Stale | Scan::Partial, counts, worst, .. } =
        &record.outcome
    else {
        return Vec::new();
    };
    let group = |severity: Severity| {
        let fixable = worst.iter().filter(|one| one.severity == severity && !one.fixed.is_empty()).count() as u64;
        Findings { severity, count: counts.of(severity), fixable }
    };
    let shown = |group: &Findings| group.severity != Severity::Unknown || group.count > 0;
    Severity::ALL.into_iter().map(group).filter(shown).collect()
}

impl Verified {
    /// The verdict's reasons and the findings in brief, at `now` in seconds since 1970.
    pub fn brief(&self, now: i64) -> Brief {
        let mut against: Vec<(Verdict, String)> = self
            .judgement
            .reasons
            .iter()
            .filter(|reason| reason.verdict != Verdict::Allow)
            .map(|reason| (reason.verdict, reason.words.clone()))
            .collect();
        against.sort_by_key(|(verdict, _)| std::cmp::Reverse(verdict.strictness()));
        let check = |kind: Kind| {
            best(&self.records, kind, now).map(|record| {
                let by = match &record.outcome {
                    Outcome::Signature { signer, .. } if !signer.is_empty() => signer.clone(),
                    _ => record.tool.clone(),
                };
                Check { by, at: record.at }
            })
        };
        Brief {
            reasons: against,
            findings: best(&self.records, Kind::Scan, now).map(by_severity).unwrap_or_default(),
            signature: check(Kind::Signature),
            scan: check(Kind::Scan),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::digest::Digest,
        evidence::record::{CheckedBy, Counts, Vulnerability},
        image::{model::Pinned, reference::ImageRef},
    };

    fn scan(state: Scan) -> Record {
        let digest = Digest::of(b"image");
        let reference = ImageRef::oci("site.example", "physics/gromacs", None);
        let pinned = Pinned { reference, digest: digest.clone(), platform: None, manifest: digest };
        let finding = |severity: Severity, fixed: &str| Vulnerability {
            severity,
            fixed: fixed.to_owned(),
            ..Vulnerability::default()
        };
        let worst = vec![finding(Severity::High, "3.0.15"), finding(Severity::High, ""), finding(Severity::Low, "2")];
        let counts = Counts { high: 2, low: 1, ..Counts::default() };
        let outcome = Outcome::Scan { state, counts, packages: 9, scanned: None, database: None, worst };
        Record::now(&pinned, CheckedBy::Wharf, "trivy", outcome, 60)
    }

    #[test]
    fn findings_are_counted_by_severity_with_those_that_can_be_fixed() {
        let shown: Vec<_> = by_severity(&scan(Scan::Findings))
            .iter()
            .map(|one| (one.severity.name(), one.count, one.fixable))
            .collect();
        assert_eq!(shown, [("critical", 0, 0), ("high", 2, 1), ("medium", 0, 0), ("low", 1, 1)]);
    }

    #[test]
    fn a_scanner_that_saw_no_packages_has_no_findings_to_show() {
        assert!(by_severity(&scan(Scan::Unsupported)).is_empty());
    }
}

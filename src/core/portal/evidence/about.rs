//! What is known of the findings of an image besides its scan: which other images have them, and what accepts them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Evidence, Verified};
use crate::{
    base::{badge::Scan, digest::Digest, error::Result, text},
    evidence::record::{Kind, Outcome, Record, best},
    image::reference::ImageRef,
    policy::{Facts, Policy},
};

/// What is known of the findings of an image besides its scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AboutFindings {
    /// The other images with a scan that counts, by the digest of what was named; of each also its manifests.
    pub scanned: Vec<BTreeSet<Digest>>,
    /// The places of those that have a finding, by its identifier.
    pub others: BTreeMap<String, BTreeSet<usize>>,
    /// What accepts a finding, in words, by its identifier.
    pub accepted: BTreeMap<String, String>,
}

impl AboutFindings {
    /// How many other images were scanned.
    pub fn scanned_count(&self) -> usize {
        self.scanned.len()
    }

    /// How many of them have the finding of this identifier.
    pub fn count(&self, finding: &str) -> usize {
        self.others.get(finding).map_or(0, BTreeSet::len)
    }

    /// Whether one of them that has the finding has this digest, as that of what is named or of a manifest.
    pub fn is_in(&self, finding: &str, digest: &str) -> bool {
        let places = self.others.get(finding).into_iter().flatten();
        places.filter_map(|place| self.scanned.get(*place)).flatten().any(|one| one.as_str() == digest)
    }

    /// What accepts the finding, in words; `None` if nothing does.
    pub fn accepted_by(&self, finding: &str) -> Option<&str> {
        self.accepted.get(finding).map(String::as_str)
    }
}

/// The identifiers of the findings in the scan that counts.
fn named(records: &[Record], now: i64) -> BTreeSet<&str> {
    match best(records, Kind::Scan, now).map(|record| &record.outcome) {
        Some(Outcome::Scan { worst, .. }) => worst.iter().map(|one| one.id.as_str()).collect(),
        _ => BTreeSet::new(),
    }
}

/// What accepts each of the findings.
fn accepted(policy: &Policy, of: &Verified, findings: &BTreeSet<&str>, now: i64) -> BTreeMap<String, String> {
    let facts = Facts {
        records: &of.records,
        digests: vec![of.subject.digest.clone(), of.subject.manifest.clone()],
        name: &of.subject.name,
        ..Facts::default()
    };
    let words = |id: &&str| Some(((*id).to_owned(), policy.accepted(&facts, id, now)?));
    findings.iter().filter_map(words).collect()
}

/// The other images, one after the other.
#[derive(Default)]
struct Others {
    places: HashMap<Digest, usize>,
    about: AboutFindings,
}

impl Others {
    /// Adds a scan of another image, if a scanner has seen its packages.
    fn add(&mut self, record: &Record, findings: &BTreeSet<&str>) {
        let Outcome::Scan { state: Scan::Clean | Scan::Findings, worst, .. } = &record.outcome else { return };
        let scanned = &mut self.about.scanned;
        let place = *self.places.entry(record.subject.digest.clone()).or_insert_with(|| {
            scanned.push(BTreeSet::from([record.subject.digest.clone()]));
            scanned.len() - 1
        });
        if let Some(digests) = scanned.get_mut(place) {
            digests.insert(record.subject.manifest.clone());
        }
        for one in worst.iter().filter(|one| findings.contains(one.id.as_str())) {
            self.about.others.entry(one.id.clone()).or_default().insert(place);
        }
    }
}

impl Evidence {
    /// What is known of the findings of an image besides its scan. Only kept evidence is read: images that this person has
    /// looked at, in sources that are still there. Nothing is scanned, and no source is contacted.
    ///
    /// # Errors
    /// Where the kept evidence cannot be read.
    pub async fn about_findings(&self, of: &Verified) -> Result<AboutFindings> {
        let now = text::now();
        let findings = named(&of.records, now);
        let mut others = Others::default();
        let mut take = |record: Record| {
            let subject = &record.subject;
            let is_other = subject.digest != of.subject.digest && subject.manifest != of.subject.manifest;
            let place = subject.name.parse::<ImageRef>();
            let is_there = || place.is_ok_and(|place| self.sources.source(&place).is_ok());
            if is_other && self.counts(&record, &subject.name, now) && is_there() {
                others.add(&record, &findings);
            }
        };
        self.cache.each_scan(&mut take).await?;
        Ok(AboutFindings { accepted: accepted(&self.config.policy, of, &findings, now), ..others.about })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::record::{CheckedBy, Counts, Subject, Vulnerability};

    const NOW: i64 = 1_800_000_000;

    fn scan(digest: &str, manifest: &str, state: Scan, found: &[&str]) -> Record {
        let worst = found.iter().map(|id| Vulnerability { id: (*id).into(), ..Vulnerability::default() }).collect();
        Record {
            subject: Subject {
                name: "oci://h/a".into(),
                tag: None,
                digest: Digest::of(digest.as_bytes()),
                platform: None,
                manifest: Digest::of(manifest.as_bytes()),
            },
            check: "x".into(),
            tool: "x".into(),
            inputs: Vec::new(),
            by: CheckedBy::Wharf,
            at: NOW,
            valid_until: NOW + 600,
            outcome: Outcome::Scan {
                state,
                counts: Counts::default(),
                packages: 9,
                scanned: Some(NOW),
                database: None,
                worst,
            },
            reason: String::new(),
            terms: None,
        }
    }

    #[test]
    fn an_image_is_counted_once_whatever_its_manifests_and_only_where_its_packages_were_seen() {
        let findings = BTreeSet::from(["CVE-1", "CVE-2"]);
        let mut others = Others::default();
        for record in [
            scan("one", "amd64", Scan::Findings, &["CVE-1", "CVE-1", "CVE-9"]),
            scan("one", "arm64", Scan::Findings, &["CVE-1"]),
            scan("two", "two", Scan::Findings, &["CVE-1"]),
            scan("clean", "clean", Scan::Clean, &[]),
            scan("failed", "failed", Scan::Failed, &["CVE-2"]),
        ] {
            others.add(&record, &findings);
        }
        let about = others.about;
        assert_eq!(
            (about.scanned_count(), about.count("CVE-1"), about.count("CVE-2"), about.count("CVE-9")),
            (3, 2, 0, 0)
        );
        let is_in = |digest: &str| about.is_in("CVE-1", Digest::of(digest.as_bytes()).as_str());
        assert!(is_in("one") && is_in("arm64") && is_in("two") && !is_in("clean"));
    }
}

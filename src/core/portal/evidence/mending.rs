//! What would mend an image: other versions of it with fewer findings that the policy allows, by what is kept.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Evidence, diff::findings, rehearse::judged};
use crate::{
    base::{
        badge::{Scan, Verdict},
        digest::Digest,
        error::Result,
        severity::Counts,
        text,
    },
    catalog::tags::{self, SeenTag},
    evidence::record::{Kind, Outcome, Record, Subject, best},
    image::{model::Platform, reference::ImageRef},
    policy::{Policy, Site},
};

/// Another version of an image, compared with the present one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mend {
    /// Its tag, as it was seen last.
    pub tag: String,
    /// The digest that the tag was seen to mean.
    pub digest: Digest,
    /// How many findings of the present image it does not have; 0 if the present image was not scanned.
    pub gone: u64,
    /// The findings that it has.
    pub left: Counts,
    /// The policy's verdict, from kept evidence.
    pub verdict: Verdict,
}

/// The other versions of an image that the policy allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedVersions {
    /// Those that would mend it: with fewer findings, the best first. None if the image itself was not scanned.
    pub mends: Vec<Mend>,
    /// The nearest one, with its reference: the next one of the same series, else the last one before it.
    pub nearest: Option<(Mend, ImageRef)>,
}

/// A version with the evidence that is kept of it.
struct Known<'a> {
    seen: &'a SeenTag,
    records: Vec<Record>,
}

/// The findings in the scan that counts; `None` unless a scanner has seen the packages.
fn counted(records: &[Record], now: i64) -> Option<Counts> {
    match best(records, Kind::Scan, now)?.outcome {
        Outcome::Scan { state: Scan::Clean | Scan::Findings, counts, .. } => Some(counts),
        _ => None,
    }
}

/// How many findings of the first image the second does not have. Lists of findings may be cut; then only the numbers
/// can be compared.
fn gone(before: &[Record], after: &[Record], now: i64) -> u64 {
    let (Some(had), Some(has)) = (counted(before, now), counted(after, now)) else { return 0 };
    match (findings(before, now), findings(after, now)) {
        (Some(old), Some(new)) if old.len() as u64 == had.total() && new.len() as u64 == has.total() => {
            old.keys().filter(|key| !new.contains_key(*key)).count() as u64
        }
        _ => had.total().saturating_sub(has.total()),
    }
}

/// The strictest verdict on the manifests of a version for `platform`, and the findings of the worst of them. Without a
/// platform all its manifests count. `None` if none of them was scanned.
fn judge(
    policy: &Policy,
    known: &Known<'_>,
    platform: Option<&Platform>,
    now: i64,
) -> Option<(Verdict, Counts, Vec<Record>)> {
    let mut manifests: BTreeMap<&Digest, Vec<Record>> = BTreeMap::new();
    for record in &known.records {
        let subject = &record.subject;
        let fits = platform.is_none() || subject.platform.is_none() || subject.platform.as_ref() == platform;
        if fits {
            manifests.entry(&subject.manifest).or_default().push(record.clone());
        }
    }
    let judged = manifests.into_values().filter_map(|records| {
        let subject: &Subject = &records.first()?.subject;
        let verdict = judged(policy, &records, subject, now).verdict;
        Some((verdict, counted(&records, now)?, records))
    });
    judged.max_by_key(|(verdict, counts, _)| (verdict.strictness(), counts.weight()))
}

/// What the tags were seen to mean last, without `digest`. Of several tags for one digest, the one that says most about
/// the version: 2024.3 rather than 2024 or latest.
fn versions<'a>(seen: &'a [SeenTag], digest: &Digest) -> Vec<&'a SeenTag> {
    let mut versions: Vec<&SeenTag> = Vec::new();
    for one in tags::latest(seen).into_iter().filter(|one| one.digest != *digest) {
        match versions.iter_mut().find(|known| known.digest == one.digest) {
            Some(known) if says_more(&one.tag, &known.tag) => *known = one,
            Some(_) => {}
            None => versions.push(one),
        }
    }
    versions
}

/// Those of other versions that were scanned, compared with the evidence of the present one.
fn compared(policy: &Policy, present: &[Record], others: &[Known<'_>], now: i64) -> Vec<Mend> {
    let platform = present.iter().find_map(|record| record.subject.platform.as_ref());
    let compare = |other: &Known<'_>| {
        let (verdict, left, records) = judge(policy, other, platform, now)?;
        let SeenTag { tag, digest, .. } = other.seen;
        Some(Mend { tag: tag.clone(), digest: digest.clone(), gone: gone(present, &records, now), left, verdict })
    };
    others.iter().filter_map(compare).collect()
}

fn says_more(tag: &str, than: &str) -> bool {
    let rank = |tag: &str| (tag.contains(|c: char| c.is_ascii_digit()), tag.len());
    rank(tag) > rank(than)
}

/// Of compared versions those that the policy allows.
fn allowed(compared: Vec<Mend>) -> Vec<Mend> {
    compared.into_iter().filter(|one| one.verdict == Verdict::Allow).collect()
}

/// Of allowed versions those that mend the present one: with fewer findings and none of a worse kind. The fewest
/// findings come first, of equal ones the newest version.
fn mends(mut all: Vec<Mend>, present: &Counts) -> Vec<Mend> {
    all.retain(|one| one.left.total() < present.total() && one.left.weight() < present.weight());
    all.sort_by(|a, b| a.left.weight().cmp(&b.left.weight()).then_with(|| tags::by_version(&b.tag, &a.tag)));
    all
}

/// The version that is nearest to `tag`.
fn nearest(mut versions: Vec<Mend>, tag: &str) -> Option<Mend> {
    let names: Vec<&str> = versions.iter().map(|one| one.tag.as_str()).collect();
    let at = tags::nearest(tag, &names)?;
    Some(versions.swap_remove(at))
}

impl Evidence {
    /// The other versions of an image, which the reference's tag names and this digest means, that the policy allows. Only
    /// kept evidence and the site's store are read; nothing is scanned, and no source is contacted: the verdict on a launch
    /// is based on a new look.
    pub async fn allowed_versions(&self, reference: &ImageRef, digest: &Digest) -> Result<AllowedVersions> {
        let (compared, present) = self.versions_compared(reference, digest).await?;
        let allowed = self.still_admitted(reference, allowed(compared)).await;
        let nearest = reference.tag().and_then(|tag| nearest(allowed.clone(), tag)).map(|mend| {
            let at = reference.without_version().with_tag(&mend.tag).with_digest(&mend.digest);
            (mend, at)
        });
        let mends = counted(&present, text::now()).map_or_else(Vec::new, |present| mends(allowed, &present));
        Ok(AllowedVersions { mends, nearest })
    }

    /// The other versions of an image that were scanned, compared with the one that has this digest; and the evidence of
    /// that one.
    async fn versions_compared(&self, reference: &ImageRef, digest: &Digest) -> Result<(Vec<Mend>, Vec<Record>)> {
        let now = text::now();
        let name = reference.without_version().to_string();
        let seen = self.seen.of_image(reference).await?;
        let mut others = Vec::new();
        for seen in versions(&seen, digest) {
            others.push(Known { seen, records: self.kept_of(&name, &seen.digest, now).await? });
        }
        let present = self.kept_of(&name, digest, now).await?;
        Ok((compared(&self.config.policy, &present, &others, now), present))
    }

    /// Kept evidence of a digest under a name, of all its manifests, as far as it still counts.
    pub(super) async fn kept_of(&self, name: &str, digest: &Digest, now: i64) -> Result<Vec<Record>> {
        let kept = self.cache.evidence(std::slice::from_ref(digest)).await?;
        let of_it = |record: &Record| record.subject.digest == *digest && record.outcome != Outcome::Nothing;
        Ok(kept.into_iter().filter(|record| of_it(record) && self.counts(record, name, now)).collect())
    }

    /// Those of the versions of which the site's store knows nothing that speaks against them.
    async fn still_admitted(&self, reference: &ImageRef, versions: Vec<Mend>) -> Vec<Mend> {
        let place = reference.without_version().to_string();
        let asked = versions.iter().map(|one| self.site_knows(vec![one.digest.to_string()], &place));
        let told = futures_util::future::join_all(asked).await;
        let good = |site: &Site| match site {
            Site::Silent => true,
            // Whether an admission was taken back is not known then.
            Site::Away => false,
            Site::Judged { verdict, findings, .. } => *verdict == Verdict::Allow || findings.is_empty(),
            Site::TakenBack { .. } => false,
        };
        versions.into_iter().zip(told).filter(|(_, site)| good(site)).map(|(one, _)| one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::badge::Signature,
        evidence::record::CheckedBy,
        evidence::record::{Severity, Vulnerability},
    };

    const NOW: i64 = 1_800_000_000;

    fn record(of: &SeenTag, outcome: Outcome) -> Record {
        Record {
            subject: Subject {
                name: "oci://h/a".into(),
                tag: None,
                digest: of.digest.clone(),
                platform: None,
                manifest: of.digest.clone(),
            },
            check: "x".into(),
            tool: "x".into(),
            inputs: Vec::new(),
            by: CheckedBy::Wharf,
            at: NOW - 60,
            valid_until: NOW + 600,
            outcome,
            reason: String::new(),
            terms: None,
        }
    }

    fn tag(tag: &str, digest: &str) -> SeenTag {
        SeenTag { tag: tag.into(), digest: Digest::of(digest.as_bytes()), since: NOW - 600 }
    }

    /// Evidence of a signed version with findings of these severities; each has its place in the list as its name.
    fn evidence(of: &SeenTag, found: &[(usize, Severity)]) -> Vec<Record> {
        let worst: Vec<Vulnerability> = found
            .iter()
            .map(|(id, severity)| Vulnerability {
                id: format!("CVE-{id}"),
                severity: *severity,
                ..Vulnerability::default()
            })
            .collect();
        let number = |wanted| found.iter().filter(|(_, severity)| *severity == wanted).count() as u64;
        let counts = Counts { high: number(Severity::High), low: number(Severity::Low), ..Counts::default() };
        let state = if found.is_empty() { Scan::Clean } else { Scan::Findings };
        let day = Some(NOW - 3600);
        let scan = Outcome::Scan { state, counts, packages: 9, scanned: day, database: day, worst };
        let signed = Outcome::Signature { state: Signature::Verified, signer: "key".into() };
        vec![record(of, scan), record(of, signed)]
    }

    #[test]
    fn versions_with_fewer_findings_mend_and_the_best_comes_first() {
        use Severity::{High, Low};
        let seen = [
            tag("2024.2", "present"),
            tag("2024.1", "old"),
            tag("2024.3", "new"),
            tag("latest", "new"),
            tag("2024.4", "unsigned"),
            tag("2024.5", "worse"),
            tag("2024.6", "unscanned"),
        ];
        let present = evidence(&seen[0], &[(1, High), (2, High), (3, Low)]);
        let found: [Vec<Record>; 7] = [
            present.clone(),
            evidence(&seen[1], &[(2, High)]),
            evidence(&seen[2], &[(3, Low), (4, Low)]),
            evidence(&seen[3], &[(3, Low), (4, Low)]),
            evidence(&seen[4], &[])[..1].to_vec(),
            evidence(&seen[5], &[(1, High), (2, High), (5, High)]),
            evidence(&seen[6], &[])[1..].to_vec(),
        ];
        let kept = |of: &SeenTag| found[seen.iter().position(|one| one == of).unwrap()].clone();
        let others: Vec<Known<'_>> =
            versions(&seen, &seen[0].digest).into_iter().map(|seen| Known { seen, records: kept(seen) }).collect();
        let all = allowed(compared(&Policy::default(), &present, &others, NOW));
        let counts = counted(&present, NOW).unwrap();
        let told: Vec<_> = mends(all.clone(), &counts)
            .into_iter()
            .map(|one| (one.tag, one.gone, one.left.high, one.left.low, one.verdict))
            .collect();
        assert_eq!(
            told,
            [("2024.3".to_owned(), 2, 0, 2, Verdict::Allow), ("2024.1".to_owned(), 2, 1, 0, Verdict::Allow)],
            "not what is unsigned, unscanned or has more findings"
        );
        let nearest = nearest(all, "2024.2").unwrap();
        assert_eq!(nearest.tag, "2024.3", "a tag that says its version is named, not latest");
    }

    #[test]
    fn without_a_version_that_is_allowed_nothing_is_nearest() {
        let seen = [tag("1", "a"), tag("2", "b")];
        let unsigned = evidence(&seen[1], &[])[..1].to_vec();
        let others = [Known { seen: &seen[1], records: unsigned }];
        let all = compared(&Policy::default(), &[], &others, NOW);
        assert_eq!(all.len(), 1, "it is known, but not allowed");
        assert_eq!(nearest(allowed(all), "1"), None);
    }
}

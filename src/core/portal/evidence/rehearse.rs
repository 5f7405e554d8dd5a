//! Trying another policy before it is in force: images with evidence are judged by both policies.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Evidence;
use crate::{
    audit,
    base::{badge::Verdict, digest::Digest, error::Result, text},
    evidence::record::{Kind, Record, Subject},
    policy::{Facts, Judgement, Policy},
};

/// An image on which the two policies differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The image, by its name, digest and platform.
    pub subject: Subject,
    /// How often it was launched in the chosen days.
    pub launches: usize,
    /// The verdict of the policy in force.
    pub before: Verdict,
    /// The verdict of the other policy, with its reasons.
    pub after: Judgement,
}

/// The result of trying another policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    /// How many images were judged: those launched, or with evidence made, in the chosen days.
    pub images: usize,
    /// Images on which the policies differ, the strictest first.
    pub changes: Vec<Change>,
}

/// Judges an image by its evidence alone.
pub(super) fn judged(policy: &Policy, records: &[Record], subject: &Subject, now: i64) -> Judgement {
    let facts = Facts {
        records,
        digests: vec![subject.digest.clone(), subject.manifest.clone()],
        name: &subject.name,
        platform: subject.platform.as_ref(),
        // Evidence does not tell when an image was built, so its age is not judged here.
        created: Some(now),
        ..Facts::default()
    };
    policy.judge(&facts, now)
}

impl Evidence {
    /// Judges the images of the last `days` by another policy. No check is run again: signatures count as they were
    /// checked with the keys of the policy in force.
    pub async fn rehearse(&self, other: &Policy, days: u32) -> Result<Rehearsal> {
        let now = text::now();
        let since = now - i64::from(days) * 86_400;
        let mut launches: BTreeMap<Digest, usize> = BTreeMap::new();
        for (_, line) in audit::read(&self.journal.written().await?).lines {
            let recent = text::parse_timestamp(&line.entry.at).is_some_and(|at| at >= since);
            if let (true, "launch", Some(digest)) = (recent, line.entry.action.as_str(), line.entry.digest) {
                *launches.entry(digest).or_default() += 1;
            }
        }
        let mut images: BTreeMap<(Digest, Digest), Vec<Record>> = BTreeMap::new();
        let all = self.cache.all_evidence().await?.into_iter();
        for record in all.filter(|record| record.kind() != Kind::Nothing) {
            let subject = &record.subject;
            images.entry((subject.digest.clone(), subject.manifest.clone())).or_default().push(record);
        }
        let count = |records: &[Record]| {
            records.first().and_then(|record| launches.get(&record.subject.digest)).copied().unwrap_or(0)
        };
        images.retain(|_, records| records.iter().any(|record| record.at >= since) || count(records) > 0);
        let mut changes: Vec<Change> = images
            .values()
            .filter_map(|records| {
                let subject = records.first()?.subject.clone();
                let before = judged(&self.config.policy, records, &subject, now).verdict;
                let after = judged(other, records, &subject, now);
                (after.verdict != before).then(|| Change { subject, launches: count(records), before, after })
            })
            .collect();
        changes.sort_by_key(|change| std::cmp::Reverse((change.after.verdict.strictness(), change.launches)));
        Ok(Rehearsal { images: images.len(), changes })
    }
}

//! Judging: what each rule makes of an image, and the worst of them. Pure.

use std::collections::BTreeSet;

use super::{Facts, Held, Judgement, Policy, Reason};
use crate::core::{
    clean,
    evidence::{Scan, Signature, Verdict},
    record::{By, Kind, Outcome, Severity, best},
    text,
};

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

impl Policy {
    /// Judges an image at a moment (seconds since 1970).
    pub fn judge(&self, facts: &Facts<'_>, now: i64) -> Judgement {
        let mut exceptions = BTreeSet::new();
        let mut reasons = vec![self.of_signature(facts, now)];
        reasons.extend(self.of_scan(facts, now, &mut exceptions));
        if let Some(denied) = self.deny.iter().find(|denied| facts.digests.contains(&denied.digest)) {
            reasons.push(Reason {
                verdict: Verdict::Deny,
                rule: "deny",
                words: format!("it is on the deny list: {}", clean::short(&denied.reason, 200)),
                step: "choose another version".into(),
            });
        }
        if facts.broken_format {
            reasons.push(Reason {
                verdict: Verdict::Deny,
                rule: "format",
                words: "its header names other files, or is not what it claims to be".into(),
                step: "make a whole image of it: qemu-img convert".into(),
            });
        }
        reasons.extend(self.of_image(facts, now));
        match facts.privileged {
            Some(true) => reasons.push(Reason {
                verdict: self.privileged.verdict(),
                rule: "privileged",
                words: "the launch has root rights on the host".into(),
                step: "choose a rootless backend".into(),
            }),
            Some(false) => reasons.push(fine("privileged", "the launch has no root rights on the host")),
            None => {}
        }
        if Kind::JUDGED.iter().all(|kind| best(facts.records, *kind, now).is_none()) {
            for reason in &mut reasons {
                if reason.verdict == Verdict::NeedsApproval && matches!(reason.rule, "signature" | "scan") {
                    reason.verdict = Verdict::Undecided;
                }
            }
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict.strictness()));
        let verdict = reasons.first().map_or(Verdict::Undecided, |reason| reason.verdict);
        Judgement {
            verdict,
            reasons,
            exceptions: exceptions.into_iter().collect(),
            policy: self.name.clone(),
            enforced: self.enforce,
        }
    }

    /// Its platform and its age, where the policy says something about them.
    fn of_image(&self, facts: &Facts<'_>, now: i64) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if let (Some(allowed), Some(platform)) = (&self.image.platforms, facts.platform) {
            if !allowed.iter().any(|allowed| platform.serves(allowed)) {
                reasons.push(Reason {
                    verdict: self.image.other_platform.verdict(),
                    rule: "platforms",
                    words: format!("{platform} is no platform of this site"),
                    step: "choose another platform of it".into(),
                });
            }
        }
        let Some(most) = self.image.old_days else { return reasons };
        let days = facts.created.map(|created| now.saturating_sub(created).max(0) / DAY);
        if days.is_none_or(|days| days > i64::from(most)) {
            let age = days.map_or("does not say when it was built".to_owned(), |days| {
                format!("was built {}", text::plural(days.unsigned_abs(), "day ago", "days ago"))
            });
            reasons.push(Reason {
                verdict: self.image.old.verdict(),
                rule: "old",
                words: format!("it {age}; the site wants at most {most}"),
                step: "take a newer version".into(),
            });
        }
        reasons
    }

    fn of_signature(&self, facts: &Facts<'_>, now: i64) -> Reason {
        let record = best(facts.records, Kind::Signature, now);
        let (state, signer) = match record.map(|record| &record.outcome) {
            Some(Outcome::Signature { state, signer }) => (*state, signer.as_str()),
            _ => (Signature::NotChecked, ""),
        };
        let held = |held: Held, words: String, step: &str| Reason {
            verdict: held.verdict(),
            rule: "signature",
            words,
            step: step.to_owned(),
        };
        // Bytes that a signature does not fit are wrong, whoever is said to have made them.
        if state == Signature::Invalid {
            return held(
                self.signature.invalid,
                "its signature does not fit: these are not the bytes that were signed".into(),
                "do not use it; tell whoever published it",
            );
        }
        if state.is_good() {
            return fine("signature", &format!("{}: signed by {signer}", state.badge().word));
        }
        let publisher = self.publisher_of(facts.name, facts.publisher);
        if self.publishers.contains(&publisher) {
            return fine("publishers", &format!("{}: on the site's list", publisher.badge().word));
        }
        if state == Signature::Unreachable {
            return held(self.unreachable, "its signatures could not be checked".into(), "try again");
        }
        let step = match state {
            Signature::NotChecked => "check it: v on its page, or wharf verify",
            Signature::NoKey => "name the signer's key in the policy ([signature] keys)",
            Signature::Untrusted => "ask the site to trust its signer",
            Signature::Claimed => "read its data: wharf verify --data",
            Signature::Expired => "ask for a version that is signed anew",
            _ => "ask for it to be admitted and signed: R, or wharf request",
        };
        held(self.signature.missing, format!("signature: {}", state.badge().word), step)
    }

    fn of_scan(&self, facts: &Facts<'_>, now: i64, used: &mut BTreeSet<String>) -> Vec<Reason> {
        let reason = |held: Held, words: String, step: &str| Reason {
            verdict: held.verdict(),
            rule: "scan",
            words,
            step: step.to_owned(),
        };
        let record = best(facts.records, Kind::Scan, now);
        let Some(Outcome::Scan { state, counts, scanned, database, worst, .. }) = record.map(|record| &record.outcome)
        else {
            return vec![reason(
                self.scan.missing,
                "it was not scanned".into(),
                "scan it: v on its page, or wharf verify",
            )];
        };
        if matches!(state, Scan::Failed) {
            return vec![reason(self.unreachable, "the scan failed".into(), "try again")];
        }
        if !matches!(state, Scan::Clean | Scan::Findings | Scan::Stale) {
            let words = format!("scan: {}", state.badge().word);
            return vec![reason(self.scan.missing, words, "nothing the scanner knows is in it: ask the site")];
        }
        // A scan of today with a database of last year knows nothing of this year.
        let known = scanned.map(|scanned| database.map_or(scanned, |database| scanned.min(database)));
        let age = known.map_or(i64::MAX, |known| now.saturating_sub(known).max(0) / DAY);
        let mut reasons = Vec::new();
        let (fresh, stale) = (i64::from(self.scan.fresh_days), i64::from(self.scan.stale_days));
        if age > fresh || *state == Scan::Stale {
            let words = if age > stale { "counts no more" } else { "is not fresh" };
            let days = if age == i64::MAX { "of unknown age".to_owned() } else { format!("{age} days old") };
            reasons.push(reason(self.scan.missing, format!("its scan is {days}: it {words}"), "scan it again"));
        }
        // What an exception takes is not counted, as far as the findings are listed one by one.
        let (mut critical, mut exploited) = (counts.fixable_critical, counts.known_exploited);
        let mut left = *counts;
        for finding in worst {
            let Some(exception) = self.exception_for(facts, &finding.id, now) else { continue };
            used.insert(exception);
            if finding.severity == Severity::Critical && !finding.fixed.is_empty() {
                critical = critical.saturating_sub(1);
            }
            let of_severity = match finding.severity {
                Severity::Critical => &mut left.critical,
                Severity::High => &mut left.high,
                _ => &mut left.medium,
            };
            *of_severity = of_severity.saturating_sub(u64::from(finding.severity <= Severity::Medium));
            if finding.exploited {
                exploited = exploited.saturating_sub(1);
            }
        }
        if exploited > 0 {
            let words = format!("{} known to be exploited", text::plural(exploited, "finding is", "findings are"));
            reasons.push(reason(self.scan.known_exploited, words, "take a version without them"));
        }
        if critical > 0 {
            let words = format!("{} could be fixed", text::plural(critical, "critical finding", "critical findings"));
            reasons.push(reason(self.scan.fixable_critical, words, "take a version in which they are fixed"));
        }
        for (found, most, word) in [
            (left.critical, self.scan.most_critical, "critical"),
            (left.high, self.scan.most_high, "high"),
            (left.medium, self.scan.most_medium, "medium"),
        ] {
            if let Some(most) = most.filter(|most| found > *most) {
                let words = format!("{} {word}: the site takes at most {most}", text::count(found));
                reasons.push(reason(self.scan.over_limit, words, "take a version with fewer"));
            }
        }
        if record.is_some_and(|record| record.by == By::Source) {
            let words = "its scan is only what somebody attached to it".to_owned();
            reasons.push(reason(self.scan.asserted, words, "scan it: v on its page, or wharf verify"));
        }
        if reasons.is_empty() {
            let found = counts.words();
            let found = if found.is_empty() { "nothing known was found".to_owned() } else { found };
            reasons.push(fine(
                "scan",
                &format!("scanned, as of {}: {found}", text::plural(age.unsigned_abs(), "day ago", "days ago")),
            ));
        }
        reasons
    }

    /// The exception that takes a finding: one of the policy, or of the signature that admits the image.
    fn exception_for(&self, facts: &Facts<'_>, vulnerability: &str, now: i64) -> Option<String> {
        let signed = best(facts.records, Kind::Signature, now).filter(|record| match record.outcome {
            Outcome::Signature { state, .. } => state.is_good(),
            _ => false,
        });
        let taken = signed.and_then(|record| record.terms.as_ref()).map(|terms| &terms.exceptions);
        if taken.is_some_and(|taken| taken.iter().any(|id| id == vulnerability)) {
            return Some(format!("{vulnerability} by its approval"));
        }
        let found = self.exception.iter().find(|exception| {
            exception.vulnerability == vulnerability
                && (exception.digest.is_some() || exception.repository.is_some())
                && exception.digest.as_ref().is_none_or(|digest| facts.digests.contains(digest))
                && exception.repository.as_ref().is_none_or(|name| facts.name.starts_with(name.as_str()))
                && text::parse_timestamp(&exception.expires).is_some_and(|expires| now < expires)
        });
        found.map(|exception| exception.id.clone())
    }
}

fn fine(rule: &'static str, words: &str) -> Reason {
    Reason { verdict: Verdict::Allow, rule, words: words.to_owned(), step: String::new() }
}

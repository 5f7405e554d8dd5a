//! Judging an image: the result of each rule, and the strictest of them. Plain functions.

use std::collections::BTreeSet;

use super::{
    consequence::Consequence,
    judgement::{Facts, Judgement, Reason, Site},
    remedy::{ASK, ASK_HERE},
    written::{Exception, Policy},
};
use crate::{
    base::{
        badge::{Scan, Signature, Verdict},
        clean, text,
    },
    evidence::record::{Kind, Outcome, Severity, Vulnerability, best},
    evidence::terms::Terms,
    launch::isolation::Isolation,
};

/// Seconds in a day.
pub(super) const DAY: i64 = 86_400;

impl Policy {
    /// Judges an image at a moment, in seconds since 1970.
    ///
    /// ```
    /// use wharf_core::{base::badge::Verdict, policy::{Facts, Policy}};
    ///
    /// // Of an image that nobody has checked, the built-in policy never says "allow".
    /// let judgement = Policy::default().judge(&Facts::default(), 1_800_000_000);
    /// assert_ne!(judgement.verdict, Verdict::Allow);
    /// ```
    pub fn judge(&self, facts: &Facts<'_>, now: i64) -> Judgement {
        let mut exceptions = BTreeSet::new();
        let mut reasons = vec![self.signature_reason(facts, now)];
        reasons.extend(self.scan_reasons(facts, now, &mut exceptions));
        if let Some(denied) = self.deny.iter().find(|denied| facts.digests.contains(&denied.digest)) {
            let words = format!("it is on the deny list: {}", clean::short(&denied.reason, 200));
            reasons.push(broken(Consequence::DENY, "deny", words, "choose another version"));
        }
        if facts.broken_format {
            let words = "its header names other files, or is not what it claims to be".to_owned();
            reasons.push(broken(Consequence::DENY, "format", words, "make a whole image of it: qemu-img convert"));
        }
        reasons.extend(self.image_reasons(facts, now));
        if let Some(terms) = approval(facts, now) {
            for reason in reasons.iter_mut().filter(|reason| is_taken(reason, terms)) {
                reason.verdict = Verdict::Allow;
                reason.isolation = Isolation::SharedKernel;
                reason.words.push_str(": taken by its approval");
                reason.step.clear();
            }
        }
        // After applying an approval's exceptions, because the approver did not know of this.
        reasons.extend(self.site_reason(facts, now, &mut exceptions));
        match facts.privileged {
            Some(true) => {
                let words = "the launch has root rights on the host".to_owned();
                reasons.push(broken(self.privileged, "privileged", words, "choose a rootless backend"));
            }
            Some(false) => reasons.push(passing("privileged", "the launch has no root rights on the host")),
            None => {}
        }
        for reason in &mut reasons {
            reason.look_at_isolation(facts.isolation);
        }
        if Kind::JUDGED.iter().all(|kind| best(facts.records, *kind, now).is_none()) {
            for reason in &mut reasons {
                let depends = reason.verdict == Verdict::NeedsApproval || reason.isolation > Isolation::SharedKernel;
                if depends && reason.verdict != Verdict::Deny && matches!(reason.rule, "signature" | "scan.missing") {
                    reason.verdict = Verdict::Undecided;
                }
            }
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict.strictness()));
        let verdict = reasons.first().map_or(Verdict::Undecided, |reason| reason.verdict);
        Judgement {
            verdict,
            isolation: reasons.iter().map(|reason| reason.isolation).max().unwrap_or_default(),
            given: facts.isolation,
            reasons,
            exceptions: exceptions.into_iter().collect(),
            policy: self.name.clone(),
            enforced: self.enforce,
        }
    }

    /// The reasons about its platform and age, if the policy has rules about them.
    fn image_reasons(&self, facts: &Facts<'_>, now: i64) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if let (Some(allowed), Some(platform)) = (&self.image.platforms, facts.platform) {
            if !allowed.iter().any(|allowed| platform.is_within(allowed)) {
                let words = format!("{platform} is no platform of this site");
                reasons.push(broken(self.image.other_platform, "platforms", words, "choose another platform of it"));
            }
        }
        let Some(most) = self.image.old_days else { return reasons };
        let days = facts.created.map(|created| now.saturating_sub(created).max(0) / DAY);
        if days.is_none_or(|days| days > i64::from(most)) {
            let age = days.map_or("does not say when it was built".to_owned(), |days| {
                format!("was built {}", text::plural(days.unsigned_abs(), "day ago", "days ago"))
            });
            let words = format!("it {age}; the site wants at most {most}");
            reasons.push(broken(self.image.old, "old", words, "take a newer version"));
        }
        reasons
    }

    /// The reason that the site's store gives, if it gives one.
    fn site_reason(&self, facts: &Facts<'_>, now: i64, used: &mut BTreeSet<String>) -> Option<Reason> {
        match &facts.site {
            Site::Silent => None,
            Site::Away => Some(broken(
                self.unreachable,
                "unreachable",
                "the site's store could not be asked what it knows of it".into(),
                "try again; wharf doctor says why",
            )),
            Site::TakenBack { by, reason: why, at } => Some(broken(
                Consequence::DENY,
                "revoked",
                format!(
                    "its admission was taken back by {} on {}: {}",
                    clean::short(by, 60),
                    text::timestamp(*at),
                    clean::short(why, 200)
                ),
                "take another version",
            )),
            Site::Judged { verdict, findings, at } => {
                let (taken, left): (Vec<_>, Vec<_>) = findings
                    .iter()
                    .map(|id| (id, self.exception_for(facts, id, now)))
                    .partition(|(_, by)| by.is_some());
                used.extend(taken.into_iter().filter_map(|(_, by)| by));
                let left: Vec<String> = left.into_iter().map(|(id, _)| clean::short(id, 40)).collect();
                let known = !left.is_empty() && *verdict != Verdict::Allow;
                known.then(|| Reason {
                    verdict: *verdict,
                    findings: left.clone(),
                    ..broken(
                        Consequence::NEEDS_APPROVAL,
                        "known",
                        format!(
                            "the site knows since {} that it is vulnerable: {}",
                            text::timestamp(*at),
                            first_names(&left)
                        ),
                        "take a version in which it is fixed",
                    )
                })
            }
        }
    }

    fn signature_reason(&self, facts: &Facts<'_>, now: i64) -> Reason {
        let record = best(facts.records, Kind::Signature, now);
        let (state, signer) = match record.map(|record| &record.outcome) {
            Some(Outcome::Signature { state, signer }) => (*state, signer.as_str()),
            _ => (Signature::NotChecked, ""),
        };
        let held = |held: Consequence, words: String, step: &str| broken(held, "signature", words, step);
        // If a signature is not valid for the bytes, they are wrong, whatever the source says of their maker.
        if state == Signature::Invalid {
            return held(
                self.signature.invalid,
                "its signature does not fit: these are not the bytes that were signed".into(),
                "do not use it; tell its publisher",
            );
        }
        if state == Signature::TakenBack {
            let why = record.map_or("", |record| record.reason.as_str());
            let words = format!("its admission was taken back: {}", clean::short(why, 200));
            return held(Consequence::DENY, words, "take another version");
        }
        if state.is_good() {
            return passing("signature", &format!("{}: signed by {signer}", state.badge().word));
        }
        let publisher = self.publisher(facts.name, facts.publisher);
        if self.publishers.contains(&publisher) {
            return passing("publishers", &format!("{}: on the site's list", publisher.badge().word));
        }
        if state == Signature::Unreachable {
            return held(self.unreachable, "its signatures could not be checked".into(), "try again");
        }
        let step = match state {
            Signature::NotChecked => "check it: v on its page, or wharf verify",
            Signature::NoKey => "name the signer's key in the policy ([signature] keys)",
            Signature::Untrusted => "ask the site to trust its signer",
            Signature::Claimed => "read its data: wharf verify --data",
            Signature::Expired => "ask for a version that was signed again",
            Signature::Elsewhere => ASK_HERE,
            _ => ASK,
        };
        held(self.signature.missing, format!("signature: {}", state.badge().word), step)
    }

    fn scan_reasons(&self, facts: &Facts<'_>, now: i64, used: &mut BTreeSet<String>) -> Vec<Reason> {
        let record = best(facts.records, Kind::Scan, now);
        let Some((record, Outcome::Scan { state, counts, scanned, database, worst, .. })) =
            record.map(|record| (record, &record.outcome))
        else {
            let step = "scan it: v on its page, or wharf verify";
            return vec![broken(self.scan.missing, "scan.missing", "it was not scanned".into(), step)];
        };
        if matches!(state, Scan::Failed) {
            return vec![broken(self.unreachable, "unreachable", "the scan failed".into(), "try again")];
        }
        if !matches!(state, Scan::Clean | Scan::Findings | Scan::Stale) {
            let words = format!("scan: {}", state.badge().word);
            let step = "nothing the scanner knows is in it: ask the site";
            return vec![broken(self.scan.missing, "scan.missing", words, step)];
        }
        let mut reasons: Vec<Reason> = self.age_reason(*state, *scanned, *database, now).into_iter().collect();
        // Findings that an exception accepts are not counted, as far as they are listed one by one.
        let (mut critical, mut exploited) = (counts.fixable_critical, counts.known_exploited);
        let mut left = *counts;
        let mut open = Vec::new();
        for finding in worst {
            let Some(exception) = self.exception_for(facts, &finding.id, now) else {
                open.push(finding);
                continue;
            };
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
        let named = |fits: &dyn Fn(&Vulnerability) -> bool| -> Vec<String> {
            let ids: BTreeSet<&str> = open.iter().filter(|one| fits(one)).map(|one| one.id.as_str()).collect();
            ids.into_iter().map(str::to_owned).collect()
        };
        if exploited > 0 {
            let words = format!("{} known to be exploited", text::plural(exploited, "finding is", "findings are"));
            reasons.push(Reason {
                findings: named(&|one| one.exploited),
                ..broken(self.scan.known_exploited, "scan.known_exploited", words, "take a version without them")
            });
        }
        if critical > 0 {
            let words = format!("{} could be fixed", text::plural(critical, "critical finding", "critical findings"));
            let step = "take a version in which they are fixed";
            reasons.push(Reason {
                findings: named(&|one| one.severity == Severity::Critical && !one.fixed.is_empty()),
                ..broken(self.scan.fixable_critical, "scan.fixable_critical", words, step)
            });
        }
        for (found, most, severity) in [
            (left.critical, self.scan.most_critical, Severity::Critical),
            (left.high, self.scan.most_high, Severity::High),
            (left.medium, self.scan.most_medium, Severity::Medium),
        ] {
            if let Some(most) = most.filter(|most| found > *most) {
                let words = format!("{} {}: the site takes at most {most}", text::count(found), severity.name());
                reasons.push(Reason {
                    findings: named(&|one| one.severity == severity),
                    ..broken(self.scan.over_limit, "scan.over_limit", words, "take a version with fewer")
                });
            }
        }
        // A reason about findings that names none could not be accepted by anybody; it must not look like a plain rule.
        for reason in reasons.iter_mut().filter(|reason| FINDINGS.contains(&reason.rule) && reason.findings.is_empty())
        {
            reason.findings.push(UNNAMED.to_owned());
        }
        if !record.by.has_scanned() {
            let words = format!("its scan {}", record.by.labels().1);
            let step = "scan it: v on its page, or wharf verify";
            reasons.push(broken(self.scan.asserted, "scan.asserted", words, step));
        }
        if reasons.is_empty() {
            let found = counts.describe();
            let found = if found.is_empty() { "nothing known was found".to_owned() } else { found };
            let age = age(*scanned, *database, now);
            reasons.push(passing(
                "scan",
                &format!("scanned, as of {}: {found}", text::plural(age.unsigned_abs(), "day ago", "days ago")),
            ));
        }
        reasons
    }

    /// The reason that a scan, or the scanner's database, is too old: only for the first does scanning again help.
    fn age_reason(&self, state: Scan, scanned: Option<i64>, database: Option<i64>, now: i64) -> Option<Reason> {
        let age = age(scanned, database, now);
        let (fresh, stale) = (i64::from(self.scan.fresh_days), i64::from(self.scan.stale_days));
        if age <= fresh && state != Scan::Stale {
            return None;
        }
        let words = if age > stale { "no longer counts" } else { "is not fresh" };
        let days = if age == i64::MAX { "of unknown age".to_owned() } else { format!("{age} days old") };
        let by_database =
            scanned.is_some_and(|scanned| now.saturating_sub(scanned) / DAY <= fresh) && database.is_some();
        let (what, step) = if by_database {
            (
                "its scanner's database",
                "bring the scanner's database up to date: until then, scanning again changes nothing",
            )
        } else {
            ("its scan", "scan it again")
        };
        Some(broken(self.scan.missing, "scan.stale", format!("{what} is {days}: it {words}"), step))
    }

    /// The exception that accepts a finding: one of the policy's, or of the approval's.
    fn exception_for(&self, facts: &Facts<'_>, vulnerability: &str, now: i64) -> Option<String> {
        if approval(facts, now).is_some_and(|terms| terms.exceptions.iter().any(|id| id == vulnerability)) {
            return Some(format!("{vulnerability} by its approval"));
        }
        self.written_exception(facts, vulnerability, now).map(|exception| exception.id.clone())
    }

    /// The policy's own exception that accepts a finding.
    fn written_exception(&self, facts: &Facts<'_>, vulnerability: &str, now: i64) -> Option<&Exception> {
        self.exception.iter().find(|exception| {
            exception.vulnerability == vulnerability
                && (exception.digest.is_some() || exception.repository.is_some())
                && exception.digest.as_ref().is_none_or(|digest| facts.digests.contains(digest))
                && exception.repository.as_ref().is_none_or(|name| facts.name.starts_with(name.as_str()))
                && text::parse_timestamp(&exception.expires).is_some_and(|expires| now < expires)
        })
    }

    /// What accepts a finding of an image, in words: its approval, or an exception of the policy with its owner, its end
    /// and its reason. `None` if nothing does.
    pub fn accepted(&self, facts: &Facts<'_>, vulnerability: &str, now: i64) -> Option<String> {
        if let Some(terms) = approval(facts, now).filter(|terms| terms.exceptions.iter().any(|id| id == vulnerability))
        {
            let until = terms.until.map(|until| format!(" until {}", text::timestamp(until)));
            return Some(format!("accepted by its approval{}", until.unwrap_or_default()));
        }
        let Exception { id, owner, expires, reason, .. } = self.written_exception(facts, vulnerability, now)?;
        Some(format!("{id} of {owner} until {expires}: {reason}"))
    }
}

/// The rules about findings, which are accepted one by one and never as a rule.
const FINDINGS: [&str; 3] = ["scan.known_exploited", "scan.fixable_critical", "scan.over_limit"];
/// Stands for findings that a scan counts but does not name.
const UNNAMED: &str = "findings-that-are-not-named";

/// The conditions of the approval that admits the image, in the signature that counts now.
fn approval<'a>(facts: &Facts<'a>, now: i64) -> Option<&'a Terms> {
    let signed = best(facts.records, Kind::Signature, now)?;
    let good = matches!(signed.outcome, Outcome::Signature { state, .. } if state.is_good());
    signed.terms.as_ref().filter(|_| good)
}

/// Whether an approval has accepted a reason. A denial cannot be accepted.
fn is_taken(reason: &Reason, terms: &Terms) -> bool {
    let holds = reason.verdict == Verdict::NeedsApproval || reason.isolation > Isolation::SharedKernel;
    holds
        && reason.verdict != Verdict::Deny
        && reason.findings.is_empty()
        && terms.rules.iter().any(|rule| rule == reason.rule)
}

/// The age of a scan's knowledge in days: with an old database, a new scan knows nothing recent.
fn age(scanned: Option<i64>, database: Option<i64>, now: i64) -> i64 {
    let known = scanned.map(|scanned| database.map_or(scanned, |database| scanned.min(database)));
    known.map_or(i64::MAX, |known| now.saturating_sub(known).max(0) / DAY)
}

/// The first five names, and how many more there are.
fn first_names(names: &[String]) -> String {
    const MOST: usize = 5;
    let more = names.len().saturating_sub(MOST);
    let first = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// The reason that the image breaks a rule; its isolation was not looked at yet.
fn broken(held: Consequence, rule: &'static str, words: String, step: &str) -> Reason {
    Reason {
        verdict: held.verdict(),
        isolation: held.isolation,
        rule,
        words,
        step: step.to_owned(),
        findings: Vec::new(),
    }
}

fn passing(rule: &'static str, words: &str) -> Reason {
    broken(Consequence::ALLOW, rule, words.to_owned(), "")
}

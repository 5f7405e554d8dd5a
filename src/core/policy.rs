//! What a site allows: evidence, the launch and the moment go in, a verdict with its reasons comes out. Pure.
//!
//! A missing part never improves a verdict, and several reasons combine to the worst of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    clean,
    digest::Digest,
    error::{Error, Result},
    evidence::{Publisher, Scan, Signature, Verdict},
    record::{By, Kind, Outcome, Record, best},
    text,
};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// The policy that is in force where no site has written one.
pub const BUILT_IN: &str = include_str!("../../assets/policy.toml");

/// A policy as written. Every key is in the built-in one, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What it is called in reasons and in the audit.
    pub name: String,
    /// Whether what needs approval is held back; else it is only said.
    pub enforce: bool,
    /// What becomes of a launch whose checks could not run.
    pub unreachable: Held,
    /// Signatures.
    pub signature: SignatureRules,
    /// Publishers that count like a signature.
    pub publishers: Vec<Publisher>,
    /// Scans.
    pub scan: ScanRules,
    /// A runtime with root rights on the host.
    pub privileged: Held,
    /// Digests that nobody may launch.
    pub deny: Vec<Denied>,
    /// Findings that somebody has looked at and taken.
    pub exception: Vec<Exception>,
}

/// What is done with something that is not as it should be, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// Nothing.
    Allow,
    /// Somebody has to say yes.
    #[default]
    NeedsApproval,
    /// It is refused.
    Deny,
}

impl Held {
    fn verdict(self) -> Verdict {
        match self {
            Self::Allow => Verdict::Allow,
            Self::NeedsApproval => Verdict::NeedsApproval,
            Self::Deny => Verdict::Deny,
        }
    }
}

/// What is wanted of signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignatureRules {
    /// Files with public keys (PEM) whose signatures count.
    pub keys: Vec<std::path::PathBuf>,
    /// What becomes of an image without a signature that counts.
    pub missing: Held,
    /// What becomes of one whose signature does not fit.
    pub invalid: Held,
}

/// What is wanted of scans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScanRules {
    /// Days for which a scan counts as fresh.
    pub fresh_days: u32,
    /// Days after which it counts no more than none.
    pub stale_days: u32,
    /// What becomes of an image that was not scanned, or whose scan is stale or saw nothing it knows.
    pub missing: Held,
    /// What becomes of one whose scan is only what somebody attached to it: whoever made the image may have.
    pub asserted: Held,
    /// What becomes of one with a critical finding for which there is a fix.
    pub fixable_critical: Held,
    /// What becomes of one with a finding that is known to be exploited.
    pub known_exploited: Held,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: "built in".into(),
            enforce: false,
            unreachable: Held::NeedsApproval,
            signature: SignatureRules::default(),
            publishers: vec![Publisher::SiteApproved],
            scan: ScanRules::default(),
            privileged: Held::NeedsApproval,
            deny: Vec::new(),
            exception: Vec::new(),
        }
    }
}

impl Default for SignatureRules {
    fn default() -> Self {
        Self { keys: Vec::new(), missing: Held::NeedsApproval, invalid: Held::Deny }
    }
}

impl Default for ScanRules {
    fn default() -> Self {
        Self {
            fresh_days: 7,
            stale_days: 30,
            missing: Held::NeedsApproval,
            asserted: Held::NeedsApproval,
            fixable_critical: Held::NeedsApproval,
            known_exploited: Held::NeedsApproval,
        }
    }
}

/// A digest that nobody may launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// The digest, of an index or of one platform.
    pub digest: Digest,
    /// Why.
    pub reason: String,
}

/// A finding that somebody has looked at and taken, for an image, until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What it is called in reasons and in the audit.
    pub id: String,
    /// The vulnerability.
    pub vulnerability: String,
    /// Only for this digest.
    pub digest: Option<Digest>,
    /// Only for names that begin like this.
    pub repository: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why it is taken.
    pub reason: String,
    /// When it ends, RFC 3339.
    pub expires: String,
}

/// What is known of an image and of the launch when it is judged.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// Evidence of it, of every kind and age.
    pub records: &'a [Record],
    /// Digests it goes by: of its index and of its platform.
    pub digests: Vec<Digest>,
    /// Its name without a tag.
    pub name: &'a str,
    /// Who is said to have made it.
    pub publisher: Publisher,
    /// Whether the launch has root rights on the host; `None` where nothing is launched.
    pub privileged: Option<bool>,
    /// Whether its header names other files, or is not what it claims.
    pub broken_format: bool,
}

/// One reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it makes of the launch alone.
    pub verdict: Verdict,
    /// The rule, by its key in the policy.
    pub rule: &'static str,
    /// In words.
    pub words: String,
    /// The cheapest step that would mend it; empty where it is fine.
    pub step: String,
}

/// A verdict with its reasons, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The worst of the reasons.
    pub verdict: Verdict,
    /// All of them.
    pub reasons: Vec<Reason>,
    /// Exceptions that were used.
    pub exceptions: Vec<String>,
    /// The policy it was judged by.
    pub policy: String,
    /// Whether this policy holds back what needs approval.
    pub enforced: bool,
}

impl Judgement {
    /// Why the verdict is what it is: its own reasons, without those that weigh less.
    pub fn grounds(&self) -> String {
        let own = self.reasons.iter().filter(|reason| reason.verdict == self.verdict);
        own.map(|reason| reason.words.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Whether a launch may go ahead without anybody being asked.
    pub fn lets_pass(&self) -> bool {
        match self.verdict {
            Verdict::Allow => true,
            Verdict::NeedsApproval | Verdict::Undecided => !self.enforced,
            Verdict::Deny => false,
        }
    }
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Allow => 0,
        Verdict::NeedsApproval => 1,
        // Where nothing at all is known, not even an approval has something to stand on.
        Verdict::Undecided => 2,
        Verdict::Deny => 3,
    }
}

impl Policy {
    /// Reads a policy; what it leaves out is as in the built-in one.
    pub fn read(text: &str, name: &str) -> Result<Self> {
        let what = format!("read the policy {name}");
        let policy: Self = toml::from_str(text).map_err(|error| {
            let line = text::line_of(text, error.span().map(|span| span.start));
            Error::usage(what.clone(), format!("line {line}: {}", clean::line(error.message())))
                .hint("correct it; nothing is launched under a policy that cannot be read")
        })?;
        policy.check(&what)?;
        Ok(policy)
    }

    /// Reads a policy from a file of its own, or from a configuration that has one below `[policy]`.
    pub fn read_file(text: &str, name: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Configuration {
            policy: Policy,
        }
        match toml::from_str::<Configuration>(text) {
            Ok(configuration) => {
                configuration.policy.check(&format!("read the policy {name}"))?;
                Ok(configuration.policy)
            }
            Err(_) => Self::read(text, name),
        }
    }

    /// Refuses what can be read and makes no sense.
    pub fn check(&self, what: &str) -> Result<()> {
        for exception in &self.exception {
            if exception.digest.is_none() && exception.repository.is_none() {
                return Err(Error::usage(
                    what,
                    format!("exception '{}' is for no digest and no repository", exception.id),
                )
                .hint("an exception is for one image, or for the names that begin like this"));
            }
            if text::parse_timestamp(&exception.expires).is_none() {
                return Err(Error::usage(
                    what,
                    format!("exception '{}': '{}' is no time", exception.id, exception.expires),
                )
                .hint("write it like 2027-01-31T00:00:00Z"));
            }
        }
        Ok(())
    }

    /// This policy made stricter by another: neither can loosen what the other wants.
    #[must_use]
    pub fn tightened_by(&self, other: &Self) -> Self {
        let both = |ours: &[Publisher], theirs: &[Publisher]| {
            ours.iter().copied().filter(|publisher| theirs.contains(publisher)).collect()
        };
        // A key that only one of them knows makes an image verified for nobody but the one who knows it: the lower
        // layer's keys are the site's, and only those count.
        Self {
            name: format!("{} and {}", self.name, other.name),
            enforce: self.enforce || other.enforce,
            unreachable: self.unreachable.max(other.unreachable),
            signature: SignatureRules {
                keys: self.signature.keys.clone(),
                missing: self.signature.missing.max(other.signature.missing),
                invalid: self.signature.invalid.max(other.signature.invalid),
            },
            publishers: both(&self.publishers, &other.publishers),
            scan: ScanRules {
                fresh_days: self.scan.fresh_days.min(other.scan.fresh_days),
                stale_days: self.scan.stale_days.min(other.scan.stale_days),
                missing: self.scan.missing.max(other.scan.missing),
                asserted: self.scan.asserted.max(other.scan.asserted),
                fixable_critical: self.scan.fixable_critical.max(other.scan.fixable_critical),
                known_exploited: self.scan.known_exploited.max(other.scan.known_exploited),
            },
            privileged: self.privileged.max(other.privileged),
            deny: self.deny.iter().chain(&other.deny).cloned().collect(),
            exception: self.exception.clone(),
        }
    }

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
        if Kind::ALL.iter().all(|kind| best(facts.records, *kind, now).is_none()) {
            for reason in &mut reasons {
                if reason.verdict == Verdict::NeedsApproval && matches!(reason.rule, "signature" | "scan") {
                    reason.verdict = Verdict::Undecided;
                }
            }
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(rank(reason.verdict)));
        let verdict = reasons.first().map_or(Verdict::Undecided, |reason| reason.verdict);
        Judgement {
            verdict,
            reasons,
            exceptions: exceptions.into_iter().collect(),
            policy: self.name.clone(),
            enforced: self.enforce,
        }
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
        if matches!(state, Signature::Verified | Signature::CoveredByIndex) {
            return fine("signature", &format!("{}: signed by {signer}", state.badge().word));
        }
        if self.publishers.contains(&facts.publisher) {
            return fine("publishers", &format!("{}: on the site's list", facts.publisher.badge().word));
        }
        if state == Signature::Unreachable {
            return held(self.unreachable, "its signatures could not be checked".into(), "try again");
        }
        let step = match state {
            Signature::NotChecked => "check it: v on its page, or wharf verify",
            Signature::NoKey => "name the signer's key in the policy ([signature] keys)",
            Signature::Untrusted => "ask the site to trust its signer",
            Signature::Expired => "ask for a version that is signed anew",
            _ => "ask the site to admit and sign it",
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
        for finding in worst {
            let Some(exception) = self.exception_for(facts, &finding.id, now) else { continue };
            used.insert(exception.id.clone());
            if finding.severity == super::record::Severity::Critical && !finding.fixed.is_empty() {
                critical = critical.saturating_sub(1);
            }
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
        if record.is_some_and(|record| record.by == By::Source) {
            let words = "its scan is only what somebody attached to it".to_owned();
            reasons.push(reason(self.scan.asserted, words, "scan it: v on its page, or wharf verify"));
        }
        if reasons.is_empty() {
            let found = counts.words();
            let found = if found.is_empty() { "nothing known was found".to_owned() } else { found };
            reasons.push(fine(
                "scan",
                &format!("scanned {}: {found}", text::plural(age.unsigned_abs(), "day ago", "days ago")),
            ));
        }
        reasons
    }

    fn exception_for(&self, facts: &Facts<'_>, vulnerability: &str, now: i64) -> Option<&Exception> {
        self.exception.iter().find(|exception| {
            exception.vulnerability == vulnerability
                && (exception.digest.is_some() || exception.repository.is_some())
                && exception.digest.as_ref().is_none_or(|digest| facts.digests.contains(digest))
                && exception.repository.as_ref().is_none_or(|name| facts.name.starts_with(name.as_str()))
                && text::parse_timestamp(&exception.expires).is_some_and(|expires| now < expires)
        })
    }
}

fn fine(rule: &'static str, words: &str) -> Reason {
    Reason { verdict: Verdict::Allow, rule, words: words.to_owned(), step: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{Counts, Severity, Subject, Vulnerability};

    const NOW: i64 = 1_800_000_000;

    fn subject() -> Subject {
        let digest = Digest::of(b"image");
        Subject {
            name: "oci://r.example/a".into(),
            tag: None,
            digest: digest.clone(),
            platform: None,
            manifest: digest,
        }
    }

    fn record(outcome: Outcome) -> Record {
        Record {
            subject: subject(),
            tool: "test".into(),
            inputs: Vec::new(),
            by: By::Wharf,
            at: NOW - 10,
            valid_until: NOW + DAY,
            outcome,
            reason: String::new(),
        }
    }

    fn signature(state: Signature) -> Record {
        record(Outcome::Signature { state, signer: "key 1".into() })
    }

    fn scan(state: Scan, counts: Counts, days: i64) -> Record {
        let worst = (0..counts.fixable_critical)
            .map(|at| Vulnerability {
                severity: Severity::Critical,
                id: format!("CVE-{at}"),
                package: "p".into(),
                installed: "1".into(),
                fixed: "2".into(),
                source: String::new(),
                title: String::new(),
                exploited: false,
            })
            .collect();
        let scanned = Some(NOW - days * DAY);
        record(Outcome::Scan { state, counts, packages: 5, scanned, database: None, worst })
    }

    fn judged(policy: &Policy, records: &[Record], privileged: Option<bool>) -> Judgement {
        let facts = Facts {
            records,
            digests: vec![subject().digest],
            name: "oci://r.example/a",
            privileged,
            ..Facts::default()
        };
        policy.judge(&facts, NOW)
    }

    fn critical(fixable_critical: u64) -> Counts {
        Counts { critical: fixable_critical, fixable_critical, ..Counts::default() }
    }

    #[test]
    fn the_written_default_is_the_one_in_force() {
        assert_eq!(Policy::read(BUILT_IN, "built in").unwrap(), Policy::default());
    }

    #[test]
    fn the_default_policy_is_that_of_the_design() {
        use Verdict::{Allow, Deny, NeedsApproval, Undecided};
        let clean = || scan(Scan::Clean, Counts::default(), 1);
        let good = || signature(Signature::Verified);
        for (name, records, privileged, wanted) in [
            ("verified, fresh, clean, unprivileged", vec![good(), clean()], Some(false), Allow),
            ("covered by a signed index", vec![signature(Signature::CoveredByIndex), clean()], Some(false), Allow),
            ("nothing checked", vec![], None, Undecided),
            ("only one kind checked", vec![good()], None, NeedsApproval),
            ("unsigned", vec![signature(Signature::NoneFound), clean()], None, NeedsApproval),
            ("signed, no key", vec![signature(Signature::NoKey), clean()], None, NeedsApproval),
            ("signed by a stranger", vec![signature(Signature::Untrusted), clean()], None, NeedsApproval),
            ("could not be checked", vec![signature(Signature::Unreachable), clean()], None, NeedsApproval),
            ("FAILED", vec![signature(Signature::Invalid), clean()], None, Deny),
            ("stale", vec![good(), scan(Scan::Clean, Counts::default(), 8)], None, NeedsApproval),
            ("unsupported", vec![good(), scan(Scan::Unsupported, Counts::default(), 1)], None, NeedsApproval),
            ("fixable critical", vec![good(), scan(Scan::Findings, critical(1), 1)], None, NeedsApproval),
            (
                "findings that nobody can fix",
                vec![good(), scan(Scan::Findings, Counts { critical: 1, ..Counts::default() }, 1)],
                None,
                Allow,
            ),
            ("privileged", vec![good(), clean()], Some(true), NeedsApproval),
            ("scanned by somebody else", vec![good(), Record { by: By::Source, ..clean() }], None, NeedsApproval),
        ] {
            let judgement = judged(&Policy::default(), &records, privileged);
            assert_eq!(judgement.verdict, wanted, "{name}: {judgement:?}");
            let has_step = judgement.reasons.iter().all(|reason| reason.verdict == Allow || !reason.step.is_empty());
            assert!(has_step, "{name}: each reason says what to do");
        }
    }

    #[test]
    fn the_deny_list_and_a_dangerous_format_outweigh_everything() {
        let records = [signature(Signature::Verified), scan(Scan::Clean, Counts::default(), 0)];
        let mut policy = Policy::default();
        policy.deny.push(Denied { digest: subject().digest, reason: "miner".into() });
        assert_eq!(judged(&policy, &records, None).verdict, Verdict::Deny);
        let facts = Facts { records: &records, broken_format: true, ..Facts::default() };
        assert_eq!(Policy::default().judge(&facts, NOW).verdict, Verdict::Deny);
    }

    #[test]
    fn an_exception_counts_for_its_image_until_its_day_and_no_longer() {
        let records = [signature(Signature::Verified), scan(Scan::Findings, critical(1), 1)];
        let with = |repository: &str, expires: i64| {
            let mut policy = Policy::default();
            policy.exception.push(Exception {
                id: "EX-1".into(),
                vulnerability: "CVE-0".into(),
                digest: None,
                repository: Some(repository.into()),
                owner: "ada".into(),
                reason: "not started".into(),
                expires: text::timestamp(expires),
            });
            judged(&policy, &records, None)
        };
        let taken = with("oci://r.example/", NOW + 5);
        assert_eq!((taken.verdict, taken.exceptions), (Verdict::Allow, vec!["EX-1".to_owned()]));
        assert_eq!(with("oci://r.example/", NOW - 5).verdict, Verdict::NeedsApproval);
        assert_eq!(with("oci://other.example/", NOW + 5).verdict, Verdict::NeedsApproval);
        for bad in [
            "[[exception]]\nid='x'\nvulnerability='c'\nowner='o'\nreason='r'\nexpires='soon'\nrepository='a'",
            "[[exception]]\nid='x'\nvulnerability='c'\nowner='o'\nreason='r'\nexpires='2030-01-01T00:00:00Z'",
            "[scan]\nfresh=1",
        ] {
            assert!(Policy::read(bad, "test").is_err(), "{bad}");
        }
    }

    #[test]
    fn the_users_file_makes_the_sites_stricter_and_never_milder() {
        let site = Policy { enforce: true, publishers: vec![Publisher::Official], ..Policy::default() };
        let mut user = Policy { name: "mine".into(), enforce: false, privileged: Held::Deny, ..Policy::default() };
        user.scan.missing = Held::Allow;
        user.signature.keys.push("mine.pub".into());
        user.exception.push(Exception {
            id: "x".into(),
            vulnerability: "CVE-0".into(),
            digest: None,
            repository: Some("oci://".into()),
            owner: String::new(),
            reason: String::new(),
            expires: text::timestamp(NOW + DAY),
        });
        let both = site.tightened_by(&user);
        assert!(
            both.enforce && both.publishers.is_empty() && both.signature.keys.is_empty() && both.exception.is_empty()
        );
        assert_eq!((both.privileged, both.scan.missing), (Held::Deny, Held::NeedsApproval));
    }

    proptest::proptest! {
        #[test]
        fn bad_news_missing_news_and_time_never_make_a_verdict_better(
            state in 0..Signature::ALL.len(), scanned in 0..Scan::ALL.len(), days in 0i64..60,
            critical in 0u64..3, exploited in 0u64..2, later in 0i64..90, privileged: bool,
        ) {
            let policy = Policy::default();
            let counts = |critical, exploited| Counts { critical, fixable_critical: critical, known_exploited: exploited, ..Counts::default() };
            let signed = signature(Signature::ALL[state]);
            let seen = scan(Scan::ALL[scanned], counts(critical, exploited), days);
            let rank_of = |records: &[Record], now: i64, privileged: Option<bool>| {
                let facts = Facts { records, digests: vec![subject().digest], name: "n", privileged, ..Facts::default() };
                rank(policy.judge(&facts, now).verdict)
            };
            let before = rank_of(&[signed.clone(), seen.clone()], NOW, Some(privileged));
            // A fact that is bad.
            let worse = scan(Scan::ALL[scanned], counts(critical + 1, exploited + 1), days);
            proptest::prop_assert!(rank_of(&[signed.clone(), worse], NOW, Some(privileged)) >= before);
            proptest::prop_assert!(rank_of(&[signed.clone(), seen.clone()], NOW, Some(true)) >= before);
            // A part that is missing; a wrong signature is no part that one would miss.
            proptest::prop_assert!(rank_of(std::slice::from_ref(&signed), NOW, Some(privileged)) >= before);
            if Signature::ALL[state] != Signature::Invalid {
                proptest::prop_assert!(rank_of(std::slice::from_ref(&seen), NOW, Some(privileged)) >= before);
            }
            // Time, as long as the evidence counts; and when it counts no more.
            if Signature::ALL[state] != Signature::Invalid {
                proptest::prop_assert!(rank_of(&[signed, seen], NOW + later * DAY, Some(privileged)) >= before);
            }
        }
    }
}

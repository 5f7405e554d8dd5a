//! What a steward has found out about an image, and the reasons of the verdict on it.

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        badge::Verdict,
        quote::{Text, inline},
        text,
    },
    evidence::terms::AttestedScan,
    policy::{Judgement, Reason, asks},
};

/// A reason of a verdict, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReason {
    /// The verdict for this reason alone.
    pub verdict: Verdict,
    /// The rule's key in the policy.
    pub rule: String,
    /// The reason as a sentence.
    pub words: String,
    /// The remedy, if there is one.
    pub step: String,
    /// The identifiers of the findings that it is about; empty if it is about none.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// What a steward has found out about an image: everything that a decision needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dossier {
    /// The verdict of the policy.
    pub verdict: Verdict,
    /// The policy that judged it: its name and the beginning of its hash.
    pub policy: String,
    /// The reasons, the strictest first.
    pub grounds: Vec<StoredReason>,
    /// The results of signature checks and scan, in the words of the badges.
    pub evidence: Vec<String>,
    /// The base image, as the image names it; empty if it does not.
    pub base: String,
    /// The differences from the version that is already admitted, in words; empty if there is none.
    pub diff: String,
    /// The versions in which its findings are fixed: `CVE-… package version`.
    pub fixes: Vec<String>,
    /// Where the judged bytes are kept.
    pub quarantine: String,
    /// The scan, as a signature may state it.
    pub scan: Option<AttestedScan>,
    /// The requested tag, if it means this digest at its source.
    #[serde(default)]
    pub tag: Option<String>,
    /// When it was made, in seconds since 1970.
    pub at: i64,
}

/// Up to this many names are listed one by one.
const NAMED: usize = 6;

/// The first names, and how many more there are.
fn few(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let first: Vec<String> = names.iter().take(NAMED).map(|name| inline(name)).collect();
    format!("{}{more}", first.join(", "))
}

impl Dossier {
    /// The reasons that hold the image back.
    pub(super) fn held(&self) -> impl Iterator<Item = &StoredReason> {
        self.grounds.iter().filter(|ground| ground.verdict != Verdict::Allow)
    }

    /// The rules that hold the image back, each once.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        let mut seen = std::collections::BTreeSet::new();
        self.held().map(|ground| ground.rule.as_str()).filter(move |rule| seen.insert(*rule))
    }

    /// What an approval without conditions accepts: rules, and findings by identifier. A rule about findings is never
    /// accepted as such, because it would include further findings.
    pub fn to_take(&self) -> (Vec<String>, Vec<String>) {
        let (mut rules, mut findings): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for ground in self.held() {
            let (into, from) = match ground.findings.as_slice() {
                [] => (&mut rules, std::slice::from_ref(&ground.rule)),
                all => (&mut findings, all),
            };
            for one in from {
                if !into.contains(one) {
                    into.push(one.clone());
                }
            }
        }
        (rules, findings)
    }

    /// What an approval accepts, in lines for the approver.
    pub fn taken(&self) -> Vec<String> {
        let (rules, findings) = self.to_take();
        if rules.is_empty() && findings.is_empty() {
            return vec!["The policy holds nothing against it.".to_owned()];
        }
        let line =
            |(words, names): (&str, &Vec<String>)| (!names.is_empty()).then(|| format!("{words} {}", few(names)));
        std::iter::once("You take what holds it back, from now on and for this digest:".to_owned())
            .chain([("rules   ", &rules), ("findings", &findings)].into_iter().filter_map(line))
            .collect()
    }

    /// The rule that blocks the image, which is that of the strictest reason.
    pub fn rule(&self) -> &str {
        self.grounds.iter().find(|ground| ground.verdict == self.verdict).map_or("", |ground| ground.rule.as_str())
    }

    /// Adds what an approver should read to a text.
    pub(super) fn describe(&self, told: &mut Text, now: i64) {
        told.blank();
        told.line(format!("{} by the policy {} · {}", self.verdict.name(), self.policy, text::ago(self.at, now)));
        for ground in &self.grounds {
            let step = if ground.step.is_empty() { String::new() } else { format!(" → {}", ground.step) };
            told.line(format!("  {} {} [{}]{step}", ground.verdict.badge().sign, ground.words, ground.rule));
        }
        self.evidence.iter().for_each(|line| told.line(format!("  {line}")));
        self.fixes.iter().for_each(|line| told.line(format!("  fix: {line}")));
        if !self.base.is_empty() {
            told.line(format!("  built on {}", inline(&self.base)));
        }
        if !self.diff.is_empty() {
            told.line("compared with the version that is admitted:");
            told.quote(&self.diff);
        }
    }

    /// The reasons that decide the verdict, in words.
    pub fn deciding_reasons(&self) -> String {
        let own = self.grounds.iter().filter(|ground| ground.verdict == self.verdict);
        own.map(|ground| ground.words.as_str()).collect::<Vec<_>>().join("; ")
    }
}

/// The reasons of a judgement, as they are stored.
pub fn stored_reasons(judgement: &Judgement) -> Vec<StoredReason> {
    let kept = |reason: &Reason| StoredReason {
        verdict: reason.verdict,
        rule: reason.rule.to_owned(),
        words: reason.words.clone(),
        step: if asks(&reason.step) { String::new() } else { reason.step.clone() },
        findings: reason.findings.clone(),
    };
    judgement.reasons.iter().map(kept).collect()
}

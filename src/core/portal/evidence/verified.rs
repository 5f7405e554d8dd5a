//! An image with its evidence and its verdict, in words.

use serde::Serialize;

use crate::{
    base::{
        badge::{Badge, Signature},
        quote::Text,
        text,
    },
    catalog::marks::{Marks, ScanMark, Trust},
    evidence::record::{Kind, Outcome, Record, Subject, best},
    policy::Judgement,
};

/// An image with its evidence and the policy's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The image that was checked, by its name, digest and platform.
    pub subject: Subject,
    /// Its evidence: records that count now.
    pub records: Vec<Record>,
    /// The policy's verdict, with its reasons.
    pub judgement: Judgement,
}

/// An image that the policy lets pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedImage {
    /// The policy's verdict, with its reasons.
    pub judgement: Judgement,
    /// The person's reason to go on without an approval; `None` if none was needed.
    pub because: Option<String>,
}

impl PassedImage {
    /// The verdict as the audit records it.
    pub fn describe(&self) -> String {
        let word = self.judgement.describe();
        match &self.because {
            Some(because) => format!("{word}, overridden: {because}"),
            None if self.judgement.exceptions.is_empty() => word,
            None => format!("{word} with exception {}", self.judgement.exceptions.join(", ")),
        }
    }
}

fn badge(badge: Badge) -> String {
    format!("{} {}", badge.sign, badge.word)
}

/// The signer or the number of findings, and where the record was found.
fn detail(record: &Record) -> String {
    let (found, inputs) = match &record.outcome {
        Outcome::Signature { signer, .. } => (signer.clone(), &[][..]),
        Outcome::Scan { counts, .. } => (counts.describe(), record.inputs.as_slice()),
        Outcome::Software { total, .. } => (text::plural(*total, "package", "packages"), &[][..]),
        Outcome::Nothing => (String::new(), &[][..]),
        Outcome::Statements { author, statements, .. } => {
            (format!("{} by {author}", text::plural(statements.len() as u64, "statement", "statements")), &[][..])
        }
    };
    let parts = [found.as_str(), record.reason.as_str()].into_iter().chain(inputs.iter().map(String::as_str));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

impl Verified {
    /// The marks of the image in a list, at `now` in seconds since 1970; its publisher is not among them.
    pub fn marks(&self, now: i64) -> Marks {
        let signature = match best(&self.records, Kind::Signature, now).map(|record| &record.outcome) {
            Some(Outcome::Signature { state, .. }) => *state,
            _ => Signature::default(),
        };
        let scan = match best(&self.records, Kind::Scan, now).map(|record| &record.outcome) {
            Some(Outcome::Scan { state, counts, worst, .. }) => ScanMark {
                state: *state,
                counts: *counts,
                fixable: worst.iter().filter(|one| !one.fixed.is_empty()).map(|one| one.severity).min(),
            },
            _ => ScanMark::default(),
        };
        Marks { trust: Trust { signature, ..Trust::default() }, scan, verdict: self.judgement.verdict }
    }

    /// The verdict and by which policy, in a line.
    pub fn verdict_line(&self) -> String {
        format!("{} by the policy '{}'", badge(self.judgement.verdict.badge()), self.judgement.policy)
    }

    /// The verdict, the evidence, the rules and the next step as text, the same on the screen and the command line.
    pub fn explain(&self, now: i64) -> String {
        let judgement = &self.judgement;
        let mut lines = Text::default();
        lines.line(self.verdict_line());
        for reason in &judgement.reasons {
            let sign = reason.verdict.badge().sign;
            let step = if reason.step.is_empty() { String::new() } else { format!(" → {}", reason.step) };
            lines.line(format!("  {sign} {} [{}]{step}", reason.words, reason.rule));
        }
        if let Some(said) = judgement.only_said() {
            lines.line(format!("  this policy only says so: it {said}"));
        }
        lines.line(format!("image       {}", self.subject.name));
        lines.line(format!("digest      {}", self.subject.digest));
        if self.subject.manifest != self.subject.digest {
            lines.line(format!("manifest    {}", self.subject.manifest));
        }
        for record in &self.records {
            let by = format!("{}{}", record.tool, record.by.note());
            let at = text::ago(record.at, now);
            lines.line(format!("{:<11} {} · {by} · {at}", record.kind().name(), badge(record.badge())));
            lines.line(format!("            {}", detail(record)));
        }
        lines.finish()
    }
}

//! What a policy judges by, and what comes of it.

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        badge::{Publisher, Verdict},
        digest::Digest,
    },
    evidence::record::Record,
    image::model::Platform,
};

/// What is known about an image and its launch when it is judged.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// The image's evidence of every kind and age.
    pub records: &'a [Record],
    /// The digests of its index and of the platform's manifest.
    pub digests: Vec<Digest>,
    /// The reference without a tag.
    pub name: &'a str,
    /// Who made it, as the source says.
    pub publisher: Publisher,
    /// The platform that was chosen.
    pub platform: Option<&'a Platform>,
    /// When it was built, in seconds since 1970, if it says so.
    pub created: Option<i64>,
    /// Whether the launch has root rights on the host; `None` if nothing is launched.
    pub privileged: Option<bool>,
    /// Whether its header names other files, or it is no image of the stated format.
    pub broken_format: bool,
    /// What the site's store knows about it.
    pub site: Site,
}

/// What a site's store knows about an image: the stewards' last verdict, and whether its admission was revoked.
///
/// In the order of strictness, the strictest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// The store knows nothing of it, or there is no store.
    #[default]
    Silent,
    /// The store did not answer.
    Away,
    /// A steward has judged it.
    Judged {
        /// The steward's last verdict.
        verdict: Verdict,
        /// The findings of which people were warned and that it still has.
        findings: Vec<String>,
        /// When it was judged, in seconds since 1970.
        at: i64,
    },
    /// Its admission was revoked.
    TakenBack {
        /// The person who revoked it.
        by: String,
        /// The reason in that person's words.
        reason: String,
        /// When it was revoked, in seconds since 1970.
        at: i64,
    },
}

/// A reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The verdict for this reason alone.
    pub verdict: Verdict,
    /// The rule's key in the policy.
    pub rule: &'static str,
    /// The reason as a sentence.
    pub words: String,
    /// The simplest remedy; empty if none is needed.
    pub step: String,
    /// The identifiers of the findings that it is about; empty if it is about none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// A verdict with its reasons, the strictest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The strictest verdict of the reasons.
    pub verdict: Verdict,
    /// All reasons, including those that allow.
    pub reasons: Vec<Reason>,
    /// The names of the exceptions that were applied.
    pub exceptions: Vec<String>,
    /// The name of the policy.
    pub policy: String,
    /// Whether this policy holds back what needs approval.
    pub enforced: bool,
}

impl Judgement {
    /// The reasons that decide the verdict, in words.
    pub fn deciding_reasons(&self) -> String {
        let own = self.reasons.iter().filter(|reason| reason.verdict == self.verdict);
        own.map(|reason| reason.words.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// The judgement for a new request: a revoked admission then needs a person's approval, and is not denied for ever.
    #[must_use]
    pub fn reconsidered(mut self) -> Self {
        for reason in self.reasons.iter_mut().filter(|reason| reason.rule == "revoked") {
            reason.verdict = Verdict::NeedsApproval;
        }
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict.strictness()));
        self.verdict = self.reasons.first().map_or(Verdict::Undecided, |reason| reason.verdict);
        self
    }

    /// Whether a launch may proceed without an approval.
    pub fn passes(&self) -> bool {
        match self.verdict {
            Verdict::Allow => true,
            Verdict::NeedsApproval | Verdict::Undecided => !self.enforced,
            Verdict::Deny => false,
        }
    }
}

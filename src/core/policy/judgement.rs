//! What a policy judges by, and what comes of it.

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        badge::{Publisher, Verdict},
        digest::Digest,
    },
    evidence::record::Record,
    image::model::Platform,
    launch::isolation::{self, Isolation},
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
    /// How the launch is isolated; `None` if nothing is launched.
    pub isolation: Option<Isolation>,
    /// Whether its header names other files, or it is no image of the stated format.
    pub broken_format: bool,
    /// What the site's store knows about it.
    pub site: Site,
}

/// What a policy wants to know of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchFacts {
    /// Whether it has root rights on the host.
    pub privileged: bool,
    /// How it is isolated.
    pub isolation: Isolation,
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
    /// The least isolation that a launch needs for this reason.
    #[serde(skip_serializing_if = "is_shared")]
    pub isolation: Isolation,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_shared(isolation: &Isolation) -> bool {
    *isolation == Isolation::SharedKernel
}

impl Reason {
    /// Decides a reason that allows the image where its launch is isolated, for a launch with this isolation. Without a
    /// launch there is none, and the image is not allowed.
    pub(super) fn look_at_isolation(&mut self, given: Option<Isolation>) {
        if is_shared(&self.isolation) || self.verdict != Verdict::Allow {
            return;
        }
        let needed = self.isolation.describe();
        if given.is_some_and(|given| given >= self.isolation) {
            self.words.push_str(&format!(": taken, because it is launched with {needed} or more"));
            self.step.clear();
        } else {
            self.verdict = Verdict::NeedsIsolation;
            self.words.push_str(&format!(": it needs {needed} or more"));
            let (key, level) = (isolation::KEY, self.isolation.name());
            self.step = format!("launch it with {key} {level} (--set {key}={level}), on a backend that has it");
        }
    }
}

/// A verdict with its reasons, the strictest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The strictest verdict of the reasons.
    pub verdict: Verdict,
    /// The least isolation that a launch needs: the highest that a reason demands.
    pub isolation: Isolation,
    /// The isolation of the launch that was judged; `None` if nothing is launched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<Isolation>,
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

    /// The judgement for an admission, which lets everybody launch the image as they like: what only an isolated launch
    /// may have then needs a person's approval.
    #[must_use]
    pub fn for_admission(mut self) -> Self {
        for reason in self.reasons.iter_mut().filter(|reason| reason.verdict == Verdict::NeedsIsolation) {
            reason.verdict = Verdict::NeedsApproval;
        }
        self.settled()
    }

    /// The judgement for a new request: that for an admission, and a revoked one then needs a person's approval, and is
    /// not denied for ever.
    #[must_use]
    pub fn reconsidered(mut self) -> Self {
        for reason in self.reasons.iter_mut().filter(|reason| reason.rule == "revoked") {
            reason.verdict = Verdict::NeedsApproval;
        }
        self.for_admission()
    }

    /// The same reasons in order, and the verdict that follows from them.
    fn settled(mut self) -> Self {
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict.strictness()));
        self.verdict = self.reasons.first().map_or(Verdict::Undecided, |reason| reason.verdict);
        self
    }

    /// Whether it is about a launch that is less isolated than the policy demands. No policy lets that pass: whoever
    /// launches can change it.
    pub fn lacks_isolation(&self) -> bool {
        self.given.is_some_and(|given| given < self.isolation)
    }

    /// Whether a launch, a copy or a share may proceed without an approval. A copy has no isolation: what demands one is
    /// then treated like what needs an approval.
    pub fn passes(&self) -> bool {
        match self.verdict {
            Verdict::Allow => true,
            Verdict::NeedsIsolation | Verdict::NeedsApproval | Verdict::Undecided => {
                !self.enforced && !self.lacks_isolation()
            }
            Verdict::Deny => false,
        }
    }

    /// What a policy that does not enforce its verdict holds back nevertheless, in words that follow "it"; `None` if this
    /// verdict is enforced.
    pub fn only_said(&self) -> Option<&'static str> {
        match self.verdict {
            _ if self.enforced => None,
            Verdict::NeedsIsolation => Some("holds back only launches with less isolation"),
            Verdict::NeedsApproval | Verdict::Undecided => Some("holds back only what is denied"),
            Verdict::Allow | Verdict::Deny => None,
        }
    }

    /// The verdict in words, with the isolation of the launch where the policy demands one.
    pub fn describe(&self) -> String {
        match (self.verdict, self.given) {
            (Verdict::Allow, Some(given)) if !is_shared(&self.isolation) => {
                format!("{} with isolation {}", self.verdict.name(), given.name())
            }
            _ => self.verdict.name().to_owned(),
        }
    }
}

//! Decisions on requests, one by one and by class, and what comes of them.

use serde::{Deserialize, Serialize};

use super::{
    dossier::{Dossier, StoredReason},
    wish::Id,
};
use crate::{base::badge::Verdict, evidence::terms::Terms};

/// A decision by a person or by the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The person's login, or `policy NAME`.
    pub by: String,
    /// When it was decided, in seconds since 1970.
    pub at: i64,
    /// Whether the image may be admitted.
    pub approve: bool,
    /// The reason in the words of the person or policy.
    pub reason: String,
    /// The conditions of an approval.
    pub terms: Terms,
    /// The digest that was decided on; a decision on another digest needs another request.
    pub digest: String,
    /// What the approver has signed, which is attached to the admitted image; empty if nothing.
    #[serde(default)]
    pub payload: String,
    /// The approver's signature over it in base64; empty if only the steward signs.
    #[serde(default)]
    pub signature: String,
}

/// The beginning of [`Decision::by`] for a policy.
const POLICY: &str = "policy ";
/// What follows the approver's login if a class was approved.
const CLASS: &str = " (class ";

impl Decision {
    /// The text in [`Decision::by`] for this policy.
    pub fn policy_author(name: &str) -> String {
        format!("{POLICY}{name}")
    }

    /// The person who decided, also if it was by approving a class.
    pub fn person(&self) -> &str {
        self.by.rsplit_once(CLASS).map_or(self.by.as_str(), |(person, _)| person)
    }

    /// The number of the class by whose approval it was decided.
    pub fn class(&self) -> Option<Id> {
        self.by.rsplit_once(CLASS).and_then(|(_, number)| number.strip_suffix(')')?.parse().ok())
    }

    /// The text in [`Decision::by`] for a person who approved a class.
    pub fn class_author(person: &str, class: Id) -> String {
        format!("{person}{CLASS}{class})")
    }

    /// Whether the policy decided, and not a person.
    pub fn is_of_policy(&self) -> bool {
        self.by.starts_with(POLICY)
    }
}

/// The place where an image was admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The reference there, by digest.
    pub reference: String,
    /// The digest of the admitted image.
    pub digest: String,
    /// The keys that have signed it there.
    pub signers: Vec<String>,
    /// When it was admitted, in seconds since 1970.
    pub at: i64,
    /// Why its tag was not set, and who can set it how, in words; empty if it was set or there is none.
    #[serde(default)]
    pub untagged: String,
}

/// An approval of everything that one rule blocks on one base image, until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// The number of the class; 0 before it is stored.
    pub id: Id,
    /// The base image; empty for any.
    pub base: String,
    /// The rule that blocks the images.
    pub rule: String,
    /// The decision; its conditions contain the end.
    pub decision: Decision,
}

impl Class {
    /// Whether a request with this dossier belongs to the class now.
    pub fn covers(&self, dossier: &Dossier, now: i64) -> bool {
        self.decision.approve
            && Self::accepts_all(dossier, &self.rule, &self.decision.terms)
            && (self.base.is_empty() || self.base == dossier.base)
            && self.decision.terms.until.is_some_and(|until| now < until)
    }

    /// Whether these conditions accept everything that holds an image back, with `rule` as the strictest.
    pub fn accepts_all(dossier: &Dossier, rule: &str, terms: &Terms) -> bool {
        let taken = |ground: &StoredReason| {
            ground.verdict == Verdict::NeedsApproval
                && match ground.findings.as_slice() {
                    [] => terms.rules.contains(&ground.rule),
                    all => all.iter().all(|finding| terms.exceptions.contains(finding)),
                }
        };
        dossier.rule() == rule && dossier.held().all(taken)
    }
}

/// A group of the queue: the same rule and the same base image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The rule that blocks them.
    pub rule: String,
    /// The base image; empty if unknown.
    pub base: String,
    /// How many requests the group has.
    pub count: i64,
}

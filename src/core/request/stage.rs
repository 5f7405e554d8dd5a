//! The stages of a request.

use serde::{Deserialize, Serialize};

/// The stage that a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nobody has looked at it yet.
    Submitted,
    /// A steward fetches the image and gathers evidence.
    Gathering,
    /// An approver has to decide.
    Waiting,
    /// The approver has asked the requester a question.
    Asked,
    /// It was approved, by the policy or a person, and is being copied and signed.
    Admitting,
    /// It is admitted and signed.
    Admitted,
    /// Somebody has revoked the admission; users are told, and a steward signs the revocation.
    Revoking,
    /// The admission was revoked, and that is signed.
    Revoked,
    /// It was refused, by the policy or a person.
    Rejected,
    /// No requester wants it any longer.
    Withdrawn,
    /// It could not be carried out.
    Failed,
}

impl Stage {
    /// All stages, in the order of a request's life.
    pub const ALL: [Self; 11] = [
        Self::Submitted,
        Self::Gathering,
        Self::Waiting,
        Self::Asked,
        Self::Admitting,
        Self::Admitted,
        Self::Revoking,
        Self::Revoked,
        Self::Rejected,
        Self::Withdrawn,
        Self::Failed,
    ];

    /// The stage in a word, for stores, JSON and screens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Gathering => "gathering",
            Self::Waiting => "waiting",
            Self::Asked => "asked",
            Self::Admitting => "admitting",
            Self::Admitted => "admitted",
            Self::Revoking => "revoking",
            Self::Revoked => "revoked",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Failed => "failed",
        }
    }

    /// A sign for the stage, so that it can be told without colour.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Submitted | Self::Gathering | Self::Admitting | Self::Revoking => "…",
            Self::Waiting => "◷",
            Self::Asked => "?",
            Self::Admitted => "✓",
            Self::Rejected | Self::Failed | Self::Revoked => "✗",
            Self::Withdrawn => "■",
        }
    }

    /// The stage with this word; `None` if there is none.
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == word)
    }

    /// Whether a steward has to do something.
    pub fn is_for_steward(self) -> bool {
        matches!(self, Self::Submitted | Self::Gathering | Self::Admitting | Self::Revoking)
    }

    /// Whether an approver has to decide.
    pub fn is_open_to_decide(self) -> bool {
        matches!(self, Self::Waiting | Self::Asked)
    }

    /// Whether nothing more happens to it without a person.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Admitted | Self::Revoking | Self::Revoked | Self::Rejected | Self::Withdrawn | Self::Failed
        )
    }
}

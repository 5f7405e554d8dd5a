//! The result of a share.

use serde::Serialize;

use crate::{
    base::text,
    image::reference::ImageRef,
    ports::content::Outcome,
    sharing::{ending::Takeable, offer::Share},
};

/// The result of a share by copying into a project of a registry.
#[derive(Debug, Clone, Serialize)]
pub struct CopyResult {
    /// The project that got the image.
    pub project: String,
    /// Where the image is now.
    pub destination: String,
    /// The result of the copy: bytes, attachments.
    pub outcome: Outcome,
}

/// The result of a share.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShareResult {
    /// The image was copied inside a registry, or into another one.
    Shared(CopyResult),
    /// The image was granted to a project or published.
    Share(Share),
    /// The image was copied into another cloud, and granted there if a project was named.
    Elsewhere {
        /// The reference of the copy in the other cloud.
        reference: ImageRef,
        /// The result of the copy: bytes.
        outcome: Outcome,
        /// The grant; `None` if the copy went into the person's own project.
        share: Option<Share>,
    },
    /// A link was sent to a person.
    Sent {
        /// Their mail address.
        person: String,
        /// The link.
        link: String,
    },
    /// A link was made for a contact whose mail address is not known: the sender hands it over.
    Handed {
        /// What the contact is called.
        person: String,
        /// The link.
        link: String,
    },
}

fn standing(share: &Share) -> String {
    let (sign, word) = share.standing.label();
    format!("{sign} {}: {word}", share.project.label())
}

impl ShareResult {
    /// The result of the copy; `None` where nothing was copied.
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Shared(copied) => Some(&copied.outcome),
            Self::Elsewhere { outcome, .. } => Some(outcome),
            Self::Share(_) | Self::Sent { .. } | Self::Handed { .. } => None,
        }
    }

    /// What is taken back when the share ends: a grant, or a copy in a registry; `None` where that cannot be.
    pub fn takeable(&self) -> Option<Takeable> {
        match self {
            Self::Shared(copied) => {
                let at = copied.destination.parse().ok()?;
                Some(Takeable::Copy { at, digest: copied.outcome.digest.clone() })
            }
            Self::Share(share) | Self::Elsewhere { share: Some(share), .. } => Some(Takeable::Grant(share.id.clone())),
            Self::Elsewhere { reference: at @ ImageRef::Oci(_), outcome, .. } => {
                Some(Takeable::Copy { at: at.clone(), digest: outcome.digest.clone() })
            }
            Self::Elsewhere { .. } | Self::Sent { .. } | Self::Handed { .. } => None,
        }
    }

    /// One line about what was done, beginning with a sign.
    pub fn describe(&self) -> String {
        match self {
            Self::Shared(copied) => format!(
                "✓ {}: {} ({}, {})",
                copied.project,
                copied.destination,
                copied.outcome.describe(),
                text::plural(copied.outcome.attachments as u64, "attachment", "attachments")
            ),
            Self::Share(share) => standing(share),
            Self::Sent { person, .. } => format!("✓ {person}: the link was sent"),
            Self::Handed { person, .. } => format!("✓ {person}: the link is made, and you hand it over"),
            Self::Elsewhere { reference, outcome, share } => {
                let share = share.as_ref().map(|share| format!("; {}", standing(share))).unwrap_or_default();
                format!("✓ {reference} ({}){share}", outcome.describe())
            }
        }
    }
}

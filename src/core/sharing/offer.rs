//! Projects, shares, offers, and transfers of volumes.

use serde::Serialize;

use crate::{
    base::{secret::Secret, text},
    image::reference::ImageRef,
};

/// A project of a cloud, as far as this person can see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Project {
    /// The project's name; empty if only its id is known.
    pub name: String,
    /// The project's id in its cloud.
    pub id: String,
}

impl Project {
    /// The name with the beginning of the id; only the id if it has no name.
    pub fn label(&self) -> String {
        let short = self.id.get(..8).unwrap_or(&self.id);
        if self.name.is_empty() { self.id.clone() } else { format!("{} ({short})", self.name) }
    }

    /// The name; the id if it has none.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

/// How an image would be shared with a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharePlan {
    /// The steps in order.
    pub steps: Vec<String>,
    /// The cost: how many bytes move.
    pub cost: String,
    /// The rights that it needs.
    pub rights: String,
    /// What the receiver has to do.
    pub receiver: String,
}

/// The standing of a share (`GET /v2/images/ID/members`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShareStatus {
    /// The receiver has not answered; it can use the image by its id nevertheless.
    Pending,
    /// The receiver has it in its list.
    Accepted,
    /// The receiver does not want it in its list.
    Rejected,
    /// Any other standing, in the cloud's own word.
    Other(String),
}

impl ShareStatus {
    /// A sign and a word, for lists.
    pub fn label(&self) -> (&'static str, &str) {
        match self {
            Self::Pending => ("…", "pending"),
            Self::Accepted => ("✓", "accepted"),
            Self::Rejected => ("✗", "rejected"),
            Self::Other(word) => ("?", word),
        }
    }
}

impl From<&str> for ShareStatus {
    fn from(word: &str) -> Self {
        match word {
            "pending" => Self::Pending,
            "accepted" => Self::Accepted,
            "rejected" => Self::Rejected,
            other => Self::Other(crate::base::clean::short(other, 40)),
        }
    }
}

/// A right of a project to use an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The share's id, which `wharf revoke` takes.
    pub id: String,
    /// The image that is shared.
    pub reference: ImageRef,
    /// The project that may use it.
    pub project: Project,
    /// Whether the project has accepted it.
    pub standing: ShareStatus,
    /// When it was made, in seconds since 1970, if the cloud tells it.
    pub created: Option<i64>,
}

/// A share that waits for the answer of this person's project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// The offer's id, which `wharf offers accept` and `reject` take.
    pub id: String,
    /// The source from which it was read.
    pub source: String,
    /// The name of the image.
    pub title: String,
    /// The image that is offered.
    pub reference: ImageRef,
    /// The project that offers it; its name is empty if it cannot be seen.
    pub from: Project,
    /// When it was made, in seconds since 1970, if the cloud tells it.
    pub since: Option<i64>,
    /// Format, size and the like, in words.
    pub note: String,
    /// What happens without an answer, in words.
    pub ignored: String,
    /// Whether this project itself has made the offer, and waits for another's answer.
    pub outgoing: bool,
}

impl Offer {
    /// Whether it offers this image to this person's project.
    pub fn is_of(&self, image: &ImageRef) -> bool {
        !self.outgoing && self.reference == *image
    }
}

/// A transfer of a volume that was just created. Its key is shown once and stored nowhere.
#[derive(Debug, Clone)]
pub struct VolumeTransfer {
    /// The transfer's id, which `wharf offers cancel` takes.
    pub id: String,
    /// The cloud's id of the transfer, which the receiver needs besides the key.
    pub transfer: String,
    /// The name of the volume.
    pub title: String,
    /// The key that the receiver needs.
    pub key: Secret,
}

impl VolumeTransfer {
    /// The line that the giver sends to the receiver.
    pub fn line(&self) -> String {
        format!("transfer {} key {}", self.transfer, self.key.reveal())
    }
}

/// What a receiver has got from the giver of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferKey {
    /// The cloud's id of the transfer.
    pub transfer: String,
    /// The transfer's key, if it was sent along.
    pub key: Option<Secret>,
    /// The cloud, if it is named; the giver may have another name for it.
    pub cloud: Option<String>,
}

impl TransferKey {
    /// Reads what the giver has sent: the whole line, transfer and key, or the transfer alone.
    pub fn parse(sent: &str) -> Option<Self> {
        let words: Vec<&str> = sent.split_whitespace().collect();
        let at = words.iter().position(|word| text::is_uuid(word.rsplit('/').next().unwrap_or("")))?;
        let named = words.get(at)?;
        let (path, transfer) = named.rsplit_once('/').unwrap_or(("", named));
        let behind = |at: usize| words.get(at + 1).filter(|word| **word != "key");
        let key = words.iter().position(|word| *word == "key").and_then(behind).or_else(|| behind(at));
        let cloud = path.split('/').next().filter(|cloud| !cloud.is_empty());
        Some(Self {
            transfer: transfer.to_owned(),
            key: key.map(|key| Secret::new(*key)),
            cloud: cloud.map(str::to_owned),
        })
    }

    /// The key in a typed text, which may be the key alone or the whole line.
    pub fn key_in(typed: &Secret) -> Secret {
        Self::parse(typed.reveal()).and_then(|gift| gift.key).unwrap_or_else(|| Secret::new(typed.reveal().trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_giver_sends_is_understood_in_every_form() {
        let id = "2f1e7a3c-0f4e-4d6b-9a39-6f0a3d1c7b55";
        let read = |sent: &str| TransferKey::parse(sent).unwrap();
        let gift = |key: Option<&str>, cloud: Option<&str>| TransferKey {
            transfer: id.into(),
            key: key.map(Secret::new),
            cloud: cloud.map(str::to_owned),
        };
        assert_eq!(read(&format!("transfer {id} key 0123abcd")), gift(Some("0123abcd"), None));
        assert_eq!(read(&format!("{id} 0123abcd")), gift(Some("0123abcd"), None));
        assert_eq!(read(&format!("site/transfer/{id}")), gift(None, Some("site")));
        assert_eq!(read(&format!("transfer {id} key")), gift(None, None));
        assert!(TransferKey::parse("transfer").is_none());
        assert_eq!(TransferKey::key_in(&Secret::new(format!("transfer {id} key 0123abcd"))), Secret::new("0123abcd"));
        assert_eq!(TransferKey::key_in(&Secret::new("0123abcd\n")), Secret::new("0123abcd"));
    }
}

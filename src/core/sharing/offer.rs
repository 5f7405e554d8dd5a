//! Projects, shares, offers, and volumes on their way to somebody.

use serde::Serialize;

use crate::core::{
    base::{secret::Secret, text},
    image::reference::ImageRef,
};

/// A project of a cloud, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Project {
    /// Its name; empty where only its id is known.
    pub name: String,
    /// The project's id in its cloud.
    pub id: String,
}

impl Project {
    /// Its name with the beginning of its id; its id where it has no name.
    pub fn words(&self) -> String {
        let short = self.id.get(..8).unwrap_or(&self.id);
        if self.name.is_empty() { self.id.clone() } else { format!("{} ({short})", self.name) }
    }

    /// Its name, else its id.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

/// How a share into a project will be made, before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharePlan {
    /// What is done, in order.
    pub steps: Vec<String>,
    /// What it costs: bytes that move, or none.
    pub cost: String,
    /// Which rights it needs.
    pub rights: String,
    /// What the receiver must do.
    pub receiver: String,
}

/// Where a share stands (`GET /v2/images/ID/members`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Nobody has answered; the receiver may use it by its id all the same.
    Pending,
    /// The receiver has it in its list.
    Accepted,
    /// The receiver does not want it in its list.
    Rejected,
    /// The cloud's own word for anything else.
    Other(String),
}

impl Standing {
    /// The sign and the word that lists show.
    pub fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Pending => ("…", "pending"),
            Self::Accepted => ("✓", "accepted"),
            Self::Rejected => ("✗", "rejected"),
            Self::Other(word) => ("?", word),
        }
    }
}

impl From<&str> for Standing {
    fn from(word: &str) -> Self {
        match word {
            "pending" => Self::Pending,
            "accepted" => Self::Accepted,
            "rejected" => Self::Rejected,
            other => Self::Other(crate::core::base::clean::short(other, 40)),
        }
    }
}

/// A grant of an image to a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// What `wharf revoke` takes.
    pub id: String,
    /// The image that is shared.
    pub reference: ImageRef,
    /// The project that may use it.
    pub project: Project,
    /// Whether the project has accepted it.
    pub standing: Standing,
    /// Seconds since 1970 when it was made.
    pub created: Option<i64>,
}

/// A share that waits for this person's project to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// What `wharf offers accept` and `reject` take.
    pub id: String,
    /// The source it came through.
    pub source: String,
    /// What it is called.
    pub title: String,
    /// The image that is offered.
    pub reference: ImageRef,
    /// The project that offers it: id, and name where it can be seen.
    pub from: Project,
    /// Seconds since 1970 when it was made.
    pub since: Option<i64>,
    /// Format, size and the like.
    pub note: String,
    /// What happens without an answer.
    pub ignored: String,
    /// Whether this project itself offers it, and waits for another's answer.
    pub outgoing: bool,
}

/// A volume that is being given away: what its taker needs. The key is shown once and kept nowhere.
#[derive(Debug, Clone)]
pub struct Given {
    /// What `wharf offers cancel` takes.
    pub id: String,
    /// The cloud's id of the transfer, which the taker needs beside the key.
    pub transfer: String,
    /// The name of the volume.
    pub title: String,
    /// The key that the taker needs.
    pub key: Secret,
}

impl Given {
    /// What the giver sends to the taker, in one line.
    pub fn line(&self) -> String {
        format!("transfer {} key {}", self.transfer, self.key.reveal())
    }
}

/// What a taker got from a giver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gift {
    /// The cloud's id of the transfer.
    pub transfer: String,
    /// Its key, if that was sent along.
    pub key: Option<Secret>,
    /// The cloud, if it was named; the giver may call it otherwise than the taker.
    pub cloud: Option<String>,
}

impl Gift {
    /// Reads what was sent: the whole line, the transfer and the key, or the transfer alone.
    pub fn read(sent: &str) -> Option<Self> {
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

    /// The key in what was typed where a key was asked for: all of it, or the key of the whole line.
    pub fn key_in(typed: &Secret) -> Secret {
        Self::read(typed.reveal()).and_then(|gift| gift.key).unwrap_or_else(|| Secret::new(typed.reveal().trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_giver_sends_is_understood_in_every_form() {
        let id = "2f1e7a3c-0f4e-4d6b-9a39-6f0a3d1c7b55";
        let read = |sent: &str| Gift::read(sent).unwrap();
        let gift = |key: Option<&str>, cloud: Option<&str>| Gift {
            transfer: id.into(),
            key: key.map(Secret::new),
            cloud: cloud.map(str::to_owned),
        };
        assert_eq!(read(&format!("transfer {id} key 0123abcd")), gift(Some("0123abcd"), None));
        assert_eq!(read(&format!("{id} 0123abcd")), gift(Some("0123abcd"), None));
        assert_eq!(read(&format!("site/transfer/{id}")), gift(None, Some("site")));
        assert_eq!(read(&format!("transfer {id} key")), gift(None, None));
        assert!(Gift::read("transfer").is_none());
        assert_eq!(Gift::key_in(&Secret::new(format!("transfer {id} key 0123abcd"))), Secret::new("0123abcd"));
        assert_eq!(Gift::key_in(&Secret::new("0123abcd\n")), Secret::new("0123abcd"));
    }
}

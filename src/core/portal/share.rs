//! Shares and offers: who may use an image, and what waits for an answer.

use std::sync::Arc;

use serde::Serialize;

use super::Portal;
use crate::core::{
    base::{
        context::Context,
        error::{Error, Result},
        secret::Secret,
        text,
    },
    image::{model::Pinned, reference::ImageRef},
    ports::{Sharer, cannot, store::How},
};

/// A project of a cloud, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Project {
    /// Its name; empty where only its id is known.
    pub name: String,
    /// Its id.
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
    /// Sign and word.
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
    /// The image.
    pub reference: ImageRef,
    /// The project.
    pub project: Project,
    /// Where it stands.
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
    /// The image.
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
    /// The volume.
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

impl Portal {
    /// The port through which an image is shared.
    pub(super) fn sharer_of(&self, reference: &ImageRef) -> Result<Arc<dyn Sharer>> {
        let source = self.source_of(reference)?;
        source.sharer.ok_or_else(|| cannot(&source.name, "share from"))
    }

    /// The port behind an id that begins with its source: a share's, or an offer's.
    fn sharer_behind(&self, id: &str, what: &str, unlike: &str, hint: &str) -> Result<Arc<dyn Sharer>> {
        let (source, _) = id.split_once('/').ok_or_else(|| Error::usage(what, unlike).hint(hint))?;
        self.sharer(source, what)
    }

    fn sharer_of_offer(&self, offer: &str, what: &str) -> Result<Arc<dyn Sharer>> {
        self.sharer_behind(offer, what, "not the id of an offer", "'wharf offers' shows them")
    }

    /// Whether images of this kind of reference are shared by grant, and not by copy.
    pub fn shares_by_grant(&self, reference: &ImageRef) -> bool {
        self.sharer_of(reference).is_ok()
    }

    /// Who may use an image.
    pub async fn shares(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<Share>> {
        let sharer = self.sharer_of(reference)?;
        cx.run(&format!("list shares of {reference}"), sharer.shares(cx, reference)).await
    }

    /// Takes a grant back; one that is gone is taken back already.
    pub async fn revoke(&self, cx: &Context, share: &str) -> Result<()> {
        let what = format!("revoke {share}");
        let sharer = self.sharer_behind(share, &what, "not the id of a share", "'wharf shares REF' shows them")?;
        let revoked = cx.run(&what, sharer.revoke(cx, share)).await;
        self.journal.note(self.journal.entry("revoke", share), &revoked).await;
        revoked
    }

    /// Projects of a source that this person may see, without their own: what it has needs no share.
    pub async fn projects(&self, cx: &Context, source: &str) -> Result<Vec<Project>> {
        let what = format!("list projects of {source}");
        let sharer = self.sharer(source, &what)?;
        let (projects, own) = tokio::join!(cx.run(&what, sharer.projects(cx)), cx.run(&what, sharer.own(cx)));
        let own = own?.id;
        Ok(projects?.into_iter().filter(|project| project.id != own).collect())
    }

    fn sharer(&self, source: &str, what: &str) -> Result<Arc<dyn Sharer>> {
        let source = self.source(source)?;
        source.sharer.clone().ok_or_else(|| cannot(&source.name, what))
    }

    /// What waits for an answer, at every source; one that fails is an error beside the others' offers.
    pub async fn offers(&self, cx: &Context) -> (Vec<Offer>, Vec<(String, Error)>) {
        let asked =
            self.sources.all().iter().filter_map(|source| Some((source.name.clone(), source.sharer.clone()?))).map(
                |(name, sharer)| async move {
                    let answer = cx.run(&format!("list offers of {name}"), sharer.offers(cx)).await;
                    (name, answer)
                },
            );
        let answers: Vec<_> = futures_util::future::join_all(asked).await;
        let mut offers = Vec::new();
        let mut failed = Vec::new();
        for (name, answer) in answers {
            match answer {
                Ok(more) => offers.extend(more),
                Err(error) => failed.push((name, error)),
            }
        }
        offers.sort_by_key(|offer: &Offer| std::cmp::Reverse(offer.since));
        (offers, failed)
    }

    /// Offers a volume to whoever gets its key. It is lost to this project once it is taken.
    pub async fn give(&self, cx: &Context, reference: &ImageRef) -> Result<Given> {
        let sharer = self.sharer_of(reference)?;
        let given = cx.run(&format!("give {reference}"), sharer.give(cx, reference)).await;
        self.journal.note(self.journal.entry("give", reference.to_string()), &given).await;
        given
    }

    /// Takes a volume that was given to whoever has the key: `SOURCE/transfer/ID`.
    pub async fn take(&self, cx: &Context, offer: &str, key: &Secret) -> Result<ImageRef> {
        let what = format!("take {offer}");
        let sharer = self.sharer_of_offer(offer, &what)?;
        let taken = cx.run(&what, sharer.take(cx, offer, key)).await;
        self.journal.note(self.journal.entry("take", offer), &taken).await;
        taken
    }

    /// What an offer is about, pinned; nothing where that cannot be told.
    async fn offered(&self, cx: &Context, offer: &str) -> Option<Pinned> {
        let all = self.offers(cx).await.0;
        let reference = all.into_iter().find(|one| one.id == offer)?.reference;
        self.image(cx, &reference, None).await.ok()?.pinned
    }

    /// Accepts or rejects an offer. Answering again the same way changes nothing.
    pub async fn answer_offer(&self, cx: &Context, offer: &str, accept: bool) -> Result<()> {
        let what = format!("{} {offer}", if accept { "accept" } else { "reject" });
        let sharer = self.sharer_of_offer(offer, &what)?;
        let given = if accept { self.offered(cx, offer).await } else { None };
        let answered = cx.run(&what, sharer.answer(cx, offer, accept)).await;
        self.journal.note(self.journal.entry(if accept { "accept" } else { "reject" }, offer), &answered).await;
        if let (Ok(()), Some(pinned)) = (&answered, given) {
            self.remember(How::Given, &pinned.reference, &pinned.digest, "").await;
        }
        answered
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

//! Shares and offers: who may use an image, and which offers wait for an answer.

mod ends;
pub mod given;
mod person;
mod registry;
mod share;
mod shared;

use std::sync::Arc;

pub use shared::{CopyResult, ShareResult};

use super::{
    disks::DiskImages, evidence::Evidence, journal::Journal, kept_transfers::KeptTransfers, launches::Launches,
    senders::Senders, sources::Sources, uses::Uses,
};
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
        secret::Secret,
    },
    image::{model::Pinned, reference::ImageRef},
    ports::{KeepEndings, Sharer, cannot, store::UseKind},
    sharing::{
        ending::Takeable,
        offer::{Offer, Project, Share, VolumeTransfer},
        receiver::Receiver,
    },
};

/// Sharing images with others, and answering their offers.
pub struct Sharing {
    sources: Arc<Sources>,
    kept: Arc<KeptTransfers>,
    senders: Arc<Senders>,
    evidence: Arc<Evidence>,
    disks: Arc<DiskImages>,
    launches: Arc<Launches>,
    uses: Arc<Uses>,
    journal: Arc<Journal>,
    endings: Arc<dyn KeepEndings>,
}

impl Sharing {
    /// Shares of images at these sources, gated by the policy.
    pub(super) fn new(
        (sources, kept, senders): (Arc<Sources>, Arc<KeptTransfers>, Arc<Senders>),
        evidence: Arc<Evidence>,
        disks: Arc<DiskImages>,
        launches: Arc<Launches>,
        uses: Arc<Uses>,
        (journal, endings): (Arc<Journal>, Arc<dyn KeepEndings>),
    ) -> Self {
        Self { sources, kept, senders, evidence, disks, launches, uses, journal, endings }
    }

    /// The port of the source with which the id of a share or offer begins.
    fn sharer_behind(&self, id: &str, what: &str, unlike: &str, hint: &str) -> Result<Arc<dyn Sharer>> {
        let (source, _) = id.split_once('/').ok_or_else(|| Error::usage(what, unlike).hint(hint))?;
        self.sharer(source, what)
    }

    fn sharer_of_offer(&self, offer: &str, what: &str) -> Result<Arc<dyn Sharer>> {
        self.sharer_behind(offer, what, "not the id of an offer", "'wharf offers' shows them")
    }

    /// Whether references of this kind are shared by a grant; otherwise by a copy.
    pub fn shares_by_grant(&self, reference: &ImageRef) -> bool {
        self.sources.sharer(reference).is_ok()
    }

    /// Who may use an image, and who has not answered yet.
    pub async fn shares(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<Share>> {
        let sharer = self.sources.sharer(reference)?;
        cx.run(&format!("list shares of {reference}"), sharer.shares(cx, reference)).await
    }

    /// Revokes a share; one that is gone counts as revoked. When it was to end is forgotten with it: whoever grants the same
    /// again says anew whether that ends.
    pub async fn revoke(&self, cx: &Context, share: &str) -> Result<()> {
        let what = format!("revoke {share}");
        let sharer = self.sharer_behind(share, &what, "not the id of a share", "'wharf shares REF' shows them")?;
        self.journal.recorded(self.journal.entry("revoke", share), cx.run(&what, sharer.revoke(cx, share))).await?;
        self.forget_end(Takeable::Grant(share.to_owned())).await
    }

    /// Lends a disk image of the person's own project to the steward's project, which could not read it otherwise. Does
    /// nothing if the image is in that project already.
    pub(super) async fn lend(&self, cx: &Context, pinned: &Pinned, project: &str) -> Result<()> {
        let source = self.sources.source(&pinned.reference)?;
        let Some(sharer) = &source.sharer else { return Ok(()) };
        let what = format!("lend {} to the steward's project", pinned.reference);
        let own = cx.run(&what, sharer.own(cx)).await?;
        if own.id == project || own.name == project {
            return Ok(());
        }
        let to = Receiver::Project(project.to_owned());
        let mut entry = self.journal.entry("share", format!("{} with {to}", pinned.reference));
        entry.digest = Some(pinned.digest.clone());
        self.journal.recorded(entry, cx.run(&what, sharer.share(cx, &pinned.reference, &to))).await?;
        Ok(())
    }

    /// Projects of a source that this person can share with: all that they may see, except their own.
    pub async fn projects(&self, cx: &Context, source: &str) -> Result<Vec<Project>> {
        let what = format!("list projects of {source}");
        let sharer = self.sharer(source, &what)?;
        let (projects, own) = tokio::join!(cx.run(&what, sharer.projects(cx)), cx.run(&what, sharer.own(cx)));
        let own = own?.id;
        Ok(projects?.into_iter().filter(|project| project.id != own).collect())
    }

    fn sharer(&self, source: &str, what: &str) -> Result<Arc<dyn Sharer>> {
        let source = self.sources.called(source)?;
        source.sharer.clone().ok_or_else(|| cannot(&source.name, what))
    }

    /// Offers at every source, and the errors of the sources that failed.
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

    /// Offers a volume to the project that gets the key. This project loses the volume once it is taken.
    pub async fn create_transfer(&self, cx: &Context, reference: &ImageRef) -> Result<VolumeTransfer> {
        let sharer = self.sources.sharer(reference)?;
        let what = format!("give {reference}");
        let entry = self.journal.entry("give", reference.to_string());
        self.journal.recorded(entry, cx.run(&what, sharer.create_transfer(cx, reference))).await
    }

    /// Takes an offered volume, `SOURCE/transfer/ID`, with its key.
    pub async fn accept_transfer(&self, cx: &Context, offer: &str, key: &Secret) -> Result<ImageRef> {
        let what = format!("take {offer}");
        let sharer = self.sharer_of_offer(offer, &what)?;
        self.journal
            .recorded(self.journal.entry("take", offer), cx.run(&what, sharer.accept_transfer(cx, offer, key)))
            .await
    }

    /// The image that an offer is about, pinned; `None` if that cannot be found out.
    async fn offered(&self, cx: &Context, offer: &str) -> Option<Pinned> {
        let all = self.offers(cx).await.0;
        let reference = all.into_iter().find(|one| one.id == offer)?.reference;
        self.sources.image(cx, &reference, None).await.ok()?.pinned
    }

    /// Accepts or rejects an offer. Repeating the same answer changes nothing.
    pub async fn answer_offer(&self, cx: &Context, offer: &str, accept: bool) -> Result<()> {
        let what = format!("{} {offer}", if accept { "accept" } else { "reject" });
        let sharer = self.sharer_of_offer(offer, &what)?;
        let given = if accept { self.offered(cx, offer).await } else { None };
        let entry = self.journal.entry(if accept { "accept" } else { "reject" }, offer);
        self.journal.recorded(entry, cx.run(&what, sharer.answer(cx, offer, accept))).await?;
        if let Some(pinned) = given {
            self.uses.remember(UseKind::Given, &pinned.reference, &pinned.digest, "").await;
        }
        Ok(())
    }
}

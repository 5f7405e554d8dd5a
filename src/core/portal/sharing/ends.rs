//! The ends of shares: noted when something is shared, and looked at when it is taken back.

use super::{Sharing, shared::ShareResult};
use crate::{
    audit,
    base::{
        blocking::blocking,
        context::Context,
        error::{During, Kind, Result},
    },
    image::reference::ImageRef,
    ports::transfer_record::KeptShare,
    sharing::{
        ending::{Ending, Endings, Takeable},
        given::{Way, given},
        naming::CopyName,
        receiver::Receiver,
    },
};

impl Sharing {
    /// The shares whose end has passed, the earliest first. Contacts nobody.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn ended(&self, now: i64) -> Result<Vec<Ending>> {
        Ok(self.endings().await?.due(now))
    }

    /// Forgets when something that was taken back was to end.
    ///
    /// # Errors
    /// Where that cannot be written down: it is taken back once more then.
    pub async fn forget_end(&self, given: Takeable) -> Result<()> {
        self.change_endings(move |all| all.forget(&given)).await
    }

    pub(super) async fn endings(&self) -> Result<Endings> {
        let kept = self.endings.clone();
        blocking(move || kept.all()).await.during("read which shares are to end")?
    }

    async fn change_endings(&self, change: impl Fn(&mut Endings) + Send + 'static) -> Result<()> {
        let kept = self.endings.clone();
        blocking(move || kept.change(&change)).await.during("note when a share ends")?
    }

    /// What the receiver has already, before a share that is to end: that is not this person's to take back then, unless
    /// they have shared the same with them before.
    ///
    /// # Errors
    /// Where it cannot be told.
    pub(super) async fn had_before(
        &self,
        cx: &Context,
        share: &KeptShare,
        (to, named): (&Receiver, Option<&CopyName>),
    ) -> Result<Vec<Takeable>> {
        if share.until.is_none() || self.was_shared(share).await? {
            return Ok(Vec::new());
        }
        let reference = &share.reference;
        if let Some(at) = self.copy_place(cx, reference, to, named).await {
            let place = self.sources.place(&at)?;
            return match cx.run("look what is there", place.content.digest(cx, &at)).await {
                Ok(digest) => Ok(vec![Takeable::Copy { at, digest }]),
                Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error),
            };
        }
        // An image for a volume is made for its receiver; what is in another cloud is a copy of this person's own.
        let is_here = matches!(reference, ImageRef::Glance { .. })
            && !matches!(to, Receiver::Project(project) if self.is_elsewhere(reference, project));
        if !is_here {
            return Ok(Vec::new());
        }
        Ok(self.shares(cx, reference).await?.into_iter().map(|share| Takeable::Grant(share.id)).collect())
    }

    /// Whether this person has shared the same with the same receiver before.
    async fn was_shared(&self, share: &KeptShare) -> Result<bool> {
        let (what, to) = (share.reference.to_string(), share.receiver_in_words());
        let known = given(&audit::read(&self.journal.written().await?));
        Ok(known.iter().any(|one| one.way == Way::Share && one.what == what && one.to == to))
    }

    /// Notes when a share is to end, or that it has no end any more.
    pub(super) async fn note_end(&self, share: &KeptShare, shared: &ShareResult, before: &[Takeable]) {
        let Some(given) = shared.takeable() else { return };
        let noted = async {
            let is_known = self.endings().await?.end_of(&given).is_some();
            let was_there = before.iter().any(|one| match (one, &given) {
                (Takeable::Copy { digest: before, .. }, Takeable::Copy { digest, .. }) => before == digest,
                (one, given) => one.is_same(given),
            });
            match share.until {
                Some(_) if was_there && !is_known => {
                    let words = format!("{} has had {} before: no end is noted", share.to, share.reference);
                    self.journal.trouble(format!("{words}, and it stays until somebody takes it back"));
                    Ok(())
                }
                Some(until) => {
                    let (what, to) = (share.reference.to_string(), share.to.clone());
                    let ending = Ending { what, to, until, given };
                    self.change_endings(move |all| all.note(ending.clone())).await
                }
                None if is_known => self.forget_end(given).await,
                None => Ok(()),
            }
        };
        if let Err(error) = noted.await {
            self.journal.trouble(format!("when the share of {} ends was not noted: {error}", share.reference));
        }
    }
}

//! The ends of shares: noted when something is shared, and looked at when it is taken back.

use super::{Sharing, shared::ShareResult};
use crate::{
    base::{
        blocking::blocking,
        context::Context,
        digest::Digest,
        error::{During, Result},
    },
    image::reference::ImageRef,
    ports::transfer_record::KeptShare,
    sharing::ending::{Ending, Endings, Takeable},
};

impl Sharing {
    /// The shares whose end has passed, the earliest first. Contacts nobody.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn ended(&self, now: i64) -> Result<Vec<Ending>> {
        Ok(self.endings().await?.due(now))
    }

    /// Forgets the end of a share that was taken back.
    ///
    /// # Errors
    /// Where that cannot be written down: it is taken back once more then.
    pub async fn forget_end(&self, ending: &Ending) -> Result<()> {
        let given = ending.given.clone();
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

    /// Notes when a share is to end, or that it has no end any more. A copy that was there before is not this person's to
    /// take back.
    pub(super) async fn note_end(&self, share: &KeptShare, shared: &ShareResult, before: Option<&Digest>) {
        let Some(given) = shared.takeable() else { return };
        let noted = async {
            let is_known = self.endings().await?.end_of(&given).is_some();
            let was_there = matches!(&given, Takeable::Copy { digest, .. } if before == Some(digest));
            match share.until.filter(|_| is_known || !was_there) {
                Some(until) => {
                    let (what, to) = (share.reference.to_string(), share.to.clone());
                    let ending = Ending { what, to, until, given };
                    self.change_endings(move |all| all.note(ending.clone())).await
                }
                None if is_known => self.change_endings(move |all| all.forget(&given)).await,
                None => Ok(()),
            }
        };
        if let Err(error) = noted.await {
            self.journal.trouble(format!("when the share of {} ends was not noted: {error}", share.reference));
        }
    }

    /// The digest that a copy's name means before the copy is made, if it means one.
    pub(super) async fn there_before(&self, cx: &Context, copy: &ImageRef) -> Option<Digest> {
        let place = self.sources.place(copy).ok()?;
        cx.run("look what is there", place.content.digest(cx, copy)).await.ok()
    }
}

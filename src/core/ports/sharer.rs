//! Who may use an image.

use async_trait::async_trait;

use crate::{
    base::{context::Context, error::Result, secret::Secret},
    image::reference::ImageRef,
    sharing::{
        offer::{Given, Offer, Project, Share, SharePlan},
        receiver::Receiver,
    },
};

/// A place whose images are shared by granting them to projects, which accept or reject.
#[async_trait]
pub trait Sharer: Send + Sync {
    /// Projects that this person may see, their own among them. Changes nothing. Errors: `Unavailable` where nothing
    /// answers.
    async fn projects(&self, cx: &Context) -> Result<Vec<Project>>;

    /// The project that this person works in. Changes nothing. Errors: `NotAllowed` where they are signed in to none.
    async fn own(&self, cx: &Context) -> Result<Project>;

    /// How a share would be made. Sends nothing that changes anything. Errors: those that making it would meet and that
    /// can be known before: `NotFound` for the image or the receiver, `NotAllowed` where it is not theirs to share.
    async fn plan(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<SharePlan>;

    /// Grants an image; of something else than an image, it grants an image made of it. After: the receiver can use it,
    /// or has an offer to answer. Repeated, it is the same grant. Errors: `NotAllowed` where it is not theirs to share,
    /// `NotFound` for the image or the receiver.
    async fn share(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<Share>;

    /// The image itself, or one that is made of a volume, which takes its time. Repeated, one that was made already is
    /// given back. Errors: `NotFound` for what is gone, `NotAllowed` where the quota is used up.
    async fn image_of(&self, cx: &Context, reference: &ImageRef) -> Result<ImageRef>;

    /// Who may use an image, and who has not answered yet. Changes nothing. Errors: `NotAllowed` where only its owner
    /// may know.
    async fn shares(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<Share>>;

    /// Takes a grant back, by the id that [`shares`](Self::shares) tells. Repeated, one that is gone is taken back
    /// already. Errors: `NotAllowed` where it is not theirs, `Usage` for what is no such id.
    async fn revoke(&self, cx: &Context, share: &str) -> Result<()>;

    /// What waits for an answer of this person's project. Changes nothing. Errors: `Unavailable` where nothing answers.
    async fn offers(&self, cx: &Context) -> Result<Vec<Offer>>;

    /// Offers something that moves to whoever gets its key. After: it waits, and can be taken back. Repeated while it
    /// waits, it is refused with `Usage`: its key was told once. Errors: `NotAllowed` where it is not theirs, `Usage`
    /// for what does not move.
    async fn give(&self, cx: &Context, reference: &ImageRef) -> Result<Given>;

    /// Takes what was given, with its key. After: it is this project's. Repeated, what was taken already is `NotFound`.
    /// Errors: `NotAllowed` for a wrong key, and where the quota is used up.
    async fn take(&self, cx: &Context, offer: &str, key: &Secret) -> Result<ImageRef>;

    /// Answers an offer; rejecting one of one's own takes it back. Repeated with the same answer, it changes nothing.
    /// Errors: `NotFound` for an offer that is gone.
    async fn answer(&self, cx: &Context, offer: &str, accept: bool) -> Result<()>;
}

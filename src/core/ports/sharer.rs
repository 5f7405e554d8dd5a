//! The port for letting others use images.

use async_trait::async_trait;

use crate::{
    base::{context::Context, error::Result, secret::Secret},
    image::reference::ImageRef,
    sharing::{
        offer::{Offer, Project, Share, SharePlan, VolumeTransfer},
        receiver::Receiver,
    },
};

/// A place that shares images by granting them to projects, which accept or reject.
#[async_trait]
pub trait Sharer: Send + Sync {
    /// Projects that this person may see, including their own. Changes nothing. Errors: `Unavailable` where nothing
    /// answers.
    async fn projects(&self, cx: &Context) -> Result<Vec<Project>>;

    /// The project that this person works in. Changes nothing. Errors: `NotAllowed` where they are signed in to none.
    async fn own(&self, cx: &Context) -> Result<Project>;

    /// How a share would be made. Changes nothing. Errors: those of making it that can be known before: `NotFound` for
    /// the image or the receiver, `NotAllowed` where it is not theirs to share.
    async fn plan(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<SharePlan>;

    /// Grants an image; of a volume, grants an image made of it. After: the receiver can use it, or has an offer to
    /// answer. Repeated, it is the same grant. Errors: `NotAllowed` where it is not theirs to share, `NotFound` for the
    /// image or the receiver.
    async fn share(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<Share>;

    /// The image itself, or an image made of a volume, which takes time. Repeated, an image that was made already is
    /// given. Errors: `NotFound` for what is gone, `NotAllowed` where the quota is used up.
    async fn image_to_share(&self, cx: &Context, reference: &ImageRef) -> Result<ImageRef>;

    /// Who may use an image, and who has not answered yet. Changes nothing. Errors: `NotAllowed` where only its owner
    /// may see that.
    async fn shares(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<Share>>;

    /// Revokes a share by its id, as [`shares`](Self::shares) gives it. Repeated, a share that is gone counts as
    /// revoked. Errors: `NotAllowed` where it is not theirs, `Usage` for what is no such id.
    async fn revoke(&self, cx: &Context, share: &str) -> Result<()>;

    /// Offers that wait for an answer of this person's project. Changes nothing. Errors: `Unavailable` where nothing
    /// answers.
    async fn offers(&self, cx: &Context) -> Result<Vec<Offer>>;

    /// Offers a volume to the project that gets the key. After: the offer waits, and can be taken back. Repeated while
    /// it waits, it is refused with `Usage`: the key is told only once. Errors: `NotAllowed` where it is not theirs,
    /// `Usage` for what cannot be given away.
    async fn create_transfer(&self, cx: &Context, reference: &ImageRef) -> Result<VolumeTransfer>;

    /// Takes an offered volume with its key. After: it belongs to this project. Repeated, it is `NotFound`. Errors:
    /// `NotAllowed` for a wrong key, and where the quota is used up.
    async fn accept_transfer(&self, cx: &Context, offer: &str, key: &Secret) -> Result<ImageRef>;

    /// Accepts or rejects an offer; rejecting an offer of the person's own takes it back. Repeated with the same
    /// answer, it changes nothing. Errors: `NotFound` for an offer that is gone.
    async fn answer(&self, cx: &Context, offer: &str, accept: bool) -> Result<()>;
}

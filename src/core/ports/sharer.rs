//! Who may use an image.

use async_trait::async_trait;

use crate::core::{
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
    /// Projects that this person may see.
    async fn projects(&self, cx: &Context) -> Result<Vec<Project>>;

    /// The project that this person works in.
    async fn own(&self, cx: &Context) -> Result<Project>;

    /// How a share would be made. Sends nothing.
    async fn plan(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<SharePlan>;

    /// Grants an image; granted already is fine. Of something else than an image, it grants an image made of it.
    async fn share(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<Share>;

    /// The image itself, or one that is made of a volume; made already is fine.
    async fn image_of(&self, cx: &Context, reference: &ImageRef) -> Result<ImageRef>;

    /// Who may use an image.
    async fn shares(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<Share>>;

    /// Takes a grant back; taken back already is fine.
    async fn revoke(&self, cx: &Context, share: &str) -> Result<()>;

    /// What waits for an answer of this person's project.
    async fn offers(&self, cx: &Context) -> Result<Vec<Offer>>;

    /// Offers something that moves to whoever gets its key.
    async fn give(&self, cx: &Context, reference: &ImageRef) -> Result<Given>;

    /// Takes what was given, with its key.
    async fn take(&self, cx: &Context, offer: &str, key: &Secret) -> Result<ImageRef>;

    /// Answers an offer; rejecting one of one's own takes it back.
    async fn answer(&self, cx: &Context, offer: &str, accept: bool) -> Result<()>;
}

//! Keeping images in order: removal and tags.

use async_trait::async_trait;

use crate::core::{
    base::{context::Context, digest::Digest, error::Result},
    image::reference::ImageRef,
    portal::upkeep::Removal,
};

/// A place whose images can be given more tags, and removed, by whoever they belong to.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// The digest that a reference with a tag or a digest means now; not found if it means nothing.
    async fn digest(&self, cx: &Context, reference: &ImageRef) -> Result<Digest>;

    /// What removing these would do, one after the other. Changes nothing. It is an error where one may not be removed:
    /// it is protected, in use or somebody else's.
    async fn removals(&self, cx: &Context, references: &[ImageRef]) -> Vec<Result<Removal>>;

    /// Removes one thing that a [`Removal`] names: a tag alone, or what a digest or an id names; gone already is fine.
    async fn remove(&self, cx: &Context, reference: &ImageRef) -> Result<()>;

    /// Lets a tag of the same place mean this image; whatever it meant before.
    async fn tag(&self, cx: &Context, image: &ImageRef, tag: &ImageRef) -> Result<()>;
}

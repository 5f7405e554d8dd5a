//! Details of an image, and which of its tags have moved.

use super::Catalog;
use crate::{
    base::{context::Context, error::Result},
    catalog::tags::{self, TagMove},
    image::{
        model::{Image, Platform},
        reference::ImageRef,
    },
};

impl Catalog {
    /// The image behind a reference; what its tag means now is written down.
    pub async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        let image = self.sources.image(cx, reference, platform).await?;
        self.seen.remember(reference, image.pinned.as_ref().map(|pinned| &pinned.digest)).await;
        Ok(image)
    }

    /// The tags of a row that were seen to mean another image than before, the newest move first. Contacts nobody.
    pub async fn tag_moves(&self, source: &str, name: &str) -> Result<Vec<TagMove>> {
        self.tag_moves_of(&self.sources.row(source, name, None)?).await
    }

    /// The same for the image that a reference names.
    pub async fn tag_moves_of(&self, reference: &ImageRef) -> Result<Vec<TagMove>> {
        Ok(tags::moves(&self.seen.of_image(reference).await?))
    }
}

//! The images of a name: an index lists one for each platform, and its signature covers them all.

use std::sync::Arc;

use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    image::model::Image,
    portal::{Sources, stewardship::Stewardship},
    transfer::fetch,
};

/// The most platforms of an admitted image: if one were not judged, it would be admitted with the others.
const PLATFORMS: usize = 24;

/// Reads the images of every platform.
pub(super) struct Platforms {
    sources: Arc<Sources>,
}

impl Platforms {
    /// Images at the steward's sources.
    pub(super) fn new(parts: &Stewardship) -> Self {
        Self { sources: parts.sources.clone() }
    }

    /// Every image in an index that something could run; without an index, the image itself.
    ///
    /// The signature covers all of them, and an engine decides which of two for the same platform it runs.
    pub(super) async fn each(&self, cx: &Context, image: Image) -> Result<Vec<Image>> {
        let what = format!("judge {}", image.reference);
        let source = self.sources.source(&image.reference)?;
        let (Some(pinned), Some(content)) = (&image.pinned, &source.content) else { return Ok(vec![image]) };
        let listed = Box::pin(fetch::runnable(cx, &**content, &pinned.reference));
        let listed = cx.run(&what, listed).await?;
        if listed.len() > PLATFORMS {
            let why = format!("it lists {} images, too many to judge", listed.len());
            return Err(Error::new(Kind::Denied, what, why)
                .hint("ask for those that you need, one by one: by the digest of their own manifest"));
        }
        let mut images = Vec::new();
        for entry in listed.into_iter().filter(|entry| entry.digest != pinned.manifest) {
            images.push(self.listed(cx, &image, &entry.digest).await?);
        }
        images.insert(0, image);
        Ok(images)
    }

    /// The image of one entry in an index.
    pub(super) async fn listed(&self, cx: &Context, image: &Image, manifest: &Digest) -> Result<Image> {
        let source = self.sources.source(&image.reference)?;
        let (Some(pinned), Some(content)) = (&image.pinned, &source.content) else { return Ok(image.clone()) };
        let what = format!("show {} of {}", manifest.short(), image.reference);
        let entry = Box::pin(fetch::entry(cx, &**content, &pinned.reference, manifest));
        let entry = cx.run(&what, entry).await?;
        Ok(Image { reference: image.reference.clone(), publisher: image.publisher, ..entry })
    }
}

//! What tags were seen to mean: written down whenever a look sees one, so that their moves can be told.

use std::sync::Arc;

use crate::{
    base::{digest::Digest, error::Result, text},
    catalog::tags::SeenTag,
    image::reference::ImageRef,
    portal::sources::Sources,
    ports::Cache,
};

/// Writes down what tags mean, and reads it.
pub(super) struct Seen {
    sources: Arc<Sources>,
    cache: Arc<dyn Cache>,
}

impl Seen {
    /// What was seen at these sources, in this cache.
    pub(super) fn new(sources: Arc<Sources>, cache: Arc<dyn Cache>) -> Self {
        Self { sources, cache }
    }

    /// Writes down that the tag of `asked` meant this digest just now. A reference with a digest says nothing about its
    /// tag, so it is left out. If it cannot be written, no error is given.
    pub(super) async fn remember(&self, asked: &ImageRef, digest: Option<&Digest>) {
        let (Some(tag), None, Some(digest)) = (asked.tag(), asked.digest(), digest) else { return };
        let Ok(source) = self.sources.source(asked) else { return };
        let seen = SeenTag { tag: tag.to_owned(), digest: digest.clone(), since: text::now() };
        if let Err(error) = self.cache.see_tag(&source.name, &asked.without_version().to_string(), &seen).await {
            tracing::warn!(%error, "what a tag means was not kept");
        }
    }

    /// What was seen of the tags of an image, the oldest first. Contacts nobody.
    pub(super) async fn of_image(&self, image: &ImageRef) -> Result<Vec<SeenTag>> {
        let source = self.sources.source(image)?;
        self.cache.tags_seen(&source.name, &image.without_version().to_string()).await
    }
}

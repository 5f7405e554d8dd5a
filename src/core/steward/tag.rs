//! The tag of an admitted image: it follows the source's tag, and never moves back to an older image.
//!
//! A request may be decided on late. By then its tag may mean another image at the source, and a later request may have
//! been admitted under it. Only a person with the right to write there may replace a newer image with an older one.

use std::sync::Arc;

use super::{decision::PATIENCE, reach::ReachableSources};
use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Kind, Result},
    },
    image::reference::ImageRef,
    portal::{Sources, stewardship::Stewardship},
    ports::store::Store,
    request::Request,
    transfer::copy::CopyEnd,
};

/// The reference of an admitted image, and why it was not tagged, in words; empty if it was, or if it has no tag.
pub(super) struct TagOutcome {
    pub reference: ImageRef,
    pub untagged: String,
}

/// Sets the tags of admitted images.
pub(super) struct Tags {
    sources: Arc<Sources>,
    store: Arc<dyn Store>,
    reach: Arc<ReachableSources>,
}

impl Tags {
    /// Tags at the steward's sources.
    pub(super) fn new(parts: &Stewardship, reach: Arc<ReachableSources>) -> Self {
        Self { sources: parts.sources.clone(), store: parts.store.clone(), reach }
    }

    /// Tags an admitted image, unless the tag would replace a newer image.
    pub(super) async fn tag_admitted(
        &self,
        cx: &Context,
        what: &str,
        request: &Request,
        (place, digest): (&CopyEnd, &Digest),
    ) -> Result<TagOutcome> {
        let at = &place.at;
        let Some(tag) = request.tag() else { return Ok(TagOutcome { reference: at.clone(), untagged: String::new() }) };
        let why = match self.tag_meaning_now(cx, what, request, tag, digest).await? {
            Some(why) => Some(why),
            None => self
                .newer(request, tag)
                .await?
                .map(|newer| format!("request {}, which was made later, was admitted under it before", newer.id)),
        };
        let tagged = at.with_tag(tag);
        if let Some(why) = why {
            let untagged = format!(
                "the tag {tag} was not moved to it: {why}; a person who may write there can move it: wharf copy {at} {tagged}"
            );
            return Ok(TagOutcome { reference: at.clone(), untagged });
        }
        self.put(cx, what, place, tag).await?;
        Ok(TagOutcome { reference: tagged.with_digest(digest), untagged: String::new() })
    }

    /// After two admissions at the same moment, moves the tag to the newer image if it points to the older one.
    pub(super) async fn settle_tag(&self, cx: &Context, request: &Request) -> Result<()> {
        let what = format!("look at the tag of {}", request.called());
        let Some(tag) = request.tag().filter(|_| request.destination.starts_with("oci:")) else { return Ok(()) };
        let Some(newer) = self.newer(request, tag).await? else { return Ok(()) };
        let at: ImageRef = request.destination.parse()?;
        let at = at.with_digest(&newer.asked.digest.parse()?);
        self.put(cx, &what, &self.sources.place(&at)?, tag).await
    }

    async fn put(&self, cx: &Context, what: &str, place: &CopyEnd, tag: &str) -> Result<()> {
        let manifest = cx.run(what, place.content.manifest(cx, &place.at)).await?;
        cx.run(what, place.content.put_manifest(cx, &place.at, Some(tag), &manifest)).await
    }

    /// A later request that is admitted there under the same tag, if there is one.
    async fn newer(&self, request: &Request, tag: &str) -> Result<Option<Request>> {
        let newest = self.store.newest_admitted(&request.destination, tag).await?;
        Ok(newest.filter(|newest| newest.id > request.id))
    }

    /// What the tag means at its source now, in words; `None` if it still means this image.
    async fn tag_meaning_now(
        &self,
        cx: &Context,
        what: &str,
        request: &Request,
        tag: &str,
        digest: &Digest,
    ) -> Result<Option<String>> {
        let at = self.reach.resolve(what, &request.asked.from)?.get().without_version().with_tag(tag);
        let source = self.sources.source(&at)?;
        match cx.run(what, source.catalog.version(cx, &at)).await {
            Ok(version) if version.digest.as_ref() == Some(digest) => Ok(None),
            Ok(version) => {
                let now =
                    version.digest.map_or_else(|| "something else".to_owned(), |digest| digest.short().to_owned());
                Ok(Some(format!("at its source it means {now} now")))
            }
            Err(error) if error.kind == Kind::NotFound => Ok(Some("at its source it is gone".to_owned())),
            Err(error) if request.tries < PATIENCE => Err(error),
            Err(error) => Ok(Some(format!("what it means at its source could not be asked ({})", error.why))),
        }
    }
}

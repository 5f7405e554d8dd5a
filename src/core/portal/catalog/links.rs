//! Links to images: made, opened, and held to what they are pinned to.

use super::Catalog;
use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    image::{
        link::Link,
        model::{Image, Platform},
        reference::ImageRef,
    },
    ports::store::How,
};

/// What a link points to now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Opened {
    /// The image it is pinned to.
    pub image: Image,
    /// Whether the tag it was made from points elsewhere now; `None` if there is no tag or it is gone.
    pub moved: Option<bool>,
    /// Where the tag points now, if it moved.
    pub now_at: Option<Digest>,
    /// Whether the link is past its date.
    pub expired: bool,
    /// Who sent it, as they call themselves.
    pub from: Option<String>,
    /// When it should no longer be used (RFC 3339).
    pub until: Option<String>,
}

impl Catalog {
    /// A link to what `reference` means now.
    pub async fn link(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
        until: Option<i64>,
    ) -> Result<Link> {
        let image = self.sources.image(cx, reference, platform).await?;
        let pinned = image.pinned.ok_or_else(|| {
            Error::unsupported(format!("link to {reference}"), "its digest is unknown, so it cannot be pinned")
        })?;
        let sender = (!self.config.person.is_empty()).then(|| self.config.person.clone());
        let cloud = self.sources.of(reference)?.catalog.cloud_place();
        let mut link = Link::to(&pinned, cloud, sender, until);
        if platform.is_none() {
            // The receiver may sit at another kind of machine: leave the choice open unless it was made.
            link.platform = None;
        }
        Ok(link)
    }

    /// What a link points to, and whether its tag has moved since.
    pub async fn open_link(&self, cx: &Context, link: &Link) -> Result<Opened> {
        let image = self.linked(cx, link).await?;
        if let Some(pinned) = &image.pinned {
            self.uses.remember(How::Given, &pinned.reference, &pinned.digest, "").await;
        }
        let mut moved = None;
        let mut now_at = None;
        if let (Some(tag), Some(digest)) = (&link.tag, link.digest()) {
            let source = self.sources.of(&image.reference)?;
            let at = image.reference.with_tag(tag);
            if let Ok(version) = cx.run("look up the tag", source.catalog.version(cx, &at)).await {
                moved = version.digest.as_ref().map(|now| now != digest);
                now_at = version.digest.filter(|now| now != digest);
            }
        }
        Ok(Opened {
            image,
            moved,
            now_at,
            expired: link.is_expired(text::now()),
            from: link.sender.clone(),
            until: link.until.map(text::timestamp),
        })
    }

    /// The image that a link is pinned to, with exactly that digest.
    pub async fn linked(&self, cx: &Context, link: &Link) -> Result<Image> {
        let what = format!("open a link to {}", link.reference);
        let mut image = self.linked_anywhere(cx, link, &what).await?;
        if image.pinned.is_none() {
            // A file: all of it is read.
            let source = self.sources.of(&image.reference)?;
            image = cx.unless_cancelled(&what, source.catalog.pin(cx, &image)).await?;
        }
        let found = image.pinned.as_ref().map(|pinned| &pinned.digest);
        if found.is_some() && found == link.digest() {
            return Ok(image);
        }
        let now = found.map_or_else(|| "no digest".to_owned(), ToString::to_string);
        Err(Error::new(Kind::Integrity, what, format!("it is not what the link is pinned to: it has {now} now"))
            .hint("ask the sender for a new link"))
    }

    async fn linked_anywhere(&self, cx: &Context, link: &Link, what: &str) -> Result<Image> {
        let Some(wanted) = &link.cloud else {
            return self.sources.image(cx, &link.reference, link.platform.as_ref()).await;
        };
        let mut last = None;
        for source in self.sources.all() {
            let Some(place) = source.catalog.cloud_place().filter(|place| place.is_same_as(wanted)) else { continue };
            tracing::debug!(source = source.name, address = place.address, "the link's cloud");
            // One cloud may be there several times, as several projects: one of them sees it.
            match self.sources.image(cx, &link.reference_in(&source.name), None).await {
                Ok(image) => return Ok(image),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            let region = wanted.region.as_ref().map_or_else(String::new, |region| format!(" (region {region})"));
            Error::not_found(what, format!("none of your clouds is the one at {}{region}", wanted.address))
                .hint("add it to clouds.yaml, with that auth_url")
        }))
    }
}

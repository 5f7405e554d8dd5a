//! Links to images: making them, opening them, and checking the digest that they pin.

use super::{Catalog, opened::OpenedLink};
use crate::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    image::{
        link::Link,
        model::{Image, Platform},
        reference::ImageRef,
    },
    launch::lock::LockedHere,
    ports::store::UseKind,
};

impl Catalog {
    /// Makes a link to an image, for `platform` only if the sender chose one, signed with this person's portal key; `until` is
    /// its end, in seconds since 1970. Where no key can be had it is not signed, which becomes a trouble.
    ///
    /// # Errors
    /// `Unsupported` where the image has no digest.
    pub async fn link(
        &self,
        cx: &Context,
        image: &Image,
        platform: Option<&Platform>,
        until: Option<i64>,
    ) -> Result<Link> {
        self.senders.link(cx, self.sources.link_to(image)?, platform, until).await
    }

    /// The image that a link names, who sent it, and whether its tag means another image by now.
    ///
    /// # Errors
    /// `Integrity` for a link that was changed, or leads to other bytes; `Denied` for one in the name of a contact that is
    /// not signed with their key; those of the source.
    pub async fn open_link(&self, cx: &Context, link: &Link) -> Result<OpenedLink> {
        // Whoever tries to deceive has nobody asked at the place that they name.
        let proof = self.senders.proof(link).await?;
        proof.usable("open the link", link.sender.as_deref())?;
        let image = self.linked(cx, link).await?;
        if let Some(pinned) = &image.pinned {
            self.uses.remember(UseKind::Given, &pinned.reference, &pinned.digest, "").await;
        }
        let mut moved = None;
        let mut now_at = None;
        if let (Some(tag), Some(digest)) = (&link.tag, link.digest()) {
            let source = self.sources.source(&image.reference)?;
            let at = image.reference.with_tag(tag);
            if let Ok(version) = cx.run("look up the tag", source.catalog.version(cx, &at)).await {
                moved = version.digest.as_ref().map(|now| now != digest);
                now_at = version.digest.filter(|now| now != digest);
            }
        }
        Ok(OpenedLink {
            image,
            moved,
            now_at,
            expired: link.is_expired(text::now()),
            from: link.sender.clone(),
            proof,
            until: link.until.map(text::timestamp),
        })
    }

    /// The image that the lock file of this folder names for `reference`, for `platform` if the person chose one, else for
    /// that of the file. `None` where the file does not name it, and for a reference with a digest: that says which bytes are
    /// meant.
    ///
    /// # Errors
    /// `Integrity` where its place has other bytes; those of reading the file.
    pub async fn locked_here(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
    ) -> Result<Option<LockedHere>> {
        if reference.digest().is_some() {
            return Ok(None);
        }
        let Some((path, locked)) = self.locks.find(reference).await? else { return Ok(None) };
        let mut link = locked.link(&format!("read {}", path.display()))?;
        link.platform = platform.cloned().or(link.platform);
        let image = self.linked(cx, &link).await?;
        Ok(Some(LockedHere { path, locked, image }))
    }

    /// The image that a link is pinned to; fails unless it has exactly that digest.
    pub async fn linked(&self, cx: &Context, link: &Link) -> Result<Image> {
        let what = format!("open a link to {}", link.reference);
        let mut image = self.linked_anywhere(cx, link, &what).await?;
        if image.pinned.is_none() {
            // A file has no recorded digest: all its bytes are read.
            let source = self.sources.source(&image.reference)?;
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
            // The same cloud may be configured several times, for several projects: use one that can see the image.
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

//! Carrying out effects about images.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    Jobs,
    effects::{options_for, resolve},
    post::Post,
};
use crate::msg::{ImageEffect, ImageNews, ImageTarget, Slot};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    catalog::rows::favourite,
    image::{
        link::Link,
        model::{Image, Platform},
        reference::ImageRef,
    },
    portal::{
        Portal,
        evidence::mending::AllowedVersions,
        upkeep::tag::{Move, new_reference},
    },
};

impl Jobs {
    /// Reads details of an image's tags; each is shown as soon as it is there.
    fn versions(&mut self, reference: ImageRef, tags: Vec<String>) {
        let portal = self.portal.clone();
        self.read(Slot::Versions, move |post| async move {
            let (sender, mut versions) = mpsc::channel(16);
            let cx = Context::default();
            let of = reference.clone();
            let work = portal.catalog.versions(&cx, &reference, tags, sender);
            let forward = async {
                while let Some(version) = versions.recv().await {
                    let known = match &version.digest {
                        Some(digest) => portal.evidence.known_of(&of, digest).await.ok().flatten(),
                        None => None,
                    };
                    let marks = known.map(|verified| verified.marks(text::now()));
                    post.send(ImageNews::Version(version, marks)).await;
                }
            };
            let _ = tokio::join!(work, forward);
        });
    }

    /// Starts an effect about images.
    pub(super) fn start_images(&mut self, effect: ImageEffect) {
        let portal = self.portal.clone();
        match effect {
            ImageEffect::Image { target, platform } => self.read(Slot::Image, move |post| async move {
                let image = async {
                    let platform = platform.map(|platform| platform.parse()).transpose()?;
                    image_of(&portal, &target, platform.as_ref(), &post).await
                };
                post.send(ImageNews::Image(Box::new(image.await))).await;
            }),
            ImageEffect::OpenLink(link) => self.read(Slot::Image, move |post| async move {
                // What is known here is shown while the place is asked.
                tokio::join!(remember(&portal, &link, &post), async {
                    let opened = portal.catalog.open_link(&Context::default(), &link).await;
                    post.send(ImageNews::Opened(Box::new(opened))).await;
                });
            }),
            ImageEffect::Tags(reference) => self.read(Slot::Tags, move |post| async move {
                post.send(ImageNews::Tags(portal.sources.tags(&Context::default(), &reference).await)).await;
            }),
            ImageEffect::Versions(reference, tags) => self.versions(reference, tags),
            ImageEffect::Removals(targets) => self.read(Slot::Removals, move |post| async move {
                let cx = Context::default();
                let resolved: Vec<Result<ImageRef>> = targets.iter().map(|target| resolve(&portal, target)).collect();
                let known: Vec<ImageRef> = resolved.iter().filter_map(|one| one.as_ref().ok().cloned()).collect();
                let mut answers = portal.upkeep.removals(&cx, &known).await.into_iter();
                let one = |resolved: Result<ImageRef>| match resolved {
                    Ok(at) => answers.next().unwrap_or_else(|| Err(Error::cancelled(format!("remove {at}")))),
                    Err(error) => Err(error),
                };
                let told = resolved.into_iter().map(one).collect();
                post.send(ImageNews::Removals(targets, told)).await;
            }),
            ImageEffect::Verify { image, anew } => {
                self.read(Slot::Verify, move |post| async move { verify(&portal, &image, anew, &post).await });
            }
            ImageEffect::AboutFindings(verified) => self.read(Slot::AboutFindings, move |post| async move {
                let about = portal.evidence.about_findings(&verified).await;
                post.send(ImageNews::AboutFindings(verified.subject.manifest.clone(), about)).await;
            }),
            ImageEffect::Explain(target) => self.read(Slot::Verify, move |post| async move {
                let explained = async {
                    let image = image_of(&portal, &target, None, &post).await?;
                    portal.evidence.evidence_for_screen(&Context::default(), &image, false).await
                };
                post.send(ImageNews::Explained(Box::new(explained.await))).await;
            }),
            ImageEffect::Compare { before, after, platform } => self.read(Slot::Verify, move |post| async move {
                let compared = async {
                    let platform = platform.map(|platform| platform.parse()).transpose()?;
                    portal.evidence.diff(&Context::default(), &before, &after, platform.as_ref(), true).await
                };
                post.send(ImageNews::Compared(Box::new(compared.await))).await;
            }),
            ImageEffect::Import { job, url, destination } => self.write(job, move |cx| async move {
                let to = portal.sources.destination(&destination)?;
                let outcome = portal.transfers.import(&cx, &url, &to).await?;
                Ok((format!("{to} is there: {}", outcome.digest.short()), None))
            }),
            ImageEffect::Link(wish) => self.read(Slot::Link, move |post| async move {
                let link = async {
                    let platform = wish.platform.as_ref().map(|platform| platform.parse()).transpose()?;
                    let at = resolve(&portal, &wish.target)?;
                    let cx = Context::default();
                    let image = portal.sources.image(&cx, &at, platform.as_ref()).await?;
                    let link = portal.catalog.link(&cx, &image, platform.as_ref(), wish.until).await?;
                    let code = link.code(false).unwrap_or_default();
                    Ok((link, code))
                };
                let link = link.await;
                post.send(ImageNews::Link(wish, link)).await;
            }),
            ImageEffect::RemoveImages { job, removals } => self.write(job, move |cx| async move {
                let done = portal.upkeep.remove_images(&cx, &removals).await;
                let (gone, failed): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
                match (failed.into_iter().find_map(Result::err), removals.as_slice()) {
                    (Some(error), [_]) => Err(error),
                    (Some(error), _) => Err(error.during(format!("{} removed", gone.len()))),
                    (None, [one]) => Ok((format!("removed {}", one.reference.short_text()), None)),
                    (None, many) => {
                        Ok((format!("removed {}", text::plural(many.len() as u64, "image", "images")), None))
                    }
                }
            }),
            ImageEffect::Tag { job, target, new } => {
                let asker = self.asker();
                self.write(job, move |cx| async move {
                    let at = resolve(&portal, &target)?;
                    let new = new_reference(&at, &new)?;
                    Ok((portal.upkeep.tag(&cx, &at, &new, Move::Ask(Arc::new(asker))).await?.describe(), None))
                });
            }
            ImageEffect::CopyTo { job, target, platform, destination } => self.write(job, move |cx| async move {
                let to = portal.sources.destination(&destination)?;
                let outcome =
                    portal.transfers.copy(&cx, &resolve(&portal, &target)?, &to, &options_for(platform)?).await?;
                Ok((format!("{}: {}", to.short_text(), outcome.describe()), None))
            }),
        }
    }
}

/// Tells what this machine knows of the sender of a link and of its digest: no place is asked.
async fn remember(portal: &Portal, link: &Link, post: &Post) {
    let proof = portal.senders.proof(link).await.ok();
    let known = match link.digest() {
        Some(digest) => portal.evidence.known_of(&link.reference, digest).await.ok().flatten(),
        None => None,
    };
    post.send(ImageNews::Remembered(Box::new(link.clone()), proof, known.map(Box::new))).await;
}

/// Gathers the evidence of an image, then what its other versions would be like.
async fn verify(portal: &Portal, image: &Image, anew: bool, post: &Post) {
    let verified = portal.evidence.evidence_for_screen(&Context::default(), image, anew).await;
    post.send(ImageNews::Verified(Box::new(verified))).await;
    let Some(pinned) = &image.pinned else { return };
    match portal.evidence.allowed_versions(&image.reference, &pinned.digest).await {
        Ok(AllowedVersions { mends, nearest }) => {
            let digest = pinned.digest.clone();
            post.send(ImageNews::Mends { digest, mends, allowed: nearest.map(Box::new) }).await;
        }
        Err(error) => tracing::info!(%error, "what would mend an image was not read"),
    }
}

/// The image of a target. A row whose tags its source does not list is opened as the registry has it: with `latest`, or
/// where there is none, with the last of its tags, which the person is told.
async fn image_of(portal: &Portal, target: &ImageTarget, platform: Option<&Platform>, post: &Post) -> Result<Image> {
    let (cx, at) = (Context::default(), resolve(portal, target)?);
    let found = portal.catalog.image(&cx, &at, platform).await;
    let (Err(error), ImageTarget::Row { name, tag: None, .. }) = (&found, target) else { return found };
    if error.kind != Kind::NotFound {
        return found;
    }
    let Ok(tags) = portal.sources.tags(&cx, &at).await else { return found };
    let Some(tag) = favourite(tags.iter().map(String::as_str)) else {
        let why = "there is no tag in its repository, so no image can be named";
        return Err(Error::not_found(format!("show {name}"), why).hint("name one by its digest: NAME@sha256:…"));
    };
    let image = portal.catalog.image(&cx, &at.with_tag(tag), platform).await?;
    let all = text::plural(tags.len() as u64, "tag", "tags");
    post.send(ImageNews::Instead(format!("{name} has no latest: this is {tag}, the last of {all}"))).await;
    Ok(image)
}

//! Copying images between any two sources: judged first, recorded in the audit, and reported to the site's store.

use std::{path::Path, sync::Arc};

use super::{disks::DiskImages, evidence::Evidence, journal::Journal, sources::Sources, uses::Uses};
use crate::{
    base::{
        clean,
        context::Context,
        digest::Digest,
        error::{Error, Result},
    },
    image::{
        model::{Image, ImageKind},
        names,
        reference::ImageRef,
    },
    ports::{KnownAttachments, Launcher, Supply, content::Outcome, disks::Import, store::UseKind},
    transfer::copy::{self, Options},
};

/// Copies images from one source to another.
pub struct Transfers {
    sources: Arc<Sources>,
    evidence: Arc<Evidence>,
    disks: Arc<DiskImages>,
    /// What makes SIF files of container images, if something here does.
    sif_maker: Option<Arc<dyn Launcher>>,
    uses: Arc<Uses>,
    journal: Arc<Journal>,
}

/// Where a SIF file shall be written, if this is the destination.
fn sif_file(to: &ImageRef) -> Option<&Path> {
    let ImageRef::File { path, .. } = to else { return None };
    Some(Path::new(path)).filter(|path| path.extension().is_some_and(|ending| ending == "sif"))
}

/// Whether the disk in an image shall be written as a file of its own.
fn is_disk_file(to: &ImageRef) -> bool {
    matches!(to, ImageRef::File { path, .. } if names::is_disk_file(Path::new(path)))
}

impl Transfers {
    /// Copies between these sources, gated by the policy.
    pub(super) fn new(
        sources: Arc<Sources>,
        (evidence, disks, sif_maker): (Arc<Evidence>, Arc<DiskImages>, Option<Arc<dyn Launcher>>),
        uses: Arc<Uses>,
        journal: Arc<Journal>,
    ) -> Self {
        Self { sources, evidence, disks, sif_maker, uses, journal }
    }

    /// Whether a copy between these references is one of a disk image.
    pub fn moves_disk(from: &ImageRef, to: &ImageRef) -> bool {
        DiskImages::are_meant(from, to)
    }

    /// Copies an image between any two sources. A container image becomes a SIF file where the destination is one.
    ///
    /// # Errors
    /// Those of reading and writing, and of the gate if the policy holds the image back.
    pub async fn copy(&self, cx: &Context, from: &ImageRef, to: &ImageRef, options: &Options) -> Result<Outcome> {
        // Places that cannot do this are told before the policy is asked.
        if !Self::moves_disk(from, to) {
            self.sources.place(from)?;
            self.sources.place(to)?;
        }
        let entry = self.journal.open_entry("copy", format!("{from} to {to}"));
        let copying = async {
            // A place that is not known here is refused before anything is judged.
            self.sources.source(to)?;
            cx.progress.phase("asking the policy");
            let pinned = self.evidence.admit_copy(cx, &entry, (from, to), options).await?;
            if Self::moves_disk(from, to) {
                return self.disks.copy(cx, &pinned, to).await.map(|(_, outcome)| (outcome, None));
            }
            if let Some(file) = sif_file(to) {
                let platform = options.platforms.as_ref().and_then(|platforms| platforms.first());
                let image = self.sources.image(cx, &pinned, platform).await?;
                if image.kind == ImageKind::Container {
                    return self.make_sif(cx, &image, file).await;
                }
            }
            if is_disk_file(to) && matches!(pinned, ImageRef::Oci(_)) {
                let platform = options.platforms.as_ref().and_then(|platforms| platforms.first());
                return self.disks.write_file(cx, &pinned, to, platform).await.map(|outcome| (outcome, None));
            }
            let copied = copy::copy(cx, &self.sources.place(&pinned)?, &self.sources.place(to)?, options).await;
            copied.map(|outcome| (outcome, None))
        };
        let (outcome, made_from) = self.journal.recorded_as(&entry, copying).await?;
        // A copy into a registry or a cloud supplies it to others; any other copy is a download.
        let (how, named) = match to {
            ImageRef::Oci(_) | ImageRef::Glance { .. } => (UseKind::Supplied, to),
            _ => (UseKind::Downloaded, from),
        };
        let used = made_from.as_ref().unwrap_or(&outcome.digest);
        self.uses.remember(how, &named.with_digest(used), used, &to.to_string()).await;
        Ok(outcome)
    }

    /// Makes a SIF file of a container image; gives the digest of that image too.
    async fn make_sif(&self, cx: &Context, image: &Image, to: &Path) -> Result<(Outcome, Option<Digest>)> {
        let what = format!("make a SIF of {}", image.reference);
        let Some(maker) = &self.sif_maker else {
            return Err(Error::unsupported(what, "apptainer, which makes SIF files, is not here")
                .hint("install it, or name a folder or a .tar file"));
        };
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(&what, "the image has no digest"))?;
        let (content, from) = (self.sources.source(&pinned.reference)?.content.clone(), pinned.digest.clone());
        let supply =
            Supply { image: pinned, content, disks: None, credentials: None, known: KnownAttachments::default() };
        let digest = cx.unless_cancelled(&what, maker.make_sif(cx, &supply, to)).await?;
        let left = vec!["signatures and attachments: they are of the container image, not of the new file".to_owned()];
        Ok((Outcome { digest, moved: image.size, spared: 0, attachments: 0, left }, Some(from)))
    }

    /// Makes a cloud fetch a disk image from the web: the bytes do not pass through this machine.
    pub async fn import(&self, cx: &Context, url: &str, to: &ImageRef) -> Result<Outcome> {
        let subject = format!("{} into {to}", clean::short(url, 200));
        let what = format!("import {subject}");
        let ImageRef::Glance { image: name, .. } = to else {
            return Err(Error::unsupported(what, "only clouds fetch from the web by themselves")
                .hint("download it, then push the file"));
        };
        let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("");
        if authority.is_empty() || authority.contains('@') {
            return Err(Error::usage(what, "a URL with a host, and without an account or password, is needed")
                .hint("what needs a password is downloaded first, then pushed as a file"));
        }
        let disks = self.sources.disks(to, "import into")?;
        let import = Import { name: name.clone(), url: url.to_owned() };
        let importing = disks.import(cx, &import);
        let (_, outcome) = self.journal.recorded(self.journal.entry("import", subject), importing).await?;
        Ok(outcome)
    }
}

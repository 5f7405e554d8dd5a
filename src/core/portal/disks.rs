//! Copying disk images between files and clouds: inspected before, hashed on the way, compared afterwards.

use std::{path::Path, sync::Arc};

use super::{evidence::Evidence, sources::Sources};
use crate::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
    },
    config::Config,
    image::{model::ImageKind, reference::ImageRef},
    ports::{content::Outcome as Copied, disks::Upload},
};

/// Refuses a disk image whose header names other files: a server that opened it would read files of its own host.
pub fn refuse_references(what: &str, refers: bool, warnings: &[String]) -> Result<()> {
    if !refers {
        return Ok(());
    }
    Err(Error::new(Kind::Denied, what, warnings.join("; "))
        .hint("make a whole image of it: qemu-img convert -O qcow2 FILE NEW"))
}

/// Copying disk images. The caller writes the audit's entry.
pub(super) struct DiskImages {
    config: Arc<Config>,
    sources: Arc<Sources>,
    evidence: Arc<Evidence>,
}

impl DiskImages {
    /// Disk images of these sources; signatures over their data are checked by `evidence`.
    pub(super) fn new(config: Arc<Config>, sources: Arc<Sources>, evidence: Arc<Evidence>) -> Self {
        Self { config, sources, evidence }
    }

    /// Whether a copy between these references is one of a disk image.
    pub(super) fn are_meant(from: &ImageRef, to: &ImageRef) -> bool {
        matches!(from, ImageRef::Glance { .. }) || matches!(to, ImageRef::Glance { .. })
    }

    /// Copies a disk image: a file into a cloud, a cloud's image into a file, or between clouds. Gives the image's new
    /// reference, by its id if it is in a cloud now.
    pub(super) async fn copy(&self, cx: &Context, from: &ImageRef, to: &ImageRef) -> Result<(ImageRef, Copied)> {
        let what = format!("copy {from} to {to}");
        match (from, to) {
            (ImageRef::File { path, .. }, ImageRef::Glance { image: name, .. }) => {
                let source = self.sources.source(from)?;
                let image = cx.run(&what, source.catalog.image(cx, from, None)).await?;
                let Some(disk) = image.disk.filter(|_| image.kind == ImageKind::Vm) else {
                    return Err(Error::unsupported(what, "it is not a disk image")
                        .hint("clouds boot qcow2, raw and vmdk disks"));
                };
                refuse_references(&what, disk.refers, &disk.warnings)?;
                let upload = Upload { name: name.clone(), file: path.into(), format: disk.format, size: image.size };
                let disks = self.sources.disks(to, "upload to")?;
                disks.upload(cx, &upload).await
            }
            (ImageRef::Glance { .. }, ImageRef::File { path, .. }) => {
                let disks = self.sources.disks(from, "download from")?;
                let file = Path::new(path);
                let outcome = disks.download(cx, from, file).await?;
                if let Err(error) = self.evidence.data_fits(cx, from, file).await {
                    let _ = tokio::fs::remove_file(file).await;
                    return Err(error);
                }
                Ok((to.clone(), outcome))
            }
            (ImageRef::Glance { .. }, ImageRef::Glance { .. }) => self.between_clouds(cx, from, to).await,
            _ => Err(Error::unsupported(what, "disk images move between files and clouds only")
                .hint("wharf pull it into a file, then wharf push that file")),
        }
    }

    /// Copies an image from one cloud into another through a file on this machine. The file is kept until the copy is
    /// done, so that a broken copy can be resumed.
    pub(super) async fn between_clouds(
        &self,
        cx: &Context,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<(ImageRef, Copied)> {
        let what = format!("copy {from} to {to}");
        let pinned = self.sources.image(cx, from, None).await?.pinned;
        let pinned = pinned.ok_or_else(|| Error::unsupported(&what, "the cloud keeps no hash of it"))?;
        let folder = self.config.cache_dir.join("moving");
        let path = folder.join(format!("{}.disk", pinned.digest.hex()));
        let file = ImageRef::File { path: path.display().to_string(), tag: None, digest: None };
        if !path.exists() {
            cx.unless_cancelled(&what, Box::pin(self.copy(cx, &pinned.reference, &file))).await?;
        }
        let (there, outcome) = Box::pin(self.copy(cx, &file, to)).await?;
        let _ = tokio::fs::remove_file(&path).await;
        if outcome.digest.algorithm() == pinned.digest.algorithm() {
            pinned.digest.matches(&outcome.digest, &what)?;
        }
        Ok((there, outcome))
    }
}

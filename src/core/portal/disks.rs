//! Copying disk images between files and clouds: inspected before, hashed on the way, compared afterwards.

use std::{path::Path, sync::Arc};

use super::{evidence::Evidence, kept_transfers::BETWEEN, sources::Sources};
use crate::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
    },
    config::Config,
    image::{
        model::{DiskFacts, ImageKind, Platform},
        reference::ImageRef,
    },
    ports::{content::Outcome as Copied, disks::Upload},
    transfer::copy::{self, Options},
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
                let format = DiskFacts::format_in_cloud(&disk.format).to_owned();
                let upload = Upload { name: name.clone(), file: path.into(), format, size: image.size };
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
            (ImageRef::Glance { .. } | ImageRef::Oci(_), ImageRef::Glance { .. } | ImageRef::Oci(_)) => {
                self.through_a_file(cx, from, to).await
            }
            (ImageRef::Oci(_), ImageRef::File { .. }) => Ok((to.clone(), self.write_file(cx, from, to, None).await?)),
            (ImageRef::File { .. }, ImageRef::Oci(_)) => Ok((to.clone(), self.bytes(cx, from, to).await?)),
            _ => Err(Error::unsupported(what, "disk images move between files, registries and clouds only")
                .hint("wharf pull it into a file, then wharf push that file")),
        }
    }

    /// Writes the disk in an image of a registry as a file.
    pub(super) async fn write_file(
        &self,
        cx: &Context,
        from: &ImageRef,
        to: &ImageRef,
        platform: Option<&Platform>,
    ) -> Result<Copied> {
        let what = format!("copy {from} to {to}");
        let image = self.sources.image(cx, from, platform).await?;
        let pinned = image.pinned.filter(|_| image.kind == ImageKind::Vm);
        let pinned = pinned.ok_or_else(|| {
            Error::unsupported(&what, "it is no disk of a machine").hint("name a folder or a .tar file")
        })?;
        let at = pinned.reference.with_digest(&pinned.manifest);
        let mut copied = self.bytes(cx, &at, to).await?;
        copied.left.push("signatures and attachments: they are of the image, not of the file in it".to_owned());
        Ok(copied)
    }

    /// Copies an image between a file and a registry, without what is attached to it.
    async fn bytes(&self, cx: &Context, from: &ImageRef, to: &ImageRef) -> Result<Copied> {
        let options = Options { attachments: false, ..Options::default() };
        copy::copy(cx, &self.sources.place(from)?, &self.sources.place(to)?, &options).await
    }

    /// Copies an image between clouds and registries through a file on this machine. The file is kept until the copy is
    /// done, so that a broken copy can be resumed.
    pub(super) async fn through_a_file(
        &self,
        cx: &Context,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<(ImageRef, Copied)> {
        let what = format!("copy {from} to {to}");
        let pinned = self.sources.image(cx, from, None).await?.pinned;
        let pinned = pinned.ok_or_else(|| Error::unsupported(&what, "the cloud keeps no hash of it"))?;
        let folder = self.config.cache_dir.join("moving");
        let path = folder.join(format!("{}.img", pinned.digest.hex()));
        let file = ImageRef::File { path: path.display().to_string(), tag: None, digest: None };
        cx.checkpoints.keep(BETWEEN, &path.display().to_string(), 0).await;
        if !path.exists() {
            cx.unless_cancelled(&what, Box::pin(self.copy(cx, &pinned.reference, &file))).await?;
        }
        let (there, outcome) = Box::pin(self.copy(cx, &file, to)).await?;
        let _ = tokio::fs::remove_file(&path).await;
        // Clouds keep the hash of the file; registries that of the image around it.
        let between_clouds = matches!((from, to), (ImageRef::Glance { .. }, ImageRef::Glance { .. }));
        if between_clouds && outcome.digest.algorithm() == pinned.digest.algorithm() {
            pinned.digest.matches(&outcome.digest, &what)?;
        }
        Ok((there, outcome))
    }
}

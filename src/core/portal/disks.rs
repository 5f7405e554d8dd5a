//! Moving disk images between files and clouds: inspected before, hashed on the way, compared after.

use super::Portal;
use crate::core::ports::content::Outcome as Copied;
use crate::core::ports::disks::{Import, Upload};
use crate::core::{
    base::{
        badge::Signature,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    evidence::record::{Outcome, Record, data_check},
    image::reference::ImageRef,
    ports::cannot,
};

/// Refuses a disk whose header names other files: a server that followed it would read files of its own host.
pub fn refuse_references(what: &str, refers: bool, warnings: &[String]) -> Result<()> {
    if !refers {
        return Ok(());
    }
    Err(Error::new(Kind::Denied, what, warnings.join("; "))
        .hint("make a whole image of it: qemu-img convert -O qcow2 FILE NEW"))
}

impl Portal {
    /// Lets a cloud fetch a disk image from the web by itself: its bytes do not go through this machine.
    pub async fn import(&self, cx: &Context, url: &str, to: &ImageRef) -> Result<Copied> {
        let what = format!("import {} into {to}", crate::core::base::clean::short(url, 200));
        let ImageRef::Glance { image: name, .. } = to else {
            return Err(Error::unsupported(what, "only clouds fetch from the web by themselves")
                .hint("download it, then push the file"));
        };
        let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("");
        if authority.is_empty() || authority.contains('@') {
            return Err(Error::usage(what, "a URL with a host, and without an account or password, is needed")
                .hint("what needs a password is downloaded first, then pushed as a file"));
        }
        let cloud = self.source_of(to)?;
        let disks = cloud.disks.clone().ok_or_else(|| cannot(&cloud.name, "import into"))?;
        let import = Import { name: name.clone(), url: url.to_owned() };
        let done = disks.import(cx, &import).await.map(|(_, outcome)| outcome);
        self.journal
            .note(
                self.journal.entry("import", format!("{} into {to}", crate::core::base::clean::short(url, 200))),
                &done,
            )
            .await;
        done
    }

    /// Whether a copy between these is one of a disk image.
    pub fn moves_disk(from: &ImageRef, to: &ImageRef) -> bool {
        matches!(from, ImageRef::Glance { .. }) || matches!(to, ImageRef::Glance { .. })
    }

    /// Copies a disk image: a file into a cloud, or a cloud's image into a file.
    pub async fn move_disk(&self, cx: &Context, from: &ImageRef, to: &ImageRef) -> Result<Copied> {
        self.moved_disk(cx, from, to).await.map(|(_, outcome)| outcome)
    }

    /// The same; the image's reference too, by id where it is in a cloud now.
    async fn moved_disk(&self, cx: &Context, from: &ImageRef, to: &ImageRef) -> Result<(ImageRef, Copied)> {
        let what = format!("copy {from} to {to}");
        match (from, to) {
            (ImageRef::File { path, .. }, ImageRef::Glance { image: name, .. }) => {
                let source = self.source_of(from)?;
                let image = cx.run(&what, source.catalog.image(cx, from, None)).await?;
                let Some(disk) = image.disk.filter(|_| image.kind == crate::core::image::model::ImageKind::Vm) else {
                    return Err(Error::unsupported(what, "it is not a disk image")
                        .hint("clouds boot qcow2, raw and vmdk disks"));
                };
                refuse_references(&what, disk.refers, &disk.warnings)?;
                let upload = Upload { name: name.clone(), file: path.into(), format: disk.format, size: image.size };
                let cloud = self.source_of(to)?;
                let disks = cloud.disks.clone().ok_or_else(|| cannot(&cloud.name, "upload to"))?;
                disks.upload(cx, &upload).await
            }
            (ImageRef::Glance { .. }, ImageRef::File { path, .. }) => {
                let cloud = self.source_of(from)?;
                let disks = cloud.disks.clone().ok_or_else(|| cannot(&cloud.name, "download from"))?;
                let file = std::path::Path::new(path);
                let outcome = disks.download(cx, from, file).await?;
                if let Err(error) = self.data_fits(cx, from, file).await {
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

    /// Checks what is signed over the data of a cloud's image, now that it is in a file; an error where it does not fit.
    async fn data_fits(&self, cx: &Context, from: &ImageRef, file: &std::path::Path) -> Result<()> {
        let what = format!("verify the data of {from}");
        let image = self.image(cx, from, None).await?;
        for checker in &self.checkers {
            cx.progress.phase("comparing signatures");
            let Some(record) = cx.unless_cancelled(&what, checker.check_data(cx, &image, file)).await? else {
                continue;
            };
            let record = Record { check: data_check(checker.name()), ..record };
            if let Err(error) = self.cache.keep_evidence(&record).await {
                tracing::warn!(%error, "the evidence was not kept");
            }
            if matches!(record.outcome, Outcome::Signature { state: Signature::Invalid, .. }) {
                return Err(Error::new(Kind::Integrity, what, format!("its signature FAILED: {}", record.reason))
                    .hint("do not use it; tell whoever published it"));
            }
        }
        Ok(())
    }

    /// Reads all data of a cloud's image, by way of a file that goes again, to check what is signed over it.
    pub async fn verify_data(&self, cx: &Context, reference: &ImageRef) -> Result<()> {
        let what = format!("verify the data of {reference}");
        if !matches!(reference, ImageRef::Glance { .. }) {
            return Err(Error::unsupported(what, "only images of clouds are signed over their data"));
        }
        let cloud = self.source_of(reference)?;
        let disks = cloud.disks.clone().ok_or_else(|| cannot(&cloud.name, "download from"))?;
        let file = self
            .config
            .cache_dir
            .join("moving")
            .join(format!("{}.verify", Digest::of(reference.to_string().as_bytes()).hex()));
        disks.download(cx, reference, &file).await?;
        let checked = self.data_fits(cx, reference, &file).await;
        let _ = tokio::fs::remove_file(&file).await;
        // What does not fit is in the evidence now: the verdict tells of it.
        checked.or_else(|error| if error.kind == Kind::Integrity { Ok(()) } else { Err(error) })
    }

    /// Copies an image from one cloud into another, by way of a file of this machine that stays until it is done: a
    /// copy that was broken off goes on with what had arrived.
    pub(in crate::core) async fn between_clouds(
        &self,
        cx: &Context,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<(ImageRef, Copied)> {
        let what = format!("copy {from} to {to}");
        let pinned = self.image(cx, from, None).await?.pinned;
        let pinned = pinned.ok_or_else(|| Error::unsupported(&what, "the cloud keeps no hash of it"))?;
        let folder = self.config.cache_dir.join("moving");
        let path = folder.join(format!("{}.disk", pinned.digest.hex()));
        let file = ImageRef::File { path: path.display().to_string(), tag: None, digest: None };
        if !path.exists() {
            cx.unless_cancelled(&what, Box::pin(self.move_disk(cx, &pinned.reference, &file))).await?;
        }
        let (there, outcome) = Box::pin(self.moved_disk(cx, &file, to)).await?;
        let _ = tokio::fs::remove_file(&path).await;
        if outcome.digest.algorithm() == pinned.digest.algorithm() {
            pinned.digest.matches(&outcome.digest, &what)?;
        }
        Ok((there, outcome))
    }
}

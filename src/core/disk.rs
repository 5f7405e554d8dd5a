//! Moving disk images between files and clouds: inspected before, hashed on the way, compared after.

use std::path::PathBuf;

use super::{
    copy::Outcome,
    error::{Error, Kind, Result},
    portal::Portal,
    ports::cannot,
    progress::Context,
    reference::ImageRef,
};

/// A disk image file on its way into a cloud. Its header was inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it will be called.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// `qcow2`, `raw`, `vmdk`: what its header says it is.
    pub format: String,
    /// Its bytes.
    pub size: u64,
}

impl Portal {
    /// Whether a copy between these is one of a disk image.
    pub fn moves_disk(from: &ImageRef, to: &ImageRef) -> bool {
        matches!(from, ImageRef::Glance { .. }) || matches!(to, ImageRef::Glance { .. })
    }

    /// Copies a disk image: a file into a cloud, or a cloud's image into a file.
    pub async fn move_disk(&self, cx: &Context, from: &ImageRef, to: &ImageRef) -> Result<Outcome> {
        let what = format!("copy {from} to {to}");
        match (from, to) {
            (ImageRef::File { path, .. }, ImageRef::Glance { image: name, .. }) => {
                let source = self.source_of(from)?;
                let image = cx.run(&what, source.catalog.image(cx, from, None)).await?;
                let Some(disk) = image.disk.filter(|_| image.kind == super::model::ImageKind::Vm) else {
                    return Err(Error::unsupported(what, "it is not a disk image")
                        .hint("clouds boot qcow2, raw and vmdk disks"));
                };
                if disk.refers {
                    // A server that followed such a header would read files of its own host.
                    return Err(Error::new(Kind::Denied, what, disk.warnings.join("; "))
                        .hint("make a whole image of it: qemu-img convert -O qcow2 FILE NEW"));
                }
                let upload = Upload { name: name.clone(), file: path.into(), format: disk.format, size: image.size };
                let cloud = self.source_of(to)?;
                let disks = cloud.disks.clone().ok_or_else(|| cannot(&cloud.name, "upload to"))?;
                disks.upload(cx, &upload).await
            }
            (ImageRef::Glance { .. }, ImageRef::File { path, .. }) => {
                let cloud = self.source_of(from)?;
                let disks = cloud.disks.clone().ok_or_else(|| cannot(&cloud.name, "download from"))?;
                disks.download(cx, from, std::path::Path::new(path)).await
            }
            _ => Err(Error::unsupported(what, "disk images move between files and clouds only")
                .hint("wharf pull it into a file, then wharf push that file")),
        }
    }
}

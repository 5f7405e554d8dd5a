//! A disk file in a folder, as an image in a registry: read as a containerDisk, and written from one.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::AtomicBool},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::fs;

use super::{Files, Stamp};
use crate::{
    formats::{
        archive,
        container_disk::{self, CONFIG, LAYER, Packed, tail},
        disk_header::{self, PROGRAM},
        disk_image,
    },
    shared::private,
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        digest::Digest,
        error::{During, Error, Kind, Result},
    },
    image::{
        manifest::{Descriptor, RawManifest},
        model::ImageKind,
    },
    ports::{BlobSource, ByteStream},
};

/// The endings of files that are written as disks.
const ENDINGS: [&str; 3] = ["qcow2", "img", "raw"];
/// Whether a path names a disk file to be written.
pub(super) fn is_named(path: &Path) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Whether there is a disk or a kernel at this path that can be put into an image. Any file could be a raw disk: one that
/// has a sector to boot from, or is called like one, counts.
pub(super) fn is_there(path: &Path) -> bool {
    let boots = |facts: &disk_header::Facts| facts.details.contains_key("boot sector") || is_named(path);
    path.is_file()
        && disk_header::inspect(path).is_ok_and(|facts| {
            facts.kind == ImageKind::Vm && facts.format != PROGRAM && (facts.format != "raw" || boots(&facts))
        })
}

fn is_config(blob: &Descriptor) -> bool {
    blob.media_type.contains(".config.")
        || blob.media_type.contains(".empty.")
        || blob.media_type.contains("container.image.")
}

impl Files {
    /// The disk file at this path as an image; read again only after it was changed.
    pub(super) async fn packed(&self, path: &Path, what: &str) -> Result<Arc<Packed>> {
        let stamp = Stamp::of(path);
        let lock = || self.packed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, packed)) = &*lock() {
            if Some(known) == stamp.as_ref() {
                return Ok(packed.clone());
            }
        }
        let (file, task) = (path.to_owned(), what.to_owned());
        let packed = Arc::new(blocking(move || container_disk::pack(&file, &task)).await.during(what)??);
        if let Some(stamp) = stamp {
            *lock() = Some((stamp, packed.clone()));
        }
        Ok(packed)
    }

    /// The manifest of the disk file at this path. `wanted` is the digest of the manifest or of the file, if one is pinned.
    pub(super) async fn disk_manifest(&self, path: &Path, wanted: Option<&Digest>, what: &str) -> Result<RawManifest> {
        let packed = self.packed(path, what).await?;
        match wanted.filter(|wanted| **wanted != packed.file) {
            Some(wanted) => wanted.matches(&packed.manifest.digest, what).map(|()| packed.manifest.clone()),
            None => Ok(packed.manifest.clone()),
        }
    }

    /// The layer of the disk file at this path, its configuration, or the file alone.
    pub(super) async fn disk_blob(&self, path: &Path, blob: &Descriptor, from: u64) -> Result<ByteStream> {
        let what = format!("read {}", path.display());
        // Without a look at the whole file: a launch reads it, too, and compares.
        let is_layer = blob.media_type == LAYER || blob.media_type == CONFIG;
        let packed = if is_layer { Some(self.packed(path, &what).await?) } else { None };
        let Some(packed) = packed else {
            return archive::part(path, from, blob.size.saturating_sub(from), what).await;
        };
        let rest =
            |bytes: &Bytes, from: u64| bytes.slice(usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len())..);
        if blob.digest == packed.config.0.digest {
            return Ok(stream::iter([Ok(rest(&packed.config.1, from))]).boxed());
        }
        let head = packed.head.len() as u64;
        let begun = from.saturating_sub(head).min(packed.size);
        let file = archive::part(path, begun, packed.size - begun, what).await?;
        let end = Bytes::from(vec![0; usize::try_from(tail(packed.size)).unwrap_or_default()]);
        let before = stream::iter([Ok(rest(&packed.head, from))]);
        let after = stream::iter([Ok(rest(&end, from.saturating_sub(head + packed.size)))]);
        Ok(before.chain(file).chain(after).boxed())
    }

    /// Whether the disk in this layer is there; its configuration needs no place.
    pub(super) async fn has_disk(&self, path: &Path, blob: &Descriptor) -> Result<bool> {
        if is_config(blob) {
            return Ok(true);
        }
        if !is_there(path) {
            return Ok(false);
        }
        let packed = self.packed(path, &format!("read {}", path.display())).await?;
        Ok([&packed.layer.digest, &packed.file].contains(&&blob.digest))
    }

    /// Writes the disk in a layer as a file. It gets its name when it is complete, was compared, and names no other file.
    pub(super) async fn put_disk(
        &self,
        cx: &Context,
        path: &Path,
        blob: &Descriptor,
        source: &dyn BlobSource,
    ) -> Result<()> {
        let what = format!("write {}", path.display());
        let partial = private::beside(path, "layer.partial");
        self.arrive(cx, (path, &partial), blob, source, &what).await?;
        cx.progress.phase("unpacking the disk");
        let (from, to, task) = (partial.clone(), path.to_owned(), what.clone());
        let written = blocking(move || unpack(&from, &to, &task)).await.during(&what)?;
        let _ = fs::remove_file(&partial).await;
        written
    }
}

/// Unpacks the disk in a layer, whose bytes were compared, into its place.
fn unpack(layer: &Path, to: &Path, what: &str) -> Result<()> {
    let making: PathBuf = private::beside(to, "making");
    let unpacked = (|| {
        let from = std::fs::File::open(layer).during(what)?;
        let disk = private::open(&making, |options| options.write(true).create_new(true))?;
        disk_image::unpack(&from, &disk, &AtomicBool::new(false))
            .and_then(|()| disk.sync_all())
            .map_err(|error| Error::failed(what, error).hint("only disks of machines are written as such files"))?;
        let facts = disk_header::inspect(&making)?;
        if facts.refers {
            return Err(Error::new(Kind::Denied, what, facts.warnings.join("; ")));
        }
        // A name that was taken meanwhile is not written over; some file systems know no such links.
        match std::fs::hard_link(&making, to) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists && !to.exists() => {
                std::fs::rename(&making, to).during(what)
            }
            linked => linked.during(what),
        }
    })();
    let _ = std::fs::remove_file(&making);
    unpacked
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;

    fn disk(size: usize) -> Vec<u8> {
        let mut disk = vec![7; size];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    }

    #[tokio::test]
    async fn the_layer_is_read_from_any_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.img");
        std::fs::write(&path, disk(700)).unwrap();
        let files = Files::new("files", folder.path(), true, folder.path());
        let packed = files.packed(&path, "read").await.unwrap();
        let from = async |from: u64| {
            let parts: Vec<Bytes> =
                files.disk_blob(&path, &packed.layer, from).await.unwrap().try_collect().await.unwrap();
            parts.concat()
        };
        let whole = from(0).await;
        assert_eq!((whole.len() as u64, Digest::of(&whole)), (packed.layer.size, packed.layer.digest.clone()));
        for at in [1, 512, 1024, 1100, 1724, 1725, packed.layer.size] {
            assert!(from(at).await == whole[usize::try_from(at).unwrap()..], "{at}");
        }
    }
}

//! A disk file in a folder, as an image in a registry: read as a containerDisk, and written from one.

use std::{
    fs::File,
    io::Seek,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::fs;

use super::Files;
use crate::{
    formats::{
        archive,
        container_disk::{self, CONFIG, LAYER, Packed, tail},
        disk_header, disk_image,
    },
    shared::{partial, private},
};
use wharf_core::{
    base::{
        blocking::{blocking, stoppable},
        context::Context,
        digest::Digest,
        error::{During, Error, Result},
    },
    image::{
        manifest::{Descriptor, RawManifest},
        names,
    },
    portal::disks::refuse_references,
    ports::{BlobSource, ByteStream},
};

/// Whether there is a disk or a kernel at this path that can be put into an image. Any file could be a raw disk: one that
/// has a sector to boot from, or is called like one, counts.
pub(super) fn is_there(path: &Path) -> bool {
    let counts = |facts: disk_header::Facts| facts.is_machine() || facts.format == "raw" && names::is_disk_file(path);
    path.is_file() && disk_header::inspect(path).is_ok_and(counts)
}

fn is_config(blob: &Descriptor) -> bool {
    blob.media_type.contains(".config.")
        || blob.media_type.contains(".empty.")
        || blob.media_type.contains("container.image.")
}

impl Files {
    /// The disk file at this path as an image; read again only after it was changed.
    pub(super) async fn packed(&self, path: &Path, what: &str) -> Result<Arc<Packed>> {
        let (file, task) = (path.to_owned(), what.to_owned());
        let pack = async { Ok(Arc::new(blocking(move || container_disk::pack(&file, &task)).await.during(what)??)) };
        self.known.packed.of(path, pack).await
    }

    /// The hash of a file. One that can be put into an image is described for that in the same reading.
    pub(super) async fn file_digest(&self, path: &Path, what: &str) -> Result<Digest> {
        if is_there(path)
            && let Ok(packed) = self.packed(path, what).await
        {
            return Ok(packed.file.clone());
        }
        super::hash(path, what).await
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
        if blob.media_type == container_disk::NO_CONFIG_TYPE {
            return Ok(stream::iter([Ok(Bytes::from_static(container_disk::NO_CONFIG))]).boxed());
        }
        // Without a look at the whole file: a launch reads it, too, and compares.
        if ![LAYER, CONFIG].contains(&blob.media_type.as_str()) {
            return archive::part(path, from, blob.size.saturating_sub(from), what).await;
        }
        let packed = self.packed(path, &what).await?;
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
        let partial = partial::of(path);
        let layer = self.arrive(cx, (path, &partial), blob, source, &what).await?.into_std().await;
        cx.progress.phase("unpacking the disk");
        let (to, task) = (path.to_owned(), what.clone());
        // It stays locked until its name is gone.
        let unpacking = stoppable(move |stop| (unpack(&layer, &to, stop, &task), layer));
        let (written, _locked) = unpacking.await.during(&what)?;
        let _ = fs::remove_file(&partial).await;
        written
    }
}

/// Unpacks the disk in a layer, whose bytes were compared, into its place. By its path, it might be another one by now.
fn unpack(mut layer: &File, to: &Path, stop: &AtomicBool, what: &str) -> Result<()> {
    let making: PathBuf = private::beside(to, "making");
    let unpacked = (|| {
        layer.rewind().during(what)?;
        let disk = private::open(&making, |options| options.write(true).create_new(true))?;
        disk_image::unpack(layer, &disk, stop)
            .and_then(|()| disk.sync_all())
            .map_err(|error| Error::failed(what, error).hint("only disks of machines are written as such files"))?;
        let facts = disk_header::inspect(&making)?;
        refuse_references(what, facts.refers, &facts.warnings)?;
        partial::put(&disk, &making, to, false, what)
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
        // The layer that was compared is unpacked, also where another file has its name by now.
        let (layer, to) = (folder.path().join("layer"), folder.path().join("b.img"));
        let mut arrived = File::options().create_new(true).read(true).write(true).open(&layer).unwrap();
        std::io::Write::write_all(&mut arrived, &whole).unwrap();
        std::fs::remove_file(&layer).unwrap();
        std::fs::write(&layer, "another").unwrap();
        unpack(&arrived, &to, &AtomicBool::new(false), "unpack").unwrap();
        assert!(std::fs::read(&to).unwrap() == disk(700));
    }
}

//! OCI layouts as source and destination of copies. A blob arrives in a partial file, which a later try continues.

use std::{
    io::{Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use tokio::{fs, io::AsyncWriteExt};

use super::{
    Files, disk_file,
    layout::{self, blob_path},
    sif_image,
};
use crate::{formats::archive::REF_NAME, shared::private};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        digest::Hasher,
        error::{During, Error, Kind, Result},
        small_file,
    },
    image::{
        manifest::{Descriptor, OCI_INDEX, RawManifest},
        names,
        reference::ImageRef,
    },
    ports::{BlobSource, ByteStream, Content},
};

/// How often a broken download is continued where it stopped.
const RESUMES: u32 = 5;

#[async_trait]
impl Content for Files {
    fn place(&self) -> String {
        self.name.clone()
    }

    async fn manifest(&self, _cx: &Context, at: &ImageRef) -> Result<RawManifest> {
        let what = format!("read {at}");
        let (path, tag) = self.path(at)?;
        if !layout::is_layout(path) {
            if sif_image::is_there(path) {
                return self.sif_manifest(path, at.digest(), &what).await;
            }
            if disk_file::is_there(path) {
                return self.disk_manifest(path, at.digest(), &what).await;
            }
            return Err(Error::not_found(
                what,
                "it is not an OCI layout, nor an archive of one, nor a SIF file or a disk",
            )
            .hint("use a folder with an index.json, a .tar file, a .sif file, or a disk image"));
        }
        let layout = self.layout(path).await?;
        let digest = match at.digest() {
            Some(digest) => digest.clone(),
            None => layout.resolve(tag, &what)?,
        };
        layout.manifest(&digest)
    }

    async fn blob(&self, _cx: &Context, at: &ImageRef, blob: &Descriptor, from: u64) -> Result<ByteStream> {
        let (path, _) = self.path(at)?;
        if sif_image::is_there(path) {
            return self.sif_blob(path, blob, from).await;
        }
        if !layout::is_layout(path) {
            return self.disk_blob(path, blob, from).await;
        }
        self.layout(path).await?.blob(&blob.digest, from).await
    }

    async fn has_blob(&self, _cx: &Context, at: &ImageRef, blob: &Descriptor) -> Result<bool> {
        if let Some(file) = self.sif_target(at)? {
            return self.has_sif(file, blob).await;
        }
        if let Some(file) = self.disk_target(at)? {
            return self.has_disk(file, blob).await;
        }
        let (folder, _) = self.target(at)?;
        Ok(fs::metadata(blob_path(&folder, &blob.digest)).await.is_ok_and(|meta| meta.len() == blob.size))
    }

    async fn put_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, source: &dyn BlobSource) -> Result<()> {
        let what = format!("write blob {} to {at}", blob.digest.short());
        if let Some(file) = self.sif_target(at)? {
            return self.put_sif(cx, file, blob, source).await;
        }
        if let Some(file) = self.disk_target(at)? {
            return self.put_disk(cx, file, blob, source).await;
        }
        let (folder, _) = self.target(at)?;
        let path = blob_path(&folder, &blob.digest);
        let partial = path.with_extension("partial");
        private::make_parent(&path)?;
        for attempt in 0..=RESUMES {
            let have = fs::metadata(&partial).await.map_or(0, |meta| meta.len()).min(blob.size);
            match self.fetch(cx, &partial, have, blob, source, &what).await {
                Ok(()) => return fs::rename(&partial, &path).await.during(&what),
                Err(error) if error.kind == Kind::Integrity => {
                    // The bytes so far are wrong: they must not be continued.
                    let _ = fs::remove_file(&partial).await;
                    return Err(error);
                }
                Err(error) if error.kind == Kind::Unavailable && attempt < RESUMES => {
                    tracing::warn!(%error, attempt, "a download broke; taking it up again");
                    tokio::time::sleep(std::time::Duration::from_millis(300 << attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn put_manifest(
        &self,
        _cx: &Context,
        at: &ImageRef,
        tag: Option<&str>,
        manifest: &RawManifest,
    ) -> Result<()> {
        let what = format!("write the manifest of {at}");
        if self.sif_target(at)?.is_some() || self.disk_target(at)?.is_some() {
            // The file holds all that is in it.
            return Ok(());
        }
        let (folder, archive) = self.target(at)?;
        let path = blob_path(&folder, &manifest.digest);
        let (manifest, tag) = (manifest.clone(), tag.map(str::to_owned));
        let last = archive && tag.is_none();
        blocking(move || {
            private::make_parent(&path)?;
            write_whole(&path, &manifest.bytes, &what)?;
            write_whole(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#, &what)?;
            // A manifest without a tag is a platform or an attachment and not listed, unless it is the only one.
            if tag.is_some() || last { add_to_index(&folder, tag.as_deref(), &manifest, &what) } else { Ok(()) }
        })
        .await
        .during("write a manifest")?
    }

    /// Packs the folder if the destination is an archive, and checks that the image can be found in it.
    async fn finish(&self, _cx: &Context, at: &ImageRef) -> Result<()> {
        let what = format!("write {at}");
        if self.sif_target(at)?.is_some() || self.disk_target(at)?.is_some() {
            return Ok(());
        }
        let (folder, archive) = self.target(at)?;
        let (path, _) = self.path(at)?;
        let path = path.to_owned();
        blocking(move || if archive { pack(&folder, &path, &what) } else { Ok(()) }).await.during("write an archive")?
    }
}

impl Files {
    /// The file that is written, if it is a SIF file.
    fn sif_target<'a>(&self, at: &'a ImageRef) -> Result<Option<&'a Path>> {
        let (path, _) = self.path(at)?;
        Ok(Some(path).filter(|path| sif_image::is_named(path)))
    }

    /// The file that is written, if it is a disk.
    fn disk_target<'a>(&self, at: &'a ImageRef) -> Result<Option<&'a Path>> {
        let (path, _) = self.path(at)?;
        Ok(Some(path).filter(|path| names::is_disk_file(path)))
    }

    /// The folder that is written to, and whether it is packed into an archive at the end.
    fn target(&self, at: &ImageRef) -> Result<(PathBuf, bool)> {
        let (path, _) = self.path(at)?;
        let archive = path.extension().is_some_and(|ending| ending == "tar" || ending == "oci");
        if path.is_file() && !archive {
            return Err(Error::usage(format!("write {at}"), "there is a file of that name")
                .hint("name a folder, or a file that ends in .tar"));
        }
        Ok((if archive { path.with_extension("tar.partial") } else { path.to_owned() }, archive))
    }

    /// Has the only blob of a file arrive whole in `partial`, where an earlier try is taken up. Nothing is at `path` yet.
    pub(super) async fn arrive(
        &self,
        cx: &Context,
        (path, partial): (&Path, &Path),
        blob: &Descriptor,
        source: &dyn BlobSource,
        what: &str,
    ) -> Result<()> {
        if path.exists() {
            return Err(
                Error::usage(what, "there is another file of that name").hint("choose another name, or move it away")
            );
        }
        private::make_parent(path)?;
        let have = fs::metadata(partial).await.map_or(0, |meta| meta.len()).min(blob.size);
        let fetched = self.fetch(cx, partial, have, blob, source, what).await;
        if fetched.as_ref().is_err_and(|error| error.kind == Kind::Integrity) {
            // The bytes so far are wrong: they must not be continued.
            let _ = fs::remove_file(partial).await;
        }
        fetched
    }

    pub(super) async fn fetch(
        &self,
        cx: &Context,
        partial: &Path,
        have: u64,
        blob: &Descriptor,
        source: &dyn BlobSource,
        what: &str,
    ) -> Result<()> {
        // The source hashes the bytes of this run only; those of an earlier run are hashed here.
        let (path, hasher, task) = (partial.to_owned(), blob.digest.hasher(), what.to_owned());
        let begun = blocking(move || continued(&path, have, hasher, &task));
        let (file, mut hasher, have) = begun.await.during(what)??;
        let mut file = fs::File::from_std(file);
        file.set_len(have).await.during(what)?;
        tokio::io::AsyncSeekExt::seek(&mut file, std::io::SeekFrom::Start(have)).await.during(what)?;
        if have < blob.size || blob.size == 0 {
            let mut stream = source.open(have).await?;
            while let Some(chunk) = stream.try_next().await? {
                hasher.update(&chunk);
                file.write_all(&chunk)
                    .await
                    .map_err(|error| Error::failed(what, error).hint("check the space left on that file system"))?;
            }
        } else {
            cx.progress.add_saved_bytes(blob.size);
        }
        file.flush().await.during(what)?;
        file.sync_data().await.during(what)?;
        blob.digest.matches(&hasher.finish(), what)
    }
}

/// The file that an earlier run has begun, with the hash of its first `have` bytes, or fewer if it is shorter; a new one
/// where there is none. Its name is known, and others may write into its folder: what is a link, has another name besides,
/// or belongs to somebody else is not continued but replaced.
fn continued(path: &Path, have: u64, mut hasher: Hasher, what: &str) -> Result<(std::fs::File, Hasher, u64)> {
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).mode(private::file_mode(path));
    let there = options.clone().custom_flags(nofollow).open(path).and_then(|file| Ok((file.metadata()?, file)));
    let me = rustix::process::geteuid().as_raw();
    let (mut file, have) = match there {
        Ok((meta, file)) if meta.is_file() && meta.uid() == me && meta.nlink() == 1 => (file, have.min(meta.len())),
        _ => {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).during(what),
                _ => {}
            }
            (options.create_new(true).open(path).during(what)?, 0)
        }
    };
    hasher.update_from((&mut file).take(have)).during(what)?;
    Ok((file, hasher, have))
}

fn write_whole(path: &Path, bytes: &[u8], what: &str) -> Result<()> {
    let partial = private::beside(path, "partial");
    new_file(&partial, what)?.write_all(bytes).during(what)?;
    std::fs::rename(&partial, path).during(what)
}

fn new_file(path: &Path, what: &str) -> Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(private::file_mode(path)).open(path).during(what)
}

fn add_to_index(folder: &Path, tag: Option<&str>, manifest: &RawManifest, what: &str) -> Result<()> {
    let path = folder.join("index.json");
    let mut index: serde_json::Value = match small_file::bytes(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).during(what)?,
        // An index that is there but cannot be read must not be replaced by one without its images.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).during(what),
        Err(_) => serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
    };
    let mut entry =
        serde_json::json!({"mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len()});
    if let (Some(tag), Some(entry)) = (tag, entry.as_object_mut()) {
        entry.insert("annotations".into(), serde_json::json!({REF_NAME: tag}));
    }
    let entries = index
        .get_mut("manifests")
        .and_then(serde_json::Value::as_array_mut)
        .ok_or_else(|| Error::failed(what, "its index.json is not an index"))?;
    let name = |entry: &serde_json::Value| {
        entry
            .get("annotations")
            .and_then(|all| all.get(REF_NAME))
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    };
    entries
        .retain(|known| name(known).as_deref() != tag || (tag.is_none() && known.get("digest") != entry.get("digest")));
    entries.push(entry);
    write_whole(&path, &serde_json::to_vec(&index).during(what)?, what)
}

fn pack(folder: &Path, target: &Path, what: &str) -> Result<()> {
    let partial = private::beside(target, "packing");
    let mut builder = tar::Builder::new(std::io::BufWriter::new(new_file(&partial, what)?));
    builder.append_dir_all(".", folder).during(what)?;
    builder.into_inner().during(what)?.into_inner().map_err(|error| Error::failed(what, error.error()))?;
    std::fs::rename(&partial, target).during(what)?;
    std::fs::remove_dir_all(folder).during(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::base::digest::Digest;

    #[test]
    fn a_begun_file_is_continued_only_if_nobody_else_had_a_hand_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let (begun, own) = (folder.path().join("x.partial"), folder.path().join("own"));
        let take = |have: u64| continued(&begun, have, Digest::of(b"").hasher(), "write").map(|(_, _, have)| have);
        std::fs::write(&begun, b"half").unwrap();
        assert_eq!((take(2).unwrap(), take(9).unwrap()), (2, 4));
        // A link in its place, or another name of the same file, leads to what is not ours to write.
        std::fs::write(&own, b"precious").unwrap();
        std::fs::remove_file(&begun).unwrap();
        std::os::unix::fs::symlink(&own, &begun).unwrap();
        assert_eq!(take(8).unwrap(), 0);
        std::fs::remove_file(&begun).unwrap();
        std::fs::hard_link(&own, &begun).unwrap();
        assert_eq!(take(8).unwrap(), 0);
        assert_eq!(std::fs::read(&own).unwrap(), b"precious");
    }
}

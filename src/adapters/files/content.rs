//! OCI layouts as source and destination of copies. A blob arrives in a partial file, which a later try continues.

use std::{
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use tokio::{fs, io::AsyncWriteExt};

use super::{
    Files, disk_file, gathering,
    layout::{self, blob_path},
    sif_image,
};
use crate::{
    formats::{archive::REF_NAME, disk_header},
    shared::{exec, origin, partial, private},
};
use wharf_core::{
    base::{
        blocking::{blocking, stoppable},
        checkpoint::Checkpoint,
        context::Context,
        digest::Digest,
        error::{During, Error, Kind, Result},
        small_file,
    },
    image::{
        lineage::DiskNeeds,
        manifest::{Descriptor, Manifest, OCI_INDEX, RawManifest},
        names,
        reference::ImageRef,
    },
    ports::{BlobSource, ByteStream, Content},
};

/// How long to wait until a file that another transfer writes is looked at again.
const AGAIN: Duration = Duration::from_millis(300);
/// How many bytes are copied for each write.
const WRITTEN_AT_ONCE: usize = 128 << 10;
/// How many bytes of a blob are read at a time.
const READ_AT_ONCE: usize = 1 << 20;

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

    async fn manifest_as_file(&self, _cx: &Context, at: &ImageRef) -> Result<RawManifest> {
        let what = format!("read {at}");
        let (path, _) = self.path(at)?;
        if !disk_file::is_there(path) {
            return Err(Error::unsupported(what, "it is no disk file").hint("only disks are written with --as file"));
        }
        let packed = self.packed(path, &what).await?;
        match at.digest().filter(|wanted| **wanted != packed.file) {
            Some(wanted) => wanted.matches(&packed.artifact.digest, &what).map(|()| packed.artifact.clone()),
            None => Ok(packed.artifact.clone()),
        }
    }

    async fn note_origin(&self, _cx: &Context, at: &ImageRef, needs: &DiskNeeds) {
        if let Ok((path, _)) = self.path(at) {
            let (path, needs) = (path.to_owned(), needs.clone());
            let _ = blocking(move || origin::note(&path, &needs)).await;
        }
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
        is_whole(&blob_path(&folder, &blob.digest), blob).await
    }

    async fn put_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, source: &dyn BlobSource) -> Result<()> {
        let what = format!("write blob {} to {at}", blob.digest.short());
        if let Some(file) = self.sif_target(at)? {
            return self.put_sif(cx, file, blob, source).await;
        }
        if let Some(file) = self.disk_target(at)? {
            return self.put_disk(cx, file, blob, source).await;
        }
        let (folder, _) = self.made_target(at)?;
        let path = blob_path(&folder, &blob.digest);
        let partial = path.with_extension("partial");
        private::make_parent(&path)?;
        cx.checkpoints.keep(blob.digest.as_str(), &partial.display().to_string(), 0).await;
        let fetched = self.fetch(cx, (&partial, Some(&path)), blob, source, &what).await?;
        let Some(locked) = fetched else { return Ok(()) };
        // It gets its name while it is still locked.
        let locked = locked.into_std().await;
        blocking(move || partial::put(&locked, &partial, &path, true, &what)).await.during("put a layer")?
    }

    /// Removes what a transfer that was given up has left: the file of a part that is not whole, and where no image was
    /// written yet, whole parts and the folders that were made for them.
    async fn give_up(&self, _cx: &Context, at: &ImageRef, reached: &Checkpoint) -> Result<()> {
        let what = format!("remove what is left of {at}");
        let (file, _) = self.path(at)?;
        let (Ok(digest), None) = (reached.part.parse::<Digest>(), self.sif_target(at)?.or(self.disk_target(at)?))
        else {
            let begun = partial::of(file);
            return blocking(move || partial::remove(&begun)).await.during(what);
        };
        let (folder, archive) = match self.target(at) {
            // What lies there is somebody else's.
            Err(error) if error.kind == Kind::NotAllowed => return Ok(()),
            target => target?,
        };
        blocking(move || give_up(&folder, &digest, archive)).await.during(what)
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
        let (folder, archive) = self.made_target(at)?;
        // Another transfer into the same folder may have been cancelled, and its layers with it.
        if let Manifest::Image { config, layers, .. } = manifest.parsed() {
            for blob in layers.iter().filter(|layer| !layer.is_foreign()).chain([config]) {
                let there = fs::metadata(blob_path(&folder, &blob.digest)).await;
                if !there.is_ok_and(|meta| meta.len() == blob.size) {
                    return Err(Error::failed(what, format!("its layer {} is not there", blob.digest.short()))
                        .hint("another transfer into this folder was cancelled: copy it again"));
                }
            }
        }
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

    /// A folder lists what has a tag; an archive and a single file appear at the end.
    fn puts_by_digest(&self, at: &ImageRef) -> bool {
        let none = |found: Result<Option<&Path>>| found.is_ok_and(|file| file.is_none());
        none(self.sif_target(at)) && none(self.disk_target(at)) && self.target(at).is_ok_and(|(_, archive)| !archive)
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
        blocking(move || if archive { gathering::pack(&folder, &path, &what) } else { Ok(()) })
            .await
            .during("write an archive")?
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

    /// The folder that is written to, and whether it is packed into an archive at the end. One that is packed is this
    /// user's alone, or is not there yet.
    fn target(&self, at: &ImageRef) -> Result<(PathBuf, bool)> {
        let (path, _) = self.path(at)?;
        let archive = path.extension().is_some_and(|ending| ending == "tar" || ending == "oci");
        if path.is_file() && !archive {
            return Err(Error::usage(format!("write {at}"), "there is a file of that name")
                .hint("name a folder, or a file that ends in .tar"));
        }
        if !archive {
            return Ok((path.to_owned(), false));
        }
        let folder = partial::of(path);
        private::own_folder(&folder)?;
        Ok((folder, true))
    }

    /// The same folder; one that is packed is made where it is missing.
    fn made_target(&self, at: &ImageRef) -> Result<(PathBuf, bool)> {
        let (folder, archive) = self.target(at)?;
        if archive {
            private::make_parent(&folder)?;
            private::working_folder(&folder)?;
        }
        Ok((folder, archive))
    }

    /// Has the only blob of a file arrive whole in `partial`, where an earlier try is taken up. Nothing is at `path` yet.
    pub(super) async fn arrive(
        &self,
        cx: &Context,
        (path, partial): (&Path, &Path),
        blob: &Descriptor,
        source: &dyn BlobSource,
        what: &str,
    ) -> Result<fs::File> {
        if path.exists() {
            return Err(
                Error::usage(what, "there is another file of that name").hint("choose another name, or move it away")
            );
        }
        private::make_parent(path)?;
        cx.checkpoints.keep(blob.digest.as_str(), &partial.display().to_string(), 0).await;
        let fetched = self.fetch(cx, (partial, None), blob, source, what).await?;
        fetched.ok_or_else(|| Error::failed(what, "another transfer has written it").hint("look at what is there"))
    }

    /// Has a blob arrive in `partial`, which stays locked as long as the file is held, and goes if its bytes are wrong.
    /// `None` where another transfer has put the same blob in its place, `whole`, in the meantime.
    async fn fetch(
        &self,
        cx: &Context,
        places: (&Path, Option<&Path>),
        blob: &Descriptor,
        source: &dyn BlobSource,
        what: &str,
    ) -> Result<Option<fs::File>> {
        let fetched = self.received(cx, places, blob, source, what).await;
        if fetched.as_ref().is_err_and(|error| error.kind == Kind::Integrity) {
            // The bytes so far are wrong: they must not be continued.
            let _ = fs::remove_file(places.0).await;
        }
        fetched
    }

    async fn received(
        &self,
        cx: &Context,
        (partial, whole): (&Path, Option<&Path>),
        blob: &Descriptor,
        source: &dyn BlobSource,
        what: &str,
    ) -> Result<Option<fs::File>> {
        // The source hashes the bytes of this run only; those of an earlier run are hashed here.
        let mut looked_at = None;
        let (file, mut hasher, have) = loop {
            let (path, hasher, size, task) = (partial.to_owned(), blob.digest.hasher(), blob.size, what.to_owned());
            if let Some(begun) =
                blocking(move || partial::continued(&path, size, hasher, &task)).await.during(what)??
            {
                break begun;
            }
            cx.progress.phase("waiting for another transfer of the same layer");
            cx.pause(what, AGAIN).await?;
            let Some(whole) = whole else { continue };
            let there = fs::metadata(whole).await.ok().map(|meta| meta.ino());
            // One file is hashed once only.
            if there != std::mem::replace(&mut looked_at, there) && is_whole(whole, blob).await? {
                cx.progress.add_saved_bytes(blob.size);
                return Ok(None);
            }
        };
        let mut file = fs::File::from_std(file);
        // Many blobs arrive at once: each holds little.
        file.set_max_buf_size(WRITTEN_AT_ONCE);
        let mut have = have;
        loop {
            file.set_len(have).await.during(what)?;
            tokio::io::AsyncSeekExt::seek(&mut file, std::io::SeekFrom::Start(have)).await.during(what)?;
            cx.progress.add_saved_bytes(have);
            if have < blob.size || blob.size == 0 {
                let mut stream = source.open(have).await?;
                while let Some(chunk) = stream.try_next().await? {
                    if cx.shall_stop() {
                        file.flush().await.during(what)?;
                        return Err(Error::cancelled(what));
                    }
                    hasher.update(&chunk);
                    file.write_all(&chunk)
                        .await
                        .map_err(|error| Error::failed(what, error).hint("check the space left on that file system"))?;
                }
            }
            file.flush().await.during(what)?;
            file.sync_data().await.during(what)?;
            let found = std::mem::replace(&mut hasher, blob.digest.hasher()).finish();
            match blob.digest.matches(&found, what) {
                // What an earlier run has left may be of another image, or torn: all of it is fetched once more.
                Err(_) if have > 0 => {
                    cx.progress.take_back(have);
                    have = 0;
                }
                compared => return compared.map(|()| Some(file)),
            }
        }
    }
}

/// Whether a file has exactly the bytes of a blob: somebody else may have put it there.
async fn is_whole(path: &Path, blob: &Descriptor) -> Result<bool> {
    let what = format!("read {}", path.display());
    let (path, blob, task) = (path.to_owned(), blob.clone(), what.clone());
    let looking = stoppable(move |stop| {
        if !std::fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() == blob.size) {
            return Ok(false);
        }
        // It was compared when it was written. What others could have put there is compared again.
        if exec::changed_by_others(&path).is_none() {
            return Ok(true);
        }
        let Ok(mut file) = disk_header::open(&path) else { return Ok(false) };
        let mut hasher = blob.digest.hasher();
        let mut piece = vec![0; READ_AT_ONCE];
        loop {
            match file.read(&mut piece).during(&task)? {
                _ if stop.load(Ordering::Relaxed) => return Err(Error::cancelled(&task)),
                0 => return Ok(hasher.finish() == blob.digest),
                count => hasher.update(&piece[..count]),
            }
        }
    });
    looking.await.during(what)?
}

/// Removes the begun part. In a folder without an image the whole one goes, too, with folders that are empty then; the
/// folder in which an archive is gathered is ours alone.
fn give_up(folder: &Path, digest: &Digest, archive: bool) {
    let path = blob_path(folder, digest);
    partial::remove(&path.with_extension("partial"));
    if !archive && folder.join("index.json").exists() {
        return;
    }
    let _ = std::fs::remove_file(&path);
    if archive {
        let _ = std::fs::remove_file(folder.join("index.json"));
    }
    let _ = std::fs::remove_file(folder.join("oci-layout"));
    let inside = path.ancestors().skip(1).take_while(|parent| parent.starts_with(folder));
    for empty in inside {
        if std::fs::remove_dir(empty).is_err() {
            break;
        }
    }
}

fn write_whole(path: &Path, bytes: &[u8], what: &str) -> Result<()> {
    let partial = private::beside(path, "partial");
    private::new_file(&partial, what)?.write_all(bytes).during(what)?;
    std::fs::rename(&partial, path).during(what)
}

fn add_to_index(folder: &Path, tag: Option<&str>, manifest: &RawManifest, what: &str) -> Result<()> {
    let path = folder.join("index.json");
    // Two transfers into one folder must not lose either's image.
    let held = std::fs::File::open(folder).during(what)?;
    private::lock(&held, private::PATIENCE, what)?;
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

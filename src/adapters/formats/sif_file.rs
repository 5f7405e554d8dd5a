//! The file of a pinned SIF image, open and compared with its digest.
//!
//! A file that only its owner can change is used where it is. Any other is copied, as one from a registry is fetched:
//! into a folder of this person, under its digest. Whoever runs the image is given the open file and not its path, so
//! that no other file can take its place.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use futures_util::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::disk_header;
use crate::shared::{exec, private, unless_cancelled::UnlessCancelled};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        digest::{Digest, Hasher},
        error::{During, Error, Kind, Result},
    },
    image::{
        artifact::SIF_LAYER,
        manifest::{Descriptor, Manifest},
        model::ImageKind,
        reference::ImageRef,
    },
    ports::{BlobSource, Supply},
    transfer::copy::{CopyEnd, VerifiedBlob},
};

/// How much is read at once, in bytes.
const CHUNK: usize = 1 << 20;

/// The folder for copies in the cache folder.
pub fn store(cache: &Path) -> PathBuf {
    cache.join("sif").join("files")
}

/// The path under which programs that are started now find the open file. It holds while the file is open here.
///
/// # Errors
/// Where the system refuses to pass it on.
pub fn inherited(file: &File) -> Result<PathBuf> {
    rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty()).during("pass on an open file")?;
    Ok(format!("/proc/self/fd/{}", file.as_raw_fd()).into())
}

/// Whether a pinned image is a SIF file: by the file itself, or by the manifest in its registry.
///
/// # Errors
/// Those of reading it.
pub async fn is_meant(cx: &Context, supply: &Supply) -> Result<bool> {
    let what = format!("look at {}", supply.image.reference);
    if let ImageRef::File { path, .. } = &supply.image.reference {
        let path = PathBuf::from(path);
        let look = move || Ok(path.is_file() && disk_header::inspect(&path)?.kind == ImageKind::Sif);
        return blocking(look).await.during(what)?;
    }
    let at = supply.image.reference.with_digest(&supply.image.manifest);
    let manifest = supply.bytes()?.manifest(cx, &at).await?;
    Ok(layer(manifest.parsed(), &what).is_ok())
}

/// Opens the SIF file of a pinned image, after its bytes were compared with the digest. `store` is the folder for
/// copies.
///
/// # Errors
/// `Integrity` if the bytes are others than those that were pinned; those of reading and fetching.
pub async fn open(cx: &Context, supply: &Supply, store: &Path) -> Result<File> {
    let what = format!("open {}", supply.image.reference);
    let ImageRef::File { path, .. } = &supply.image.reference else { return fetched(cx, supply, store, &what).await };
    let (path, digest) = (PathBuf::from(path), supply.image.digest.clone());
    let store = store.to_owned();
    cx.progress.phase("comparing its hash");
    let cancel = cx.cancel.clone();
    let work = blocking(move || {
        let file = disk_header::open(&path)?;
        // While it runs, others could change it. The path may lead to another file than the open one by now.
        let alone = exec::changed_by_others(&path).is_none() && private::is_ours(&file);
        if alone { verified(file, &digest, &cancel, &what) } else { copied(file, &digest, &store, &what) }
    });
    cx.unless_cancelled("compare a SIF file", async { work.await.during("compare a SIF file")? }).await
}

/// The same file, if it has this digest.
fn verified(mut file: File, digest: &Digest, cancel: &CancellationToken, what: &str) -> Result<File> {
    let mut hasher = digest.hasher();
    hasher.update_from(UnlessCancelled(&mut file, cancel.clone())).during(what)?;
    digest.matches(&hasher.finish(), what)?;
    file.rewind().during(what)?;
    Ok(file)
}

/// The file in the store, if it is there and whole.
fn stored(store: &Path, digest: &Digest, what: &str) -> Option<File> {
    let file = disk_header::open(&place(store, digest)).ok()?;
    verified(file, digest, &CancellationToken::new(), what).ok()
}

fn place(store: &Path, digest: &Digest) -> PathBuf {
    store.join(format!("{}.sif", digest.hex()))
}

/// A copy in the store.
fn copied(mut file: File, digest: &Digest, store: &Path, what: &str) -> Result<File> {
    if let Some(known) = stored(store, digest, what) {
        return Ok(known);
    }
    let mut arriving = Arriving::new(store, digest, what)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer).during(what)? {
            0 => return arriving.keep(),
            count => arriving.put(buffer.get(..count).unwrap_or_default())?,
        }
    }
}

/// The layer of a registry's SIF artifact, fetched into the store.
async fn fetched(cx: &Context, supply: &Supply, store: &Path, what: &str) -> Result<File> {
    let content = supply.bytes()?;
    let at = supply.image.reference.with_digest(&supply.image.manifest);
    let manifest = content.manifest(cx, &at).await?;
    supply.image.manifest.matches(&manifest.digest, what)?;
    let layer = layer(manifest.parsed(), what)?;
    let (folder, digest, task) = (store.to_owned(), layer.digest.clone(), what.to_owned());
    let known = blocking(move || stored(&folder, &digest, &task)).await.during(what)?;
    if let Some(known) = known {
        return Ok(known);
    }
    cx.budget.expects(what, layer.size)?;
    cx.progress.total(layer.size);
    cx.progress.phase("fetching the SIF file");
    let place = CopyEnd { content, at };
    let mut arriving = Arriving::new(store, &layer.digest, what)?;
    let work = async {
        let mut stream = VerifiedBlob::new(cx, &place, layer).open(0).await?;
        while let Some(chunk) = stream.try_next().await? {
            arriving.put(&chunk)?;
        }
        arriving.keep()
    };
    cx.unless_cancelled(what, work).await
}

/// The one layer of a SIF artifact.
///
/// # Errors
/// `Unsupported` for another manifest.
pub fn layer<'a>(manifest: &'a Manifest, what: &str) -> Result<&'a Descriptor> {
    match manifest {
        Manifest::Image { layers, .. } => match layers.as_slice() {
            [layer] if layer.media_type.starts_with(SIF_LAYER) => Ok(layer),
            _ => Err(Error::unsupported(what, "its manifest does not hold one SIF file")),
        },
        Manifest::Index { .. } => Err(Error::unsupported(what, "it is an index, not one image")),
    }
}

/// A file that arrives in the store: it gets its name when it is complete and has the right digest.
struct Arriving {
    file: File,
    partial: PathBuf,
    target: PathBuf,
    hasher: Hasher,
    digest: Digest,
    what: String,
}

impl Arriving {
    fn new(store: &Path, digest: &Digest, what: &str) -> Result<Self> {
        private::folder(store)?;
        let target = place(store, digest);
        let partial = private::beside(&target, "partial");
        let file = private::open(&partial, |options| options.read(true).write(true).create_new(true))?;
        Ok(Self { file, partial, target, hasher: digest.hasher(), digest: digest.clone(), what: what.to_owned() })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|error| {
            Error::new(Kind::Failed, &self.what, error.to_string()).hint("check the space left on that file system")
        })
    }

    fn keep(&mut self) -> Result<File> {
        self.digest.matches(&self.hasher.clone().finish(), &self.what)?;
        self.file.set_permissions(std::fs::Permissions::from_mode(0o400)).during(&self.what)?;
        self.file.sync_all().during(&self.what)?;
        std::fs::rename(&self.partial, &self.target).during(&self.what)?;
        // Opened again, so that nobody holds it for writing.
        disk_header::open(&self.target)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        // Nothing is there under this name after it was kept.
        let _ = std::fs::remove_file(&self.partial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_kept_only_with_the_digest_that_was_pinned() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.sif");
        std::fs::write(&path, b"the image").unwrap();
        let (store, digest) = (folder.path().join("store"), Digest::of(b"the image"));
        private::home(folder.path()).unwrap();
        let open = || disk_header::open(&path).unwrap();
        let mut text = String::new();
        copied(open(), &digest, &store, "copy").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "the image");
        assert!(stored(&store, &digest, "look").is_some());
        let other = Digest::of(b"another image");
        assert_eq!(copied(open(), &other, &store, "copy").unwrap_err().kind, Kind::Integrity);
        assert_eq!(std::fs::read_dir(&store).unwrap().count(), 1, "nothing of it is left");
        // What was changed in the store is copied again.
        std::fs::set_permissions(place(&store, &digest), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(place(&store, &digest), b"changed").unwrap();
        assert!(stored(&store, &digest, "look").is_none());
        assert!(copied(open(), &digest, &store, "copy").is_ok() && stored(&store, &digest, "look").is_some());
    }
}

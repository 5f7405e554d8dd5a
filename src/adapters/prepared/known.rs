//! The stores of prepared images that backends have, for a backend that can run what is in them but prepares nothing.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    facts::{Facts, Form},
    files,
    people::ImageUser,
    store::{Store, name, others_may_change},
};
use crate::shared::private;
use wharf_core::base::{blocking::blocking, digest::Digest};

/// How long the stores may take to answer: one that hangs must not keep a plan from being made without it.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most threads that look into stores at a time: those that hang stay until their file system answers.
const AT_ONCE: usize = 8;

/// A squashfs that was prepared from an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// Where it is.
    pub path: PathBuf,
    /// The user that the image's program runs as, from its lists of users, if that was noted.
    pub user: Option<ImageUser>,
}

/// The stores that backends have registered.
#[derive(Debug, Clone)]
pub struct KnownStores {
    stores: Arc<Mutex<Vec<Store>>>,
    looks: Arc<Semaphore>,
}

impl Default for KnownStores {
    fn default() -> Self {
        Self { stores: Arc::default(), looks: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl KnownStores {
    /// Registers a store.
    pub fn add(&self, store: Store) {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).push(store);
    }

    /// The squashfs that was prepared from the manifest, the site's first. Only what is noted of it is read: its
    /// bytes are compared when it is [opened](open). Where the stores do not answer soon, there is none.
    pub async fn find(&self, manifest: &Digest) -> Option<KnownFile> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if stores.is_empty() {
            return None;
        }
        let manifest = manifest.clone();
        let look = async {
            let place = self.looks.clone().acquire_owned().await.ok()?;
            let found = blocking(move || {
                let found = find(&stores, &manifest);
                drop(place);
                found
            });
            found.await.ok()?
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| {
            tracing::warn!("the stores of prepared images do not answer: none of them is used");
            None
        })
    }
}

/// The squashfs of a manifest in one of these stores.
fn find(stores: &[Store], manifest: &Digest) -> Option<KnownFile> {
    let sites = stores.iter().filter_map(|store| store.site.as_ref());
    let mut folders = sites.chain(stores.iter().map(|store| &store.own)).map(|folder| folder.join(name(manifest)));
    folders.find_map(|folder| {
        let facts = noted(&folder, manifest).ok()?;
        Some(KnownFile { path: folder.join(Form::Squashfs.name()), user: facts.user })
    })
}

/// The facts of the squashfs in a folder, if they are of this manifest, and if only this person or root could write them or
/// a folder above them.
fn noted(folder: &Path, manifest: &Digest) -> Result<Facts, String> {
    let meta = folder.symlink_metadata().map_err(|error| error.to_string())?;
    if !meta.is_dir() {
        return Err("it is in no folder".to_owned());
    }
    if let Some(why) = others_may_change(folder) {
        return Err(format!("others could change it: {why}"));
    }
    let facts = Facts::read(folder).map_err(|error| error.why)?;
    if facts.manifest != *manifest || facts.form != Form::Squashfs || facts.sha256.is_none() {
        return Err("it was not prepared from this image as a file".to_owned());
    }
    Ok(facts)
}

/// Opens a squashfs that was found, after its bytes were compared with what was prepared from the manifest.
///
/// # Errors
/// Why it is not used, in words.
pub fn open(path: &Path, manifest: &Digest, cancel: &CancellationToken) -> Result<File, String> {
    let folder = path.parent().ok_or("it is in no folder")?;
    let facts = noted(folder, manifest)?;
    let mut file = files::open(path).map_err(|error| error.to_string())?;
    // The path may lead to another file than the one that was looked at.
    if !private::is_ours(&file) {
        return Err("others could change it while it is used".to_owned());
    }
    let found = files::sha256_unless_cancelled(&mut file, cancel).map_err(|error| error.to_string())?;
    if Some(&found.0) != facts.sha256.as_ref() || found.1 != facts.size {
        return Err("its bytes are not those that were prepared".to_owned());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_prepared_file_is_found_by_its_manifest_and_opened_only_unchanged() {
        let store = tempfile::tempdir().unwrap();
        let manifest = Digest::of(b"m");
        let folder = store.path().join(name(&manifest));
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = folder.join("image.sqfs");
        std::fs::write(&path, "bytes").unwrap();
        let mut facts = Facts::new("oci://r/a".into(), manifest.clone(), Form::Squashfs, "mksquashfs".into(), 1);
        (facts.sha256, facts.size) = (Some(Digest::of(b"bytes")), 5);
        facts.write(&folder).unwrap();
        let open = |path: &Path, manifest: &Digest| super::open(path, manifest, &CancellationToken::new());
        let known = KnownStores::default();
        assert_eq!(known.find(&manifest).await, None);
        known.add(Store { own: store.path().to_owned(), site: None });
        assert_eq!(
            (known.find(&manifest).await, known.find(&Digest::of(b"other")).await),
            (Some(KnownFile { path: path.clone(), user: None }), None)
        );
        assert_eq!(std::io::read_to_string(open(&path, &manifest).unwrap()).unwrap(), "bytes");
        assert!(open(&path, &Digest::of(b"other")).is_err());
        std::fs::write(&path, "BYTES").unwrap();
        assert!(open(&path, &manifest).unwrap_err().contains("bytes"));
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(open(&path, &manifest).unwrap_err().contains("others"));
        assert_eq!(known.find(&manifest).await, None, "others could change it");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(&path, "bytes").unwrap();
        let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(&path, 0o666);
        assert!(known.find(&manifest).await.is_none() && open(&path, &manifest).is_err(), "they may write to the file");
        mode(&path, 0o644);
        mode(store.path(), 0o777);
        assert!(known.find(&manifest).await.is_none() && open(&path, &manifest).is_err(), "or to the store");
        mode(store.path(), 0o755);
        assert!(known.find(&manifest).await.is_some() && open(&path, &manifest).is_ok());
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        assert!(super::open(&path, &manifest, &cancelled).unwrap_err().contains("cancelled"));
    }
}

//! The stores of prepared images that backends have, for a backend that can run what is in them but prepares nothing.

use std::{
    fs::File,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    facts::{Facts, Form},
    files,
    store::{Store, name},
};
use crate::shared::private;
use wharf_core::base::{digest::Digest, error::Result};

/// The stores that backends have registered.
#[derive(Debug, Clone, Default)]
pub struct KnownStores(Arc<Mutex<Vec<Store>>>);

impl KnownStores {
    /// Registers a store.
    pub fn add(&self, store: Store) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(store);
    }

    /// The path of the squashfs that was prepared from the manifest, the site's first. Only what is noted of it is read: its
    /// bytes are compared when it is [opened](open).
    pub fn find(&self, manifest: &Digest) -> Option<PathBuf> {
        let stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sites = stores.iter().filter_map(|store| store.site.as_ref());
        let folders = sites.chain(stores.iter().map(|store| &store.own)).map(|folder| folder.join(name(manifest)));
        let path = |folder: PathBuf| folder.join(Form::Squashfs.name());
        folders.filter(|folder| noted(folder, manifest).is_ok()).map(path).next()
    }
}

/// The facts of the squashfs in a folder, if they are of this manifest, and if only this person or root could write them.
fn noted(folder: &Path, manifest: &Digest) -> Result<Facts, String> {
    let meta = folder.symlink_metadata().map_err(|error| error.to_string())?;
    if !meta.is_dir() || !private::is_mine_or_roots(&meta) || meta.mode() & 0o022 != 0 {
        return Err("others could change it".to_owned());
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
pub fn open(path: &Path, manifest: &Digest) -> Result<File, String> {
    let folder = path.parent().ok_or("it is in no folder")?;
    let facts = noted(folder, manifest)?;
    let mut file = files::open(path).map_err(|error| error.to_string())?;
    let found = files::sha256_of(&mut file).map_err(|error| error.to_string())?;
    if Some(&found.0) != facts.sha256.as_ref() || found.1 != facts.size {
        return Err("its bytes are not those that were prepared".to_owned());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_prepared_file_is_found_by_its_manifest_and_opened_only_unchanged() {
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
        let known = KnownStores::default();
        assert_eq!(known.find(&manifest), None);
        known.add(Store { own: store.path().to_owned(), site: None });
        assert_eq!((known.find(&manifest), known.find(&Digest::of(b"other"))), (Some(path.clone()), None));
        assert_eq!(std::io::read_to_string(open(&path, &manifest).unwrap()).unwrap(), "bytes");
        assert!(open(&path, &Digest::of(b"other")).is_err());
        std::fs::write(&path, "BYTES").unwrap();
        assert!(open(&path, &manifest).unwrap_err().contains("bytes"));
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(open(&path, &manifest).unwrap_err().contains("others"));
        assert_eq!(known.find(&manifest), None, "others could change it");
    }
}

//! Secrets in a file that only its owner may read, for people who agreed to it.

use std::{
    collections::BTreeMap,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::entry::{join, split};
use crate::shared::private;
use wharf_core::{
    base::{
        error::{During, Error, Kind, Result},
        secret::Secret,
        small_file,
    },
    ports::Vault,
};

/// A file with mode 0600 in a folder with mode 0700.
pub(super) struct File {
    path: PathBuf,
}

impl File {
    /// Whether the file exists: then the person has agreed to it before.
    pub(super) fn is_there(state_dir: &Path) -> bool {
        state_dir.join("secrets/secrets.json").is_file()
    }

    /// Creates the folder if it is missing; fails if other users may look into it.
    pub(super) fn open(state_dir: &Path) -> Result<Self> {
        let folder = state_dir.join("secrets");
        let what = format!("use {}", folder.display());
        if !folder.exists() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).during(&what)?;
        }
        let store = Self { path: folder.join("secrets.json") };
        closed(&folder)?;
        if store.path.exists() {
            closed(&store.path)?;
        }
        Ok(store)
    }

    fn read(&self) -> Result<BTreeMap<String, String>> {
        if !self.path.exists() {
            return Ok(BTreeMap::new());
        }
        closed(&self.path)?;
        let what = format!("read {}", self.path.display());
        serde_json::from_slice(&small_file::bytes(&self.path).during(&what)?).during(what)
    }

    /// Changes the secrets under a lock, so that two sign-ins at the same time lose nothing.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<()> {
        let what = format!("write {}", self.path.display());
        let lock = self.path.with_extension("lock");
        let lock = private::open(&lock, |options| options.create(true).truncate(false).write(true))?;
        private::lock(&lock, private::PATIENCE, &what)?;
        let mut all = self.read()?;
        let before = all.clone();
        change(&mut all);
        if all == before {
            return Ok(());
        }
        private::write(&self.path, &serde_json::to_vec(&all).during(what)?)
    }
}

/// Fails if other users may read the file or own it.
fn closed(path: &Path) -> Result<()> {
    let what = format!("use {}", path.display());
    let meta = path.symlink_metadata().during(&what)?;
    let own = meta.uid() == rustix::process::geteuid().as_raw();
    if own && meta.permissions().mode() & 0o077 == 0 && !meta.file_type().is_symlink() {
        return Ok(());
    }
    Err(Error::new(Kind::NotAllowed, what, "others could read it").hint(format!("chmod go-rwx {}", path.display())))
}

impl Vault for File {
    fn describe(&self) -> String {
        format!("file {} (not encrypted, readable by you only)", self.path.display())
    }

    fn get(&self, place: &str) -> Result<Option<(String, Secret)>> {
        Ok(self.read()?.get(place).and_then(|text| split(text)))
    }

    fn set(&self, place: &str, account: &str, secret: &Secret) -> Result<()> {
        self.change(|all| {
            all.insert(place.to_owned(), join(account, secret));
        })
    }

    fn delete(&self, place: &str) -> Result<()> {
        self.change(|all| {
            all.remove(place);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = File::open(folder.path()).unwrap();
        store.set("r.example", "ada", &Secret::new("hunter2")).unwrap();
        assert_eq!(store.get("r.example").unwrap(), Some(("ada".into(), Secret::new("hunter2"))));
        assert_eq!(store.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        store.delete("r.example").unwrap();
        store.delete("r.example").unwrap();
        assert_eq!(store.get("r.example").unwrap(), None);
    }

    #[test]
    fn sign_ins_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let store = File::open(folder.path()).unwrap();
                scope.spawn(move || {
                    for number in 0..10 {
                        store.set(&format!("{writer}-{number}.example"), "ada", &Secret::new("x")).unwrap();
                        store.delete(&format!("{writer}-0.example")).unwrap();
                    }
                });
            }
        });
        assert_eq!(File::open(folder.path()).unwrap().read().unwrap().len(), 36);
        let left: Vec<_> = std::fs::read_dir(folder.path().join("secrets")).unwrap().flatten().collect();
        assert_eq!(left.len(), 2, "nothing half-written stays: {left:?}");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = File::open(folder.path()).unwrap();
        store.set("r.example", "ada", &Secret::new("x")).unwrap();
        std::fs::set_permissions(&store.path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(store.get("r.example").unwrap_err().hint.contains("chmod"));
        assert!(File::open(folder.path()).is_err());
    }
}

//! A JSON file of a person that several programs may change at the same time: each change is made under a lock.

use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::shared::private;
use wharf_core::base::error::{During, Error, Result};

/// What is kept in one file; the default of `T` where there is none.
pub(super) struct LockedFile<T> {
    path: PathBuf,
    /// The largest file that is read, in bytes.
    largest: u64,
    kept: std::marker::PhantomData<fn() -> T>,
}

impl<T: Default + PartialEq + Clone + Serialize + DeserializeOwned> LockedFile<T> {
    /// The file at this path, which is made when it is needed.
    pub(super) fn new(path: PathBuf, largest: u64) -> Self {
        Self { path, largest, kept: std::marker::PhantomData }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is kept.
    ///
    /// # Errors
    /// `Failed` for a file of somebody else, one that is too large, and one that is not what it should be.
    pub(super) fn read(&self) -> Result<T> {
        let what = format!("read {}", self.path.display());
        if !self.path.exists() {
            return Ok(T::default());
        }
        let bytes = private::read(&self.path, self.largest)
            .ok_or_else(|| Error::failed(&what, "it is no file of this person, or too large"))?;
        serde_json::from_slice(&bytes).during(what)
    }

    /// Changes what is kept, and gives it as it is then. Two programs that do so at the same time do not lose either's.
    ///
    /// # Errors
    /// Those of reading, of `change` and of writing; then nothing has changed.
    pub(super) fn change(&self, what: &str, change: impl FnOnce(&mut T) -> Result<()>) -> Result<T> {
        if let Some(folder) = self.path.parent() {
            private::folder(folder)?;
        }
        let lock = self.path.with_extension("lock");
        let lock = private::open(&lock, |options| options.create(true).truncate(false).write(true))?;
        private::lock(&lock, private::PATIENCE, what)?;
        let before = self.read()?;
        let mut after = before.clone();
        change(&mut after)?;
        if after != before {
            private::write(&self.path, &serde_json::to_vec_pretty(&after).during(what)?)?;
        }
        Ok(after)
    }
}

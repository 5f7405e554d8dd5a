//! What was made of a file that took long to read, until the file changes.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use wharf_core::base::error::Result;

/// What tells whether a file is unchanged: path, device and inode, size, change time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        Some(Self {
            path: path.to_owned(),
            file: (meta.dev(), meta.ino()),
            size: meta.len(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// What was made of the file that was asked for last.
pub(super) struct Last<T>(Mutex<Option<(Stamp, T)>>);

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Last<T> {
    /// What was made of the file at this path, or what `make` makes of it now.
    pub(super) async fn of(&self, path: &Path, make: impl Future<Output = Result<T>>) -> Result<T> {
        let stamp = Stamp::of(path);
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, made)) = &*lock() {
            if Some(known) == stamp.as_ref() {
                return Ok(made.clone());
            }
        }
        let made = make.await?;
        if let Some(stamp) = stamp {
            *lock() = Some((stamp, made.clone()));
        }
        Ok(made)
    }
}

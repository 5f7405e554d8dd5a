//! The port for lock files in the folders of projects.

use std::path::{Path, PathBuf};

use crate::base::error::Result;

/// Finds, reads and writes lock files. All calls may block.
pub trait LockFiles: Send + Sync {
    /// The lock file of this folder, or of the nearest one above it within the same project: its path and its text. `None`
    /// where there is none. Changes nothing. Errors: `NotAllowed` for a file that others could have written.
    fn find(&self) -> Result<Option<(PathBuf, String)>>;
    /// Where a new lock file goes: this folder.
    fn new_path(&self) -> Result<PathBuf>;
    /// Keeps other programs from changing the lock file at this path until what is returned is dropped, also where there is
    /// none yet. Whoever holds it reads it afterwards: it may have changed until then.
    fn hold(&self, path: &Path) -> Result<Box<dyn Send>>;
    /// Writes a lock file, whole or not at all. Repeated, it changes nothing.
    fn write(&self, path: &Path, text: &str) -> Result<()>;
}

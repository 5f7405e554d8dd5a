//! Uses of images that could not be sent to the store yet, one per line in a file of this person.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    path::PathBuf,
};

use crate::shared::private;
use wharf_core::{
    base::error::{During, Result},
    ports::store::{Spool, Use},
};

/// Most uses that are kept; later ones are dropped.
const MOST: usize = 10_000;

/// The spool in a file.
pub struct SpoolFile(PathBuf);

impl SpoolFile {
    /// A spool in a file that is created when it is needed.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The lock that keeps others from writing while the spool is emptied.
    fn locked(&self) -> Result<File> {
        if let Some(folder) = self.0.parent() {
            private::folder(folder)?;
        }
        let path = self.0.with_extension("lock");
        let lock = private::open(&path, |options| options.create(true).truncate(false).write(true))?;
        private::lock(&lock, private::PATIENCE, &format!("lock {}", path.display()))?;
        Ok(lock)
    }
}

impl Spool for SpoolFile {
    fn put(&self, used: &Use) -> Result<()> {
        let what = format!("write {}", self.0.display());
        let line = serde_json::to_string(used).during(&what)? + "\n";
        let lock = self.locked()?;
        let mut file = private::open(&self.0, |options| options.create(true).append(true))?;
        let before = file.metadata().during(&what)?.len();
        let written = file.write_all(line.as_bytes());
        if written.is_err() {
            // Half a line would make the next one unreadable.
            let _ = file.set_len(before);
        }
        drop(lock);
        written.during(&what)
    }

    fn take(&self) -> Result<Vec<Use>> {
        let what = format!("read {}", self.0.display());
        if !self.0.exists() {
            return Ok(Vec::new());
        }
        let _lock = self.locked()?;
        let mut text = Vec::new();
        let mut file = match fs::symlink_metadata(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            _ => private::open(&self.0, |options| options.read(true))?,
        };
        file.read_to_end(&mut text).during(&what)?;
        fs::remove_file(&self.0).during(&what)?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).take(MOST).collect())
    }
}

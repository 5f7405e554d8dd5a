//! Which shares of a person are to end, in a file that only they can write.

use std::path::Path;

use super::locked_file::LockedFile;
use wharf_core::{base::error::Result, ports::KeepEndings, sharing::ending::Endings};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 8 << 20;

/// The shares in a file.
pub struct EndingsFile(LockedFile<Endings>);

impl EndingsFile {
    /// Those in this state folder.
    pub fn new(state: &Path) -> Self {
        Self(LockedFile::new(state.join("shares.json"), LARGEST))
    }
}

impl KeepEndings for EndingsFile {
    fn all(&self) -> Result<Endings> {
        self.0.read()
    }

    fn change(&self, change: &dyn Fn(&mut Endings)) -> Result<()> {
        let changing = |all: &mut Endings| {
            change(all);
            Ok(())
        };
        self.0.change(&format!("write {}", self.0.path().display()), changing).map(|_| ())
    }
}

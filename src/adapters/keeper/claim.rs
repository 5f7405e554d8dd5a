//! The claim of one Wharf on the folder of a launch, while it is made ready.

use std::{fs::File, path::PathBuf, time::Duration};

use crate::shared::private;
use wharf_core::base::error::{During, Result};

/// The file that is locked.
const LOCK: &str = "claim";
/// How long to wait for another Wharf that launches the same.
const PATIENCE: Duration = Duration::from_millis(500);

/// A folder that is removed again unless it is kept.
pub struct Claim {
    folder: Option<PathBuf>,
    /// Another Wharf cannot claim the folder while this is open.
    _lock: File,
}

impl Claim {
    /// Makes the folder, and claims it.
    ///
    /// # Errors
    /// `Unavailable` where another Wharf launches the same at this moment.
    pub fn of(folder: PathBuf, what: &str) -> Result<Self> {
        private::folder(&folder)?;
        let lock = private::open(&folder.join(LOCK), |options| options.write(true).create(true)).during(what)?;
        private::lock(&lock, PATIENCE, what)?;
        Ok(Self { folder: Some(folder), _lock: lock })
    }

    /// Leaves the folder as it is.
    pub fn keep(mut self) {
        self.folder = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Also where the launch was cancelled: what is not complete would be taken for a launch on its way.
        if let Some(folder) = self.folder.take() {
            let _ = private::remove(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_launch_is_made_ready_at_a_time_and_leaves_nothing_unless_it_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a1");
        let first = Claim::of(folder.clone(), "launch").unwrap();
        assert!(Claim::of(folder.clone(), "launch").is_err() && folder.exists());
        drop(first);
        assert!(!folder.exists());
        Claim::of(folder.clone(), "launch").unwrap().keep();
        assert!(folder.exists());
        drop(Claim::of(folder, "launch").unwrap());
    }
}

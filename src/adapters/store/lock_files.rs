//! Lock files in the folders of projects. Whoever can write one decides what is launched there, within the repositories that
//! it names: one that others could have written is refused.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::shared::private;
use wharf_core::{
    base::{
        error::{During, Error, Kind, Result},
        small_file,
    },
    launch::lock::{LARGEST, NAME},
    ports::LockFiles,
};

/// How many folders are looked into, from the present one up.
const DEEPEST: usize = 30;

/// Lock files of the folder that the program was started in.
pub struct FolderLocks;

impl LockFiles for FolderLocks {
    fn find(&self) -> Result<Option<(PathBuf, String)>> {
        let here = self.here()?;
        let home = std::env::home_dir();
        for folder in here.ancestors().take(DEEPEST) {
            if let Some(text) = read(&folder.join(NAME))? {
                return Ok(Some((folder.join(NAME), text)));
            }
            // The project ends with its repository; above the home folder is nobody's project.
            if folder.join(".git").exists() || Some(folder) == home.as_deref() {
                break;
            }
        }
        Ok(None)
    }

    fn new_path(&self) -> Result<PathBuf> {
        self.here().map(|here| here.join(NAME))
    }

    fn write(&self, path: &Path, text: &str) -> Result<()> {
        let what = format!("write {}", path.display());
        let partial = private::beside(path, "partial");
        fs::write(&partial, text).during(&what)?;
        fs::rename(&partial, path).during(what)
    }
}

impl FolderLocks {
    fn here(&self) -> Result<PathBuf> {
        std::env::current_dir().during("find this folder")
    }
}

/// The text of a lock file, if there is one.
fn read(path: &Path) -> Result<Option<String>> {
    let what = format!("read {}", path.display());
    let meta = match path.symlink_metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => return Ok(None),
        found => found.during(&what)?,
    };
    let refused = |why: &str, hint: &str| Err(Error::new(Kind::NotAllowed, &what, why).hint(hint.to_owned()));
    if !meta.is_file() {
        return refused("it is no regular file", "put a file there, or use --unlocked");
    }
    if !private::is_mine_or_roots(&meta) || meta.mode() & 0o022 != 0 {
        return refused(
            "others could have written it",
            "make a copy of your own that nobody else can write (chmod go-w), or use --unlocked",
        );
    }
    if meta.len() > LARGEST {
        return refused("it is too large", "take it back from where it was published");
    }
    small_file::text(path).during(what).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_lock_file_that_others_could_have_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert_eq!(read(&path).unwrap(), None);
        FolderLocks.write(&path, "version = 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("version = 1\n"));
        for mode in [0o664, 0o646, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap_err().kind, Kind::NotAllowed, "{mode:o}");
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(read(&path).is_err(), "a link leads to what somebody else writes");
    }
}

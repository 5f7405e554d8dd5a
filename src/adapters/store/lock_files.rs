//! Lock files in the folders of projects. Whoever can write one decides what is launched there, within the repositories that
//! it names: one that others could have written is refused.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, io::Errno};

use crate::shared::private;
use wharf_core::{
    base::error::{During, Error, Kind, Result},
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
            let path = folder.join(NAME);
            // Where others may write, a file of theirs is nothing to us: they could keep us from launching anything.
            let meta = folder.metadata().during("look for a lock file")?;
            let is_ours = private::is_mine_or_roots(&meta) && !private::others_write(&meta);
            if is_ours || path.symlink_metadata().is_ok_and(|file| file.uid() == private::user_id()) {
                if let Some(text) = read(&path)? {
                    return Ok(Some((path, text)));
                }
            }
            // The project ends with its repository; above the home folder is nobody's project.
            if !is_ours || folder.join(".git").exists() || Some(folder) == home.as_deref() {
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
        // Whatever the umask is, nobody else may write it: else it would not be used.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&partial).during(&what)?;
        file.write_all(text.as_bytes()).during(&what)?;
        fs::rename(&partial, path).during(what)
    }

    fn hold(&self, path: &Path) -> Result<Box<dyn Send>> {
        let what = format!("lock {}", path.display());
        // The file is exchanged when it is written, so its folder is locked: one lock for all folders below.
        let parent = path.parent().ok_or_else(|| Error::failed(&what, "it is in no folder"))?;
        let folder = File::open(parent).during(&what)?;
        private::lock(&folder, private::PATIENCE, &what)?;
        Ok(Box::new(folder))
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
    let refused = |why: &str, hint: &str| Err(Error::new(Kind::NotAllowed, &what, why).hint(hint.to_owned()));
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match opened {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return refused("it is a link", "put a file there, or use --unlocked");
        }
        found => found.during(&what)?,
    };
    let meta = file.metadata().during(&what)?;
    if !meta.is_file() {
        return refused("it is no regular file", "put a file there, or use --unlocked");
    }
    if !private::is_mine_or_roots(&meta) || private::others_write(&meta) {
        return refused(
            "others could have written it",
            "make a copy of your own that nobody else can write (chmod go-w), or use --unlocked",
        );
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).during(&what)?;
    if text.len() as u64 > LARGEST {
        return refused("it is too large", "take it back from where it was published");
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn who_holds_a_lock_file_holds_it_from_every_folder() {
        let project = tempfile::tempdir().unwrap();
        let path = project.path().join(NAME);
        let free = || {
            let folder = File::open(project.path()).unwrap();
            let locked = private::try_lock(&folder, std::time::Duration::ZERO, false, "look").unwrap();
            !matches!(locked, private::Locking::Busy)
        };
        let held = FolderLocks.hold(&path).unwrap();
        assert!(!free(), "the folder of the file is locked, wherever the program was started");
        drop(held);
        assert!(free());
    }

    #[test]
    fn a_lock_file_that_others_could_have_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert_eq!(read(&path).unwrap(), None);
        FolderLocks.write(&path, "version = 1\n").unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o644, "whatever the umask is");
        assert_eq!(read(&path).unwrap().as_deref(), Some("version = 1\n"));
        for mode in [0o646, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap_err().kind, Kind::NotAllowed, "{mode:o}");
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(read(&path).is_err(), "a link leads to what somebody else writes");
    }
}

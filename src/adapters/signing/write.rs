//! Writing a new key: the private half for its owner only, the public half beside it for everybody. Either both files
//! are written completely, or none.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use wharf_core::{
    base::error::{Error, Kind, Result},
    ports::signer::NewKey,
};

/// Writes a key to `path` and its public half to `path.pub`, whose path is returned. Existing files are never replaced.
pub fn write(path: &Path, key: &NewKey) -> Result<PathBuf> {
    let half = path.with_added_extension("pub");
    let mut private = NewFile::new(path, 0o600)?;
    let mut public = NewFile::new(&half, 0o644)?;
    private.fill(key.private.reveal().as_bytes())?;
    public.fill(key.public.as_bytes())?;
    // The new names must survive a loss of power, too.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    private.done = true;
    public.done = true;
    Ok(half)
}

/// A file that was created here; it is removed when dropped unless it is done.
struct NewFile {
    file: File,
    path: PathBuf,
    mode: u32,
    done: bool,
}

impl NewFile {
    /// Other users must not be able to open it at any time, nor a link lead elsewhere: it must not exist yet.
    fn new(path: &Path, mode: u32) -> Result<Self> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = opened.map_err(|error| failed(path, &error))?;
        Ok(Self { file, path: path.to_owned(), mode, done: false })
    }

    fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        let filled = self.file.write_all(bytes);
        // Permissions are set whatever the umask has left of them.
        let allowed = filled.and_then(|()| self.file.set_permissions(Permissions::from_mode(self.mode)));
        allowed.and_then(|()| self.file.sync_all()).map_err(|error| failed(&self.path, &error))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.done {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    let folder = path.parent().unwrap_or(Path::new("/")).display();
    let (kind, hint) = match error.kind() {
        ErrorKind::AlreadyExists => {
            (Kind::Usage, "a file that is there is never replaced: choose another name".to_owned())
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            (Kind::NotFound, format!("make the folder first: mkdir -m 700 {folder}"))
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            (Kind::NotAllowed, format!("you may not write into {folder}: choose a folder of your own"))
        }
        _ => (Kind::Failed, "nothing was left behind; choose another folder".to_owned()),
    };
    Error::new(kind, format!("write {}", path.display()), error.to_string()).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::make;
    use wharf_core::ports::signer::Curve;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn both_halves_are_written_with_their_rights_and_never_over_something() {
        let folder = tempfile::tempdir().unwrap();
        let key = make(Curve::P256, None).unwrap();
        let path = folder.path().join("steward.key");
        let half = write(&path, &key).unwrap();
        assert_eq!(half, folder.path().join("steward.key.pub"));
        assert_eq!((mode(&path), mode(&half)), (0o600, 0o644));
        let other = make(Curve::P256, None).unwrap();
        assert_eq!(write(&path, &other).unwrap_err().kind, Kind::Usage);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), key.private.reveal());
        // If the public half exists, the private half is not written; and links are not followed.
        let second = folder.path().join("second.key");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join("second.key.pub")).unwrap();
        assert_eq!(write(&second, &key).unwrap_err().kind, Kind::Usage);
        assert!(!second.exists() && !folder.path().join("elsewhere").exists());
        assert_eq!(write(&folder.path().join("none/x.key"), &key).unwrap_err().kind, Kind::NotFound);
    }
}

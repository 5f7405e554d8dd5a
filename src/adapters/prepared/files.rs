//! Reading files of a store, which other people may have written: bounded, and never through a link.

use std::{
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Read, Result, Seek},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;
use tokio_util::sync::CancellationToken;

use crate::shared::unless_cancelled::UnlessCancelled;
use wharf_core::base::digest::{Digest, Hasher};

/// Opens a regular file for reading; a link is refused, and a pipe is not waited for.
///
/// # Errors
/// What the system says; `InvalidInput` for what is no regular file.
pub(super) fn open(path: &Path) -> Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"))
    }
}

/// The bytes of a file of at most `most` bytes.
///
/// # Errors
/// Those of [`open`]; `FileTooLarge` for a larger file.
pub(super) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    read(&open(path)?, most)
}

/// The rest of an open file, of at most `most` bytes.
///
/// # Errors
/// What the system says; `FileTooLarge` for more.
pub(super) fn read(file: &File, most: u64) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut all)?;
    if all.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, "it is larger than expected"));
    }
    Ok(all)
}

/// The sha256 of a file, and its size in bytes. A file that grows while it is read is read to its first size only.
///
/// # Errors
/// Those of [`open`].
pub(super) fn sha256(path: &Path) -> Result<(Digest, u64)> {
    sha256_of(&mut open(path)?)
}

/// The same of an open file, which is read from its beginning and left there.
///
/// # Errors
/// What the system says.
pub(super) fn sha256_of(file: &mut File) -> Result<(Digest, u64)> {
    sha256_unless_cancelled(file, &CancellationToken::new())
}

/// The same, as long as it is not cancelled.
///
/// # Errors
/// What the system says, and that it was cancelled.
pub(super) fn sha256_unless_cancelled(file: &mut File, cancel: &CancellationToken) -> Result<(Digest, u64)> {
    let size = file.metadata()?.len();
    let mut hasher = Hasher::of("sha256");
    file.rewind()?;
    hasher.update_from(UnlessCancelled((&*file).take(size), cancel.clone()))?;
    file.rewind()?;
    Ok((hasher.finish(), size))
}

/// Which file this is on its file system: two names of one file give the same.
///
/// # Errors
/// What the system says.
pub(super) fn identity(file: &File) -> Result<(u64, u64)> {
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_pipes_and_large_files_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(bytes(&file, 5).unwrap(), b"12345");
        assert_eq!(bytes(&file, 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(sha256(&file).unwrap(), (Digest::of(b"12345"), 5));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(bytes(&link, 5).is_err() && sha256(&link).is_err());
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert_eq!(bytes(&pipe, 5).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(bytes(folder.path(), 5).is_err());
    }
}

//! Detecting whether an unpacked image was changed.
//!
//! A seal is written last, beside the tree, where programs that run in the tree cannot reach it. It contains a digest
//! over what the kernel tells about every file: name, type, permissions, owner, size, inode, and when content and state
//! were changed. The last of these (ctime) cannot be set by programs: writing, replacing, renaming or changing
//! permissions all change it. So a valid seal means that nothing was changed since, and checking it reads names instead
//! of gigabytes.
//!
//! It gives no protection against users who can set the machine's clock or write to the disk directly (root), nor
//! against the person's own programs outside of a sandbox, which could write another seal.

use std::{
    ffi::OsStr,
    io::Read,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use serde::{Deserialize, Serialize};

use crate::{prepared::unpack::names, shared::private};
use wharf_core::base::{
    digest::{Digest, Hasher},
    error::{During, Error, Kind, Result},
};

/// The name of the seal beside a tree.
pub(super) const SEAL: &str = "done";
/// The version of the seal's format.
const FORM: u32 = 1;
/// Largest seal that is read, in bytes.
const LONGEST: u64 = 4096;

/// The content of the file beside an unpacked tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    form: u32,
    /// The digest of the manifest that was unpacked.
    image: Digest,
    /// The digest over what the kernel tells about its files.
    tree: Digest,
}

/// The standing of a kept image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SealState {
    /// Nothing in it was changed.
    Sound,
    /// It does not exist.
    Missing,
    /// It was changed or never completed; with the reason.
    Changed(String),
}

/// Seals the tree in `folder/root` as that of `image`.
pub(super) fn write(folder: &Path, image: &Digest) -> Result<()> {
    let seal = Seal { form: FORM, image: image.clone(), tree: tree(&folder.join("root"))? };
    private::write(&folder.join(SEAL), &serde_json::to_vec(&seal).during("seal an unpacked image")?)
}

/// Compares the tree in `folder/root` with its seal.
pub(super) fn check(folder: &Path, image: &Digest) -> SealState {
    match folder.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return SealState::Missing,
        Err(error) => return SealState::Changed(error.to_string()),
        Ok(meta) if !meta.is_dir() => return SealState::Changed("it is no folder".into()),
        Ok(_) => {}
    }
    match fits(folder, image) {
        Ok(true) => SealState::Sound,
        Ok(false) => SealState::Changed("something in it was changed after it was unpacked".into()),
        Err(error) => SealState::Changed(error.why),
    }
}

fn fits(folder: &Path, image: &Digest) -> Result<bool> {
    let what = "read the seal of an unpacked image";
    private::folder(folder)?;
    let mut text = Vec::new();
    let file = private::open(&folder.join(SEAL), |options| options.read(true))?;
    file.take(LONGEST).read_to_end(&mut text).during(what)?;
    let seal: Seal = serde_json::from_slice(&text).map_err(|_| Error::failed(what, "it has no seal"))?;
    Ok(seal.form == FORM && seal.image == *image && seal.tree == tree(&folder.join("root"))?)
}

/// The digest over what the kernel tells about all files of a tree.
fn tree(root: &Path) -> Result<Digest> {
    let what = "look through an unpacked image";
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, root, flags, Mode::empty()).during(what)?;
    let stat = rustix::fs::fstat(&fd).during(what)?;
    let mut hasher = Hasher::of("sha256");
    tell(&mut hasher, OsStr::new(""), &stat);
    inner(&mut hasher, &fd, stat.st_dev)?;
    Ok(hasher.finish())
}

fn inner(hasher: &mut Hasher, folder: &OwnedFd, device: u64) -> Result<()> {
    let what = "look through an unpacked image";
    let mut all = names(folder).during(what)?;
    all.sort_unstable();
    for name in all {
        let stat = rustix::fs::statat(folder.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW).during(what)?;
        if stat.st_dev != device {
            return Err(Error::new(Kind::Integrity, what, "another file system is mounted in it"));
        }
        tell(hasher, &name, &stat);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(folder, &name, flags, Mode::empty()).during(what)?;
            inner(hasher, &fd, device)?;
        }
    }
    // Marks the end of a folder, so that different trees never give the same bytes.
    hasher.update(b"/\0");
    Ok(())
}

fn tell(hasher: &mut Hasher, name: &OsStr, stat: &Stat) {
    hasher.update(name.as_bytes());
    hasher.update(b"\0");
    let numbers = [
        i128::from(stat.st_mode),
        i128::from(stat.st_uid),
        i128::from(stat.st_gid),
        i128::from(stat.st_ino),
        i128::from(stat.st_size),
        i128::from(stat.st_mtime),
        i128::from(stat.st_mtime_nsec),
        i128::from(stat.st_ctime),
        i128::from(stat.st_ctime_nsec),
    ];
    for number in &numbers {
        hasher.update(&number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn every_change_breaks_a_seal() {
        let image = Digest::of(b"image");
        let changes: [fn(&Path); 9] = [
            |root| std::fs::write(root.join("a/file"), "other").unwrap(),
            |root| {
                // The same length, and the old time set again.
                let old = root.join("a/file").metadata().unwrap().modified().unwrap();
                std::fs::write(root.join("a/file"), "DATA").unwrap();
                std::fs::File::options().write(true).open(root.join("a/file")).unwrap().set_modified(old).unwrap();
            },
            |root| std::fs::set_permissions(root.join("a/file"), PermissionsExt::from_mode(0o755)).unwrap(),
            |root| std::fs::write(root.join("new"), "").unwrap(),
            |root| std::fs::remove_file(root.join("a/file")).unwrap(),
            |root| std::fs::rename(root.join("a/file"), root.join("a/other")).unwrap(),
            |root| std::os::unix::fs::symlink("x", root.join("a/link")).unwrap(),
            |root| std::fs::hard_link(root.join("a/file"), root.join("../outside")).unwrap(),
            |root| std::fs::rename(root, root.with_file_name("was")).unwrap(),
        ];
        for (number, change) in changes.iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(folder.path().join("root/a")).unwrap();
            std::fs::write(folder.path().join("root/a/file"), "data").unwrap();
            std::os::unix::fs::symlink("nowhere", folder.path().join("root/dangling")).unwrap();
            assert!(matches!(check(folder.path(), &image), SealState::Changed(_)));
            write(folder.path(), &image).unwrap();
            assert_eq!(check(folder.path(), &image), SealState::Sound);
            assert!(matches!(check(folder.path(), &Digest::of(b"another")), SealState::Changed(_)));
            // The clocks of file systems advance every few milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(check(folder.path(), &image), SealState::Sound, "reading changes nothing");
            change(&folder.path().join("root"));
            assert!(matches!(check(folder.path(), &image), SealState::Changed(_)), "change {number}");
        }
        assert_eq!(check(Path::new("/nowhere/at/all"), &image), SealState::Missing);
    }

    #[test]
    fn a_seal_is_a_file_of_ones_own_that_is_no_link() {
        let image = Digest::of(b"image");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("root")).unwrap();
        write(folder.path(), &image).unwrap();
        std::fs::rename(folder.path().join(SEAL), folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", folder.path().join(SEAL)).unwrap();
        assert!(matches!(check(folder.path(), &image), SealState::Changed(_)));
    }
}

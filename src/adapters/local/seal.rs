//! Whether an unpacked image is still what was unpacked.
//!
//! A seal is written last, beside the tree and out of reach of whatever runs in it. It holds a digest over what the kernel
//! tells of every file: name, type, permissions, owner, size, inode, and when content and state changed. The last (ctime)
//! nobody can set: whatever writes to a file, replaces or renames it, or changes its rights, changes it. So a seal that
//! fits says that nothing in the tree was changed since, in the time of reading names instead of gigabytes.
//!
//! It does not hold against whoever may set the machine's clock or write to the disk below the file system (root), nor
//! against this person's own programs outside of a sandbox, who could write another seal.

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

use super::unpack::names;
use crate::{
    adapters::shared::private,
    core::base::{
        digest::{Digest, Hasher},
        error::{During, Error, Kind, Result},
    },
};

/// The form of a seal.
const FORM: u32 = 1;
/// A seal is a few words.
const LONGEST: u64 = 4096;

/// What is written beside an unpacked tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    form: u32,
    /// Which image was unpacked.
    image: Digest,
    /// What the kernel told of its files.
    tree: Digest,
}

/// How a kept image stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing in it was changed.
    Sound,
    /// It is not there.
    Missing,
    /// It is not as it was unpacked, or was never whole; why.
    Changed(String),
}

/// Seals the tree below `folder` (in `root`) as that of `image`.
pub fn write(folder: &Path, image: &Digest) -> Result<()> {
    let seal = Seal { form: FORM, image: image.clone(), tree: tree(&folder.join("root"))? };
    private::write(&folder.join("done"), &serde_json::to_vec(&seal).during("seal an unpacked image")?)
}

/// Compares the tree below `folder` with its seal.
pub fn check(folder: &Path, image: &Digest) -> Standing {
    match folder.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Standing::Missing,
        Err(error) => return Standing::Changed(error.to_string()),
        Ok(meta) if !meta.is_dir() => return Standing::Changed("it is no folder".into()),
        Ok(_) => {}
    }
    match fits(folder, image) {
        Ok(true) => Standing::Sound,
        Ok(false) => Standing::Changed("something in it was changed after it was unpacked".into()),
        Err(error) => Standing::Changed(error.why),
    }
}

fn fits(folder: &Path, image: &Digest) -> Result<bool> {
    let what = "read the seal of an unpacked image";
    private::folder(folder)?;
    let mut text = Vec::new();
    let file = private::open(&folder.join("done"), |options| options.read(true))?;
    file.take(LONGEST).read_to_end(&mut text).during(what)?;
    let seal: Seal = serde_json::from_slice(&text).map_err(|_| Error::failed(what, "it has no seal"))?;
    Ok(seal.form == FORM && seal.image == *image && seal.tree == tree(&folder.join("root"))?)
}

/// A digest over what the kernel tells of all files of a tree.
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
    // Where a folder ends, so that two trees never read the same.
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
                // The same length, and its old time put back.
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
            assert!(matches!(check(folder.path(), &image), Standing::Changed(_)));
            write(folder.path(), &image).unwrap();
            assert_eq!(check(folder.path(), &image), Standing::Sound);
            assert!(matches!(check(folder.path(), &Digest::of(b"another")), Standing::Changed(_)));
            // Clocks of file systems tick every few milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(check(folder.path(), &image), Standing::Sound, "reading changes nothing");
            change(&folder.path().join("root"));
            assert!(matches!(check(folder.path(), &image), Standing::Changed(_)), "change {number}");
        }
        assert_eq!(check(Path::new("/nowhere/at/all"), &image), Standing::Missing);
    }

    #[test]
    fn a_seal_is_a_file_of_ones_own_that_is_no_link() {
        let image = Digest::of(b"image");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("root")).unwrap();
        write(folder.path(), &image).unwrap();
        std::fs::rename(folder.path().join("done"), folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", folder.path().join("done")).unwrap();
        assert!(matches!(check(folder.path(), &image), Standing::Changed(_)));
    }
}

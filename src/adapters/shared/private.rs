//! Shared: folders and files that are one person's alone, whatever the umask.
//!
//! Two folders are closed at every start ([`home`]): nobody else may look into them, and nobody else may put another
//! folder into their place. Whatever is below is behind them; files there are for their owner only all the same.

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions, Permissions},
    hash::{BuildHasher, Hasher, RandomState},
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
};

use crate::core::base::error::{During, Error, Kind, Result};

/// How long somebody waits for a lock that others hold for moments only.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often a lock that is held is tried again.
const AGAIN: Duration = Duration::from_millis(20);

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A number that was never there, as 16 hexadecimal digits: for names that no other process and no other node has.
pub fn random() -> String {
    // Seeded by the system. A random number of the cryptography's own would cost every start 30 ms: it tests itself first.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Makes a folder of this person's where it is missing, closes it to everybody else, and refuses it where somebody else
/// owns it or could exchange it: owns a folder above it, or may write to one (unless that is sticky, like `/tmp`).
pub fn home(path: &Path) -> Result<()> {
    let what = format!("use {}", path.display());
    let path = std::path::absolute(path).during(&what)?;
    if made(&path, &what).is_err() && !path.exists() {
        // An account without a home can look at things all the same: what cannot be made keeps nothing that others could
        // read. Whoever writes there says so.
        let there: Vec<&Path> = path.ancestors().skip(1).filter(|above| above.exists()).collect();
        tracing::warn!(path = %path.display(), "a folder of one's own cannot be made: nothing is kept");
        return there.into_iter().try_for_each(|above| passable(above, &what));
    }
    let real = path.canonicalize().during(&what)?;
    // A link above counts as much as what it points to.
    for above in path.ancestors().skip(1).chain(real.ancestors().skip(1)) {
        passable(above, &what)?;
    }
    let link = path.symlink_metadata().during(&what)?;
    if link.file_type().is_symlink() && !mine_or_roots(&link) {
        return Err(refused(&what, format!("it is a link of user {}", link.uid())));
    }
    close(&real, &what)
}

/// Makes a folder below a [`home`], with those above it that are missing, closed to everybody else.
pub fn folder(path: &Path) -> Result<()> {
    let what = format!("make {}", path.display());
    made(path, &what)?;
    close(path, &what)
}

fn made(path: &Path, what: &str) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).during(what)
}

fn close(path: &Path, what: &str) -> Result<()> {
    let meta = path.symlink_metadata().during(what)?;
    if !meta.is_dir() {
        return Err(Error::failed(what, format!("{} is no folder", path.display())));
    }
    if meta.uid() != me() {
        return Err(refused(what, format!("it belongs to user {}", meta.uid())));
    }
    if meta.mode() & 0o7777 == 0o700 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o700)).during(what)?;
    // Some file systems take any mode and keep none.
    if path.symlink_metadata().during(what)?.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(refused(what, "others could use it, and its file system does not let that be changed"))
}

/// Whether a folder is this person's and closed to everybody else.
pub fn is_closed(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|meta| meta.uid() == me() && meta.mode() & 0o077 == 0)
}

/// Refuses a folder in which somebody else could put another one into the place of what is below.
fn passable(folder: &Path, what: &str) -> Result<()> {
    let link = folder.symlink_metadata().during(what)?;
    if !mine_or_roots(&link) {
        return Err(refused(what, format!("{} belongs to user {}", folder.display(), link.uid())));
    }
    if link.file_type().is_symlink() {
        // What it points to is one of the real folders above.
        return Ok(());
    }
    let mode = link.mode();
    // A group of one's own has the number of its user, by the custom of those systems that make them.
    let own_group = link.gid() == 0 || (link.gid() == me() && link.gid() == rustix::process::getegid().as_raw());
    let by_others = mode & 0o002 != 0 || (mode & 0o020 != 0 && !own_group);
    if by_others && mode & 0o1000 == 0 {
        return Err(refused(what, format!("others may write to {}", folder.display())));
    }
    Ok(())
}

fn mine_or_roots(meta: &Metadata) -> bool {
    meta.uid() == me() || meta.uid() == 0
}

fn refused(what: &str, why: impl Into<String>) -> Error {
    Error::new(Kind::NotAllowed, what, format!("{}: others could change what is run and kept there", why.into()))
        .hint("choose folders that only you can write to (WHARF_CACHE_DIR and WHARF_STATE_DIR, or cache_dir and state_dir), or take that right away")
}

/// Makes the folder that a file goes into, wherever somebody wants it: in one that is closed to others it is closed, too;
/// elsewhere the umask says who may use it.
pub fn parent_of(file: &Path) -> Result<()> {
    let Some(parent) = file.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) else {
        return Ok(());
    };
    let what = format!("make {}", parent.display());
    match parent.ancestors().find(|above| above.exists()) {
        Some(above) if is_closed(above) => made(parent, &what),
        _ => std::fs::create_dir_all(parent).during(what),
    }
}

/// The permissions of a new file, by the folder that it goes into; as in [`parent_of`].
pub fn mode_of(file: &Path) -> u32 {
    if file.parent().is_some_and(is_closed) { 0o600 } else { 0o666 }
}

/// Opens a file for this person only; one that is there is closed to others. `how` says what it is opened for.
pub fn open(path: &Path, how: impl FnOnce(&mut OpenOptions) -> &mut OpenOptions) -> Result<File> {
    let what = format!("open {}", path.display());
    let mut options = OpenOptions::new();
    // Neither a link nor a pipe is waited for.
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = how(options.mode(0o600).custom_flags(flags.bits().cast_signed())).open(path).during(&what)?;
    let meta = file.metadata().during(&what)?;
    if !meta.is_file() {
        return Err(Error::failed(what, "it is no file"));
    }
    if meta.uid() != me() {
        return Err(Error::new(Kind::NotAllowed, what, format!("it belongs to user {}", meta.uid()))
            .hint("move it away; a new one is made"));
    }
    if meta.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600)).during(&what)?;
    }
    Ok(file)
}

/// A name beside `path` that nobody else uses, for what becomes `path` when it is whole.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.{ending}", random()));
    path.with_file_name(name)
}

/// Writes a file that only its owner reads: whole or not at all, and on the disk when this comes back.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = format!("write {}", path.display());
    let partial = beside(path, "partial");
    let written = open(&partial, |options| options.write(true).create_new(true)).and_then(|mut file| {
        file.write_all(bytes).and_then(|()| file.sync_all()).during(&what)?;
        std::fs::rename(&partial, path).during(&what)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// Takes the lock of a file, which is held until the file is closed; nobody waits longer than `patience`. On a file
/// system without locks nothing is held: what is done under a lock must not be wrong without it, only costlier.
pub fn lock(file: &File, patience: Duration, what: &str) -> Result<()> {
    let end = Instant::now() + patience;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < end => std::thread::sleep(AGAIN),
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::new(Kind::Unavailable, what, "another Wharf holds its lock")
                    .hint("try again; if none runs, look for a process that has the file open"));
            }
            Err(Errno::INTR) => {}
            Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => return Ok(()),
            Err(error) => return Err(Error::failed(what, error)),
        }
    }
}

/// A folder that is removed, with all in it, when this is dropped, unless it was kept.
pub struct Scratch(Option<PathBuf>);

impl Scratch {
    /// Makes a folder that is not there yet.
    pub fn make(path: PathBuf) -> Result<Self> {
        DirBuilder::new().mode(0o700).create(&path).during(format!("make {}", path.display()))?;
        Ok(Self(Some(path)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Gives it another name; it is removed under that one.
    pub fn rename(&mut self, name: PathBuf) -> std::io::Result<()> {
        std::fs::rename(self.path(), &name)?;
        self.0 = Some(name);
        Ok(())
    }

    /// Gives it its name, under which it stays.
    pub fn keep_as(&mut self, name: &Path) -> std::io::Result<()> {
        std::fs::rename(self.path(), name)?;
        self.0 = None;
        Ok(())
    }
}

/// Removes a folder with all below it, also where a program has closed folders in it to their owner.
pub fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            opened(folder)?;
            std::fs::remove_dir_all(folder)
        }
        other => other,
    }
}

/// Lets the owner into a folder and all folders below it. Links are not followed.
fn opened(folder: &Path) -> std::io::Result<()> {
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                left.push(entry.path());
            }
        }
    }
    Ok(())
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(path) = self.0.take() else { return };
        if let Err(error) = remove(&path) {
            tracing::warn!(%error, path = %path.display(), "a working folder stays; it is removed later");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn a_home_is_closed_at_every_start_and_its_files_are_for_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        home(&path).unwrap();
        assert_eq!((mode(&path), mode(&folder.path().join("a"))), (0o700, 0o700));
        std::fs::set_permissions(&path, Permissions::from_mode(0o1777)).unwrap();
        home(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        let file = path.join("file");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        open(&file, |options| options.append(true)).unwrap();
        assert_eq!(mode(&file), 0o600);
        write(&path.join("new"), b"y").unwrap();
        assert_eq!((mode(&path.join("new")), std::fs::read_dir(&path).unwrap().count()), (0o600, 2));
        std::os::unix::fs::symlink("/dev/null", path.join("link")).unwrap();
        assert!(open(&path.join("link"), |options| options.append(true)).is_err(), "a link is not followed");
    }

    #[test]
    fn a_home_that_others_could_exchange_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        for (bits, fine) in [(0o777, false), (0o1777, true), (0o757, false), (0o755, true)] {
            std::fs::set_permissions(&open, Permissions::from_mode(bits)).unwrap();
            let told = home(&open.join("deep/er"));
            assert_eq!(told.is_ok(), fine, "{bits:o}: {told:?}");
            if let Err(error) = told {
                assert!(error.kind == Kind::NotAllowed && error.why.contains("others may write"), "{error}");
            }
        }
        if rustix::process::geteuid().is_root() {
            let theirs = folder.path().join("theirs");
            std::fs::create_dir(&theirs).unwrap();
            std::os::unix::fs::chown(&theirs, Some(12_345), None).unwrap();
            for path in [theirs.clone(), theirs.join("below")] {
                assert!(home(&path).unwrap_err().why.contains("belongs to user 12345"));
            }
        }
    }

    #[test]
    fn what_was_not_kept_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(folder.path().join("one")).unwrap();
        std::fs::create_dir_all(scratch.path().join("a/b")).unwrap();
        drop(scratch);
        let mut kept = Scratch::make(folder.path().join("two")).unwrap();
        kept.keep_as(&folder.path().join("three")).unwrap();
        drop(kept);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

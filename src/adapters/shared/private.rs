//! Folders and files that only this user may use, whatever the umask is.
//!
//! Two folders are closed at every start ([`home`]): other users may not look into them, and cannot replace them. What
//! is below is protected by them; nevertheless its files have owner-only permissions too.

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions, Permissions},
    hash::{BuildHasher, Hasher, RandomState},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{Access, CWD, FlockOperation, Mode, OFlags, RenameFlags, access, flock, openat, renameat_with},
    io::Errno,
};

use wharf_core::base::error::{During, Error, Kind, Result};

/// How long to wait for a lock that is usually held for moments only.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The time between two attempts to take a lock.
const AGAIN: Duration = Duration::from_millis(20);

/// The user that this program runs as.
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this program runs as root, as which whatever it starts runs too.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A random number as 16 hexadecimal digits, for names that no other process or machine uses.
pub fn random() -> String {
    // Seeded by the system. The cryptography library's random numbers would cost 30 ms at every start for its self
    // test.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Creates this user's folder if it is missing and closes it to other users. Fails if another user owns it or could
/// replace it: by owning a folder above it, or by writing to one (unless that is sticky, like `/tmp`).
pub fn home(path: &Path) -> Result<()> {
    let what = format!("use {}", path.display());
    let path = std::path::absolute(path).during(&what)?;
    if create(&path, &what).is_err() && !path.exists() {
        // An account without a home folder can still look at things: nothing is kept that others could read. Whatever
        // writes there reports its own failure.
        let there: Vec<&Path> = path.ancestors().skip(1).filter(|above| above.exists()).collect();
        tracing::warn!(path = %path.display(), "a folder of one's own cannot be made: nothing is kept");
        return there.into_iter().try_for_each(|above| check_parents(above, &what));
    }
    let real = path.canonicalize().during(&what)?;
    // The real folders count as well as the links to them.
    for above in path.ancestors().skip(1).chain(real.ancestors().skip(1)) {
        check_parents(above, &what)?;
    }
    let link = path.symlink_metadata().during(&what)?;
    if link.file_type().is_symlink() && !is_mine_or_roots(&link) {
        return Err(refused(&what, format!("it is a link of user {}", link.uid())));
    }
    close(&real, &what)
}

/// Why nothing can be kept in this user's folder; `None` if something can.
pub fn keeps_nothing(path: &Path) -> Option<String> {
    let what = "use a folder of one's own";
    let made = create(path, what);
    made.and_then(|()| access(path, Access::WRITE_OK | Access::EXEC_OK).during(what)).err().map(|error| error.why)
}

/// Whether this user can keep files in a folder that is there.
pub fn keeps(folder: &Path) -> bool {
    folder.is_dir() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// The folder into which images of machines are put: one in which images are listed, if this user can keep files there.
pub fn images(listed: &[PathBuf], state: &Path) -> PathBuf {
    let own = listed.iter().find(|folder| keeps(folder)).or(listed.last());
    own.cloned().unwrap_or_else(|| state.join("images"))
}

/// Creates a folder below a [`home`], and missing ones above it, closed to other users.
pub fn folder(path: &Path) -> Result<()> {
    let what = format!("make {}", path.display());
    create(path, &what)?;
    close(path, &what)
}

fn create(path: &Path, what: &str) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).during(what)
}

fn close(path: &Path, what: &str) -> Result<()> {
    let meta = path.symlink_metadata().during(what)?;
    if !meta.is_dir() {
        return Err(Error::failed(what, format!("{} is no folder", path.display())));
    }
    if meta.uid() != user_id() {
        return Err(refused(what, format!("it belongs to user {}", meta.uid())));
    }
    if meta.mode() & 0o7777 == 0o700 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o700)).during(what)?;
    // Some file systems accept every mode and store none.
    if path.symlink_metadata().during(what)?.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(refused(what, "others could use it, and its file system does not let that be changed"))
}

/// Whether this user owns a folder and others have no access to it.
pub fn is_closed(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|meta| meta.uid() == user_id() && meta.mode() & 0o077 == 0)
}

/// Fails if another user could replace what is below this folder.
fn check_parents(folder: &Path, what: &str) -> Result<()> {
    let link = folder.symlink_metadata().during(what)?;
    if !is_mine_or_roots(&link) {
        return Err(refused(what, format!("{} belongs to user {}", folder.display(), link.uid())));
    }
    if link.file_type().is_symlink() {
        // The target of the link is checked as one of the real folders.
        return Ok(());
    }
    let mode = link.mode();
    if others_write(&link) && mode & 0o1000 == 0 {
        return Err(refused(what, format!("others may write to {}", folder.display())));
    }
    Ok(())
}

/// Whether somebody besides this user and root may write to a file or folder, by its rights.
pub fn others_write(meta: &Metadata) -> bool {
    // By custom, a user's own group has the same number as the user.
    let own_group = meta.gid() == 0 || (meta.gid() == user_id() && meta.gid() == rustix::process::getegid().as_raw());
    meta.mode() & 0o002 != 0 || (meta.mode() & 0o020 != 0 && !own_group)
}

/// Whether a file or folder belongs to this user or to root.
pub fn is_mine_or_roots(meta: &Metadata) -> bool {
    meta.uid() == user_id() || meta.uid() == 0
}

/// Whether only this user, or root, can write to an open file.
pub fn is_ours(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| is_mine_or_roots(&meta) && meta.mode() & 0o022 == 0)
}

fn refused(what: &str, why: impl Into<String>) -> Error {
    Error::new(Kind::NotAllowed, what, format!("{}: others could change what is run and kept there", why.into()))
        .hint("choose folders that only you can write to (WHARF_CACHE_DIR and WHARF_STATE_DIR, or cache_dir and state_dir), or take that right away")
}

/// Creates the folder for a file, wherever it is wanted. In a folder that is closed to others it is closed too;
/// elsewhere the umask decides.
pub fn make_parent(file: &Path) -> Result<()> {
    let Some(parent) = file.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) else {
        return Ok(());
    };
    let what = format!("make {}", parent.display());
    match parent.ancestors().find(|above| above.exists()) {
        Some(above) if is_closed(above) => create(parent, &what),
        _ => std::fs::create_dir_all(parent).during(what),
    }
}

/// Opens a folder of this user, into which nobody else could have put anything; `None` where none is there. Its name may
/// be known to others who may write beside it.
///
/// # Errors
/// `NotAllowed` where it is a link, belongs to another user, or others may write to it.
pub fn own_folder(path: &Path) -> Result<Option<File>> {
    let what = format!("use {}", path.display());
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let theirs = |why: String| {
        Error::new(Kind::NotAllowed, &what, format!("{why}: others could put something there"))
            .hint("choose another name, or move it away")
    };
    let folder = match openat(CWD, path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR) => return Err(theirs("it is a link, or no folder".to_owned())),
        Err(Errno::ACCESS) => return Err(theirs("it belongs to another user".to_owned())),
        opened => File::from(opened.during(&what)?),
    };
    let meta = folder.metadata().during(&what)?;
    match meta.uid() {
        other if other != user_id() => Err(theirs(format!("it belongs to user {other}"))),
        _ if others_write(&meta) && keeps_modes(&folder, &meta) => Err(theirs("others may write to it".to_owned())),
        _ => Ok(Some(folder)),
    }
}

/// Whether a file system keeps who may do what; some of other systems say the same of everything.
fn keeps_modes(folder: &File, meta: &Metadata) -> bool {
    let closed = folder.set_permissions(Permissions::from_mode(0o700));
    let keeps = closed.is_err() || !folder.metadata().is_ok_and(|meta| others_write(&meta));
    // What others could fill stays so to be seen, and is refused the next time as well.
    let _ = folder.set_permissions(meta.permissions());
    keeps
}

/// Makes a folder that is closed to others, or takes up the one that an earlier run of this user has made, wherever it is
/// wanted. Errors: those of [`own_folder`].
pub fn working_folder(path: &Path) -> Result<()> {
    let what = format!("make {}", path.display());
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error).during(what),
        _ => {}
    }
    let folder = own_folder(path)?.ok_or_else(|| Error::failed(&what, "it was removed meanwhile").hint("try again"))?;
    if folder.metadata().during(&what)?.mode() & 0o077 == 0 {
        return Ok(());
    }
    folder.set_permissions(Permissions::from_mode(0o700)).during(what)
}

/// The permissions of a new file, which depend on its folder as in [`make_parent`].
pub fn file_mode(file: &Path) -> u32 {
    if file.parent().is_some_and(is_closed) { 0o600 } else { 0o666 }
}

/// Creates a file that is not there yet, with the permissions of [`file_mode`].
pub fn new_file(path: &Path, what: &str) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(file_mode(path)).open(path).during(what)
}

/// Opens a file for this user only; an existing file is closed to others. `how` sets what it is opened for.
pub fn open(path: &Path, how: impl FnOnce(&mut OpenOptions) -> &mut OpenOptions) -> Result<File> {
    let what = format!("open {}", path.display());
    let mut options = OpenOptions::new();
    // Links are refused, and opening a pipe does not wait.
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = how(options.mode(0o600).custom_flags(flags.bits().cast_signed())).open(path).during(&what)?;
    let meta = file.metadata().during(&what)?;
    if !meta.is_file() {
        return Err(Error::failed(what, "it is no file"));
    }
    if meta.uid() != user_id() {
        return Err(Error::new(Kind::NotAllowed, what, format!("it belongs to user {}", meta.uid()))
            .hint("move it away; a new one is made"));
    }
    if meta.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600)).during(&what)?;
    }
    Ok(file)
}

/// Gives a file its name, unless something has that name: nothing is written over. Errors: `AlreadyExists`.
pub fn put_new(from: &Path, to: &Path) -> std::io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot do that at once.
        Err(Errno::INVAL | Errno::NOSYS) => std::fs::hard_link(from, to).and_then(|()| std::fs::remove_file(from)),
        other => other.map_err(std::io::Error::from),
    }
}

/// An unused name beside `path`, for a file that becomes `path` when it is complete.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.{ending}", random()));
    path.with_file_name(name)
}

/// Writes a file that only its owner may read: completely or not at all, and on the disk when this returns.
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

/// The same, in a folder below a [`home`] that is made where it is missing.
pub fn write_with_folder(path: &Path, bytes: &[u8]) -> Result<()> {
    path.parent().map_or(Ok(()), folder)?;
    write(path, bytes)
}

/// The bytes of a file of this person that has at most `most` bytes.
pub fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    let file = open(path, |options| options.read(true)).ok()?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).ok()?;
    Some(bytes).filter(|bytes| bytes.len() as u64 <= most)
}

/// How an attempt to lock a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// It is locked until it is closed.
    Locked,
    /// Another program has it.
    Busy,
    /// This file system has no locks.
    Unsupported,
}

/// Locks a file until it is closed, waiting for at most `patience`; with `shared`, others may lock it so, too.
pub fn try_lock(file: &File, patience: Duration, shared: bool, what: &str) -> Result<Locking> {
    let end = Instant::now() + patience;
    let how = if shared { FlockOperation::NonBlockingLockShared } else { FlockOperation::NonBlockingLockExclusive };
    loop {
        match flock(file, how) {
            Err(Errno::WOULDBLOCK) if Instant::now() < end => std::thread::sleep(AGAIN),
            Err(Errno::WOULDBLOCK) => return Ok(Locking::Busy),
            Err(Errno::INTR) => {}
            Ok(()) => return Ok(Locking::Locked),
            Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => return Ok(Locking::Unsupported),
            Err(error) => return Err(Error::failed(what, error)),
        }
    }
}

/// Locks a file until it is closed, waiting for at most `patience`. On a file system without locks nothing is locked:
/// work under a lock must be correct without it, only slower.
pub fn lock(file: &File, patience: Duration, what: &str) -> Result<()> {
    match try_lock(file, patience, false, what)? {
        Locking::Busy => Err(Error::new(Kind::Unavailable, what, "another Wharf holds its lock")
            .hint("try again; if none runs, look for a process that has the file open")),
        Locking::Locked | Locking::Unsupported => Ok(()),
    }
}

/// A folder that is removed with all its content when this is dropped, unless it was kept.
pub struct Scratch(Option<PathBuf>);

impl Scratch {
    /// Creates a folder that does not exist yet.
    pub fn make(path: PathBuf) -> Result<Self> {
        DirBuilder::new().mode(0o700).create(&path).during(format!("make {}", path.display()))?;
        Ok(Self(Some(path)))
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Renames the folder; it is still removed when this is dropped.
    pub fn rename(&mut self, name: PathBuf) -> std::io::Result<()> {
        std::fs::rename(self.path(), &name)?;
        self.0 = Some(name);
        Ok(())
    }

    /// Renames the folder and keeps it.
    pub fn keep_as(&mut self, name: &Path) -> std::io::Result<()> {
        std::fs::rename(self.path(), name)?;
        self.0 = None;
        Ok(())
    }
}

/// Removes a folder with all its content, even if a program has taken the owner's permissions away in it.
pub fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            opened(folder)?;
            std::fs::remove_dir_all(folder)
        }
        other => other,
    }
}

/// Gives the owner access to a folder and all folders below it. Links are not followed.
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
        if is_root() {
            let theirs = folder.path().join("theirs");
            std::fs::create_dir(&theirs).unwrap();
            std::os::unix::fs::chown(&theirs, Some(12_345), None).unwrap();
            for path in [theirs.clone(), theirs.join("below")] {
                assert!(home(&path).unwrap_err().why.contains("belongs to user 12345"));
            }
        }
    }

    #[test]
    fn a_working_folder_is_this_users_alone_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.partial");
        assert!(own_folder(&path).unwrap().is_none());
        working_folder(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        working_folder(&path).unwrap();
        assert_eq!(mode(&path), 0o700, "one of an earlier run is taken up");
        std::fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        let link = folder.path().join("link.partial");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        // However often it is tried.
        for refused in [&path, &link, &path, &link] {
            assert_eq!(working_folder(refused).unwrap_err().kind, Kind::NotAllowed);
        }
        assert_eq!(mode(&path), 0o777, "and is left as it is");
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

//! Files that arrive in pieces: begun under another name, and continued by a later try.

use std::{
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::OFlags;

use super::private;
use wharf_core::base::{
    digest::Hasher,
    error::{During, Error, Kind, Result},
};

/// The file in which another arrives: the same name each time, so that a later try goes on from there.
pub fn of(file: &Path) -> PathBuf {
    file.with_file_name(format!("{}.partial", file.file_name().unwrap_or_default().to_string_lossy()))
}

/// Gives a file that arrived its name, while it is still locked; `over` says whether it may replace another.
///
/// # Errors
/// `Integrity` where another file lies under the partial name by now; `AlreadyExists` where something is there that must
/// stay.
pub fn put(file: &std::fs::File, partial: &Path, to: &Path, over: bool, what: &str) -> Result<()> {
    if !leads_to(partial, file) {
        return Err(Error::new(Kind::Integrity, what, "somebody put another file in its place while it arrived")
            .hint("use a folder that others cannot write to"));
    }
    if over { std::fs::rename(partial, to) } else { private::put_new(partial, to) }.during(what)
}

/// Whether this is a file that only this user can have begun. Its name is known, and others may write into its folder:
/// what is no plain file, has another name besides, or belongs to somebody else does not count.
fn is_own(meta: &std::fs::Metadata) -> bool {
    meta.is_file() && meta.uid() == private::user_id() && meta.nlink() == 1
}

/// How a file that may be somebody else's is opened: no link is followed, and no pipe is waited for.
fn carefully() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

/// Removes a file that this user has begun, unless somebody writes it now.
pub fn remove(partial: &Path) {
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(carefully()).open(partial);
    if let Ok(file) = opened
        && file.metadata().is_ok_and(|meta| is_own(&meta))
        && private::lock(&file, Duration::ZERO, "remove a file").is_ok()
        && leads_to(partial, &file)
    {
        let _ = std::fs::remove_file(partial);
    }
}

/// Whether a path leads to this open file.
pub fn leads_to(path: &Path, file: &std::fs::File) -> bool {
    path.symlink_metadata()
        .is_ok_and(|meta| file.metadata().is_ok_and(|own| own.ino() == meta.ino() && own.dev() == meta.dev()))
}

/// The file that an earlier run has begun, with the hash of its bytes, at most the first `most`; a new one where there is
/// none. `None` while another transfer writes it. What is not this user's own plain file is not continued but replaced.
pub fn continued(
    path: &Path,
    most: u64,
    mut hasher: Hasher,
    what: &str,
) -> Result<Option<(std::fs::File, Hasher, u64)>> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).mode(private::file_mode(path));
    let there = options.clone().custom_flags(carefully()).open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (mut file, most) = match there {
        Ok((meta, file)) if is_own(&meta) => (file, most),
        _ => {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).during(what),
                _ => {}
            }
            match options.create_new(true).open(path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(None),
                made => (made.during(what)?, 0),
            }
        }
    };
    if let Err(error) = private::lock(&file, Duration::ZERO, what) {
        return if error.kind == Kind::Unavailable { Ok(None) } else { Err(error) };
    }
    // Whoever held the lock may have given the file its name, or removed it.
    if !leads_to(path, &file) {
        return Ok(None);
    }
    let have = most.min(file.metadata().during(what)?.len());
    hasher.update_from((&mut file).take(have)).during(what)?;
    Ok(Some((file, hasher, have)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::base::digest::Digest;

    #[test]
    fn a_begun_file_is_continued_only_if_nobody_else_had_a_hand_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let (begun, own) = (folder.path().join("x.partial"), folder.path().join("own"));
        let take = |have: u64| continued(&begun, have, Digest::of(b"").hasher(), "write").map(|begun| begun.unwrap().2);
        std::fs::write(&begun, b"half").unwrap();
        assert_eq!((take(2).unwrap(), take(9).unwrap()), (2, 4));
        // A link in its place, or another name of the same file, leads to what is not ours to write.
        std::fs::write(&own, b"precious").unwrap();
        std::fs::remove_file(&begun).unwrap();
        std::os::unix::fs::symlink(&own, &begun).unwrap();
        assert_eq!(take(8).unwrap(), 0);
        std::fs::remove_file(&begun).unwrap();
        std::fs::hard_link(&own, &begun).unwrap();
        assert_eq!(take(8).unwrap(), 0);
        assert_eq!(std::fs::read(&own).unwrap(), b"precious");
    }

    #[test]
    fn only_what_this_user_has_begun_is_removed_and_a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (begun, pipe) = (folder.path().join("x.partial"), folder.path().join("pipe.partial"));
        std::fs::write(&begun, b"half").unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o644),
            0,
        )
        .unwrap();
        remove(&begun);
        remove(&pipe);
        assert!(!begun.exists() && pipe.exists());
    }
}

//! The log of a workload, in numbered parts of limited size of which the newest are kept, and its exit code, for which
//! space is reserved before anything else is written.

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
};

use crate::shared::private;
use wharf_core::base::{
    error::{During, Result},
    small_file,
};

/// Size of a part in bytes. At most two parts are kept; older output is dropped.
pub const PART: u64 = 32 << 20;
/// How long output is dropped after the disk was full, before writing is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// The file with the exit code.
pub(super) const EXIT: &str = "exit";
/// Blanks in the place of the exit code: as many bytes as any exit code needs.
const BLANK: &[u8; 16] = b"               \n";

/// The existing parts with their numbers, oldest first.
pub fn parts(folder: &Path) -> Vec<(u64, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut parts: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.strip_prefix("log.")?.parse().ok()?, entry.path())))
        .collect();
    parts.sort();
    parts
}

/// The line that is printed in place of dropped output.
pub fn dropped() -> String {
    format!("\n[wharf: older output was dropped: a log keeps the last {} to {} MiB]\n", PART >> 20, PART >> 19)
}

/// Writes the output of a program.
pub struct Log {
    folder: PathBuf,
    number: u64,
    file: Option<File>,
    size: u64,
    lost: u64,
    tried: Option<Instant>,
}

impl Log {
    /// A log in a folder; one that is there goes on.
    pub fn new(folder: &Path) -> Self {
        let number = parts(folder).last().map_or(0, |(number, _)| *number);
        let mut log = Self { folder: folder.to_owned(), number, file: None, size: 0, lost: 0, tried: None };
        log.file = log.open();
        log
    }

    /// Writes everything until the output ends. If the disk is full, output is lost but the program continues.
    pub fn copy_from(&mut self, mut from: impl Read) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return self.finish(),
                Ok(count) => self.put(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return self.finish(),
            }
        }
    }

    /// Writes bytes, or counts them as lost.
    pub fn put(&mut self, bytes: &[u8]) {
        if self.lost > 0 {
            if self.tried.is_some_and(|tried| tried.elapsed() < AGAIN) {
                self.lost += bytes.len() as u64;
                return;
            }
            let said = format!("\n[wharf: {} bytes of output were lost: no room on the disk]\n", self.lost);
            if !self.write(said.as_bytes()) {
                self.lost += bytes.len() as u64;
                return;
            }
            self.lost = 0;
        }
        if !self.write(bytes) {
            self.lost += bytes.len() as u64;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        if self.size >= PART {
            self.rotate();
        }
        if self.file.is_none() {
            self.file = self.open();
        }
        let written = self.file.as_mut().is_some_and(|file| file.write_all(bytes).is_ok());
        self.size = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(self.size, |meta| meta.len());
        self.tried = (!written).then(Instant::now);
        written
    }

    /// Begins the next part, and removes the one before the last.
    fn rotate(&mut self) {
        if let Some(old) = self.number.checked_sub(1) {
            let _ = std::fs::remove_file(self.part(old));
        }
        self.number += 1;
        self.size = 0;
        self.file = self.open();
    }

    fn finish(&mut self) {
        self.tried = None;
        if self.lost > 0 {
            self.put(b"");
        }
    }

    fn part(&self, number: u64) -> PathBuf {
        self.folder.join(format!("log.{number}"))
    }

    fn open(&self) -> Option<File> {
        private::open(&self.part(self.number), |options| options.create(true).append(true)).ok()
    }
}

/// The reserved place of an exit code, on the disk before the program starts. It is locked for as long as the keeper is
/// there, however it ends.
pub struct Exit(File);

impl Exit {
    /// Reserves the place in a workload's folder; fails if the disk is full.
    pub fn reserve(folder: &Path) -> Result<Self> {
        let what = format!("make room for the exit code in {}", folder.display());
        // It is empty until it is locked, by which a keeper that begins is told from one that is gone.
        let file = private::open(&folder.join(EXIT), |options| options.create(true).truncate(false).write(true))?;
        // Whoever looks whether a keeper is there holds the lock for a moment.
        private::lock(&file, private::PATIENCE, &what)?;
        file.write_all_at(BLANK, 0).during(&what)?;
        file.set_len(BLANK.len() as u64).during(&what)?;
        file.sync_all().during(what)?;
        Ok(Self(file))
    }

    /// Writes the exit code. If that fails even in the reserved place, as on file systems that never write in place,
    /// the log is removed to make room.
    pub fn write(&self, folder: &Path, code: i32) -> Result<()> {
        let what = format!("write the exit code in {}", folder.display());
        let text = format!("{code:<15}\n");
        let write = || self.0.write_all_at(text.as_bytes(), 0).and_then(|()| self.0.sync_all());
        if write().is_ok() {
            return Ok(());
        }
        for (_, part) in parts(folder) {
            let _ = File::options().write(true).open(part).and_then(|file| file.set_len(0));
            if write().is_ok() {
                return Ok(());
            }
        }
        write().during(what)
    }
}

/// What is known of the keeper of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeeperState {
    /// It is there on this node, so that an exit code will still come.
    There,
    /// It was there and is gone: no other exit code will come than what is written.
    Gone,
    /// It has not begun yet, or the file system has no locks.
    Unknown,
}

/// What is known of the keeper of the workload in a folder.
pub fn keeper(folder: &Path) -> KeeperState {
    let opened = open(folder.join(EXIT), OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let Ok(file) = opened else { return KeeperState::Unknown };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => KeeperState::There,
        Ok(()) if rustix::fs::fstat(&file).is_ok_and(|stat| stat.st_size > 0) => KeeperState::Gone,
        _ => KeeperState::Unknown,
    }
}

/// Whether the keeper of a workload is there on this node, so that an exit code will still come.
pub fn is_kept(folder: &Path) -> bool {
    keeper(folder) == KeeperState::There
}

/// The exit code, if the workload has ended.
pub fn exit_code(folder: &Path) -> Option<i64> {
    small_file::text(folder.join(EXIT)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_is_seen_until_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_kept(folder.path()));
        let exit = Exit::reserve(folder.path()).unwrap();
        assert!(is_kept(folder.path()) && exit_code(folder.path()).is_none());
        drop(exit);
        assert_eq!(keeper(folder.path()), KeeperState::Gone);
    }

    #[test]
    fn a_keeper_that_begins_waits_for_whoever_looks() {
        let folder = tempfile::tempdir().unwrap();
        let looking = File::create(folder.path().join("exit")).unwrap();
        assert_eq!(keeper(folder.path()), KeeperState::Unknown, "it has not begun");
        flock(&looking, FlockOperation::LockShared).unwrap();
        let at = folder.path().to_owned();
        let keeping = std::thread::spawn(move || Exit::reserve(&at).unwrap());
        drop(looking);
        let exit = keeping.join().unwrap();
        assert!(is_kept(folder.path()));
        drop(exit);
    }

    #[test]
    fn a_log_is_bounded_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path());
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..((4 * PART) >> 20) {
            log.put(&chunk);
        }
        log.put(b"the end");
        let parts = parts(folder.path());
        let sizes: u64 = parts.iter().map(|(_, path)| path.metadata().unwrap().len()).sum();
        assert!(parts.len() == 2 && sizes <= 2 * PART + (2 << 20), "{parts:?} {sizes}");
        assert!(std::fs::read(&parts[1].1).unwrap().ends_with(b"the end"));
        assert!(parts[0].0 > 0, "a reader sees that parts are missing");
    }

    #[test]
    fn an_exit_code_needs_no_room_that_was_not_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let exit = Exit::reserve(folder.path()).unwrap();
        let length = folder.path().join("exit").metadata().unwrap().len();
        assert_eq!(exit_code(folder.path()), None);
        exit.write(folder.path(), 137).unwrap();
        assert_eq!(exit_code(folder.path()), Some(137));
        assert_eq!(folder.path().join("exit").metadata().unwrap().len(), length);
    }

    #[test]
    fn output_that_found_no_room_is_counted_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path());
        log.file = File::options().write(true).open("/dev/full").ok();
        log.put(b"lost");
        log.put(b"lost too");
        assert_eq!(log.lost, 12);
        log.file = log.open();
        log.tried = None;
        log.put(b"kept");
        let text = std::fs::read_to_string(folder.path().join("log.0")).unwrap();
        assert!(text.contains("12 bytes of output were lost") && text.ends_with("kept"), "{text}");
    }
}

//! The output of a workload: two files at most, of limited size, of which the older is dropped when the newer is full.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncReadExt;

use super::folder::Kept;
use crate::shared::private;
use wharf_core::{
    base::error::{During, Result},
    ports::ByteStream,
};

/// The most bytes of a part.
const PART: u64 = 32 << 20;
/// The pause between two looks at output that is followed.
const LOOK: Duration = Duration::from_millis(200);

/// The part with this number.
fn part(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("log.{number}"))
}

/// The numbers of the parts that are there, oldest first.
fn parts(folder: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<u64> =
        entries.filter_map(|entry| entry.file_name().to_str()?.strip_prefix("log.")?.parse().ok()).collect();
    all.sort_unstable();
    all
}

/// Writes the output of a program.
pub(super) struct Log {
    folder: PathBuf,
    number: u64,
    size: u64,
    file: Option<File>,
}

impl Log {
    /// A new log in a folder.
    pub(super) fn new(folder: &Path) -> Self {
        let mut log = Self { folder: folder.to_owned(), number: 0, size: 0, file: None };
        log.open();
        log
    }

    fn open(&mut self) {
        let path = part(&self.folder, self.number);
        self.file = private::open(&path, |options| options.create(true).append(true)).ok();
    }

    /// Writes bytes. What finds no room on the disk is lost, and the program goes on.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if self.size >= PART {
            if let Some(old) = self.number.checked_sub(1) {
                let _ = std::fs::remove_file(part(&self.folder, old));
            }
            (self.number, self.size) = (self.number + 1, 0);
            self.open();
        }
        if let Some(file) = &mut self.file {
            let _ = file.write_all(bytes);
        }
        self.size += bytes.len() as u64;
    }

    /// Writes everything until the output ends.
    pub(super) fn copy_from(&mut self, mut from: impl Read) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => self.put(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// Reads the parts, one after the other.
struct Reader {
    folder: PathBuf,
    what: String,
    follow: bool,
    /// The part that is read, and its number.
    open: Option<(u64, tokio::fs::File)>,
    /// Whether the workload was seen to be over: what is there now is all.
    over: bool,
}

/// The output so far, and with `follow` more until the workload is over.
pub(super) fn read(folder: PathBuf, what: String, follow: bool) -> ByteStream {
    Box::pin(stream::try_unfold(Reader { folder, what, follow, open: None, over: false }, Reader::next))
}

impl Reader {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            if let Some((_, file)) = &mut self.open {
                let mut buffer = vec![0; 64 << 10];
                let count = file.read(&mut buffer).await.during(&self.what)?;
                if count > 0 {
                    buffer.truncate(count);
                    return Ok(Some((Bytes::from(buffer), self)));
                }
            }
            let at = self.open.as_ref().map(|(number, _)| *number);
            let folder = self.folder.clone();
            let (there, over) = tokio::task::spawn_blocking(move || (parts(&folder), Kept::is_over(&folder)))
                .await
                .during(&self.what)?;
            if let Some(next) = there.into_iter().find(|number| at.is_none_or(|at| *number > at)) {
                match tokio::fs::File::open(part(&self.folder, next)).await {
                    Ok(file) => self.open = Some((next, file)),
                    // It was dropped at this moment.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    other => drop(other.during(&self.what)?),
                }
                continue;
            }
            if !self.follow || self.over {
                return Ok(None);
            }
            // Output that was written between the last read and the end is still read.
            self.over = over;
            if !over {
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_bounded_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path());
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..(3 * PART) >> 20 {
            log.put(&chunk);
        }
        log.put(b"the end");
        let kept = parts(folder.path());
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert!(std::fs::read(part(folder.path(), kept[1])).unwrap().ends_with(b"the end"));
    }
}

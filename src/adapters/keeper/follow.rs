//! Reading the output that a keeper keeps, also while it is written.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use tokio::{fs, io::AsyncReadExt};
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Error, Result},
    },
    launch::logs::LogRange,
    ports::ByteStream,
};

use super::{log, wait::Changes};
use crate::shared::file_end;

/// The most time between two looks at output that is followed; a change is looked at at once.
const FOLLOW: Duration = Duration::from_millis(200);

/// The output in a folder. If it is to be followed, what is written later too, until `is_ended` says that nothing more
/// will be.
pub fn output(folder: PathBuf, what: String, wanted: LogRange, is_ended: fn(&Path) -> bool) -> ByteStream {
    let reader =
        Reader { folder, what, wanted, is_ended, changes: None, part: None, following: None, lines: 0, ended: false };
    Box::pin(stream::try_unfold(reader, Reader::next))
}

/// Reads the parts of a log, one after the other.
struct Reader {
    folder: PathBuf,
    what: String,
    wanted: LogRange,
    is_ended: fn(&Path) -> bool,
    /// The changes since before the last look, once output is followed.
    changes: Option<Changes>,
    part: Option<(u64, fs::File)>,
    /// The next part, if it exists: then the current one is complete and is read to its end.
    following: Option<(u64, PathBuf)>,
    /// How many of the last lines end in the first part that is read.
    lines: usize,
    ended: bool,
}

/// The part that is read next, of these and after the one with the number `at`: the one in which so many `last` lines begin,
/// if only those are wanted, and how many of them end in it.
fn choose(
    mut parts: Vec<(u64, PathBuf)>,
    at: Option<u64>,
    last: Option<usize>,
) -> std::io::Result<(Option<(u64, PathBuf)>, usize)> {
    let Some(lines) = last else {
        return Ok((parts.into_iter().find(|(number, _)| at.is_none_or(|at| *number > at)), 0));
    };
    let paths: Vec<PathBuf> = parts.iter().map(|(_, path)| path.clone()).collect();
    match file_end::part(&paths, lines) {
        Ok(None) => Ok((None, 0)),
        Ok(Some((number, lines))) => Ok((Some(parts.swap_remove(number)), lines)),
        // One was just removed to make room for newer parts.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((parts.pop(), lines)),
        Err(error) => Err(error),
    }
}

impl Reader {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            let what = self.what.clone();
            if let Some((_, file)) = &mut self.part {
                let mut buffer = vec![0; 64 << 10];
                let count = file.read(&mut buffer).await.during(&what)?;
                if count > 0 {
                    buffer.truncate(count);
                    return Ok(Some((Bytes::from(buffer), self)));
                }
            }
            let at = self.part.as_ref().map(|(number, _)| *number);
            // Where the last lines are enough, the reading begins in the part with the first of them.
            let last = self.wanted.last.filter(|_| at.is_none());
            if let Some((number, path)) = self.following.take() {
                match file_end::open(&path, last.map(|_| self.lines)).await {
                    Ok(file) => self.part = Some((number, file)),
                    // It was just removed to make room for newer parts.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(Error::failed(what, error)),
                }
                if number != at.map_or(0, |at| at + 1) && last.is_none() {
                    return Ok(Some((Bytes::from(log::dropped()), self)));
                }
                continue;
            }
            let folder = self.folder.clone();
            let chosen = blocking(move || choose(log::parts(&folder), at, last)).await.during(&what)?;
            (self.following, self.lines) = chosen.during(&what)?;
            if self.following.is_some() {
                continue;
            }
            if !self.wanted.follow || self.ended {
                return Ok(None);
            }
            let Some(changes) = &mut self.changes else {
                // What was written before it was watched is not told: look once more.
                self.changes = Some(Changes::of(&self.folder));
                continue;
            };
            // Output that was written between the last read and the end is still read.
            let folder = self.folder.clone();
            let is_ended = self.is_ended;
            self.ended = blocking(move || is_ended(&folder)).await.during(&what)?;
            if !self.ended {
                changes.next(FOLLOW).await;
            }
        }
    }
}

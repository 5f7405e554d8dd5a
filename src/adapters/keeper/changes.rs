//! Changes of the folders in which keepers keep what they run: one comes or goes, a program has started or ended.

use std::{
    collections::HashSet,
    io::PipeReader,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use futures_util::stream;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::inotify::{self, CreateFlags, Reader, WatchFlags},
    io::Errno,
};
use tokio::sync::mpsc;
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Result},
    },
    ports::Changes,
};

use super::log;

/// The most folders whose files are watched: each takes memory of the kernel.
const MOST: usize = 1000;

/// What becomes of programs that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// They have ended for good: nothing changes there any more.
    ForGood,
    /// They may be started again.
    MayStart,
}

/// Tells when something changes in a folder that holds a folder for each program. It costs nothing while nothing changes
/// and while programs print. Changes that other machines make in a shared folder are not told.
///
/// # Errors
/// Where the folder does not exist, or the kernel gives this person no more watches.
pub async fn of(folder: PathBuf, ended: Ended, what: &str) -> Result<Changes> {
    let (descriptor, watched) = blocking(move || Watched::begin(folder, ended)).await.during(what)?.during(what)?;
    // The thread ends when the other end of this pipe is closed, which the stream holds.
    let (ends, held) = std::io::pipe().during(what)?;
    // Changes that nobody has looked at yet are told as one.
    let (tell, told) = mpsc::channel(1);
    std::thread::Builder::new()
        .name("folder changes".into())
        .spawn(move || watch(&descriptor, &ends, watched, &tell))
        .during(what)?;
    Ok(Box::pin(stream::unfold((told, held), async |(mut told, held)| Some((told.recv().await?, (told, held))))))
}

/// Tells of changes until nobody wants to know of them any more, or they cannot be read.
fn watch(descriptor: &OwnedFd, ends: &PipeReader, mut watched: Watched, tell: &mpsc::Sender<Result<()>>) {
    loop {
        let mut both = [PollFd::new(descriptor, PollFlags::IN), PollFd::new(ends, PollFlags::IN)];
        match poll(&mut both, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let [events, end] = both.map(|one| one.revents());
        if !end.is_empty() {
            return;
        }
        if !events.is_empty() {
            if let Err(error) = drain(descriptor) {
                let _ = tell.blocking_send(Err(error).during("read the changes of a folder"));
                return;
            }
            watched.add_new(descriptor);
            let _ = tell.try_send(Ok(()));
        }
    }
}

/// Reads all events that are there; what they say is not needed.
fn drain(descriptor: &OwnedFd) -> std::io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(descriptor, &mut buffer);
    loop {
        match reader.next() {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The folders that are watched.
struct Watched {
    folder: PathBuf,
    ended: Ended,
    known: HashSet<PathBuf>,
}

impl Watched {
    fn begin(folder: PathBuf, ended: Ended) -> std::io::Result<(OwnedFd, Self)> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let come_and_go = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&descriptor, &folder, come_and_go)?;
        let mut watched = Self { folder, ended, known: HashSet::new() };
        watched.add_new(&descriptor);
        Ok((descriptor, watched))
    }

    /// Watches the folders of programs that have not ended for good. A keeper closes the note of a process and the exit code when it
    /// has written them; output is not told of, because its file stays open.
    fn add_new(&mut self, descriptor: &OwnedFd) {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let there: HashSet<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_complete(path)).collect();
        self.known.retain(|path| there.contains(path));
        let written = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        for path in there {
            let over = self.ended == Ended::ForGood && log::exit_code(&path).is_some();
            if self.known.len() < MOST && !self.known.contains(&path) && !over {
                match inotify::add_watch(descriptor, &path, written) {
                    Ok(_) => drop(self.known.insert(path)),
                    Err(error) => tracing::debug!(%error, "a folder is not watched"),
                }
            }
        }
    }
}

/// Whether a folder has its final name: until then, it has a dot in it.
fn is_complete(path: &Path) -> bool {
    path.file_name().is_some_and(|name| !name.to_string_lossy().contains('.'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn what_comes_ends_and_goes_is_told_and_output_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = of(folder.path().to_owned(), Ended::ForGood, "watch").await.unwrap();
        let mut told = async || tokio::time::timeout(Duration::from_secs(20), changes.next()).await.unwrap();
        let one = folder.path().join("1764-3f");
        std::fs::create_dir(&one).unwrap();
        assert!(matches!(told().await, Some(Ok(()))));
        let exit = log::Exit::reserve(&one).unwrap();
        let mut log = log::Log::new(&one);
        log.put(b"printed");
        exit.write(&one, 7).unwrap();
        drop(exit);
        assert!(matches!(told().await, Some(Ok(()))), "its exit code");
        std::fs::remove_dir_all(&one).unwrap();
        assert!(matches!(told().await, Some(Ok(()))), "it is gone");
        assert!(of(folder.path().join("nowhere"), Ended::ForGood, "watch").await.is_err());
    }
}

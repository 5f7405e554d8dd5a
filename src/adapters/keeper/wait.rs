//! Waiting until something changes in a folder (inotify(7)), so that nobody has to look again and again.

use std::{os::fd::OwnedFd, path::Path, sync::Arc, time::Duration};
use wharf_core::base::blocking::blocking;

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::inotify::{self, CreateFlags, WatchFlags},
};

/// The changes of a folder's files, from when this was made.
pub(super) struct Changes(Option<Arc<OwnedFd>>);

impl Changes {
    /// Watches a folder. Where the system cannot, time alone passes.
    pub(super) fn of(folder: &Path) -> Self {
        let watch = || {
            let all = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
            let kinds = WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
            inotify::add_watch(&all, folder, kinds).ok()?;
            Some(Arc::new(all))
        };
        Self(watch())
    }

    /// Waits for the next change, at most so long: changes that another machine makes are not told.
    pub(super) async fn next(&mut self, at_most: Duration) {
        let Some(changes) = self.0.clone() else { return tokio::time::sleep(at_most).await };
        // The thread ends with the wait, whoever waits for it.
        let _ = blocking(move || wait(&changes, at_most)).await;
    }
}

fn wait(changes: &OwnedFd, at_most: Duration) {
    let time = Timespec::try_from(at_most).ok();
    let _ = rustix::event::poll(&mut [PollFd::new(changes, PollFlags::IN)], time.as_ref());
    let mut buffer = [0_u8; 4096];
    // What they were is looked up where they are needed.
    while rustix::io::read(changes, &mut buffer).is_ok_and(|count| count > 0) {}
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_change_is_told_at_once_and_others_are_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = Changes::of(folder.path());
        let began = Instant::now();
        std::fs::write(folder.path().join("a"), "1").unwrap();
        changes.next(LONG).await;
        std::fs::write(folder.path().join("a"), "2").unwrap();
        changes.next(LONG).await;
        assert!(began.elapsed() < LONG, "a change was missed");
        Changes::of(folder.path()).next(Duration::from_millis(1)).await;
        Changes::of(Path::new("/nowhere/at/all")).next(Duration::from_millis(1)).await;
    }
}

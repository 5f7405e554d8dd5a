//! A note of where a program runs, by which it is found again.

use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wharf_core::base::{
    error::{During, Result},
    small_file, text,
};

use super::{
    log::{self, KeeperState},
    processes,
};
use crate::shared::private;

/// The name of the note in a folder.
pub(super) const NOTE: &str = "running";

/// How long a keeper may take to begin, in seconds, before it counts as lost: a node may have much to do.
const STARTING: i64 = 90;

/// Why the program of a workload is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unseen {
    /// It has not been started yet.
    Starting,
    /// It has ended, and its keeper has still to write the rest of its output and its exit code.
    Ending,
    /// It has ended meanwhile, with this exit code.
    Ended(i64),
    /// Its keeper is gone: no exit code will come.
    Lost,
}

/// A program that runs, as it was noted when it started, with what its adapter needs to know of it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningProgram<T> {
    /// The number of the process.
    pub pid: u32,
    /// When it started, in clock ticks since boot. Together with the number this identifies the process.
    pub started: u64,
    /// The limits within which it runs, in its adapter's terms.
    pub limits: T,
}

impl<T: Serialize + DeserializeOwned> RunningProgram<T> {
    /// The program of the process with this number.
    pub fn of(pid: u32, limits: T) -> Self {
        Self { pid, started: processes::started(pid).unwrap_or(0), limits }
    }

    /// Writes the note into a folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join(NOTE);
        let text = serde_json::to_vec(self).during(format!("write {}", file.display()))?;
        private::write(&file, &text)
    }

    /// The program that is noted in a folder; `None` if it has ended.
    pub fn find(folder: &Path) -> Option<Self> {
        let running: Self = serde_json::from_slice(&small_file::bytes(folder.join(NOTE)).ok()?).ok()?;
        // The number alone could belong to another process by now.
        (processes::started(running.pid) == Some(running.started)).then_some(running)
    }

    /// Forgets a program that has ended, and how, before it is started again. Nobody else may start it meanwhile.
    pub fn forget(folder: &Path) {
        for name in [NOTE, log::EXIT] {
            let _ = std::fs::remove_file(folder.join(name));
        }
    }

    /// Why no program of a folder without an exit code is seen; `created` is when it was launched, in seconds since 1970.
    pub fn unseen(folder: &Path, created: i64) -> Unseen {
        let began = folder.join(NOTE).exists();
        let early = !began && text::now() - created < STARTING;
        match log::keeper(folder) {
            KeeperState::There if began => Unseen::Ending,
            KeeperState::There => Unseen::Starting,
            KeeperState::Unknown if early => Unseen::Starting,
            // The keeper may have written it and ended since it was looked for.
            KeeperState::Gone | KeeperState::Unknown => log::exit_code(folder).map_or(Unseen::Lost, Unseen::Ended),
        }
    }

    /// Whether the program in a folder ends within five seconds.
    pub async fn ends(folder: &Path) -> bool {
        for _ in 0..100 {
            // The keeper writes the exit code; without a keeper nothing more is written.
            if log::exit_code(folder).is_some() || (Self::find(folder).is_none() && !log::is_kept(folder)) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_that_is_gone_is_told_at_once_and_its_exit_code_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (now, long_ago) = (text::now(), text::now() - 2 * STARTING);
        let unseen = |created| RunningProgram::<()>::unseen(folder.path(), created);
        assert_eq!((unseen(now), unseen(long_ago)), (Unseen::Starting, Unseen::Lost), "no keeper has begun");
        let exit = log::Exit::reserve(folder.path()).unwrap();
        assert_eq!((unseen(now), unseen(long_ago)), (Unseen::Starting, Unseen::Starting));
        drop(exit);
        assert_eq!(unseen(now), Unseen::Lost, "it died before it started anything");
        let exit = log::Exit::reserve(folder.path()).unwrap();
        RunningProgram::of(u32::MAX, ()).write(folder.path()).unwrap();
        assert_eq!(unseen(now), Unseen::Ending);
        exit.write(folder.path(), 3).unwrap();
        drop(exit);
        assert_eq!(unseen(now), Unseen::Ended(3), "it was written since it was looked for");
    }
}

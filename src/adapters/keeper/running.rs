//! A note of where a program runs, by which it is found again.

use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wharf_core::base::{
    error::{During, Result},
    small_file, text,
};

use super::{log, processes};
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

    /// Why no program of a folder without an exit code is seen; `created` is when it was launched, in seconds since 1970.
    pub fn unseen(folder: &Path, created: i64) -> Unseen {
        let began = folder.join(NOTE).exists();
        match (log::is_kept(folder), began) {
            (true, true) => Unseen::Ending,
            (_, false) if text::now() - created < STARTING => Unseen::Starting,
            (true, false) => Unseen::Starting,
            (false, _) => Unseen::Lost,
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

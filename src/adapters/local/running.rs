//! A note of where a sandbox runs, by which it is found again and entered.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{confine::Limits, processes};
use crate::shared::private;
use wharf_core::base::error::{During, Result};

/// A running sandbox, as it was noted when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Running {
    /// The process number of the sandbox program.
    pub pid: u32,
    /// When it started, in clock ticks since boot. Together with the number this identifies the process.
    pub started: u64,
    /// The limits of everything that runs in the sandbox.
    pub limits: Limits,
}

impl Running {
    /// The sandbox of the process with this number.
    pub(super) fn of(pid: u32, limits: Limits) -> Self {
        Self { pid, started: processes::started(pid).unwrap_or(0), limits }
    }

    /// Writes the note into a folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join("running");
        let text = serde_json::to_vec(self).during(format!("write {}", file.display()))?;
        private::write(&file, &text)
    }
}

/// The running sandbox that is noted in a folder; `None` if it has ended.
pub(super) fn running(folder: &Path) -> Option<Running> {
    let running: Running = serde_json::from_slice(&std::fs::read(folder.join("running")).ok()?).ok()?;
    // The number alone could belong to another process by now.
    (processes::started(running.pid) == Some(running.started)).then_some(running)
}

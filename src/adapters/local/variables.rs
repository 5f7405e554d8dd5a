//! A note of where a sandbox runs, by which it is found again and entered.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{confine::Limits, plan, processes};
use crate::shared::private;
use wharf_core::{
    base::{
        error::{During, Result},
        small_file,
    },
    image::model::Foreign,
};

/// A running sandbox, as it was noted when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunningWorkload {
    /// The process number of the sandbox program.
    pub pid: u32,
    /// When it started, in clock ticks since boot. Together with the number this identifies the process.
    pub started: u64,
    /// The limits of everything that runs in the sandbox.
    pub limits: Limits,
}

impl RunningWorkload {
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

/// Adds the variables that whoever starts a process has left in its place for it, `NAME=value` a line: what a scheduler
/// says of the task. Those that are set already stay as they are; without such a file there are none.
pub(super) fn add_variables(place: &Path, environment: &mut Vec<Foreign>) {
    let told = small_file::text(place.join("environment")).unwrap_or_default();
    for (name, value) in told.lines().filter_map(|line| line.split_once('=')) {
        if !plan::has(environment, name) {
            environment.push(Foreign::new(format!("{name}={value}")));
        }
    }
}

/// The running sandbox that is noted in a folder; `None` if it has ended.
pub(super) fn running(folder: &Path) -> Option<RunningWorkload> {
    let running: RunningWorkload = serde_json::from_slice(&small_file::bytes(folder.join("running")).ok()?).ok()?;
    // The number alone could belong to another process by now.
    (processes::started(running.pid) == Some(running.started)).then_some(running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_scheduler_says_is_added_and_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let mut environment = vec![Foreign::new("PATH=/bin"), Foreign::new("SLURM_JOB_ID=9")];
        add_variables(place.path(), &mut environment);
        assert_eq!(environment.len(), 2, "without a file nothing is added");
        let told = "SLURM_ARRAY_TASK_ID=3\nPATH=/evil\nSLURM_JOB_ID=1\nno variable\n";
        std::fs::write(place.path().join("environment"), told).unwrap();
        add_variables(place.path(), &mut environment);
        let raw: Vec<&str> = environment.iter().map(Foreign::raw).collect();
        assert_eq!(raw, ["PATH=/bin", "SLURM_JOB_ID=9", "SLURM_ARRAY_TASK_ID=3"]);
    }
}

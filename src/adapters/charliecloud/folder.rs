//! What is in the folder of a launch, and what runs from it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::keeper::{
    launches::{self, Launched},
    processes,
    running::RunningProgram,
};
use wharf_core::base::small_file;

/// The name of the program that starts images, and of its processes.
pub(super) const PROGRAM: &str = "ch-run";
/// The folder of the process alone.
const PLACE: &str = "place";
/// A launch as data: what a plan shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// What is known of every launch.
    #[serde(flatten)]
    pub launched: Launched,
    /// The digits of the manifest's digest, by which its prepared image is found.
    pub manifest: String,
    /// The words that compare the prepared image; none where that cannot be done.
    pub check: Option<Vec<String>>,
    /// The words that run the program in it.
    pub run: Vec<String>,
    /// The process, as the runtime describes it.
    pub process: serde_json::Value,
}

/// The process of a launch, as it is noted while it runs.
pub(super) type Running = RunningProgram<()>;

impl launches::Spec for Spec {
    type Note = ();

    fn launched(&self) -> &Launched {
        &self.launched
    }
}

/// The folder of the process of the launch in `folder`.
pub(super) fn place(folder: &Path) -> PathBuf {
    folder.join(PLACE)
}

/// The processes that are asked to end: the program, which is the process of the launch itself or is started by it. For an
/// image that is a file, `ch-run` stays and mounts it; asked itself, it would end without the program's exit code.
pub(super) fn asked_to_end(pid: u32) -> Vec<u32> {
    let mounts = small_file::text(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == PROGRAM);
    if mounts { processes::children(pid) } else { vec![pid] }
}

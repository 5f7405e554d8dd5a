//! The folder of a launch: what was launched, where it runs, and how it ended. Everything is found there again.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::keeper::{
    node::Node,
    processes,
    running::RunningProgram,
    standing::{Standing, has_ended},
};
use wharf_core::{base::small_file, launch::plan::Workload};

/// The name of the program that starts images, and of its processes.
pub(super) const PROGRAM: &str = "ch-run";
/// The file that describes a launch; it is written last.
pub(super) const SPEC: &str = "spec.json";
/// The folder of the process alone.
const PLACE: &str = "place";
/// How long a launch may be on its way to its description; what is older was interrupted.
const LONGEST: Duration = Duration::from_secs(3600);

/// A launch as data: what a plan shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The name in lists.
    pub name: String,
    /// The pinned reference.
    pub reference: String,
    /// The pinned digest.
    pub digest: String,
    /// The digits of the manifest's digest, by which its prepared image is found.
    pub manifest: String,
    /// The key of the launch.
    pub key: String,
    /// When it was launched, in seconds since 1970.
    pub created: i64,
    /// The machine that it runs on.
    pub machine: Node,
    /// The words that compare the prepared image; none where that cannot be done.
    pub check: Option<Vec<String>>,
    /// The words that run the program in it.
    pub run: Vec<String>,
    /// The process, as the runtime describes it.
    pub process: serde_json::Value,
}

/// The process of a launch, as it is noted while it runs.
pub(super) type Running = RunningProgram<()>;

/// A launch that is kept in a folder.
#[derive(Debug)]
pub(super) struct Kept {
    /// The folder.
    pub folder: PathBuf,
    /// What was launched.
    pub spec: Spec,
    /// As it is listed.
    pub workload: Workload,
    /// Where it runs, if it does so on this machine.
    pub running: Option<Running>,
    /// Whether this is the machine that it was launched on.
    pub here: bool,
}

impl Kept {
    /// Reads the folder of a launch; `None` if it is incomplete or damaged.
    pub(super) fn load(folder: &Path, backend: &str) -> Option<Self> {
        let spec: Spec = serde_json::from_slice(&small_file::bytes(folder.join(SPEC)).ok()?).ok()?;
        let stands = Standing::of(folder, spec.created, &spec.machine);
        let workload = Workload {
            name: spec.name.clone(),
            image: spec.reference.clone(),
            digest: spec.digest.clone(),
            created: Some(spec.created),
            ..Workload::new(backend, spec.key.clone(), stands.state)
        };
        Some(Self { folder: folder.to_owned(), spec, workload, running: stands.running, here: stands.here })
    }

    /// Whether the launch in a folder writes nothing more, as far as this machine can tell.
    pub(super) fn is_over(folder: &Path) -> bool {
        Self::load(folder, "").is_none_or(|kept| has_ended(&kept.workload.state))
    }

    /// The folder of its process alone.
    pub(super) fn place(&self) -> PathBuf {
        place(&self.folder)
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

/// All launches below a folder.
pub(super) fn all(launches: &Path, backend: &str) -> Vec<Kept> {
    let entries = std::fs::read_dir(launches).into_iter().flatten().flatten();
    entries.filter_map(|entry| Kept::load(&entry.path(), backend)).collect()
}

/// Whether a launch below a folder is on its way: which image it uses is not known.
pub(super) fn is_launching(launches: &Path) -> bool {
    let entries = std::fs::read_dir(launches).into_iter().flatten().flatten();
    let mut incomplete = entries.filter(|entry| entry.path().join(SPEC).symlink_metadata().is_err());
    incomplete.any(|entry| {
        let changed = entry.metadata().and_then(|meta| meta.modified());
        changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age < LONGEST))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_without_its_description_is_on_its_way_and_not_listed() {
        let launches = tempfile::tempdir().unwrap();
        assert!(!is_launching(launches.path()));
        std::fs::create_dir(launches.path().join("a1")).unwrap();
        assert!(is_launching(launches.path()) && all(launches.path(), "charliecloud").is_empty());
        std::fs::write(launches.path().join("a1").join(SPEC), "broken").unwrap();
        assert!(!is_launching(launches.path()) && all(launches.path(), "charliecloud").is_empty());
    }
}

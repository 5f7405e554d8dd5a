//! The folder of a launch: what was launched, where it runs, and how it ended. Everything is found there again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spec::Spec;
use crate::keeper::{
    log,
    node::{Node, NodeRelation},
    running::{RunningProgram, Unseen},
};
use wharf_core::{
    base::{clean, small_file},
    launch::plan::{State, Workload},
};

/// Where the program of a launch runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Whether it runs in an instance, which can be entered.
    pub instance: bool,
}

/// The process of Apptainer that waits for the program of a launch.
pub(super) type Running = RunningProgram<Place>;

/// The processes that a process has started.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let text = small_file::text(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

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
        let spec: Spec = serde_json::from_slice(&small_file::bytes(folder.join("spec.json")).ok()?).ok()?;
        let exit = log::exit_code(folder);
        let here = Node::here().sees(&spec.machine) == NodeRelation::Here;
        let running = Running::find(folder).filter(|_| exit.is_none() && here);
        let state = match (exit, &running) {
            (Some(code), _) => State::Exited(code),
            (None, Some(_)) => State::Running,
            (None, None) if !here => {
                State::Other(format!("on {}, or lost when it restarted", clean::short(&spec.machine.host, 60)))
            }
            (None, None) => match Running::unseen(folder, spec.created) {
                Unseen::Starting => State::Starting,
                Unseen::Ending => State::Running,
                Unseen::Ended(code) => State::Exited(code),
                Unseen::Lost => State::Other("lost (its keeper was ended)".into()),
            },
        };
        let workload = Workload {
            name: spec.name.clone(),
            image: spec.reference.clone(),
            digest: spec.digest.clone(),
            created: Some(spec.created),
            ..Workload::new(backend, spec.key.clone(), state)
        };
        Some(Self { folder: folder.to_owned(), spec, workload, running, here })
    }

    /// Whether the launch in a folder writes nothing more, as far as this machine can tell.
    pub(super) fn is_over(folder: &Path) -> bool {
        Self::load(folder, "").is_none_or(|kept| matches!(kept.workload.state, State::Exited(_) | State::Other(_)))
    }
}

//! The folder of a launch: what was launched, where it runs, and how it ended. Everything is found there again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spec::Spec;
use crate::keeper::{
    running::RunningProgram,
    standing::{Standing, has_ended},
};
use wharf_core::{base::small_file, launch::plan::Workload};

/// Where the program of a launch runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Whether it runs in an instance, which can be entered.
    pub instance: bool,
}

/// The process of Apptainer that waits for the program of a launch.
pub(super) type Running = RunningProgram<Place>;

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
}

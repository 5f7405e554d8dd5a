//! What is in the folder of a launch.

use serde::{Deserialize, Serialize};

use crate::{
    keeper::{
        launches::{self, Kept, Launched},
        running::RunningProgram,
    },
    machines::forward::{self, Port},
};
use wharf_core::launch::plan::Workload;

/// A launch as data: what a plan shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// What is known of every launch.
    #[serde(flatten)]
    pub launched: Launched,
    /// The name of the file of its prepared disk, which ends in its format.
    pub disk: String,
    /// The bytes of that file.
    pub size: u64,
    /// The words that start the machine, in the folder of the launch.
    pub run: Vec<String>,
    /// How its instructions are carried out.
    pub acceleration: String,
    /// The account that is made in it; empty for none.
    pub user: String,
    /// The ports that lead to it.
    pub ports: Vec<Port>,
}

/// The program of a machine, as it is noted while it runs.
pub(super) type Running = RunningProgram<()>;

impl launches::Spec for Spec {
    type Note = ();

    fn launched(&self) -> &Launched {
        &self.launched
    }
}

/// A launch as it is listed.
pub(super) fn workload(kept: Kept<Spec>) -> Workload {
    let mut facts = vec![("acceleration".to_owned(), kept.spec.acceleration.clone())];
    let mut ports = Vec::new();
    if kept.running.is_some() {
        let (published, sign_in) = forward::ways_in(&kept.spec.ports, &kept.spec.user);
        ports = published;
        facts.extend(sign_in);
    }
    Workload { ports, facts, ..kept.workload }
}

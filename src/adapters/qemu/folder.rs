//! What is in the folder of a launch.

use serde::{Deserialize, Serialize};

use crate::{
    formats::disk_header::KERNEL,
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
    /// Whether it has a power button to which its kernel listens.
    #[serde(default = "usual")]
    pub power_button: bool,
}

/// What holds for machines that start from a disk.
fn usual() -> bool {
    true
}

impl Spec {
    /// Whether it has no disk of its own: it was started from a kernel.
    pub(super) fn is_diskless(&self) -> bool {
        self.disk.rsplit('.').next() == Some(KERNEL)
    }
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

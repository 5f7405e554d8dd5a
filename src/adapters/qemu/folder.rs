//! What is in the folder of a launch.

use serde::{Deserialize, Serialize};

use crate::{
    keeper::{
        launches::{self, Kept, Launched},
        running::RunningProgram,
    },
    machines::forward::SSH,
};
use wharf_core::launch::{plan::Workload, published::Published};

/// A port of this machine that leads into a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Port {
    /// The port here, at which only this machine listens.
    pub here: u16,
    /// The port inside.
    pub inside: u16,
}

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

impl Spec {
    /// The ports as they are listed.
    pub(super) fn published(&self) -> Vec<Published> {
        let publish = |port: &Port| Published {
            address: "127.0.0.1".to_owned(),
            port: port.here,
            inside: port.inside,
            protocol: "tcp".to_owned(),
        };
        self.ports.iter().map(publish).collect()
    }

    /// The command by which the person signs in, if it is known.
    fn sign_in(&self) -> Option<String> {
        let port = self.ports.iter().find(|port| port.inside == SSH)?;
        let user = if self.user.is_empty() { String::new() } else { format!("{}@", self.user) };
        Some(format!("ssh -p {} {user}127.0.0.1", port.here))
    }
}

/// A launch as it is listed.
pub(super) fn workload(kept: Kept<Spec>) -> Workload {
    let runs = kept.running.is_some();
    let mut facts = vec![("acceleration".to_owned(), kept.spec.acceleration.clone())];
    facts.extend(kept.spec.sign_in().filter(|_| runs).map(|line| ("sign in".to_owned(), line)));
    Workload { ports: if runs { kept.spec.published() } else { Vec::new() }, facts, ..kept.workload }
}

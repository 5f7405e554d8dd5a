//! How a launch stands that a keeper keeps in a folder.

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    log,
    node::{Node, NodeRelation},
    running::{RunningProgram, Unseen},
};
use wharf_core::{base::clean, launch::plan::State};

/// How a launch stands, as this machine sees it.
#[derive(Debug)]
pub struct Standing<T> {
    /// Its state, as it is listed.
    pub state: State,
    /// Its program, if that runs on this machine.
    pub running: Option<RunningProgram<T>>,
    /// How the machine that it was launched on relates to this one.
    pub relation: NodeRelation,
}

impl<T: Serialize + DeserializeOwned> Standing<T> {
    /// How the launch in `folder` stands that was made at `created` (seconds since 1970) on `machine`.
    pub fn of(folder: &Path, created: i64, machine: &Node) -> Self {
        let exit = log::exit_code(folder);
        let relation = Node::here().sees(machine);
        let here = relation == NodeRelation::Here;
        let running = RunningProgram::find(folder).filter(|_| exit.is_none() && here);
        let state = match (exit, &running) {
            (Some(code), _) => State::Exited(code),
            (None, Some(_)) => State::Running,
            (None, None) if relation == NodeRelation::Before => {
                State::Other("ended when this machine restarted".to_owned())
            }
            (None, None) if !here => {
                State::Other(format!("on {}, or lost when it restarted", clean::short(&machine.host, 60)))
            }
            (None, None) => match RunningProgram::<T>::unseen(folder, created) {
                Unseen::Starting => State::Starting,
                Unseen::Ending => State::Running,
                Unseen::Ended(code) => State::Exited(code),
                Unseen::Lost => State::Other("lost (its keeper was ended)".into()),
            },
        };
        Self { state, running, relation }
    }
}

/// Whether a launch in this state runs no more, as far as this machine can tell.
pub fn has_ended(state: &State) -> bool {
    matches!(state, State::Exited(_) | State::Other(_))
}

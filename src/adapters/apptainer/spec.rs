//! A launch as data: what a plan shows, and what the keeper carries out.

use serde::{Deserialize, Serialize};

use crate::keeper::{
    launches::{self, Launched},
    running::RunningProgram,
};

/// Stands for the open image file in the commands of a plan.
pub(super) const IMAGE: &str = "IMAGE";

/// A launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// What is known of every launch.
    #[serde(flatten)]
    pub launched: Launched,
    /// The commands.
    pub commands: Commands,
}

/// Where the program of a launch runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Whether it runs in an instance, which can be entered.
    pub instance: bool,
    /// Why it does not; empty where it does.
    #[serde(default)]
    pub why: String,
}

/// The process of Apptainer that waits for the program of a launch.
pub(super) type Running = RunningProgram<Place>;

impl launches::Spec for Spec {
    type Note = Place;

    fn launched(&self) -> &Launched {
        &self.launched
    }
}

/// The commands of a launch, in the order in which they are run. `IMAGE` stands for the image file, which is open
/// already when they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Commands {
    /// Variables that Apptainer is given for the workload, each as `NAME=value`.
    pub environment: Vec<String>,
    /// Makes an instance of the image, in which nothing runs yet.
    pub start: Vec<String>,
    /// Tells whether the instance is there, which may take a moment.
    pub look: Vec<String>,
    /// Runs the program in the instance.
    pub run: Vec<String>,
    /// Removes the instance.
    pub stop: Vec<String>,
    /// Runs the program where no instance can be made, as of an image without a shell.
    pub without_instance: Vec<String>,
}

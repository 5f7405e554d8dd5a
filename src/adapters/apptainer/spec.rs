//! A launch as data: what a plan shows, and what the keeper carries out.

use serde::{Deserialize, Serialize};

use crate::keeper::node::Node;

/// Stands for the open image file in the commands of a plan.
pub(super) const IMAGE: &str = "IMAGE";

/// A launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The name in lists.
    pub name: String,
    /// The pinned reference.
    pub reference: String,
    /// The pinned digest.
    pub digest: String,
    /// The key of the launch.
    pub key: String,
    /// When it was launched, in seconds since 1970.
    pub created: i64,
    /// The machine that it runs on.
    pub machine: Node,
    /// The commands.
    pub commands: Commands,
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

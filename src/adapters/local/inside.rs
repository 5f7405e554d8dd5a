//! What a sandbox looks like from the inside, and what its process 1 is told to do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::confine::ProgramToStart;
use wharf_core::{image::model::Foreign, launch::plan::Mount};

/// A small file that is written for one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The absolute path as seen inside.
    pub at: PathBuf,
    /// The content of the file.
    pub text: String,
}

/// What a sandbox looks like from the inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxLayout {
    /// The root file system on the host.
    pub root: PathBuf,
    /// Whether the program may write to the root file system.
    pub writable: bool,
    /// The mounted folders and files of the host.
    pub mounts: Vec<Mount>,
    /// Files that engines write for every program and images do not have, like `/etc/hosts`.
    #[serde(default)]
    pub texts: Vec<Text>,
    /// The program and its arguments.
    pub argv: Vec<Foreign>,
    /// The environment, as `NAME=value`.
    pub environment: Vec<Foreign>,
    /// The working folder inside.
    pub working_dir: Foreign,
    /// The host name inside.
    pub hostname: String,
    /// Whether it shares this machine's network.
    pub network: bool,
}

/// What process 1 is told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Task {
    /// What the sandbox looks like from the inside.
    pub inside: SandboxLayout,
    /// The user, as the image names it, where the image is mounted and not unpacked: what depends on the image's files is
    /// filled in once it is.
    pub mounted: Option<Foreign>,
    /// The program to run.
    pub last: ProgramToStart,
}

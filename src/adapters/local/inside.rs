//! Process 1 of a sandbox: this program, from sealed memory and hidden, until all in it has ended.
//!
//! Runs as `wharf __inside NUMBER`, already in new user, mount, pid, ipc and uts namespaces that `bwrap` or `unshare` made. The
//! mounts are made here, the same for both. Any failure ends it before the program starts.

use std::path::PathBuf;

use rustix::process::WaitOptions;
use serde::{Deserialize, Serialize};

use super::{
    confine::{self, Files, Last},
    mounts, sealed,
};
use crate::core::{
    base::error::{During, Result},
    image::model::Foreign,
    launch::plan::Mount,
};

/// A small file that is written for a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Where it stands.
    pub at: PathBuf,
    /// What it says.
    pub text: String,
}

/// What the inside looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The root file system on the host.
    pub root: PathBuf,
    /// Whether the program may change it.
    pub writable: bool,
    /// Folders and files of the host.
    pub mounts: Vec<Mount>,
    /// Files that an engine writes for a program, which no image has.
    #[serde(default)]
    pub texts: Vec<Text>,
    /// The program and its arguments.
    pub argv: Vec<Foreign>,
    /// `NAME=value`.
    pub environment: Vec<Foreign>,
    /// Where it starts.
    pub working_dir: Foreign,
    /// Host name inside.
    pub hostname: String,
    /// Whether it shares this machine's network.
    pub network: bool,
}

/// What process 1 is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What it looks like.
    pub inside: Inside,
    /// The program to run.
    pub last: Last,
}

/// Sets everything up, runs the program and gives its exit code.
pub fn enter(word: &str) -> Result<u8> {
    let what = "set up the sandbox";
    sealed::hide(what)?;
    sealed::ourselves(what)?;
    let task: Task = sealed::told(word, what)?;
    let ready = confine::prepare(Files::Kept, what)?;
    mounts::set_up(&task.inside)?;
    rustix::system::sethostname(task.inside.hostname.as_bytes()).during(what)?;
    match confine::start(ready, &task.last, what)? {
        Ok(child) => reap(child.id(), what),
        Err(not) => Ok(not.said()),
    }
}

/// Collects whatever ends until the program itself does; all others end with this process.
///
/// The program is not process 1, because the kernel gives that one no signal it has no handler for: it could not be
/// asked to stop.
fn reap(program: u32, what: &str) -> Result<u8> {
    loop {
        let ended = rustix::process::wait(WaitOptions::empty()).during(what)?;
        if let Some((_, status)) = ended.filter(|(pid, _)| pid.as_raw_pid().cast_unsigned() == program) {
            let signalled = status.terminating_signal().map(|signal| 128 + signal);
            return Ok(status.exit_status().or(signalled).unwrap_or(1) as u8);
        }
    }
}

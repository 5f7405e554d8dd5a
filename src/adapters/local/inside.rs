//! Process 1 of a sandbox: this program, run from sealed memory and hidden, until everything in the sandbox has ended.
//!
//! Runs as `wharf __inside NUMBER` in the new user, mount, pid, ipc and uts namespaces that `bwrap` or `unshare` have
//! made. The mounts are made here, in the same way for both. Any failure ends it before the program starts.

use std::path::PathBuf;

use rustix::process::WaitOptions;
use serde::{Deserialize, Serialize};

use super::{
    confine::{self, Files, Last},
    mounts, sealed,
};
use wharf_core::{
    base::error::{During, Result},
    image::model::Foreign,
    launch::plan::Mount,
};

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
pub struct Inside {
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
    pub inside: Inside,
    /// The program to run.
    pub last: Last,
}

/// Sets up the sandbox, runs the program and returns its exit code.
pub(super) fn enter(word: &str) -> Result<u8> {
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

/// Collects ended processes until the program itself has ended; all others end with this process.
///
/// The program is not process 1 itself, because the kernel gives process 1 no signals without a handler: it could not
/// be asked to stop.
fn reap(program: u32, what: &str) -> Result<u8> {
    loop {
        let ended = rustix::process::wait(WaitOptions::empty()).during(what)?;
        if let Some((_, status)) = ended.filter(|(pid, _)| pid.as_raw_pid().cast_unsigned() == program) {
            let signalled = status.terminating_signal().map(|signal| 128 + signal);
            return Ok(status.exit_status().or(signalled).unwrap_or(1) as u8);
        }
    }
}

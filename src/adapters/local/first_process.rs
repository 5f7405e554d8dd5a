//! Process 1 of a sandbox: this program, hidden and run from where nobody there can change it, until everything in the
//! sandbox has ended.
//!
//! Runs as `wharf __inside NUMBER` in the new user, mount, pid, ipc and uts namespaces that `bwrap` or `unshare` have
//! made. The mounts are made here, in the same way for both. Any failure ends it before the program starts.

use rustix::process::WaitOptions;

use super::{
    confine::{self, Files},
    inside::Task,
    mounted, mounts, plan, sealed,
};
use crate::prepared::{below::RootFolder, people};
use wharf_core::base::error::{During, Result};

/// Sets up the sandbox, runs the program and returns its exit code.
pub(super) fn enter(word: &str) -> Result<u8> {
    let what = "set up the sandbox";
    sealed::hide(what)?;
    sealed::run_from_unchangeable(what)?;
    let mut task: Task = sealed::shared_value(word, what)?;
    let ready = confine::prepare(Files::Kept, what)?;
    mounts::separate()?;
    if let Some(user) = &task.mounted {
        mounted::mount_or_note(&task.inside.root)?;
        let root = RootFolder::new(&task.inside.root)?;
        plan::must_start(&task.inside, &root)?;
        plan::complete(&mut task.inside, &people::resolve(user, &root)?, &root)?;
        task.last.environment.clone_from(&task.inside.environment);
    }
    mounts::set_up(&task.inside, task.mounted.is_some())?;
    rustix::system::sethostname(task.inside.hostname.as_bytes()).during(what)?;
    match confine::start(ready, &task.last, what)? {
        Ok(child) => reap(child.id(), what),
        Err(not) => Ok(not.report()),
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

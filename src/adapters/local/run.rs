//! Starting a sandbox: the last step of a workload's keeper, and all that `wharf __run FOLDER` does.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    confine::{self, Limits, ProgramToStart},
    inside::Task,
    plan, processes,
    sandbox_program::SandboxProgram,
    sandboxed::{self, Sandboxed},
    sealed,
};
use crate::shared::exec;
use wharf_core::base::{
    error::{During, Error, Result},
    small_file,
};

/// The internal verb that runs a prepared folder; the command line does not list it.
pub(super) const VERB: &str = "__run";

/// A sandbox that is ready to start.
pub(super) struct ReadySandbox {
    /// The command that makes the namespaces; the caller sets its output.
    pub command: Command,
    /// The limits of everything that runs in the sandbox.
    pub limits: Limits,
    /// The sandbox's task in sealed memory, which the program inherits.
    _told: File,
}

/// Replaces this process with the one that was prepared in `folder` (exec). Returns only if that fails.
pub(super) fn run(folder: &Path) -> Result<u8> {
    let what = format!("run what is in {}", folder.display());
    // Other files that this process has open must not reach the sandbox.
    confine::close_others(&what)?;
    let ourselves = sealed::let_inherit(sealed::run_from_memory(&what)?, &what)?;
    let bytes = small_file::bytes(sandboxed::file(folder)).during(&what)?;
    let sandboxed: Sandboxed = serde_json::from_slice(&bytes).during(&what)?;
    let mut ready = ready(&sandboxed, &ourselves)?;
    // No process stays between: signals and the exit code are those of the sandbox.
    Err(Error::failed(what, ready.command.exec()))
}

/// The command that starts a sandbox, with the sandbox's task.
pub(super) fn ready(sandboxed: &Sandboxed, ourselves: &File) -> Result<ReadySandbox> {
    let what = "start the sandbox";
    let limits = limits(sandboxed, what)?;
    let task = Task {
        inside: sandboxed.inside.clone(),
        last: ProgramToStart {
            argv: sandboxed.inside.argv.clone(),
            environment: sandboxed.inside.environment.clone(),
            working_dir: sandboxed.inside.working_dir.clone(),
            limits: limits.clone(),
            network: sandboxed.inside.network,
        },
    };
    // The task is not on the command line or in the environment, where other users of the machine could read it.
    let told = sealed::share_value(&task, what)?;
    let who = sandboxed.who.clone().ok_or_else(|| Error::failed(what, "nobody was found to run as"))?;
    let (ourselves, number) = (sealed::path(ourselves), sealed::number(&told));
    let words = plan::argv(sandboxed.runtime, &sandboxed.inside, &who.into(), &ourselves, &number);
    let mut command = Command::new(program(sandboxed.runtime)?);
    command.args(words.iter().skip(1)).env_clear();
    Ok(ReadySandbox { command, limits, _told: told })
}

fn program(program: SandboxProgram) -> Result<PathBuf> {
    exec::on_path(program.name()).ok_or_else(|| {
        Error::unsupported("start the sandbox", format!("{} is not on the path of this machine", program.name()))
            .hint("install it here, or launch again with what is here")
    })
}

/// The limits in the kernel's terms, for this machine at this moment.
fn limits(sandboxed: &Sandboxed, what: &str) -> Result<Limits> {
    let mut limits = Limits { memory: sandboxed.memory, ..Limits::default() };
    if sandboxed.processes > 0 {
        // The kernel counts all processes of a user: add those that run already.
        limits.processes = sandboxed.processes.saturating_add(processes::of_this_user());
    }
    if sandboxed.processors > 0 {
        let allowed = rustix::thread::sched_getaffinity(None).during(what)?;
        let all: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
        // Start at different processors, so that several workloads do not share the same ones.
        let begin = std::process::id() as usize;
        let count = all.len().min(usize::try_from(sandboxed.processors).unwrap_or(usize::MAX));
        limits.processors = (0..count).filter_map(|at| all.get((begin + at) % all.len()).copied()).collect();
    }
    Ok(limits)
}

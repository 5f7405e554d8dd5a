//! Starting a sandbox: the last step of a workload's keeper, and all that `wharf __run FOLDER [PLACE]` does.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    confine::{self, Limits, ProgramToStart},
    gvisor,
    inside::Task,
    plan,
    sandbox_program::SandboxProgram,
    sandboxed::{self, Sandboxed},
    sealed, variables,
};
use crate::{
    keeper::{processes, running::RunningProgram},
    shared::exec,
};
use wharf_core::base::error::{During, Error, Result};

/// The internal verb that runs a prepared folder; the command line does not list it.
pub(super) const VERB: &str = "__run";

/// A sandbox that is ready to start.
pub(super) struct ReadySandbox {
    /// The command that makes the namespaces; the caller sets its output.
    pub command: Command,
    /// The limits of everything that runs in the sandbox.
    pub limits: Limits,
    /// The sandbox's task in sealed memory, which the program inherits; gVisor has its bundle instead.
    _told: Option<File>,
}

/// Replaces this process with the one that was prepared in `folder` (exec), noting in `place` where it is. Returns only
/// if that fails.
pub(super) fn run(folder: &Path, place: Option<&Path>) -> Result<u8> {
    let what = format!("run what is in {}", folder.display());
    // Other files that this process has open must not reach the sandbox.
    confine::close_others(&what)?;
    let ourselves = sealed::let_inherit(sealed::run_from_unchangeable(&what)?, &what)?;
    let mut sandboxed = sandboxed::read(folder)?;
    if let Some(place) = place {
        variables::add_variables(place, &mut sandboxed.inside.environment);
    }
    let mut ready = ready(&sandboxed, place.unwrap_or(folder), &ourselves)?;
    if let Some(place) = place {
        // The sandbox program has this process's number.
        RunningProgram::of(std::process::id(), ready.limits.clone()).write(place)?;
    }
    // No process stays between: signals and the exit code are those of the sandbox.
    Err(Error::failed(what, ready.command.exec()))
}

/// The command that starts a sandbox, with the sandbox's task. `folder` is the process's own: there gVisor keeps its
/// bundle and its state.
pub(super) fn ready(sandboxed: &Sandboxed, folder: &Path, ourselves: &File) -> Result<ReadySandbox> {
    let what = "start the sandbox";
    let limits = limits(sandboxed, what)?;
    let who = sandboxed.who(what)?;
    if sandboxed.runtime == SandboxProgram::Runsc {
        // gVisor counts processes by itself; it inherits the choice of processors from this process.
        confine::limit_processors(&limits, what)?;
        return Ok(ReadySandbox { command: gvisor::ready(sandboxed, who, folder)?, limits, _told: None });
    }
    let task = Task {
        inside: sandboxed.inside.clone(),
        mounted: sandboxed.mounted.as_ref().map(|_| sandboxed.user.clone()),
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
    let (ourselves, number) = (sealed::path(ourselves), sealed::number(&told));
    let words = plan::argv(sandboxed.runtime, &sandboxed.inside, &who.clone().into(), &ourselves, &number);
    let mut command = Command::new(program(sandboxed.runtime)?);
    command.args(words.iter().skip(1)).env_clear();
    Ok(ReadySandbox { command, limits, _told: Some(told) })
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

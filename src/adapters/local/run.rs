//! Starting a sandbox: the last step of the keeper of a workload, and of `wharf __run FOLDER`, which does nothing else.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    SandboxProgram,
    confine::{self, Last, Limits},
    inside::Task,
    plan, processes,
    runtime::{self, Sandboxed},
    sealed,
};
use crate::shared::exec;
use wharf_core::base::error::{During, Error, Result};

/// The inner verb.
pub const VERB: &str = "__run";

/// A sandbox that is ready to start.
pub struct Ready {
    /// The program that makes the namespaces. Whoever starts it says where its output goes.
    pub command: Command,
    /// The limits of all that runs in it.
    pub limits: Limits,
    /// What the sandbox is told; the program inherits it.
    _told: File,
}

/// Becomes the process that was prepared in `folder`. Comes back only where that fails.
pub fn run(folder: &Path) -> Result<u8> {
    let what = format!("run what is in {}", folder.display());
    // What else this process was given must not reach into the sandbox.
    confine::close_others(&what)?;
    let ourselves = sealed::bequeath(sealed::ourselves(&what)?, &what)?;
    let bytes = std::fs::read(runtime::file(folder)).during(&what)?;
    let sandboxed: Sandboxed = serde_json::from_slice(&bytes).during(&what)?;
    let mut ready = ready(&sandboxed, &ourselves)?;
    // Nobody stands between: signals and the exit code are those of the sandbox.
    Err(Error::failed(what, ready.command.exec()))
}

/// What starts a sandbox, with everything that it is told.
pub fn ready(sandboxed: &Sandboxed, ourselves: &File) -> Result<Ready> {
    let what = "start the sandbox";
    let limits = limits(sandboxed, what)?;
    let task = Task {
        inside: sandboxed.inside.clone(),
        last: Last {
            argv: sandboxed.inside.argv.clone(),
            environment: sandboxed.inside.environment.clone(),
            working_dir: sandboxed.inside.working_dir.clone(),
            limits: limits.clone(),
            network: sandboxed.inside.network,
        },
    };
    // What it is told is on no command line, where every user of the machine could read it, and in no environment.
    let told = sealed::tell(&task, what)?;
    let who = sandboxed.who.clone().ok_or_else(|| Error::failed(what, "nobody was found to run as"))?;
    let (ourselves, number) = (sealed::path(ourselves), sealed::number(&told));
    let words = plan::argv(sandboxed.runtime, &sandboxed.inside, &who.into(), &ourselves, &number);
    let mut command = Command::new(program(sandboxed.runtime)?);
    command.args(words.iter().skip(1)).env_clear();
    Ok(Ready { command, limits, _told: told })
}

fn program(program: SandboxProgram) -> Result<PathBuf> {
    exec::on_path(program.word()).ok_or_else(|| {
        Error::unsupported("start the sandbox", format!("{} is not on the path of this machine", program.word()))
            .hint("install it here, or launch again with what is here")
    })
}

/// The limits in the kernel's terms, on this machine and now.
fn limits(sandboxed: &Sandboxed, what: &str) -> Result<Limits> {
    let mut limits = Limits { memory: sandboxed.memory, ..Limits::default() };
    if sandboxed.processes > 0 {
        // The kernel counts all processes of a user: leave those that run already out.
        limits.processes = sandboxed.processes.saturating_add(processes::of_this_user());
    }
    if sandboxed.processors > 0 {
        let allowed = rustix::thread::sched_getaffinity(None).during(what)?;
        let all: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
        // Not always the same ones, so that several workloads do not crowd them.
        let begin = std::process::id() as usize;
        let count = all.len().min(usize::try_from(sandboxed.processors).unwrap_or(usize::MAX));
        limits.processors = (0..count).filter_map(|at| all.get((begin + at) % all.len()).copied()).collect();
    }
    Ok(limits)
}

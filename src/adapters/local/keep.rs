//! The keeper of a local workload: starts it, keeps its log, and notes its exit code. It outlives Wharf.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Runtime, Spec,
    confine::{self, Last, Limits},
    inside::Task,
    log::{Exit, Log},
    plan, processes, sealed,
};
use crate::{
    adapters::shared::{exec, private},
    core::base::error::{During, Error, Result},
};

/// How long to wait for the rest of the log after the end of a workload: a process outside may hold the pipe open.
const REST: Duration = Duration::from_secs(2);

/// A running workload, as the keeper has noted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The process number of the sandbox program.
    pub pid: u32,
    /// When it started, in clock ticks since boot. Together with the number this identifies the process.
    pub started: u64,
    /// The limits of everything that runs in the sandbox.
    pub limits: Limits,
}

/// Runs the workload in `folder` until it ends. Called as `wharf __keep FOLDER`.
pub fn keep(folder: &Path) -> Result<()> {
    let what = format!("keep {}", folder.display());
    // Locks and pipes of the session would otherwise be held while the workload runs.
    confine::close_others(&what)?;
    // Everything of Wharf in the sandbox is started from this copy in sealed memory, so that updating the program
    // changes nothing in it.
    let ourselves = sealed::bequeath(sealed::ourselves(&what)?, &what)?;
    // In a session of its own, the workload does not end with the terminal.
    let _ = rustix::process::setsid();
    let spec = read(folder)?;
    let exit = Exit::reserve(folder)?;
    let code = run(folder, &spec, &ourselves).unwrap_or_else(|error| {
        Log::new(folder).put(format!("wharf: {error}\n").as_bytes());
        127
    });
    exit.write(folder, code)
}

fn run(folder: &Path, spec: &Spec, ourselves: &File) -> Result<i32> {
    let what = "start the sandbox";
    let limits = limits(spec, what)?;
    let task = Task {
        inside: spec.inside.clone(),
        last: Last {
            argv: spec.inside.argv.clone(),
            environment: spec.inside.environment.clone(),
            working_dir: spec.inside.working_dir.clone(),
            limits: limits.clone(),
            network: spec.inside.network,
        },
    };
    // The task is neither on the command line, which all users can read, nor in the environment.
    let told = sealed::tell(&task, what)?;
    let who = spec.who.clone().ok_or_else(|| Error::failed(what, "nobody was found to run as"))?;
    let words = plan::argv(spec.runtime, &spec.inside, &who.into(), &sealed::path(ourselves), &sealed::number(&told));
    let (output, input) = std::io::pipe().during(what)?;
    let mut command = Command::new(program(spec.runtime)?);
    command.args(words.iter().skip(1)).env_clear();
    command.stdin(Stdio::null()).stdout(input.try_clone().during(what)?).stderr(input);
    let mut child = command.spawn().during(what)?;
    drop(command);
    let (done, ended) = mpsc::channel();
    let mut log = Log::new(folder);
    std::thread::spawn(move || {
        log.take(output);
        let _ = done.send(());
    });
    let started = processes::started(child.id()).unwrap_or(0);
    let running = Running { pid: child.id(), started, limits };
    let written = serde_json::to_string(&running).during(what).and_then(|text| write(folder, "running", &text));
    if let Err(error) = written {
        // The workload could not be found again, so it is ended.
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    let status = child.wait().during(what)?;
    let _ = ended.recv_timeout(REST);
    Ok(confine::code(status))
}

fn program(runtime: Runtime) -> Result<PathBuf> {
    exec::on_path(runtime.word()).ok_or_else(|| {
        Error::unsupported("start the sandbox", format!("{} is not on the path any more", runtime.word()))
    })
}

/// The workload's limits in the kernel's terms, for the present.
fn limits(spec: &Spec, what: &str) -> Result<Limits> {
    let mut limits = Limits { memory: spec.memory, ..Limits::default() };
    if spec.processes > 0 {
        // The kernel counts all processes of a user, so those that run already are added.
        limits.processes = spec.processes.saturating_add(processes::of_this_user());
    }
    if spec.processors > 0 {
        let allowed = rustix::thread::sched_getaffinity(None).during(what)?;
        let all: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
        // Begins at different processors, so that several workloads do not share the same ones.
        let begin = std::process::id() as usize;
        let count = all.len().min(usize::try_from(spec.processors).unwrap_or(usize::MAX));
        limits.processors = (0..count).filter_map(|at| all.get((begin + at) % all.len()).copied()).collect();
    }
    Ok(limits)
}

/// The description of the workload in a folder.
pub fn read(folder: &Path) -> Result<Spec> {
    let what = format!("read {}", folder.display());
    let bytes = std::fs::read(folder.join("spec.json")).during(&what)?;
    serde_json::from_slice(&bytes).during(what)
}

/// The running workload of a folder; `None` if it has ended.
pub fn running(folder: &Path) -> Option<Running> {
    let running: Running = serde_json::from_slice(&std::fs::read(folder.join("running")).ok()?).ok()?;
    // The number alone could belong to another process by now.
    (processes::started(running.pid) == Some(running.started)).then_some(running)
}

/// Writes a small file, completely or not at all.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    private::write(&folder.join(name), text.as_bytes())
}

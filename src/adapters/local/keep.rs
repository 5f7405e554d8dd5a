//! The keeper of a local workload: starts it, keeps its log, and notes its exit code. It outlives Wharf.

use std::{fs::File, path::Path, process::Stdio, sync::mpsc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    confine::{self, Limits},
    log::{Exit, Log},
    processes, run, sealed,
    spec::WorkloadSpec,
};
use crate::shared::private;
use wharf_core::base::{
    error::{During, Result},
    small_file,
};

/// How long to wait for the rest of the log after the end of a workload: a process outside may hold the pipe open.
const REST: Duration = Duration::from_secs(2);

/// A running workload, as the keeper has noted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunningWorkload {
    /// The process number of the sandbox program.
    pub pid: u32,
    /// When it started, in clock ticks since boot. Together with the number this identifies the process.
    pub started: u64,
    /// The limits of everything that runs in the sandbox.
    pub limits: Limits,
}

/// Runs the workload in `folder` until it ends. Called as `wharf __keep FOLDER`.
pub(super) fn keep(folder: &Path) -> Result<()> {
    let what = format!("keep {}", folder.display());
    // Locks and pipes of the session would otherwise be held while the workload runs.
    confine::close_others(&what)?;
    // Everything of Wharf in the sandbox is started from this copy in sealed memory, so that updating the program
    // changes nothing in it.
    let ourselves = sealed::let_inherit(sealed::run_from_memory(&what)?, &what)?;
    // In a session of its own, the workload does not end with the terminal.
    let _ = rustix::process::setsid();
    let spec = read(folder)?;
    let exit = Exit::reserve(folder)?;
    let code = supervise(folder, &spec, &ourselves).unwrap_or_else(|error| {
        Log::new(folder).put(format!("wharf: {error}\n").as_bytes());
        127
    });
    exit.write(folder, code)
}

fn supervise(folder: &Path, spec: &WorkloadSpec, ourselves: &File) -> Result<i32> {
    let what = "start the sandbox";
    let mut ready = run::ready(&spec.sandboxed, ourselves)?;
    let (output, input) = std::io::pipe().during(what)?;
    ready.command.stdin(Stdio::null()).stdout(input.try_clone().during(what)?).stderr(input);
    let mut child = ready.command.spawn().during(what)?;
    let limits = ready.limits.clone();
    // Our own end of the pipe would keep the log open.
    drop(ready);
    let (done, ended) = mpsc::channel();
    let mut log = Log::new(folder);
    std::thread::spawn(move || {
        log.copy_from(output);
        let _ = done.send(());
    });
    let started = processes::started(child.id()).unwrap_or(0);
    let running = RunningWorkload { pid: child.id(), started, limits };
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

/// The description of the workload in a folder.
pub(super) fn read(folder: &Path) -> Result<WorkloadSpec> {
    let what = format!("read {}", folder.display());
    let bytes = small_file::bytes(folder.join("spec.json")).during(&what)?;
    serde_json::from_slice(&bytes).during(what)
}

/// The running workload of a folder; `None` if it has ended.
pub(super) fn running(folder: &Path) -> Option<RunningWorkload> {
    let running: RunningWorkload = serde_json::from_slice(&small_file::bytes(folder.join("running")).ok()?).ok()?;
    // The number alone could belong to another process by now.
    (processes::started(running.pid) == Some(running.started)).then_some(running)
}

/// Writes a small file, completely or not at all.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    private::write(&folder.join(name), text.as_bytes())
}

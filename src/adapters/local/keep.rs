//! The keeper of a local workload: starts it, writes down its exit code. Outlives Wharf.

use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
};

use rustix::{
    process::{Resource, Rlimit},
    thread::CpuSet,
};

use super::Spec;
use crate::{
    adapters::private,
    core::error::{During, Error, Result},
};

/// Runs the workload of `folder` to its end. Called as `wharf __keep FOLDER`.
pub fn keep(folder: &Path) -> Result<()> {
    let what = format!("keep {}", folder.display());
    // A session of its own: the terminal's end is not the workload's.
    let _ = rustix::process::setsid();
    let spec = read(folder)?;
    let log = private::open(&folder.join("log"), |options| options.create(true).append(true))?;
    limit(&spec, &what)?;
    let (program, arguments) = spec.argv.split_first().ok_or_else(|| Error::failed(&what, "nothing to run"))?;
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().during(&what)?)
        .stderr(log)
        .spawn();
    let code = match started {
        Ok(mut child) => {
            write(folder, "pid", &format!("{} {}", child.id(), super::processes::started(child.id()).unwrap_or(0)))?;
            let status = child.wait().during(&what)?;
            status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
        }
        Err(error) => {
            write(folder, "log", &format!("cannot start {program}: {error}\n"))?;
            127
        }
    };
    write(folder, "exit", &code.to_string())
}

/// Sets the workload's limits on this process; what it starts inherits them.
fn limit(spec: &Spec, what: &str) -> Result<()> {
    let at_most =
        |resource, most: u64| rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    let _ = at_most(Resource::Core, 0);
    if spec.memory > 0 {
        at_most(Resource::As, spec.memory).during(what)?;
    }
    if spec.processes > 0 {
        // The kernel counts all processes of a user: leave those that run already out.
        let most = spec.processes.saturating_add(super::processes::of_this_user());
        // One that is lower already stays.
        let _ = at_most(Resource::Nproc, most);
    }
    if spec.processors > 0 {
        let allowed = rustix::thread::sched_getaffinity(None).during(what)?;
        let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
        let mut chosen = CpuSet::new();
        // Not always the same ones, so that several workloads do not crowd them.
        let begin = std::process::id() as usize;
        for at in 0..all.len().min(spec.processors as usize) {
            chosen.set(all[(begin + at) % all.len()]);
        }
        rustix::thread::sched_setaffinity(None, &chosen).during(what)?;
    }
    Ok(())
}

/// The written-down workload of a folder.
pub fn read(folder: &Path) -> Result<Spec> {
    let what = format!("read {}", folder.display());
    let bytes = std::fs::read(folder.join("spec.json")).during(&what)?;
    serde_json::from_slice(&bytes).during(what)
}

/// Writes a small file whole or not at all.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    private::write(&folder.join(name), text.as_bytes())
}

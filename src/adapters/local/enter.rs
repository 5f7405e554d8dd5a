//! Entering a running sandbox: `wharf __enter FOLDER [PLACE] pipe|terminal -- COMMAND...`. A keeper's workload has all in
//! one folder; a process that a scheduler started has a place of its own where it noted where it is.
//!
//! This process joins the namespaces of the sandbox's process 1 all at once, and starts the command with the same last
//! step as the workload's own program. It is never one of the sandbox's processes itself, so that they cannot trace or
//! signal it.

use std::{ffi::OsString, path::Path};

use rustix::{
    process::{Pid, PidfdFlags},
    thread::ThreadNameSpaceType,
};

use super::{
    confine::{self, Files, Limits, ProgramToStart},
    gvisor, keep, plan,
    sandbox_program::SandboxProgram,
    sandboxed, sealed, variables,
};
use crate::{
    keeper::{processes, running::RunningProgram, supervise},
    prepared::{below::RootFolder, people},
};
use wharf_core::{
    base::{
        clean,
        error::{During, Error, Result},
    },
    image::model::Foreign,
};

/// The inner verb of the command line.
pub(super) const VERB: &str = "__enter";

const NAMESPACES: [(&str, ThreadNameSpaceType); 7] = [
    ("user", ThreadNameSpaceType::USER),
    ("mnt", ThreadNameSpaceType::MOUNT),
    ("pid", ThreadNameSpaceType::PROCESS_ID),
    ("net", ThreadNameSpaceType::NETWORK),
    ("ipc", ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION),
    ("uts", ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME),
    ("cgroup", ThreadNameSpaceType::CONTROL_GROUP),
];

/// Runs the command and returns its exit code.
pub(super) fn enter(words: &[OsString]) -> Result<u8> {
    let (folder, place, files, dashes, command) = match words {
        [folder, files, dashes, command @ ..] if dashes == "--" => (folder, None, files, dashes, command),
        [folder, place, files, dashes, command @ ..] => (folder, Some(Path::new(place)), files, dashes, command),
        _ => return Err(usage()),
    };
    let folder = Path::new(folder);
    let what = format!("enter {}", place.unwrap_or(folder).file_name().unwrap_or_default().to_string_lossy());
    let files = match files.to_str() {
        Some("pipe") => Files::Together,
        Some("terminal") => Files::Terminal,
        _ => return Err(usage()),
    };
    if dashes != "--" {
        return Err(usage());
    }
    sealed::hide(&what)?;
    sealed::run_from_unchangeable(&what)?;
    let mut sandboxed = match place {
        Some(_) => sandboxed::read(folder)?,
        None => keep::read(folder)?.sandboxed,
    };
    if let Some(place) = place {
        variables::add_variables(place, &mut sandboxed.inside.environment);
    }
    let running = RunningProgram::<Limits>::find(place.unwrap_or(folder));
    let running = running.ok_or_else(|| Error::unsupported(&what, "it is not running here"))?;
    let argv = command.iter().map(|word| word.to_str().map(Foreign::new)).collect::<Option<Vec<_>>>();
    let argv = argv.ok_or_else(|| Error::usage(&what, "the command is not text"))?;
    let environment = &mut sandboxed.inside.environment;
    if files == Files::Terminal && !environment.iter().any(|pair| pair.raw().starts_with("TERM=")) {
        environment.push(Foreign::new("TERM=xterm-256color"));
    }
    if sandboxed.runtime == SandboxProgram::Runsc {
        return gvisor::enter(&sandboxed, place.unwrap_or(folder), &argv, files, &what);
    }
    let network = sandboxed.inside.network;
    let mut last = ProgramToStart {
        argv,
        environment: sandboxed.inside.environment,
        working_dir: sandboxed.inside.working_dir,
        limits: running.limits,
        network,
    };
    let ready = confine::prepare(files, &what)?;
    join(running.pid, &what)?;
    if sandboxed.mounted.is_some() {
        // Nobody outside of the sandbox has seen the image's files.
        let who = people::resolve(&sandboxed.user, &RootFolder::own()?)?;
        plan::set_home(&mut last.environment, &who);
    }
    let mut child = match confine::start(ready, &last, &what)? {
        Ok(child) => child,
        Err(not) => return Ok(not.report()),
    };
    // The terminal's interrupt is for the program, which has the terminal; this process only waits.
    let status = child.wait().during(what)?;
    Ok(u8::try_from(supervise::code(status)).unwrap_or(1))
}

/// Joins all namespaces of the sandbox of `pid` in one step, for which the kernel checks the rights to each before it
/// changes any. Fails while the program has not been started yet.
fn join(pid: u32, what: &str) -> Result<()> {
    let starting = || Error::unsupported(what, "it is still starting, or ending").hint("try again in a moment");
    let first = processes::first(pid).ok_or_else(starting)?;
    let number = i32::try_from(first).ok().and_then(Pid::from_raw).ok_or_else(starting)?;
    let handle = rustix::process::pidfd_open(number, PidfdFlags::empty()).during(what)?;
    // The handle means the process that is checked from here on, if that is the same as before it was opened.
    if processes::first(pid) != Some(first) || processes::program(pid).is_none() {
        return Err(starting());
    }
    let at = |of: &str, name: &str| std::fs::read_link(format!("/proc/{of}/ns/{name}")).ok();
    let kinds = NAMESPACES
        .into_iter()
        .filter(|(name, _)| at(&first.to_string(), name) != at("self", name))
        .fold(ThreadNameSpaceType::empty(), |kinds, (_, kind)| kinds | kind);
    let needed = ThreadNameSpaceType::USER | ThreadNameSpaceType::MOUNT | ThreadNameSpaceType::PROCESS_ID;
    if !kinds.contains(needed) {
        return Err(Error::failed(what, "its sandbox is not complete"));
    }
    rustix::thread::move_into_thread_name_spaces(std::os::fd::AsFd::as_fd(&handle), kinds).during(what)
}

fn usage() -> Error {
    Error::usage(clean::short(VERB, 20), "it is called by Wharf only")
}

//! What every program of a sandbox goes through last, started with it or entered later: hidden, without rights, without
//! anything left open, within limits. One way for both, so that neither can be had without the other.
//!
//! The process that starts the program confines itself, and the program inherits that: the image's root has nothing
//! by which a program of ours could be started there.

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::{
    fs::Mode,
    process::{Pid, Resource, Rlimit},
    thread::{CapabilitySet, CapabilitySets, CpuSet},
};
use serde::{Deserialize, Serialize};

use super::{calls, program, sockets};
use crate::core::{
    base::error::{During, Error, Result},
    image::model::Foreign,
};

/// Limits as the kernel takes them; 0 or nothing for none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory for each process.
    pub memory: u64,
    /// Processes of this user, those outside included.
    pub processes: u64,
    /// Numbers of the processors it may run on.
    pub processors: Vec<usize>,
}

/// What a program's standard files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// As they are, without any terminal.
    Kept,
    /// Errors go where the output goes.
    Together,
    /// A terminal that was made for it, and is its own.
    Terminal,
}

/// A program to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// The program and its arguments.
    pub argv: Vec<Foreign>,
    /// `NAME=value`.
    pub environment: Vec<Foreign>,
    /// Where it starts.
    pub working_dir: Foreign,
    /// Its limits.
    pub limits: Limits,
    /// Whether it shares this machine's network.
    pub network: bool,
}

/// What a shell would make of an end.
pub fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// This process on its way to becoming confined: what it can only do where it can still look at itself.
pub struct Ready {
    status: File,
}

/// Leaves the terminal, closes all but the standard files, and opens what tells its own rights later on.
pub fn prepare(files: Files, what: &str) -> Result<Ready> {
    match files {
        Files::Terminal => {}
        // Without a session of its own, the terminal that Wharf was started in would be at hand under /dev/tty.
        Files::Kept => leave_terminal(what)?,
        Files::Together => {
            leave_terminal(what)?;
            rustix::stdio::dup2_stderr(std::io::stdout()).during(what)?;
        }
    }
    close_others(what)?;
    Ok(Ready { status: File::open("/proc/self/status").during(what)? })
}

/// A program that could not be started in its sandbox.
pub struct NotStarted {
    code: u8,
    error: Error,
}

impl NotStarted {
    /// Says why on standard error, and gives the exit code.
    pub fn said(&self) -> u8 {
        let _ = writeln!(std::io::stderr(), "wharf: {}", self.error);
        self.code
    }
}

/// Confines this process for good and starts the program as its child, in the sandbox where this process stands.
pub fn start(ready: Ready, last: &Last, what: &str) -> Result<Result<Child, NotStarted>> {
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let folder = Path::new(if last.working_dir.is_empty() { "/" } else { last.working_dir.raw() });
    // In the image it was made before; in /tmp, /run and mounts it is made here.
    let _ = std::fs::create_dir_all(folder);
    std::env::set_current_dir(folder).during(format!("start in {}", last.working_dir))?;
    let (first, arguments) = last
        .argv
        .split_first()
        .ok_or_else(|| Error::usage(what, "the image names no program").hint("give a command"))?;
    let start = format!("start {first}");
    if let Err(error) = program::check(first.raw(), &last.environment, &start) {
        return Ok(Err(NotStarted { code: 126, error }));
    }
    let mut command = Command::new(first.raw());
    command.args(arguments.iter().map(Foreign::raw)).env_clear();
    command.envs(last.environment.iter().filter_map(|pair| pair.raw().split_once('=')));
    // The group that it has already: a child of which anything is to be set is made by a plain fork, which needs no
    // memory of this process that its limit may not leave.
    command.gid(rustix::process::getgid().as_raw());
    give_up_rights(ready, what)?;
    if last.network {
        sockets::divide(what)?;
    }
    calls::refuse(what)?;
    // Last: this process may already use more than the program may.
    limit(&last.limits, what)?;
    Ok(command.spawn().map_err(|error| NotStarted {
        // As shells and engines have it.
        code: if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 },
        error: Error::failed(start, error),
    }))
}

/// Leaves the terminal of whoever started this, if there is one: a new session has none.
///
/// Numbers of processes that this namespace does not see are 0 (pid_namespaces(7)), as a session's leader outside a container
/// is: nix gives them as they are.
fn leave_terminal(what: &str) -> Result<()> {
    if rustix::process::setsid().is_ok() {
        return Ok(());
    }
    if nix::unistd::getsid(None).during(what)? == nix::unistd::getpid() {
        // It leads a session already; Wharf never starts one with a terminal here.
        return Ok(());
    }
    // The leader of a group may not (setsid(2)): it joins the group of a child that was started for that.
    let mut other = Command::new("/proc/self/exe")
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .during(what)?;
    let left = rustix::process::setpgid(None, Some(Pid::from_child(&other))).and_then(|()| rustix::process::setsid());
    let _ = other.kill();
    let _ = other.wait();
    left.map(|_| ()).during(what)
}

/// Closes all but the standard files.
pub fn close_others(what: &str) -> Result<()> {
    let numbers: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .during(what)?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // The one through which they were listed is closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// No capabilities, not even to be gained by a program that is marked for it; and a look whether that is so.
fn give_up_rights(mut ready: Ready, what: &str) -> Result<()> {
    use rustix::thread;
    thread::set_no_new_privs(true).during(what)?;
    let _ = thread::clear_ambient_capability_set();
    for capability in CapabilitySet::all().iter() {
        // Newer kernels know more than this program, older ones less.
        let _ = thread::remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    thread::set_capabilities(None, none).during(what)?;
    let mut status = String::new();
    ready.status.read_to_string(&mut status).during(what)?;
    if has_rights(&status) {
        return Err(
            Error::failed(what, "it would have rights that it must not have").hint("tell whoever runs this machine")
        );
    }
    Ok(())
}

/// Whether a process has rights or can gain some, by its `/proc/PID/status` (proc(5)). What is not said counts as had.
fn has_rights(status: &str) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let none = |name: &str| field(name).is_some_and(|value| value.chars().all(|c| c == '0'));
    !["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].into_iter().all(none) || field("NoNewPrivs") != Some("1")
}

fn limit(limits: &Limits, what: &str) -> Result<()> {
    let at_most =
        |resource, most: u64| rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    if !limits.processors.is_empty() {
        let mut chosen = CpuSet::new();
        limits.processors.iter().for_each(|number| chosen.set(*number));
        rustix::thread::sched_setaffinity(None, &chosen).during(what)?;
    }
    let _ = at_most(Resource::Core, 0);
    if limits.processes > 0 {
        // One that is lower already stays.
        let _ = at_most(Resource::Nproc, limits.processes);
    }
    if limits.memory > 0 {
        at_most(Resource::As, limits.memory).during(what)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_set_that_is_not_empty_is_a_right() {
        let none = "CapInh:\t0000\nCapPrm:\t0000\nCapEff:\t0000\nCapBnd:\t0000\nCapAmb:\t0000\nNoNewPrivs:\t1\n";
        assert!(!has_rights(none));
        for (from, to) in [
            ("CapBnd:\t0000", "CapBnd:\t0001"),
            ("CapInh:\t0000", "CapInh:\t8000"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("CapAmb", "Other"),
        ] {
            assert!(has_rights(&none.replace(from, to)), "{to}");
        }
    }
}

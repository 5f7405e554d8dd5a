//! The last step before a program starts in a sandbox, at its launch or entering it later: hidden, without rights or
//! open files, within limits. Both ways use it, so that none of this can be missing in one of them.
//!
//! The process that starts the program confines itself, and the program inherits that: in the image's root there is
//! nothing with which another program of Wharf could be started.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::{
    fs::Mode,
    process::{Pid, Resource, Rlimit},
    thread::{CapabilitySet, CapabilitySets, CpuSet},
};
use serde::{Deserialize, Serialize};

use super::{
    calls::{self, Callers},
    program,
    reading::{self, Needed},
    sockets,
};
use wharf_core::{
    base::{
        error::{During, Error, Result},
        small_file,
    },
    image::model::Foreign,
};

/// Limits in the kernel's terms; 0 or empty for no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limits {
    /// Most bytes of memory for each process.
    pub memory: u64,
    /// Most processes of this user, including those outside of the sandbox.
    pub processes: u64,
    /// The numbers of the processors that it may run on.
    pub processors: Vec<usize>,
}

/// What to do with a program's standard files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// They stay as they are, and there is no terminal.
    Kept,
    /// Errors are written to the output.
    Together,
    /// They are a terminal that was made for this program.
    Terminal,
}

/// The program to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProgramToStart {
    /// The program and its arguments.
    pub argv: Vec<Foreign>,
    /// The environment, as `NAME=value`.
    pub environment: Vec<Foreign>,
    /// The working folder inside.
    pub working_dir: Foreign,
    /// The limits of each process.
    pub limits: Limits,
    /// Whether the program shares this machine's network.
    pub network: bool,
}

/// This process before it is confined, holding a file that it could not open afterwards.
pub(super) struct ReadyProcess {
    status: File,
}

/// Leaves the terminal, closes all but the standard files, and opens the file that tells this process's rights later.
pub(super) fn prepare(files: Files, what: &str) -> Result<ReadyProcess> {
    match files {
        Files::Terminal => {}
        // Without a session of its own, the program could open the terminal of Wharf as /dev/tty.
        Files::Kept => leave_terminal(what)?,
        Files::Together => {
            leave_terminal(what)?;
            rustix::stdio::dup2_stderr(std::io::stdout()).during(what)?;
        }
    }
    close_others(what)?;
    Ok(ReadyProcess { status: File::open("/proc/self/status").during(what)? })
}

/// The error that a program could not be started, with the exit code for it.
pub(super) struct NotStarted {
    code: u8,
    error: Error,
}

impl NotStarted {
    /// Prints the error to standard error and returns the exit code.
    pub(super) fn report(&self) -> u8 {
        let _ = writeln!(std::io::stderr(), "wharf: {}", self.error);
        self.code
    }
}

/// Confines this process for good and starts the program as its child, in the sandbox that this process is in.
pub(super) fn start(ready: ReadyProcess, last: &ProgramToStart, what: &str) -> Result<Result<Child, NotStarted>> {
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let folder = Path::new(if last.working_dir.is_empty() { "/" } else { last.working_dir.raw() });
    // In the image it has been created before; in /tmp, /run and mounts it is created here.
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
    // Setting the group that it already has makes the library use a plain fork, which needs no memory that the limit
    // may not allow.
    command.gid(rustix::process::getgid().as_raw());
    give_up_rights(ready, what)?;
    if last.network {
        sockets::divide(what)?;
    }
    calls::refuse(Callers::Sandbox, what)?;
    // This comes last, because this process may already use more than the program is allowed.
    limit(&last.limits, what)?;
    Ok(command.spawn().map_err(|error| NotStarted {
        // The codes that shells and engines use.
        code: if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 },
        error: Error::failed(start, error),
    }))
}

/// Leaves the controlling terminal, if there is one: a new session has none.
///
/// Process numbers that are not visible in this namespace are 0 (pid_namespaces(7)), as that of a session leader
/// outside of a container; nix returns them unchanged.
fn leave_terminal(what: &str) -> Result<()> {
    if rustix::process::setsid().is_ok() {
        return Ok(());
    }
    if nix::unistd::getsid(None).during(what)? == nix::unistd::getpid() {
        // It leads a session already, and Wharf never starts it with a terminal here.
        return Ok(());
    }
    // A group leader cannot start a session (setsid(2)): it joins the group of a child that was started for this.
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

/// Closes all files except the standard files.
pub(super) fn close_others(what: &str) -> Result<()> {
    let numbers: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .during(what)?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // The folder that was used to list them is closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Drops all capabilities, also those that a marked program could gain; then checks that none are left.
fn give_up_rights(mut ready: ReadyProcess, what: &str) -> Result<()> {
    use rustix::thread;
    thread::set_no_new_privs(true).during(what)?;
    let _ = thread::clear_ambient_capability_set();
    for capability in CapabilitySet::all().iter() {
        // Kernels know more or fewer capabilities than this program.
        let _ = thread::remove_capability_from_bounding_set(capability);
    }
    give_up_capabilities(what)?;
    let mut status = String::new();
    ready.status.read_to_string(&mut status).during(what)?;
    let could_gain = has_rights(&status, &["CapBnd"]);
    if could_gain || has_rights(&status, &OWN_RIGHTS) { Err(too_many_rights(what)) } else { Ok(()) }
}

fn give_up_capabilities(what: &str) -> Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).during(what)
}

fn too_many_rights(what: &str) -> Error {
    Error::failed(what, "it would have rights that it must not have").hint("tell this machine's administrators")
}

/// Gives up, for good, what a program does not need that only reads `image`: rights, sockets, all other files and processes,
/// and everything that programs in a sandbox may not do.
pub(super) fn give_up_all(image: impl AsFd, needed: &Needed, what: &str) -> Result<()> {
    rustix::thread::set_no_new_privs(true).during(what)?;
    give_up_capabilities(what)?;
    // Outside of a sandbox only root can empty the set of what could be gained, which nothing can be from here on.
    if has_rights(&small_file::text("/proc/self/status").during(what)?, &OWN_RIGHTS) {
        return Err(too_many_rights(what));
    }
    reading::only(image, needed, what)?;
    calls::refuse(Callers::Reader, what)
}

/// The sets of capabilities that a process has itself.
const OWN_RIGHTS: [&str; 4] = ["CapInh", "CapPrm", "CapEff", "CapAmb"];

/// Whether a process has capabilities in one of these sets or can gain some by starting a program, by its
/// `/proc/PID/status` (proc(5)). Missing lines count as yes.
fn has_rights(status: &str, sets: &[&str]) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let none = |name: &str| field(name).is_some_and(|value| value.chars().all(|c| c == '0'));
    !sets.iter().all(|name| none(name)) || field("NoNewPrivs") != Some("1")
}

/// Limits this process and all that it starts to the processors of the limits, if they name some.
pub(super) fn limit_processors(limits: &Limits, what: &str) -> Result<()> {
    if limits.processors.is_empty() {
        return Ok(());
    }
    let mut chosen = CpuSet::new();
    limits.processors.iter().for_each(|number| chosen.set(*number));
    rustix::thread::sched_setaffinity(None, &chosen).during(what)
}

fn limit(limits: &Limits, what: &str) -> Result<()> {
    let at_most =
        |resource, most: u64| rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit_processors(limits, what)?;
    let _ = at_most(Resource::Core, 0);
    if limits.processes > 0 {
        // A limit that is lower already stays.
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
        let all = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
        assert!(!has_rights(none, &all));
        for (from, to) in [
            ("CapBnd:\t0000", "CapBnd:\t0001"),
            ("CapInh:\t0000", "CapInh:\t8000"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("CapAmb", "Other"),
        ] {
            assert!(has_rights(&none.replace(from, to), &all), "{to}");
        }
    }
}

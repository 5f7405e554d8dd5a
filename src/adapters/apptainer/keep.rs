//! The keeper of a launch: makes the instance, runs the program in it, keeps its output, and notes its exit code. It
//! outlives Wharf, and has the image open as its standard input, so that no other file can take the image's place.

use std::{
    cell::Cell,
    fs::File,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::{
    instance::Instance,
    spec::{Commands, IMAGE, Running, Spec},
};
use crate::{
    keeper::{launches, supervise},
    shared::{apptainer as program, exec},
};
use wharf_core::base::error::{During, Error, Result};

/// The internal verb of the keeper; the command line does not list it.
pub(super) const VERB: &str = "__keep_apptainer";
/// The most time in which an instance is made or removed.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first number that a passed on file may have.
const FIRST: i32 = 10;

/// Runs the launch in `folder` until it ends. Its standard input is the image's file.
pub(super) fn keep(folder: &Path) -> Result<()> {
    let spec: Spec = launches::read(folder)?;
    let instance = Cell::new(false);
    let kept = supervise::keep(folder, || run(folder, &spec.commands, &instance));
    if instance.get() {
        // What the program has left running ends with its instance. The exit code is there already: this takes a while.
        let _ = caller(&spec.commands)?(&spec.commands.stop);
    }
    kept
}

/// Runs Apptainer's other programs, each to its end.
fn caller(commands: &Commands) -> Result<impl Fn(&[String]) -> Result<exec::Output>> {
    let environment = [program::environment(), commands.environment.clone()].concat();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().during("run Apptainer")?;
    Ok(move |words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        runtime.block_on(exec::run_in(&words, Some(&environment), b"", 64 << 10, PATIENCE))
    })
}

/// Runs the launch; gives the exit code of its program, and notes in `instance` whether there may be an instance.
fn run(folder: &Path, commands: &Commands, instance: &Cell<bool>) -> Result<i32> {
    let what = "run it with Apptainer";
    // Its programs inherit the open file, and name it by its number.
    let image: OwnedFd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), FIRST).during(what)?;
    rustix::io::fcntl_setfd(&image, rustix::io::FdFlags::empty()).during(what)?;
    let path = format!("/proc/self/fd/{}", image.as_raw_fd());
    let with_image = |words: &[String]| -> Vec<String> {
        words.iter().map(|word| if word == IMAGE { path.clone() } else { word.clone() }).collect()
    };
    // Where no folder of this machine is inside, that it was called from one is only a warning.
    std::env::set_current_dir("/").during(what)?;
    let call = caller(commands)?;
    let start = with_image(&commands.start);
    let wanted = Instance { start: &start, look: &commands.look, stop: &commands.stop };
    // It is ended whatever follows: also if looking for it fails, or if the call that makes it took too long.
    let place = wanted.make(&call, &|may_be| instance.set(may_be))?;
    let words = if place.instance { commands.run.clone() } else { with_image(&commands.without_instance) };
    let (program, arguments) = words.split_first().ok_or_else(|| Error::failed(what, "no program"))?;
    let environment = [program::environment(), commands.environment.clone()].concat();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().filter_map(|pair| pair.split_once('=')));
    supervise::supervise(folder, command, Stdio::null(), "run the program", |pid| {
        Running::of(pid, place.clone()).write(folder)
    })
}

/// Starts the keeper of the launch in `folder` with the image that is open as `image`.
///
/// # Errors
/// If it cannot be started.
pub(super) fn start(words: &[String], image: File) -> Result<()> {
    let what = "start the keeper of the workload";
    let (program, arguments) = words.split_first().ok_or_else(|| Error::usage(what, "this plan starts no program"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    command.envs(program::environment().iter().filter_map(|pair| pair.split_once('=')));
    let mut keeper = command.stdin(image).stdout(Stdio::null()).stderr(Stdio::null()).spawn().during(what)?;
    // Waits for the keeper while Wharf runs; afterwards the system's init does.
    std::thread::spawn(move || keeper.wait());
    Ok(())
}

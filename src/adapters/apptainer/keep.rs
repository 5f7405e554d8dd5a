//! The keeper of a launch: makes the instance, runs the program in it, keeps its output, and notes its exit code. It
//! outlives Wharf, and has the image open as its standard input, so that no other file can take the image's place.

use std::{
    cell::Cell,
    fs::File,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::spec::{Commands, IMAGE, Place, Running, Spec};
use crate::{
    keeper::{launches, supervise},
    shared::{apptainer as program, exec},
};
use wharf_core::base::error::{During, Error, Result};

/// The internal verb of the keeper; the command line does not list it.
pub(super) const VERB: &str = "__keep_apptainer";
/// The most time in which an instance is made or removed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for an instance that was made to be found, and the pause between two looks.
const APPEARS: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);
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
    let made = call(&with_image(&commands.start));
    // It is ended whatever follows: also if looking for it fails, or if the call that makes it took too long.
    instance.set(!made.as_ref().is_ok_and(|made| made.code != 0));
    let made = made?;
    // On a busy machine, the instance is found only a moment after it was made.
    let there = made.code == 0 && {
        let end = Instant::now() + APPEARS;
        let mut there = is_listed(&call(&commands.look)?.stdout);
        while !there && Instant::now() < end {
            std::thread::sleep(LOOK);
            there = is_listed(&call(&commands.look)?.stdout);
        }
        there
    };
    let words = if there { commands.run.clone() } else { with_image(&commands.without_instance) };
    let (program, arguments) = words.split_first().ok_or_else(|| Error::failed(what, "no program"))?;
    let environment = [program::environment(), commands.environment.clone()].concat();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().filter_map(|pair| pair.split_once('=')));
    supervise::supervise(folder, command, Stdio::null(), "run the program", |pid| {
        Running::of(pid, Place { instance: there }).write(folder)
    })
}

/// Whether the answer of `instance list --json NAME` names an instance.
fn is_listed(answer: &[u8]) -> bool {
    let told: Option<serde_json::Value> = serde_json::from_slice(answer).ok();
    told.and_then(|told| Some(!told.get("instances")?.as_array()?.is_empty())).unwrap_or(false)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_there_when_it_is_listed() {
        assert!(is_listed(br#"{"instances": [{"instance": "wharf-1", "pid": 7}]}"#));
        for none in [r#"{"instances": []}"#, r#"{"instances": null}"#, "", "[]"] {
            assert!(!is_listed(none.as_bytes()), "{none}");
        }
    }
}

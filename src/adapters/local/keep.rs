//! The keeper of a local workload: starts it, writes down its exit code. Outlives Wharf.

use std::{
    fs::File,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Resource, Rlimit};

use super::Spec;
use crate::core::error::{During, Error, Result};

/// Runs the workload of `folder` to its end. Called as `wharf __keep FOLDER`.
pub fn keep(folder: &Path) -> Result<()> {
    let what = format!("keep {}", folder.display());
    // A session of its own: the terminal's end is not the workload's.
    let _ = rustix::process::setsid();
    let spec = read(folder)?;
    let log = File::options().create(true).append(true).open(folder.join("log")).during(&what)?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(Resource::Core, none);
    if spec.memory > 0 {
        rustix::process::setrlimit(Resource::As, Rlimit { current: Some(spec.memory), maximum: Some(spec.memory) })
            .during(&what)?;
    }
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

/// The written-down workload of a folder.
pub fn read(folder: &Path) -> Result<Spec> {
    let what = format!("read {}", folder.display());
    let bytes = std::fs::read(folder.join("spec.json")).during(&what)?;
    serde_json::from_slice(&bytes).during(what)
}

/// Writes a small file whole or not at all.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let what = format!("write {}", folder.join(name).display());
    let partial = folder.join(format!("{name}.partial"));
    std::fs::write(&partial, text).during(&what)?;
    std::fs::rename(partial, folder.join(name)).during(what)
}

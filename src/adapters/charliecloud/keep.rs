//! The keeper of a launch: compares the image, runs the script of the launch, keeps its output and notes its exit code.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::folder::{Running, Spec, place};
use crate::{
    keeper::{launches, processes, supervise},
    shared::{exec, private},
};
use wharf_core::base::error::{During, Error, Kind, Result};

/// The internal verb of the keeper; the command line does not list it.
pub(super) const VERB: &str = "__keep_charliecloud";
/// The most time in which an image of any size is compared.
const COMPARED: Duration = Duration::from_secs(3600);

/// Runs the launch in `folder` until it ends.
pub(super) fn keep(folder: &Path) -> Result<()> {
    supervise::keep(folder, || run(folder))
}

fn run(folder: &Path) -> Result<i32> {
    let what = format!("run {}", folder.display());
    processes::adopt().during(&what)?;
    // While the image is compared, the keeper is what can be ended.
    Running::of(std::process::id(), ()).write(folder)?;
    let spec: Spec = launches::read(folder)?;
    if let Some(words) = &spec.check {
        if !is_unchanged(words, &what)? {
            return Err(Error::new(Kind::Integrity, what, "the prepared image is not what was prepared")
                .hint("remove it with 'wharf cache', and launch again"));
        }
    }
    let place = place(folder);
    private::folder(&place)?;
    let mut command = command(&spec.run, &what)?;
    command.arg(&place);
    let run = supervise::supervise(folder, command, Stdio::null(), "run the program", |pid| {
        Running::of(pid, ()).write(folder)
    });
    // What the program has left running ends with it.
    processes::end_descendants();
    run
}

/// Whether the words that compare the prepared image find it as it was.
fn is_unchanged(words: &[String], what: &str) -> Result<bool> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().during(what)?;
    let compared = runtime.block_on(exec::run_in(&words, Some(&[path()]), b"", 4096, COMPARED))?;
    Ok(compared.code == 0)
}

/// The path as a variable.
fn path() -> String {
    format!("PATH={}", std::env::var("PATH").unwrap_or_default())
}

/// A command with nothing of this session but the path.
fn command(words: &[String], what: &str) -> Result<Command> {
    let (program, arguments) = words.split_first().ok_or_else(|| Error::failed(what, "no program"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    Ok(command)
}

//! The keeper of a machine: runs QEMU, keeps what its console writes, and notes its exit code. It outlives Wharf.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{
    console,
    folder::{Running, Spec},
};
use crate::keeper::{launches, supervise};
use wharf_core::base::error::{Error, Result};

/// The internal verb of the keeper; the command line does not list it.
pub(super) const VERB: &str = "__keep_qemu";

/// Runs the machine of the launch in `folder` until it ends.
pub(super) fn keep(folder: &Path) -> Result<()> {
    supervise::keep(folder, || run(folder))
}

fn run(folder: &Path) -> Result<i32> {
    let what = "start the machine";
    let spec: Spec = launches::read(folder)?;
    let (program, arguments) = spec.run.split_first().ok_or_else(|| Error::failed(what, "there is no program"))?;
    let typed = console::typed(folder)?;
    let mut command = Command::new(program);
    // Its files are named relative to the folder, as QEMU reads a comma in a name as the end of it.
    command.args(arguments).current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    supervise::supervise(folder, command, Stdio::from(typed), what, |pid| Running::of(pid, ()).write(folder))
}

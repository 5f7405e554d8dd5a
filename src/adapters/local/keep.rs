//! The keeper of a local workload: it starts the workload in its sandbox.

use std::path::Path;

use super::{confine, run, sealed, spec::WorkloadSpec};
use crate::keeper::{running::RunningProgram, supervise};
use wharf_core::base::{
    error::{During, Result},
    small_file,
};

/// Runs the workload in `folder` until it ends.
pub(super) fn keep(folder: &Path) -> Result<()> {
    let what = format!("keep {}", folder.display());
    // Locks and pipes of the session would otherwise be held while the workload runs.
    confine::close_others(&what)?;
    // Everything of Wharf in the sandbox is started from this copy in sealed memory, so that updating the program
    // changes nothing in it.
    let ourselves = sealed::let_inherit(sealed::run_from_memory(&what)?, &what)?;
    let spec = read(folder)?;
    supervise::keep(folder, || {
        let ready = run::ready(&spec.sandboxed, folder, &ourselves)?;
        let limits = ready.limits;
        supervise::supervise(folder, ready.command, "start the sandbox", |pid| {
            RunningProgram::of(pid, limits).write(folder)
        })
    })
}

/// The description of the workload in a folder.
pub(super) fn read(folder: &Path) -> Result<WorkloadSpec> {
    let what = format!("read {}", folder.display());
    let bytes = small_file::bytes(folder.join("spec.json")).during(&what)?;
    serde_json::from_slice(&bytes).during(what)
}

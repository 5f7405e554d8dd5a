//! The keeper of a local workload: it starts the workload in its sandbox.

use std::{fs::File, os::fd::OwnedFd, path::Path, process::Stdio};

use super::{
    confine::{self, Limits},
    image_server::ImageServer,
    mounted, rescue, run,
    sandbox_program::SandboxProgram,
    sandboxed::Sandboxed,
    sealed,
    spec::WorkloadSpec,
    stop_request::{self, StopRequest},
};
use crate::{
    keeper::{log::Log, running::RunningProgram, supervise},
    shared::private,
};
use wharf_core::base::{
    error::{During, Result},
    small_file,
};

/// Runs the workload in `folder` until it ends.
pub(super) fn keep(folder: &Path) -> Result<()> {
    let what = format!("keep {}", folder.display());
    // Locks and pipes of the session would otherwise be held while the workload runs.
    confine::close_others(&what)?;
    let spec = read(folder)?;
    // Everything of Wharf in the sandbox is started from this file, which nobody there can change, and which stays the same
    // where the program is updated. Behind gVisor there is nothing of Wharf.
    let ourselves = match spec.sandboxed.runtime {
        SandboxProgram::Runsc => File::open("/proc/self/exe").during(&what)?,
        _ => sealed::let_inherit(sealed::run_from_unchangeable(&what)?, &what)?,
    };
    let mut server = None;
    let kept = supervise::keep(folder, || start(folder, &spec, &ourselves, &mut server));
    // The exit code is there already: this may take a moment.
    if let Some(server) = server {
        server.end();
    }
    kept
}

/// Runs the workload to its end and gives its exit code; `server` gets the process that answers for its image, where that
/// is mounted. An image that cannot be mounted is unpacked.
fn start(folder: &Path, spec: &WorkloadSpec, ourselves: &File, server: &mut Option<ImageServer>) -> Result<i32> {
    let code = run_to_its_end(folder, &spec.sandboxed, ourselves, server)?;
    let Some(image) = spec.sandboxed.mounted.as_ref().filter(|_| code != 0 && mounted::has_failed(folder)) else {
        return Ok(code);
    };
    if let Some(server) = server.take() {
        server.end();
    }
    Log::new(folder).put(b"wharf: the image is unpacked instead, for this launch alone\n");
    let mut stop = StopRequest::listen("unpack the image")?;
    // So it is listed as running meanwhile, and can be ended.
    RunningProgram::of(std::process::id(), Limits::default()).write(folder)?;
    let (from, file) = ((&spec.sandboxed, image), image_file("unpack the image")?);
    let Some(sandboxed) = rescue::unpacked(&mut stop, folder, from, file, ourselves)? else {
        Log::new(folder).put(b"wharf: it was stopped before its program began\n");
        return Ok(stop_request::CODE);
    };
    let now = WorkloadSpec { sandboxed, ..spec.clone() };
    let text = serde_json::to_vec_pretty(&now).during("describe the workload")?;
    private::write(&folder.join("spec.json"), &text)?;
    run_to_its_end(folder, &now.sandboxed, ourselves, server)
}

/// The image's open file: Wharf has compared it and left it open as the standard input.
fn image_file(what: &str) -> Result<File> {
    let file: OwnedFd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).during(what)?;
    Ok(file.into())
}

/// Runs a sandbox to its end and gives the exit code of its program, or that of a failure before it was started.
fn run_to_its_end(
    folder: &Path,
    sandboxed: &Sandboxed,
    ourselves: &File,
    server: &mut Option<ImageServer>,
) -> Result<i32> {
    let what = "start the sandbox";
    let ready = run::ready(sandboxed, folder, ourselves)?;
    let (limits, mut input) = (ready.limits, Stdio::null());
    if let Some(image) = &sandboxed.mounted {
        let who = sandboxed.who(what)?;
        let file = image_file(what)?;
        let (started, connected) = ImageServer::start(image, file, (who.uid, who.gid), &limits, ourselves)?;
        (*server, input) = (Some(started), connected);
    }
    let code = supervise::supervise(folder, ready.command, input, what, |pid| {
        RunningProgram::of(pid, limits).write(folder)?;
        server.as_ref().map_or(Ok(()), |server| server.note(folder))
    })?;
    if let Some(why) = server.as_mut().filter(|_| code != 0).and_then(ImageServer::complaint) {
        Log::new(folder).put(format!("wharf: mount the image: {why}\n").as_bytes());
    }
    Ok(code)
}

/// The description of the workload in a folder.
pub(super) fn read(folder: &Path) -> Result<WorkloadSpec> {
    let what = format!("read {}", folder.display());
    let bytes = small_file::bytes(folder.join("spec.json")).during(&what)?;
    serde_json::from_slice(&bytes).during(what)
}

//! What a keeper does while its program runs.

use std::{
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use wharf_core::base::error::{During, Result};

use super::log::{Exit, Log};

/// How long to wait for the rest of the output after the end of a program: a process outside may hold the pipe open.
const REST: Duration = Duration::from_secs(2);

/// The exit code that a shell would report: 128 + the signal's number after a signal.
pub fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Keeps what `run` runs in `folder`: reserves the place of the exit code first, and writes it at the end. If `run` fails,
/// the error is in the output, and the exit code is 127, as after a command that a shell cannot start.
pub fn keep(folder: &Path, run: impl FnOnce() -> Result<i32>) -> Result<()> {
    // In a session of its own, the program does not end with the terminal.
    let _ = rustix::process::setsid();
    let exit = Exit::reserve(folder)?;
    let code = run().unwrap_or_else(|error| {
        Log::new(folder).put(format!("wharf: {error}\n").as_bytes());
        127
    });
    exit.write(folder, code)
}

/// Runs a program with the standard input `input` until it ends, keeps its output in `folder` and gives its exit code.
/// `started` gets the number of its
/// process once there is one; if it fails, nobody could find the program again, and it is ended.
pub fn supervise(
    folder: &Path,
    mut command: Command,
    input: Stdio,
    what: &str,
    started: impl FnOnce(u32) -> Result<()>,
) -> Result<i32> {
    let (output, written) = std::io::pipe().during(what)?;
    command.stdin(input).stdout(written.try_clone().during(what)?).stderr(written);
    let mut child = command.spawn().during(what)?;
    // Our own end of the pipe would keep the log open.
    drop(command);
    let (done, ended) = mpsc::channel();
    let mut log = Log::new(folder);
    std::thread::spawn(move || {
        log.copy_from(output);
        let _ = done.send(());
    });
    if let Err(error) = started(child.id()) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    let status = child.wait().during(what)?;
    let _ = ended.recv_timeout(REST);
    Ok(code(status))
}

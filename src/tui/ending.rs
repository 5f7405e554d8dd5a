//! Ends the program when its terminal goes away or a signal asks it to, even while the loop hangs: in writing to a
//! terminal that no longer takes output, in leaving, or in reading keys from a terminal that is closed.

use std::{
    fs::File,
    io::{self, IsTerminal},
    os::fd::{AsFd, OwnedFd},
    process::exit,
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, getpid, kill_process},
};
use tokio::signal::unix::{SignalKind, signal};

/// How long the loop may take to end in its usual way, before the program is ended without it.
const GRACE: Duration = Duration::from_millis(600);

/// Starts two threads that watch for signals and for the terminal's end. They do not depend on the loop or its runtime,
/// so that neither can block them. Fails if there is no terminal or no thread can be started.
pub fn watch() -> io::Result<()> {
    let terminal = terminal()?;
    thread::Builder::new().name("signals".into()).spawn(|| {
        if let Ok(number) = wait_for_signal() {
            thread::sleep(GRACE);
            leave(number);
        }
    })?;
    thread::Builder::new().name("terminal".into()).spawn(move || {
        wait_for_its_end(&terminal);
        // When a terminal closes, the kernel sends SIGHUP to the session's leader only; this sends it to this process
        // too.
        let _ = kill_process(getpid(), Signal::HUP);
    })?;
    Ok(())
}

/// The terminal that keys are read from, chosen as crossterm does: standard input, else `/dev/tty`.
fn terminal() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if stdin.is_terminal() { stdin.as_fd().try_clone_to_owned() } else { File::open("/dev/tty").map(OwnedFd::from) }
}

/// Returns when the other side of a terminal is closed. Typed keys do not end the wait.
fn wait_for_its_end(terminal: &OwnedFd) {
    let mut watched = [PollFd::new(terminal, PollFlags::empty())];
    while poll(&mut watched, None) == Err(rustix::io::Errno::INTR) {}
}

/// Waits for SIGHUP, SIGTERM or SIGINT and returns its number.
fn wait_for_signal() -> io::Result<i32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(tokio::select! {
            _ = hangup.recv() => SignalKind::hangup(),
            _ = terminate.recv() => SignalKind::terminate(),
            _ = interrupt.recv() => SignalKind::interrupt(),
        }
        .as_raw_value())
    })
}

/// Restores the terminal and exits with 128 + the signal's number; kills the process if restoring takes over 200 ms.
fn leave(number: i32) {
    thread::spawn(|| {
        thread::sleep(Duration::from_millis(200));
        let _ = kill_process(getpid(), Signal::KILL);
    });
    super::kit::terminal::restore();
    exit(128 + number);
}

//! The program ends when its terminal goes away or when it is told to, whatever it is doing: drawing into a line that
//! stands still, leaving, or reading a keyboard that is gone for ever.

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

/// How long the loop may take to end by itself.
const GRACE: Duration = Duration::from_millis(600);

/// Watches from threads of its own: neither the loop nor its runtime can be in their way.
pub fn watch() -> io::Result<()> {
    let terminal = terminal()?;
    thread::Builder::new().name("signals".into()).spawn(|| {
        if let Ok(number) = told() {
            thread::sleep(GRACE);
            leave(number);
        }
    })?;
    thread::Builder::new().name("terminal".into()).spawn(move || {
        wait_for_its_end(&terminal);
        // What a terminal that goes away says to whom it leads, it says so to everybody.
        let _ = kill_process(getpid(), Signal::HUP);
    })?;
    Ok(())
}

/// The terminal whose keys are read, as crossterm chooses it.
fn terminal() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if stdin.is_terminal() { stdin.as_fd().try_clone_to_owned() } else { File::open("/dev/tty").map(OwnedFd::from) }
}

/// Returns when the other side of a terminal is gone; keys do not wake it.
fn wait_for_its_end(terminal: &OwnedFd) {
    let mut watched = [PollFd::new(terminal, PollFlags::empty())];
    while poll(&mut watched, None) == Err(rustix::io::Errno::INTR) {}
}

/// The number of the signal that asks to end.
fn told() -> io::Result<i32> {
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

/// Ends at once, restoring what can be restored; where even that hangs, without it.
fn leave(number: i32) {
    thread::spawn(|| {
        thread::sleep(Duration::from_millis(200));
        let _ = kill_process(getpid(), Signal::KILL);
    });
    super::kit::terminal::restore();
    exit(128 + number);
}

//! Stopping and continuing with the shell's job control: ctrl-z, SIGTSTP, `fg`.

use std::time::Duration;

use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
use tokio::signal::unix::{self, SignalKind};

use super::kit::terminal;

/// The signals of job control, which the loop waits for.
pub struct JobControl {
    stop: unix::Signal,
    go_on: unix::Signal,
}

/// What job control asks the program to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobSignal {
    /// Stop: SIGTSTP was received.
    Stop,
    /// Continue after having been stopped in whatever way: SIGCONT was received.
    GoOn,
}

impl JobControl {
    /// Handles SIGTSTP and SIGCONT from now on, instead of being stopped by the kernel.
    pub fn new() -> std::io::Result<Self> {
        let kind = |signal: Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Self { stop: unix::signal(kind(Signal::TSTP))?, go_on: unix::signal(kind(Signal::CONT))? })
    }

    /// Waits for the next signal of job control.
    pub async fn wish(&mut self) -> JobSignal {
        tokio::select! {
            _ = self.stop.recv() => JobSignal::Stop,
            _ = self.go_on.recv() => JobSignal::GoOn,
        }
    }

    /// Restores the terminal and stops; returns when the program continues. `false` if nothing could continue it.
    pub async fn stop(&mut self) -> bool {
        // A session leader has no shell above it: nothing would ever continue it.
        if getsid(None).is_ok_and(|session| session == getpgrp()) {
            return false;
        }
        terminal::restore();
        // Parents in the same process group, like a script or sudo, are stopped too. The signal reaches this process
        // first.
        if kill_current_process_group(Signal::TSTP).is_ok() {
            let _ = tokio::time::timeout(Duration::from_millis(200), self.stop.recv()).await;
        }
        let _ = kill_process(getpid(), Signal::STOP);
        let _ = tokio::time::timeout(Duration::from_millis(200), self.go_on.recv()).await;
        true
    }
}

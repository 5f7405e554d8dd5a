//! Stopping and going on, as the shell's job control asks: ctrl-z, SIGTSTP, `fg`.

use std::time::Duration;

use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
use tokio::signal::unix::{self, SignalKind};

use super::kit::terminal;

/// Signals of job control, received by the loop.
pub struct JobControl {
    stop: unix::Signal,
    go_on: unix::Signal,
}

/// What the shell wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That the program stops.
    Stop,
    /// That it goes on, after whatever has stopped it.
    GoOn,
}

impl JobControl {
    /// From now on this program stops in its own way.
    pub fn new() -> std::io::Result<Self> {
        let kind = |signal: Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Self { stop: unix::signal(kind(Signal::TSTP))?, go_on: unix::signal(kind(Signal::CONT))? })
    }

    /// The next wish.
    pub async fn wish(&mut self) -> Wish {
        tokio::select! {
            _ = self.stop.recv() => Wish::Stop,
            _ = self.go_on.recv() => Wish::GoOn,
        }
    }

    /// Gives the terminal back and stops; returns when the program goes on. `false` where nobody could let it go on.
    pub async fn stop(&mut self) -> bool {
        // The leader of a session has no shell above it: it would stand still for ever.
        if getsid(None).is_ok_and(|session| session == getpgrp()) {
            return false;
        }
        terminal::restore();
        // Whoever waits for this program in its own group, a script or sudo, stops too; our own share of it comes first.
        if kill_current_process_group(Signal::TSTP).is_ok() {
            let _ = tokio::time::timeout(Duration::from_millis(200), self.stop.recv()).await;
        }
        let _ = kill_process(getpid(), Signal::STOP);
        let _ = tokio::time::timeout(Duration::from_millis(200), self.go_on.recv()).await;
        true
    }
}

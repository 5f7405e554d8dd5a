//! What a long call gets besides its arguments: a deadline, a way to be cancelled, and a place for progress notes.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ask::Asker;
use super::{
    budget::Budget,
    error::{Error, Kind, Result},
};

/// The latest note of a running task. Notes are lossy: only the newest is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// What it is doing, in a few words.
    pub phase: String,
    /// Bytes done so far.
    pub done: u64,
    /// Bytes in all, when known.
    pub total: Option<u64>,
    /// Bytes that did not have to move (there already, or mounted).
    pub spared: u64,
}

/// Where a task writes its notes.
#[derive(Debug, Clone)]
pub struct Progress(watch::Sender<Note>);

impl Progress {
    /// A progress and the end that reads it.
    pub fn channel() -> (Self, watch::Receiver<Note>) {
        let (sender, receiver) = watch::channel(Note::default());
        (Self(sender), receiver)
    }

    /// A progress that nobody reads.
    pub fn silent() -> Self {
        Self::channel().0
    }

    /// Names what is being done now.
    pub fn phase(&self, phase: impl Into<String>) {
        let phase = phase.into();
        self.0.send_modify(|note| note.phase = phase);
    }

    /// Sets the bytes to expect.
    pub fn total(&self, bytes: u64) {
        self.0.send_modify(|note| note.total = Some(bytes));
    }

    /// Sets the bytes done so far, for tasks that report absolute numbers.
    pub fn set(&self, done: u64, total: Option<u64>) {
        self.0.send_modify(|note| {
            note.done = done;
            note.total = total;
        });
    }

    /// Counts bytes that moved.
    pub fn add(&self, bytes: u64) {
        self.0.send_modify(|note| note.done += bytes);
    }

    /// Counts bytes that did not have to move.
    pub fn spare(&self, bytes: u64) {
        self.0.send_modify(|note| {
            note.done += bytes;
            note.spared += bytes;
        });
    }
}

/// Deadline, cancellation, progress and budget of one call.
#[derive(Debug, Clone)]
pub struct Context {
    /// How long a single answer may take; a transfer is held to it per step, not as a whole.
    pub deadline: Duration,
    /// Fires when the person cancels or leaves.
    pub cancel: CancellationToken,
    /// Receives how far the work is.
    pub progress: Progress,
    /// Who may be asked meanwhile.
    pub asking: Asking,
    /// What it may cost.
    pub budget: Budget,
}

/// Whoever can be asked while something is done; nobody by default.
#[derive(Clone, Default)]
pub struct Asking(pub Option<Arc<dyn Asker>>);

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "somebody" } else { "nobody" })
    }
}

impl Default for Context {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(20),
            cancel: CancellationToken::new(),
            progress: Progress::silent(),
            asking: Asking::default(),
            budget: Budget::default(),
        }
    }
}

impl Context {
    /// The same context with another deadline.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same context, in which somebody can be asked.
    #[must_use]
    pub fn asking(mut self, asker: Arc<dyn Asker>) -> Self {
        self.asking = Asking(Some(asker));
        self
    }

    /// Runs `work` until it is done, the deadline has passed, or it is cancelled.
    pub async fn run<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let bounded = tokio::time::timeout(self.deadline, work);
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::cancelled(what)),
            done = bounded => done.unwrap_or_else(|_| Err(timed_out(what, self.deadline))),
        }
    }

    /// Runs `work` without a deadline of its own; it ends when cancelled.
    pub async fn unless_cancelled<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::cancelled(what)),
            done = work => done,
        }
    }
}

/// The error of a call that took too long.
pub fn timed_out(what: &str, after: Duration) -> Error {
    Error::new(Kind::Unavailable, what, format!("no answer within {} s", after.as_secs().max(1)))
        .hint("check the address and the network, then try again")
}

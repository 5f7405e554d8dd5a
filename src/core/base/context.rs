//! What a long call gets besides its arguments: deadline, cancellation, progress, questions, limits, checkpoints.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ask::Asker;
use super::{
    budget::Budget,
    checkpoint::OptionalCheckpoints,
    error::{Error, Kind, Result},
    pace::Pace,
};

/// The progress of a running task. Only the latest note is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// What it is doing, in a few words.
    pub phase: String,
    /// Bytes done so far.
    pub done: u64,
    /// Bytes in all, when known.
    pub total: Option<u64>,
    /// Bytes that did not have to be moved, because they were there already or mounted.
    pub spared: u64,
    /// Bytes that were moved once more, because a connection broke.
    pub again: u64,
    /// The id under which a transfer is kept, if it is one.
    pub transfer: Option<String>,
    /// How many of the parts, which are layers of an image, are there, and how many there are; 0 where it has none.
    pub parts: (usize, usize),
    /// The parts that are being moved.
    pub moving: Vec<Part>,
}

/// A part that is being moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is called: the beginning of its digest.
    pub name: String,
    /// Its bytes that were moved.
    pub done: u64,
    /// Its bytes in all.
    pub size: u64,
}

/// Where a task reports its progress.
#[derive(Debug, Clone)]
pub struct Progress(watch::Sender<Note>);

impl Progress {
    /// A progress and its reader.
    pub fn channel() -> (Self, watch::Receiver<Note>) {
        let (sender, receiver) = watch::channel(Note::default());
        (Self(sender), receiver)
    }

    /// A progress without a reader.
    pub fn silent() -> Self {
        Self::channel().0
    }

    /// Sets what is being done now.
    pub fn phase(&self, phase: impl Into<String>) {
        let phase = phase.into();
        self.0.send_modify(|note| note.phase = phase);
    }

    /// Sets the number of bytes to expect.
    pub fn total(&self, bytes: u64) {
        self.0.send_modify(|note| note.total = Some(bytes));
    }

    /// Sets the bytes done and to expect, for tasks that know absolute numbers.
    pub fn set(&self, done: u64, total: Option<u64>) {
        self.0.send_modify(|note| {
            note.done = done;
            note.total = total;
        });
    }

    /// Adds bytes that were moved.
    pub fn add(&self, bytes: u64) {
        self.0.send_modify(|note| note.done += bytes);
    }

    /// Sets the number of parts.
    pub fn parts(&self, count: usize) {
        self.0.send_modify(|note| note.parts = (0, count));
    }

    /// A part is at this byte.
    pub fn part(&self, name: &str, done: u64, size: u64) {
        self.0.send_modify(|note| match note.moving.iter_mut().find(|part| part.name == name) {
            Some(part) => part.done = done,
            None => note.moving.push(Part { name: name.to_owned(), done, size }),
        });
    }

    /// A part is there; or it is given up, and counts no more.
    pub fn part_ended(&self, name: &str, is_there: bool) {
        self.0.send_modify(|note| {
            note.moving.retain(|part| part.name != name);
            note.parts.0 += usize::from(is_there);
        });
    }

    /// Adds bytes that were moved once more.
    pub fn add_again(&self, bytes: u64) {
        self.0.send_modify(|note| note.again += bytes);
    }

    /// Sets the id under which the transfer is kept.
    pub fn kept_as(&self, id: &str) {
        self.0.send_modify(|note| note.transfer = Some(id.to_owned()));
    }

    /// Takes back bytes that seemed to be there and are moved after all.
    pub fn take_back(&self, bytes: u64) {
        self.0.send_modify(|note| {
            note.done = note.done.saturating_sub(bytes);
            note.spared = note.spared.saturating_sub(bytes);
        });
    }

    /// Shows this in place of what was reported before.
    pub fn show(&self, shown: Note) {
        self.0.send_replace(shown);
    }

    /// How far it is now.
    pub fn note(&self) -> Note {
        self.0.borrow().clone()
    }

    /// Adds bytes that did not have to be moved.
    pub fn add_saved_bytes(&self, bytes: u64) {
        self.0.send_modify(|note| {
            note.done += bytes;
            note.spared += bytes;
        });
    }
}

/// Deadline, cancellation, progress, questions, limits and checkpoints of a call.
#[derive(Debug, Clone)]
pub struct Context {
    /// The longest time for a single answer; transfers apply it to each step, not to the whole.
    pub deadline: Duration,
    /// Cancels the call when the person cancels or leaves.
    pub cancel: CancellationToken,
    /// Receives the progress of the work.
    pub progress: Progress,
    /// Asks the person while the work is done.
    pub asking: OptionalAsker,
    /// The limits of the work.
    pub budget: Budget,
    /// How fast, and at which hours, bytes are moved.
    pub pace: Pace,
    /// Where parts of a transfer are written down that are not whole yet.
    pub checkpoints: OptionalCheckpoints,
}

/// Asks the person while something is done; by default nobody can be asked.
#[derive(Clone, Default)]
pub struct OptionalAsker(pub Option<Arc<dyn Asker>>);

impl fmt::Debug for OptionalAsker {
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
            asking: OptionalAsker::default(),
            budget: Budget::default(),
            pace: Pace::default(),
            checkpoints: OptionalCheckpoints::default(),
        }
    }
}

impl Context {
    /// The context with another deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The context in which this asker can be used.
    #[must_use]
    pub fn asking(mut self, asker: Arc<dyn Asker>) -> Self {
        self.asking = OptionalAsker(Some(asker));
        self
    }

    /// Does `work` until it is done, the deadline has passed, or it is cancelled.
    pub async fn run<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let bounded = tokio::time::timeout(self.deadline, work);
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::cancelled(what)),
            done = bounded => done.unwrap_or_else(|_| Err(timed_out(what, self.deadline))),
        }
    }

    /// Waits for a while; fails if it is cancelled.
    pub async fn pause(&self, what: &str, time: Duration) -> Result<()> {
        self.unless_cancelled(what, async {
            tokio::time::sleep(time).await;
            Ok(())
        })
        .await
    }

    /// Does `work` without a deadline. When it is cancelled, the work has `grace` to end by itself where it can be taken up
    /// again.
    pub async fn unless_cancelled_for<T>(
        &self,
        what: &str,
        grace: Duration,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let too_late = async {
            self.cancel.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            biased;
            done = work => done,
            () = too_late => Err(Error::cancelled(what)),
        }
    }

    /// Whether the work shall stop where it can be taken up again: the person cancelled, left, or wants it paused.
    pub fn shall_stop(&self) -> bool {
        self.cancel.is_cancelled() || self.checkpoints.shall_pause()
    }

    /// Does `work` without a deadline; fails if it is cancelled.
    pub async fn unless_cancelled<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::cancelled(what)),
            done = work => done,
        }
    }
}

/// The error of a call that reached its deadline.
pub fn timed_out(what: &str, after: Duration) -> Error {
    Error::new(Kind::Unavailable, what, format!("no answer within {} s", after.as_secs().max(1)))
        .hint("check the address and the network, then try again")
}

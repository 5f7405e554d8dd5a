//! What a long call gets besides its arguments: deadline, cancellation, progress, questions, limits, checkpoints.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::ask::Asker;
use super::{
    budget::Budget,
    checkpoint::OptionalCheckpoints,
    error::{Error, Kind, Result},
    pace::Pace,
};

pub use super::progress::{Note, Part, Progress};

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

//! Work that waits for a disk or computes for long, beside the tasks of the program.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::TryFutureExt;
use tokio::sync::oneshot;

/// The work ended without a result: there is a fault in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crashed;

impl fmt::Display for Crashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wharf has a fault here: the task ended without a result")
    }
}

/// Begins work on a thread of its own, at once; what is returned waits for its result. The work goes on to its end even if
/// nobody waits any more.
///
/// All such work has one type for tokio, so that the machinery of a task is built once and not once for each of them.
///
/// # Errors
/// `Crashed`, when the work panicked or the program ends.
pub fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, Crashed>> + Send + 'static {
    let (done, result) = oneshot::channel();
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        // Whoever began it may have stopped waiting.
        let _ = done.send(work());
    });
    tokio::task::spawn_blocking(work);
    result.map_err(|_| Crashed)
}

/// The same, for work that looks at times whether it is to stop: it is where nobody waits any more.
///
/// # Errors
/// Those of [`blocking`].
pub async fn stoppable<T: Send + 'static>(work: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Result<T, Crashed> {
    let waiting = StopOnDrop(Arc::default());
    let stop = waiting.0.clone();
    blocking(move || work(&stop)).await
}

/// Tells work to stop when this is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_told_to_stop_when_nobody_waits_any_more() {
        let (ended, told) = oneshot::channel();
        let waiting = tokio::spawn(stoppable(move |stop| {
            while !stop.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let _ = ended.send(());
        }));
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.is_err_and(|error| error.is_cancelled()));
        // It may not have begun: then there is nothing to end.
        let _ = told.await;
    }

    #[tokio::test]
    async fn the_result_comes_back_and_a_crash_is_told() {
        assert_eq!(blocking(|| 6 * 7).await, Ok(42));
        assert_eq!(blocking(|| -> u8 { panic!("on purpose") }).await, Err(Crashed));
    }
}

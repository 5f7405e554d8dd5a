//! Being asked to end (SIGTERM) while the keeper of a workload works itself: then it does not go on, and says how the
//! workload ended.

use std::time::Duration;

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use wharf_core::base::error::{During, Result};

/// The exit code of a workload that was asked to end, as after SIGTERM in a shell.
pub(super) const CODE: i32 = 143;
/// How long a request that has arrived may take to be seen.
const SEEN: Duration = Duration::from_millis(5);

/// Learns that this process is asked to end, which does not end it any more.
pub(super) struct StopRequest {
    runtime: Option<Runtime>,
    signal: Signal,
}

impl StopRequest {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where the system has no resources for it.
    pub(super) fn listen(what: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().during(what)?;
        let signal = runtime.block_on(async { signal(SignalKind::terminate()) }).during(what)?;
        Ok(Self { runtime: Some(runtime), signal })
    }

    /// Carries out the work; `None` if this process is asked to end meanwhile.
    ///
    /// # Errors
    /// Those of the work.
    pub(super) fn unless_asked<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        let Some(runtime) = &self.runtime else { return Ok(None) };
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = self.signal.recv() => Ok(None),
                done = work => done.map(Some),
            }
        })
    }

    /// Whether this process was asked to end since.
    pub(super) fn is_asked(&mut self) -> bool {
        let seen = async {
            tokio::time::sleep(SEEN).await;
            Ok(())
        };
        self.unless_asked(seen).is_ok_and(|done| done.is_none())
    }
}

impl Drop for StopRequest {
    fn drop(&mut self) {
        // A thread that still works at what is not wanted any more is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_when_the_process_is_asked_to_end() {
        let mut stop = StopRequest::listen("test").unwrap();
        assert_eq!(stop.unless_asked(async { Ok(7) }).unwrap(), Some(7));
        assert!(!stop.is_asked());
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        assert_eq!(stop.unless_asked(std::future::pending::<Result<()>>()).unwrap(), None);
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        assert!(stop.is_asked());
    }
}

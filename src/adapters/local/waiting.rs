//! Waiting for asynchronous work in the processes that are started as inner verbs, which have no runtime.

use wharf_core::base::error::{During, Result};

/// Carries out the work on this thread, and waits for its end.
///
/// # Errors
/// Where the system has no resources for it, and those of the work.
pub(super) fn wait_for<T>(work: impl Future<Output = Result<T>>, what: &str) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().during(what)?;
    runtime.block_on(work)
}

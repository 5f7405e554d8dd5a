//! What programs use that keepers run.

use std::time::Instant;

use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Result},
    },
    launch::usage::{self, Usage},
};

use super::processes;
use crate::shared::samples::Samples;

/// Measurements of programs: processor use is that between two of them.
#[derive(Default)]
pub struct Measurements(Samples<(u64, Instant)>);

impl Measurements {
    /// Measures the process with this number and all below it, as the workload `id`.
    ///
    /// # Errors
    /// None but of this program itself; what has ended uses nothing.
    pub async fn take(&self, id: &str, pid: u32, what: &str) -> Result<Usage> {
        let (nanoseconds, memory, processes) = blocking(move || processes::usage(pid)).await.during(what)?;
        let now = Instant::now();
        let before = self.0.replace(id, (nanoseconds, now));
        Ok(Usage {
            cpu_percent: before
                .and_then(|(used, then)| usage::percent(used, nanoseconds, now.duration_since(then).as_nanos() as f64)),
            processors: None,
            memory: Some(memory),
            // Limits are those of each process, not of them all.
            memory_limit: None,
            network: None,
            processes: Some(processes),
        })
    }
}

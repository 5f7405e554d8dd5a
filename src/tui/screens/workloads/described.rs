//! What was read of the workload beside the list.

use crate::output::{AT_ONCE, Output};
use wharf_core::{
    base::error::Error, catalog::marks::Marks, launch::usage::WorkloadId, portal::evidence::brief::Brief,
};

/// What was read of the workload beside the list.
#[derive(Debug)]
pub(super) struct Described {
    pub id: WorkloadId,
    /// The verdict on its image with what it rests on; `None` if nothing is known.
    pub verdict: Option<Box<(Marks, Brief)>>,
    /// The last lines of its output.
    pub output: Output,
    /// Whether reading its output has ended, and the error if there is one.
    pub ended: Option<Result<(), Error>>,
    /// When its output was asked for, in milliseconds of the loop's clock.
    asked: u64,
    /// Whether its output had been followed for a while when it ended.
    lasted: bool,
}

impl Described {
    /// A workload whose output has not arrived yet.
    pub(super) fn new(id: WorkloadId, verdict: Option<Box<(Marks, Brief)>>, clock: u64) -> Self {
        Self { id, verdict, output: Output::default(), ended: None, asked: clock, lasted: false }
    }

    /// Its output has ended, or cannot be read.
    pub(super) fn end(&mut self, result: Result<(), Error>, now: i64, clock: u64) {
        self.output.finish(now);
        self.ended = Some(result);
        self.lasted = clock.saturating_sub(self.asked) > AT_ONCE;
    }

    /// Whether its output has ended after it had been followed for a while: if it runs, it was started again. True once.
    pub(super) fn takes_end(&mut self) -> bool {
        matches!(self.ended, Some(Ok(()))) && std::mem::take(&mut self.lasted)
    }
}

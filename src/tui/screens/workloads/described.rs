//! What was read of the workload beside the list.

use crate::output::Output;
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
}

impl Described {
    /// A workload whose output has not arrived yet.
    pub(super) fn new(id: WorkloadId, verdict: Option<Box<(Marks, Brief)>>) -> Self {
        Self { id, verdict, output: Output::default(), ended: None }
    }
}

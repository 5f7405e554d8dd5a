//! The workloads of all backends: what they use, which of them need the person, and what is known of the selected one.

mod actions;
mod beside;
mod columns;
mod described;
mod regions;
mod troubles;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use self::{columns::Used, described::Described};
use crate::{
    kit::list::{Rows, Scrollable},
    usage::{Readings, charts::Measured},
};
use wharf_core::{
    base::error::{Error, Result},
    catalog::marks::Marks,
    launch::{
        plan::Workload,
        usage::{Usage, WorkloadId},
    },
    portal::evidence::brief::Brief,
    request::notice::Warning,
};

/// The state of the Workloads screen.
#[derive(Debug, Default)]
pub struct Page {
    /// The workloads, once they are known.
    pub rows: Rows<Workload>,
    /// The backends that did not answer, with their errors.
    pub failed: Vec<(String, Error)>,
    /// The warnings about images that became vulnerable.
    pub warnings: Vec<Warning>,
    /// Whether the warnings were asked for.
    asked: bool,
    /// What was measured of each running workload.
    usage: BTreeMap<WorkloadId, Use>,
    /// What was read of the workload beside the list.
    described: Option<Described>,
}

/// What was measured of a running workload.
#[derive(Debug, Default)]
struct Use {
    /// Whether the last measurement told something.
    told: bool,
    readings: Readings,
}

impl Page {
    /// Shows a new list of workloads; measurements of those that have ended are dropped.
    pub fn arrived(&mut self, all: Vec<Workload>, failed: Vec<(String, Error)>) {
        let live: BTreeSet<WorkloadId> = all.iter().filter(|one| one.state.is_live()).map(Workload::key).collect();
        self.usage.retain(|id, _| live.contains(id));
        self.rows.set(all);
        self.failed = failed;
    }

    /// Keeps a measurement of a workload that arrived at a time of the loop's clock, in milliseconds; a failed one counts
    /// as not measured.
    pub fn measured(&mut self, id: WorkloadId, told: Result<Option<Usage>>, clock: u64) {
        let known = self.usage.entry(id).or_default();
        let told = told.ok().flatten();
        known.told = told.is_some();
        if let Some(usage) = told {
            known.readings.add(clock, usage);
        }
    }

    /// Takes the verdict on the image of the workload beside the list, whose output follows.
    pub fn set_verdict(&mut self, id: WorkloadId, verdict: Option<Box<(Marks, Brief)>>, clock: u64) {
        self.described = Some(Described::new(id, verdict, clock));
    }

    /// Whether the output of this workload beside the list ended, so that it was started again if it runs. True once for
    /// each end.
    pub fn takes_end(&mut self, id: &WorkloadId) -> bool {
        self.described.as_mut().is_some_and(|described| described.id == *id && described.takes_end())
    }

    /// Takes output of the workload beside the list.
    pub fn printed(&mut self, id: &WorkloadId, bytes: &[u8], now: i64) {
        if let Some(described) = self.described.as_mut().filter(|described| described.id == *id) {
            described.output.append(bytes, now);
        }
    }

    /// The output of the workload beside the list has ended, or cannot be read.
    pub fn output_ended(&mut self, id: &WorkloadId, result: Result<()>, now: i64, clock: u64) {
        if let Some(described) = self.described.as_mut().filter(|described| described.id == *id) {
            described.end(result, now, clock);
        }
    }

    /// The running workloads among the visible rows, of which there are `lines`, and the selected one: it may be described
    /// without the list.
    fn running_in_sight(&self, lines: usize) -> Vec<WorkloadId> {
        let seen = self.rows.iter().skip(self.rows.top()).take(lines);
        let mut running: Vec<WorkloadId> = seen.filter(|one| one.state.is_live()).map(Workload::key).collect();
        let selected = self.rows.selected().filter(|one| one.state.is_live()).map(Workload::key);
        running.extend(selected.filter(|id| !running.contains(id)).into_iter().collect::<Vec<_>>());
        running
    }

    /// What is known of the use of a workload; unknown if it does not run.
    fn usage(&self, workload: &Workload) -> Used<'_> {
        let Some(known) = self.usage.get(&workload.key()).filter(|_| workload.state.is_live()) else {
            return Used::Unknown;
        };
        match known.readings.last() {
            Some(usage) if known.told && !usage.says_nothing() => {
                Used::Told(Measured { usage, readings: &known.readings })
            }
            _ => Used::Untold,
        }
    }
}

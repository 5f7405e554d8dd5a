//! The page of one workload: its state, its addresses, what it uses, and its output while it is written.

mod actions;
mod usage;
mod view;

use crate::{
    kept::output::Switches,
    kit::{layout::Alone, list::DrawnItem},
    model::Model,
    output::{Output, Room},
    usage::Readings,
};
use wharf_core::{
    base::error::{Error, Result},
    launch::{plan::Workload, usage::Usage},
};

/// Whether the output has the screen alone.
fn shows_output_alone(model: &Model) -> bool {
    model.views.of("workload").alone != Alone::None
}

/// The state of a workload's page.
#[derive(Debug)]
pub struct Page {
    /// The workload as it was last listed.
    pub workload: DrawnItem<Workload>,
    /// The output that it has written.
    pub output: Output,
    /// Whether following the output has ended, and its error if there is one.
    pub ended: Option<Result<(), Error>>,
    /// What was measured lately.
    pub readings: Readings,
    /// The last measurement, or why there is none, in words.
    pub usage: Option<Result<Usage, String>>,
    /// When the output was requested, in milliseconds of the loop's clock.
    pub asked: u64,
    /// Whether the output could be followed for a while: only then its end means that the workload ended.
    pub lasted: bool,
    /// Whether the person has just switched the times on; else they are on because they were at the last page.
    pub times_wanted: bool,
}

impl Page {
    /// A page for a workload whose output has not arrived yet, and is read as `switches` say.
    pub fn new(workload: Workload, switches: Switches) -> Self {
        let mut output = Output::default();
        (output.times, output.wrap) = (switches.times, switches.wrap);
        Self {
            workload: DrawnItem::new(workload),
            output,
            ended: None,
            readings: Readings::default(),
            usage: None,
            asked: 0,
            lasted: false,
            times_wanted: false,
        }
    }

    /// Empties the output: the workload was started again, and its output is read from the beginning.
    pub fn again(&mut self, clock: u64) {
        self.output.again();
        self.ended = None;
        self.asked = clock;
    }

    /// Takes a measurement that arrived at a time of the loop's clock, in milliseconds.
    pub fn reading(&mut self, told: Result<Option<Usage>>, clock: u64) {
        self.usage = Some(match told {
            Ok(Some(usage)) => {
                self.readings.add(clock, usage);
                Ok(usage)
            }
            Ok(None) => Err(format!("{} does not tell what it uses", self.workload.backend)),
            Err(error) => Err(format!("what it uses is not known: {}", error.why)),
        });
    }

    /// Whether there is something to draw in charts.
    fn is_measured(&self) -> bool {
        let is_told = |usage: &Usage| usage.cpu_percent.is_some() || usage.memory.is_some();
        self.workload.state.is_live() && matches!(&self.usage, Some(Ok(usage)) if is_told(usage))
    }

    /// The room for lines of output on the screen.
    fn room(&self, model: &Model) -> Room {
        let body = model.body();
        let parts = self.parts((body.width, body.height), model.charts, shows_output_alone(model));
        Room { height: usize::from(parts.lines).max(1), width: usize::from(body.width) }
    }
}

//! Where the parts of the list of requests stand: for drawing, clicking and paging alike.

use ratatui::layout::Rect;

use super::{Page, lately::Lately};
use crate::kit::{
    layout::{Alone, ListAndReading, Side, WIDE, list_and_reading},
    widgets::{above, above_failure, below, row},
};

/// All about the selected request stands beside the list where there is room.
const DOSSIER: Side = Side { from: WIDE, share: 46, bounds: (46, 76) };

/// The lines of a body from which what the keys decide stands below the list.
const DECIDED: u16 = 12;

/// The lines of a list from which what waits is drawn below it.
const PLOTTED: u16 = 30;

/// The parts of the screen's own area. A part without room has height 0.
pub(super) struct Regions {
    /// The heads of the columns.
    pub head: Rect,
    /// The rows, and the lines of their groups.
    pub rows: Rect,
    /// What waits, as bars below the list.
    pub waiting: Rect,
    /// How requests went lately and which approvals end soon, below that.
    pub lately: Lately,
    /// All about the selected request.
    pub dossier: Rect,
    /// Whether that has all lines, beside the list or alone.
    pub beside: bool,
    /// What the keys decide: a rule and a line.
    pub decision: Rect,
}

impl Page {
    /// The parts of the list in an area, with one of the panes alone if the person wants that.
    pub(super) fn regions(&self, body: Rect, alone: Alone) -> Regions {
        let rest = above_failure(body, self.error.as_ref());
        let decided = if self.decides() && rest.height >= DECIDED { 2 } else { 0 };
        let decision = below(rest, rest.height - decided);
        let ListAndReading { list, reading, beside } = list_and_reading(above(rest, decided), DOSSIER, alone);
        let plot = if beside { self.plot_lines(list.height) } else { 0 };
        // Only the lines that neither rows nor bars need.
        let spare =
            if beside && list.height >= PLOTTED { list.height.saturating_sub(plot + self.list_lines()) } else { 0 };
        let (rest, lately) = self.lately_below(list, spare);
        let (list, waiting) = (above(rest, plot), below(rest, rest.height - plot));
        Regions { head: row(list, 0), rows: below(list, 1), waiting, lately, dossier: reading, beside, decision }
    }

    /// The parts about the last days and the next ones below an empty queue, and the area that they leave.
    pub(super) fn lately_alone(&self, area: Rect) -> (Lately, Rect) {
        let spare = if area.width >= WIDE && area.height >= PLOTTED { area.height / 2 } else { 0 };
        let (rest, lately) = self.lately_below(area, spare);
        (lately, rest)
    }

    /// The lines of the whole list with its head.
    fn list_lines(&self) -> u16 {
        u16::try_from(self.lines().len()).unwrap_or(u16::MAX).saturating_add(1)
    }

    /// How many lines of a list go to the plot of what waits: those without rows, of a full list a quarter. A title without
    /// two bars below it is left out.
    fn plot_lines(&self, height: u16) -> u16 {
        if height < PLOTTED {
            return 0;
        }
        let room = self.waiting_lines().min(height.saturating_sub(self.list_lines()).max(height / 4));
        if room < 3 { 0 } else { room }
    }
}

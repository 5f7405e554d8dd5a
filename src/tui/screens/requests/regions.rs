//! Where the parts of the list of requests stand: for drawing, clicking and paging alike.

use ratatui::layout::Rect;

use super::Page;
use crate::kit::{
    layout::{Alone, ListAndReading, Side, WIDE, list_and_reading},
    widgets::{above, below, row},
};

/// All about the selected request stands beside the list where there is room.
const DOSSIER: Side = Side { from: WIDE, share: 46, bounds: (46, 76) };

/// The lines of a body from which what the keys decide stands below the list.
const DECIDED: u16 = 12;

/// The parts of the screen's own area. A part without room has height 0.
pub(super) struct Regions {
    /// The heads of the columns.
    pub head: Rect,
    /// The rows, and the lines of their groups.
    pub rows: Rect,
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
        let rest = above(body, u16::from(self.error.is_some()));
        let decided = if self.decides() && rest.height >= DECIDED { 2 } else { 0 };
        let decision = below(rest, rest.height - decided);
        let ListAndReading { list, reading, beside } = list_and_reading(above(rest, decided), DOSSIER, alone);
        Regions { head: row(list, 0), rows: below(list, 1), dossier: reading, beside, decision }
    }
}

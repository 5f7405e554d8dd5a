//! Where the parts of the list of requests stand: for drawing, clicking and paging alike.

use ratatui::layout::Rect;

use super::Page;
use crate::kit::{
    layout::{Panes, Shape, Side, WIDE, panes},
    widgets::{above, below, row},
};

/// The panes: all about the selected request stands beside the list where there is room.
const SHAPE: Shape = Shape { left: None, right: Some(Side { from: WIDE, share: 46, bounds: (46, 76) }), strip: 0 };

/// The lines of a body from which what the keys decide stands below the list.
const DECIDED: u16 = 12;

/// The parts of the screen's own area. A part without room has height 0.
pub(super) struct Regions {
    /// The list and the pane beside it.
    pub panes: Panes,
    /// The heads of the columns.
    pub head: Rect,
    /// The rows, and the lines of their groups.
    pub rows: Rect,
    /// All about the selected request: beside the list or below it.
    pub dossier: Rect,
    /// What the keys decide: a rule and a line.
    pub decision: Rect,
}

impl Page {
    /// The parts of the list in an area.
    pub(super) fn regions(&self, body: Rect) -> Regions {
        let rest = above(body, u16::from(self.error.is_some()));
        let decided = if self.decides() && rest.height >= DECIDED { 2 } else { 0 };
        let decision = below(rest, rest.height - decided);
        let panes = panes(above(rest, decided), SHAPE, false);
        let main = panes.main;
        let lower = match (panes.right, main.height) {
            (Some(_), _) => 0,
            (None, few @ ..14) => few / 3,
            (None, lines) => (lines / 5 * 2).clamp(7, 18),
        };
        let table = above(main, lower);
        Regions {
            head: row(table, 0),
            rows: below(table, 1),
            dossier: panes.right.unwrap_or_else(|| below(main, main.height - lower)),
            panes,
            decision,
        }
    }
}

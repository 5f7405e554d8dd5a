//! Where the parts of the list of workloads stand: for drawing, clicking and paging alike.

use ratatui::layout::Rect;

use super::Page;
use crate::kit::{
    layout::{Alone, Panes, Shape, Side, View, WIDE, panes},
    widgets::{above, above_failures, below, row},
};

/// The pane about the selected workload.
const SIDE: Side = Side { from: WIDE, share: 41, bounds: (46, 80) };
/// The lines of a body from which a list beside other panes has a rule.
const RULED: u16 = 26;
/// The most lines about the selected workload below the list.
const STRIP: u16 = 7;
/// The most lines about workloads that need the person, with their title.
const TROUBLES: u16 = 7;
/// The lines of a list from which it gives a quarter of them away.
const LONG: u16 = 20;

/// The parts of the screen's own area.
pub(super) struct Regions {
    /// The panes as they divide the area.
    pub panes: Panes,
    /// The rule above the list, if it has one.
    pub rule: Option<Rect>,
    /// The heads of the columns and the rows.
    pub table: Rect,
    /// The rows.
    pub rows: Rect,
    /// The line about a row that is not here any more; empty if there is none.
    pub vanished: Rect,
    /// The workloads that need the person, below a rule; empty if there are none.
    pub troubles: Rect,
}

impl Page {
    /// The parts of the screen in an area, of which the person wants to see so much; `troubles`: how many workloads need the
    /// person.
    pub(super) fn regions(&self, body: Rect, view: View, troubles: usize) -> Regions {
        let empty = self.rows.iter().len() == 0;
        let view = if empty { View { hidden: true, alone: Alone::None } } else { view };
        let strip = if view.hidden { 0 } else { (body.height / 3).min(STRIP) };
        let panes = panes(body, Shape { side: SIDE, strip }, view);
        let ruled = panes.right.is_some() && !panes.main.is_empty() && body.height >= RULED;
        let troubles = if view.alone == Alone::None { troubles } else { 0 };
        let rest = below(panes.main, u16::from(ruled));
        let list = above_failures(rest, &self.failed);
        let troubled = self.lines_of_troubles(list.height, troubles);
        let (list, troubles) = (above(list, troubled), below(list, list.height - troubled));
        let gone = u16::from(self.rows.vanished().is_some());
        let table = above(list, gone);
        Regions {
            panes,
            rule: ruled.then(|| row(panes.main, 0)),
            table,
            rows: below(table, 1),
            vanished: below(list, list.height - gone.min(list.height)),
            troubles,
        }
    }

    /// How many lines of the list are left to workloads that need the person: those without rows, or of a long list a
    /// quarter. A title without a line below it is left out.
    fn lines_of_troubles(&self, height: u16, troubles: usize) -> u16 {
        if troubles == 0 {
            return 0;
        }
        let wanted = u16::try_from(troubles).unwrap_or(u16::MAX).saturating_add(1).min(TROUBLES);
        // The head of the columns and a free line stay.
        let rows = u16::try_from(self.rows.iter().len()).unwrap_or(u16::MAX).saturating_add(2);
        let quarter = if height >= LONG { height / 4 } else { 0 };
        let room = wanted.min(height.saturating_sub(rows).max(quarter));
        if room < 2 { 0 } else { room }
    }
}

//! Where the parts of the list of images stand: for drawing, clicking and paging alike.

use ratatui::layout::Rect;

use super::Catalog;
use crate::kit::{
    layout::{Alone, Panes, Shape, Side, View, WIDE, left_pane, panes},
    widgets::{above, below, row},
};

/// The panes of the list: what is selected is described beside it, or on a line below it.
const SHAPE: Shape = Shape { side: Side { from: WIDE, share: 38, bounds: (40, 60) }, strip: 1 };

/// The columns of a body from which the facets stand beside the list, and how many they take.
const FACETS_FROM: u16 = 150;
const FACETS: u16 = 32;

/// The lines of a body from which a list beside other panes has a rule.
const RULED: u16 = 26;

/// The parts of the screen's own area.
pub(super) struct Regions {
    /// The facets by which the list can be narrowed, if there is room for them.
    pub facets: Option<Rect>,
    /// The panes as they divide the rest of the area.
    pub panes: Panes,
    /// What the typed word may become, and older filters; empty if there is nothing.
    pub completions: Rect,
    /// The rule above the list, if it has one.
    pub rule: Option<Rect>,
    /// The heads of the columns.
    pub head: Rect,
    /// The rows.
    pub rows: Rect,
    /// The line about sources that do not answer; empty if all do.
    pub failures: Rect,
}

impl Catalog {
    /// The parts of the list in an area, of which the person wants to see so much.
    pub(super) fn regions(&self, body: Rect, view: View) -> Regions {
        // While one types, the list is what is looked at.
        let alone = if self.typing { Alone::None } else { view.alone };
        let (facets, rest) = match alone {
            Alone::None => left_pane(body, FACETS_FROM, FACETS),
            Alone::Focused if self.facets.focused => (Some(body), Rect { width: 0, height: 0, ..body }),
            _ => (None, body),
        };
        let panes = panes(rest, SHAPE, View { alone, ..view });
        let ruled = panes.right.is_some() && !panes.main.is_empty() && body.height >= RULED;
        let offers = u16::from(self.helps_typing() && panes.main.height > 3);
        let rest = below(panes.main, offers + u16::from(ruled));
        let failing = u16::from(rest.height > 4 && self.failing() > 0);
        let table = above(rest, failing);
        Regions {
            facets,
            panes,
            completions: Rect { height: offers, ..row(panes.main, 0) },
            rule: ruled.then(|| row(panes.main, offers)),
            head: row(table, 0),
            rows: below(table, 1),
            failures: Rect { y: table.bottom(), height: failing, ..rest },
        }
    }
}

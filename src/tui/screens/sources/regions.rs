//! Where the parts of the screen stand: for drawing, clicking and scrolling alike.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{Page, Pane, by_source, response_times, rows::rows};
use crate::{
    kit::{
        layout::{Alone, Panes, Shape, Side, View, WIDE, panes},
        widgets::{above, below, row},
    },
    model::Model,
};

/// What is known of the selected row stands beside the table where there is room.
const SHAPE: Shape = Shape { side: Side { from: WIDE, share: 40, bounds: (44, 76) }, strip: 0 };

/// The lines of a body from which what is known of the selected row stands below the table.
const DETAILED: u16 = 12;

/// The parts of the screen's own area. A part without room has height 0.
pub(super) struct Regions {
    /// The heads of the columns and the rows.
    pub table: Rect,
    /// The rows.
    pub rows: Rect,
    /// The rule above what is known of the selected row.
    pub detail_rule: Rect,
    /// What is known of the selected row.
    pub detail: Rect,
    /// The rule above the checks.
    pub checks_rule: Rect,
    /// The checks of this machine.
    pub checks: Rect,
    /// How long they take to answer, below what is known of the selected row, where that leaves room beside the table.
    pub response_times: Rect,
    /// The images by source, below that.
    pub by_source: Rect,
    /// The column between the panes; `None` where the detail stands below the table.
    pub divider: Option<u16>,
}

impl Page {
    /// The parts of the screen in an area.
    pub(super) fn regions(&self, body: Rect, model: &Model) -> Regions {
        let count = u16::try_from(rows(model, &[]).len()).unwrap_or(u16::MAX);
        if model.views.of("sources").alone != Alone::None {
            return self.alone(body);
        }
        let Panes { main, right, .. } = panes(body, SHAPE, View::default());
        let half = body.height / 2;
        let table = count.saturating_add(1).min(half.max(4)).min(body.height);
        let (below_table, beside) = match right {
            Some(_) => (0, true),
            None if body.height >= DETAILED => {
                let lines = u16::try_from(self.detail_text(main.width, model).count() + 1).unwrap_or(u16::MAX);
                (lines.min((body.height - table) / 2), false)
            }
            None => (0, false),
        };
        let [table, under, checks] =
            Layout::vertical([Constraint::Length(table), Constraint::Length(below_table), Constraint::Fill(1)])
                .areas(main);
        let detail = right.unwrap_or(under);
        let (detail, response_times, by_source) = self.with_plots(detail, beside, model);
        // A rule needs a line below it.
        let checks = if checks.height < 2 { above(checks, checks.height) } else { checks };
        Regions {
            table,
            rows: below(table, 1),
            detail_rule: row(detail, 0),
            detail: below(detail, 1),
            checks_rule: row(checks, 0),
            checks: below(checks, 1),
            response_times,
            by_source,
            divider: beside.then(|| detail.x.saturating_sub(1)),
        }
    }

    /// The pane of what is known of the selected row, and below it the plots that fit whole.
    fn with_plots(&self, detail: Rect, beside: bool, model: &Model) -> (Rect, Rect, Rect) {
        let told = u16::try_from(self.detail_text(detail.width, model).count() + 2).unwrap_or(u16::MAX);
        let room = if beside { detail.height.saturating_sub(told) } else { 0 };
        let fitting = |wanted: u16, room: u16| if wanted <= room { wanted } else { 0 };
        let times = fitting(response_times::lines(model), room);
        // A free line between two plots.
        let gap = u16::from(times > 0);
        let images = fitting(by_source::lines(model), room.saturating_sub(times + gap));
        if times == 0 && images == 0 {
            return (detail, Rect { height: 0, ..detail }, Rect { height: 0, ..detail });
        }
        let plots = below(detail, told);
        let under = Rect { height: images, ..below(plots, times + gap) };
        (above(detail, detail.height - told), Rect { height: times, ..plots }, under)
    }

    /// The pane to which the keys go, alone in an area.
    fn alone(&self, body: Rect) -> Regions {
        let none = Rect { width: 0, height: 0, ..body };
        let of = |pane: Pane| if self.pane == pane { body } else { none };
        let (table, detail, checks) = (of(Pane::Table), of(Pane::Detail), of(Pane::Checks));
        Regions {
            table,
            rows: below(table, 1),
            detail_rule: row(detail, 0),
            detail: below(detail, 1),
            checks_rule: row(checks, 0),
            checks: below(checks, 1),
            response_times: none,
            by_source: none,
            divider: None,
        }
    }
}

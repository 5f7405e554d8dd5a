//! Drawing the sources: the table, what is known of the selected one, and the checks of this machine.

use ratatui::{Frame, layout::Rect};

use super::{Page, Pane, by_source, columns::columns, response_times, rows::rows};
use crate::{
    kit::{
        panel,
        table::{self, TableRow},
        theme::Theme,
        widgets::put,
    },
    model::Model,
};

impl Page {
    /// Draws all panes that have room.
    pub(super) fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let parts = self.regions(area, model);
        let all = rows(model, &self.health);
        let height = usize::from(parts.rows.height);
        let top = self.at.window(all.len(), height);
        let title = all.get(self.at.selected).map(|row| row.name.clone()).unwrap_or_default();
        let columns = columns();
        let shown = table::fitting(&columns, parts.rows.width, |_| true);
        let live = (self.at.selected.checked_sub(top), self.pane == Pane::Table);
        let drawn = all.into_iter().skip(top).take(height).map(|row| TableRow { row, marked: false });
        table::draw(frame, parts.table, (&columns, &shown), drawn, live, "", theme);
        let rule = |frame: &mut Frame<'_>, area: Rect, title: &str, facts: &str, pane: Pane| {
            put(frame, area, panel::rule(usize::from(area.width), title, facts, self.pane == pane, theme));
        };
        rule(frame, parts.detail_rule, &title, "", Pane::Detail);
        let detail = self.detail_text(parts.detail.width, model);
        detail.draw_from(frame, parts.detail, self.detail.selected, theme);
        rule(frame, parts.checks_rule, "On this machine", &self.checks_facts(model), Pane::Checks);
        let checks = self.checks_text(parts.checks.width, model);
        checks.draw_from(frame, parts.checks, self.lines.selected, theme);
        response_times::draw(frame, parts.response_times, model, theme);
        by_source::draw(frame, parts.by_source, model, theme);
        if let Some(x) = parts.divider {
            panel::divider(frame, x, Rect { x, ..area }, None, theme);
        }
    }
}

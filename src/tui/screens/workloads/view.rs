//! Drawing the list of workloads with what is beside and below it.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    Page,
    columns::{ADDRESS, BACKEND, PLOTS_FROM, Used, WorkloadRow, columns},
    regions::Regions,
};
use crate::{
    kit::{
        action::Action,
        list::Scrollable,
        nothing::Nothing,
        panel::{self, Window},
        table::{self, Column, TableRow},
        theme::Theme,
        widgets::{below, failures, fit, put, row, vanished_message},
    },
    model::Model,
};
use wharf_core::{
    base::text,
    launch::plan::{State, Workload},
};

impl Page {
    /// Draws the list, what is known of the selected workload, and the backends that did not answer.
    pub(super) fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let troubles = self.troubles(model);
        let parts = self.regions(area, model.views.of("workloads"), troubles.len());
        failures(frame, below(parts.panes.main, u16::from(parts.rule.is_some())), &self.failed, theme);
        let Some(all) = self.rows.all() else {
            return put(frame, row(parts.table, 1), Line::styled("  asking the backends…", theme.style("dim")));
        };
        if all.is_empty() {
            return Self::nothing(frame, parts.table, theme, model);
        }
        let count = all.len();
        if let Some(rule) = parts.rule {
            let place = self.rows.selected().and(self.rows.selected_index()).map_or(0, |at| at + 1);
            let facts = format!("{} of {}", text::count(place as u64), text::count(count as u64));
            put(frame, rule, panel::rule(usize::from(rule.width), "Workloads", &facts, true, theme));
        }
        self.table(frame, &parts, all, theme, model.now);
        if let Some(gone) = self.rows.vanished() {
            let words = fit(&format!("  {}", vanished_message(gone)), usize::from(parts.vanished.width));
            put(frame, parts.vanished, Line::styled(words, theme.style("dim")));
        }
        self.troubles_view(frame, parts.troubles, &troubles, theme, model);
        if let Some(right) = parts.panes.right {
            let x = right.x.saturating_sub(1);
            let height = usize::from(parts.rows.height);
            let list = Window { top: self.rows.window(height), shown: height, count };
            let ruled = self.pane(frame, right, theme, model);
            if right.x > area.x {
                panel::divider(frame, x, area, Some(list), theme);
                joints(frame, x, &parts, &ruled, theme);
            }
        }
        self.strip(frame, parts.panes.strip, theme);
    }

    fn nothing(frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        Nothing::new("Nothing runs.", "What you launch shows here with its output, processors and memory.")
            .key(&model.keymap, "workloads", Action::Catalog, "goes to the images: choose one")
            .key(&model.keymap, "catalog", Action::Launch, "on an image launches it")
            .key(&model.keymap, "workloads", Action::Launches, "launches again what you launched before")
            .draw(frame, area, theme);
    }

    /// Draws the heads of the columns and the visible rows.
    fn table(&self, frame: &mut Frame<'_>, parts: &Regions, all: &[Workload], theme: &Theme, now: i64) {
        let area = parts.table;
        let several = all.first().is_some_and(|first| all.iter().any(|one| one.backend != first.backend));
        let reached = all.iter().any(|one| !one.reached().is_empty());
        let wanted = |column: &Column<WorkloadRow<'_>>| match column.head {
            BACKEND => several || area.width >= 100,
            ADDRESS => reached,
            _ => true,
        };
        // Where nothing is measured the names have the room.
        let measured =
            all.iter().any(|one| one.state == State::OutOfMemory || matches!(self.usage(one), Used::Told(_)));
        let columns = columns(measured && area.width >= PLOTS_FROM);
        let shown = table::fitting(&columns, area.width, wanted);
        let height = usize::from(parts.rows.height);
        let top = self.rows.window(height);
        let rows = all.iter().skip(top).take(height);
        let rows = rows
            .map(|workload| TableRow { row: WorkloadRow { workload, used: self.usage(workload), now }, marked: false });
        let selected = self.rows.selected_index().and_then(|at| at.checked_sub(top)).filter(|at| *at < height);
        table::draw(frame, area, (&columns, &shown), rows, (selected, true), "", theme);
    }
}

/// Joins the rules on both sides of the line between the panes to it.
fn joints(frame: &mut Frame<'_>, x: u16, parts: &Regions, right: &[u16], theme: &Theme) {
    let left = (parts.troubles.height > 0).then_some(parts.troubles.y);
    for line in right {
        let sign = match parts.rule.is_some_and(|rule| rule.y == *line) {
            true => "┬",
            false if left == Some(*line) => "┼",
            false => "├",
        };
        panel::joint(frame, x, *line, sign, theme);
    }
    if let Some(line) = left.filter(|line| !right.contains(line)) {
        panel::joint(frame, x, line, "┤", theme);
    }
}

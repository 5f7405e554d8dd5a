//! How requests went in the last days, and the approvals that end soon: below the queue, where lines are left.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::Page;
use crate::kit::{
    panel,
    plot::spark::{sparkline, upper_end},
    theme::Theme,
    widgets::{above, below, cell, fit, put, row},
};
use wharf_core::{
    base::{clean, error::Error, text},
    request::{DayCount, EndingApproval, QueueOverview},
};

/// The columns of what a plot is of.
const LABEL: usize = 8;
/// The columns after a plot: the sum.
const SUM: usize = 8;
/// The most columns of one day.
const WIDEST: usize = 3;
/// The columns of the time in which an approval ends.
const ENDS: usize = 9;
/// The lines of the plots with their title.
const PLOTS: u16 = 3;

/// Where the two parts stand. A part without room has height 0.
pub(super) struct Lately {
    /// What was asked for and decided.
    pub days: Rect,
    /// The approvals that end soon.
    pub ending: Rect,
}

impl Page {
    fn overview(&self) -> Option<&QueueOverview> {
        self.overview.as_ref().and_then(|known| known.as_ref().ok()).filter(|_| self.decides())
    }

    fn overview_error(&self) -> Option<&Error> {
        self.overview.as_ref().and_then(|known| known.as_ref().err()).filter(|_| self.decides())
    }

    /// Divides an area of which `spare` lines may be used: what is left of it, and the parts below that. Each part has all
    /// that it needs to be understood, or nothing.
    pub(super) fn lately_below(&self, area: Rect, spare: u16) -> (Rect, Lately) {
        let (plots, listed) = match (self.overview(), self.overview_error()) {
            (Some(known), _) => {
                let plots = if known.asked() + known.decided() > 0 { PLOTS } else { 0 };
                (plots, u16::try_from(known.ending.len()).unwrap_or(u16::MAX))
            }
            (None, Some(_)) => (2, 0),
            (None, None) => (0, 0),
        };
        let plots = if plots <= spare { plots } else { 0 };
        let room = spare - plots;
        let ending = if listed == 0 || room < 2 { 0 } else { listed.saturating_add(1).min(room) };
        let used = plots + ending;
        let parts = below(area, area.height.saturating_sub(used));
        (above(area, used), Lately { days: above(parts, ending), ending: below(parts, plots) })
    }

    /// Draws the parts that have room.
    pub(super) fn lately_view(&self, frame: &mut Frame<'_>, parts: &Lately, theme: &Theme, now: i64) {
        if let Some(known) = self.overview() {
            draw_days(frame, parts.days, known, theme);
            draw_ending(frame, parts.ending, known, theme, now);
        } else if let Some(error) = self.overview_error().filter(|_| !parts.days.is_empty()) {
            let inner = panel::titled(frame, parts.days, "Asked for and decided", "", false, theme);
            let words = fit(&format!(" unknown: {}", clean::line(&error.to_string())), usize::from(inner.width));
            put(frame, row(inner, 0), Line::styled(words, theme.style("dim")));
        }
    }
}

/// Draws the two plots by day with one scale, so that they can be compared.
fn draw_days(frame: &mut Frame<'_>, area: Rect, known: &QueueOverview, theme: &Theme) {
    if area.is_empty() {
        return;
    }
    let room = usize::from(area.width).saturating_sub(1 + LABEL + 1 + SUM);
    let shown = known.days.get(known.days.len().saturating_sub(room)..).unwrap_or_default();
    let columns = (room / shown.len().max(1)).clamp(1, WIDEST);
    let values = |of: fn(&DayCount) -> u64| -> Vec<f64> { shown.iter().map(|day| of(day) as f64).collect() };
    let (asked, decided) = (values(|day| day.asked), values(|day| day.decided));
    let most = upper_end(&asked, None).max(upper_end(&decided, None));
    let facts = format!("{} days (UTC), up to {} a day", shown.len(), text::count(most as u64));
    let inner = panel::titled(frame, area, "Asked for and decided", &facts, false, theme);
    for (place, name, values, role) in [(0, "asked", asked, "chart.bar"), (1, "decided", decided, "chart2.bar")] {
        let sum: f64 = values.iter().sum();
        let wide: Vec<f64> = values.into_iter().flat_map(|value| std::iter::repeat_n(value, columns)).collect();
        let line = Line::from(vec![
            Span::styled(format!(" {}", cell(name, LABEL)), theme.style("text")),
            Span::styled(sparkline(&wide, Some(most), wide.len()), theme.style(role)),
            Span::styled(format!(" {}", text::count(sum as u64)), theme.style("dim")),
        ]);
        put(frame, row(inner, place), line);
    }
}

/// Draws a line about each approval that ends soon: the image, in what time, and what is new about it.
fn draw_ending(frame: &mut Frame<'_>, area: Rect, known: &QueueOverview, theme: &Theme, now: i64) {
    if area.is_empty() {
        return;
    }
    let lines = usize::from(area.height).saturating_sub(1);
    let in_all = usize::try_from(known.ending_in_all).unwrap_or(usize::MAX);
    let shown =
        if in_all > lines { format!(", {lines} of {}", text::count(known.ending_in_all)) } else { String::new() };
    let facts = format!("in {} days{shown}", QueueOverview::SOON);
    let inner = panel::titled(frame, area, "Approvals that end soon", &facts, false, theme);
    let width = usize::from(inner.width);
    let name = (width / 3).clamp(12, 40);
    for (place, one) in (0..inner.height).zip(&known.ending) {
        put(frame, row(inner, place), ending_line(one, (name, width), theme, now));
    }
}

/// The line about one approval, with so many columns for the name and in all.
fn ending_line(one: &EndingApproval, (name, width): (usize, usize), theme: &Theme, now: i64) -> Line<'static> {
    let (sign, role) = if one.has_news() { ("!", "caution") } else { ("◷", "dim") };
    let left = width.saturating_sub(3 + name + 1 + ENDS + 1);
    Line::from(vec![
        Span::styled(format!(" {sign} "), theme.style(role)),
        Span::styled(cell(&clean::line(&one.title), name), theme.style("text")),
        Span::styled(cell(&one.ends(now), ENDS), theme.style("text")),
        Span::styled(fit(&clean::line(&one.news()), left), theme.style(role)),
    ])
}

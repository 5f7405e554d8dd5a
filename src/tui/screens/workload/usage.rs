//! What the workload uses, as charts beside each other where there is room for them, else in a line.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};

use super::Page;
use crate::{
    kit::{
        plot::chart::Charts,
        theme::Theme,
        widgets::{fit, tone},
    },
    usage::charts::{Measured, memory_words},
};
use wharf_core::base::{badge::Tone, text};

/// What is known of its use, if it was measured.
fn measured(page: &Page) -> Option<Measured<'_>> {
    let Some(Ok(usage)) = &page.usage else { return None };
    Some(Measured { usage, readings: &page.readings })
}

/// Draws the charts of processor and memory use beside each other, each under its title.
pub(super) fn charts(page: &Page, frame: &mut Frame<'_>, area: Rect, charts: Charts, theme: &Theme) {
    let Some(measured) = measured(page) else { return };
    let [left, _, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    measured.draw_cpu(frame, left, charts, theme);
    measured.draw_memory(frame, right, charts, theme);
}

/// The line below the charts.
pub(super) fn beside_charts(page: &Page, width: usize, theme: &Theme) -> Line<'static> {
    let Some(measured) = measured(page) else { return Line::default() };
    Line::styled(fit(&format!(" {}", measured.further_words()), width), theme.style("dim"))
}

/// What is used, in one line; `sign` turns while the first measurement is awaited.
pub(super) fn line(page: &Page, width: usize, sign: &str, theme: &Theme) -> Line<'static> {
    // A workload that has ended uses nothing.
    if !page.workload.state.is_live() {
        return Line::default();
    }
    let measured = match (&page.usage, measured(page)) {
        (_, Some(measured)) => measured,
        (Some(Err(why)), None) => return Line::styled(fit(&format!(" {why}"), width), theme.style("dim")),
        (_, None) => return Line::styled(format!(" {sign} measuring…"), theme.style("dim")),
    };
    let usage = measured.usage;
    let bars = (width / 5).clamp(4, 30);
    let of = usage.processors.map(|count| format!(" of {}", text::plural(count, "cpu", "cpus"))).unwrap_or_default();
    let mut spans = vec![
        Span::styled(format!(" cpu {:>6}{of} ", usage.cpu_words()), theme.style("text")),
        measured.cpu_spark(bars, theme),
        Span::styled(format!("  memory {} ", memory_words(usage)), theme.style("text")),
        measured.memory_spark(bars, theme),
    ];
    if let Some(words) = measured.full_words() {
        spans.push(Span::styled(format!(" {words}"), theme.style(tone(Tone::Bad))));
    }
    spans.push(Span::styled(format!("  {}", measured.further_words()), theme.style("dim")));
    Line::from(spans)
}

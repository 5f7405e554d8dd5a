//! Numbers with names as bars, each to the largest of them.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use crate::kit::{
    theme::Theme,
    widgets::{bar, cell, put, row},
};
use wharf_core::base::{clean, text};

/// The least and the most columns of a name.
const NAME: (usize, usize) = (8, 24);
/// The least columns of a number, with the space before it.
const NUMBER: usize = 6;

/// The columns of the names in a plot of so many columns.
pub fn name_width(width: usize) -> usize {
    (width / 3).clamp(NAME.0, NAME.1)
}

/// Draws as many bars as the area has lines.
pub fn bars(frame: &mut Frame<'_>, area: Rect, named: &[(String, u64)], theme: &Theme) {
    let most = named.iter().map(|(_, value)| *value).max().unwrap_or_default();
    let width = usize::from(area.width);
    let name = name_width(width);
    let number = (text::count(most).width() + 1).max(NUMBER);
    let room = width.saturating_sub(1 + name + 1 + number + 1);
    for (place, (words, value)) in (0..area.height).zip(named) {
        let value_words = text::count(*value);
        let line = Line::from(vec![
            Span::styled(format!(" {}", cell(&clean::line(words), name)), theme.style("text")),
            Span::styled(bar(*value, most, room), theme.style("chart.bar")),
            Span::styled(format!("{value_words:>number$}"), theme.style("dim")),
        ]);
        put(frame, row(area, place), line);
    }
}

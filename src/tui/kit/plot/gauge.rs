//! A gauge: how much of a limit is used, as one thick and one thin line.

use ratatui::text::{Line, Span};

use crate::kit::theme::Theme;

/// How many of `width` columns `part` of `whole` takes. Something takes a column at least, and only the whole takes all.
pub fn filled(part: u64, whole: u64, width: usize) -> usize {
    if part == 0 || whole == 0 || width == 0 {
        return 0;
    }
    if part >= whole {
        return width;
    }
    let columns = (u128::from(part) * width as u128 / u128::from(whole)) as usize;
    columns.clamp(1, (width - 1).max(1))
}

/// `part` of `whole` as `━━━───` in exactly `width` columns; a whole of 0 is a limit that is not known: an empty gauge.
pub fn gauge(part: u64, whole: u64, width: usize, theme: &Theme) -> Line<'static> {
    let full = filled(part, whole, width);
    Line::from(vec![
        Span::styled("━".repeat(full), theme.style("chart.bar")),
        Span::styled("─".repeat(width - full), theme.style("dim")),
    ])
}

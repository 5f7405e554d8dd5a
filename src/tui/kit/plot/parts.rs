//! The parts of a whole, told apart by patterns and not by colour alone.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::kit::{theme::Theme, widgets::fit};
use wharf_core::base::text;

/// The patterns of the parts, in their order.
pub const PATTERNS: [&str; 4] = ["█", "▓", "▒", "░"];

/// A part of a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the legend calls it.
    pub name: String,
    /// How large it is, in the unit of all parts.
    pub value: u64,
}

/// The same parts, as many as there are patterns: what is left after the third is one part, `N others`.
pub fn grouped(parts: &[Part]) -> Vec<Part> {
    if parts.len() <= PATTERNS.len() {
        return parts.to_vec();
    }
    let (first, others) = parts.split_at(PATTERNS.len() - 1);
    let value = others.iter().fold(0u64, |sum, part| sum.saturating_add(part.value));
    let rest = Part { name: format!("{} others", others.len()), value };
    [first, &[rest]].concat()
}

/// Shares `width` columns out between the values: the columns add up to `width` unless all values are 0. A value above 0
/// gets a column where there are enough of them.
pub fn divided(values: &[u64], width: usize) -> Vec<usize> {
    let whole: u128 = values.iter().copied().map(u128::from).sum();
    if whole == 0 {
        return vec![0; values.len()];
    }
    let exact = |value: &u64| u128::from(*value) * width as u128;
    let mut columns: Vec<usize> = values.iter().map(|value| (exact(value) / whole) as usize).collect();
    // The columns that rounding has left go where most was cut off.
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(values.get(*at).map_or(0, |value| exact(value) % whole)));
    let left = width - columns.iter().sum::<usize>().min(width);
    for at in order.into_iter().take(left) {
        columns[at] += 1;
    }
    if values.iter().filter(|value| **value > 0).count() <= width {
        while let Some(empty) = (0..values.len()).find(|at| values[*at] > 0 && columns[*at] == 0) {
            let Some(widest) = (0..values.len()).max_by_key(|at| columns[*at]).filter(|at| columns[*at] > 1) else {
                break;
            };
            columns[widest] -= 1;
            columns[empty] += 1;
        }
    }
    columns
}

/// The parts as one bar of exactly `width` columns; of nothing, an empty line.
pub fn stacked(parts: &[Part], width: usize, theme: &Theme) -> Line<'static> {
    let parts = grouped(parts);
    let values: Vec<u64> = parts.iter().map(|part| part.value).collect();
    let spans = divided(&values, width).into_iter().zip(PATTERNS).map(|(columns, pattern)| pattern.repeat(columns));
    Line::from(spans.map(|text| Span::styled(text, theme.style("bar"))).collect::<Vec<_>>())
}

/// What the patterns mean, each with its size in bytes: `█ 720M cuda  ▓ 310M base`, cut at `width`.
pub fn legend(parts: &[Part], width: usize, theme: &Theme) -> Line<'static> {
    let mut spans = Vec::new();
    let mut left = width;
    for (part, pattern) in grouped(parts).into_iter().zip(PATTERNS) {
        let gap = if spans.is_empty() { "" } else { "  " };
        let words = format!(" {} {}", text::short_size(part.value), part.name);
        let mark = format!("{gap}{pattern}");
        // A pattern alone says nothing.
        if left < mark.width() + 3 {
            break;
        }
        left -= mark.width();
        let words = fit(&words, words.width().min(left));
        left -= words.width();
        spans.push(Span::styled(mark, theme.style("bar")));
        spans.push(Span::styled(words, theme.style("text")));
    }
    Line::from(spans)
}

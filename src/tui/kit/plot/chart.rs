//! A history as a filled chart with both ends of its scale written beside it.
//!
//! Drawn with our own characters instead of ratatui's chart: its half blocks are told apart by colour alone, so that
//! nothing would be seen of them without colours, and it draws lines between readings, which nobody has measured.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::spark::{share, upper_end};
use crate::kit::{theme::Theme, widgets::fit};

/// What charts are drawn with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Charts {
    /// Braille: two readings in each column, four heights in each line.
    #[default]
    Braille,
    /// Blocks: a reading in each column, eight heights in each line.
    Blocks,
    /// No charts: the numbers alone.
    Off,
}

/// What a chart shows.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// The readings, the newest last.
    pub values: &'a [f64],
    /// The limit that the chart is scaled to; without one, the largest shown reading.
    pub limit: Option<f64>,
    /// The upper end of the scale in words, given its value.
    pub words: fn(f64) -> String,
    /// The theme's role of what is filled.
    pub role: &'static str,
}

/// How many of a chart's columns are left to its readings beside the written ends of its scale, and the width of these.
fn columns(upper: &str, width: usize) -> (usize, usize) {
    let label = upper.width().max(1);
    if width < label + 3 { (width, 0) } else { (width - label - 2, label) }
}

/// The history in `height` lines of at most `width` columns, the newest reading at the right end.
pub fn chart(history: History<'_>, width: usize, height: usize, charts: Charts, theme: &Theme) -> Vec<Line<'static>> {
    if charts == Charts::Off || width == 0 || height == 0 {
        return Vec::new();
    }
    let each = if charts == Charts::Braille { 2 } else { 1 };
    let newest = |room: usize| {
        let count = room * each;
        history.values.get(history.values.len().saturating_sub(count)..).unwrap_or_default()
    };
    // The written end depends on what is shown, and the room for that on the written end: the widest room decides.
    let end = upper_end(newest(width), history.limit);
    let upper = (history.words)(end);
    let (room, label) = columns(&upper, width);
    let shares: Vec<f64> = newest(room).iter().map(|value| share(*value, end)).collect();
    let line = |row: usize| {
        let filled: String =
            (0..room).map(|column| cell(&shares, room, column, height - 1 - row, height, charts)).collect();
        let mut spans = Vec::new();
        if label > 0 {
            let (word, tick) = match row {
                0 => (upper.as_str(), "┤"),
                row if row + 1 == height => ("0", "┤"),
                _ => ("", "│"),
            };
            let pad = " ".repeat(label.saturating_sub(word.width()));
            spans.push(Span::styled(format!(" {pad}{}{tick}", fit(word, word.width())), theme.style("dim")));
        }
        spans.push(Span::styled(filled, theme.style(history.role)));
        Line::from(spans)
    };
    (0..height).map(line).collect()
}

/// The character of a column in the `above`-th of `height` lines from below.
fn cell(shares: &[f64], room: usize, column: usize, above: usize, height: usize, charts: Charts) -> char {
    let (each, steps) = if charts == Charts::Braille { (2, 4) } else { (1, 8) };
    // How many of the line's steps the reading of a place fills; places before the first reading fill none.
    let level = |place: usize| {
        let missing = (room * each).saturating_sub(shares.len());
        let value = place.checked_sub(missing).and_then(|at| shares.get(at)).copied().unwrap_or(0.0);
        let whole = (value * (height * steps) as f64).round() as usize;
        // Something that is used is seen, however little.
        let whole = if value > 0.0 { whole.max(1) } else { 0 };
        whole.saturating_sub(above * steps).min(steps)
    };
    if charts == Charts::Braille {
        // Dots from below, as Unicode numbers them (Braille Patterns, U+2800).
        const LEFT: [u32; 5] = [0, 0x40, 0x44, 0x46, 0x47];
        const RIGHT: [u32; 5] = [0, 0x80, 0xa0, 0xb0, 0xb8];
        let dots = LEFT[level(column * 2)] | RIGHT[level(column * 2 + 1)];
        if dots == 0 { ' ' } else { char::from_u32(0x2800 + dots).unwrap_or(' ') }
    } else {
        const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        BLOCKS[level(column)]
    }
}

//! The visible lines of the output: cut or continued, with matches marked.

use std::ops::Range;

use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Output, Room, fold::folded};
use crate::kit::theme::Theme;
use wharf_core::launch::level::Level;

impl Output {
    /// The visible rows: `▸` before the selected line and `·` before other lines that match. At most as many rows as
    /// there is room for.
    pub fn shown(&self, room: Room, theme: &Theme) -> Vec<Line<'static>> {
        let mut rows = Vec::new();
        let signs = self.has_signs();
        let width = room.width.saturating_sub(if signs { 2 } else { 0 });
        for place in self.window(room) {
            let Some((number, entry)) = self.entry(place) else { continue };
            let places = self.search.as_ref().map(|search| search.places(&entry.text)).unwrap_or_default();
            let selected = self.selected() == Some(number);
            let sign = match (selected, places.is_empty()) {
                (true, _) => "▸ ",
                (false, true) => "  ",
                (false, false) => "· ",
            };
            let text = theme.style(role(entry.level));
            let parts = if self.wrap {
                let ranges = folded(&entry.text, width).into_iter();
                ranges.map(|range| whole_pieces(&entry.text, &places, range)).collect()
            } else {
                vec![pieces(&entry.text, &places, width)]
            };
            for (part, pieces) in parts.into_iter().enumerate() {
                let mut spans = Vec::new();
                if signs {
                    let sign = if part == 0 { sign } else { "  " };
                    spans.push(Span::styled(sign, theme.style("match")));
                }
                let style = |found| if found { theme.style("match") } else { text };
                spans.extend(pieces.into_iter().map(|(text, found)| Span::styled(text, style(found))));
                rows.push(Line::from(spans));
            }
        }
        rows.truncate(room.height);
        rows
    }
}

/// The theme's role for a line of a level.
fn role(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Error) => "log.bad",
        Some(Level::Warning) => "log.caution",
        Some(Level::Debug) => "dim",
        _ => "text",
    }
}

/// A part of a line in pieces, with `true` for a match.
fn whole_pieces(line: &str, found: &[Range<usize>], part: Range<usize>) -> Vec<(String, bool)> {
    let mut pieces = Pieces::default();
    let text = line.get(part.clone()).unwrap_or_default();
    for (at, c) in text.char_indices() {
        pieces.add(c, found.iter().any(|range| range.contains(&(part.start + at))));
    }
    pieces.0
}

/// A line cut to `width` columns, in pieces with `true` for a match; a long line is cut so that its first match is
/// visible.
fn pieces(line: &str, found: &[Range<usize>], width: usize) -> Vec<(String, bool)> {
    let before = |end: usize| line.get(..end).map_or(0, UnicodeWidthStr::width);
    let mut begin = 0;
    if let Some(first) = found.first().filter(|first| before(first.end) + 1 > width) {
        let wanted = before(first.start).saturating_sub(width / 4);
        begin = line.char_indices().map(|(at, _)| at).find(|at| before(*at) >= wanted).unwrap_or(0);
    }
    let mut pieces = Pieces::default();
    let mut used = 0;
    if begin > 0 {
        pieces.add('…', false);
        used = 1;
    }
    for (at, c) in line.char_indices().filter(|(at, _)| *at >= begin) {
        let columns = c.width().unwrap_or(0);
        let more = usize::from(at + c.len_utf8() < line.len());
        if used + columns + more > width {
            pieces.add('…', false);
            break;
        }
        used += columns;
        pieces.add(c, found.iter().any(|range| range.contains(&at)));
    }
    pieces.0
}

/// Text that is put together letter by letter, a piece for each run of letters that match or do not.
#[derive(Default)]
struct Pieces(Vec<(String, bool)>);

impl Pieces {
    fn add(&mut self, c: char, is_found: bool) {
        match self.0.last_mut() {
            Some((text, was_found)) if *was_found == is_found => text.push(c),
            _ => self.0.push((c.into(), is_found)),
        }
    }
}

//! What waits, below the list: how many requests each rule holds back, or how many stand on each base image.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::Page;
use crate::kit::{
    panel,
    theme::Theme,
    widgets::{bar, below, cell, put, row},
};
use wharf_core::base::{clean, text};

/// The most bars.
const BARS: usize = 6;
/// The columns of a number of requests.
const NUMBER: usize = 6;

impl Page {
    /// The requests that wait by what the list is grouped by first, the most first.
    fn by_first(&self) -> Vec<(String, u64)> {
        let mut counted: Vec<(String, u64)> = Vec::new();
        for group in &self.groups {
            let name = match (self.by_base, group.base.as_str()) {
                (false, _) => group.rule.as_str(),
                (true, "") => "unknown",
                (true, base) => base,
            };
            let count = u64::try_from(group.count).unwrap_or_default();
            match counted.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += count,
                None => counted.push((name.to_owned(), count)),
            }
        }
        counted.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        counted
    }

    /// How many lines the plot takes with its title; none where there is nothing to compare.
    pub(super) fn waiting_lines(&self) -> u16 {
        match self.by_first().len() {
            _ if !self.decides() => 0,
            0 | 1 => 0,
            several => u16::try_from(several.min(BARS) + 1).unwrap_or_default(),
        }
    }

    /// Draws the bars, each to the largest number.
    pub(super) fn waiting_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        if area.is_empty() {
            return;
        }
        let counted = self.by_first();
        let facts = if self.by_base { "by base image" } else { "by rule" };
        let inner = panel::titled(frame, area, "What waits", facts, false, theme);
        let most = counted.first().map_or(0, |(_, count)| *count);
        let width = usize::from(inner.width);
        let name = (width / 3).clamp(8, 24);
        let room = width.saturating_sub(1 + name + 1 + NUMBER + 1);
        let shown = counted.len().min(usize::from(inner.height));
        for (place, (words, count)) in (0..inner.height).zip(counted.iter().take(shown)) {
            let line = Line::from(vec![
                Span::styled(format!(" {}", cell(&clean::line(words), name)), theme.style("text")),
                Span::styled(bar(*count, most, room), theme.style("chart.bar")),
                Span::styled(format!("{:>NUMBER$}", text::count(*count)), theme.style("dim")),
            ]);
            put(frame, row(below(inner, place), 0), line);
        }
    }
}

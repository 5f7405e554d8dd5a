//! What waits, below the list: how many requests each rule holds back, or how many stand on each base image.

use ratatui::{Frame, layout::Rect};

use super::Page;
use crate::kit::{panel, plot::bars::bars, theme::Theme};

/// The most bars.
const BARS: usize = 6;

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
        bars(frame, inner, &counted, theme);
    }
}

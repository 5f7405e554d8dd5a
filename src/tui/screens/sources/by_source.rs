//! Which sources the images are of, as bars below what is known of the selected one.

use ratatui::{Frame, layout::Rect};

use crate::{
    kit::{panel, plot::bars::bars, theme::Theme},
    model::Model,
};

/// The most bars; the last is that of all smaller sources.
const BARS: usize = 8;

/// The sources with images in the lists, the largest first, at most so many as there are bars.
fn counted(model: &Model) -> Vec<(String, u64)> {
    let is_shown = |name: &str| model.sources.iter().any(|source| source.name == name && !source.hidden);
    let held = model.held.iter().filter(|held| held.rows > 0 && is_shown(&held.source));
    let mut all: Vec<(String, u64)> = held.map(|held| (held.source.clone(), held.rows as u64)).collect();
    all.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    if all.len() > BARS {
        let others = all.split_off(BARS - 1);
        all.push((format!("{} others", others.len()), others.iter().map(|(_, rows)| rows).sum()));
    }
    all
}

/// How many lines the plot takes with its title; none where there is nothing to compare.
pub(super) fn lines(model: &Model) -> u16 {
    match counted(model).len() {
        0 | 1 => 0,
        several => u16::try_from(several + 1).unwrap_or_default(),
    }
}

/// Draws the bars, each to the largest number.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, theme: &Theme) {
    if area.is_empty() {
        return;
    }
    let counted = counted(model);
    let inner = panel::titled(frame, area, "Images by source", "", false, theme);
    bars(frame, inner, &counted, theme);
}

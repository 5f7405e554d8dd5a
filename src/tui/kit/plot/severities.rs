//! Findings by severity: how many there are, and how many of them can be fixed.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::gauge::filled;
use crate::kit::{
    theme::Theme,
    widgets::{bar, fit},
};
use wharf_core::{
    base::{severity::Severity as Of, text},
    portal::evidence::brief::Findings,
};

/// The findings of one severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Severity {
    /// The severity in a word: `critical`.
    pub name: &'static str,
    /// The theme's role of its bar: `critical.bad`.
    pub role: &'static str,
    /// How many findings there are.
    pub count: u64,
    /// How many of them have a fixed version.
    pub fixable: u64,
}

impl From<&Findings> for Severity {
    fn from(group: &Findings) -> Self {
        let role = match group.severity {
            Of::Critical => "critical.bad",
            Of::High => "high.bad",
            Of::Medium => "medium.caution",
            Of::Low => "low.dim",
            Of::Unknown => "unknown",
        };
        Self { name: group.severity.name(), role, count: group.count, fixable: group.fixable }
    }
}

/// A line for each severity, at most `width` columns wide: its name, its count, a bar and `n fix`. All bars have one
/// scale, the largest count; `▓` is the share that can be fixed, `█` the rest.
pub fn severities(groups: &[Severity], width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let most = groups.iter().map(|group| group.count).max().unwrap_or(0);
    let name = groups.iter().map(|group| group.name.width()).max().unwrap_or(0) + 1;
    let figures = groups.iter().map(|group| text::count(group.count).width()).max().unwrap_or(0).max(3);
    let fixes = groups.iter().map(|group| fix_words(group).width()).max().unwrap_or(0);
    let beside = name + figures + 1;
    // Where there is no room for bars the numbers are what counts.
    let fixes = if width < beside + fixes + 2 { 0 } else { fixes };
    let room = width.saturating_sub(beside + fixes + usize::from(fixes > 0));
    groups.iter().map(|group| severity(group, most, (name, figures, room, fixes), width, theme)).collect()
}

fn fix_words(group: &Severity) -> String {
    match group.fixable.min(group.count) {
        0 => String::new(),
        fixable => format!("{} fix", text::count(fixable)),
    }
}

fn severity(
    group: &Severity,
    most: u64,
    (name, figures, room, fixes): (usize, usize, usize, usize),
    width: usize,
    theme: &Theme,
) -> Line<'static> {
    let words = format!("{}{:>figures$} ", fit(group.name, name), text::count(group.count));
    let fixable = filled(group.fixable.min(group.count), most, room);
    let rest = group.count - group.fixable.min(group.count);
    let solid = if rest == 0 { String::new() } else { solid(group.count, most, room, fixable) };
    let drawn = fixable + solid.width();
    let role = theme.style(group.role);
    let mut spans = vec![
        Span::styled(fit(&words, words.width().min(width)), theme.style(if group.count > 0 { "text" } else { "dim" })),
        Span::styled("▓".repeat(fixable), role),
        Span::styled(solid, role),
    ];
    if fixes > 0 {
        let gap = " ".repeat((room + 1).saturating_sub(drawn));
        spans.push(Span::styled(format!("{gap}{:>fixes$}", fix_words(group)), theme.style("text")));
    }
    Line::from(spans)
}

/// The part of a bar of `room` columns for `count` of `most` that is not covered by its first `covered` columns; at least
/// the thinnest stroke where there is room for it.
fn solid(count: u64, most: u64, room: usize, covered: usize) -> String {
    let whole = bar(count, most, room);
    let rest: String = whole.trim_end().chars().skip(covered).collect();
    if rest.is_empty() && covered < room { "▏".to_owned() } else { rest }
}
